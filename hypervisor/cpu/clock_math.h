// SPDX-License-Identifier: MIT
/*
 * The arithmetic of the clock: rates from samples, counters that wrap. Pure: no registers,
 * no locks; built on the host too (tests/unit/test_clock_math.c).
 */
#pragma once
#include "lib/base.h"

#define CLOCK_INVERSE_SHIFT 28      /* of the factors that turn nanoseconds into ticks */

/* The pvclock relation: ns = base_ns + ((tsc - base_tsc) << shift) * mul / 2^32. */
struct clock_line {
    uint64_t base_tsc;
    uint64_t base_ns;
    uint32_t mul;
    int8_t shift;
};

struct clock_sample {
    uint64_t tsc;
    uint64_t ref;                   /* platform timer, wraps undone */
};

/* The TSC's rate by comparison with a platform timer, from the first sample to the last. */
struct clock_fit {
    uint64_t ref_hz;                /* below 2^32 */
    uint64_t ref_mask;              /* what the counter can hold */
    uint64_t tsc_hz;                /* 0: not known yet */
    struct clock_sample first, last;
};

static inline uint64_t clock_line_ns(const struct clock_line *line, uint64_t tsc)
{
    return line->base_ns +
           mul_shift_right(tsc - line->base_tsc, line->mul, (unsigned)(32 - line->shift));
}

/* Ticks per second from `ticks` counted while a counter of `ref_hz` made `ref` (not 0) steps. */
uint64_t clock_rate(uint64_t ticks, uint64_t ref, uint64_t ref_hz);
/* The factor f with ticks = ns * f / 2^CLOCK_INVERSE_SHIFT. */
uint64_t clock_inverse(uint64_t hz);
/* The value nearest to `predicted` whose bits in `mask`, the lowest, are `raw`. */
uint64_t clock_unwrap(uint64_t predicted, uint64_t raw, uint64_t mask);
/*
 * Take another sample, `raw_ref` as the counter shows it; the first one less than a wrap after
 * fit->first. False if it contradicts the rate known so far by more than one per cent (the counter
 * was reset, the machine slept): the rate is then measured afresh from here. False too while the
 * samples give none.
 */
bool clock_fit_add(struct clock_fit *fit, uint64_t tsc, uint64_t raw_ref);
/* The line that continues `line` from `tsc` on without a step, at a rate of `tsc_hz`. */
struct clock_line clock_line_continue(const struct clock_line *line, uint64_t tsc, uint64_t tsc_hz);
