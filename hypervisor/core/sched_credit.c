// SPDX-License-Identifier: MIT
/*
 * The one scheduling policy. Each vCPU has a virtual time that grows with the CPU time it uses, the faster the smaller
 * its domain's weight; the one with the least goes first. Who sleeps does not save up more than a small bonus, so a waking
 * vCPU gets the CPU soon but can not keep it. A cap bounds the rate at which a domain's vCPUs together use CPU time.
 *
 * Virtual times are compared by their signed difference. Decisions cost O(log n) in the vCPUs of one CPU.
 */
#include "core/sched_policy.h"
#include "cpu/clock.h"
#include "cpu/smp.h"

#define MS(n)             (UINT64_C(1000000) * (n))
#define LATENCY_NS        MS(20)          /* all who wait get a turn in about this time, while they are few */
#define MAX_SLICE_NS      MS(10)
#define MIN_SLICE_NS      (UINT64_C(1000) * SCHED_MIN_SLICE_US)
#define SLEEPER_BONUS     MS(5)           /* virtual */
#define PREEMPT_MARGIN    (MS(1) / 2)     /* virtual: less is not worth a switch */
#define NEWCOMER_LAG_NS   MS(30)          /* how far behind a newcomer may be put, in its own CPU time */
#define PULL_LAG          MS(10)          /* virtual */
#define BURST_NS          MS(25)          /* so far a capped domain may run ahead of what it is paid */
#define MIN_BUDGET_NS     (MS(1) / 10)    /* a slice is not shorter; what it overdraws is paid later */

/* See cost_of(). */
#define COST_BUSY         2u
#define COST_DISLIKED     (1u << 24)
#define COST_FORBIDDEN    UINT32_MAX

struct cpumask crowded_cpus;

/* About the greatest virtual time that any queue has reached: where a vCPU starts that meets an empty queue. */
static uint64_t virtual_clock;

static inline int64_t virtual_diff(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b);
}

static inline uint64_t later(uint64_t a, uint64_t b)
{
    return virtual_diff(a, b) > 0 ? a : b;
}

static uint64_t virtual_of(const struct vcpu *v, uint64_t ns)
{
    return ns * SCHED_DEFAULT_WEIGHT / READ_ONCE(v->domain->sched.weight);
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
    struct vcpu *least = rq->current->is_idle ? first : rq->current;

    if (!least)
        return;
    if (first && policy_is_before(first, least))
        least = first;
    rq->min_vruntime = later(least->sched.vruntime, rq->min_vruntime);
    if (virtual_diff(rq->min_vruntime, READ_ONCE(virtual_clock)) > (int64_t)MS(1))
        WRITE_ONCE(virtual_clock, rq->min_vruntime);
}

/*
 * A cap pays for CPU time at its rate. `paced_ns` is the time when all that the domain has used will be paid for; it may
 * run while that is less than BURST_NS away. What it does not use is lost, what it overdraws it waits for.
 */
static void cap_charge(struct sched_domain *s, uint64_t used_ns, uint64_t now)
{
    uint32_t cap = READ_ONCE(s->cap);
    uint64_t paced = READ_ONCE(s->paced_ns);

    if (likely(!cap))
        return;
    while (!try_cmpxchg64(&s->paced_ns, &paced, MAX(paced, now - used_ns) + used_ns * 100 / cap))
        cpu_relax();
}

/* CPU time that a capped domain has left; not above 0: none. */
static int64_t cap_left(const struct sched_domain *s, uint64_t now)
{
    return (int64_t)(now + BURST_NS - MAX(READ_ONCE(s->paced_ns), now)) * READ_ONCE(s->cap) / 100;
}

bool policy_may_run(const struct vcpu *v, uint64_t now)
{
    return likely(!READ_ONCE(v->domain->sched.cap)) || cap_left(&v->domain->sched, now) > 0;
}

static uint64_t uncharged_ns(const struct run_queue *rq, uint64_t now)
{
    return now > rq->charged_until_ns ? now - rq->charged_until_ns : 0;
}

void policy_charge(struct run_queue *rq, uint64_t now)
{
    struct vcpu *v = rq->current;
    uint64_t used = uncharged_ns(rq, now);

    ASSERT_LOCKED(&rq->lock);
    rq->charged_until_ns = now;
    if (!v->is_idle) {
        v->sched.vruntime += virtual_of(v, used);
        cap_charge(&v->domain->sched, used, now);
    }
    queue_advance(rq);
}

