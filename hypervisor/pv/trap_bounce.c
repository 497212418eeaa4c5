// SPDX-License-Identifier: MIT
/*
 * Entering a PV kernel: the frame on its stack, the registers at its handler's entry, for traps,
 * callbacks and system calls alike. Runs on the vCPU's own CPU, on its own registers; no locks. A
 * kernel whose stack or handler is not there cannot go on: its domain crashes.
 *
 * The frame, highest address first, below the stack pointer aligned down to 16:
 *
 * ss, rsp, rflags, cs, rip, [error code], r11, rcx
 *
 * rflags shows the virtual IF and IOPL. cs has RPL 0 if the kernel was interrupted, and the event
 * mask in bits 32-39.
 */
#include "cpu/guest_frame.h"
#include "cpu/upcall.h"
#include "pv/pv_domain.h"

#define FLAGS_CLEARED                                                                              \
    ((uint64_t)(X86_RFLAGS_TF | X86_RFLAGS_DF | X86_RFLAGS_IOPL | X86_RFLAGS_NT | X86_RFLAGS_RF |   \
                X86_RFLAGS_VM | X86_RFLAGS_AC))
#define ARCHITECTURAL_IOPL (1u << VMASST_TYPE_architectural_iopl)
#define TAIL_SIZE      40u               /* ss to rip */
#define MAX_FRAME      64u

/* The words of a frame that are not simply the interrupted context's, and the stack that it goes to. */
struct entry {
    uint64_t sp, cs, rflags;
};

/* The guest's own view of its flags. The real ones have IF set and IOPL 0. */
static ALWAYS_INLINE uint64_t virtual_flags(const struct pv_vcpu *v, uint64_t rflags, uint8_t mask)
{
    if (mask)
        rflags &= ~(uint64_t)X86_RFLAGS_IF;
    if (READ_ONCE(v->vcpu.domain->vm_assist) & ARCHITECTURAL_IOPL)
        rflags |= (uint64_t)v->iopl << 12;
    return rflags;
}

/* Switch to the kernel if need be. */
static ALWAYS_INLINE struct entry enter(struct pv_vcpu *v, const struct cpu_user_regs *regs,
                                        bool from_kernel)
{
    uint8_t mask = READ_ONCE(v->vcpu.vcpu_info->evtchn_upcall_mask);
    struct entry e = { regs->rsp, regs->cs, virtual_flags(v, regs->rflags, mask) };

    if (from_kernel) {
        e.cs &= ~UINT64_C(3);
    } else {
        e.sp = v->kernel_sp;
        v->in_kernel = 1;
        guest_space_switch(v->cr3_kernel);
    }
    e.cs |= (uint64_t)mask << 32;
    e.sp &= ~UINT64_C(15);
    return e;
}

/* The context at the handler's entry. rcx and r11 are in the frame, so SYSRET may spoil them. */
static ALWAYS_INLINE void start_handler(struct pv_vcpu *v, struct cpu_user_regs *regs,
                                        struct trap_info to, uint64_t sp)
{
    regs->rip = to.address;
    regs->cs = FLAT_KERNEL_CS;
    regs->rflags &= ~FLAGS_CLEARED;
    regs->rsp = sp;
    regs->ss = FLAT_KERNEL_SS;
    regs->entry_vector = ENTRY_SYSCALL;
    if (TI_GET_IF(&to))
        v->vcpu.vcpu_info->evtchn_upcall_mask = 1;
}

static NOINLINE COLD void bad_stack(const struct pv_vcpu *v, const struct cpu_user_regs *regs,
                                    uint64_t sp)
{
    domain_crash(v->vcpu.domain,
                 "vCPU %u cannot be told of a trap: its kernel stack at %lx is not there (rip %lx)",
                 v->vcpu.id, sp, regs->rip);
}

static ALWAYS_INLINE void bounce(struct pv_vcpu *v, struct cpu_user_regs *regs,
                                 struct trap_info to, bool from_kernel, bool has_error,
                                 uint32_t error)
{
    struct entry e = enter(v, regs, from_kernel);
    uint64_t tail = e.sp - TAIL_SIZE, head = tail - (has_error ? 24 : 16);

    if (unlikely(!guest_frame_ok(e.sp - MAX_FRAME, MAX_FRAME) ||
                 !guest_frame_store(tail, head, regs, e.cs, e.rflags, has_error, error)))
        bad_stack(v, regs, head);
    else
        start_handler(v, regs, to, head);
}

static NOINLINE COLD void no_handler(const struct pv_vcpu *v, const struct cpu_user_regs *regs,
                                     const char *what, unsigned number)
{
    domain_crash(v->vcpu.domain, "vCPU %u has no handler for %s %u (rip %lx, rsp %lx, error %x)",
                 v->vcpu.id, what, number, regs->rip, regs->rsp, regs->error_code);
}

