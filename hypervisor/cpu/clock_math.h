// SPDX-License-Identifier: MIT
/*
 * The arithmetic of the clock: rates from samples, counters that wrap, slewing. Pure: no registers,
 * no locks; built on the host too (tests/unit/test_clock_math.c).
 */
#pragma once
#include "lib/math.h"
#include "lib/types.h"

#define CLOCK_INVERSE_SHIFT 28      /* of the factors that turn nanoseconds into ticks */
#define CLOCK_MAX_SLEW_PPB  200000

/* One line: ns = base_ns + (tsc - base_tsc) * mul / 2^(32 - shift). */
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

/* What is known of the TSC by comparison with a platform timer of `ref_hz`. */
struct clock_fit {
    uint64_t ref_hz;                /* below 2^32 */
    unsigned ref_bits;              /* the counter's width, 16 .. 64 */
    uint64_t tsc_hz;
    uint64_t epoch_ref;             /* ref at which reference time was epoch_ns */
    uint64_t epoch_ns;
    struct clock_sample oldest;     /* the rate is measured from here to now */
    struct clock_sample middle;     /* becomes `oldest` when the span is long enough */
    struct clock_sample last;
};

static inline uint64_t clock_line_ns(const struct clock_line *line, uint64_t tsc)
{
    return line->base_ns +
           mul_shift_right(tsc - line->base_tsc, line->mul, (unsigned)(32 - line->shift));
}

/* What a counter of so many bits can hold. */
static inline uint64_t clock_counter_mask(unsigned bits)
{
    return bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

/* Ticks per second from `ticks` counted while a counter of `ref_hz` made `ref` (not 0) steps. */
uint64_t clock_rate(uint64_t ticks, uint64_t ref, uint64_t ref_hz);
/* The factor f with ticks = ns * f / 2^CLOCK_INVERSE_SHIFT. */
uint64_t clock_inverse(uint64_t hz);
/* The value nearest to `predicted` whose low `bits` are `raw`. */
uint64_t clock_unwrap(uint64_t predicted, uint64_t raw, unsigned bits);
/* Start a fit: two samples some time apart, less than half a wrap. False if they make no sense. */
bool clock_fit_start(struct clock_fit *fit, struct clock_sample first, struct clock_sample second,
                     uint64_t ns_at_second);
/*
 * Take another sample, `raw_ref` as the counter shows it. False if it contradicts the rate known so
 * far by more than one per cent (the counter was reset, the machine slept): the fit then starts
 * afresh from here, at time `ns_now`.
 */
bool clock_fit_add(struct clock_fit *fit, uint64_t tsc, uint64_t raw_ref, uint64_t ns_now);
/* Reference time at the last sample. */
uint64_t clock_fit_ns(const struct clock_fit *fit);
/*
 * The line to follow after the last sample: continues `line` there without a step, at the fitted
 * rate, a little faster or slower to make up the difference to reference time within seconds.
 */
struct clock_line clock_fit_line(const struct clock_fit *fit, const struct clock_line *line);
