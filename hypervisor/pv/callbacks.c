// SPDX-License-Identifier: MIT
/*
 * Where a PV kernel wants to be entered, and the registers of its own that only ring 0 can write:
 * trap table, callbacks, kernel stack, debug registers, segment bases, TS. All for the current
 * vCPU, so nothing is locked. An address that IRET could not go to is refused here, so that no
 * handler can fault on its first step for ever.
 */
#include "cpu/guest_state.h"
#include "public/callback.h"
#include "pv/pv_domain.h"

#define MAX_TRAP_ROWS   257u              /* every vector once, and the end */

static struct pv_vcpu *current_pv(void)
{
    return pv_vcpu(current_vcpu());
}

long do_set_trap_table(uint64_t traps, UNUSED_FROM_2)
{
    struct pv_vcpu *v = current_pv();
    struct trap_info row;

    if (!traps) {
        memset(v->traps, 0, sizeof(v->traps));
        return 0;
    }
    for (unsigned i = 0; i < MAX_TRAP_ROWS; i++) {
        if (copy_from_guest(&row, traps + i * sizeof(row), sizeof(row)))
            return -XEN_EFAULT;
        if (!row.address)
            return 0;
        if (!is_canonical(row.address))
            return -XEN_EINVAL;
        v->traps[row.vector] = row;
    }
    return -XEN_EINVAL;
}

long do_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall, UNUSED_FROM_4)
{
    struct pv_vcpu *v = current_pv();

    if (!is_canonical(event) || !is_canonical(failsafe) || !is_canonical(syscall))
        return -XEN_EINVAL;
    v->event_cb.address = event;
    v->failsafe_cb.address = failsafe;
    v->syscall_cb.address = syscall;
    return 0;
}

static const uint16_t callback_offsets[] = {
    [CALLBACKTYPE_event] = offsetof(struct pv_vcpu, event_cb),
    [CALLBACKTYPE_failsafe] = offsetof(struct pv_vcpu, failsafe_cb),
    [CALLBACKTYPE_syscall] = offsetof(struct pv_vcpu, syscall_cb),
    [CALLBACKTYPE_sysenter_deprecated] = offsetof(struct pv_vcpu, sysenter_cb),
    [CALLBACKTYPE_nmi] = offsetof(struct pv_vcpu, nmi_cb),
    [CALLBACKTYPE_sysenter] = offsetof(struct pv_vcpu, sysenter_cb),
    [CALLBACKTYPE_syscall32] = offsetof(struct pv_vcpu, syscall32_cb),
};

static struct trap_info *callback_of(struct pv_vcpu *v, uint16_t type)
{
    if (type >= ARRAY_SIZE(callback_offsets) || !callback_offsets[type])
        return NULL;
    return (struct trap_info *)((char *)v + callback_offsets[type]);
}

static long callback_register(struct pv_vcpu *v, const struct callback_register *r)
{
    struct trap_info *cb = callback_of(v, r->type);

    if (!cb)
        return -XEN_ENOSYS;
    if (!is_canonical(r->address))
        return -XEN_EINVAL;
    *cb = pv_entry(r->address, r->flags & CALLBACKF_mask_events);
    if (r->type == CALLBACKTYPE_nmi && v->nmi_pending)
        softirq_raise(SOFTIRQ_VCPU);
    return 0;
}

/* The first three a 64-bit kernel cannot do without: they may be moved, not taken away. */
static long callback_unregister(struct pv_vcpu *v, uint16_t type)
{
    struct trap_info *cb = callback_of(v, type);

    if (!cb)
        return -XEN_ENOSYS;
    if (type <= CALLBACKTYPE_syscall)
        return -XEN_EINVAL;
    cb->address = 0;
    return 0;
}

/* To unregister, the type is all there is, and stands first as well. */
long do_callback_op(uint64_t cmd, uint64_t arg, UNUSED_FROM_3)
{
    struct callback_register r;
    size_t size = cmd == CALLBACKOP_register ? sizeof(r) : sizeof(struct callback_unregister);

    if (cmd != CALLBACKOP_register && cmd != CALLBACKOP_unregister)
        return -XEN_ENOSYS;
    if (copy_from_guest(&r, arg, size))
        return -XEN_EFAULT;
    if (cmd == CALLBACKOP_register)
        return callback_register(current_pv(), &r);
    return callback_unregister(current_pv(), r.type);
}

/* The selector of a kernel's stack is always ours. */
long do_stack_switch(uint64_t ss UNUSED, uint64_t sp, UNUSED_FROM_3)
{
    current_pv()->kernel_sp = sp;
    return 0;
}

long do_fpu_taskswitch(uint64_t set, UNUSED_FROM_2)
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
        unsigned kind = (unsigned)(*value >> (16 + 4 * i)) & 15;
        unsigned type = kind & 3, length = kind >> 2;

        if (*value >> (2 * i) & 3 && (type == DR7_IO || (!type && length)))
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

long do_set_debugreg(uint64_t reg, uint64_t value, UNUSED_FROM_3)
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

long do_get_debugreg(uint64_t reg, UNUSED_FROM_2)
{
    return debugreg_exists(reg) ? (long)current_pv()->debugreg[reg] : -XEN_EINVAL;
}

/* Segment bases -------------------------------------------------------------------------------- */

/* The user's GS is the inactive one: hypercalls come from the kernel. The CPU holds the state; it is saved from there. */
long do_set_segment_base(uint64_t which, uint64_t base, UNUSED_FROM_3)
{
    static const uint32_t msrs[] = {
        [SEGBASE_FS] = MSR_FS_BASE, [SEGBASE_GS_USER] = MSR_KERNEL_GS_BASE,
        [SEGBASE_GS_KERNEL] = MSR_GS_BASE,
    };

    if (which > SEGBASE_GS_USER_SEL || !is_canonical(base))
        return -XEN_EINVAL;
    if (which < ARRAY_SIZE(msrs)) {
        wrmsr(msrs[which], base);
        return 0;
    }
    swap_gs();
    load_gs(ring3_selector(base));
    swap_gs();
    return 0;
}