static ALWAYS_INLINE void inject(struct pv_vcpu *v, struct cpu_user_regs *regs, unsigned vector,
                                 bool has_error, uint32_t error)
{
    if (unlikely(!v->traps[vector].address))
        no_handler(v, regs, "trap", vector);
    else
        bounce(v, regs, v->traps[vector], v->in_kernel, has_error, error);
}

void pv_inject_trap(struct cpu_user_regs *regs, unsigned vector, uint32_t error, unsigned flags)
{
    inject(pv_vcpu(current_vcpu()), regs, vector & 0xff, flags & BOUNCE_ERROR_CODE, error);
}

void pv_inject_page_fault(struct cpu_user_regs *regs, uint64_t cr2, uint32_t error)
{
    struct pv_vcpu *v = pv_vcpu(current_vcpu());

    if (v->in_kernel)
        error &= ~(uint32_t)PFEC_USER;
    v->cr2 = cr2;
    v->vcpu.vcpu_info->arch.cr2 = cr2;
    inject(v, regs, TRAP_PF, true, error);
}

static void deliver_nmi(struct pv_vcpu *v, struct cpu_user_regs *regs)
{
    uint64_t address = v->nmi_cb.address ? v->nmi_cb.address : v->traps[TRAP_NMI].address;

    if (!address)
        return;
    v->nmi_pending = 0;
    v->nmi_masked = 1;
    bounce(v, regs, pv_entry(address, true), v->in_kernel, false, 0);
}

/* An NMI goes last, so that its handler runs first. */
void pv_deliver_pending(struct pv_vcpu *v, struct cpu_user_regs *regs)
{
    const struct vcpu_info *info = v->vcpu.vcpu_info;
    struct trap_info event = pv_entry(v->event_cb.address, true);

    if (READ_ONCE(info->evtchn_upcall_pending) && !READ_ONCE(info->evtchn_upcall_mask) &&
        event.address)
        bounce(v, regs, event, v->in_kernel, false, 0);
    if (unlikely(v->nmi_pending) && !v->nmi_masked)
        deliver_nmi(v, regs);
}

/* From 32-bit code, or without a handler: the kernel's own #GP or #UD. */
static NOINLINE void other_syscall(struct pv_vcpu *v, struct cpu_user_regs *regs)
{
    uint32_t entry = regs->entry_vector;
    const struct trap_info *to = entry == ENTRY_SYSENTER ? &v->sysenter_cb :
                                  entry == ENTRY_SYSCALL ? &v->syscall_cb : &v->syscall32_cb;

    if (to->address && !v->in_kernel) {
        bounce(v, regs, *to, false, false, 0);
    } else if (entry == ENTRY_SYSENTER) {
        inject(v, regs, TRAP_GP, true, 0);
    } else {
        regs->rip -= 2;
        inject(v, regs, TRAP_UD, false, 0);
    }
}

/* regs holds no callee-saved registers when SYSCALL came from 64-bit code: nothing here looks at them. */
void upcall_guest_syscall(struct cpu_user_regs *regs)
{
    struct pv_vcpu *v = pv_vcpu(current_vcpu());

    if (likely(regs->entry_vector == ENTRY_SYSCALL) && likely(v->syscall_cb.address))
        bounce(v, regs, v->syscall_cb, false, false, 0);
    else
        other_syscall(v, regs);
}

/*
 * The kernel asked to go where IRET cannot: its failsafe callback hears of it, with the data
 * segments above rcx and r11. The context in `regs` is the one that could not be entered, and
 * counts as interrupted.
 */
void upcall_bad_iret(struct cpu_user_regs *regs)
{
    struct pv_vcpu *v = pv_vcpu(current_vcpu());
    uint64_t segments[4], tail, head;
    uint16_t selector[4];
    struct entry e;

    if (!v->failsafe_cb.address) {
        no_handler(v, regs, "a failed return to selector", regs->cs);
        return;
    }
    e = enter(v, regs, v->in_kernel);
    tail = e.sp - TAIL_SIZE;
    head = tail - sizeof(segments) - 16;
    guest_selectors_read(selector);
    for (unsigned i = 0; i < 4; i++)
        segments[i] = selector[i];
    if (!guest_frame_ok(head, e.sp - head) ||
        !guest_frame_store(tail, head, regs, e.cs, e.rflags, false, 0) ||
        copy_to_guest(head + 16, segments, sizeof(segments)))
        bad_stack(v, regs, e.sp);
    else
        start_handler(v, regs, v->failsafe_cb, head);
}
