// SPDX-License-Identifier: MIT
// The clock's arithmetic: rates, wraps, and a simulated machine whose platform timer wraps, is read
// late, and is reset, while the line that guests follow must never step.
#include "cpu/clock_math.h"
#include "unit_main.h"

#define TSC_HZ   UINT64_C(2893437123)
#define PM_HZ    UINT64_C(3579545)
#define PM_MASK  0xffffffu

// What the machine's counters show at a true time in nanoseconds.
static uint64_t tsc_at(uint64_t ns)
{
    return 12345678901u + mul_shift_right(ns, (TSC_HZ << 24) / NS_PER_SECOND, 24);
}

static uint64_t pm_at(uint64_t ns)
{
    return 0xfffff0u + muldiv(ns, (uint32_t)PM_HZ, (uint32_t)NS_PER_SECOND);
}

static uint64_t difference(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

// A fit and a line after a first measurement of 2 ms in which the second reading came late by late_ns.
static void start(struct clock_fit *fit, struct clock_line *line, uint64_t late_ns)
{
    struct clock_sample first = { tsc_at(0), pm_at(0) & PM_MASK };

    *fit = (struct clock_fit){ .ref_hz = PM_HZ, .ref_mask = PM_MASK, .first = first, .last = first };
    *line = (struct clock_line){ 0 };
    CU_ASSERT_FATAL(clock_fit_add(fit, tsc_at(2000000 + late_ns), pm_at(2000000) & PM_MASK));
    *line = clock_line_continue(line, first.tsc, fit->tsc_hz);
    CU_ASSERT(clock_line_ns(line, first.tsc) == 0);
}

static void rates(void)
{
    CU_ASSERT(clock_rate(1000, 10, 100) == 10000);
    CU_ASSERT(clock_rate(TSC_HZ * 1000, PM_HZ * 1000, PM_HZ) == TSC_HZ);
    CU_ASSERT(difference(clock_rate(TSC_HZ * 100000, PM_HZ * 100000, PM_HZ), TSC_HZ) <= 4);
    CU_ASSERT(mul_shift_right(NS_PER_SECOND, clock_inverse(TSC_HZ), CLOCK_INVERSE_SHIFT) > TSC_HZ - 20);
    CU_ASSERT(mul_shift_right(NS_PER_SECOND, clock_inverse(TSC_HZ), CLOCK_INVERSE_SHIFT) <= TSC_HZ);
}

static void unwraps(void)
{
    CU_ASSERT(clock_unwrap(0x1000010, 0x000020, PM_MASK) == 0x1000020);
    CU_ASSERT(clock_unwrap(0x1000010, 0xfffff0, PM_MASK) == 0x0fffff0);
    CU_ASSERT(clock_unwrap(0x0fffff0, 0x000005, PM_MASK) == 0x1000005);
    CU_ASSERT(clock_unwrap(0x1fffffff0, 0x5, UINT32_MAX) == 0x200000005);
}

static void refuses_a_timer_that_stands(void)
{
    struct clock_fit fit = { .ref_hz = PM_HZ, .ref_mask = PM_MASK, .first = { 1, 7 }, .last = { 1, 7 } };

    CU_ASSERT(!clock_fit_add(&fit, 9, 7));
    fit.first = fit.last = (struct clock_sample){ 9, 7 };
    CU_ASSERT(!clock_fit_add(&fit, 9, 8));
}

// One refinement at true time ns, the timer read jitter_ns late. Checks that the line goes on without
// a step, and returns how far the clock is off.
static uint64_t refine(struct clock_fit *fit, struct clock_line *line, uint64_t ns, uint64_t jitter_ns)
{
    uint64_t tsc = tsc_at(ns), before = clock_line_ns(line, tsc);

    CU_ASSERT_FATAL(clock_fit_add(fit, tsc, pm_at(ns + jitter_ns) & PM_MASK));
    *line = clock_line_continue(line, tsc, fit->tsc_hz);
    CU_ASSERT(difference(clock_line_ns(line, tsc), before) <= 2);
    CU_ASSERT(tsc - line->base_tsc < TSC_HZ);
    return difference(clock_line_ns(line, tsc), ns);
}

static void converges_and_never_steps(void)
{
    struct clock_fit fit;
    struct clock_line line;
    uint64_t off = 0, settled = 0;

    start(&fit, &line, 700);
    CU_ASSERT(difference(fit.tsc_hz, TSC_HZ) > TSC_HZ / 10000);
    for (uint64_t s = 1; s <= 600; s++) {
        off = refine(&fit, &line, s * NS_PER_SECOND, (s * 7919) % 900);
        if (s == 60)
            settled = off;
    }
    // The first second's error stays; what the minutes add is less than a hundredth of it.
    CU_ASSERT(off < 1000000 && difference(off, settled) < 10000);
    CU_ASSERT(difference(fit.tsc_hz, TSC_HZ) < TSC_HZ / 10000000);
}

static void survives_rare_samples(void)
{
    struct clock_fit fit;
    struct clock_line line;

    start(&fit, &line, 0);
    (void)refine(&fit, &line, NS_PER_SECOND, 0);
    // Several wraps of the 24 bits pass unseen: the known rate tells how many.
    (void)refine(&fit, &line, 60 * NS_PER_SECOND, 0);
    CU_ASSERT(difference(fit.tsc_hz, TSC_HZ) < TSC_HZ / 10000000);
}

static void starts_afresh_after_a_reset(void)
{
    struct clock_fit fit;
    struct clock_line line;
    uint64_t tsc, before;

    start(&fit, &line, 0);
    for (uint64_t s = 1; s <= 5; s++)
        (void)refine(&fit, &line, s * NS_PER_SECOND, 0);
    tsc = tsc_at(6 * NS_PER_SECOND);
    before = clock_line_ns(&line, tsc);
    CU_ASSERT(!clock_fit_add(&fit, tsc, (pm_at(6 * NS_PER_SECOND) + 1000000) & PM_MASK));
    line = clock_line_continue(&line, tsc, fit.tsc_hz);
    CU_ASSERT(difference(clock_line_ns(&line, tsc), before) <= 2);
    CU_ASSERT(difference(clock_line_ns(&line, tsc_at(7 * NS_PER_SECOND)), before + NS_PER_SECOND) < 1000);
    // From here on the counter is a million steps ahead, and as good as before.
    CU_ASSERT(clock_fit_add(&fit, tsc_at(7 * NS_PER_SECOND), (pm_at(7 * NS_PER_SECOND) + 1000000) & PM_MASK));
    CU_ASSERT(difference(fit.tsc_hz, TSC_HZ) < TSC_HZ / 1000000);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "rates", rates },
        { "unwraps", unwraps },
        { "refuses_a_timer_that_stands", refuses_a_timer_that_stands },
        { "converges_and_never_steps", converges_and_never_steps },
        { "survives_rare_samples", survives_rare_samples },
        { "starts_afresh_after_a_reset", starts_afresh_after_a_reset },
        { NULL, NULL },
    };

    return unit_main("clock_math", tests);
}
