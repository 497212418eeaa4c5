// SPDX-License-Identifier: MIT
/*
 * The scheduler: which vCPU runs on which CPU, when. Per-CPU run queues ordered by virtual time (weights), caps by
 * budget, hard and soft affinity; O(log n) decisions; waking a vCPU bounds its wait. sched.c is the waist through
 * which every context switch goes; sched_credit.c is the one policy.
 */
#pragma once
#include "core/timer.h"
#include "lib/cpumask.h"
#include "lib/list.h"
#include "lib/rbtree.h"
#include "lib/types.h"

struct vcpu;
struct domain;

struct sched_vcpu {
    unsigned cpu;                 /* where it runs, or waits, or last ran */
    uint8_t queued;               /* in cpu's run queue */
    uint8_t running;              /* on cpu now: until its state is saved */
    struct rb_node node;          /* run queue, by deadline/virtual time */
    uint64_t vruntime;
    uint64_t slice_start_ns;
    uint64_t run_ns;              /* CPU time used, ever */
    struct cpumask hard_affinity;
    struct cpumask soft_affinity;
};

struct sched_domain {
    uint32_t weight;              /* 1 .. 65535, default 256 */
    uint32_t cap;                 /* per cent of one CPU, 0: none */
    uint64_t budget_ns;           /* left in this period, when capped */
    uint64_t budget_period_start_ns;
    uint32_t parked;
};

void sched_init(void);                           /* once, before any vCPU */
void sched_cpu_init(unsigned cpu);               /* per CPU: its queue, its idle vCPU becomes current */
void sched_vcpu_init(struct vcpu *v);
void sched_vcpu_destroy(struct vcpu *v);
/* pause_flags may have become zero: queue it, preempt if it should run now. Any CPU, interrupts any. */
void sched_wake(struct vcpu *v);
/* pause_flags became non-zero: stop it; returns at once (vcpu_sleep_sync waits until it is off its CPU). */
void sched_sleep(struct vcpu *v);
void sched_sleep_sync(struct vcpu *v);
void sched_yield(void);
/* The current vCPU blocks unless an event is pending for it. Takes effect at the next exit. */
void sched_block(void);
int sched_set_affinity(struct vcpu *v, const struct cpumask *hard, const struct cpumask *soft);
int sched_set_weight_cap(struct domain *d, uint32_t weight, uint32_t cap);
/* CPU time that `v` has used so far, the running slice included, in ns. */
uint64_t sched_cpu_time(const struct vcpu *v);
void sched_idle_loop(void) __attribute__((noreturn));
extern struct vcpu *idle_vcpu[MAX_CPUS];

/* cpu/switch: called by sched.c with interrupts off to leave the current stack for `next` (see pv and cpu). */
void context_switch(struct vcpu *prev, struct vcpu *next);
