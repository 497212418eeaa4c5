// SPDX-License-Identifier: MIT
/*
 * Between sched.c, which knows states and switches, and sched_credit.c, which knows who deserves the CPU. Nobody else
 * includes this. All functions need the lock of the queue that they get, and leave timers and kicks to sched.c.
 */
#pragma once
#include "core/domain.h"

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

/* CPUs where somebody waits: a hint, changed atomically. */
extern struct cpumask crowded_cpus;

static inline bool vcpu_is_runnable(const struct vcpu *v)
{
    return !READ_ONCE(v->pause_flags);
}

/* Charge the queue's current for its time since the last call. */
void policy_charge(struct run_queue *rq, uint64_t now);
/* A vCPU joins this queue from sleep or from another CPU: give it a fair place in virtual time. */
void policy_place(struct run_queue *rq, struct vcpu *v, bool is_newcomer);
void policy_insert(struct run_queue *rq, struct vcpu *v);
void policy_remove(struct run_queue *rq, struct vcpu *v);
/* Who has waited longest by virtual time; NULL if nobody waits. */
struct vcpu *policy_first(const struct run_queue *rq);
/* Is `a` to go on before `b`, by virtual time alone? */
bool policy_is_before(const struct vcpu *a, const struct vcpu *b);
/* Should `v`, just inserted, replace the queue's current now? */
bool policy_preempts(const struct run_queue *rq, const struct vcpu *v, uint64_t now);
/* When the current's turn ends as things stand; UINT64_MAX if it need not. */
uint64_t policy_slice_end(struct run_queue *rq, uint64_t now);
/* The CPU for a vCPU that becomes runnable and is on none. */
unsigned policy_choose_cpu(const struct vcpu *v);
/* Does `v`, waiting elsewhere, lag so far behind this queue's current that it should wait here instead? */
bool policy_pulls(const struct run_queue *rq, const struct vcpu *v, uint64_t now);

/* Does its domain's cap leave `v` CPU time? */
bool policy_may_run(const struct vcpu *v, uint64_t now);

/* In sched.c: settle what `v` has used so far; if it is parked it goes on, if it runs its slice is set anew. */
void sched_reconsider(struct vcpu *v);
