// SPDX-License-Identifier: MIT
/*
 * Timers: one-shot callbacks at an absolute system time in nanoseconds (clock_now()), run on the CPU that they were
 * set for, in softirq context with interrupts on and no lock held. Per-CPU queues, O(log n).
 */
#pragma once
#include "lib/pqueue.h"
#include "lib/types.h"

struct timer {
    struct pq_node node;
    uint64_t expires_ns;
    void (*fn)(void *arg);
    void *arg;
    unsigned cpu;
    uint8_t state;
};

void timer_init(struct timer *t, void (*fn)(void *), void *arg, unsigned cpu);
/* Set or move the deadline; one that has passed fires at once. */
void timer_set(struct timer *t, uint64_t expires_ns);
/* After this the callback does not start; it may still be running on another CPU. */
void timer_stop(struct timer *t);
/* timer_stop, and wait until a running callback has ended. Not from the callback itself. */
void timer_kill(struct timer *t);
/* Move to another CPU's queue. */
void timer_migrate(struct timer *t, unsigned cpu);
void timer_subsystem_init(void);                 /* once */
void timer_cpu_init(unsigned cpu);               /* before any timer names this CPU; sched_cpu_init() calls it */
