// SPDX-License-Identifier: MIT
/*
 * The one scheduling policy. Each vCPU has a virtual time that grows with the CPU time it uses, the faster the smaller
 * its domain's weight; the one with the least goes first. Who sleeps does not save up more than a small bonus, so a waking
 * vCPU gets the CPU soon but can not keep it. A cap is a budget of CPU time for each period.
 *
 * Virtual times are compared by their signed difference. Decisions cost O(log n) in the vCPUs of one CPU.
 */
#include "core/sched_policy.h"

#include "cpu/clock.h"
#include "cpu/smp.h"
#include "lib/assert.h"
#include "lib/math.h"
#include "public/errno.h"

#define MS(n)             (UINT64_C(1000000) * (n))
#define LATENCY_NS        MS(20)          /* all who wait get a turn in about this time, while they are few */
#define MAX_SLICE_NS      MS(10)
#define MIN_SLICE_NS      MS(1)
#define SLEEPER_BONUS     MS(5)           /* virtual */
#define PREEMPT_MARGIN    (MS(1) / 2)     /* virtual: less is not worth a switch */
#define NEWCOMER_LAG_NS   MS(30)          /* how far behind a newcomer may be put, in its own CPU time */
#define PULL_LAG          MS(10)          /* virtual */
#define BUDGET_PERIOD_NS  MS(50)
#define MIN_BUDGET_NS     (MS(1) / 10)    /* a slice is not shorter; what it overdraws is a debt */
#define MAX_RENEWALS      1000u
#define VIRTUAL_SHIFT     24

struct cpumask idle_cpus;
struct cpumask crowded_cpus;

/* About the greatest virtual time that any queue has reached: where a vCPU starts that meets an empty queue. */
static uint64_t virtual_clock;

static inline int64_t virtual_diff(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b);
}

static uint64_t virtual_of(const struct vcpu *v, uint64_t ns)
{
    return mul_shift_right(ns, v->domain->sched.virtual_per_ns, VIRTUAL_SHIFT);
}

static bool vruntime_less(const struct pq_node *a, const struct pq_node *b)
{
    return virtual_diff(pq_entry(a, struct vcpu, sched.node)->sched.vruntime,
                        pq_entry(b, struct vcpu, sched.node)->sched.vruntime) < 0;
}

struct vcpu *policy_first(const struct run_queue *rq)
{
    struct pq_node *first = rq->waiting.first;

    return first ? pq_entry(first, struct vcpu, sched.node) : NULL;
}

bool policy_is_before(const struct vcpu *a, const struct vcpu *b)
{
    return virtual_diff(a->sched.vruntime, b->sched.vruntime) <= 0;
}

/* The virtual time of the queue is that of the one who is furthest behind, but never goes back. */
static void queue_advance(struct run_queue *rq)
{
    struct vcpu *first = policy_first(rq);
    uint64_t least = rq->current->sched.vruntime;

    if (rq->current->is_idle && !first)
        return;
    if (first && (rq->current->is_idle || virtual_diff(first->sched.vruntime, least) < 0))
        least = first->sched.vruntime;
    if (virtual_diff(least, rq->min_vruntime) > 0)
        rq->min_vruntime = least;
    if (virtual_diff(rq->min_vruntime, READ_ONCE(virtual_clock)) > (int64_t)MS(1))
        WRITE_ONCE(virtual_clock, rq->min_vruntime);
}

/* Periods that have passed renew the budget; what was not used is lost, what was overdrawn is paid back. */
static void budget_renew(struct sched_domain *s, uint64_t now)
{
    uint64_t quota = BUDGET_PERIOD_NS / 100 * READ_ONCE(s->cap);
    uint64_t periods = 0;

    ASSERT_LOCKED(&s->budget_lock);
    if (now >= s->budget_period_start_ns + BUDGET_PERIOD_NS)
        periods = (now - s->budget_period_start_ns) / BUDGET_PERIOD_NS;
    if (!periods)
        return;
    s->budget_period_start_ns += periods * BUDGET_PERIOD_NS;
    s->budget_ns += (int64_t)(MIN(periods, (uint64_t)MAX_RENEWALS) * quota);
    s->budget_ns = MIN(s->budget_ns, (int64_t)quota);
}

static int64_t budget_charge(struct domain *d, uint64_t used_ns, uint64_t now)
{
    struct sched_domain *s = &d->sched;
    int64_t left;

    spin_lock(&s->budget_lock);
    s->budget_ns -= (int64_t)used_ns;
    budget_renew(s, now);
    left = s->budget_ns;
    spin_unlock(&s->budget_lock);
    return left;
}

