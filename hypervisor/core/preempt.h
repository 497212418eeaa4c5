// SPDX-License-Identifier: MIT
/*
 * Long operations ask here, every bounded number of steps, whether they should stop and restart later: a softirq is
 * pending on this CPU, or an event waits for the current vCPU. `*steps` spares the look: it is taken every 64th call.
 */
#pragma once
#include "lib/base.h"

bool preempt_wanted(void);

static inline bool preempt_check(unsigned *steps)
{
    return (++*steps & 63) == 0 && preempt_wanted();
}
