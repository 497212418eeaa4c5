// SPDX-License-Identifier: MIT
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void store_init(struct store *store)
{
    static const struct perm dom0_only = { 0, 0 };

    quota_init(&store->quotas);
    store->generation = 1;
    store->root = node_new("", 0, NULL, 0, perms_new(&dom0_only, 1, 0), 1);
    quota_account(&store->quotas, 0)->nodes = 1;
}

void view_open(struct view *view, struct store *store, const struct view_hooks *hooks)
{
    *view = (struct view){ .store = store, .root = node_get(store->root), .hooks = hooks };
}

void view_publish(struct view *view)
{
    const struct tally *tally = (const struct tally *)view->tallies.bytes;

    for (size_t i = 0; i < view->tallies.length / sizeof(*tally); i++)
        quota_account(&view->store->quotas, tally[i].domid)->nodes += (uint32_t)tally[i].nodes;
    if (view->store->root)
        node_put(view->store->root);
    view->store->root = view->root;
    buf_free(&view->tallies);
}

void view_borrow(struct view *view, struct store *store, const struct view_hooks *hooks)
{
    *view = (struct view){ .store = store, .root = store->root, .hooks = hooks };
    store->root = NULL;
}

void view_drop(struct view *view)
{
    node_put(view->root);
    buf_free(&view->tallies);
}

static struct tally *tally_of(struct view *view, uint16_t domid)
{
    struct tally *tally = (struct tally *)view->tallies.bytes;
    size_t count = view->tallies.length / sizeof(*tally);

    for (size_t i = 0; i < count; i++)
        if (tally[i].domid == domid)
            return &tally[i];
    buf_append(&view->tallies, &(struct tally){ domid, 0 }, sizeof(*tally));
    return (struct tally *)view->tallies.bytes + count;
}

struct place tree_locate(struct node *root, const char *path)
{
    struct place place = { .near = root, .near_length = 1 };
    const char *at = path;
    struct component c;

    while (path_next(&at, &c)) {
        struct node *child = node_child(place.near, c.name, c.length);

        place.above = place.near;
        if (!child) {
            place.first_missing = (size_t)(at - path);
            place.nr_missing = 1 + path_depth(at);
            return place;
        }
        place.near = child;
        place.near_length = (size_t)(at - path);
    }
    place.node = place.near;
    return place;
}

struct node *tree_find(struct node *root, const char *path)
{
    return tree_locate(root, path).node;
}

// Tells what an operation on a place depends on: these parts of the node; or that it is not there and
// who may do what with the last node that is.
static void saw(struct view *view, const struct path *path, const struct place *place, unsigned parts)
{
    if (!view->hooks->saw)
        return;
    view->hooks->saw(view, path->text, path->length, parts | SAW_PERMS);
    if (place->node)
        return;
    view->hooks->saw(view, path->text, place->near_length, SAW_PERMS);
    view->hooks->saw(view, path->text, place->first_missing, SAW_PERMS);
}

static bool may(const struct view *view, struct subject who, const struct place *place, unsigned bits)
{
    return perms_allow(place->near->perms, &view->store->ends, who, bits);
}

static void changed(struct view *view, enum change change, const char *path, size_t length,
                    const struct node *n)
{
    if (view->hooks->changed)
        view->hooks->changed(view, change, path, length, n);
}

int view_find(struct view *view, struct subject who, const struct path *path, unsigned bits,
              unsigned parts, struct node **found)
{
    struct place place = tree_locate(view->root, path->text);

    saw(view, path, &place, parts);
    *found = place.node;
    if (!may(view, who, &place, bits))
        return -EACCES;
    return place.node ? 0 : -ENOENT;
}

// The root's path has no components, and a part of another path as long as it none that count.
static struct node **own_path(struct view *view, const char *path, size_t length)
{
    return node_own_path(&view->root, path, length > 1 ? length : 0, NULL);
}

