// SPDX-License-Identifier: MIT
/*
 * The scheduler: first the policy, who deserves the CPU, then the waist through which every context switch goes: states of
 * vCPUs, their moves between run queues, and the switch itself.
 *
 * One lock for each queue (LOCK_SCHED, interrupts off); two of them by spin_lock_pair only. A vCPU is guarded by the lock
 * of the queue that its sched.cpu names, and is in exactly one of these states:
 *
 *   current   a queue's current: runs, or is being switched to
 *   queued    runnable, waits in its queue
 *   parked    runnable, but its domain has used up its cap
 *   asleep    not runnable, or on its way from one CPU to another
 *
 * `running` comes on top: the CPU may still hold its registers. Such a vCPU never changes its CPU.
 */
#include "core/sched.h"

#include "core/domain.h"

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
#define MAX_MOVE_LOOKS   16               /* waiting vCPUs looked at in another queue */

/* See cost_of(). */
#define COST_BUSY         2u
#define COST_DISLIKED     (1u << 24)
#define COST_FORBIDDEN    UINT32_MAX

DEFINE_PER_CPU(struct run_queue, run_queue);
static DEFINE_PER_CPU(struct vcpu, idle_vcpu_of);
struct vcpu *idle_vcpu[MAX_CPUS];

static struct domain idle_domain = {.id = DOMID_IDLE, .refs = 1, .is_built = true};

static struct run_queue *queue_of(unsigned cpu)
{
    return &per_cpu(run_queue, cpu);
}

static inline bool vcpu_is_runnable(const struct vcpu *v)
{
    return !READ_ONCE(v->pause_flags);
}

/* --- The policy ---------------------------------------------------------------------------------------------------- */

/*
 * Each vCPU has a virtual time that grows with the CPU time it uses, the faster the smaller its domain's weight; the one
 * with the least goes first. Who sleeps does not save up more than a small bonus, so a waking vCPU gets the CPU soon but can
 * not keep it. A cap bounds the rate at which a domain's vCPUs together use CPU time.
 *
 * Virtual times are compared by their signed difference. Decisions cost O(log n) in the vCPUs of one CPU.
 *
 * All of it needs the lock of the queue that it gets, and leaves timers and kicks to what comes after it.
 */

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

/* Who has waited longest by virtual time; NULL if nobody waits. */
static struct vcpu *policy_first(const struct run_queue *rq)
{
    struct pq_node *first = rq->waiting.first;

    return first ? pq_entry(first, struct vcpu, sched.node) : NULL;
}

/* Is `a` to go on before `b`, by virtual time alone? */
static bool policy_is_before(const struct vcpu *a, const struct vcpu *b)
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

/* Does its domain's cap leave `v` CPU time? */
static bool policy_may_run(const struct vcpu *v, uint64_t now)
{
    return likely(!READ_ONCE(v->domain->sched.cap)) || cap_left(&v->domain->sched, now) > 0;
}

static uint64_t uncharged_ns(const struct run_queue *rq, uint64_t now)
{
    return now > rq->charged_until_ns ? now - rq->charged_until_ns : 0;
}

/* Charge the queue's current for its time since the last call. */
static void policy_charge(struct run_queue *rq, uint64_t now)
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

/* A vCPU joins this queue from sleep or from another CPU: give it a fair place in virtual time. */
static void policy_place(struct run_queue *rq, struct vcpu *v, bool is_newcomer)
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

static void policy_insert(struct run_queue *rq, struct vcpu *v)
{
    ASSERT_LOCKED(&rq->lock);
    pq_insert(&rq->waiting, &v->sched.node, vruntime_less);
    v->sched.queued = 1;
    if (!rq->nr_waiting)
        cpumask_set_atomic(&crowded_cpus, rq->cpu);
    WRITE_ONCE(rq->nr_waiting, rq->nr_waiting + 1);
}

static void policy_remove(struct run_queue *rq, struct vcpu *v)
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

