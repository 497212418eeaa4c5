// SPDX-License-Identifier: MIT
// Softirqs: order, raising across CPUs, handlers that raise again.
#include "unit_main.h"

#include "core/domain.h"
#include "core/event_channel.h"
#include "core/preempt.h"
#include "core/softirq.h"
#include "fake_time.h"
#include "lib/string.h"

static char trace[64];
static bool event_waits;

bool evtchn_vcpu_pending(const struct vcpu *v)
{
    (void)v;
    return event_waits;
}

static void note(char c)
{
    size_t n = strlen(trace);

    if (n + 1 < sizeof(trace)) {
        trace[n] = c;
        trace[n + 1] = 0;
    }
}

static void on_timer(void)
{
    note('t');
}

static void on_schedule(void)
{
    note('s');
    if (strlen(trace) < 3) {
        softirq_raise(SOFTIRQ_TIMER);
    }
}

static void reset(void)
{
    fake_time_reset(2);
    trace[0] = 0;
    event_waits = false;
    softirq_register(SOFTIRQ_TIMER, on_timer);
    softirq_register(SOFTIRQ_SCHEDULE, on_schedule);
}

static void runs_what_is_raised(void)
{
    reset();
    softirq_run();
    CU_ASSERT_STRING_EQUAL(trace, "");
    softirq_raise(SOFTIRQ_SCHEDULE);
    softirq_raise(SOFTIRQ_VCPU);
    CU_ASSERT(softirq_pending());
    softirq_run();
    CU_ASSERT_STRING_EQUAL(trace, "st");
    CU_ASSERT(!softirq_pending());
}

// A second bit needs no second interrupt: the CPU has not looked yet.
static void kicks_another_cpu_once(void)
{
    reset();
    softirq_raise_on(1, SOFTIRQ_TIMER);
    softirq_raise_on(1, SOFTIRQ_SCHEDULE);
    CU_ASSERT_EQUAL(fake_kicks[1], 1);
    CU_ASSERT(!softirq_pending());
    fake_cpu = 1;
    CU_ASSERT(softirq_pending());
    softirq_run();
    CU_ASSERT_STRING_EQUAL(trace, "tst");
    softirq_raise_on(1, SOFTIRQ_TIMER);
    CU_ASSERT_EQUAL(fake_kicks[1], 1);
    CU_ASSERT(softirq_pending());
}

static void preemption_looks_every_64th_time(void)
{
    unsigned steps = 0, hits = 0;

    reset();
    for (unsigned i = 0; i < 640; i++) {
        hits += preempt_check(&steps);
    }
    CU_ASSERT_EQUAL(hits, 0);
    event_waits = true;
    for (unsigned i = 0; i < 640; i++) {
        hits += preempt_check(&steps);
    }
    CU_ASSERT_EQUAL(hits, 10);
    event_waits = false;
    softirq_raise(SOFTIRQ_VCPU);
    CU_ASSERT(preempt_wanted());
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"runs_what_is_raised", runs_what_is_raised},
        {"kicks_another_cpu_once", kicks_another_cpu_once},
        {"preemption_looks_every_64th_time", preemption_looks_every_64th_time},
        {NULL, NULL},
    };

    return unit_main("softirq", tests);
}
