// SPDX-License-Identifier: MIT
/*
 * Write faults of a guest's kernel on pages that it may not write. If the page is an L1 table of its own, the write is an
 * update of an entry: decoded, checked as any other, done. If it is device memory that the domain may only read, the write
 * is dropped. Anything else is the guest's own fault, in the other sense of the word.
 */
#include "pv/insn.h"
#include "pv/pv_mmu.h"

/* Do the write on entry `e` of an L1 table, on the whole entry; again if the CPU changed its accessed or dirty bit meanwhile. */
static bool emulate_write(struct pv_domain *d, pte_t *e, unsigned offset, const struct insn *i,
                          struct cpu_user_regs *regs)
{
    unsigned shift = 8 * offset;
    uint64_t mask = UINT64_MAX >> (64 - 8 * i->size);

    if (offset + i->size > sizeof(pte_t))
        return false;
    for (unsigned tries = 0; tries < 16; tries++) {
        pte_t old = pte(READ_ONCE(e->v));
        uint64_t was = old.v >> shift & mask;
        struct insn_write w = insn_execute(i, regs, was);
        pte_t new = pte((old.v & ~(mask << shift)) | w.new << shift);
        int rc = w.writes ? leaf_compare_and_update(d, e, old, new) : 0;

        if (rc == -XEN_EAGAIN)
            continue;
        if (!rc)
            insn_finish(i, regs, was, &w);
        return !rc;
    }
    return false;
}

/* page_lock held. */
static bool write_to_leaf_of(struct pv_vcpu *v, uint64_t va, const struct insn *i,
                             struct cpu_user_regs *regs)
{
    struct pv_domain *d = pv_domain(v->vcpu.domain);
    const pte_t *e = pv_find_leaf(v, va);
    pte_t leaf = pte(e ? READ_ONCE(e->v) : 0);
    mfn_t m = pte_mfn(leaf);

    if (!pte_present(leaf) || leaf.v & PTE_RW)
        return false;
    if (is_l1_in_use(d, m))
        return emulate_write(d, pte_at(m, va), va % sizeof(pte_t), i, regs);
    if ((mfn_valid(m) && frame_owner(frame_of(m)) != FRAME_OWNER_IO) ||
        mmio_access(d, m) != MMIO_READ)
        return false;
    regs->rip += i->length;
    return true;
}

bool pv_pt_write_fault(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t va)
{
    struct pv_domain *d = pv_domain(v->vcpu.domain);
    uint8_t bytes[INSN_BUFFER];
    struct insn i;
    bool done;

    if (insn_decode(bytes, pv_fetch(bytes, regs->rip), true, &i) || !i.write)
        return false;
    spin_lock(&d->page_lock);
    done = write_to_leaf_of(v, va, &i, regs);
    spin_unlock(&d->page_lock);
    return done;
}
