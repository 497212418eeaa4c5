// SPDX-License-Identifier: MIT
/* The grant rows of pv_guest_ops; contracts in core/guest_ops.h. */
#pragma once
#include "pv/pv_domain.h"

int pv_grant_map(struct domain *d, uint64_t addr, mfn_t m, unsigned owner, uint32_t flags);
int pv_grant_unmap(struct domain *d, uint64_t addr, mfn_t m, uint32_t flags);
bool pv_get_data(struct domain *d, mfn_t m, bool writable);
void pv_put_data(mfn_t m, bool writable);
