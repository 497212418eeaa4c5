// SPDX-License-Identifier: MIT
// Nodes with very many children, snapshots of them, and watches in their tree.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit_main.h"
#include "tests/store/fini.h"
#include "xenstore-like/daemon/watch.h"

enum { MANY = 5000 };

static const struct perm dom0_only = { 0, 0 };

static struct node *leaf(const char *name, unsigned value)
{
    return node_new(name, strlen(name), &value, sizeof(value), perms_new(&dom0_only, 1, 0), 1);
}

static unsigned value_of(const struct node *n)
{
    unsigned value;

    memcpy(&value, node_value(n), sizeof(value));
    return value;
}

// Names that share their first 8 bytes, and some that do not.
static void name_of(unsigned i, char *name)
{
    sprintf(name, i % 3 ? "%u" : "longcommon-%u", i);
}

static unsigned scatter(unsigned i)
{
    return (unsigned)(i * 2654435761u) % MANY;
}

static bool in_order(const struct node *n)
{
    char before[32] = "", name[32];

    for (size_t i = 0; i < node_nr_children(n); i++, strcpy(before, name)) {
        const struct node *child = node_child_at(n, i);

        sprintf(name, "%.*s", child->name_length, node_name(child));
        if (strcmp(before, name) >= 0 || node_child(n, name, strlen(name)) != child)
            return false;
    }
    return true;
}

// Even ones are removed again, in another order than they came; a snapshot still has them.
static void many_children(void)
{
    struct node *n = leaf("", 0), *snapshot;
    char name[32];

    for (unsigned i = 0; i < MANY; i++) {
        name_of(scatter(i), name);
        if (!node_child(n, name, strlen(name)))
            node_insert_child(n, leaf(name, scatter(i)));
    }
    CU_ASSERT(in_order(n));
    snapshot = node_get(n);
    n = node_own(n);
    CU_ASSERT_PTR_NOT_EQUAL(n, snapshot);
    size_t count = node_nr_children(n);
    for (unsigned i = 0; i < MANY; i += 2) {
        name_of(i, name);
        if (node_child(n, name, strlen(name)))
            node_put(node_remove_child(n, name, strlen(name)));
    }
    CU_ASSERT(in_order(n));
    CU_ASSERT(in_order(snapshot));
    CU_ASSERT_EQUAL(node_nr_children(snapshot), count);
    CU_ASSERT(node_nr_children(n) < count);
    CU_ASSERT_FALSE(node_lists_are_equal(n, snapshot));
    for (size_t i = 0; i < node_nr_children(n); i++)
        CU_ASSERT_EQUAL(value_of(node_child_at(n, i)) % 2, 1);
    while (node_nr_children(n)) {
        const struct node *child = node_child_at(n, node_nr_children(n) / 2);

        memcpy(name, node_name(child), child->name_length);
        node_put(node_remove_child(n, name, child->name_length));
    }
    CU_ASSERT_PTR_NULL(n->kids);
    node_put(n);
    node_put(snapshot);
}

static void names_in_order(void)
{
    struct node *n = leaf("", 0);
    char name[32];

    for (unsigned i = 0; i < MANY; i++) {
        sprintf(name, "%08u-x", i);
        node_insert_child(n, leaf(name, i));
    }
    CU_ASSERT(in_order(n));
    CU_ASSERT_EQUAL(node_nr_children(n), MANY);
    node_put(n);
}

// Children come and go at random, often the first there is; each is found as long as it is there.
static void children_come_and_go(void)
{
    struct node *n = leaf("", 0), *snapshot = NULL;
    static bool there[MANY];
    size_t count = 0;
    char name[32];

    srandom(1);
    for (unsigned step = 0; step < 40 * MANY; step++) {
        unsigned i = (unsigned)random() % MANY, shrinks = step / (5 * MANY) % 2;

        if (shrinks && count && random() % 3 == 0)
            i = value_of(node_child_at(n, 0));
        name_of(i, name);
        CU_ASSERT_EQUAL(node_child(n, name, strlen(name)) != NULL, there[i]);
        if (!there[i] && random() % 4 >= shrinks * 3)
            node_insert_child(n, leaf(name, i));
        else if (there[i])
            node_put(node_remove_child(n, name, strlen(name)));
        else
            continue;
        there[i] = !there[i];
        count = count + there[i] - !there[i];
        if (step % 1000 != 0)
            continue;
        CU_ASSERT(node_nr_children(n) == count && in_order(n));
        if (snapshot)
            node_put(snapshot);
        snapshot = node_get(n);
        n = node_own(n);
    }
    node_put(snapshot);
    node_put(n);
}

