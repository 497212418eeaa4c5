// SPDX-License-Identifier: MIT
/*
 * The hypervisor's own mappings. Called at boot and by ioremap, on one CPU at a time (map_lock);
 * entries are only added, so no TLB needs a flush.
 */
#include "mm/page_table.h"

#include "cpu/cpu_feature.h"
#include "mm/frame.h"

static struct spinlock map_lock = SPINLOCK_INIT(LOCK_HYPERVISOR_MAP);
static uint64_t ioremap_next = IOREMAP_START;

static mfn_t alloc_table(void)
{
    return page_alloc(0, ALLOC_ZERO);
}

mfn_t (*page_table_alloc)(void) = alloc_table;

#define TABLE_FLAGS (PTE_PRESENT | PTE_RW | PTE_USER | PTE_ACCESSED | PTE_DIRTY)

static uint64_t level_size(unsigned level)
{
    return (uint64_t)PAGE_SIZE << (9 * (level - 1));
}

/*
 * The entry for `va` at `level`, making the tables above it; NULL without memory or if a larger
 * page is in the way.
 */
static pte_t *entry_at(uint64_t va, unsigned level)
{
    pte_t *table = hyp_l4;

    for (unsigned l = 4; l > level; l--) {
        pte_t *e = &table[pt_index(va, l)];

        if (!pte_present(*e)) {
            mfn_t m = page_table_alloc();

            if (mfn_eq(m, INVALID_MFN))
                return NULL;
            *e = pte_make(m, TABLE_FLAGS);
        } else if (e->v & PTE_PSE && l < 4) {
            return NULL;
        }
        table = mfn_to_virt(pte_mfn(*e));
    }
    return &table[pt_index(va, level)];
}

static unsigned best_level(uint64_t va, paddr_t pa, uint64_t size)
{
    for (unsigned level = cpu_features.page1gb ? 3 : 2; level > 1; level--)
        if (!((va | pa) & (level_size(level) - 1)) && size >= level_size(level))
            return level;
    return 1;
}

int hyp_map(uint64_t va, paddr_t pa, uint64_t size, uint64_t flags)
{
    int rc = 0;

    spin_lock(&map_lock);
    while (size) {
        unsigned level = best_level(va, pa, size);
        pte_t *e = entry_at(va, level);

        if (!e) {
            rc = -XEN_ENOMEM;
            break;
        }
        *e = pte(pa | flags | (level > 1 ? PTE_PSE : 0));
        va += level_size(level);
        pa += level_size(level);
        size -= level_size(level);
    }
    spin_unlock(&map_lock);
    return rc;
}

pte_t *hyp_l1_entry(uint64_t va)
{
    pte_t *e;

    spin_lock(&map_lock);
    e = entry_at(va, 1);
    spin_unlock(&map_lock);
    return e;
}

/* By the direct map: the table's own mapping is read-only. */
void m2p_set(mfn_t m, uint64_t pfn)
{
    uint64_t va = M2P_VIRT_START + m.n * sizeof(uint64_t);
    uint8_t *chunk = mfn_to_virt(pte_mfn(*entry_at(va, 2)));

    WRITE_ONCE(*(uint64_t *)(chunk + (va & (level_size(2) - 1))), pfn);
}

mfn_t m2p_chunk_mfn(uint64_t chunk)
{
    if (chunk * level_size(2) >= max_mfn * sizeof(uint64_t))
        return INVALID_MFN;
    return pte_mfn(*entry_at(M2P_VIRT_START + chunk * level_size(2), 2));
}

volatile void *ioremap(paddr_t pa, uint64_t size)
{
    uint64_t offset = pa & (PAGE_SIZE - 1), pages = ALIGN_UP(offset + size, PAGE_SIZE);
    uint64_t va = fetch_add64(&ioremap_next, pages);

    if (va + pages > IOREMAP_START + IOREMAP_SIZE || hyp_map(va, pa - offset, pages, MAP_UC))
        return NULL;
    return (volatile void *)(va + offset);
}
