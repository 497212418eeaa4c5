// SPDX-License-Identifier: MIT
/* What the files about a PV guest's page tables share. */
#pragma once
#include "pv/page_type.h"
#include "pv/pv_domain.h"

/* What every operation on page tables does first: 0 if no tree is left unfinished, -XEN_ERESTART when preempted. */
static inline int page_type_finish(struct pv_domain *d)
{
    return likely(!d->unfinished) ? 0 : page_type_carry_on(d);
}

/* The entry that a machine or linear address `addr` names in the table `m`. */
static inline pte_t *pte_at(mfn_t m, uint64_t addr)
{
    return (pte_t *)mfn_to_virt(m) + (addr & PAGE_OFFSET_MASK) / sizeof(pte_t);
}

/* Is `m`, any number, a table in use of `d`, and an L1? page_lock held. */
static inline bool is_table_in_use(const struct pv_domain *d, mfn_t m)
{
    return mfn_valid(m) && frame_owner(frame_of(m)) == d->domain.id &&
           READ_ONCE(frame_of(m)->type) & TYPE_VALIDATED;
}

static inline bool is_l1_in_use(const struct pv_domain *d, mfn_t m)
{
    return is_table_in_use(d, m) && frame_type(frame_of(m)) == TYPE_L1;
}

/* The L1 entry, present or not, for `va` in the vCPU's kernel address space; page_lock held. NULL: none. */
pte_t *pv_find_leaf(struct pv_vcpu *v, uint64_t va);
/* Flush `va` or FLUSH_TLB_ALL_VA on the CPUs of the vCPUs that UVMF_ALL or a bitmap at `target` in guest memory names. */
int pv_flush_others(struct pv_vcpu *v, uint64_t va, uint64_t target);

/* The same, or on this CPU: UVMF_LOCAL. */
static inline int pv_flush(struct pv_vcpu *v, uint64_t va, uint64_t target)
{
    if (target != UVMF_LOCAL)
        return pv_flush_others(v, va, target);
    if (va == FLUSH_TLB_ALL_VA)
        tlb_flush_local();
    else
        invlpg(va);
    return 0;
}

/* A restarted list's count has this bit: its `done` in guest memory holds a value to add to. */
#define MMU_PREEMPTED   0x80000000u
void mmu_add_done(uint64_t guest, bool accumulate, uint32_t nr);     /* guest: where, not 0 */

/* MMUEXT_SET_LDT's work (guest_descriptor.c); takes page_lock. */
int pv_set_ldt(struct pv_vcpu *v, uint64_t base, uint32_t entries);
/* MMUEXT_NEW_BASEPTR and NEW_USER_BASEPTR of the current vCPU. 0, -XEN_EINVAL or -XEN_ERESTART; page_lock held. */
int pv_new_baseptr(struct pv_vcpu *v, mfn_t m, bool user);

/* --- Foreign domains -------------------------------------------------------------------------------------------- */

/*
 * Whose tables and whose frames an MMU operation is about. The ABI packs both in one word: bits 15..0 the frames' owner,
 * bits 31..16 the tables' owner plus one (0: the caller).
 */
struct foreign {
    struct pv_domain *tables;
    struct domain *tables_ref;       /* reference held, NULL if the caller itself */
    unsigned frames_owner;
    struct domain *frames_ref;
};

/* 0, -XEN_EPERM (only the control domain may name another), or -XEN_ESRCH. */
int foreign_get_any(struct foreign *who, uint32_t foreigndom);

static inline void foreign_put(const struct foreign *who)
{
    if (unlikely(who->frames_ref))
        domain_put(who->frames_ref);
    if (unlikely(who->tables_ref))
        domain_put(who->tables_ref);
}

static inline int foreign_get(struct foreign *who, uint32_t foreigndom)
{
    if (unlikely(foreigndom != DOMID_SELF))
        return foreign_get_any(who, foreigndom);
    *who = (struct foreign){ .tables = pv_domain(current_domain()), .frames_owner = current_domain()->id };
    return 0;
}

/* The end of a list of operations, of which `finished` elements of `size` bytes are. */
static inline long mmu_list_end(const struct foreign *who, int rc, uint64_t list, size_t size,
                                uint64_t count, uint32_t finished, uint64_t done, uint64_t foreigndom)
{
    foreign_put(who);
    if (done)
        mmu_add_done(done, count & MMU_PREEMPTED, finished);
    if (rc != -XEN_ERESTART)
        return rc;
    return hypercall_restart(list + finished * size, ((uint32_t)count - finished) | MMU_PREEMPTED,
                             done, foreigndom, 0);
}
