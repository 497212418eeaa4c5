// SPDX-License-Identifier: MIT
/* Page-table entries: flag names (Intel SDM vol. 3, 4.5), constructors and accessors. */
#pragma once
#include "lib/base.h"

typedef struct { uint64_t v; } pte_t;

#define PTE_PRESENT    (UINT64_C(1) << 0)
#define PTE_RW         (UINT64_C(1) << 1)
#define PTE_USER       (UINT64_C(1) << 2)
#define PTE_PWT        (UINT64_C(1) << 3)
#define PTE_PCD        (UINT64_C(1) << 4)
#define PTE_ACCESSED   (UINT64_C(1) << 5)
#define PTE_DIRTY      (UINT64_C(1) << 6)
#define PTE_PSE        (UINT64_C(1) << 7)    /* L2, L3: superpage */
#define PTE_PAT        (UINT64_C(1) << 7)    /* L1 */
#define PTE_GLOBAL     (UINT64_C(1) << 8)
#define PTE_NX         (UINT64_C(1) << 63)
#define PTE_ADDR_MASK  UINT64_C(0x000ffffffffff000)
#define PTE_CACHE_MASK (PTE_PWT | PTE_PCD | PTE_PAT)

#define PT_ENTRIES     512

static inline pte_t pte(uint64_t v)
{
    return (pte_t){ v };
}

static inline pte_t pte_make(mfn_t m, uint64_t flags)
{
    return (pte_t){ mfn_to_paddr(m) | flags };
}

static inline mfn_t pte_mfn(pte_t e)
{
    return paddr_to_mfn(e.v & PTE_ADDR_MASK);
}

static inline bool pte_present(pte_t e)
{
    return e.v & PTE_PRESENT;
}

/* Index of `va` in a table of `level` (1 = L1 .. 4 = L4). */
static inline unsigned pt_index(uint64_t va, unsigned level)
{
    return (unsigned)(va >> (12 + 9 * (level - 1))) & (PT_ENTRIES - 1);
}

/* Two present entries that are alike in all that matters: the frame, and of the flags those. */
static inline bool pte_same(pte_t a, pte_t b, uint64_t flags)
{
    return pte_present(a) && !((a.v ^ b.v) & (PTE_ADDR_MASK | flags));
}
