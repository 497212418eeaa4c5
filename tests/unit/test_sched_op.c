// SPDX-License-Identifier: MIT
// SCHEDOP as a guest calls it: block, poll, shutdown in its forms, watchdogs, pinning, and every refusal.
#include "unit_main.h"

#include <string.h>

#include "core/hypercall.h"
#include "core/sched.h"
#include "core/softirq.h"
#include "fake_guest.h"
#include "fake_time.h"
#include "public/errno.h"
#include "public/sched.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

static struct domain *d;

// A domain that is not the control domain, its only vCPU running on CPU 0.
static void begin(void)
{
    fake_guest_reset(2);
    d = domain_create(1, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    d->vcpu[0]->pause_flags = 0;
    sched_wake(d->vcpu[0]);
    fake_guest_settle();
    CU_ASSERT_PTR_EQUAL_FATAL(current_vcpu(), d->vcpu[0]);
}

static long op(unsigned cmd, const void *arg)
{
    return do_sched_op(cmd, (uintptr_t)arg, 0, 0, 0);
}

static bool is_running(void)
{
    return fake_current[0] == d->vcpu[0];
}

static void unknown_calls_are_refused(void)
{
    begin();
    CU_ASSERT_EQUAL(op(8, NULL), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(do_sched_op(UINT64_MAX, 0, 0, 0, 0), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(op(SCHEDOP_shutdown, NULL), -XEN_EFAULT);
    CU_ASSERT_EQUAL(op(SCHEDOP_poll, NULL), -XEN_EFAULT);
    CU_ASSERT_EQUAL(op(SCHEDOP_watchdog, NULL), -XEN_EFAULT);
    CU_ASSERT_EQUAL(op(SCHEDOP_pin_override, NULL), -XEN_EPERM);
    CU_ASSERT(!d->is_shutting_down);
}

static void block_unmasks_and_sleeps(void)
{
    begin();
    d->vcpu[0]->vcpu_info->evtchn_upcall_mask = 1;
    CU_ASSERT_EQUAL(op(SCHEDOP_block, NULL), 0);
    CU_ASSERT_EQUAL(d->vcpu[0]->vcpu_info->evtchn_upcall_mask, 0);
    CU_ASSERT(is_running()); // until the way out
    fake_guest_settle();
    CU_ASSERT(!is_running());
    vcpu_kick(d->vcpu[0]);
    fake_guest_settle();
    CU_ASSERT(is_running());
    fake_guest.event_pending = true;
    CU_ASSERT_EQUAL(op(SCHEDOP_block, NULL), 0);
    fake_guest_settle();
    CU_ASSERT(is_running());
    CU_ASSERT_EQUAL(d->vcpu[0]->pause_flags, 0);
}

static void yield_alone_returns_at_once(void)
{
    begin();
    CU_ASSERT_EQUAL(op(SCHEDOP_yield, NULL), 0);
    CU_ASSERT(!softirq_pending());
}

static void poll_waits_for_event_or_time(void)
{
    uint32_t ports[2] = {5, 6};
    struct sched_poll p = {.ports = (uintptr_t)ports, .nr_ports = 1};

    begin();
    CU_ASSERT_EQUAL(op(SCHEDOP_poll, &p), 0);
    CU_ASSERT_EQUAL(d->vcpu[0]->evtchn.poll_port, 5);
    fake_guest_settle();
    CU_ASSERT(!is_running());
    vcpu_kick(d->vcpu[0]);
    fake_guest_settle();
    CU_ASSERT(is_running());
    CU_ASSERT_EQUAL(d->vcpu[0]->evtchn.poll_port, 0);

    p.nr_ports = 2;
    p.timeout = fake_now + 5 * MS;
    CU_ASSERT_EQUAL(op(SCHEDOP_poll, &p), 0);
    fake_guest_settle();
    CU_ASSERT(!is_running());
    fake_guest_advance(4 * MS);
    CU_ASSERT(!is_running());
    fake_guest_advance(1 * MS);
    CU_ASSERT(is_running());
    CU_ASSERT_EQUAL(d->vcpu[0]->evtchn.poll_port, 0);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 0);
}

static void poll_returns_when_there_is_no_need_to_wait(void)
{
    uint32_t ports[1] = {5};
    struct sched_poll p = {.ports = (uintptr_t)ports, .nr_ports = 1};

    begin();
    fake_guest.poll_result = 0;
    CU_ASSERT_EQUAL(op(SCHEDOP_poll, &p), 0);
    CU_ASSERT_EQUAL(d->vcpu[0]->pause_flags, 0);
    CU_ASSERT_EQUAL(d->vcpu[0]->evtchn.poll_port, 0);
    fake_guest.poll_result = -XEN_EINVAL;
    CU_ASSERT_EQUAL(op(SCHEDOP_poll, &p), -XEN_EINVAL);
    CU_ASSERT_EQUAL(d->vcpu[0]->pause_flags, 0);
    fake_guest.poll_result = 1;
    fake_now = 100;
    p.timeout = 100;
    CU_ASSERT_EQUAL(op(SCHEDOP_poll, &p), 0);
    CU_ASSERT_EQUAL(d->vcpu[0]->pause_flags, 0);
    p.timeout = 0;
    fake_guest.event_pending = true;
    CU_ASSERT_EQUAL(op(SCHEDOP_poll, &p), 0);
    CU_ASSERT_EQUAL(d->vcpu[0]->pause_flags, 0);
    fake_guest.event_pending = false;
    p.nr_ports = 129;
    CU_ASSERT_EQUAL(op(SCHEDOP_poll, &p), -XEN_EINVAL);
    p.nr_ports = 1;
    p.ports = 8;
    CU_ASSERT_EQUAL(op(SCHEDOP_poll, &p), -XEN_EFAULT);
    CU_ASSERT_EQUAL(d->vcpu[0]->pause_flags, 0);
    CU_ASSERT(!softirq_pending());
}

static void shutdown_stops_with_its_reason(void)
{
    struct sched_shutdown s = {.reason = SHUTDOWN_suspend};

    begin();
    CU_ASSERT_EQUAL(op(SCHEDOP_shutdown, &s), 0);
    fake_guest_settle();
    CU_ASSERT(!is_running());
    CU_ASSERT_EQUAL(d->shutdown_code, SHUTDOWN_suspend);
}

static long watchdog(uint32_t id, uint32_t timeout)
{
    struct sched_watchdog w = {.id = id, .timeout = timeout};

    return op(SCHEDOP_watchdog, &w);
}

static void watchdogs_bite_unless_poked(void)
{
    begin();
    CU_ASSERT_EQUAL(watchdog(0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(watchdog(1, 10), -XEN_EINVAL);
    CU_ASSERT_EQUAL(watchdog(0, 10), 1);
    CU_ASSERT_EQUAL(watchdog(0, 20), 2);
    CU_ASSERT_EQUAL(watchdog(0, 20), -XEN_ENOSPC);
    CU_ASSERT_EQUAL(watchdog(3, 20), -XEN_EINVAL);
    CU_ASSERT_EQUAL(watchdog(UINT32_MAX, 20), -XEN_EINVAL);
    CU_ASSERT_EQUAL(watchdog(2, 0), 0);
    CU_ASSERT_EQUAL(watchdog(2, 0), -XEN_EINVAL);
    fake_guest_advance(9 * SECOND);
    CU_ASSERT_EQUAL(watchdog(1, 10), 0);
    fake_guest_advance(9 * SECOND);
    CU_ASSERT(!d->is_shutting_down);
    fake_guest_advance(1 * SECOND);
    CU_ASSERT(d->is_shutting_down);
    CU_ASSERT_EQUAL(d->shutdown_code, SHUTDOWN_watchdog);
    CU_ASSERT(!is_running());
}

static void the_longest_watchdog_does_not_overflow(void)
{
    begin();
    fake_now = 1000 * SECOND;
    CU_ASSERT_EQUAL(watchdog(0, UINT32_MAX), 1);
    fake_guest_advance(1000000 * SECOND);
    CU_ASSERT(!d->is_shutting_down);
}

static void the_control_domain_may_pin_itself(void)
{
    struct sched_pin_override p = {.pcpu = 1};

    begin();
    d->is_control = true;
    CU_ASSERT_EQUAL(op(SCHEDOP_pin_override, &p), 0);
    fake_guest_settle();
    CU_ASSERT_PTR_EQUAL(fake_current[1], d->vcpu[0]);
    fake_cpu = 1;
    CU_ASSERT_EQUAL(op(SCHEDOP_pin_override, &p), -XEN_EBUSY);
    p.pcpu = -1;
    CU_ASSERT_EQUAL(op(SCHEDOP_pin_override, &p), 0);
    CU_ASSERT_EQUAL(op(SCHEDOP_pin_override, &p), -XEN_ENOENT);
    p.pcpu = 7;
    CU_ASSERT_EQUAL(op(SCHEDOP_pin_override, &p), -XEN_EINVAL);
    fake_cpu = 0;
    d->is_control = false;
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"unknown_calls_are_refused", unknown_calls_are_refused},
        {"block_unmasks_and_sleeps", block_unmasks_and_sleeps},
        {"yield_alone_returns_at_once", yield_alone_returns_at_once},
        {"poll_waits_for_event_or_time", poll_waits_for_event_or_time},
        {"poll_returns_when_there_is_no_need_to_wait", poll_returns_when_there_is_no_need_to_wait},
        {"shutdown_stops_with_its_reason", shutdown_stops_with_its_reason},
        {"watchdogs_bite_unless_poked", watchdogs_bite_unless_poked},
        {"the_longest_watchdog_does_not_overflow", the_longest_watchdog_does_not_overflow},
        {"the_control_domain_may_pin_itself", the_control_domain_may_pin_itself},
        {NULL, NULL},
    };

    return unit_main("sched_op", tests);
}
