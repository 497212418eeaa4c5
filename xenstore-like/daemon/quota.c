// SPDX-License-Identifier: MIT
#include "quota.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static const struct {
    const char *name;
    uint32_t limit;
    int error;
    const char *meaning;
} rows[NR_QUOTAS] = {
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
        q->limit[i] = rows[i].limit;
}

const char *quota_name(enum quota kind)
{
    return rows[kind].name;
}

const char *quota_meaning(enum quota kind)
{
    return rows[kind].meaning;
}

int quota_find(const char *name, size_t length)
{
    for (int i = 0; i < NR_QUOTAS; i++)
        if (strlen(rows[i].name) == length && memcmp(rows[i].name, name, length) == 0)
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
    uint32_t limit = quota_limit(q, who.domid, kind);
    uint64_t refused;

    if (subject_is_privileged(who) || limit == 0 || wanted <= limit)
        return 0;
    refused = ++quota_account(q, who.domid)->refused[kind];
    q->refused[kind]++;
    if ((refused & (refused - 1)) == 0)
        log_line("domain %u is at its quota of %s: %" PRIu64 " wanted, limit %" PRIu32 " (%s), "
                 "refused %" PRIu64 " times; raise it with: xenstore-control quota set-domain %u %s NUMBER",
                 who.domid, rows[kind].name, wanted, limit, rows[kind].meaning, refused, who.domid,
                 rows[kind].name);
    return -rows[kind].error;
}