// How many nodes a domain owns, in this view.
static int64_t nodes_of(struct view *view, uint16_t domid)
{
    return (int64_t)quota_account(&view->store->quotas, domid)->nodes + tally_of(view, domid)->nodes;
}

static struct perms *inherit(const struct node *parent, struct subject who)
{
    if (subject_is_privileged(who) || perms_owner(parent->perms) == who.domid)
        return perms_get(parent->perms);
    return perms_with_owner(parent->perms, who.domid);
}

// Creates a node and its missing parents, which are empty. Everything has been checked.
static void create(struct view *view, struct subject who, const struct path *path, const void *value,
                   size_t length)
{
    uint64_t generation = ++view->store->generation;
    struct node **at = &view->root;
    const char *rest = path->text;
    struct component c;

    *at = node_own(*at);
    while (path_next(&rest, &c)) {
        struct node **child = node_own_child(*at, c.name, c.length), *made;

        if (!child) {
            made = node_new(c.name, c.length, value, *rest ? 0 : length, inherit(*at, who), generation);
            node_insert_child(*at, made);
            (*at)->generation = generation;
            tally_of(view, perms_owner(made->perms))->nodes++;
            changed(view, CHANGE_NEW, path->text, (size_t)(rest - path->text), made);
            child = node_own_child(*at, c.name, c.length);
        }
        at = child;
        *at = node_own(*at);
    }
}

// Whether `who` may write to a place, or create what is missing there.
static int check_write(struct view *view, struct subject who, const struct place *place)
{
    int64_t nodes;

    if (!may(view, who, place, PERM_WRITE))
        return -EACCES;
    if (place->node || subject_is_privileged(who))
        return 0;
    nodes = nodes_of(view, who.domid) + (int64_t)place->nr_missing;
    return quota_check(&view->store->quotas, who, QUOTA_NODES, nodes > 0 ? (uint64_t)nodes : 0);
}

int view_write(struct view *view, struct subject who, const struct path *path, const void *value,
               size_t length)
{
    struct place place = tree_locate(view->root, path->text);
    struct node **at;
    int rc;

    saw(view, path, &place, SAW_VALUE);
    rc = quota_check(&view->store->quotas, who, QUOTA_NODE_SIZE, length);
    if (rc == 0)
        rc = check_write(view, who, &place);
    if (rc)
        return rc;
    if (!place.node) {
        create(view, who, path, value, length);
        return 0;
    }
    at = own_path(view, path->text, path->length);
    *at = node_set_value(*at, value, length, ++view->store->generation);
    changed(view, CHANGE_VALUE, path->text, path->length, *at);
    return 0;
}

int view_mkdir(struct view *view, struct subject who, const struct path *path)
{
    struct place place = tree_locate(view->root, path->text);
    int rc;

    saw(view, path, &place, SAW_PERMS);
    rc = check_write(view, who, &place);
    if (rc == 0 && !place.node)
        create(view, who, path, NULL, 0);
    return rc;
}

static void tally_tree(struct view *view, const struct node *n)
{
    tally_of(view, perms_owner(n->perms))->nodes--;
    for (size_t i = 0; i < node_nr_children(n); i++)
        tally_tree(view, node_child_at(n, i));
}

// Takes a node that exists out of the tree.
static struct node *take_out(struct view *view, const char *path, size_t length)
{
    const char *name = (const char *)memrchr(path, '/', length) + 1;
    struct node **parent = own_path(view, path, (size_t)(name - path) - 1), *n;

    n = node_remove_child(*parent, name, length - (size_t)(name - path));
    (*parent)->generation = ++view->store->generation;
    tally_tree(view, n);
    changed(view, CHANGE_GONE, path, length, n);
    return n;
}

