// SPDX-License-Identifier: MIT
// Host stand-in for core/preempt.h that looks at each step, so that the small trees of a test can be
// preempted everywhere.
#pragma once
#include "lib/base.h"

bool preempt_wanted(void);

static inline bool preempt_check(unsigned *steps)
{
    ++*steps;
    return preempt_wanted();
}
