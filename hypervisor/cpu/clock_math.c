// SPDX-License-Identifier: MIT
/*
 * The arithmetic of the clock. See clock_math.h.
 */
#include "cpu/clock_math.h"

#define LINE_BACK_TICKS   (UINT64_C(1) << 20)

uint64_t clock_rate(uint64_t ticks, uint64_t ref, uint64_t ref_hz)
{
    /*
     * Both counts lose the same low bits until the divisor fits: the quotient keeps 31 significant
     * ones.
     */
    while (ref > UINT32_MAX) {
        ref >>= 1;
        ticks >>= 1;
    }
    return muldiv(ticks, (uint32_t)ref_hz, (uint32_t)ref);
}

uint64_t clock_inverse(uint64_t hz)
{
    return muldiv(hz, 1u << CLOCK_INVERSE_SHIFT, (uint32_t)NS_PER_SECOND);
}

uint64_t clock_unwrap(uint64_t predicted, uint64_t raw, uint64_t mask)
{
    uint64_t ahead = (raw - predicted) & mask;

    return ahead <= mask / 2 ? predicted + ahead : predicted - (mask + 1 - ahead);
}

/* Without a rate, the counter is taken to have wrapped once at most. */
bool clock_fit_add(struct clock_fit *fit, uint64_t tsc, uint64_t raw_ref)
{
    uint64_t steps = fit->tsc_hz ? clock_rate(tsc - fit->last.tsc, fit->tsc_hz, fit->ref_hz)
                                 : fit->ref_mask / 2;
    uint64_t predicted = fit->last.ref + steps;
    struct clock_sample now = { tsc, clock_unwrap(predicted, raw_ref, fit->ref_mask) };
    uint64_t error = now.ref > predicted ? now.ref - predicted : predicted - now.ref;
    uint64_t allowed = fit->tsc_hz ? steps / 100 + fit->ref_hz / 1000 : UINT64_MAX;
    bool is_good = tsc > fit->last.tsc && now.ref > fit->last.ref && error <= allowed;

    fit->last = now;
    if (is_good)
        fit->tsc_hz = clock_rate(tsc - fit->first.tsc, now.ref - fit->first.ref, fit->ref_hz);
    else
        fit->first = now;
    return is_good && fit->tsc_hz;
}

struct clock_line clock_line_continue(const struct clock_line *line, uint64_t tsc, uint64_t tsc_hz)
{
    struct clock_line next = { .base_tsc = tsc, .base_ns = clock_line_ns(line, tsc) };
    uint64_t back_ns;

    scale_from_hz(tsc_hz, &next.mul, &next.shift);
    /*
     * The base lies a little in the past: another CPU may read this line with a TSC from just
     * before.
     */
    back_ns = mul_shift_right(LINE_BACK_TICKS, next.mul, (unsigned)(32 - next.shift));
    if (next.base_ns >= back_ns) {
        next.base_tsc -= LINE_BACK_TICKS;
        next.base_ns -= back_ns;
    }
    return next;
}
