// SPDX-License-Identifier: MIT
// Nodes: name, value, permissions, children. A tree is a reference to its root, so a snapshot is one
// more reference, taken in constant time.
//
// What is referenced more than once never changes. Who wants to change a node first makes it his own
// (node_own, kids_own_slot), which copies it only if somebody else sees it too; along a path from the
// root this copies what lies on the path and nothing else. Without snapshots nothing is copied.
//
// Children are a B-tree of at most KIDS_MAX slots a block, ordered by name, so that a copy of a node
// with ten thousand children costs as little as one with ten:
//
//   node --> block (inner)  [ key | block ] [ key | block ] ...
//                               |               +--> block (leaf)  [ key | node ] [ key | node ]
//                               +--> block (leaf)  [ key | node ] ...
//
// A key is the first 8 bytes of a name as a big-endian number, so most comparisons touch no node. In inner
// blocks the name was the first below when the slot was made: it parts the names there from those before.
// Recursion goes as deep as the tree, which the longest path bounds: 1,536 nodes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "path.h"
#include "perms.h"

enum { KIDS_MAX = 32 };

struct kids;

struct node {
    uint32_t references;
    uint16_t name_length;
    uint16_t value_length;
    uint64_t generation;        // of the last change of value, permissions or the list of children
    struct perms *perms;
    struct kids *kids;          // NULL: none
    char bytes[];               // the name, then the value
};

static inline const char *node_name(const struct node *n)
{
    return n->bytes;
}

static inline const char *node_value(const struct node *n)
{
    return n->bytes + n->name_length;
}

// Takes over the reference to `perms`.
struct node *node_new(const char *name, size_t name_length, const void *value, size_t value_length,
                      struct perms *perms, uint64_t generation);
struct node *node_get(struct node *n);
void node_put(struct node *n);

// The same node as the caller's own: turns his reference into one that nobody shares.
struct node *node_own(struct node *n);
// Another value, or other permissions (whose reference is taken over), of an own node.
struct node *node_set_value(struct node *n, const void *value, size_t length, uint64_t generation);
void node_set_perms(struct node *n, struct perms *perms, uint64_t generation);

size_t node_nr_children(const struct node *n);
struct node *node_child(const struct node *n, const char *name, size_t length);
// The child at a place in the order of names; there must be that many.
struct node *node_child_at(const struct node *n, size_t index);
// <0, 0, >0: how a node's name stands to another in the order of children.
int node_compare(const struct node *n, const char *name, size_t length);
// Whether both have children of the same names.
bool node_lists_are_equal(const struct node *a, const struct node *b);

// Where an own node refers to a child, for changing that reference; NULL if there is no such child.
struct node **node_own_child(struct node *n, const char *name, size_t length);
// Where a path's node is referred to, with everything on the way to it made own. What is missing is made,
// empty and with `perms`; with NULL for them the node must exist.
struct node **node_own_path(struct node **root, const char *path, size_t length, struct perms *perms);
// Adds a child whose name is new here, and takes over its reference.
void node_insert_child(struct node *n, struct node *child);
// Makes room for so many children of a node that has none.
void node_expect_children(struct node *n, size_t count);
// Gives the reference to a child, which must exist, to the caller.
struct node *node_remove_child(struct node *n, const char *name, size_t length);
