// SPDX-License-Identifier: MIT
//
// Whether a thread that has no more work looks out for some a little longer before it sleeps: at most as long as going to sleep and
// being woken take, so that it never costs more than twice what the better of both had cost. A peer that is back sooner is served
// sooner, and an event is saved. Where nothing comes in that time spinning is left out, more and more often.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct spin {
    uint64_t until;                   // of the time stamp counter; 0: it does not spin
    uint32_t left_out, to_leave_out;  // times
};

// Finds out what sleeping costs here, before the process gives up its rights. Without, nothing spins.
void spin_measure(void);
// There was work: looking out for it was worth it.
void spin_ends(struct spin *s);
// Both: whether to look once more. The second says that there was nothing.
bool spin_begins(struct spin *s);
bool spin_goes_on(struct spin *s);

extern uint64_t spin_limit;           // ticks
