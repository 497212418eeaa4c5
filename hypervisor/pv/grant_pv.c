// SPDX-License-Identifier: MIT
/*
 * Grant mappings in a PV guest's page tables, and data references for copies. A mapping is an ordinary leaf; that it came
 * from a grant is known only to core/grant_map.c, which owns the references' life by calling these in pairs.
 */
#include "pv/pv_mmu.h"

/*
 * `addr` names the L1 entry by linear or by machine address. To be unmapped, it must still be the grant's: same frame, same
 * right to write. A leaf neither needs nor leaves an unfinished tree.
 */
int guest_grant_leaf(struct domain *domain, uint64_t addr, mfn_t m, unsigned owner, uint32_t flags, bool map)
{
    struct pv_domain *d = pv_domain(domain);
    uint64_t bits = PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY | (flags & GNTMAP_readonly ? 0 : PTE_RW) |
                    (uint64_t)(flags >> _GNTMAP_guest_avail0 & 7) << 9;
    pte_t new = pte_make(m, bits), *e = NULL;
    int rc = GNTST_general_error;

    spin_lock(&d->page_lock);
    if (!(flags & GNTMAP_contains_pte))
        e = pv_find_leaf(pv_vcpu(current_vcpu()), addr);
    else if (!(addr % sizeof(pte_t)) && is_l1_in_use(d, paddr_to_mfn(addr)))
        e = pte_at(paddr_to_mfn(addr), addr);
    if (!e)
        rc = GNTST_bad_virt_addr;
    else if ((map || pte_same(*e, new, PTE_RW)) && !leaf_update(d, e, map ? new : pte(0), owner, 0))
        rc = GNTST_okay;
    spin_unlock(&d->page_lock);
    return rc;
}

bool guest_get_data(struct domain *dom, mfn_t m, bool writable)
{
    if (writable)
        return !frame_get_and_type(pv_domain(dom), m, TYPE_WRITABLE);
    return mfn_valid(m) && frame_get(frame_of(m), dom->id);
}

void guest_put_data(mfn_t m, bool writable)
{
    struct frame *f = frame_of(m);

    if (writable)
        leaf_put(pte_make(m, PTE_PRESENT | PTE_RW));
    else
        frame_put(f);
}
