// SPDX-License-Identifier: MIT
// The tree, and what may be done with it. A view is a root that operations work on: the store's own,
// or a transaction's. Each operation checks paths, permissions and quotas first and then acts; once it
// has changed something it cannot fail. Pure: whoever makes a view is told of accesses and changes.
#pragma once

#include "node.h"
#include "path.h"
#include "quota.h"

// Which part of a node an operation saw.
enum { SAW_VALUE = 1, SAW_PERMS = 2, SAW_LIST = 4, SAW_TREE = 8 };

enum change { CHANGE_NEW, CHANGE_VALUE, CHANGE_PERMS, CHANGE_GONE };

struct view;

struct view_hooks {
    // An operation depends on this part of the node at a path, or on there being none.
    void (*saw)(struct view *view, const char *path, size_t length, unsigned parts);
    // A node is as it is told now (CHANGE_GONE: was, with all below it).
    void (*changed)(struct view *view, enum change change, const char *path, size_t length,
                    const struct node *n);
};

// Nodes that a view's owner has more than the store's accounts say.
struct tally {
    uint16_t domid;
    int32_t nodes;
};

struct store {
    struct node *root;
    uint64_t generation;
    struct domain_ends ends;
    struct quotas quotas;
};

struct view {
    struct store *store;
    struct node *root;
    const struct view_hooks *hooks;
    struct buf tallies;
};

// `store` is all zero before.
void store_init(struct store *store);

// A view of the store as it is now. What is done in it is nobody's until view_publish(), which makes
// it the store's, or view_drop().
void view_open(struct view *view, struct store *store, const struct view_hooks *hooks);
void view_publish(struct view *view);
void view_drop(struct view *view);
// For a single operation, which changes nothing if it fails, and then view_publish() in any case: without a
// snapshot to go back to, the store has no root in between.
void view_borrow(struct view *view, struct store *store, const struct view_hooks *hooks);

// Where a path leads: to a node, or as far as there are nodes.
struct place {
    struct node *node;          // NULL: there is none
    struct node *above;         // its parent, or the last there is on the way; NULL for the root's
    struct node *near;          // the last there is on the way, itself or `above`
    size_t near_length;         // of its path
    size_t first_missing;       // the length of the path of the first that is not there
    size_t nr_missing;
};

// No checks; tree_find() gives the node alone.
struct place tree_locate(struct node *root, const char *path);
struct node *tree_find(struct node *root, const char *path);

// The node, if `who` has `bits` on it. A node that is not there is -ENOENT to those who have them on the
// nearest node above, and -EACCES to others. `parts` is what the caller will look at.
int view_find(struct view *view, struct subject who, const struct path *path, unsigned bits,
              unsigned parts, struct node **found);
// Creates what is missing; new nodes have their parent's permissions, and `who` for owner if that is
// not the control domain.
int view_write(struct view *view, struct subject who, const struct path *path, const void *value,
               size_t length);
int view_mkdir(struct view *view, struct subject who, const struct path *path);
// Gives the removed tree to the caller; NULL if there was none, which is no error.
int view_rm(struct view *view, struct subject who, const struct path *path, struct node **removed);
int view_set_perms(struct view *view, struct subject who, const struct path *path,
                   const struct perm *entries, size_t count);
// Gives a node that exists other permissions, unasked; takes over the reference.
int view_take_perms(struct view *view, const struct path *path, struct perms *perms);

// Changes of a view in order, to be told once they are the store's: paths with their zero bytes, and for
// each a struct node *, a reference to the tree that is gone, or NULL.
struct told {
    struct buf paths, removed;
};

// Removes every node that a domain owns, with all below it: when the domain is gone.
void view_remove_owned(struct view *view, uint16_t domid, struct told *told);
