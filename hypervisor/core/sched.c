// SPDX-License-Identifier: MIT
/*
 * The waist through which every context switch goes: states of vCPUs, their moves between run queues, and the switch
 * itself. Who deserves the CPU is sched_credit.c's business.
 *
 * One lock for each queue (LOCK_SCHED, interrupts off); two of them by spin_lock_pair only. A vCPU is guarded by the lock
 * of the queue that its sched.cpu names, and is in exactly one of these states:
 *
 *   current   a queue's current: runs, or is being switched to
 *   queued    runnable, in the tree of its queue
 *   parked    runnable, but its domain has used up its cap
 *   asleep    not runnable, or on its way from one CPU to another
 *
 * `running` comes on top: the CPU may still hold its registers. Such a vCPU never changes its CPU.
 */
#include "core/sched.h"

#include "core/domain.h"
#include "core/event_channel.h"
#include "core/sched_policy.h"
#include "core/softirq.h"
#include "core/vcpu_op.h"
#include "cpu/clock.h"
#include "cpu/irqflags.h"
#include "cpu/percpu.h"
#include "cpu/smp.h"
#include "lib/assert.h"
#include "lib/atomic.h"
#include "public/errno.h"

#define MAX_STEAL_LOOKS  16               /* waiting vCPUs looked at in another queue */

DEFINE_PER_CPU(struct run_queue, run_queue);
static DEFINE_PER_CPU(struct vcpu, idle_vcpu_of);
struct vcpu *idle_vcpu[MAX_CPUS];

static void idle_switch(struct vcpu *v UNUSED)
{
}

static const struct guest_ops idle_ops = {.name = "idle", .save = idle_switch, .load = idle_switch};
static struct domain idle_domain = {.id = DOMID_IDLE, .ops = &idle_ops, .refs = 1, .is_built = true};

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

static void runstate_set(struct vcpu *v, int state, uint64_t now)
{
    struct vcpu_runstate_info *r = &v->runstate;

    if (r->state == state)
        return;
    if (now > r->state_entry_time) {
        r->time[r->state] += now - r->state_entry_time;
        r->state_entry_time = now;
    }
    r->state = state;
}

/* The state of one that is not runnable: blocked wins over all other reasons. */
static int runstate_asleep(const struct vcpu *v)
{
    return READ_ONCE(v->pause_flags) & (VPF_BLOCKED | VPF_POLL) ? RUNSTATE_blocked : RUNSTATE_offline;
}

static void set_slice_end(struct run_queue *rq, uint64_t now)
{
    uint64_t end = policy_slice_end(rq, now);

    if (end == rq->slice_end_ns)
        return;
    rq->slice_end_ns = end;
    if (end == UINT64_MAX)
        timer_stop(&rq->slice_timer);
    else
        timer_set(&rq->slice_timer, end);
}

/* Put `v` in the queue that it now belongs to, and see to it that it gets its turn. */
static void enqueue(struct run_queue *rq, struct vcpu *v, bool is_newcomer)
{
    uint64_t now = clock_now();

    v->sched.cpu = rq->cpu;
    runstate_set(v, RUNSTATE_runnable, now);
    policy_place(rq, v, is_newcomer);
    policy_insert(rq, v);
    if (policy_preempts(rq, v, now)) {
        cpumask_clear_atomic(&idle_cpus, rq->cpu);
        softirq_raise_on(rq->cpu, SOFTIRQ_SCHEDULE);
    } else {
        set_slice_end(rq, now);
    }
}

/* Asleep though runnable, and free to be queued? One that must leave its CPU waits until sched_switched(). */
static bool wants_queue(const struct run_queue *rq, const struct vcpu *v)
{
    if (!vcpu_is_runnable(v) || v->sched.queued || v->sched.parked || rq->current == v)
        return false;
    return !load_acquire(&v->sched.running) || cpumask_test(&v->sched.hard_affinity, rq->cpu);
}

/* Queue `v` where it runs best; interrupts off. False: it moved meanwhile, try again. */
static bool try_wake(struct vcpu *v)
{
    struct run_queue *from = queue_lock(v), *to = from;
    bool done = true;

    if (wants_queue(from, v)) {
        if (!v->sched.running)
            to = queue_of(policy_choose_cpu(v));
        if (to == from)
            enqueue(to, v, false);
    }
    spin_unlock(&from->lock);
    if (to == from)
        return true;

    spin_lock_pair(&from->lock, &to->lock);
    done = v->sched.cpu == from->cpu && !v->sched.running;
    if (done && wants_queue(from, v))
        enqueue(to, v, true);
    spin_unlock_pair(&from->lock, &to->lock);
    return done;
}

