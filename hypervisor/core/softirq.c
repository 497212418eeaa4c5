// SPDX-License-Identifier: MIT
/*
 * Softirqs, and the question whether a long operation should stop. No lock: a CPU's pending word is changed by atomic
 * operations only.
 */
#include "core/softirq.h"

#include "core/domain.h"
#include "cpu/upcall.h"

static void (*softirq_handler[NR_SOFTIRQS])(void);

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