void policy_place(struct run_queue *rq, struct vcpu *v, bool is_newcomer)
{
    bool is_alone = rq->current->is_idle && !rq->nr_waiting;
    uint64_t here = is_alone ? READ_ONCE(virtual_clock) : rq->min_vruntime;
    uint64_t furthest = here + virtual_of(v, NEWCOMER_LAG_NS);

    ASSERT_LOCKED(&rq->lock);
    v->sched.vruntime = later(v->sched.vruntime, here - SLEEPER_BONUS);
    if (is_alone)
        rq->min_vruntime = v->sched.vruntime;
    else if (is_newcomer && virtual_diff(v->sched.vruntime, furthest) > 0)
        v->sched.vruntime = furthest;
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

/* How far the queue's current is ahead of `v` in virtual time at this moment; one that stops is so by any measure. */
static int64_t current_lead(const struct run_queue *rq, const struct vcpu *v, uint64_t now)
{
    struct vcpu *current = rq->current;

    if (current->is_idle || !vcpu_is_runnable(current))
        return INT64_MAX;
    return virtual_diff(current->sched.vruntime + virtual_of(current, uncharged_ns(rq, now)),
                        v->sched.vruntime);
}

bool policy_preempts(const struct run_queue *rq, const struct vcpu *v, uint64_t now)
{
    return current_lead(rq, v, now) > (int64_t)PREEMPT_MARGIN;
}

/* A CPU that it does not like is better than none, but not than a turn that comes sooner. */
bool policy_pulls(const struct run_queue *rq, const struct vcpu *v, uint64_t now)
{
    int64_t lead = current_lead(rq, v, now);

    return lead == INT64_MAX ||
           (lead > (int64_t)PULL_LAG && cpumask_test(&v->sched.soft_affinity, rq->cpu));
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
        int64_t left = cap_left(&v->domain->sched, now);
        end = MIN(end, now + (uint64_t)MAX(left, (int64_t)MIN_BUDGET_NS));
    }
    return end;
}

/* What speaks against a CPU for `v`: that it is busy before that `v` prefers others, then how many wait. */
static unsigned cost_of(const struct vcpu *v, unsigned cpu)
{
    const struct run_queue *rq = &per_cpu(run_queue, cpu);
    unsigned waiting = READ_ONCE(rq->nr_waiting);
    bool dislikes = !cpumask_test(&v->sched.soft_affinity, cpu);

    if (!cpumask_test(&v->sched.hard_affinity, cpu))
        return COST_FORBIDDEN;
    if (!waiting && READ_ONCE(rq->current) == idle_vcpu[cpu])
        return dislikes;
    return (dislikes ? COST_DISLIKED : COST_BUSY) + waiting;
}

/* The one where it was last if others are no better. */
unsigned policy_choose_cpu(const struct vcpu *v)
{
    unsigned best = v->sched.cpu;
    unsigned least = cost_of(v, best);

    if (!least)
        return best;
    for_each_cpu(cpu, &online_cpus) {
        unsigned cost = cost_of(v, cpu);
        if (cost < least) {
            best = cpu;
            least = cost;
        }
    }
    return best;
}

static void reconsider_all(void *arg)
{
    struct domain *d = arg;
    struct vcpu *v;

    for_each_vcpu(d, v)
        sched_reconsider(v);
}

void sched_domain_init(struct domain *d)
{
    d->sched.weight = SCHED_DEFAULT_WEIGHT;
    d->sched.budget_timer = (struct timer){.fn = reconsider_all, .arg = d};
}

/* What was used until now is settled by the old values; then who is parked or runs without an end is looked at anew. */
int sched_set_weight_cap(struct domain *d, uint32_t weight, uint32_t cap)
{
    if (!weight || weight > SCHED_MAX_WEIGHT || cap > 100 * MAX_CPUS)
        return -XEN_EINVAL;
    reconsider_all(d);
    WRITE_ONCE(d->sched.weight, weight);
    WRITE_ONCE(d->sched.paced_ns, clock_now());
    WRITE_ONCE(d->sched.cap, cap);
    reconsider_all(d);
    return 0;
}
