// SPDX-License-Identifier: MIT
/*
 * What a guest's own instructions raise, one table row per vector: put right here what only we can
 * put right (privileged instructions, writes to page tables, LDT pages not mapped yet), and hand
 * the guest the rest. Also the last look before a CPU returns to a guest. Runs on the vCPU's own
 * CPU; nothing of its state is locked.
 */
#include "core/domain.h"
#include "core/softirq.h"
#include "cpu/guest_state.h"
#include "cpu/irqflags.h"
#include "cpu/regs.h"
#include "cpu/upcall.h"
#include "mm/layout.h"
#include "public/nmi.h"
#include "pv/pv_domain.h"
#include "pv/pv_time.h"

#define DR6_STATUS       0xe00fu          /* B0-B3, BD, BS, BT */
#define SOFT_INTERRUPT   0x80u
#define NR_EXCEPTIONS    32u
#define LOWEST_SOFT_DPL  1u               /* for int n, a PV kernel counts as ring 1 */
#define PORT_B           0x61
#define PORT_B_SERR      0x80
#define PORT_B_IOCHK     0x40
#define WINDOWS_SIZE     ((uint64_t)DESC_WINDOW_SIZE * DESC_WINDOW_SLOTS)

struct trap_row {
    void (*handler)(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t detail);
    uint8_t has_error;
    uint8_t length;                       /* of the instruction that raises it on purpose */
};

static const struct trap_row trap_rows[NR_EXCEPTIONS];
static const struct trap_row soft_row;

static const struct trap_row *row_of(unsigned vector)
{
    return vector < NR_EXCEPTIONS ? &trap_rows[vector] : &soft_row;
}

static void forward(struct pv_vcpu *v UNUSED, struct cpu_user_regs *regs, uint64_t detail UNUSED)
{
    unsigned vector = regs->entry_vector & 0xff;

    pv_inject_trap(regs, vector, regs->error_code, row_of(vector)->has_error ? BOUNCE_ERROR_CODE
                   : 0);
}

/* int3, into, int 0x80: as a gate would, refuse them by #GP at the instruction itself. */
static void software_interrupt(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t detail)
{
    unsigned vector = regs->entry_vector & 0xff;
    const struct pv_trap *t = &v->traps[vector];

    if (t->address && TI_GET_DPL(t) >= (v->in_kernel ? LOWEST_SOFT_DPL : 3)) {
        forward(v, regs, detail);
        return;
    }
    regs->rip -= row_of(vector)->length;
    pv_inject_trap(regs, TRAP_GP, vector << 3 | 2, BOUNCE_ERROR_CODE);
}

static void debug(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t dr6)
{
    v->debugreg[6] |= dr6 & DR6_STATUS;
    forward(v, regs, dr6);
}

static void undefined(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t detail)
{
    if (!pv_emulate_ud(v, regs))
        forward(v, regs, detail);
}

/* A kernel that sets TS to hear of the next use of the FPU expects to find it usable then. */
static void device_not_available(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t detail)
{
    if (v->fpu_ts) {
        v->fpu_ts = 0;
        clear_ts();
    }
    forward(v, regs, detail);
}

static void general_protection(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t detail)
{
    if (!pv_emulate_gp(v, regs))
        forward(v, regs, detail);
}

/*
 * The CPU read a descriptor of the guest's: its LDT starts at ldt_base as far as the guest can see.
 */
static NOINLINE void window_fault(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t offset)
{
    uint64_t in_ldt = offset % DESC_WINDOW_SIZE - DESC_WINDOW_LDT;

    if (offset / DESC_WINDOW_SIZE != v->window || offset % DESC_WINDOW_SIZE < DESC_WINDOW_LDT) {
        pv_inject_page_fault(regs, DESC_WINDOW_START + offset, regs->error_code);
        return;
    }
    if (!pv_ldt_fault(v, (uint32_t)in_ldt))
        pv_inject_page_fault(regs, v->ldt_base + in_ldt, regs->error_code & ~(uint32_t)PFEC_USER);
}

static ALWAYS_INLINE void page_fault(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t va)
{
    const uint32_t kinds = PFEC_PRESENT | PFEC_WRITE | PFEC_RSVD | PFEC_FETCH;

    if (unlikely(va - DESC_WINDOW_START < WINDOWS_SIZE) && !(regs->error_code & PFEC_USER))
        window_fault(v, regs, va - DESC_WINDOW_START);
    else if (!v->in_kernel || (regs->error_code & kinds) != (PFEC_PRESENT | PFEC_WRITE) ||
             !pv_pt_write_fault(v, regs, va))
        pv_inject_page_fault(regs, va, regs->error_code);
}

static void any_page_fault(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t va)
{
    page_fault(v, regs, va);
}

static void unknown(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t detail UNUSED)
{
    domain_crash(v->vcpu.domain, "vCPU %u raised trap %u, which no CPU has (rip %lx)", v->vcpu.id,
                 regs->entry_vector, regs->rip);
}

static const struct trap_row trap_rows[NR_EXCEPTIONS] = {
    [TRAP_DE] = { forward, 0, 0 },
    [TRAP_DB] = { debug, 0, 0 },
    [TRAP_NMI] = { unknown, 0, 0 },
    [TRAP_BP] = { software_interrupt, 0, 1 },
    [TRAP_OF] = { software_interrupt, 0, 1 },
    [TRAP_BR] = { forward, 0, 0 },
    [TRAP_UD] = { undefined, 0, 0 },
    [TRAP_NM] = { device_not_available, 0, 0 },
    [TRAP_DF] = { unknown, 0, 0 },
    [9] = { unknown, 0, 0 },
    [TRAP_TS] = { forward, 1, 0 },
    [TRAP_NP] = { forward, 1, 0 },
    [TRAP_SS] = { forward, 1, 0 },
    [TRAP_GP] = { general_protection, 1, 0 },
    [TRAP_PF] = { any_page_fault, 1, 0 },
    [15] = { unknown, 0, 0 },
    [TRAP_MF] = { forward, 0, 0 },
    [TRAP_AC] = { forward, 1, 0 },
    [TRAP_MC] = { unknown, 0, 0 },
    [TRAP_XM] = { forward, 0, 0 },
    [20] = { unknown, 0, 0 },
    [TRAP_CP] = { forward, 1, 0 },
    [22 ... 31] = { unknown, 0, 0 },
};

static const struct trap_row soft_row = { software_interrupt, 0, 2 };

void upcall_guest_trap(struct cpu_user_regs *regs, uint64_t detail)
{
    struct pv_vcpu *v = pv_vcpu(current_vcpu());

    if (likely(regs->entry_vector == TRAP_PF))
        page_fault(v, regs, detail);
    else
        row_of(regs->entry_vector)->handler(v, regs, detail);
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
        pv_time_refresh_any(v);
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
