// SPDX-License-Identifier: MIT
/* Offsets and sizes that assembly needs, generated from the structs themselves; never linked. */
#include <stddef.h>

#include "cpu/percpu.h"
#include "pv/pv_domain.h"

#define OFFSET(name, value) __asm__ volatile("# OFFSET " #name " %0" : : "i"(value))

_Static_assert(offsetof(struct cpu_info, guest_regs) == 0, "entry.S reaches cpu_info from the frame");
_Static_assert((sizeof(struct cpu_info) - offsetof(struct cpu_user_regs, es)) % 16 == 0,
               "the CPU aligns rsp to 16 bytes before it pushes a frame");
_Static_assert(offsetof(struct pv_vcpu, vcpu) == 0, "current is a struct pv_vcpu");

void asm_offsets(void);
void asm_offsets(void)
{
    OFFSET(REGS_r15, offsetof(struct cpu_user_regs, r15));
    OFFSET(REGS_r14, offsetof(struct cpu_user_regs, r14));
    OFFSET(REGS_r13, offsetof(struct cpu_user_regs, r13));
    OFFSET(REGS_r12, offsetof(struct cpu_user_regs, r12));
    OFFSET(REGS_rbp, offsetof(struct cpu_user_regs, rbp));
    OFFSET(REGS_rbx, offsetof(struct cpu_user_regs, rbx));
    OFFSET(REGS_r11, offsetof(struct cpu_user_regs, r11));
    OFFSET(REGS_r10, offsetof(struct cpu_user_regs, r10));
    OFFSET(REGS_r9, offsetof(struct cpu_user_regs, r9));
    OFFSET(REGS_r8, offsetof(struct cpu_user_regs, r8));
    OFFSET(REGS_rax, offsetof(struct cpu_user_regs, rax));
    OFFSET(REGS_rcx, offsetof(struct cpu_user_regs, rcx));
    OFFSET(REGS_rdx, offsetof(struct cpu_user_regs, rdx));
    OFFSET(REGS_rsi, offsetof(struct cpu_user_regs, rsi));
    OFFSET(REGS_rdi, offsetof(struct cpu_user_regs, rdi));
    OFFSET(REGS_vector, offsetof(struct cpu_user_regs, entry_vector));
    OFFSET(REGS_rip, offsetof(struct cpu_user_regs, rip));
    OFFSET(REGS_cs, offsetof(struct cpu_user_regs, cs));
    OFFSET(REGS_rflags, offsetof(struct cpu_user_regs, rflags));
    OFFSET(REGS_rsp, offsetof(struct cpu_user_regs, rsp));
    OFFSET(REGS_es, offsetof(struct cpu_user_regs, es));
    OFFSET(INFO_current, offsetof(struct cpu_info, current));
    OFFSET(INFO_softirq, offsetof(struct cpu_info, softirq_pending));
    OFFSET(INFO_SIZE, sizeof(struct cpu_info));
    OFFSET(VCPU_info, offsetof(struct vcpu, vcpu_info));
    OFFSET(VCPU_in_kernel, offsetof(struct pv_vcpu, in_kernel));
    OFFSET(VINFO_pending, offsetof(struct vcpu_info, evtchn_upcall_pending));
    OFFSET(VINFO_mask, offsetof(struct vcpu_info, evtchn_upcall_mask));
}
