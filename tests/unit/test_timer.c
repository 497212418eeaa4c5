// SPDX-License-Identifier: MIT
// Timers: order, moving, stopping, other CPUs, how often the hardware is armed, and a random run
// against an array that is searched from end to end.
#include "unit_main.h"

#include <stdlib.h>

#include "core/domain.h"
#include "core/event_channel.h"
#include "core/softirq.h"
#include "core/timer.h"
#include "cpu/smp.h"
#include "cpu/upcall.h"
#include "fake_time.h"

bool evtchn_vcpu_pending(const struct vcpu *v)
{
    (void)v;
    return false;
}

#define MANY 200u

static unsigned fired[MANY];
static unsigned fired_on[MANY];
static unsigned order[MANY], nr_fired;

static void on_fire(void *arg)
{
    unsigned i = *(unsigned *)arg;

    fired[i]++;
    fired_on[i] = fake_cpu;
    if (nr_fired < MANY) {
        order[nr_fired++] = i;
    }
    CU_ASSERT(!fake_irqs_off[fake_cpu]);
}

static struct timer timers[MANY];
static unsigned numbers[MANY];

static void reset(unsigned cpus)
{
    fake_time_reset(cpus);
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        timer_cpu_init(cpu);
    }
    nr_fired = 0;
    for (unsigned i = 0; i < MANY; i++) {
        fired[i] = 0;
        numbers[i] = i;
        timers[i] = (struct timer){.fn = on_fire, .arg = &numbers[i]};
    }
}

// Let each CPU's hardware fire up to this time, and its softirqs run.
static void advance_to(uint64_t now)
{
    fake_now = now;
    for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
        fake_cpu = cpu;
        if (fake_armed[cpu] <= now) {
            fake_armed[cpu] = UINT64_MAX;
            upcall_timer_interrupt();
        }
        softirq_run();
    }
    fake_cpu = 0;
}

static void fires_in_order(void)
{
    reset(1);
    timer_set(&timers[0], 300);
    timer_set(&timers[1], 100);
    timer_set(&timers[2], 200);
    CU_ASSERT_EQUAL(fake_armed[0], 100);
    advance_to(99);
    CU_ASSERT_EQUAL(nr_fired, 0);
    advance_to(250);
    CU_ASSERT_EQUAL(nr_fired, 2);
    CU_ASSERT_EQUAL(order[0], 1);
    CU_ASSERT_EQUAL(order[1], 2);
    CU_ASSERT_EQUAL(fake_armed[0], 300);
    CU_ASSERT(!timers[1].is_set);
    CU_ASSERT(timers[0].is_set);
}

static void a_past_deadline_fires_at_once(void)
{
    reset(1);
    fake_now = 1000;
    timer_set(&timers[0], 10);
    CU_ASSERT(softirq_pending());
    softirq_run();
    CU_ASSERT_EQUAL(fired[0], 1);
}

static void a_stopped_one_does_not_fire(void)
{
    reset(1);
    timer_set(&timers[0], 100);
    timer_stop(&timers[0]);
    timer_stop(&timers[0]);
    advance_to(1000);
    CU_ASSERT_EQUAL(fired[0], 0);
    timer_set(&timers[0], 1100);
    timer_kill(&timers[0]);
    timer_set(&timers[0], 1200);
    advance_to(2000);
    CU_ASSERT_EQUAL(fired[0], 0);
}

// Only an earlier deadline touches the hardware.
static void arms_sparingly(void)
{
    reset(1);
    timer_set(&timers[0], 100);
    CU_ASSERT_EQUAL(fake_arms, 1);
    timer_set(&timers[1], 200);
    timer_set(&timers[0], 150);
    timer_stop(&timers[0]);
    timer_set(&timers[0], 120);
    CU_ASSERT_EQUAL(fake_arms, 1);
    timer_set(&timers[2], 50);
    CU_ASSERT_EQUAL(fake_arms, 2);
    advance_to(60);
    CU_ASSERT_EQUAL(fake_arms, 3);
    CU_ASSERT_EQUAL(fake_armed[0], 120);
}

