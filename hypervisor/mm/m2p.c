// SPDX-License-Identifier: MIT
/* Writing the machine-to-phys table through the direct map: its own mapping is read-only. */
#include "mm/m2p.h"

#include "lib/compiler.h"
#include "mm/frame.h"
#include "mm/page_table.h"

#define CHUNK_MASK UINT64_C(0x1fffff)

static pte_t *l2_entry(uintptr_t va)
{
    const pte_t *l3 = mfn_to_virt(pte_mfn(hyp_l4[pt_index(va, 4)]));

    return (pte_t *)mfn_to_virt(pte_mfn(l3[pt_index(va, 3)])) + pt_index(va, 2);
}

void m2p_set(mfn_t m, uint64_t pfn)
{
    uintptr_t entry = M2P_VIRT_START + m.n * sizeof(uint64_t);
    uint8_t *chunk = mfn_to_virt(pte_mfn(*l2_entry(entry)));

    WRITE_ONCE(*(uint64_t *)(chunk + (entry & CHUNK_MASK)), pfn);
}

mfn_t m2p_chunk_mfn(uint64_t chunk)
{
    if (chunk * (CHUNK_MASK + 1) >= max_mfn * sizeof(uint64_t))
        return INVALID_MFN;
    return pte_mfn(*l2_entry(M2P_VIRT_START + chunk * (CHUNK_MASK + 1)));
}
