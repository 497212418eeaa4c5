// SPDX-License-Identifier: MIT
/*
 * The waist through which every context switch goes: states of vCPUs, their moves between run queues, and the switch
 * itself. Who deserves the CPU is sched_credit.c's business.
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

#include "core/sched_policy.h"
#include "cpu/clock.h"
#include "cpu/smp.h"

#define MAX_MOVE_LOOKS   16               /* waiting vCPUs looked at in another queue */

DEFINE_PER_CPU(struct run_queue, run_queue);
static DEFINE_PER_CPU(struct vcpu, idle_vcpu_of);
struct vcpu *idle_vcpu[MAX_CPUS];

static struct domain idle_domain = {.id = DOMID_IDLE, .refs = 1, .is_built = true};

static struct run_queue *queue_of(unsigned cpu)
{
    return &per_cpu(run_queue, cpu);
}

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
    if (policy_preempts(rq, v, now) || policy_slice_end(rq, now) < rq->slice_end_ns)
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
            !v->sched.parked)
            enqueue(to, v, to != from);
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

void sched_reconsider(struct vcpu *v)
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

/* This CPU would idle while others have more than they can run: take one over. */
static void steal(struct run_queue *rq)
{
    for_each_cpu(cpu, &crowded_cpus) {
        if (cpu != rq->cpu && move_one(queue_of(cpu), rq))
            return;
    }
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
    policy_remove(rq, first);
    if (may_stay)
        policy_insert(rq, prev);
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
    if (end != rq->slice_end_ns)
        timer_set(&rq->slice_timer, end);
    rq->slice_end_ns = end;
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
    if (!rq->nr_waiting && (prev->is_idle || !vcpu_is_runnable(prev)))
        steal(rq);

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

    rq->push_cursor = cpu == MAX_CPUS ? cpumask_first(&online_cpus) : cpu;
    if (rq->push_cursor != rq->cpu)
        (void)move_one(rq, queue_of(rq->push_cursor));
    softirq_raise(SOFTIRQ_SCHEDULE);
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