bool policy_may_run(struct vcpu *v, uint64_t now)
{
    return likely(!READ_ONCE(v->domain->sched.cap)) || budget_charge(v->domain, 0, now) > 0;
}

uint64_t policy_budget_renewal(struct domain *d)
{
    return READ_ONCE(d->sched.budget_period_start_ns) + BUDGET_PERIOD_NS;
}

void policy_charge(struct run_queue *rq, uint64_t now)
{
    struct vcpu *v = rq->current;
    uint64_t used = now > rq->charged_until_ns ? now - rq->charged_until_ns : 0;

    ASSERT_LOCKED(&rq->lock);
    rq->charged_until_ns = now;
    if (!v->is_idle) {
        v->sched.vruntime += virtual_of(v, used);
        if (unlikely(READ_ONCE(v->domain->sched.cap)))
            (void)budget_charge(v->domain, used, now);
    }
    queue_advance(rq);
}

void policy_place(struct run_queue *rq, struct vcpu *v, bool is_newcomer)
{
    uint64_t *own = &v->sched.vruntime;
    uint64_t furthest;

    ASSERT_LOCKED(&rq->lock);
    if (rq->current->is_idle && !rq->nr_waiting) {
        if (virtual_diff(*own, READ_ONCE(virtual_clock) - SLEEPER_BONUS) < 0)
            *own = virtual_clock - SLEEPER_BONUS;
        rq->min_vruntime = *own;
        return;
    }
    if (virtual_diff(*own, rq->min_vruntime - SLEEPER_BONUS) < 0)
        *own = rq->min_vruntime - SLEEPER_BONUS;
    furthest = rq->min_vruntime + virtual_of(v, NEWCOMER_LAG_NS);
    if (is_newcomer && virtual_diff(*own, furthest) > 0)
        *own = furthest;
}

void policy_insert(struct run_queue *rq, struct vcpu *v)
{
    ASSERT_LOCKED(&rq->lock);
    pq_insert(&rq->waiting, &v->sched.node, vruntime_less);
    v->sched.queued = 1;
    if (!rq->nr_waiting)
        cpumask_set_atomic(&crowded_cpus, rq->cpu);
    WRITE_ONCE(rq->nr_waiting, rq->nr_waiting + 1);
}

void policy_remove(struct run_queue *rq, struct vcpu *v)
{
    ASSERT_LOCKED(&rq->lock);
    pq_remove(&rq->waiting, &v->sched.node, vruntime_less);
    v->sched.queued = 0;
    WRITE_ONCE(rq->nr_waiting, rq->nr_waiting - 1);
    if (!rq->nr_waiting)
        cpumask_clear_atomic(&crowded_cpus, rq->cpu);
}

/* The virtual time of the queue's current at this moment, without charging it. */
static uint64_t current_vruntime(const struct run_queue *rq, uint64_t now)
{
    uint64_t used = now > rq->charged_until_ns ? now - rq->charged_until_ns : 0;

    return rq->current->sched.vruntime + virtual_of(rq->current, used);
}

bool policy_preempts(const struct run_queue *rq, const struct vcpu *v, uint64_t now)
{
    if (rq->current->is_idle)
        return true;
    return virtual_diff(current_vruntime(rq, now), v->sched.vruntime) > (int64_t)PREEMPT_MARGIN;
}

bool policy_pulls(const struct run_queue *rq, const struct vcpu *v, uint64_t now)
{
    if (rq->current->is_idle)
        return true;
    return cpumask_test(&v->sched.soft_affinity, rq->cpu) &&
           virtual_diff(current_vruntime(rq, now), v->sched.vruntime) > (int64_t)PULL_LAG;
}

uint64_t policy_slice_end(struct run_queue *rq, uint64_t now)
{
    struct vcpu *v = rq->current;
    uint64_t end = UINT64_MAX;

    ASSERT_LOCKED(&rq->lock);
    if (v->is_idle)
        return end;
    if (rq->nr_waiting) {
        uint64_t slice = LATENCY_NS / (rq->nr_waiting + 1);
        end = rq->slice_start_ns + MAX(MIN(slice, MAX_SLICE_NS), MIN_SLICE_NS);
    }
    if (unlikely(READ_ONCE(v->domain->sched.cap))) {
        int64_t left = budget_charge(v->domain, 0, now);
        end = MIN(end, now + (uint64_t)MAX(left, (int64_t)MIN_BUDGET_NS));
    }
    return end;
}

