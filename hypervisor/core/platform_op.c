// SPDX-License-Identifier: MIT
/* PLATFORM_OP: what the control domain's kernel does for the machine. Rows that are not here answer -XEN_ENOSYS. */
#include "core/hypercall.h"
#include "cpu/power.h"
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

static long op_settime32(struct vcpu *v UNUSED, void *arg)
{
    const struct xenpf_settime32 *t = arg;

    return set_time(t->secs, t->nsecs, t->system_time);
}

static long op_settime64(struct vcpu *v UNUSED, void *arg)
{
    const struct xenpf_settime64 *t = arg;

    return t->mbz ? -XEN_EINVAL : set_time(t->secs, t->nsecs, t->system_time);
}

static long op_enter_acpi_sleep(struct vcpu *v UNUSED, void *arg)
{
    const struct xenpf_enter_acpi_sleep *s = arg;

    return machine_enter_sleep(s->sleep_state, s->val_a, s->val_b);
}

static long op_get_cpuinfo(struct vcpu *v UNUSED, void *arg)
{
    struct xenpf_pcpuinfo *info = arg;

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

static const struct subop rows[] = {
    [XENPF_settime32] = {op_settime32, IN(xenpf_settime32)},
    [XENPF_settime64] = {op_settime64, IN(xenpf_settime64)},
    [XENPF_enter_acpi_sleep] = {op_enter_acpi_sleep, IN(xenpf_enter_acpi_sleep)},
    [XENPF_get_cpuinfo] = {op_get_cpuinfo, IN_OUT(xenpf_pcpuinfo)},
};
_Static_assert(offsetof(struct xen_platform_op, u) == 8, "as control_dispatch() expects");

long do_platform_op(uint64_t arg, UNUSED_FROM_2)
{
    return control_dispatch(rows, ARRAY_SIZE(rows), XENPF_INTERFACE_VERSION, arg);
}
