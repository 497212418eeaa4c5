// SPDX-License-Identifier: MIT
/*
 * Timers: a queue by deadline for each CPU, whose lock (LOCK_TIMER, taken with interrupts off) guards the queue and the
 * timers that name this CPU. Only a CPU itself sets timers in its queue, and it arms its hardware only when its earliest
 * deadline becomes earlier: a timer that is stopped or moved back leaves at most one interrupt without work.
 */
#include "core/timer.h"

#include "core/softirq.h"
#include "cpu/percpu.h"
#include "cpu/upcall.h"

#define MAX_CALLBACKS  32                     /* in one pass; then other softirqs have their turn */
#define TIMER_NEVER    (UINT64_C(1) << 62)    /* deadlines from here on are kept, but never armed */

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

static void queue_remove(struct timer_queue *q, struct timer *t)
{
    if (t->is_set)
        pq_remove(&q->set, &t->node, timer_less);
    t->is_set = false;
}

/* It leaves the queue of another CPU before it comes to ours; whoever sets it in between has been overtaken. */
void timer_set(struct timer *t, uint64_t expires_ns)
{
    unsigned long flags = irq_save();
    struct timer_queue *q;

    while ((q = queue_lock(t)) != &this_cpu(timer_queue)) {
        queue_remove(q, t);
        WRITE_ONCE(t->cpu, cpu_id());
        spin_unlock(&q->lock);
    }
    queue_remove(q, t);
    if (!t->is_dead) {
        t->expires_ns = expires_ns;
        t->is_set = true;
        pq_insert(&q->set, &t->node, timer_less);
        queue_arm(q);
    }
    spin_unlock_irqrestore(&q->lock, flags);
}

void timer_stop(struct timer *t)
{
    unsigned long flags = irq_save();
    struct timer_queue *q = queue_lock(t);

    queue_remove(q, t);
    spin_unlock_irqrestore(&q->lock, flags);
}

/* Who sets it at the same time either sees that it is dead, or has set it before we stop it. */
void timer_kill(struct timer *t)
{
    WRITE_ONCE(t->is_dead, true);
    timer_stop(t);
    /* It may have moved since its callback started. */
    for_each_cpu(cpu, &online_cpus) {
        while (load_acquire(&per_cpu(timer_queue, cpu).running) == t)
            cpu_relax();
    }
}

/* After a callback has started, nothing here looks at its timer any more. */
static void timer_softirq(void)
{
    struct timer_queue *q = &this_cpu(timer_queue);
    uint64_t now = clock_now();
    unsigned long flags = spin_lock_irqsave(&q->lock);
    struct timer *t = queue_first(q);

    for (unsigned calls = 0; calls < MAX_CALLBACKS && t && t->expires_ns <= now; calls++) {
        void (*fn)(void *) = t->fn;
        void *arg = t->arg;
        queue_remove(q, t);
        q->running = t;
        spin_unlock_irqrestore(&q->lock, flags);
        fn(arg);
        store_release(&q->running, NULL);
        flags = spin_lock_irqsave(&q->lock);
        t = queue_first(q);
    }
    queue_arm(q);
    spin_unlock_irqrestore(&q->lock, flags);
}

void timer_cpu_init(unsigned cpu)
{
    struct timer_queue *q = &per_cpu(timer_queue, cpu);

    *q = (struct timer_queue){.armed_ns = UINT64_MAX};
    spin_lock_init(&q->lock, LOCK_TIMER);
    softirq_register(SOFTIRQ_TIMER, timer_softirq);
}

/* The hardware has fired, so it is armed for nothing now. */
void upcall_timer_interrupt(void)
{
    this_cpu(timer_queue).armed_ns = UINT64_MAX;
    softirq_raise(SOFTIRQ_TIMER);
}
