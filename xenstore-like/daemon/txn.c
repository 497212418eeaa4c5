// SPDX-License-Identifier: MIT
#include "txn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHAINS 16

struct path txn_op_path(const struct txn_op *op)
{
    return (struct path){ op->bytes + op->size, op->length, 0 };
}

const char *txn_op_value(const struct txn_op *op)
{
    return op->bytes;
}

static uint32_t hash_of(const char *text, size_t length)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    return hash;
}

static struct txn_seen *seen_find(const struct txn *txn, const char *path, size_t length)
{
    struct txn_seen *seen = txn->chains[hash_of(path, length) & (txn->nr_chains - 1)];

    while (seen && (seen->length != length || memcmp(seen->path, path, length) != 0))
        seen = seen->next;
    return seen;
}

static void grow_chains(struct txn *txn)
{
    size_t nr_chains = txn->nr_chains * 4;
    struct txn_seen **chains = mem_zalloc(nr_chains * sizeof(chains[0]));

    for (size_t i = 0; i < txn->nr_chains; i++)
        for (struct txn_seen *seen = txn->chains[i], *next; seen; seen = next) {
            struct txn_seen **at = &chains[hash_of(seen->path, seen->length) & (nr_chains - 1)];

            next = seen->next;
            seen->next = *at;
            *at = seen;
        }
    free(txn->chains);
    txn->chains = chains;
    txn->nr_chains = nr_chains;
}

static void remember_seen(struct view *view, const char *path, size_t length, unsigned parts)
{
    struct txn *txn = (struct txn *)((char *)view - offsetof(struct txn, view));
    struct txn_seen *seen = seen_find(txn, path, length), **at;

    if (!seen) {
        if (txn->nr_seen >= txn->nr_chains)
            grow_chains(txn);
        at = &txn->chains[hash_of(path, length) & (txn->nr_chains - 1)];
        seen = mem_zalloc(sizeof(*seen) + length + 1);
        memcpy(seen->path, path, length);
        seen->length = (uint16_t)length;
        seen->next = *at;
        *at = seen;
        txn->nr_seen++;
        txn->size += sizeof(*seen) + length + 1;
    }
    seen->parts |= parts;
}

static const struct view_hooks hooks = { .saw = remember_seen };

struct txn *txn_start(struct store *store, uint32_t id)
{
    struct txn *txn = mem_zalloc(sizeof(*txn));

    txn->id = id;
    txn->base = node_get(store->root);
    view_open(&txn->view, store, &hooks);
    txn->last_op = &txn->ops;
    txn->nr_chains = FIRST_CHAINS;
    txn->chains = mem_zalloc(txn->nr_chains * sizeof(txn->chains[0]));
    return txn;
}

void txn_drop(struct txn *txn)
{
    for (struct txn_op *op = txn->ops, *next; op; op = next) {
        next = op->next;
        free(op);
    }
    for (size_t i = 0; i < txn->nr_chains; i++)
        for (struct txn_seen *seen = txn->chains[i], *next; seen; seen = next) {
            next = seen->next;
            free(seen);
        }
    free(txn->chains);
    view_drop(&txn->view);
    node_put(txn->base);
    free(txn);
}

int view_apply(struct view *view, struct subject who, enum txn_kind kind, const struct path *path,
               const void *value, size_t size, struct node **removed)
{
    *removed = NULL;
    switch (kind) {
    case TXN_WRITE:
        return view_write(view, who, path, value, size);
    case TXN_MKDIR:
        return view_mkdir(view, who, path);
    case TXN_RM:
        return view_rm(view, who, path, removed);
    case TXN_SET_PERMS:
        return view_set_perms(view, who, path, value, size / sizeof(struct perm));
    }
    return -ENOSYS;
}

int txn_apply(struct txn *txn, struct subject who, enum txn_kind kind, const struct path *path,
              const void *value, size_t size)
{
    size_t bytes = sizeof(struct txn_op) + path->length + 1 + size;
    struct node *removed;
    struct txn_op *op;
    int rc = quota_check(&txn->view.store->quotas, who, QUOTA_TRANSACTION_SIZE, txn->size + bytes);

    if (rc == 0)
        rc = view_apply(&txn->view, who, kind, path, value, size, &removed);
    if (rc)
        return rc;
    if (removed)
        node_put(removed);
    op = mem_alloc(bytes);
    *op = (struct txn_op){ .kind = kind, .length = (uint16_t)path->length, .size = (uint32_t)size };
    if (size)
        memcpy(op->bytes, value, size);
    memcpy(op->bytes + size, path->text, path->length + 1);
    *txn->last_op = op;
    txn->last_op = &op->next;
    txn->nr_ops++;
    txn->size += bytes;
    return 0;
}

static bool is_as_seen(const struct txn *txn, struct node *root, const struct txn_seen *seen)
{
    const struct node *then = tree_find(txn->base, seen->path), *now = tree_find(root, seen->path);

    if (then == now)
        return true;
    if (!then || !now || (seen->parts & SAW_TREE))
        return false;
    if ((seen->parts & SAW_PERMS) && !perms_are_equal(then->perms, now->perms))
        return false;
    if ((seen->parts & SAW_LIST) && !node_lists_are_equal(then, now))
        return false;
    return !(seen->parts & SAW_VALUE) ||
           (then->value_length == now->value_length &&
            memcmp(node_value(then), node_value(now), then->value_length) == 0);
}

static bool all_is_as_seen(const struct txn *txn, struct node *root)
{
    if (root == txn->base)
        return true;
    for (size_t i = 0; i < txn->nr_chains; i++)
        for (const struct txn_seen *seen = txn->chains[i]; seen; seen = seen->next)
            if (!is_as_seen(txn, root, seen))
                return false;
    return true;
}

int txn_commit(struct txn *txn, struct subject who, struct view *view,
               void (*told)(void *arg, const char *path, struct node *removed), void *arg)
{
    struct node *removed;

    if (txn->must_fail || !all_is_as_seen(txn, view->root))
        return -EAGAIN;
    for (const struct txn_op *op = txn->ops; op; op = op->next) {
        struct path path = txn_op_path(op);
        struct txn_seen *seen = seen_find(txn, path.text, path.length);

        if (view_apply(view, who, op->kind, &path, txn_op_value(op), op->size, &removed))
            return -EAGAIN;
        if (!seen->told || removed)
            told(arg, path.text, removed);
        seen->told = true;
        if (removed)
            node_put(removed);
    }
    return 0;
}
