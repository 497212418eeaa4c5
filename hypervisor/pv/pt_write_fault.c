// SPDX-License-Identifier: MIT
/*
 * Write faults of a guest's kernel on pages that it may not write. If the page is an L1 table of its own, the write is an
 * update of an entry: decoded, checked as any other, done. If it is device memory that the domain may only read, the write
 * is dropped. Anything else is the guest's own fault, in the other sense of the word.
 */
#include "core/guest_copy.h"
#include "lib/string.h"
#include "pv/insn.h"
#include "pv/page_type.h"
#include "pv/pv_domain.h"
#include "pv/pv_mmu.h"

/* An operand narrower than an entry is merged into it. */
static uint64_t merge(uint64_t entry, uint64_t part, unsigned offset, unsigned size)
{
    uint64_t mask = size == 8 ? UINT64_MAX : ((UINT64_C(1) << (8 * size)) - 1) << (8 * offset);

    return (entry & ~mask) | (part << (8 * offset) & mask);
}

static uint64_t extract(uint64_t entry, unsigned offset, unsigned size)
{
    entry >>= 8 * offset;
    return size == 8 ? entry : entry & ((UINT64_C(1) << (8 * size)) - 1);
}

/* Do the write on the entry; again if the CPU changed its accessed or dirty bit meanwhile. */
static bool emulate_write(struct pv_domain *d, struct frame *table, uint64_t va, const struct insn *w,
                          struct cpu_user_regs *regs)
{
    pte_t *e = (pte_t *)mfn_to_virt(frame_mfn(table)) + (va & (PAGE_SIZE - 1)) / sizeof(pte_t);
    unsigned offset = va & (sizeof(pte_t) - 1), index = (unsigned)(va & (PAGE_SIZE - 1)) / sizeof(pte_t);

    if (offset + w->size > sizeof(pte_t))
        return false;
    for (unsigned tries = 0; tries < 16; tries++) {
        pte_t old = pte(READ_ONCE(e->v));
        uint64_t was = extract(old.v, offset, w->size), becomes;
        bool writes = insn_apply_write(w, regs, was, &becomes);
        int rc = writes ? leaf_compare_and_update(d, table, index, &old, pte(merge(old.v, becomes, offset, w->size))) : 0;

        if (rc == -XEN_EAGAIN)
            continue;
        if (!rc)
            insn_finish_write(w, regs, was, becomes, writes);
        return !rc;
    }
    return false;
}

/* The frame that `va` maps, if it is an L1 table in use; NULL if not. *device is set for device memory. */
static struct frame *find_target(struct pv_domain *d, struct pv_vcpu *v, uint64_t va, bool *device)
{
    const pte_t *leaf = pv_find_leaf(v, va);
    struct frame *f;
    pte_t e;

    *device = false;
    if (!leaf)
        return NULL;
    e = *leaf;
    if (!pte_present(e) || e.v & PTE_RW)
        return NULL;
    if (!mfn_valid(pte_mfn(e)) || frame_owner(frame_of(pte_mfn(e))) == FRAME_OWNER_IO) {
        *device = mmio_access(d, pte_mfn(e)) == MMIO_READ;
        return NULL;
    }
    f = frame_of(pte_mfn(e));
    if (frame_owner(f) != d->domain.id || frame_type(f) != TYPE_L1 || !(READ_ONCE(f->type) & TYPE_VALIDATED))
        return NULL;
    return f;
}

bool pv_pt_write_fault(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t va)
{
    struct pv_domain *d = pv_domain(v->vcpu.domain);
    uint8_t bytes[INSN_MAX];
    struct insn w;
    struct frame *target;
    bool done = false, device;
    unsigned n;

    n = pv_fetch(bytes, regs->rip);
    if (!n || insn_decode_write(bytes, n, &w))
        return false;
    spin_lock(&d->page_lock);
    target = find_target(d, v, va, &device);
    if (target)
        done = emulate_write(d, target, va, &w, regs);
    spin_unlock(&d->page_lock);
    if (device) {
        regs->rip += w.length;
        done = true;
    }
    return done;
}
