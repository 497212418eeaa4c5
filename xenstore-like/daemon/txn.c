// SPDX-License-Identifier: MIT
#include "txn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TOLD = 0x80 };       // beside the parts seen: committing, an event for the path has been made

static uint8_t parts_of(const struct node *seen)
{
    return seen->value_length ? (uint8_t)node_value(seen)[0] : 0;
}

// Adds to the parts seen of a path, and returns those before.
static uint8_t see(struct txn *txn, const char *path, size_t length, unsigned parts)
{
    struct node **at = node_own_path(&txn->seen, path, length > 1 ? length : 0, txn->base->perms);
    uint8_t before = parts_of(*at), now = (uint8_t)(before | parts);

    if (!before)
        txn->size += sizeof(**at) + length;
    *at = node_set_value(*at, &now, sizeof(now), 0);
    return before;
}

static void remember_seen(struct view *view, const char *path, size_t length, unsigned parts)
{
    see((struct txn *)((char *)view - offsetof(struct txn, view)), path, length, parts);
}

static const struct view_hooks hooks = { .saw = remember_seen };

struct txn *txn_start(struct store *store, uint32_t id)
{
    struct txn *txn = mem_zalloc(sizeof(*txn));

    txn->id = id;
    txn->base = node_get(store->root);
    view_open(&txn->view, store, &hooks);
    TAILQ_INIT(&txn->ops);
    txn->seen = node_new("", 0, NULL, 0, perms_get(txn->base->perms), 0);
    return txn;
}

void txn_drop(struct txn *txn)
{
    for (struct txn_op *op; (op = TAILQ_FIRST(&txn->ops)); free(op))
        TAILQ_REMOVE(&txn->ops, op, link);
    node_put(txn->seen);
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
    *op = (struct txn_op){ .kind = kind, .path = { op->bytes + size, path->length, 0 }, .size = size };
    if (size)
        memcpy(op->bytes, value, size);
    memcpy(op->bytes + size, path->text, path->length + 1);
    TAILQ_INSERT_TAIL(&txn->ops, op, link);
    txn->nr_ops++;
    txn->size += bytes;
    return 0;
}

static bool parts_are_equal(unsigned parts, const struct node *then, const struct node *now)
{
    if (!then || !now || (parts & SAW_TREE))
        return false;
    if ((parts & SAW_PERMS) && !perms_are_equal(then->perms, now->perms))
        return false;
    if ((parts & SAW_LIST) && !node_lists_are_equal(then, now))
        return false;
    return !(parts & SAW_VALUE) ||
           (then->value_length == now->value_length &&
            memcmp(node_value(then), node_value(now), then->value_length) == 0);
}

// Whether all that was seen in a tree is now as it was then; either may be missing.
static bool is_as_seen(const struct node *seen, const struct node *then, const struct node *now)
{
    if (then == now)
        return true;
    if (parts_of(seen) && !parts_are_equal(parts_of(seen), then, now))
        return false;
    for (size_t i = 0; i < node_nr_children(seen); i++) {
        const struct node *child = node_child_at(seen, i);

        if (!is_as_seen(child, then ? node_child(then, node_name(child), child->name_length) : NULL,
                        now ? node_child(now, node_name(child), child->name_length) : NULL))
            return false;
    }
    return true;
}

int txn_commit(struct txn *txn, struct subject who, struct view *view, struct told *told)
{
    struct node *removed;
    struct txn_op *op;

    if (txn->must_fail || !is_as_seen(txn->seen, txn->base, view->root))
        return -EAGAIN;
    TAILQ_FOREACH(op, &txn->ops, link) {
        if (view_apply(view, who, op->kind, &op->path, op->bytes, op->size, &removed))
            return -EAGAIN;
        if ((see(txn, op->path.text, op->path.length, TOLD) & TOLD) && !removed)
            continue;
        buf_append(&told->paths, op->path.text, op->path.length + 1);
        buf_append(&told->removed, &removed, sizeof(removed));
    }
    return 0;
}