/*
 * Does `v`, waiting elsewhere, lag so far behind this queue's current that it should wait here instead? A CPU that it does
 * not like is better than none, but not than a turn that comes sooner.
 */
static bool policy_pulls(const struct run_queue *rq, const struct vcpu *v, uint64_t now)
{
    int64_t lead = current_lead(rq, v, now);

    return lead == INT64_MAX ||
           (lead > (int64_t)PULL_LAG && cpumask_test(&v->sched.soft_affinity, rq->cpu));
}

/* When the current's turn ends as things stand; UINT64_MAX if it need not. */
static uint64_t policy_slice_end(struct run_queue *rq, uint64_t now)
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

/* The CPU for a vCPU that becomes runnable and is on none: where it was last if others are no better. */
static unsigned policy_choose_cpu(const struct vcpu *v)
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

/* --- The waist ----------------------------------------------------------------------------------------------------- */

/* Lock the queue of `v`; interrupts are off. It may move to another before we have the lock. */
static struct run_queue *queue_lock(const struct vcpu *v)
{
    for (;;) {
        struct run_queue *rq = queue_of(READ_ONCE(v->sched.cpu));
        spin_lock(&rq->lock);
        if (likely(v->sched.cpu == rq->cpu))
            return rq;
        spin_unlock(&rq->lock);
    }
}

/* What `v` is doing by its queue and flags; the time until now belongs to what it did before. */
static void runstate_update(const struct run_queue *rq, struct vcpu *v, uint64_t now)
{
    struct vcpu_runstate_info *r = &v->runstate;
    uint32_t flags = READ_ONCE(v->pause_flags);
    int state = RUNSTATE_runnable;

    if (rq->current == v)
        state = RUNSTATE_running;
    else if (flags)
        state = flags & (VPF_BLOCKED | VPF_POLL) ? RUNSTATE_blocked : RUNSTATE_offline;
    if (r->state == state)
        return;
    if (now > r->state_entry_time) {
        r->time[r->state] += now - r->state_entry_time;
        r->state_entry_time = now;
    }
    r->state = state;
}

/* Put `v` in the queue that it now belongs to, and see to it that it gets its turn. */
static void enqueue(struct run_queue *rq, struct vcpu *v, bool is_newcomer)
{
    uint64_t now = clock_now();

    v->sched.cpu = rq->cpu;
    runstate_update(rq, v, now);
    policy_place(rq, v, is_newcomer);
    policy_insert(rq, v);
    if (current_lead(rq, v, now) > (int64_t)PREEMPT_MARGIN || policy_slice_end(rq, now) < rq->slice_end_ns)
        softirq_raise_on(rq->cpu, SOFTIRQ_SCHEDULE);
}

/*
 * Queue `v` where it runs best, if it is asleep though runnable. Looked at again if what decides it has changed before the
 * locks are held. One that must leave its CPU, and is still on it, waits until sched_switched().
 */
void sched_wake(struct vcpu *v)
{
    unsigned long flags = irq_save();
    bool done;

    do {
        struct run_queue *from = queue_of(READ_ONCE(v->sched.cpu)), *to = from;
        bool stays, fits;

        if (!load_acquire(&v->sched.running))
            to = queue_of(policy_choose_cpu(v));
        spin_lock_pair(&from->lock, &to->lock);
        stays = load_acquire(&v->sched.running);
        fits = cpumask_test(&v->sched.hard_affinity, to->cpu);
        done = v->sched.cpu == from->cpu && (stays ? to == from : fits);
        if (done && fits && vcpu_is_runnable(v) && from->current != v && !v->sched.queued &&
            !v->sched.parked) {
            policy_charge(to, clock_now());     /* or who was alone for long would owe all that time */
            enqueue(to, v, to != from);
        }
        spin_unlock_pair(&from->lock, &to->lock);
    } while (!done);
    irq_restore(flags);
}

