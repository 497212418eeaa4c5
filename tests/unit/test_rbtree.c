// SPDX-License-Identifier: MIT
// lib/rbtree.c against a sorted array under random insertions and removals; after each, the tree's
// own invariants are checked node by node.
#include <stdlib.h>
#include <string.h>

#include "fake_machine.h"
#include "lib/rbtree.h"
#include "unit_main.h"

#define NR_ITEMS 400

struct item {
    unsigned key;
    unsigned serial; // order of insertion among equal keys
    struct rb_node node;
    bool is_linked;
};

static struct item items[NR_ITEMS];
static struct rb_tree tree;

static bool item_less(const struct rb_node *a, const struct rb_node *b)
{
    return rb_entry(a, struct item, node)->key < rb_entry(b, struct item, node)->key;
}

// The number of black nodes on each way down, or -1 if a rule is broken.
static int black_height(const struct rb_node *node)
{
    if (node == NULL)
        return 1;

    int heights[2];
    for (unsigned side = 0; side < 2; side++) {
        const struct rb_node *child = node->child[side];
        if (child != NULL && (child->parent != node || (node->is_red && child->is_red)))
            return -1;
        heights[side] = black_height(child);
    }
    if (heights[0] < 0 || heights[0] != heights[1])
        return -1;
    return heights[0] + !node->is_red;
}

// In order, first in first, and exactly the linked items.
static unsigned count_in_order(void)
{
    unsigned count = 0;
    struct rb_node *last = NULL;

    CU_ASSERT(black_height(tree.root) > 0);
    for (struct rb_node *node = rb_first(&tree); node != NULL; node = rb_next(node)) {
        if (last != NULL) {
            const struct item *a = rb_entry(last, struct item, node);
            const struct item *b = rb_entry(node, struct item, node);
            CU_ASSERT(a->key < b->key || (a->key == b->key && a->serial < b->serial));
        }
        last = node;
        count++;
    }
    return count;
}

static void random_operations(void)
{
    unsigned linked = 0;
    unsigned serial = 0;

    srand(1);
    for (unsigned step = 0; step < 6000; step++) {
        struct item *item = &items[rand() % NR_ITEMS];
        bool grows = step / 1000 % 2 == 0;
        if (!item->is_linked) {
            if (!grows && rand() % 4 != 0)
                continue;
            item->key = (unsigned)rand() % 100;
            item->serial = serial++;
            rb_insert(&tree, &item->node, item_less);
            item->is_linked = true;
            linked++;
        } else if (!grows || rand() % 4 == 0) {
            rb_remove(&tree, &item->node);
            item->is_linked = false;
            linked--;
        }
        CU_ASSERT_EQUAL(count_in_order(), linked);
    }
}

static void drain(void)
{
    struct rb_node *node;
    unsigned last = 0;

    CU_ASSERT_PTR_NOT_NULL(rb_first(&tree));
    while ((node = rb_first(&tree)) != NULL) {
        CU_ASSERT(rb_entry(node, struct item, node)->key >= last);
        last = rb_entry(node, struct item, node)->key;
        rb_remove(&tree, node);
        CU_ASSERT(black_height(tree.root) > 0);
    }
    CU_ASSERT_PTR_NULL(tree.root);
}

static void sequences(void)
{
    for (unsigned direction = 0; direction < 2; direction++) {
        for (unsigned i = 0; i < NR_ITEMS; i++) {
            items[i].key = direction ? NR_ITEMS - i : i;
            rb_insert(&tree, &items[i].node, item_less);
        }
        CU_ASSERT_EQUAL(count_in_order(), NR_ITEMS);
        for (unsigned i = 0; i < NR_ITEMS; i++) {
            rb_remove(&tree, &items[i].node);
            CU_ASSERT(black_height(tree.root) > 0);
        }
        CU_ASSERT_PTR_NULL(rb_first(&tree));
    }
}

static const struct unit_test tests[] = {
    { "random_operations", random_operations },
    { "drain", drain },
    { "sequences", sequences },
    { NULL, NULL },
};

int main(void)
{
    return unit_main("rbtree", tests);
}
