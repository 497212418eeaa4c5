// SPDX-License-Identifier: MIT
/*
 * Where a PV kernel wants to be entered, and the registers of its own that only ring 0 can write:
 * trap table, callbacks, kernel stack, debug registers, segment bases, TS. All for the current
 * vCPU, so nothing is locked. An address that IRET could not go to is refused here, so that no
 * handler can fault on its first step for ever.
 */
#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "cpu/guest_state.h"
#include "cpu/regs.h"
#include "lib/string.h"
#include "public/callback.h"
#include "public/nmi.h"
#include "pv/callbacks.h"
#include "pv/context.h"

#define MAX_TRAP_ROWS   257u              /* every vector once, and the end */

static struct pv_vcpu *current_pv(void)
{
    return pv_vcpu(current_vcpu());
}

bool pv_trap_check(const struct trap_info *info, struct pv_trap *t)
{
    *t = (struct pv_trap){ .address = info->address, .cs = info->cs | 3, .flags = info->flags };
    return is_canonical(info->address);
}

long do_set_trap_table(uint64_t traps, uint64_t a2 UNUSED, uint64_t a3 UNUSED, uint64_t a4 UNUSED,
                       uint64_t a5 UNUSED)
{
    struct pv_vcpu *v = current_pv();
    struct trap_info row;
    struct pv_trap t;

    if (!traps) {
        memset(v->traps, 0, sizeof(v->traps));
        return 0;
    }
    for (unsigned i = 0; i < MAX_TRAP_ROWS; i++) {
        if (copy_from_guest(&row, traps + i * sizeof(row), sizeof(row)))
            return -XEN_EFAULT;
        if (!row.address)
            return 0;
        if (!pv_trap_check(&row, &t))
            return -XEN_EINVAL;
        v->traps[row.vector] = t;
    }
    return -XEN_EINVAL;
}

long do_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall, uint64_t a4 UNUSED,
                      uint64_t a5 UNUSED)
{
    struct pv_vcpu *v = current_pv();

    if (!is_canonical(event) || !is_canonical(failsafe) || !is_canonical(syscall))
        return -XEN_EINVAL;
    v->event_cb.address = event;
    v->failsafe_cb.address = failsafe;
    v->syscall_cb.address = syscall;
    return 0;
}

/* Those that a 64-bit kernel cannot do without may be moved, not taken away. */
static const struct {
    uint16_t offset;
    bool may_go;
} callback_rows[] = {
    [CALLBACKTYPE_event] = { offsetof(struct pv_vcpu, event_cb), false },
    [CALLBACKTYPE_failsafe] = { offsetof(struct pv_vcpu, failsafe_cb), false },
    [CALLBACKTYPE_syscall] = { offsetof(struct pv_vcpu, syscall_cb), false },
    [CALLBACKTYPE_sysenter_deprecated] = { offsetof(struct pv_vcpu, sysenter_cb), true },
    [CALLBACKTYPE_nmi] = { offsetof(struct pv_vcpu, nmi_cb), true },
    [CALLBACKTYPE_sysenter] = { offsetof(struct pv_vcpu, sysenter_cb), true },
    [CALLBACKTYPE_syscall32] = { offsetof(struct pv_vcpu, syscall32_cb), true },
};

static struct pv_callback *callback_of(struct pv_vcpu *v, uint16_t type)
{
    if (type >= ARRAY_SIZE(callback_rows) || !callback_rows[type].offset)
        return NULL;
    return (struct pv_callback *)((char *)v + callback_rows[type].offset);
}

static long callback_register(struct pv_vcpu *v, const struct callback_register *r)
{
    struct pv_callback *cb = callback_of(v, r->type);

    if (!cb)
        return -XEN_ENOSYS;
    if (!is_canonical(r->address))
        return -XEN_EINVAL;
    cb->address = r->address;
    cb->mask_events = r->flags & CALLBACKF_mask_events;
    if (r->type == CALLBACKTYPE_nmi && v->nmi_pending)
        softirq_raise(SOFTIRQ_VCPU);
    return 0;
}

static long callback_unregister(struct pv_vcpu *v, const struct callback_unregister *u)
{
    struct pv_callback *cb = callback_of(v, u->type);

    if (!cb)
        return -XEN_ENOSYS;
    if (!callback_rows[u->type].may_go)
        return -XEN_EINVAL;
    *cb = (struct pv_callback){ 0 };
    return 0;
}

long do_callback_op(uint64_t cmd, uint64_t arg, uint64_t a3 UNUSED, uint64_t a4 UNUSED,
                    uint64_t a5 UNUSED)
{
    struct callback_register r;
    struct callback_unregister u;

    if (cmd == CALLBACKOP_register) {
        if (copy_from_guest(&r, arg, sizeof(r)))
            return -XEN_EFAULT;
        return callback_register(current_pv(), &r);
    }
    if (cmd == CALLBACKOP_unregister) {
        if (copy_from_guest(&u, arg, sizeof(u)))
            return -XEN_EFAULT;
        return callback_unregister(current_pv(), &u);
    }
    return -XEN_ENOSYS;
}