void sched_sleep(struct vcpu *v)
{
    unsigned long flags = irq_save();
    struct run_queue *rq = queue_lock(v);

    if (!vcpu_is_runnable(v)) {
        if (v->sched.queued)
            policy_remove(rq, v);
        v->sched.parked = 0;
        runstate_update(rq, v, clock_now());
        if (rq->current == v)
            softirq_raise_on(rq->cpu, SOFTIRQ_SCHEDULE);
    }
    spin_unlock_irqrestore(&rq->lock, flags);
}

void sched_sleep_sync(struct vcpu *v)
{
    ASSERT(v != current_vcpu());
    sched_sleep(v);
    while (!vcpu_is_runnable(v) && load_acquire(&v->sched.running))
        cpu_relax();
}

/* Settle what `v` has used so far; if it is parked it goes on, if it runs its slice is set anew. */
static void sched_reconsider(struct vcpu *v)
{
    unsigned long flags = irq_save();
    struct run_queue *rq = queue_lock(v);

    v->sched.parked = 0;
    if (rq->current == v) {
        policy_charge(rq, clock_now());
        softirq_raise_on(rq->cpu, SOFTIRQ_SCHEDULE);
    }
    spin_unlock_irqrestore(&rq->lock, flags);
    sched_wake(v);
}

void sched_yield(void)
{
    struct vcpu *v = current_vcpu();

    if (!READ_ONCE(this_cpu(run_queue).nr_waiting))
        return;
    v->sched.yielding = 1;
    softirq_raise(SOFTIRQ_SCHEDULE);
}

/*
 * The flag comes before the look at the events; who sends an event sets it pending before vcpu_kick() looks at the flag.
 * Both are full barriers, so one of the two sees the other.
 */
void sched_block(void)
{
    struct vcpu *v = current_vcpu();

    (void)fetch_or32(&v->pause_flags, VPF_BLOCKED);
    if (evtchn_vcpu_pending(v))
        (void)fetch_and32(&v->pause_flags, ~VPF_BLOCKED);
    else
        softirq_raise(SOFTIRQ_SCHEDULE);
}

/* One that waits in `from` and had better wait in `to`, or NULL. Both locks are held. */
static struct vcpu *find_movable(struct run_queue *from, struct run_queue *to)
{
    struct pq_node *node = from->waiting.first;
    uint64_t now = clock_now();

    for (unsigned looks = 0; node && looks < MAX_MOVE_LOOKS; looks++, node = pq_next(node)) {
        struct vcpu *v = pq_entry(node, struct vcpu, sched.node);
        if (!load_acquire(&v->sched.running) && cpumask_test(&v->sched.hard_affinity, to->cpu) &&
            policy_pulls(to, v, now))
            return v;
    }
    return NULL;
}

static bool move_one(struct run_queue *from, struct run_queue *to)
{
    unsigned long flags = irq_save();
    struct vcpu *v;

    spin_lock_pair(&from->lock, &to->lock);
    v = find_movable(from, to);
    if (v) {
        policy_remove(from, v);
        enqueue(to, v, true);
    }
    spin_unlock_pair(&from->lock, &to->lock);
    irq_restore(flags);
    return v != NULL;
}

/* Its domain's cap is used up: out of the way until the timer brings it back. */
static void park(struct vcpu *v)
{
    v->sched.parked = 1;
    timer_set(&v->domain->sched.budget_timer, READ_ONCE(v->domain->sched.paced_ns));
}

/* The first in the queue whose domain's cap lets it run. Those that may not are parked, so each is met once. */
static struct vcpu *first_allowed(struct run_queue *rq, uint64_t now)
{
    struct vcpu *v;

    while ((v = policy_first(rq)) && unlikely(!policy_may_run(v, now))) {
        policy_remove(rq, v);
        park(v);
    }
    return v;
}

