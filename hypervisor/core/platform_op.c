// SPDX-License-Identifier: MIT
/* PLATFORM_OP: what the control domain's kernel does for the machine. Rows that are not here answer -XEN_ENOSYS. */
#include "core/hypercall.h"
#include "cpu/clock.h"
#include "cpu/power.h"
#include "cpu/smp.h"
#include "public/platform.h"

#define NS_PER_S 1000000000u

static int set_time(uint64_t secs, uint32_t nsecs, uint64_t system_time)
{
    uint64_t now_ns;

    if (nsecs >= NS_PER_S || secs >= UINT64_MAX / NS_PER_S / 2)
        return -XEN_EINVAL;
    now_ns = secs * NS_PER_S + nsecs;
    if (system_time > now_ns)
        return -XEN_EINVAL;
    WRITE_ONCE(clock_wall_base, now_ns - system_time);
    domains_update_wallclock();
    return 0;
}

static int op_settime32(struct xen_platform_op *op)
{
    return set_time(op->u.settime32.secs, op->u.settime32.nsecs, op->u.settime32.system_time);
}

static int op_settime64(struct xen_platform_op *op)
{
    if (op->u.settime64.mbz)
        return -XEN_EINVAL;
    return set_time(op->u.settime64.secs, op->u.settime64.nsecs, op->u.settime64.system_time);
}

static int op_enter_acpi_sleep(struct xen_platform_op *op)
{
    const struct xenpf_enter_acpi_sleep *s = &op->u.enter_acpi_sleep;

    return machine_enter_sleep(s->sleep_state, s->val_a, s->val_b);
}

static int op_get_cpuinfo(struct xen_platform_op *op)
{
    struct xenpf_pcpuinfo *info = &op->u.pcpu_info;

    info->max_present = nr_cpus - 1;
    if (info->xen_cpuid >= nr_cpus || !cpumask_test(&online_cpus, info->xen_cpuid)) {
        info->flags = XEN_PCPU_FLAGS_INVALID;
        return 0;
    }
    info->flags = XEN_PCPU_FLAGS_ONLINE;
    info->apic_id = cpu_apic_id[info->xen_cpuid];
    info->acpi_id = info->xen_cpuid;
    return 0;
}

static int (*const handlers[])(struct xen_platform_op *op) = {
    [XENPF_settime32] = op_settime32,
    [XENPF_settime64] = op_settime64,
    [XENPF_enter_acpi_sleep] = op_enter_acpi_sleep,
    [XENPF_get_cpuinfo] = op_get_cpuinfo,
};

long do_platform_op(uint64_t arg, UNUSED_FROM_2)
{
    struct xen_platform_op op;
    int rc;

    if (!current_domain()->is_control)
        return -XEN_EPERM;
    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    if (op.interface_version != XENPF_INTERFACE_VERSION)
        return -XEN_EACCES;
    if (op.cmd >= ARRAY_SIZE(handlers) || !handlers[op.cmd])
        return -XEN_ENOSYS;
    rc = handlers[op.cmd](&op);
    return rc ? rc : copy_to_guest(arg, &op, sizeof(op));
}
