// SPDX-License-Identifier: MIT
/*
 * The iret hypercall: how a PV kernel returns, to itself or to its user. The frame is on its stack
 * (struct iret_context); it is read once, and nothing in it can reach a ring below 3: the code
 * selector has RPL 3, the flags pass a list. What the real IRET refuses comes back by
 * upcall_bad_iret(). No locks.
 */
#include "cpu/guest_frame.h"
#include "pv/pv_domain.h"

static NOINLINE COLD long bad_frame(struct pv_vcpu *v, const char *why, uint64_t rsp)
{
    domain_crash(v->vcpu.domain, "vCPU %u: iret hypercall %s (frame at %lx)", v->vcpu.id, why, rsp);
    return 0;
}

/* An NMI that waited for this return is looked at on the way out. */
static NOINLINE void unmask_nmi(struct pv_vcpu *v)
{
    v->nmi_masked = 0;
    if (v->nmi_pending)
        softirq_raise(SOFTIRQ_VCPU);
}

static ALWAYS_INLINE void load_flags(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t rflags)
{
    if (READ_ONCE(v->vcpu.domain->vm_assist) & 1u << VMASST_TYPE_architectural_iopl)
        v->iopl = (uint8_t)(rflags >> 12 & 3);
    regs->rflags = (rflags & GUEST_FLAGS_ALLOWED) | X86_RFLAGS_IF | X86_RFLAGS_MBS;
    v->vcpu.vcpu_info->evtchn_upcall_mask = !(rflags & X86_RFLAGS_IF);
}

/*
 * The result becomes rax, whatever it is: without ENTRY_SYSCALL in entry_vector, entry.S never
 * takes it for HYPERCALL_RESTART, so a return by SYSRET is one by IRET when rax has that value.
 */
long do_iret(UNUSED_FROM_1)
{
    struct pv_vcpu *v = pv_vcpu(current_vcpu());
    struct cpu_user_regs *regs = guest_regs();
    uint64_t from = regs->rsp;
    struct iret_context c;

    if (unlikely(!guest_frame_ok(from, sizeof(c)) || !guest_iret_load(&c, regs, from)))
        return bad_frame(v, "without a frame", from);
    if ((c.cs & 3) == 3) {
        if (unlikely(!v->cr3_user))
            return bad_frame(v, "to user mode without page tables for it", from);
        v->in_kernel = 0;
        guest_space_switch(v->cr3_user);
    } else {
        c.cs |= 3;
        c.ss = c.ss & ~UINT64_C(3) ? c.ss | 3 : FLAT_KERNEL_SS;
    }
    if (c.flags & VGCF_in_syscall && (long)c.rax != HYPERCALL_RESTART) {
        regs->entry_vector = ENTRY_SYSCALL;
        c.cs = FLAT_USER_CS;
        c.ss = FLAT_USER_SS;
    } else {
        regs->entry_vector = 0;
    }
    regs->cs = (uint16_t)c.cs;
    regs->ss = (uint16_t)c.ss;
    load_flags(v, regs, c.rflags);
    if (unlikely(v->nmi_masked))
        unmask_nmi(v);
    return (long)c.rax;
}
