// SPDX-License-Identifier: MIT
#include "quota.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

const struct quota_kind quota_kinds[NR_QUOTAS] = {
    [QUOTA_NODES] = { "nodes", 8000, ENOSPC, "nodes owned" },
    [QUOTA_WATCHES] = { "watches", 1024, E2BIG, "watches set" },
    [QUOTA_TRANSACTIONS] = { "transactions", 32, ENOSPC, "transactions open at a time" },
    [QUOTA_NODE_SIZE] = { "node-size", 2048, ENOSPC, "bytes of a node's value" },
    [QUOTA_PERMISSIONS] = { "permissions", 16, ENOSPC, "permission entries of a node" },
    [QUOTA_TRANSACTION_SIZE] = { "transaction-size", 256 * 1024, ENOSPC,
                                 "bytes that an open transaction keeps" },
    [QUOTA_EVENTS] = { "events", 64 * 1024, ENOSPC,
                       "bytes of watch events not fetched yet, before events of a watch are merged" },
};

void quota_init(struct quotas *q)
{
    for (int i = 0; i < NR_QUOTAS; i++)
        q->limit[i] = quota_kinds[i].limit;
}

int quota_find(const char *name)
{
    for (int i = 0; i < NR_QUOTAS; i++)
        if (strcmp(quota_kinds[i].name, name) == 0)
            return i;
    return -1;
}

struct account *quota_account(struct quotas *q, uint16_t domid)
{
    if (!q->accounts[domid])
        q->accounts[domid] = mem_zalloc(sizeof(struct account));
    if (domid >= q->nr_domids)
        q->nr_domids = domid + 1u;
    return q->accounts[domid];
}

void quota_forget(struct quotas *q, uint16_t domid)
{
    free(q->accounts[domid]);
    q->accounts[domid] = NULL;
}

uint32_t quota_limit(const struct quotas *q, uint16_t domid, enum quota kind)
{
    const struct account *account = q->accounts[domid];

    return account && account->has_limit[kind] ? account->limit[kind] : q->limit[kind];
}

int quota_check(struct quotas *q, struct subject who, enum quota kind, uint64_t wanted)
{
    const struct quota_kind *k = &quota_kinds[kind];
    uint32_t limit = quota_limit(q, who.domid, kind);
    uint64_t refused;

    if (subject_is_privileged(who) || limit == 0 || wanted <= limit)
        return 0;
    refused = ++quota_account(q, who.domid)->refused[kind];
    q->refused[kind]++;
    if ((refused & (refused - 1)) == 0)
        log_line("domain %u is at its quota of %s: %" PRIu64 " wanted, limit %" PRIu32 " (%s), "
                 "refused %" PRIu64 " times; raise it with: xenstore-control quota set-domain %u %s NUMBER",
                 who.domid, k->name, wanted, limit, k->meaning, refused, who.domid, k->name);
    return -k->error;
}