struct seen {
    unsigned count;
    char last[64];
};

static void see(void *arg, struct watch *watch, const char *path)
{
    struct seen *seen = arg;

    (void)watch;
    seen->count++;
    snprintf(seen->last, sizeof(seen->last), "%s", path);
}

static unsigned matches(struct watch_tree *tree, const char *path)
{
    struct seen seen = { 0 };

    watch_match(tree, path, see, &seen);
    return seen.count;
}

static void watches(void)
{
    static struct store store;
    static const struct view_hooks none = { NULL, NULL };
    struct watch_tree tree;
    struct watch_list mine = LIST_HEAD_INITIALIZER(mine);
    struct watch *w;
    struct seen seen = { 0 };
    struct node *removed;
    struct view view;
    struct path deep = { "/a/b/c/d", 8, 0 }, top = { "/a/b", 4, 0 };
    struct subject dom0 = { 0, NO_DOMID };

    watch_tree_init(&tree);
    watch_add(&tree, &mine, &mine, "/", 0, "t", -1);
    w = watch_add(&tree, &mine, &mine, "/a", 0, "t", -1);
    watch_add(&tree, &mine, &mine, "/a/b/c", 0, "t", 0);
    watch_add(&tree, &mine, &mine, "/a/b/x", 0, "t", -1);
    watch_add(&tree, &mine, &mine, "@releaseDomain", 0, "t", -1);
    CU_ASSERT_EQUAL(matches(&tree, "/"), 1);
    CU_ASSERT_EQUAL(matches(&tree, "/a"), 2);
    CU_ASSERT_EQUAL(matches(&tree, "/ab"), 1);
    CU_ASSERT_EQUAL(matches(&tree, "/a/b/c"), 3);
    CU_ASSERT_EQUAL(matches(&tree, "/a/b/c/d"), 2);
    CU_ASSERT_EQUAL(matches(&tree, "@releaseDomain/4"), 1);
    CU_ASSERT_PTR_EQUAL(watch_find(&tree, &mine, "/a", "t"), w);
    CU_ASSERT_PTR_NULL(watch_find(&tree, &mine, "/a", "u"));
    CU_ASSERT_PTR_NULL(watch_find(&tree, &tree, "/a", "t"));
    // Of the two below what is removed, one watches a node that there was.
    store_init(&store);
    view_borrow(&view, &store, &none);
    CU_ASSERT_EQUAL(view_mkdir(&view, dom0, &deep), 0);
    CU_ASSERT_EQUAL(view_rm(&view, dom0, &top, &removed), 0);
    view_publish(&view);
    watch_match_removed(&tree, "/a/b", removed, see, &seen);
    CU_ASSERT_EQUAL(seen.count, 1);
    CU_ASSERT_STRING_EQUAL(seen.last, "/a/b/c");
    node_put(removed);
    store_fini(&store);
    while (!LIST_EMPTY(&mine))
        watch_remove(&tree, LIST_FIRST(&mine));
    CU_ASSERT_EQUAL(node_nr_children(tree.paths) + node_nr_children(tree.special), 0);
    watch_tree_fini(&tree);
}

static void many_watches(void)
{
    struct watch_tree tree;
    struct watch_list mine = LIST_HEAD_INITIALIZER(mine);
    char path[64];

    watch_tree_init(&tree);
    for (unsigned i = 0; i < MANY; i++) {
        sprintf(path, "/local/domain/%u/%u", i % 50, i);
        watch_add(&tree, &mine, &mine, path, 0, "t", -1);
    }
    for (unsigned i = 0; i < MANY; i++) {
        sprintf(path, "/local/domain/%u/%u/x", i % 50, i);
        CU_ASSERT_EQUAL(matches(&tree, path), 1);
    }
    while (!LIST_EMPTY(&mine))
        watch_remove(&tree, LIST_FIRST(&mine));
    CU_ASSERT_EQUAL(node_nr_children(tree.paths) + node_nr_children(tree.special), 0);
    watch_tree_fini(&tree);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "many children", many_children },
        { "names in order", names_in_order },
        { "children come and go", children_come_and_go },
        { "watches", watches },
        { "many watches", many_watches },
        { NULL, NULL },
    };

    return unit_main("xs_tree", tests);
}
