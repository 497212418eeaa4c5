// SPDX-License-Identifier: MIT
#include "watch.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CHAINS 64

struct watch_step {
    struct watch_step *next_chained;
    struct watch_step *parent;
    struct watch_step *children, *next, **link;
    struct watch *watches;
    uint16_t length;
    char name[];
};

static size_t hash_of(const struct watch_step *parent, const struct component *c)
{
    uint64_t hash = (uintptr_t)parent * 0x9e3779b97f4a7c15;

    for (size_t i = 0; i < c->length; i++)
        hash = (hash ^ (unsigned char)c->name[i]) * 0x100000001b3;
    return (size_t)(hash ^ hash >> 32);
}

static struct component component_of(const struct watch_step *step)
{
    return (struct component){ step->name, step->length };
}

static struct watch_step *step_find(const struct watch_tree *tree, const struct watch_step *parent,
                                    const struct component *c)
{
    struct watch_step *step = tree->chains[hash_of(parent, c) & (tree->nr_chains - 1)];

    while (step && (step->parent != parent || step->length != c->length ||
                    memcmp(step->name, c->name, c->length) != 0))
        step = step->next_chained;
    return step;
}

static void chain(struct watch_tree *tree, struct watch_step *step)
{
    struct component c = component_of(step);
    struct watch_step **at = &tree->chains[hash_of(step->parent, &c) & (tree->nr_chains - 1)];

    step->next_chained = *at;
    *at = step;
}

static void unchain(struct watch_tree *tree, struct watch_step *step)
{
    struct component c = component_of(step);
    struct watch_step **at = &tree->chains[hash_of(step->parent, &c) & (tree->nr_chains - 1)];

    while (*at != step)
        at = &(*at)->next_chained;
    *at = step->next_chained;
}

static void grow(struct watch_tree *tree)
{
    struct watch_step **old = tree->chains;
    size_t nr_old = tree->nr_chains;

    tree->nr_chains *= 2;
    tree->chains = mem_zalloc(tree->nr_chains * sizeof(old[0]));
    for (size_t i = 0; i < nr_old; i++)
        for (struct watch_step *step = old[i], *next; step; step = next) {
            next = step->next_chained;
            chain(tree, step);
        }
    free(old);
}

static struct watch_step *step_new(struct watch_tree *tree, struct watch_step *parent,
                                   const struct component *c)
{
    struct watch_step *step = mem_zalloc(sizeof(*step) + c->length);

    step->length = (uint16_t)c->length;
    memcpy(step->name, c->name, c->length);
    if (!parent)
        return step;
    step->parent = parent;
    step->next = parent->children;
    step->link = &parent->children;
    if (step->next)
        step->next->link = &step->next;
    parent->children = step;
    if (tree->nr_steps++ >= tree->nr_chains)
        grow(tree);
    chain(tree, step);
    return step;
}

// Drops a step that has neither watches nor children, and then those above it.
static void prune(struct watch_tree *tree, struct watch_step *step)
{
    while (step->parent && !step->watches && !step->children) {
        struct watch_step *parent = step->parent;

        unchain(tree, step);
        *step->link = step->next;
        if (step->next)
            step->next->link = step->link;
        free(step);
        tree->nr_steps--;
        step = parent;
    }
}

void watch_tree_init(struct watch_tree *tree)
{
    static const struct component none = { "", 0 };

    *tree = (struct watch_tree){ .nr_chains = FIRST_CHAINS };
    tree->chains = mem_zalloc(tree->nr_chains * sizeof(tree->chains[0]));
    tree->root = step_new(tree, NULL, &none);
    tree->special = step_new(tree, NULL, &none);
}

void watch_tree_fini(struct watch_tree *tree)
{
    free(tree->root);
    free(tree->special);
    free(tree->chains);
}

static struct watch_step *top_of(const struct watch_tree *tree, const char *path)
{
    return path[0] == '@' ? tree->special : tree->root;
}

struct watch *watch_add(struct watch_tree *tree, struct watch **list, void *owner, const char *path,
                        size_t relative, const char *token, int32_t depth)
{
    size_t path_size = strlen(path) + 1, token_size = strlen(token) + 1;
    struct watch *watch = mem_zalloc(sizeof(*watch) + path_size + token_size);
    struct watch_step *step = top_of(tree, path), *next;
    struct component c;

    memcpy(watch->path, path, path_size);
    watch->token = watch->path + path_size;
    memcpy(watch->token, token, token_size);
    watch->owner = owner;
    watch->depth = depth;
    watch->relative = (uint16_t)relative;
    for (const char *at = path; path_next(&at, &c); step = next) {
        next = step_find(tree, step, &c);
        if (!next)
            next = step_new(tree, step, &c);
    }
    watch->step = step;
    watch->next_here = step->watches;
    step->watches = watch;
    watch->next = *list;
    watch->link = list;
    if (watch->next)
        watch->next->link = &watch->next;
    *list = watch;
    tree->nr_watches++;
    return watch;
}

static struct watch_step *step_at(const struct watch_tree *tree, const char *path)
{
    struct watch_step *step = top_of(tree, path);
    struct component c;

    while (step && path_next(&path, &c))
        step = step_find(tree, step, &c);
    return step;
}

struct watch *watch_find(const struct watch_tree *tree, const void *owner, const char *path,
                         const char *token)
{
    struct watch_step *step = step_at(tree, path);
    struct watch *watch = step ? step->watches : NULL;

    while (watch && (watch->owner != owner || strcmp(watch->token, token) != 0))
        watch = watch->next_here;
    return watch;
}

void watch_remove(struct watch_tree *tree, struct watch *watch)
{
    struct watch **at = &watch->step->watches;

    while (*at != watch)
        at = &(*at)->next_here;
    *at = watch->next_here;
    *watch->link = watch->next;
    if (watch->next)
        watch->next->link = watch->link;
    prune(tree, watch->step);
    free(watch);
    tree->nr_watches--;
}

static void fire_here(struct watch_step *step, size_t below, const char *path, watch_fn *fire, void *arg)
{
    for (struct watch *watch = step->watches; watch; watch = watch->next_here)
        if (watch->depth < 0 || below <= (size_t)watch->depth)
            fire(arg, watch, path);
}

void watch_match(struct watch_tree *tree, const char *path, watch_fn *fire, void *arg)
{
    struct watch_step *step = top_of(tree, path);
    const char *at = path;
    struct component c;

    for (;;) {
        if (step->watches)
            fire_here(step, path_depth(at), path, fire, arg);
        if (!path_next(&at, &c))
            return;
        step = step_find(tree, step, &c);
        if (!step)
            return;
    }
}

static void removed_below(struct watch_step *step, const struct node *n, watch_fn *fire, void *arg)
{
    for (struct watch_step *child = step->children; child; child = child->next) {
        const struct node *gone = node_child(n, child->name, child->length);

        if (!gone)
            continue;
        for (struct watch *watch = child->watches; watch; watch = watch->next_here)
            fire(arg, watch, watch->path);
        removed_below(child, gone, fire, arg);
    }
}

void watch_match_removed(struct watch_tree *tree, const char *path, struct node *removed,
                         watch_fn *fire, void *arg)
{
    struct watch_step *step = step_at(tree, path);

    if (step)
        removed_below(step, removed, fire, arg);
}
