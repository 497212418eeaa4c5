// SPDX-License-Identifier: MIT
// Red-black tree (lib/rbtree.h). Invariants: the root is black, a red node has black children, and
// all paths from a node down to nothing pass the same number of black nodes. Both sides of every
// case are one code, with the side as an index. Loops only, no recursion: ring 0's stacks are
// small.
#include "lib/rbtree.h"

static bool is_red(const struct rb_node *node)
{
    return node != NULL && node->is_red;
}

// Which child of its parent the node is.
static unsigned side_of(const struct rb_node *node)
{
    return node->parent->child[1] == node;
}

// Put new (or nothing) where old hangs: under old's parent or at the root.
static void replace_child(struct rb_tree *tree, struct rb_node *old, struct rb_node *new)
{
    if (old->parent == NULL)
        tree->root = new;
    else
        old->parent->child[side_of(old)] = new;
    if (new != NULL)
        new->parent = old->parent;
}

// Turn the node down to the given side; its child of the other side takes its place.
static void rotate(struct rb_tree *tree, struct rb_node *node, unsigned side)
{
    struct rb_node *riser = node->child[!side];
    struct rb_node *moved = riser->child[side];

    replace_child(tree, node, riser);
    riser->child[side] = node;
    node->parent = riser;
    node->child[!side] = moved;
    if (moved != NULL)
        moved->parent = node;
}

// Repair two reds in a row, at node and its parent.
static void insert_repair(struct rb_tree *tree, struct rb_node *node)
{
    while (is_red(node->parent)) {
        struct rb_node *parent = node->parent;
        struct rb_node *grandparent = parent->parent;
        unsigned side = side_of(parent);
        struct rb_node *uncle = grandparent->child[!side];

        if (is_red(uncle)) {
            parent->is_red = false;
            uncle->is_red = false;
            grandparent->is_red = true;
            node = grandparent;
            continue;
        }
        if (side_of(node) != side) {
            rotate(tree, parent, side);
            parent = node;
        }
        parent->is_red = false;
        grandparent->is_red = true;
        rotate(tree, grandparent, !side);
        break;
    }
    tree->root->is_red = false;
}

void rb_insert(struct rb_tree *tree, struct rb_node *node, rb_less_fn *less)
{
    struct rb_node *parent = NULL;
    struct rb_node **link = &tree->root;
    bool is_first = true;

    while (*link != NULL) {
        parent = *link;
        unsigned side = !less(node, parent);
        is_first = is_first && side == 0;
        link = &parent->child[side];
    }
    *node = (struct rb_node){ .parent = parent, .is_red = true };
    *link = node;
    if (is_first)
        tree->first = node;
    insert_repair(tree, node);
}

struct rb_node *rb_next(const struct rb_node *node)
{
    struct rb_node *next = node->child[1];

    while (next != NULL && next->child[0] != NULL)
        next = next->child[0];
    if (next != NULL)
        return next;
    while (node->parent != NULL && side_of(node) == 1)
        node = node->parent;
    return node->parent;
}

// The paths through parent's child at side lack one black node. Where recolouring the sibling only
// moves the lack upwards, go up; otherwise end it here.
static void remove_repair(struct rb_tree *tree, struct rb_node *parent, unsigned side)
{
    while (parent != NULL) {
        struct rb_node *sibling = parent->child[!side];

        if (is_red(sibling)) {
            sibling->is_red = false;
            parent->is_red = true;
            rotate(tree, parent, side);
            sibling = parent->child[!side];
        }
        if (is_red(sibling->child[side]) && !is_red(sibling->child[!side])) {
            sibling->is_red = true;
            sibling->child[side]->is_red = false;
            rotate(tree, sibling, !side);
            sibling = parent->child[!side];
        }
        if (is_red(sibling->child[!side])) {
            sibling->is_red = parent->is_red;
            parent->is_red = false;
            sibling->child[!side]->is_red = false;
            rotate(tree, parent, side);
            return;
        }
        sibling->is_red = true;
        if (parent->is_red || parent->parent == NULL) {
            parent->is_red = false;
            return;
        }
        side = side_of(parent);
        parent = parent->parent;
    }
}

// Exchange the node with the next one, which has no smaller child, so that the node has one at
// most.
static void swap_with_next(struct rb_tree *tree, struct rb_node *node, struct rb_node *next)
{
    struct rb_node old_next = *next;

    replace_child(tree, node, next);
    *next = (struct rb_node){ .parent = node->parent, .child = { node->child[0], node->child[1] },
                              .is_red = node->is_red };
    node->is_red = old_next.is_red;
    node->child[0] = NULL;
    node->child[1] = old_next.child[1];
    if (node->child[1] != NULL)
        node->child[1]->parent = node;
    if (old_next.parent == node) {
        next->child[1] = node;
        node->parent = next;
    } else {
        old_next.parent->child[0] = node;
        node->parent = old_next.parent;
        next->child[1]->parent = next;
    }
    next->child[0]->parent = next;
}

void rb_remove(struct rb_tree *tree, struct rb_node *node)
{
    if (tree->first == node)
        tree->first = rb_next(node);
    if (node->child[0] != NULL && node->child[1] != NULL)
        swap_with_next(tree, node, rb_next(node));

    struct rb_node *child = node->child[0] != NULL ? node->child[0] : node->child[1];
    struct rb_node *parent = node->parent;
    unsigned side = parent != NULL ? side_of(node) : 0;

    replace_child(tree, node, child);
    if (is_red(child))
        child->is_red = false;
    else if (!node->is_red)
        remove_repair(tree, parent, side);
}