/* The older way to name the NMI's callback; only vCPU 0 is told of the platform's. */
long do_nmi_op(uint64_t cmd, uint64_t arg, uint64_t a3 UNUSED, uint64_t a4 UNUSED,
               uint64_t a5 UNUSED)
{
    struct pv_vcpu *v = current_pv();
    struct xennmi_callback cb;

    switch ((uint32_t)cmd) {
    case XENNMI_register_callback:
        if (v->vcpu.id)
            return -XEN_EINVAL;
        if (copy_from_guest(&cb, arg, sizeof(cb)))
            return -XEN_EFAULT;
        return callback_register(v, &(struct callback_register){ .type = CALLBACKTYPE_nmi,
                                                                 .address = cb.handler_address });
    case XENNMI_unregister_callback:
        v->nmi_cb = (struct pv_callback){ 0 };
        return 0;
    default:
        return -XEN_ENOSYS;
    }
}

long do_stack_switch(uint64_t ss, uint64_t sp, uint64_t a3 UNUSED, uint64_t a4 UNUSED,
                     uint64_t a5 UNUSED)
{
    struct pv_vcpu *v = current_pv();

    v->kernel_ss = (uint16_t)(ss | 3);
    v->kernel_sp = sp;
    return 0;
}

long do_fpu_taskswitch(uint64_t set, uint64_t a2 UNUSED, uint64_t a3 UNUSED, uint64_t a4 UNUSED,
                       uint64_t a5 UNUSED)
{
    struct pv_vcpu *v = current_pv();

    v->fpu_ts = set != 0;
    if (set)
        set_ts();
    else
        clear_ts();
    return 0;
}

/* Debug registers ------------------------------------------------------------------------------ */

#define DR6_FIXED      UINT64_C(0xffff0ff0)
#define DR6_ZERO       UINT64_C(0x1000)
#define DR7_FIXED      UINT64_C(0x400)
#define DR7_ZERO       UINT64_C(0xd800)
#define DR7_GD         UINT64_C(0x2000)
#define DR7_IO         2u

static bool breakpoint_is_possible(uint64_t dr7, unsigned i)
{
    unsigned kind = (unsigned)(dr7 >> (16 + 4 * i)) & 15, type = kind & 3, length = kind >> 2;

    if (!(dr7 >> (2 * i) & 3))
        return true;
    return type != DR7_IO && (type || !length);
}

/*
 * Breakpoints on our own memory would let a guest see us work; those on I/O ports and on debug
 * registers themselves too.
 */
bool pv_debugreg_check(unsigned reg, uint64_t *value)
{
    if (reg < 4)
        return is_canonical(*value) && (*value < HYP_VIRT_START || *value >= HYP_VIRT_END);
    if (*value > UINT32_MAX)
        return false;
    if (reg == 6) {
        *value = (*value & ~DR6_ZERO) | DR6_FIXED;
        return true;
    }
    *value = (*value & ~DR7_ZERO) | DR7_FIXED;
    for (unsigned i = 0; i < 4; i++) {
        if (!breakpoint_is_possible(*value, i))
            return false;
    }
    return !(*value & DR7_GD);
}

/*
 * 4 and 5 are other names of 6 and 7 where the CPU's CR4.DE is clear; for a PV guest they are not
 * there.
 */
static bool debugreg_exists(uint64_t reg)
{
    return reg < 8 && reg != 4 && reg != 5;
}

long do_set_debugreg(uint64_t reg, uint64_t value, uint64_t a3 UNUSED, uint64_t a4 UNUSED,
                     uint64_t a5 UNUSED)
{
    struct pv_vcpu *v = current_pv();

    if (!debugreg_exists(reg))
        return -XEN_EINVAL;
    if (!pv_debugreg_check((unsigned)reg, &value))
        return -XEN_EPERM;
    v->debugreg[reg] = value;
    if (reg != 6)
        pv_load_debug_registers(v);
    return 0;
}

long do_get_debugreg(uint64_t reg, uint64_t a2 UNUSED, uint64_t a3 UNUSED, uint64_t a4 UNUSED,
                     uint64_t a5 UNUSED)
{
    return debugreg_exists(reg) ? (long)current_pv()->debugreg[reg] : -XEN_EINVAL;
}

/* Segment bases -------------------------------------------------------------------------------- */

static void set_fs_base(struct pv_vcpu *v, uint64_t base)
{
    v->fs_base = base;
    wrmsr(MSR_FS_BASE, base);
}

/* The user's GS is the inactive one: hypercalls come from the kernel. */
static void set_gs_base_user(struct pv_vcpu *v, uint64_t base)
{
    v->gs_base_user = base;
    wrmsr(MSR_KERNEL_GS_BASE, base);
}

static void set_gs_base_kernel(struct pv_vcpu *v, uint64_t base)
{
    v->gs_base_kernel = base;
    wrmsr(MSR_GS_BASE, base);
}

static void set_gs_user_selector(struct pv_vcpu *v UNUSED, uint64_t selector)
{
    swap_gs();
    load_gs((uint16_t)(selector & ~UINT64_C(3) ? selector | 3 : 0));
    swap_gs();
}

static void (*const segment_base_rows[])(struct pv_vcpu *v, uint64_t base) = {
    [SEGBASE_FS] = set_fs_base,
    [SEGBASE_GS_USER] = set_gs_base_user,
    [SEGBASE_GS_KERNEL] = set_gs_base_kernel,
    [SEGBASE_GS_USER_SEL] = set_gs_user_selector,
};

long do_set_segment_base(uint64_t which, uint64_t base, uint64_t a3 UNUSED, uint64_t a4 UNUSED,
                         uint64_t a5 UNUSED)
{
    if (which >= ARRAY_SIZE(segment_base_rows) || !is_canonical(base))
        return -XEN_EINVAL;
    segment_base_rows[which](current_pv(), base);
    return 0;
}
