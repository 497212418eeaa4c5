// SPDX-License-Identifier: MIT
/*
 * Timers: a queue by deadline for each CPU, whose lock (LOCK_TIMER, taken with interrupts off) guards the queue and the
 * timers that name this CPU. Only a CPU itself arms its hardware, and only when its earliest deadline becomes earlier: a
 * timer that is stopped or moved back leaves at most one interrupt without work.
 */
#include "core/timer.h"

#include "core/softirq.h"
#include "cpu/clock.h"
#include "cpu/irqflags.h"
#include "cpu/percpu.h"
#include "cpu/smp.h"
#include "cpu/upcall.h"
#include "lib/assert.h"
#include "lib/atomic.h"
#include "lib/spinlock.h"

#define MAX_CALLBACKS  32                     /* in one pass; then other softirqs have their turn */
#define TIMER_NEVER    (UINT64_C(1) << 62)    /* deadlines from here on are kept, but never armed */

enum timer_state { TIMER_IDLE, TIMER_SET, TIMER_DEAD };

struct timer_queue {
    struct spinlock lock;
    struct pqueue set;
    uint64_t armed_ns;                       /* what the hardware is set to; UINT64_MAX: nothing */
    struct timer *running;                   /* whose callback is being called */
};
static DEFINE_PER_CPU(struct timer_queue, timer_queue);

static bool timer_less(const struct pq_node *a, const struct pq_node *b)
{
    return pq_entry(a, struct timer, node)->expires_ns < pq_entry(b, struct timer, node)->expires_ns;
}

static struct timer *queue_first(struct timer_queue *q)
{
    struct pq_node *first = q->set.first;

    return first ? pq_entry(first, struct timer, node) : NULL;
}

/* Lock the queue that the timer belongs to; interrupts are off. It may move to another before we have the lock. */
static struct timer_queue *queue_lock(struct timer *t)
{
    for (;;) {
        unsigned cpu = READ_ONCE(t->cpu);
        struct timer_queue *q = &per_cpu(timer_queue, cpu);
        spin_lock(&q->lock);
        if (likely(t->cpu == cpu))
            return q;
        spin_unlock(&q->lock);
    }
}

/* Make this CPU's hardware fire for the first timer. A deadline that has passed needs no hardware. */
static void queue_arm(struct timer_queue *q)
{
    struct timer *first = queue_first(q);

    ASSERT_LOCKED(&q->lock);
    if (!first || first->expires_ns >= q->armed_ns || first->expires_ns >= TIMER_NEVER)
        return;
    if (first->expires_ns <= clock_now()) {
        softirq_raise(SOFTIRQ_TIMER);
        return;
    }
    q->armed_ns = first->expires_ns;
    clock_arm(q->armed_ns);
}

static void queue_insert(struct timer_queue *q, struct timer *t)
{
    t->state = TIMER_SET;
    pq_insert(&q->set, &t->node, timer_less);
    if (q->set.first != &t->node)
        return;
    if (t->cpu == cpu_id())
        queue_arm(q);
    else
        softirq_raise_on(t->cpu, SOFTIRQ_TIMER);
}

static void queue_remove(struct timer_queue *q, struct timer *t)
{
    if (t->state == TIMER_SET) {
        pq_remove(&q->set, &t->node, timer_less);
        t->state = TIMER_IDLE;
    }
}

void timer_init(struct timer *t, void (*fn)(void *), void *arg, unsigned cpu)
{
    *t = (struct timer){.fn = fn, .arg = arg, .cpu = cpu, .state = TIMER_IDLE};
}

void timer_set(struct timer *t, uint64_t expires_ns)
{
    unsigned long flags = irq_save();
    struct timer_queue *q = queue_lock(t);

    if (t->state != TIMER_DEAD) {
        queue_remove(q, t);
        t->expires_ns = expires_ns;
        queue_insert(q, t);
    }
    spin_unlock_irqrestore(&q->lock, flags);
}

/* The look without the lock spares the common call for a timer that is not set. */
void timer_stop(struct timer *t)
{
    unsigned long flags;
    struct timer_queue *q;

    if (READ_ONCE(t->state) != TIMER_SET)
        return;
    flags = irq_save();
    q = queue_lock(t);
    queue_remove(q, t);
    spin_unlock_irqrestore(&q->lock, flags);
}

void timer_kill(struct timer *t)
{
    unsigned long flags = irq_save();
    struct timer_queue *q = queue_lock(t);

    queue_remove(q, t);
    t->state = TIMER_DEAD;
    spin_unlock_irqrestore(&q->lock, flags);
    /* It may have moved since its callback started. */
    for_each_cpu(cpu, &online_cpus) {
        while (load_acquire(&per_cpu(timer_queue, cpu).running) == t)
            cpu_relax();
    }
}

void timer_migrate(struct timer *t, unsigned cpu)
{
    struct timer_queue *to = &per_cpu(timer_queue, cpu);
    unsigned long flags = irq_save();
    struct timer_queue *from;

    for (;;) {
        unsigned old = READ_ONCE(t->cpu);
        from = &per_cpu(timer_queue, old);
        spin_lock_pair(&from->lock, &to->lock);
        if (t->cpu == old)
            break;
        spin_unlock_pair(&from->lock, &to->lock);
    }
    if (from != to) {
        bool was_set = t->state == TIMER_SET;
        queue_remove(from, t);
        t->cpu = cpu;
        if (was_set)
            queue_insert(to, t);
    }
    spin_unlock_pair(&from->lock, &to->lock);
    irq_restore(flags);
}

/* Call the first timer if it is due. After its callback has started, nothing here looks at the timer itself. */
static bool queue_run_first(struct timer_queue *q, uint64_t now)
{
    void (*fn)(void *) = NULL;
    void *arg = NULL;
    unsigned long flags = spin_lock_irqsave(&q->lock);
    struct timer *t = queue_first(q);

    if (t && t->expires_ns <= now) {
        queue_remove(q, t);
        fn = t->fn;
        arg = t->arg;
        q->running = t;
    }
    spin_unlock_irqrestore(&q->lock, flags);
    if (!fn)
        return false;
    fn(arg);
    store_release(&q->running, NULL);
    return true;
}

static void timer_softirq(void)
{
    struct timer_queue *q = &this_cpu(timer_queue);
    uint64_t now = clock_now();
    unsigned calls = 0;
    unsigned long flags;

    while (calls < MAX_CALLBACKS && queue_run_first(q, now))
        calls++;
    flags = spin_lock_irqsave(&q->lock);
    queue_arm(q);
    spin_unlock_irqrestore(&q->lock, flags);
}

void timer_cpu_init(unsigned cpu)
{
    struct timer_queue *q = &per_cpu(timer_queue, cpu);

    *q = (struct timer_queue){.armed_ns = UINT64_MAX};
    spin_lock_init(&q->lock, LOCK_TIMER);
}

void timer_subsystem_init(void)
{
    softirq_register(SOFTIRQ_TIMER, timer_softirq);
}

/* The hardware has fired, so it is armed for nothing now. */
void upcall_timer_interrupt(void)
{
    this_cpu(timer_queue).armed_ns = UINT64_MAX;
    softirq_raise(SOFTIRQ_TIMER);
}
