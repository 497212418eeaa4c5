// SPDX-License-Identifier: MIT
// What each domain has in the store, and how much it may have. A limit is the global one unless the
// domain has its own; 0 means none. The control domain has no limits.
//
// A refusal is counted, and told in the log with the quota's name and the way to raise it: the first
// time, and then each time the count has doubled, so that nobody fills the disk by being refused.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perms.h"

enum quota {
    QUOTA_NODES,
    QUOTA_WATCHES,
    QUOTA_TRANSACTIONS,
    QUOTA_NODE_SIZE,
    QUOTA_PERMISSIONS,
    QUOTA_TRANSACTION_SIZE,
    QUOTA_EVENTS,
    NR_QUOTAS,
};

extern const struct quota_kind {
    const char *name;
    uint32_t limit;         // at first
    int error;              // of a refusal
    const char *meaning;
} quota_kinds[NR_QUOTAS];

// A domain's part; made when first needed, gone with the domain.
struct account {
    uint32_t nodes;
    uint32_t watches;
    uint32_t transactions;
    bool has_limit[NR_QUOTAS];
    uint32_t limit[NR_QUOTAS];
    uint64_t refused[NR_QUOTAS];
};

struct quotas {
    uint32_t limit[NR_QUOTAS];
    uint64_t refused[NR_QUOTAS];
    unsigned nr_domids;         // none at or beyond this has an account
    struct account *accounts[MAX_DOMID + 1];
};

// `q` is all zero before, but for limits.
void quota_init(struct quotas *q);
// The number of a name, or -1.
int quota_find(const char *name);

struct account *quota_account(struct quotas *q, uint16_t domid);
void quota_forget(struct quotas *q, uint16_t domid);
uint32_t quota_limit(const struct quotas *q, uint16_t domid, enum quota kind);

// 0 if `who` may have `wanted` of a kind, else the error to reply with; then counted and told.
int quota_check(struct quotas *q, struct subject who, enum quota kind, uint64_t wanted);
