// SPDX-License-Identifier: MIT
// The end of the store's structures, which the daemon itself never ends: so that a leak is seen.
#pragma once

#include "xenstore-like/daemon/watch.h"

static inline void store_fini(struct store *store)
{
    node_put(store->root);
    for (unsigned domid = 0; domid < store->quotas.nr_domids; domid++)
        quota_forget(&store->quotas, (uint16_t)domid);
    store->quotas.nr_domids = 0;
}

// No watches may be left.
static inline void watch_tree_fini(struct watch_tree *tree)
{
    node_put(tree->paths);
    node_put(tree->special);
    perms_put(tree->perms);
}

static inline void told_drop(struct told *told)
{
    struct node **removed = (struct node **)(void *)told->removed.bytes;

    for (size_t i = 0; i < told->removed.length / sizeof(removed[0]); i++)
        if (removed[i])
            node_put(removed[i]);
    buf_free(&told->paths);
    buf_free(&told->removed);
}
