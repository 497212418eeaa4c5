// SPDX-License-Identifier: MIT
/*
 * Hypercalls. entry.S calls hypercall_table[nr].handler(a1 .. a5) with interrupts on; the result goes to rax. A handler
 * that must stop half-way returns hypercall_restart(...) with the arguments to be called with again; entry.S (or
 * multicall) writes them back and makes the guest issue the call anew, so that events and scheduling get their turn.
 *
 * Operations with sub-operations (EVTCHNOP, GNTTABOP, XENMEM, VCPUOP, PHYSDEVOP, XENPF ...) are tables of struct subop,
 * run by subop_dispatch(): copy the argument in, call, copy it out.
 */
#pragma once
#include "core/domain.h"
#include "core/guest_copy.h"

#define HYPERCALL_RESTART   (-0x10000L)     /* never a guest-visible result */

typedef long hypercall_fn(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);

/* In a definition: the arguments from the second (third, ...) on, which the hypercall does not have. */
#define UNUSED_FROM_5 uint64_t a5 UNUSED
#define UNUSED_FROM_4 uint64_t a4 UNUSED, UNUSED_FROM_5
#define UNUSED_FROM_3 uint64_t a3 UNUSED, UNUSED_FROM_4
#define UNUSED_FROM_2 uint64_t a2 UNUSED, UNUSED_FROM_3
#define UNUSED_FROM_1 uint64_t a1 UNUSED, UNUSED_FROM_2

extern hypercall_fn *const hypercall_table[NR_HYPERCALLS];

/* Ask to be called again with these arguments. Returns HYPERCALL_RESTART, to be returned as the result. */
long hypercall_restart(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
/* From entry.S, after a handler returned HYPERCALL_RESTART: put arguments and rip back in the guest's registers. */
void hypercall_write_back(struct cpu_user_regs *regs);

#define SUBOP_IN        1u      /* copy `size` bytes of argument in before the call */
#define SUBOP_OUT       2u      /* copy them back when the result is >= 0 */
#define SUBOP_DOM0      4u      /* only for the control domain: -XEN_EPERM otherwise */
#define SUBOP_LOCKED    8u      /* called with the lock of the vCPU's domain */
#define SUBOP_TARGET    16u     /* the argument starts with a domid: `v` is that domain's first vCPU, see domain_target() */
#define SUBOP_MAX_SIZE  256u
/* Size and direction of a row whose argument is such a struct. */
#define IN(type)        sizeof(struct type), SUBOP_IN
#define OUT(type)       sizeof(struct type), SUBOP_OUT
#define IN_OUT(type)    sizeof(struct type), SUBOP_IN | SUBOP_OUT

typedef long subop_fn(struct vcpu *v, void *arg);    /* `arg`: our copy, for results too; without SUBOP_IN: the guest's address */

struct subop {
    subop_fn *handler;
    uint16_t size;
    uint16_t flags;
};

/* Run table[cmd] for `v` on guest memory at `arg`; -XEN_ENOSYS for an empty or missing row, -XEN_EFAULT, or the row's result. */
long subop_dispatch(const struct subop *table, unsigned rows, struct vcpu *v, uint64_t cmd, uint64_t arg);

/*
 * The same for the control domain alone, -XEN_EPERM else, with an argument that starts with the row's number and the version
 * of the interface that the caller speaks, -XEN_EACCES if that is not `version`: the row's own argument lies behind them.
 */
long control_dispatch(const struct subop *table, unsigned rows, uint32_t version, uint64_t arg);

hypercall_fn do_multicall, do_memory_op, do_xen_version, do_console_io, do_vm_assist, do_platform_op,
    do_physdev_op, do_sched_op, do_set_timer_op, do_vcpu_op, do_event_channel_op, do_grant_table_op,
    do_domctl, do_sysctl;

/* SYSCTLs about what guests see of the CPU (pv/cpuid.c). */
subop_fn pv_sysctl_cpu_levelling_caps, pv_sysctl_cpu_featureset, pv_sysctl_cpu_policy;

/* Take input from the serial port, by interrupt on `gsi` (0: by polling); tell dom0 of it by VIRQ_CONSOLE. */
void console_io_init(unsigned gsi);
