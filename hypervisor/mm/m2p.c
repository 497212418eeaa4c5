// SPDX-License-Identifier: MIT
/* Writing the machine-to-phys table through the direct map: its own mapping is read-only. */
#include "mm/m2p.h"

#include "lib/compiler.h"
#include "mm/layout.h"
#include "mm/page_table.h"

#define CHUNK_MASK UINT64_C(0x1fffff)

void m2p_set(mfn_t m, uint64_t pfn)
{
    uintptr_t entry = M2P_VIRT_START + m.n * sizeof(uint64_t);
    const pte_t *l3 = mfn_to_virt(pte_mfn(hyp_l4[pt_index(entry, 4)]));
    const pte_t *l2 = mfn_to_virt(pte_mfn(l3[pt_index(entry, 3)]));
    uint8_t *chunk = mfn_to_virt(pte_mfn(l2[pt_index(entry, 2)]));

    WRITE_ONCE(*(uint64_t *)(chunk + (entry & CHUNK_MASK)), pfn);
}

uint64_t m2p_get(mfn_t m)
{
    return READ_ONCE(((const uint64_t *)M2P_VIRT_START)[m.n]);
}