void sched_wake(struct vcpu *v)
{
    unsigned long flags = irq_save();

    while (!try_wake(v))
        cpu_relax();
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
        if (rq->current == v)
            softirq_raise_on(rq->cpu, SOFTIRQ_SCHEDULE);
        else
            runstate_set(v, runstate_asleep(v), clock_now());
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

void sched_unpark(struct vcpu *v)
{
    unsigned long flags = irq_save();
    struct run_queue *rq = queue_lock(v);

    v->sched.parked = 0;
    if (rq->current == v)
        softirq_raise_on(rq->cpu, SOFTIRQ_SCHEDULE);
    spin_unlock_irqrestore(&rq->lock, flags);
    sched_wake(v);
}

void sched_charge(struct vcpu *v)
{
    unsigned long flags = irq_save();
    struct run_queue *rq = queue_lock(v);

    if (rq->current == v)
        policy_charge(rq, clock_now());
    spin_unlock_irqrestore(&rq->lock, flags);
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

/* One of those in `from` that may run on `to`'s CPU, moved there. Both locks are held. */
static bool steal_one(struct run_queue *from, struct run_queue *to)
{
    struct pq_node *node = from->waiting.first;

    for (unsigned looks = 0; node && looks < MAX_STEAL_LOOKS; looks++, node = pq_next(node)) {
        struct vcpu *v = pq_entry(node, struct vcpu, sched.node);
        if (load_acquire(&v->sched.running) || !cpumask_test(&v->sched.hard_affinity, to->cpu))
            continue;
        policy_remove(from, v);
        v->sched.cpu = to->cpu;
        policy_place(to, v, true);
        policy_insert(to, v);
        return true;
    }
    return false;
}

/* This CPU would idle while others have more than they can run: take one over. Interrupts off, no lock held. */
static void steal(struct run_queue *rq)
{
    for (unsigned i = 0, cpu = rq->cpu; i < MAX_CPUS; i++) {
        bool found;
        cpu = cpumask_next(&crowded_cpus, cpu);
        if (cpu == MAX_CPUS)
            cpu = cpumask_first(&crowded_cpus);
        if (cpu == MAX_CPUS || cpu == rq->cpu)
            return;
        spin_lock_pair(&rq->lock, &queue_of(cpu)->lock);
        found = rq->nr_waiting || steal_one(queue_of(cpu), rq);
        spin_unlock_pair(&rq->lock, &queue_of(cpu)->lock);
        if (found)
            return;
    }
}

/* Its domain's budget is used up: out of the way until the timer brings a new one. */
static void park(struct vcpu *v)
{
    v->sched.parked = 1;
    timer_set(&v->domain->sched.budget_timer, policy_budget_renewal(v->domain));
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

    if (v->is_idle)
        return false;
    if (!vcpu_is_runnable(v)) {
        runstate_set(v, runstate_asleep(v), now);
        return false;
    }
    is_allowed_here = cpumask_test(&v->sched.hard_affinity, rq->cpu);
    if (likely(is_allowed_here && policy_may_run(v, now)))
        return true;
    runstate_set(v, RUNSTATE_runnable, now);
    if (is_allowed_here)
        park(v);
    return false;
}

/* Who runs next; leaves the tree. The current goes back into it if it could go on but is not chosen. */
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
    if (may_stay) {
        runstate_set(prev, RUNSTATE_runnable, now);
        policy_insert(rq, prev);
    }
    return first;
}

static void set_current(struct run_queue *rq, struct vcpu *next, uint64_t now)
{
    struct vcpu *prev = rq->current;

    if (next != prev || now >= rq->slice_end_ns)
        rq->slice_start_ns = now;
    rq->current = next;
    if (next->is_idle)
        cpumask_set_atomic(&idle_cpus, rq->cpu);
    else if (prev->is_idle)
        cpumask_clear_atomic(&idle_cpus, rq->cpu);
    if (next != prev) {
        if (prev->is_idle)
            runstate_set(prev, RUNSTATE_runnable, now);
        runstate_set(next, RUNSTATE_running, now);
        next->sched.running = 1;
    }
    set_slice_end(rq, now);
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
    if (!rq->nr_waiting && (prev->is_idle || !vcpu_is_runnable(prev)) && !cpumask_is_empty(&crowded_cpus))
        steal(rq);

    spin_lock(&rq->lock);
    now = clock_now();
    policy_charge(rq, now);
    next = choose_next(rq, now);
    set_current(rq, next, now);
    spin_unlock(&rq->lock);

    if (next != prev) {
        vcpu_switched_out(prev);
        vcpu_switched_in(next, now);
        context_switch(prev, next);
    }
    irq_enable();
}

void sched_switched(struct vcpu *prev)
{
    store_release(&prev->sched.running, 0);
    /* Driven from this CPU while it ran here: it can only now be placed elsewhere. */
    if (unlikely(!cpumask_test(&prev->sched.hard_affinity, prev->sched.cpu)) && !prev->is_idle)
        sched_wake(prev);
}

/*
 * Offer the vCPU that waits first to one other CPU, a different one each time: it goes there if that CPU is idle, or so far
 * ahead in virtual time that it would be served sooner. This is what keeps shares fair across CPUs.
 */
static void push_waiting(struct run_queue *rq)
{
    unsigned cpu = cpumask_next(&online_cpus, rq->push_cursor);
    unsigned long flags;
    struct run_queue *to;
    struct vcpu *v;

    rq->push_cursor = cpu == MAX_CPUS ? cpumask_first(&online_cpus) : cpu;
    if (rq->push_cursor >= MAX_CPUS || rq->push_cursor == rq->cpu)
        return;
    to = queue_of(rq->push_cursor);
    flags = irq_save();
    spin_lock_pair(&rq->lock, &to->lock);
    v = policy_first(rq);
    if (v && !load_acquire(&v->sched.running) && cpumask_test(&v->sched.hard_affinity, to->cpu) &&
        policy_pulls(to, v, clock_now())) {
        policy_remove(rq, v);
        enqueue(to, v, true);
    }
    spin_unlock_pair(&rq->lock, &to->lock);
    irq_restore(flags);
}

static void slice_expired(void *arg)
{
    push_waiting(arg);
    softirq_raise(SOFTIRQ_SCHEDULE);
}

/* From here on its CPU must be one that it may use, wherever it is now. */
static void change_affinity(struct vcpu *v, const struct cpumask *hard)
{
    unsigned long flags = irq_save();
    struct run_queue *rq = queue_lock(v);

    v->sched.hard_affinity = *hard;
    if (!cpumask_test(hard, rq->cpu)) {
        if (v->sched.queued)
            policy_remove(rq, v);
        if (rq->current == v)
            softirq_raise_on(rq->cpu, SOFTIRQ_SCHEDULE);
    }
    spin_unlock_irqrestore(&rq->lock, flags);
    sched_wake(v);
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

/* The n-th CPU that is online, counted round. */
static unsigned nth_online_cpu(unsigned n)
{
    n %= MAX(cpumask_weight(&online_cpus), 1u);
    for_each_cpu(cpu, &online_cpus) {
        if (!n--)
            return cpu;
    }
    return cpu_id();
}

void sched_vcpu_init(struct vcpu *v)
{
    v->sched = (struct sched_vcpu){.cpu = nth_online_cpu(v->id)};
    cpumask_fill(&v->sched.hard_affinity, MAX_CPUS);
    cpumask_fill(&v->sched.soft_affinity, MAX_CPUS);
    v->runstate = (struct vcpu_runstate_info){.state = RUNSTATE_offline, .state_entry_time = clock_now()};
}

void sched_vcpu_destroy(struct vcpu *v)
{
    (void)fetch_or32(&v->pause_flags, VPF_DOWN);
    sched_sleep_sync(v);
}

void sched_init(void)
{
    softirq_register(SOFTIRQ_SCHEDULE, schedule);
    sched_domain_init(&idle_domain);
}

void sched_cpu_init(unsigned cpu)
{
    struct run_queue *rq = queue_of(cpu);
    struct vcpu *idle = &per_cpu(idle_vcpu_of, cpu);

    ASSERT(cpu == cpu_id());
    domain_cpu_init(cpu);
    timer_cpu_init(cpu);
    *idle = (struct vcpu){.id = cpu, .domain = &idle_domain, .vcpu_info = &dummy_vcpu_info, .is_idle = true};
    idle->sched.cpu = cpu;
    idle->sched.running = 1;
    cpumask_fill(&idle->sched.hard_affinity, MAX_CPUS);
    idle->runstate.state_entry_time = clock_now();
    *rq = (struct run_queue){.cpu = cpu, .current = idle, .slice_end_ns = UINT64_MAX, .push_cursor = cpu};
    spin_lock_init(&rq->lock, LOCK_SCHED);
    rq->charged_until_ns = idle->runstate.state_entry_time;
    timer_init(&rq->slice_timer, slice_expired, rq, cpu);
    idle_vcpu[cpu] = idle;
    cpu_info()->current = idle;
    cpumask_set_atomic(&idle_cpus, cpu);
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
