// SPDX-License-Identifier: MIT
#include "host/spin.h"

#include <sys/prctl.h>
#include <time.h>

#define MEASUREMENTS 8u
#define MOST_LEFT_OUT 1023u

uint64_t spin_limit;

// The clock may be a system call; whoever shares this has one CPU's counter after another's within a few ticks.
static uint64_t ticks(void)
{
    return __builtin_ia32_rdtsc();
}

// The least of some, since others run too.
void spin_measure(void)
{
    struct timespec shortest = { .tv_nsec = 1 };

    (void)prctl(PR_SET_TIMERSLACK, 1);
    for (unsigned i = 0; i < MEASUREMENTS; i++) {
        uint64_t began = ticks();
        nanosleep(&shortest, NULL);
        uint64_t took = ticks() - began;
        if (spin_limit == 0 || took < spin_limit)
            spin_limit = took;
    }
    (void)prctl(PR_SET_TIMERSLACK, 0);       // what it was
}

void spin_ends(struct spin *s)
{
    if (s->until)
        s->to_leave_out = 0;
    s->until = 0;
}

bool spin_begins(struct spin *s)
{
    if (spin_limit == 0 || s->left_out < s->to_leave_out) {
        s->left_out++;
        return false;
    }
    s->left_out = 0;
    s->until = ticks() + spin_limit;
    return true;
}

bool spin_goes_on(struct spin *s)
{
    if (s->until && ticks() < s->until)
        return true;
    if (s->until && s->to_leave_out < MOST_LEFT_OUT)
        s->to_leave_out = 2 * s->to_leave_out + 1;
    s->until = 0;
    return false;
}
