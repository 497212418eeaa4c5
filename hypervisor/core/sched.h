// SPDX-License-Identifier: MIT
/*
 * The scheduler: which vCPU runs on which CPU, when. Per-CPU run queues ordered by virtual time (weights), caps by
 * budget, hard and soft affinity; O(log n) decisions; waking a vCPU bounds its wait. All context
 * switches go through sched.c.
 */
#pragma once
#include "core/timer.h"
#include "cpu/percpu.h"

struct vcpu;
struct domain;

struct vcpu_runstate_info;

/* Under the lock of the run queue of `cpu`, but the flags that say otherwise. */
struct sched_vcpu {
    unsigned cpu;                 /* where it runs, or waits, or last ran */
    uint8_t queued;               /* in cpu's run queue */
    uint8_t running;              /* on cpu now: until its state is saved; cleared without the lock */
    uint8_t parked;               /* runnable, but its domain has used up its cap */
    uint8_t yielding;             /* lets whoever waits go first, once; set by itself */
    uint8_t is_pinned;            /* hard_affinity is an override, pinned_from what it was */
    struct pq_node node;          /* run queue, by deadline/virtual time */
    uint64_t vruntime;
    struct cpumask hard_affinity;
    struct cpumask soft_affinity;
    struct cpumask pinned_from;
};

#define SCHED_DEFAULT_WEIGHT  256u
#define SCHED_MAX_WEIGHT      65535u

struct sched_domain {
    uint32_t weight;              /* 1 .. 65535 */
    uint32_t cap;                 /* per cent of one CPU, 0: none */
    uint64_t paced_ns;            /* up to when the cap has paid for what was used; atomic */
    struct timer budget_timer;    /* set while vCPUs are parked */
};

#define SCHED_MIN_SLICE_US    1000u

/* The runnable vCPUs of one CPU. */
struct run_queue {
    struct spinlock lock;
    unsigned cpu;
    unsigned nr_waiting;          /* in the queue; read by others without the lock, as a hint */
    struct pqueue waiting;        /* by virtual time; never holds `current` */
    struct vcpu *current;         /* whom the CPU runs or is switching to */
    uint64_t min_vruntime;        /* where the queue stands in virtual time; only grows while somebody is in it */
    uint64_t charged_until_ns;    /* `current` has been charged up to here */
    uint64_t slice_start_ns;
    uint64_t slice_end_ns;        /* UINT64_MAX: nobody waits, so no end */
    struct timer slice_timer;
    unsigned push_cursor;         /* the CPU that was last offered a waiting vCPU */
};
DECLARE_PER_CPU(struct run_queue, run_queue);
extern struct cpumask crowded_cpus;   /* where somebody waits: a hint, changed atomically */

/* On each CPU, before it is online or takes interrupts: its timers and queue; its idle vCPU becomes current. */
void sched_cpu_init(unsigned cpu);
void sched_domain_init(struct domain *d);         /* default weight, no cap */
void sched_vcpu_init(struct vcpu *v);
/* pause_flags may have become zero: queue it, preempt if it should run now. Any CPU, interrupts any. */
void sched_wake(struct vcpu *v);
/* pause_flags became non-zero: stop it; returns at once (vcpu_sleep_sync waits until it is off its CPU). */
void sched_sleep(struct vcpu *v);
void sched_sleep_sync(struct vcpu *v);
/* Let others run that wait for this CPU; returns at once if there are none, else takes effect at the next exit. */
void sched_yield(void);
/* The current vCPU blocks unless an event is pending for it. Takes effect at the next exit. */
void sched_block(void);
/* -XEN_EINVAL if no CPU of `hard` is online. */
int sched_set_affinity(struct vcpu *v, const struct cpumask *hard, const struct cpumask *soft);
/* Pin `v` to one CPU for a while, or (cpu < 0) let it go where it might before. -XEN_EINVAL, -XEN_EBUSY, -XEN_ENOENT. */
int sched_pin_override(struct vcpu *v, int cpu);
/* -XEN_EINVAL if the weight is out of range. */
int sched_set_weight_cap(struct domain *d, uint32_t weight, uint32_t cap);
/* Its runstate with the time in the present state added up to now. */
void sched_get_runstate(struct vcpu *v, struct vcpu_runstate_info *out);
void sched_idle_loop(void) __attribute__((noreturn));
extern struct vcpu *idle_vcpu[MAX_CPUS];

/*
 * Called by sched.c with interrupts off to leave the current stack for `next` (see pv and cpu). It need not return: all
 * bookkeeping is done. Once no CPU holds state of `prev` any more it calls sched_switched(prev), interrupts still off;
 * once the kernel address space of `next` is loaded, vcpu_publish_runstate(next).
 */
void context_switch(struct vcpu *prev, struct vcpu *next);
/* `prev` may run elsewhere from now on. */
void sched_switched(struct vcpu *prev);
