// SPDX-License-Identifier: MIT
/*
 * Softirqs, tasklets, and the question whether a long operation should stop. No lock: a CPU's pending word is
 * changed by atomic operations only, its list of tasklets by itself only, with interrupts off.
 */
#include "core/softirq.h"

#include "core/domain.h"
#include "core/event_channel.h"
#include "core/preempt.h"
#include "cpu/irqflags.h"
#include "cpu/percpu.h"
#include "cpu/smp.h"
#include "cpu/upcall.h"
#include "lib/assert.h"
#include "lib/atomic.h"

static void (*softirq_handler[NR_SOFTIRQS])(void);

struct tasklet_list {
    struct tasklet *first;
    struct tasklet **end;                /* where the next one is linked; NULL while the list is empty */
};
static DEFINE_PER_CPU(struct tasklet_list, tasklets);

void softirq_register(enum softirq nr, void (*handler)(void))
{
    BUG_ON(nr >= NR_SOFTIRQS);
    softirq_handler[nr] = handler;
}

void softirq_raise(enum softirq nr)
{
    (void)fetch_or32(&cpu_info()->softirq_pending, 1u << nr);
}

/*
 * A bit that was pending before means that the CPU will look at the whole word before it runs a guest or sleeps: either
 * it raised that bit itself, or somebody has kicked it for that one.
 */
void softirq_raise_on(unsigned cpu, enum softirq nr)
{
    if (cpu == cpu_id())
        softirq_raise(nr);
    else if (!fetch_or32(&cpu_info_of(cpu)->softirq_pending, 1u << nr))
        smp_kick(cpu);
}

bool softirq_pending(void)
{
    return READ_ONCE(cpu_info()->softirq_pending) != 0;
}

/*
 * In rounds, so that one that raises itself again and again leaves the others their turn. Each bit is cleared only when its
 * handler is called, since the scheduler's may leave this stack for good: what else is pending then stays so, for whoever
 * runs on this CPU next.
 */
void softirq_run(void)
{
    uint32_t round;

    while ((round = READ_ONCE(cpu_info()->softirq_pending)) != 0) {
        for (; round; round &= round - 1) {
            unsigned nr = (unsigned)__builtin_ctz(round);
            (void)fetch_and32(&cpu_info()->softirq_pending, ~(1u << nr));
            if (softirq_handler[nr])
                softirq_handler[nr]();
        }
    }
}

bool preempt_wanted(void)
{
    return softirq_pending() || evtchn_vcpu_pending(current_vcpu());
}

void tasklet_schedule(struct tasklet *t)
{
    unsigned long flags;
    struct tasklet_list *list;

    if (xchg32(&t->queued, 1))
        return;
    t->next = NULL;
    flags = irq_save();
    list = &this_cpu(tasklets);
    *(list->end ? list->end : &list->first) = t;
    list->end = &t->next;
    irq_restore(flags);
    softirq_raise(SOFTIRQ_TASKLET);
}

/* `queued` is cleared before the call, so that the function may queue itself again, or free the tasklet. */
static void tasklet_softirq(void)
{
    struct tasklet_list *list = &this_cpu(tasklets);
    unsigned long flags = irq_save();
    struct tasklet *t = list->first;

    list->first = NULL;
    list->end = NULL;
    irq_restore(flags);
    while (t) {
        struct tasklet *next = t->next;
        void (*fn)(void *) = t->fn;
        void *arg = t->arg;
        store_release(&t->queued, 0);
        fn(arg);
        t = next;
    }
}

void softirq_init(void)
{
    softirq_register(SOFTIRQ_TASKLET, tasklet_softirq);
}

/* The interrupt alone makes the CPU look at its pending word on its way back. */
void upcall_softirq(void)
{
}
