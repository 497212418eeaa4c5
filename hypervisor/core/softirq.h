// SPDX-License-Identifier: MIT
/*
 * Work that interrupts leave for later: one bit per kind in each CPU's cpu_info.softirq_pending, handled on the way
 * back to a guest and in the idle loop, with interrupts on and no lock held.
 */
#pragma once
#include "lib/base.h"

enum softirq {
    SOFTIRQ_TIMER,        /* expired timers */
    SOFTIRQ_SCHEDULE,     /* pick another vCPU; may not return to the interrupted context */
    SOFTIRQ_LOG,          /* the log has grown, and the control domain may want to know */
    SOFTIRQ_VCPU,         /* the current vCPU has something to look at (kick): no handler, forces the exit path */
    NR_SOFTIRQS
};

void softirq_register(enum softirq nr, void (*handler)(void));
/* Raise on this CPU. Any context. */
void softirq_raise(enum softirq nr);
/* Raise on another CPU, and interrupt it if it may not see it soon. */
void softirq_raise_on(unsigned cpu, enum softirq nr);
/* Run what is pending on this CPU; interrupts on. */
void softirq_run(void);
bool softirq_pending(void);