static bool cpu_is_free(unsigned cpu)
{
    return cpumask_test(&idle_cpus, cpu) && !READ_ONCE(per_cpu(run_queue, cpu).nr_waiting);
}

/* A free CPU of the set, from `near` on upwards, or MAX_CPUS. */
static unsigned free_cpu_in(const struct cpumask *set, unsigned near)
{
    struct cpumask candidates;

    cpumask_and(&candidates, set, &idle_cpus);
    for (unsigned cpu = cpumask_next(&candidates, near); cpu < MAX_CPUS; cpu = cpumask_next(&candidates, cpu)) {
        if (cpu_is_free(cpu))
            return cpu;
    }
    for_each_cpu(cpu, &candidates) {
        if (cpu_is_free(cpu))
            return cpu;
    }
    return MAX_CPUS;
}

/* The CPU of a set where fewest wait; `last` if it is no worse than others. */
static unsigned least_crowded_in(const struct cpumask *set, unsigned last)
{
    unsigned best = MAX_CPUS, least = UINT32_MAX;

    if (cpumask_test(set, last)) {
        best = last;
        least = READ_ONCE(per_cpu(run_queue, last).nr_waiting);
    }
    for_each_cpu(cpu, set) {
        unsigned waiting = READ_ONCE(per_cpu(run_queue, cpu).nr_waiting);
        if (waiting < least) {
            best = cpu;
            least = waiting;
        }
    }
    return best;
}

unsigned policy_choose_cpu(const struct vcpu *v)
{
    unsigned last = v->sched.cpu, cpu;
    struct cpumask hard, soft;

    if (cpumask_test(&v->sched.hard_affinity, last) && cpumask_test(&v->sched.soft_affinity, last) &&
        cpu_is_free(last))
        return last;
    cpumask_and(&hard, &v->sched.hard_affinity, &online_cpus);
    cpumask_and(&soft, &hard, &v->sched.soft_affinity);
    cpu = free_cpu_in(&soft, last);
    if (cpu == MAX_CPUS)
        cpu = free_cpu_in(&hard, last);
    if (cpu == MAX_CPUS)
        cpu = least_crowded_in(cpumask_is_empty(&soft) ? &hard : &soft, last);
    return cpu < MAX_CPUS ? cpu : last;
}

/* Parked vCPUs come back when there is budget again; a debt may last for more than one period. */
static void budget_timer_expired(void *arg)
{
    struct domain *d = arg;

    if (READ_ONCE(d->sched.cap) && budget_charge(d, 0, clock_now()) <= 0) {
        timer_set(&d->sched.budget_timer, policy_budget_renewal(d));
        return;
    }
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpu[i])
            sched_unpark(d->vcpu[i]);
    }
}

static void set_weight(struct sched_domain *s, uint32_t weight)
{
    WRITE_ONCE(s->weight, weight);
    WRITE_ONCE(s->virtual_per_ns, ((uint64_t)SCHED_DEFAULT_WEIGHT << VIRTUAL_SHIFT) / weight);
}

void sched_domain_init(struct domain *d)
{
    set_weight(&d->sched, SCHED_DEFAULT_WEIGHT);
    spin_lock_init(&d->sched.budget_lock, LOCK_SCHED_BUDGET);
    timer_init(&d->sched.budget_timer, budget_timer_expired, d, cpu_id());
}

void sched_domain_destroy(struct domain *d)
{
    timer_kill(&d->sched.budget_timer);
}

int sched_set_weight_cap(struct domain *d, uint32_t weight, uint32_t cap)
{
    struct sched_domain *s = &d->sched;
    unsigned long flags;

    if (!weight || weight > SCHED_MAX_WEIGHT || cap > 100 * MAX_CPUS)
        return -XEN_EINVAL;
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpu[i])
            sched_charge(d->vcpu[i]);
    }
    set_weight(s, weight);
    flags = spin_lock_irqsave(&s->budget_lock);
    WRITE_ONCE(s->cap, cap);
    s->budget_ns = (int64_t)(BUDGET_PERIOD_NS / 100 * cap);
    s->budget_period_start_ns = clock_now();
    spin_unlock_irqrestore(&s->budget_lock, flags);
    /* Who is parked or runs without an end is looked at anew. */
    timer_set(&s->budget_timer, 0);
    return 0;
}
