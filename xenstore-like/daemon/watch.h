// SPDX-License-Identifier: MIT
// Watches in a tree of the paths they watch, so that an event meets those on its way from the root and
// no others. Pure.
#pragma once

#include <sys/queue.h>

#include "store.h"

struct watch {
    struct watch *next_here;        // those with the same path
    LIST_ENTRY(watch) link;         // of its owner's
    void *owner;
    int32_t depth;                  // how many levels below the path count; -1: all
    uint16_t relative;              // how many first bytes of the path its owner does not see
    bool missed;                    // an event could not be queued: one is owed
    char *token;
    char path[];                    // absolute, or special; the token behind it
};

LIST_HEAD(watch_list, watch);

// Trees of nodes, whose values point to the first watch of a path.
struct watch_tree {
    struct node *paths, *special;       // special: of words with @
    struct perms *perms;                // that nodes have, and nobody asks for
    size_t nr_watches;
};

void watch_tree_init(struct watch_tree *tree);

struct watch *watch_add(struct watch_tree *tree, struct watch_list *list, void *owner, const char *path,
                        size_t relative, const char *token, int32_t depth);
// An owner has one watch of a path with a token, whether he named it by its whole path or not.
struct watch *watch_find(struct watch_tree *tree, const void *owner, const char *path, const char *token);
void watch_remove(struct watch_tree *tree, struct watch *watch);

typedef void watch_fn(void *arg, struct watch *watch, const char *path);

// Calls `fire` for each watch that an event at `path` matches, with the path to report.
void watch_match(struct watch_tree *tree, const char *path, watch_fn *fire, void *arg);
// The same for each watch below `path` whose node is in the tree that was removed there.
void watch_match_removed(struct watch_tree *tree, const char *path, struct node *removed,
                         watch_fn *fire, void *arg);
