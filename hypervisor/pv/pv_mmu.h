// SPDX-License-Identifier: MIT
/* What the files about a PV guest's page tables share. */
#pragma once
#include "lib/cpumask.h"
#include "mm/layout.h"
#include "mm/pte.h"
#include "pv/page_type.h"
#include "pv/pv_domain.h"

/* What every operation on page tables does first: 0 if no tree is left unfinished, -XEN_ERESTART when preempted. */
static inline int page_type_finish(struct pv_domain *d)
{
    return likely(!d->unfinished) ? 0 : page_type_carry_on(d);
}

/* The L1 entry, present or not, for `va` in the vCPU's kernel address space; page_lock held. NULL: none. */
pte_t *pv_find_leaf(struct pv_vcpu *v, uint64_t va);
/* CPUs that may hold TLB entries of the vCPUs in a guest's bitmap at `guest` (one word of bits per 64 vCPUs). */
int pv_vcpu_bitmap_cpus(struct pv_vcpu *v, uint64_t guest, struct cpumask *cpus);
/* A restarted list's count has this bit: its `done` in guest memory holds a value to add to. */
#define MMU_PREEMPTED   0x80000000u
void mmu_add_done(uint64_t guest, bool accumulate, uint32_t nr);     /* guest: where, not 0 */

/* MMUEXT_SET_LDT's work (guest_descriptor.c); takes page_lock. */
int pv_set_ldt(struct pv_vcpu *v, uint64_t base, uint32_t entries);
/* MMUEXT_NEW_BASEPTR and NEW_USER_BASEPTR of the current vCPU. 0, -XEN_EINVAL or -XEN_ERESTART; page_lock held. */
int pv_new_baseptr(struct pv_vcpu *v, mfn_t m, bool user);
