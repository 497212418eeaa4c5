// SPDX-License-Identifier: MIT
/* Offsets and sizes that assembly needs, generated from the structs themselves; never linked. */
#include <stddef.h>

#include "pv/pv_domain.h"

#define OFFSET(name, value) __asm__ volatile("# OFFSET " #name " %0" : : "i"(value))

_Static_assert(offsetof(struct cpu_info, guest_regs) == 0, "entry.S reaches cpu_info from the frame");
_Static_assert((sizeof(struct cpu_info) - offsetof(struct cpu_user_regs, es)) % 16 == 0,
               "the CPU aligns rsp to 16 bytes before it pushes a frame");
_Static_assert(offsetof(struct cpu_user_regs, r15) == 0 && offsetof(struct cpu_user_regs, rdi) == 14 * 8,
               "entry.S counts the registers from r15 to rdi");
_Static_assert(offsetof(struct pv_vcpu, vcpu) == 0, "current is a struct pv_vcpu");

void asm_offsets(void);
void asm_offsets(void)
{
    OFFSET(REGS_vector, offsetof(struct cpu_user_regs, entry_vector));
    OFFSET(REGS_rip, offsetof(struct cpu_user_regs, rip));
    OFFSET(REGS_cs, offsetof(struct cpu_user_regs, cs));
    OFFSET(REGS_rflags, offsetof(struct cpu_user_regs, rflags));
    OFFSET(REGS_rsp, offsetof(struct cpu_user_regs, rsp));
    OFFSET(REGS_es, offsetof(struct cpu_user_regs, es));
    OFFSET(INFO_current, offsetof(struct cpu_info, current));
    OFFSET(INFO_softirq, offsetof(struct cpu_info, softirq_pending));
    OFFSET(INFO_SIZE, sizeof(struct cpu_info));
    OFFSET(VCPU_calls, offsetof(struct vcpu, calls));
    OFFSET(VCPU_info, offsetof(struct vcpu, vcpu_info));
    OFFSET(VCPU_in_kernel, offsetof(struct pv_vcpu, in_kernel));
    OFFSET(VINFO_pending, offsetof(struct vcpu_info, evtchn_upcall_pending));
    OFFSET(VINFO_mask, offsetof(struct vcpu_info, evtchn_upcall_mask));
}
