// SPDX-License-Identifier: MIT
/*
 * Timers: one-shot callbacks at an absolute system time in nanoseconds (clock_now()), run on the CPU that set them, in
 * softirq context with interrupts on and no lock held. Per-CPU queues, O(log n). What shall only be done soon, outside of
 * all locks, is a timer for time 0. A timer is made by an initialiser with `fn` and `arg`.
 */
#pragma once
#include "cpu/clock.h"
#include "lib/pqueue.h"

struct timer {
    void (*fn)(void *arg);
    void *arg;
    struct pq_node node;
    uint64_t expires_ns;
    unsigned cpu;                                /* that set it last */
    bool is_set, is_dead;
};

/* Set or move the deadline, from now on for this CPU; one that has passed fires at once. Any context. */
void timer_set(struct timer *t, uint64_t expires_ns);
/* After this the callback does not start; it may still be running on another CPU. */
void timer_stop(struct timer *t);
/* timer_stop for good, and wait until a running callback has ended. Not from the callback itself. */
void timer_kill(struct timer *t);
void timer_cpu_init(unsigned cpu);               /* before this CPU sets a timer; sched_cpu_init() calls it */
