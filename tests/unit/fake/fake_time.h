// SPDX-License-Identifier: MIT
// The fake machine's time and its other CPUs: the test moves the clock, and sees what was armed, whom
// somebody kicked, and what was flushed.
#pragma once

#include <stdint.h>

#include "lib/cpumask.h"

extern uint64_t fake_now;                  // what clock_now() says
extern uint64_t fake_armed[MAX_CPUS];      // the latest clock_arm() of each CPU; UINT64_MAX: off
extern unsigned fake_arms;                 // calls of clock_arm()
extern unsigned fake_kicks[MAX_CPUS];
extern unsigned fake_flushes;              // calls of tlb_flush_mask()

// CPUs 0 .. nr-1 are online, the time is 0, nothing is armed, kicked or pending.
void fake_time_reset(unsigned nr);
