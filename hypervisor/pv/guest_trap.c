// SPDX-License-Identifier: MIT
/*
 * What a guest's own instructions raise: put right here what only we can put right (privileged instructions, writes to
 * page tables), and hand the guest the rest. Also the last look before a CPU returns to a guest.
 * Runs on the vCPU's own CPU; nothing of its state is locked.
 */
#include "cpu/upcall.h"
#include "public/nmi.h"
#include "pv/pv_domain.h"

#define DR6_STATUS       0xe00fu          /* B0-B3, BD, BS, BT */
#define LOWEST_SOFT_DPL  1u               /* for int n, a PV kernel counts as ring 1 */
#define FIRST_SOFT       32u
#define PORT_B           0x61
#define PORT_B_SERR      0x80
#define PORT_B_IOCHK     0x40

/* Exceptions without an error code that are the guest's own, by vector. */
#define WITHOUT_ERROR    (1u << TRAP_DE | 1u << TRAP_DB | 1u << TRAP_BR | 1u << TRAP_UD |          \
                          1u << TRAP_NM | 1u << TRAP_MF | 1u << TRAP_XM)

/* Refused by #GP at the instruction itself. */
void pv_software_interrupt(struct pv_vcpu *v, struct cpu_user_regs *regs, unsigned vector,
                           unsigned length)
{
    if (v->traps[vector].address && TI_GET_DPL(&v->traps[vector]) >= (v->in_kernel ? LOWEST_SOFT_DPL : 3)) {
        pv_inject_trap(regs, vector, 0, 0);
        return;
    }
    regs->rip -= length;
    pv_inject_trap(regs, TRAP_GP, vector << 3 | 2, BOUNCE_ERROR_CODE);
}

static ALWAYS_INLINE void page_fault(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t va)
{
    const uint32_t kinds = PFEC_PRESENT | PFEC_WRITE | PFEC_RSVD | PFEC_FETCH;

    if (!v->in_kernel || (regs->error_code & kinds) != (PFEC_PRESENT | PFEC_WRITE) ||
        !pv_pt_write_fault(v, regs, va))
        pv_inject_page_fault(regs, va, regs->error_code);
}

static void forward(struct pv_vcpu *v, struct cpu_user_regs *regs, unsigned vector)
{
    bool has_error = HAVE_ERROR_CODE >> vector & 1;

    if (has_error || WITHOUT_ERROR >> vector & 1)
        pv_inject_trap(regs, vector, regs->error_code, has_error ? BOUNCE_ERROR_CODE : 0);
    else
        domain_crash(v->vcpu.domain, "vCPU %u raised trap %u, which no CPU has (rip %lx)",
                     v->vcpu.id, vector, regs->rip);
}

static NOINLINE void other_trap(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t detail)
{
    unsigned vector = regs->entry_vector & 0xff;

    switch (vector) {
    case TRAP_DB:
        v->debugreg[6] |= detail & DR6_STATUS;
        break;
    case TRAP_BP: case TRAP_OF:
        pv_software_interrupt(v, regs, vector, 1);
        return;
    case TRAP_UD:
        if (pv_emulate_ud(v, regs))
            return;
        break;
    /* A kernel that sets TS to hear of the next use of the FPU expects to find it usable then. */
    case TRAP_NM:
        if (v->fpu_ts)
            (void)do_fpu_taskswitch(0, 0, 0, 0, 0);
        break;
    case FIRST_SOFT ... 255:
        pv_software_interrupt(v, regs, vector, 2);
        return;
    default:
        break;
    }
    forward(v, regs, vector);
}

void upcall_guest_trap(struct cpu_user_regs *regs, uint64_t detail)
{
    struct pv_vcpu *v = pv_vcpu(current_vcpu());

    if (likely(regs->entry_vector == TRAP_PF))
        page_fault(v, regs, detail);
    else if (regs->entry_vector != TRAP_GP || !pv_emulate_gp(v, regs))
        other_trap(v, regs, detail);
}

/*
 * Delivering an event masks further ones, so this ends; softirqs may switch to another vCPU and
 * never come back here.
 */
void upcall_guest_exit(struct cpu_user_regs *regs)
{
    struct pv_vcpu *v = pv_vcpu(current_vcpu());

    for (;;) {
        if (softirq_pending()) {
            irq_enable();
            softirq_run();
            irq_disable();
            continue;
        }
        pv_time_refresh(v);
        pv_deliver_pending(v, regs);
        if (likely(!softirq_pending()))
            return;
    }
}

/*
 * In NMI context: no lock may be taken, so the kick is left to the next softirq (pv/context.c). The
 * reason is port B's, as on any PC; writing its clear bits is the control domain's, whose kernel
 * owns that port.
 */
void upcall_platform_nmi(void)
{
    struct domain *d = control_domain;
    uint8_t port_b = inb(PORT_B);
    uint64_t reason = 0;

    if (!d || !d->vcpu[0])
        return;
    if (port_b & PORT_B_SERR)
        reason |= XEN_NMIREASON_pci_serr;
    if (port_b & PORT_B_IOCHK)
        reason |= XEN_NMIREASON_io_error;
    if (!reason)
        reason = XEN_NMIREASON_unknown;
    (void)fetch_or64(&d->shared_info->arch.nmi_reason, reason);
    pv_vcpu(d->vcpu[0])->nmi_pending = 1;
    softirq_raise(SOFTIRQ_VCPU);
}
