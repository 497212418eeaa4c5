// SPDX-License-Identifier: MIT
// PLATFORM_OP: who may, which versions, and the arithmetic of setting the time at its edges.
#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "cpu/clock.h"
#include "cpu/power.h"
#include "cpu/smp.h"
#include "fake_machine.h"
#include "lib/string.h"
#include "public/platform.h"
#include "unit_main.h"

#define NS_PER_S 1000000000u
#define NOTHING  UINT64_MAX

struct cpumask online_cpus;
unsigned nr_cpus = 3;
uint32_t cpu_apic_id[MAX_CPUS] = { 0, 2, 4 };

static struct domain domain;
static struct vcpu vcpu = { .domain = &domain };
static struct xen_platform_op op;
static unsigned wall_updates, slept;
static bool read_only;

uint64_t clock_wall_base;

void domains_update_wallclock(void)
{
    wall_updates++;
}

int machine_enter_sleep(unsigned state, uint16_t a, uint16_t b)
{
    slept = state << 16 | (unsigned)a << 8 | b;
    return -XEN_EINVAL;
}

size_t guest_copy_raw(void *to, const void *from, size_t size)
{
    if (from == NULL || (to == &op.u && read_only))
        return size;
    memcpy(to, from, size);
    return 0;
}

// What else core/hypercall.c has.
hypercall_fn *const hypercall_table[NR_HYPERCALLS];

bool preempt_wanted(void)
{
    return false;
}

int domain_target(domid_t id UNUSED, struct domain **out UNUSED)
{
    return -XEN_ESRCH;
}

void domain_put(struct domain *d UNUSED)
{
}

static void start(uint32_t cmd)
{
    memset(&op, 0, sizeof(op));
    op.cmd = cmd;
    op.interface_version = XENPF_INTERFACE_VERSION;
    domain.is_control = true;
    fake_current[0] = &vcpu;
    clock_wall_base = NOTHING;
    wall_updates = 0;
    slept = 0;
    read_only = false;
    memset(&online_cpus, 0, sizeof(online_cpus));
    cpumask_set(&online_cpus, 0);
    cpumask_set(&online_cpus, 1);
}

static long issue(void)
{
    return do_platform_op((uint64_t)(uintptr_t)&op, 0, 0, 0, 0);
}

static long settime64(uint64_t secs, uint32_t nsecs, uint64_t system_time)
{
    start(XENPF_settime64);
    op.u.settime64.secs = secs;
    op.u.settime64.nsecs = nsecs;
    op.u.settime64.system_time = system_time;
    return issue();
}

static void who_may(void)
{
    start(XENPF_settime64);
    domain.is_control = false;
    CU_ASSERT_EQUAL(issue(), -XEN_EPERM);
    start(XENPF_settime64);
    op.interface_version++;
    CU_ASSERT_EQUAL(issue(), -XEN_EACCES);
    start(0);
    CU_ASSERT_EQUAL(issue(), -XEN_ENOSYS);
    start(UINT32_MAX);
    CU_ASSERT_EQUAL(issue(), -XEN_ENOSYS);
    start(XENPF_get_symbol);
    CU_ASSERT_EQUAL(issue(), -XEN_ENOSYS);
    start(XENPF_settime64);
    CU_ASSERT_EQUAL(do_platform_op(0, 0, 0, 0, 0), -XEN_EFAULT);
    CU_ASSERT_EQUAL(clock_wall_base, NOTHING);
}

static void time_is_set(void)
{
    CU_ASSERT_EQUAL(settime64(1700000000, 999999999, 5), 0);
    CU_ASSERT_EQUAL(clock_wall_base, UINT64_C(1700000000999999994));
    CU_ASSERT_EQUAL(wall_updates, 1);
    CU_ASSERT_EQUAL(settime64(0, 7, 7), 0);
    CU_ASSERT_EQUAL(clock_wall_base, 0);
    start(XENPF_settime32);
    op.u.settime32.secs = UINT32_MAX;
    op.u.settime32.nsecs = 1;
    op.u.settime32.system_time = 1;
    CU_ASSERT_EQUAL(issue(), 0);
    CU_ASSERT_EQUAL(clock_wall_base, UINT64_C(4294967295) * NS_PER_S);
    CU_ASSERT_EQUAL(settime64(UINT64_MAX / NS_PER_S / 2 - 1, NS_PER_S - 1, 0), 0);
    CU_ASSERT_EQUAL(clock_wall_base, UINT64_MAX / NS_PER_S / 2 * NS_PER_S - 1);
}

static void impossible_times(void)
{
    CU_ASSERT_EQUAL(settime64(1, NS_PER_S, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(settime64(1, UINT32_MAX, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(settime64(UINT64_MAX, 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(settime64(UINT64_MAX / NS_PER_S / 2, 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(settime64(1, 0, NS_PER_S + 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(settime64(1, 0, UINT64_MAX), -XEN_EINVAL);
    CU_ASSERT_EQUAL(clock_wall_base, NOTHING);
    CU_ASSERT_EQUAL(wall_updates, 0);
    start(XENPF_settime64);
    op.u.settime64.secs = 1;
    op.u.settime64.mbz = 1;
    CU_ASSERT_EQUAL(issue(), -XEN_EINVAL);
}

static long cpuinfo(uint32_t cpu)
{
    start(XENPF_get_cpuinfo);
    op.u.pcpu_info.xen_cpuid = cpu;
    return issue();
}

static void cpus(void)
{
    CU_ASSERT_EQUAL(cpuinfo(1), 0);
    CU_ASSERT_EQUAL(op.u.pcpu_info.flags, XEN_PCPU_FLAGS_ONLINE);
    CU_ASSERT_EQUAL(op.u.pcpu_info.apic_id, 2);
    CU_ASSERT_EQUAL(op.u.pcpu_info.max_present, 2);
    CU_ASSERT_EQUAL(cpuinfo(2), 0);             // there, but not up
    CU_ASSERT_EQUAL(op.u.pcpu_info.flags, XEN_PCPU_FLAGS_INVALID);
    CU_ASSERT_EQUAL(cpuinfo(UINT32_MAX), 0);
    CU_ASSERT_EQUAL(op.u.pcpu_info.flags, XEN_PCPU_FLAGS_INVALID);
    start(XENPF_get_cpuinfo);
    read_only = true;
    CU_ASSERT_EQUAL(issue(), -XEN_EFAULT);
}

static void firmware_and_sleep(void)
{
    start(XENPF_firmware_info);
    CU_ASSERT_EQUAL(issue(), -XEN_ENOSYS);      /* nothing was asked of it */
    start(XENPF_enter_acpi_sleep);
    op.u.enter_acpi_sleep.sleep_state = 5;
    op.u.enter_acpi_sleep.val_a = 1;
    op.u.enter_acpi_sleep.val_b = 2;
    CU_ASSERT_EQUAL(issue(), -XEN_EINVAL);
    CU_ASSERT_EQUAL(slept, 0x50102);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "who_may", who_may },
        { "time_is_set", time_is_set },
        { "impossible_times", impossible_times },
        { "cpus", cpus },
        { "firmware_and_sleep", firmware_and_sleep },
        { NULL, NULL },
    };

    return unit_main("platform_op", tests);
}