int view_rm(struct view *view, struct subject who, const struct path *path, struct node **removed)
{
    struct place place = tree_locate(view->root, path->text);

    *removed = NULL;
    saw(view, path, &place, SAW_TREE);
    if (path->length == 1)
        return -EINVAL;
    if (!may(view, who, &place, PERM_WRITE))
        return -EACCES;
    if (place.nr_missing > 1)
        return -ENOENT;
    if (place.node)
        *removed = take_out(view, path->text, path->length);
    return 0;
}

static void put_perms(struct view *view, const struct path *path, struct perms *perms)
{
    struct node **at = own_path(view, path->text, path->length);

    tally_of(view, perms_owner((*at)->perms))->nodes--;
    tally_of(view, perms_owner(perms))->nodes++;
    node_set_perms(*at, perms, ++view->store->generation);
    changed(view, CHANGE_PERMS, path->text, path->length, *at);
}

int view_set_perms(struct view *view, struct subject who, const struct path *path,
                   const struct perm *entries, size_t count)
{
    struct node *n;
    int rc = view_find(view, who, path, PERM_WRITE, SAW_PERMS, &n);

    if (rc)
        return rc;
    if (!perms_are_owned(n->perms, who))
        return -EACCES;
    if (!subject_is_privileged(who) && entries[0].domid != perms_owner(n->perms))
        return -EPERM;
    rc = quota_check(&view->store->quotas, who, QUOTA_PERMISSIONS, count);
    if (rc)
        return rc;
    put_perms(view, path, perms_new(entries, count, view->store->ends.clock));
    return 0;
}

int view_take_perms(struct view *view, const struct path *path, struct perms *perms)
{
    if (!tree_find(view->root, path->text)) {
        perms_put(perms);
        return -ENOENT;
    }
    put_perms(view, path, perms);
    return 0;
}

// Appends the paths of the topmost nodes that a domain owns in a tree, each with its zero byte.
static void collect_owned(const struct node *n, uint16_t domid, struct buf *path, struct buf *paths)
{
    size_t length = path->length;

    if (length && perms_owner(n->perms) == domid) {
        buf_append(paths, path->bytes, length);
        buf_append(paths, "", 1);
        return;
    }
    for (size_t i = 0; i < node_nr_children(n); i++) {
        const struct node *child = node_child_at(n, i);

        buf_append(path, "/", 1);
        buf_append(path, node_name(child), child->name_length);
        collect_owned(child, domid, path, paths);
        path->length = length;
    }
}

static void remove_owned_below(struct view *view, uint16_t domid, const char *top, struct told *told)
{
    struct node *n = tree_find(view->root, top);
    size_t at = told->paths.length;
    struct buf path = { 0 };

    if (!n)
        return;
    buf_append(&path, top, strlen(top) > 1 ? strlen(top) : 0);
    collect_owned(n, domid, &path, &told->paths);
    buf_free(&path);
    while (at < told->paths.length) {
        const char *text = (const char *)told->paths.bytes + at;
        size_t length = strlen(text);
        struct node *removed = take_out(view, text, length);

        buf_append(&told->removed, &removed, sizeof(removed));
        at += length + 1;
    }
}

// Mostly all of a domain's nodes are in its home, if the toolstack has left any: only if there are
// others the whole tree is searched. The root itself stays, and goes to the control domain.
void view_remove_owned(struct view *view, uint16_t domid, struct told *told)
{
    char home[32];

    snprintf(home, sizeof(home), "/local/domain/%u", domid);
    if (nodes_of(view, domid) > 0)
        remove_owned_below(view, domid, home, told);
    if (nodes_of(view, domid) > 0)
        remove_owned_below(view, domid, "/", told);
    if (perms_owner(view->root->perms) == domid) {
        struct node **root = own_path(view, "/", 1);

        node_set_perms(*root, perms_with_owner((*root)->perms, 0), ++view->store->generation);
        tally_of(view, domid)->nodes--;
        tally_of(view, 0)->nodes++;
        changed(view, CHANGE_PERMS, "/", 1, *root);
    }
}