// A deadline in the far future is kept without being armed: its conversion to ticks could overflow.
static void never_is_not_armed(void)
{
    reset(1);
    timer_set(&timers[0], UINT64_MAX - 1);
    CU_ASSERT(timers[0].is_set);
    CU_ASSERT_EQUAL(fake_arms, 0);
    timer_set(&timers[0], 100);
    advance_to(100);
    CU_ASSERT_EQUAL(fired[0], 1);
}

// It belongs to the CPU that set it last, whose hardware alone is armed for it.
static void follows_who_sets_it(void)
{
    reset(2);
    timer_set(&timers[0], 100);
    fake_cpu = 1;
    timer_set(&timers[0], 50);
    timer_set(&timers[1], 200);
    CU_ASSERT_EQUAL(fake_armed[1], 50);
    timer_stop(&timers[1]);
    CU_ASSERT_EQUAL(fake_kicks[0] + fake_kicks[1], 0);
    fake_cpu = 0;
    timer_set(&timers[2], 60);
    advance_to(100);
    CU_ASSERT_EQUAL(fired[0], 1);
    CU_ASSERT_EQUAL(fired_on[0], 1);
    CU_ASSERT_EQUAL(fired[1], 0);
    CU_ASSERT_EQUAL(fired_on[2], 0);
}

static unsigned rearms, rearms_at_schedule;

static void on_schedule(void)
{
    rearms_at_schedule = rearms;
}

static void on_rearm(void *arg)
{
    rearms++;
    timer_set(arg, fake_now);
    if (rearms == 1) {
        softirq_raise(SOFTIRQ_SCHEDULE);
    }
    if (rearms == 1000) {
        timer_stop(arg);
    }
}

// One that sets itself again for a time that has passed does not keep others from their turn for long.
static void a_pass_is_bounded(void)
{
    reset(1);
    rearms = 0;
    timers[0] = (struct timer){.fn = on_rearm, .arg = &timers[0]};
    timer_set(&timers[0], 0);
    softirq_register(SOFTIRQ_SCHEDULE, on_schedule);
    softirq_run();
    CU_ASSERT_EQUAL(rearms, 1000);
    CU_ASSERT(rearms_at_schedule > 0 && rearms_at_schedule < 100);
    CU_ASSERT(!timers[0].is_set);
}

static void many_fire_all(void)
{
    reset(1);
    for (unsigned i = 0; i < MANY; i++) {
        timer_set(&timers[i], 100 + i % 7);
    }
    advance_to(200);
    for (unsigned i = 0; i < MANY; i++) {
        CU_ASSERT_EQUAL(fired[i], 1);
    }
}

static void agrees_with_a_model(void)
{
    static uint64_t model[MANY];
    unsigned wrong = 0, calls = 0;

    reset(3);
    srand(1);
    for (unsigned i = 0; i < MANY; i++) {
        model[i] = UINT64_MAX;
    }
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)rand() % MANY;
        unsigned before = fired[i];
        fake_cpu = (unsigned)rand() % nr_cpus;
        switch (rand() % 3) {
        case 0:
            timer_stop(&timers[i]);
            model[i] = UINT64_MAX;
            break;
        default:
            model[i] = fake_now + 1 + (unsigned)rand() % 1000;
            timer_set(&timers[i], model[i]);
            break;
        }
        wrong += fired[i] != before;
        advance_to(fake_now);
        unsigned long snapshot[MANY];
        for (unsigned j = 0; j < MANY; j++) {
            snapshot[j] = fired[j];
        }
        advance_to(fake_now + (unsigned)rand() % 20);
        for (unsigned j = 0; j < MANY; j++) {
            bool due = model[j] <= fake_now;
            wrong += fired[j] - snapshot[j] != (due ? 1u : 0u);
            calls += due;
            if (due) {
                model[j] = UINT64_MAX;
            }
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(calls > 1000);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"fires_in_order", fires_in_order},
        {"a_past_deadline_fires_at_once", a_past_deadline_fires_at_once},
        {"a_stopped_one_does_not_fire", a_stopped_one_does_not_fire},
        {"arms_sparingly", arms_sparingly},
        {"never_is_not_armed", never_is_not_armed},
        {"follows_who_sets_it", follows_who_sets_it},
        {"a_pass_is_bounded", a_pass_is_bounded},
        {"many_fire_all", many_fire_all},
        {"agrees_with_a_model", agrees_with_a_model},
        {NULL, NULL},
    };

    return unit_main("timer", tests);
}
