// SPDX-License-Identifier: MIT
/*
 * The arithmetic of the clock. See clock_math.h.
 */
#include "cpu/clock_math.h"

#include "lib/compiler.h"

#define FIT_SPAN_S        64u       /* how far `middle` lies behind `oldest` at least */
#define SLEW_SECONDS      4         /* a phase error is made up in about this time */
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

uint64_t clock_unwrap(uint64_t predicted, uint64_t raw, unsigned bits)
{
    uint64_t mask = clock_counter_mask(bits), ahead = (raw - predicted) & mask;

    if (ahead <= mask / 2)
        return predicted + ahead;
    return predicted - (mask + 1 - ahead);
}

/* How many steps the platform timer makes in `ticks` of the TSC. */
static uint64_t fit_ref_steps(const struct clock_fit *fit, uint64_t ticks)
{
    uint64_t hz = fit->tsc_hz;

    while (hz > UINT32_MAX) {
        hz >>= 1;
        ticks >>= 1;
    }
    return muldiv(ticks, (uint32_t)fit->ref_hz, (uint32_t)hz);
}

bool clock_fit_start(struct clock_fit *fit, struct clock_sample first, struct clock_sample second,
                     uint64_t ns_at_second)
{
    uint64_t steps = (second.ref - first.ref) & clock_counter_mask(fit->ref_bits);

    if (steps == 0 || second.tsc <= first.tsc)
        return false;
    second.ref = first.ref + steps;
    fit->tsc_hz = clock_rate(second.tsc - first.tsc, steps, fit->ref_hz);
    fit->epoch_ref = second.ref;
    fit->epoch_ns = ns_at_second;
    fit->oldest = first;
    fit->middle = first;
    fit->last = second;
    return fit->tsc_hz != 0;
}

static void fit_restart(struct clock_fit *fit, struct clock_sample now, uint64_t ns_now)
{
    fit->epoch_ref = now.ref;
    fit->epoch_ns = ns_now;
    fit->oldest = now;
    fit->middle = now;
    fit->last = now;
}

static void fit_move_window(struct clock_fit *fit, struct clock_sample now)
{
    if (now.ref - fit->middle.ref < FIT_SPAN_S * fit->ref_hz)
        return;
    fit->oldest = fit->middle;
    fit->middle = now;
}

bool clock_fit_add(struct clock_fit *fit, uint64_t tsc, uint64_t raw_ref, uint64_t ns_now)
{
    uint64_t steps = fit_ref_steps(fit, tsc - fit->last.tsc);
    uint64_t predicted = fit->last.ref + steps;
    struct clock_sample now = { tsc, clock_unwrap(predicted, raw_ref, fit->ref_bits) };
    uint64_t error = now.ref > predicted ? now.ref - predicted : predicted - now.ref;

    if (tsc <= fit->last.tsc || now.ref <= fit->last.ref ||
        error > steps / 100 + fit->ref_hz / 1000) {
        fit_restart(fit, now, ns_now);
        return false;
    }
    fit->tsc_hz = clock_rate(now.tsc - fit->oldest.tsc, now.ref - fit->oldest.ref, fit->ref_hz);
    fit->last = now;
    fit_move_window(fit, now);
    return true;
}

uint64_t clock_fit_ns(const struct clock_fit *fit)
{
    return fit->epoch_ns +
           muldiv(fit->last.ref - fit->epoch_ref, (uint32_t)NS_PER_SECOND, (uint32_t)fit->ref_hz);
}

/* mul made faster by `ppb`, which is within CLOCK_MAX_SLEW_PPB. */
static uint32_t slew_mul(uint32_t mul, int64_t ppb)
{
    uint64_t change = muldiv(mul, (uint32_t)(ppb < 0 ? -ppb : ppb), (uint32_t)NS_PER_SECOND);
    uint64_t slewed = ppb < 0 ? mul - change : mul + change;

    return slewed > UINT32_MAX ? UINT32_MAX : (uint32_t)slewed;
}

struct clock_line clock_fit_line(const struct clock_fit *fit, const struct clock_line *line)
{
    uint64_t tsc = fit->last.tsc, ns = clock_line_ns(line, tsc);
    int64_t ppb = (int64_t)(clock_fit_ns(fit) - ns) / SLEW_SECONDS;
    struct clock_line next = { .base_tsc = tsc, .base_ns = ns };

    if (ppb > CLOCK_MAX_SLEW_PPB)
        ppb = CLOCK_MAX_SLEW_PPB;
    if (ppb < -CLOCK_MAX_SLEW_PPB)
        ppb = -CLOCK_MAX_SLEW_PPB;
    scale_from_hz(fit->tsc_hz, &next.mul, &next.shift);
    next.mul = slew_mul(next.mul, ppb);
    /*
     * The base lies a little in the past: another CPU may read this line with a TSC from just
     * before.
     */
    ns = mul_shift_right(LINE_BACK_TICKS, next.mul, (unsigned)(32 - next.shift));
    if (next.base_ns >= ns) {
        next.base_tsc -= LINE_BACK_TICKS;
        next.base_ns -= ns;
    }
    return next;
}
