// SPDX-License-Identifier: MIT
/*
 * Device memory: every machine address that is not RAM belongs to the control domain, but for what ring 0 uses itself.
 * The list is filled at boot, before a guest runs, and only read later.
 */
#include "cpu/cpu_feature.h"
#include "pv/page_type.h"
#include "pv/pv_domain.h"

static struct { mfn_t m; enum mmio_access most; } restricted[64];
static unsigned nr_restricted;

void mmio_restrict(mfn_t m, enum mmio_access most)
{
    BUG_ON(nr_restricted == ARRAY_SIZE(restricted));
    restricted[nr_restricted].m = m;
    restricted[nr_restricted++].most = most;
}

/* The HyperTransport window that AMD's CPUs keep below 1 TiB (BKDG, memory map): no device is there. */
#define HT_FIRST UINT64_C(0xfd00000)
#define HT_LAST  UINT64_C(0xfffffff)

enum mmio_access mmio_access(const struct pv_domain *d, mfn_t m)
{
    if (!d->domain.is_control || m.n >> (cpu_features.phys_bits - PAGE_SHIFT))
        return MMIO_NONE;
    if (cpu_features.amd && m.n >= HT_FIRST && m.n <= HT_LAST)
        return MMIO_NONE;
    for (unsigned i = 0; i < nr_restricted; i++)
        if (mfn_eq(restricted[i].m, m))
            return restricted[i].most;
    return MMIO_FULL;
}
