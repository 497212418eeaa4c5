// SPDX-License-Identifier: MIT
/*
 * Grant mappings in a PV guest's page tables, and data references for copies. A mapping is an ordinary leaf; that it came
 * from a grant is known only to core/grant_map.c, which owns the references' life by calling these in pairs.
 */
#include "cpu/regs.h"
#include "lib/assert.h"
#include "public/grant_table.h"
#include "pv/grant_pv.h"
#include "pv/page_type.h"
#include "pv/pv_mmu.h"

/* Find the L1 entry that `addr` names: by linear address, or by machine address. */
static pte_t *find_leaf(struct pv_domain *d, uint64_t addr, uint32_t flags)
{
    mfn_t m = paddr_to_mfn(addr);
    struct frame *f = frame_of(m);

    if (!(flags & GNTMAP_contains_pte))
        return pv_find_leaf(pv_vcpu(current_vcpu()), addr);
    if (addr & (sizeof(pte_t) - 1) || !mfn_valid(m) || frame_owner(f) != d->domain.id ||
        frame_type(f) != TYPE_L1 || !(READ_ONCE(f->type) & TYPE_VALIDATED))
        return NULL;
    return (pte_t *)mfn_to_virt(m) + (addr & (PAGE_SIZE - 1)) / sizeof(pte_t);
}

static uint64_t leaf_flags(uint32_t flags)
{
    uint64_t bits = PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY;

    if (!(flags & GNTMAP_readonly))
        bits |= PTE_RW;
    return bits | ((uint64_t)(flags >> _GNTMAP_guest_avail0 & 7) << 9);
}

int pv_grant_map(struct domain *dom, uint64_t addr, mfn_t m, unsigned owner, uint32_t flags)
{
    struct pv_domain *d = pv_domain(dom);
    int rc = GNTST_bad_virt_addr;
    pte_t *e;

    if (!(flags & GNTMAP_contains_pte) && !guest_range_ok(addr, PAGE_SIZE))
        return GNTST_bad_virt_addr;
    spin_lock(&d->page_lock);
    e = find_leaf(d, addr, flags);       /* a leaf neither needs nor leaves an unfinished tree */
    if (e)
        rc = leaf_update(d, e, pte_make(m, leaf_flags(flags)), owner, 0) ? GNTST_general_error : GNTST_okay;
    spin_unlock(&d->page_lock);
    return rc;
}

/* The leaf must still be the grant's: same frame, same right to write. */
static bool leaf_is(pte_t e, mfn_t m, uint32_t flags)
{
    return pte_present(e) && mfn_eq(pte_mfn(e), m) && !(e.v & PTE_RW) == !!(flags & GNTMAP_readonly);
}

int pv_grant_unmap(struct domain *dom, uint64_t addr, mfn_t m, uint32_t flags)
{
    struct pv_domain *d = pv_domain(dom);
    int rc = GNTST_general_error;
    pte_t *e;

    spin_lock(&d->page_lock);
    e = find_leaf(d, addr, flags);
    if (e && leaf_is(*e, m, flags))
        rc = leaf_update(d, e, pte(0), d->domain.id, 0) ? GNTST_general_error : GNTST_okay;
    spin_unlock(&d->page_lock);
    return rc;
}

bool pv_get_data(struct domain *dom, mfn_t m, bool writable)
{
    if (writable)
        return !frame_get_and_type(pv_domain(dom), m, TYPE_WRITABLE);
    return mfn_valid(m) && frame_get(frame_of(m), dom->id);
}

void pv_put_data(mfn_t m, bool writable)
{
    struct frame *f = frame_of(m);

    if (writable)
        leaf_put(pte_make(m, PTE_PRESENT | PTE_RW));
    else
        frame_put(f);
}