/* May the queue's current go on, and if not, what becomes of it? */
static bool current_may_stay(struct run_queue *rq, uint64_t now)
{
    struct vcpu *v = rq->current;
    bool is_allowed_here;

    if (v->is_idle || !vcpu_is_runnable(v))
        return false;
    is_allowed_here = cpumask_test(&v->sched.hard_affinity, rq->cpu);
    if (likely(is_allowed_here && policy_may_run(v, now)))
        return true;
    if (is_allowed_here)
        park(v);
    return false;
}

/* Who runs next; leaves the queue. The current goes back into it if it could go on but is not chosen. */
static struct vcpu *choose_next(struct run_queue *rq, uint64_t now)
{
    struct vcpu *prev = rq->current;
    bool may_stay = current_may_stay(rq, now);
    struct vcpu *first = first_allowed(rq, now);
    bool yields = prev->sched.yielding;

    prev->sched.yielding = 0;
    if (may_stay && (!first || (!yields && policy_is_before(prev, first))))
        return prev;
    if (!first)
        return idle_vcpu[rq->cpu];
    if (may_stay)
        policy_insert(rq, prev);
    policy_remove(rq, first);
    return first;
}

static void set_current(struct run_queue *rq, struct vcpu *next, uint64_t now)
{
    struct vcpu *prev = rq->current;
    uint64_t end;

    if (next != prev || now >= rq->slice_end_ns)
        rq->slice_start_ns = now;
    rq->current = next;
    next->sched.running = 1;
    runstate_update(rq, prev, now);
    runstate_update(rq, next, now);
    end = policy_slice_end(rq, now);
    rq->slice_end_ns = end;
    /* A turn that ends later is seen to when the timer of an earlier one comes. */
    if (end != UINT64_MAX && (!rq->slice_timer.is_set || end < rq->slice_timer.expires_ns))
        timer_set(&rq->slice_timer, end);
}

/* The handler of SOFTIRQ_SCHEDULE. */
static void schedule(void)
{
    struct run_queue *rq;
    struct vcpu *prev, *next;
    uint64_t now;

    irq_disable();
    rq = &this_cpu(run_queue);
    prev = rq->current;
    /* This CPU would idle while others have more than they can run: take one over. */
    if (!rq->nr_waiting && (prev->is_idle || !vcpu_is_runnable(prev)))
        for_each_cpu(cpu, &crowded_cpus)
            if (cpu != rq->cpu && move_one(queue_of(cpu), rq))
                break;

    spin_lock(&rq->lock);
    now = clock_now();
    policy_charge(rq, now);
    next = choose_next(rq, now);
    set_current(rq, next, now);
    spin_unlock(&rq->lock);

    if (next != prev)
        context_switch(prev, next);
    irq_enable();
}

void sched_switched(struct vcpu *prev)
{
    /* A full barrier: either we see the affinity that drives it from here, or who set that sees it not running. */
    (void)xchg8(&prev->sched.running, 0);
    if (unlikely(READ_ONCE(prev->domain->is_shutting_down)))
        domain_note_stopped(prev->domain);
    if (unlikely(!cpumask_test(&prev->sched.hard_affinity, prev->sched.cpu)) && !prev->is_idle)
        sched_wake(prev);
}

/*
 * A vCPU that waits is offered to one other CPU, a different one each time: it goes there if that CPU is idle, or so far
 * ahead in virtual time that it would be served sooner. This is what keeps shares fair across CPUs.
 */
