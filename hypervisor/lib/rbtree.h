// SPDX-License-Identifier: MIT
// Red-black tree whose nodes lie inside the elements; elements that compare equal keep the order in
// which they came. The first element is at hand without a search (timers, run queues). Pure; the
// owner's lock guards the tree.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

struct rb_node {
    struct rb_node *parent;
    struct rb_node *child[2]; // 0: smaller, 1: not smaller
    bool is_red;
};

struct rb_tree {
    struct rb_node *root;
    struct rb_node *first;
};

// Whether a comes before b: a strict order.
typedef bool rb_less_fn(const struct rb_node *a, const struct rb_node *b);

// The least element, or NULL, in constant time.
static inline struct rb_node *rb_first(const struct rb_tree *tree)
{
    return tree->first;
}

// O(log n) each. The node is in no tree before insert, and in this one before remove. A tree of
// zeros is empty.
void rb_insert(struct rb_tree *tree, struct rb_node *node, rb_less_fn *less);
void rb_remove(struct rb_tree *tree, struct rb_node *node);

// The next in order, or NULL.
struct rb_node *rb_next(const struct rb_node *node);

#define rb_entry(node, type, member) container_of(node, type, member)
