// SPDX-License-Identifier: MIT
#include "watch.h"

#include <stdlib.h>
#include <string.h>

void watch_tree_init(struct watch_tree *tree)
{
    static const struct perm nobody = { 0, 0 };

    tree->perms = perms_new(&nobody, 1, 0);
    tree->paths = node_new("", 0, NULL, 0, perms_get(tree->perms), 0);
    tree->special = node_new("", 0, NULL, 0, perms_get(tree->perms), 0);
    tree->nr_watches = 0;
}

static struct node **top_of(struct watch_tree *tree, const char *path)
{
    return path[0] == '@' ? &tree->special : &tree->paths;
}

static struct watch *watches_at(const struct node *n)
{
    struct watch *watch = NULL;

    if (n && n->value_length)
        memcpy(&watch, node_value(n), sizeof(watch));
    return watch;
}

static void set_watches(struct node **at, struct watch *watch)
{
    *at = node_set_value(*at, &watch, watch ? sizeof(watch) : 0, 0);
}

static struct node **step_of(struct watch_tree *tree, const char *path, size_t length, bool make)
{
    return node_own_path(top_of(tree, path), path, length, make ? tree->perms : NULL);
}

struct watch *watch_add(struct watch_tree *tree, struct watch_list *list, void *owner, const char *path,
                        size_t relative, const char *token, int32_t depth)
{
    size_t path_size = strlen(path) + 1, token_size = strlen(token) + 1;
    struct watch *watch = mem_zalloc(sizeof(*watch) + path_size + token_size);
    struct node **step = step_of(tree, path, path_size - 1, true);

    memcpy(watch->path, path, path_size);
    watch->token = watch->path + path_size;
    memcpy(watch->token, token, token_size);
    watch->owner = owner;
    watch->depth = depth;
    watch->relative = (uint16_t)relative;
    watch->next_here = watches_at(*step);
    set_watches(step, watch);
    LIST_INSERT_HEAD(list, watch, link);
    tree->nr_watches++;
    return watch;
}

struct watch *watch_find(struct watch_tree *tree, const void *owner, const char *path, const char *token)
{
    struct watch *watch = watches_at(tree_find(*top_of(tree, path), path));

    while (watch && (watch->owner != owner || strcmp(watch->token, token) != 0))
        watch = watch->next_here;
    return watch;
}

// Drops the step of a path if it has neither watches nor steps below it, and then those above it.
static void prune(struct watch_tree *tree, const char *path)
{
    size_t length = strlen(path), above;

    for (; length > 0; length = above) {
        const char *slash = memrchr(path, '/', length), *name = slash ? slash + 1 : path;
        struct node *step = *step_of(tree, path, length, false);

        if (name == path + length || step->value_length || node_nr_children(step))
            return;
        above = slash ? (size_t)(slash - path) : 0;
        step = *step_of(tree, path, above, false);
        node_put(node_remove_child(step, name, length - (size_t)(name - path)));
    }
}

void watch_remove(struct watch_tree *tree, struct watch *watch)
{
    struct node **step = step_of(tree, watch->path, strlen(watch->path), false);
    struct watch *first = watches_at(*step), **at = &first;

    while (*at != watch)
        at = &(*at)->next_here;
    *at = watch->next_here;
    set_watches(step, first);
    LIST_REMOVE(watch, link);
    prune(tree, watch->path);
    free(watch);
    tree->nr_watches--;
}

void watch_match(struct watch_tree *tree, const char *path, watch_fn *fire, void *arg)
{
    const struct node *step = *top_of(tree, path);
    const char *at = path;
    struct component c;

    do {
        for (struct watch *watch = watches_at(step); watch; watch = watch->next_here)
            if (watch->depth < 0 || path_depth(at) <= (size_t)watch->depth)
                fire(arg, watch, path);
        if (!path_next(&at, &c))
            return;
        step = node_child(step, c.name, c.length);
    } while (step);
}

static void removed_below(const struct node *step, const struct node *n, watch_fn *fire, void *arg)
{
    for (size_t i = 0; i < node_nr_children(step); i++) {
        const struct node *child = node_child_at(step, i);
        const struct node *gone = node_child(n, node_name(child), child->name_length);

        if (!gone)
            continue;
        for (struct watch *watch = watches_at(child); watch; watch = watch->next_here)
            fire(arg, watch, watch->path);
        removed_below(child, gone, fire, arg);
    }
}

void watch_match_removed(struct watch_tree *tree, const char *path, struct node *removed,
                         watch_fn *fire, void *arg)
{
    const struct node *step = tree_find(*top_of(tree, path), path);

    if (step)
        removed_below(step, removed, fire, arg);
}