static void slice_expired(void *arg)
{
    struct run_queue *rq = arg;
    unsigned cpu = cpumask_next(&online_cpus, rq->push_cursor);

    if (clock_now() < rq->slice_end_ns) {
        if (rq->slice_end_ns != UINT64_MAX)
            timer_set(&rq->slice_timer, rq->slice_end_ns);
        return;
    }
    rq->push_cursor = cpu == MAX_CPUS ? cpumask_first(&online_cpus) : cpu;
    if (rq->push_cursor != rq->cpu)
        (void)move_one(rq, queue_of(rq->push_cursor));
    softirq_raise(SOFTIRQ_SCHEDULE);
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

/* From here on its CPU must be one that it may use, wherever it is now. */
static void change_affinity(struct vcpu *v, const struct cpumask *hard)
{
    unsigned long flags = irq_save();
    struct run_queue *rq = queue_lock(v);

    v->sched.hard_affinity = *hard;
    if (v->sched.queued && !cpumask_test(hard, rq->cpu))
        policy_remove(rq, v);
    spin_unlock_irqrestore(&rq->lock, flags);
    sched_reconsider(v);
}

int sched_set_affinity(struct vcpu *v, const struct cpumask *hard, const struct cpumask *soft)
{
    if (!cpumask_intersects(hard, &online_cpus))
        return -XEN_EINVAL;
    v->sched.soft_affinity = *soft;
    if (v->sched.is_pinned)
        v->sched.pinned_from = *hard;
    else
        change_affinity(v, hard);
    return 0;
}

int sched_pin_override(struct vcpu *v, int cpu)
{
    struct cpumask hard = v->sched.pinned_from;
    bool pin = cpu >= 0;

    if (pin && ((unsigned)cpu >= MAX_CPUS || !cpumask_test(&online_cpus, (unsigned)cpu)))
        return -XEN_EINVAL;
    if (pin == v->sched.is_pinned)
        return pin ? -XEN_EBUSY : -XEN_ENOENT;
    if (pin) {
        v->sched.pinned_from = v->sched.hard_affinity;
        cpumask_zero(&hard);
        cpumask_set(&hard, (unsigned)cpu);
    }
    v->sched.is_pinned = pin;
    change_affinity(v, &hard);
    return 0;
}

void sched_get_runstate(struct vcpu *v, struct vcpu_runstate_info *out)
{
    unsigned long flags = irq_save();
    struct run_queue *rq = queue_lock(v);
    uint64_t now = clock_now();

    *out = v->runstate;
    if (now > out->state_entry_time)
        out->time[out->state] += now - out->state_entry_time;
    spin_unlock_irqrestore(&rq->lock, flags);
}

void sched_vcpu_init(struct vcpu *v)
{
    v->sched = (struct sched_vcpu){.cpu = cpu_id()};
    cpumask_fill(&v->sched.hard_affinity, MAX_CPUS);
    cpumask_fill(&v->sched.soft_affinity, MAX_CPUS);
    v->runstate = (struct vcpu_runstate_info){.state = RUNSTATE_offline, .state_entry_time = clock_now()};
}

void sched_cpu_init(unsigned cpu)
{
    struct run_queue *rq = queue_of(cpu);
    struct vcpu *idle = &per_cpu(idle_vcpu_of, cpu);
    uint64_t now = clock_now();

    ASSERT(cpu == cpu_id());
    domain_cpu_init(cpu);
    timer_cpu_init(cpu);
    softirq_register(SOFTIRQ_SCHEDULE, schedule);
    *idle = (struct vcpu){
        .id = cpu, .domain = &idle_domain, .vcpu_info = &dummy_vcpu_info, .is_idle = true,
        .sched = {.cpu = cpu, .running = 1}, .runstate = {.state_entry_time = now},
    };
    cpumask_fill(&idle->sched.hard_affinity, MAX_CPUS);
    *rq = (struct run_queue){
        .cpu = cpu, .current = idle, .charged_until_ns = now, .slice_end_ns = UINT64_MAX,
        .slice_timer = {.fn = slice_expired, .arg = rq}, .push_cursor = cpu,
    };
    spin_lock_init(&rq->lock, LOCK_SCHED);
    idle_vcpu[cpu] = idle;
    cpu_info()->current = idle;
}

/* Nothing is missed between the look and the halt: interrupts stay off until the CPU has halted. */
void sched_idle_loop(void)
{
    for (;;) {
        irq_disable();
        if (softirq_pending())
            irq_enable();
        else
            irq_enable_and_halt();
        softirq_run();
    }
}
