// SPDX-License-Identifier: MIT
// Transactions. One starts with a snapshot, works in a view of its own, and remembers what it saw and
// what it did. Its end applies what it did to the store as it is then, if all it saw is as it saw it;
// otherwise it is -EAGAIN. So transactions that touch different nodes never meet, and two that create
// different children of one node do not either, unless they listed them. Pure.
#pragma once

#include <sys/queue.h>

#include "store.h"

enum txn_kind { TXN_WRITE, TXN_MKDIR, TXN_RM, TXN_SET_PERMS };

// What was done: for set_perms the value is an array of struct perm.
struct txn_op {
    TAILQ_ENTRY(txn_op) link;
    enum txn_kind kind;
    struct path path;       // in `bytes`
    size_t size;            // of the value
    char bytes[];           // the value, which is aligned so, and the path, closed by a zero byte
};

struct txn {
    LIST_ENTRY(txn) link;   // of its connection's
    uint32_t id;
    bool must_fail;         // it has lived through a restart, which forgot what it saw
    uint64_t size;          // bytes kept, against QUOTA_TRANSACTION_SIZE
    struct node *base;
    struct view view;
    TAILQ_HEAD(txn_ops, txn_op) ops;
    size_t nr_ops;
    size_t old_ops;         // 1 and how many it had when the journal began to be written anew, or 0
    struct node *seen;      // a tree of the paths seen, whose values are the parts, one byte
};

struct txn *txn_start(struct store *store, uint32_t id);
void txn_drop(struct txn *txn);

// Does an operation in a view, a transaction's or another; `removed` is for TXN_RM.
int view_apply(struct view *view, struct subject who, enum txn_kind kind, const struct path *path,
               const void *value, size_t size, struct node **removed);
// Does an operation in the transaction and remembers it.
int txn_apply(struct txn *txn, struct subject who, enum txn_kind kind, const struct path *path,
              const void *value, size_t size);

// Applies the transaction to `view`, a view of the store; `told` gets each path that was changed, once. On
// -EAGAIN the view is to be dropped.
int txn_commit(struct txn *txn, struct subject who, struct view *view, struct told *told);
