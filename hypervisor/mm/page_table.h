// SPDX-License-Identifier: MIT
/*
 * The hypervisor's own page tables: the sixteen shared L4 slots. Only boot and ioremap add
 * mappings; what is mapped stays mapped, but for the descriptor windows, whose L1 entries change by
 * desc_window_set().
 */
#pragma once
#include "mm/pte.h"

#define MAP_RW     (PTE_PRESENT | PTE_RW | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL | PTE_NX)
#define MAP_RO     (PTE_PRESENT | PTE_ACCESSED | PTE_GLOBAL | PTE_NX)
#define MAP_RX     (PTE_PRESENT | PTE_ACCESSED | PTE_GLOBAL)
#define MAP_UC     (MAP_RW | PTE_PCD | PTE_PWT)

/* The idle address space; slots 256-271 are every guest L4's template. */
extern pte_t hyp_l4[PT_ENTRIES];

/*
 * Where new tables come from; boot sets it before there is an allocator. Zeroed, below 4 GiB then.
 */
extern mfn_t (*page_table_alloc)(void);

/*
 * Map [va, va + size) to pa with 1 GiB, 2 MiB and 4 KiB pages as alignment and CPU allow. 0 or
 * -XEN_ENOMEM.
 */
int hyp_map(uint64_t va, paddr_t pa, uint64_t size, uint64_t flags);
/* The L1 entry that maps `va` (table made if absent), or NULL without memory. */
pte_t *hyp_l1_entry(uint64_t va);
/*
 * The machine-to-phys table: which pseudo-physical frame number a guest gives to a machine frame.
 * Guests read it at M2P_VIRT_START; it is advisory, nothing of ours relies on its contents. Boot
 * makes it in 2 MiB pages. `m` is valid; any CPU: guests race with themselves only.
 */
#define M2P_INVALID UINT64_MAX
void m2p_set(mfn_t m, uint64_t pfn);
/* The frame that holds the table's `chunk`th 2 MiB; INVALID_MFN beyond its end. */
mfn_t m2p_chunk_mfn(uint64_t chunk);

/* Map device registers uncached; NULL without space. Never unmapped. */
volatile void *ioremap(paddr_t pa, uint64_t size);
