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

/* Find the L1 table and index that `addr` names: a linear address, or a machine address of an entry. */
static struct frame *find_leaf(struct pv_domain *d, uint64_t addr, uint32_t flags, unsigned *index)
{
    struct frame *f;

    if (!(flags & GNTMAP_contains_pte)) {
        *index = pt_index(addr, 1);
        return pv_find_l1(pv_vcpu(current_vcpu()), addr);
    }
    f = frame_of(paddr_to_mfn(addr));
    *index = (unsigned)(addr & (PAGE_SIZE - 1)) / sizeof(pte_t);
    if (addr & (sizeof(pte_t) - 1) || !mfn_valid(paddr_to_mfn(addr)) || frame_owner(f) != d->domain.id ||
        frame_type(f) != TYPE_L1 || !(READ_ONCE(f->type) & TYPE_VALIDATED))
        return NULL;
    return f;
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
    struct frame *l1;
    unsigned index;
    int rc = GNTST_bad_virt_addr;

    if (!(flags & GNTMAP_contains_pte) && !guest_range_ok(addr, PAGE_SIZE))
        return GNTST_bad_virt_addr;
    spin_lock(&d->page_lock);
    l1 = find_leaf(d, addr, flags, &index);       /* a leaf neither needs nor leaves an unfinished tree */
    if (l1)
        rc = table_update(d, l1, index, pte_make(m, leaf_flags(flags)), owner, 0) ? GNTST_general_error : GNTST_okay;
    spin_unlock(&d->page_lock);
    return rc;
}

/* The leaf must still be the grant's: same frame, same right to write. */
static bool leaf_is(const struct frame *l1, unsigned index, mfn_t m, uint32_t flags)
{
    pte_t e = ((const pte_t *)mfn_to_virt(frame_mfn(l1)))[index];

    return pte_present(e) && mfn_eq(pte_mfn(e), m) && !(e.v & PTE_RW) == !!(flags & GNTMAP_readonly);
}

/* Put the leaf of `new_addr` in the place of the grant's, then clear it where it was: references move with it. */
static int replace_leaf(struct pv_domain *d, struct frame *l1, unsigned index, uint64_t new_addr)
{
    struct frame *new_l1 = guest_range_ok(new_addr, PAGE_SIZE) ? pv_find_l1(pv_vcpu(current_vcpu()), new_addr) : NULL;
    unsigned new_index = pt_index(new_addr, 1);
    pte_t e;

    if (!new_l1)
        return GNTST_bad_virt_addr;
    e = ((const pte_t *)mfn_to_virt(frame_mfn(new_l1)))[new_index];
    if (table_update(d, l1, index, e, d->domain.id, 0))
        return GNTST_general_error;
    (void)table_update(d, new_l1, new_index, pte(0), d->domain.id, 0);
    return GNTST_okay;
}

int pv_grant_unmap(struct domain *dom, uint64_t addr, mfn_t m, uint32_t flags, uint64_t new_addr)
{
    struct pv_domain *d = pv_domain(dom);
    struct frame *l1;
    unsigned index;
    int rc = GNTST_general_error;

    spin_lock(&d->page_lock);
    l1 = find_leaf(d, addr, flags, &index);
    if (l1 && leaf_is(l1, index, m, flags) && new_addr)
        rc = replace_leaf(d, l1, index, new_addr);
    else if (l1 && leaf_is(l1, index, m, flags))
        rc = table_update(d, l1, index, pte(0), d->domain.id, 0) ? GNTST_general_error : GNTST_okay;
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
