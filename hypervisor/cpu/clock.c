// SPDX-License-Identifier: MIT
/*
 * The clock: one line from TSC to nanoseconds, the same for all CPUs, so that they agree by
 * construction; a CPU whose TSC differs has a constant offset. Lines lie in two slots: a reader
 * takes the current one and needs no lock, because a slot is rewritten a second later at the
 * earliest. clock_refine() writes, under clock_lock.
 */
#include "cpu/clock.h"

#include "cpu/clock_math.h"
#include "cpu/cpu_feature.h"
#include "cpu/irqflags.h"
#include "cpu/lapic.h"
#include "cpu/percpu.h"
#include "cpu/platform_timer.h"
#include "cpu/regs.h"
#include "cpu/rtc.h"
#include "lib/console.h"
#include "lib/spinlock.h"

#define CALIBRATION_HZ    500u              /* the first measurement takes 1 / 500 s */
#define MAX_READS         200000u           /* until a counter that stands still is given up */
#define SAMPLE_TRIES      4u
#define MAX_EDGE_READS    64u
#define DELAY_PORT        0x80              /* an access takes about 1 us on PCs */
#define MAX_ARM_NS        NS_PER_SECOND     /* ask the timer for no more at once */

struct clock_slot {
    struct clock_line line;
    uint64_t ticks_per_ns;                  /* TSC ticks, as clock_inverse() */
};

static DEFINE_PER_CPU(uint64_t, tsc_offset);

static struct clock_slot slots[2];
static struct clock_slot *current_slot = &slots[0];
static uint32_t params_version;
/* Guards: fit, timer, writing slots. */
static struct spinlock clock_lock = SPINLOCK_INIT(LOCK_CLOCK);
static struct clock_fit fit;
static const struct platform_timer *timer;
static uint64_t wall_base;
static uint64_t lapic_ticks_per_ns;         /* as clock_inverse() */
static bool have_offsets;                   /* some TSC differs from the boot CPU's */

uint64_t clock_now(void)
{
    const struct clock_slot *slot = READ_ONCE(current_slot);

    return clock_line_ns(&slot->line, rdtsc() - this_cpu(tsc_offset));
}

/*
 * A counter and the TSC at one instant: the narrowest of a few brackets around a read at which the
 * counter has just stepped, so that neither a slow read nor a coarse counter blurs it.
 */
static struct clock_sample clock_take_sample(uint64_t (*read_counter)(void))
{
    struct clock_sample best = { 0, 0 };
    uint64_t best_width = UINT64_MAX;

    for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
        uint64_t before, after, first = read_counter(), ref = first;

        before = after = rdtsc_ordered();
        for (unsigned reads = 0; reads < MAX_EDGE_READS && ref == first; reads++) {
            before = rdtsc_ordered();
            ref = read_counter();
            after = rdtsc_ordered();
        }
        if (after - before < best_width) {
            best_width = after - before;
            best.tsc = before + best_width / 2;
            best.ref = ref;
        }
    }
    return best;
}

/* Spin until the platform timer has made `steps` more; false if it does not move. */
static bool clock_wait_steps(uint64_t start, uint64_t steps)
{
    uint64_t mask = clock_counter_mask(timer->bits), last = start;
    unsigned stuck = 0;

    for (;;) {
        uint64_t now = timer->read();

        if (((now - start) & mask) >= steps)
            return true;
        stuck = now == last ? stuck + 1 : 0;
        if (stuck == MAX_READS)
            return false;
        last = now;
        cpu_relax();
    }
}

static void clock_set_line(const struct clock_line *line)
{
    struct clock_slot *next = current_slot == &slots[0] ? &slots[1] : &slots[0];

    next->line = *line;
    next->ticks_per_ns = clock_inverse(fit.tsc_hz);
    store_release(&current_slot, next);
    WRITE_ONCE(params_version, params_version + 1);
}

static uint64_t lapic_ticks_done(void)
{
    return UINT32_MAX - lapic_timer_read();
}

/* Measure the rates of the TSC and of the local APIC's timer by `timer`. */
static bool clock_calibrate(void)
{
    struct clock_sample first, second, lapic_first, lapic_second;
    struct clock_line line;

    fit.ref_hz = timer->hz;
    fit.ref_bits = timer->bits;
    lapic_timer_set_count(UINT32_MAX);
    first = clock_take_sample(timer->read);
    lapic_first = clock_take_sample(lapic_ticks_done);
    if (!clock_wait_steps(first.ref, timer->hz / CALIBRATION_HZ))
        return false;
    lapic_second = clock_take_sample(lapic_ticks_done);
    second = clock_take_sample(timer->read);
    lapic_timer_set_count(0);
    line = (struct clock_line){ .base_tsc = first.tsc };
    if (!clock_fit_start(&fit, first, second, 0))
        return false;
    scale_from_hz(fit.tsc_hz, &line.mul, &line.shift);
    fit.epoch_ns = clock_line_ns(&line, second.tsc);
    clock_set_line(&line);
    lapic_ticks_per_ns = muldiv(clock_inverse(fit.tsc_hz),
                                (uint32_t)(lapic_second.ref - lapic_first.ref),
                                (uint32_t)(lapic_second.tsc - lapic_first.tsc));
    return true;
}

static bool clock_try_timer(const struct platform_timer *candidate)
{
    timer = candidate;
    if (!timer)
        return false;
    if (clock_calibrate())
        return true;
    log_warn("clock: the %s does not count", timer->name);
    return false;
}

void clock_init(void)
{
    uint64_t now;

    if (!clock_try_timer(hpet_timer()) && !clock_try_timer(pm_timer()) &&
        !clock_try_timer(pit_timer()))
        panic("no timer to measure the TSC by: the machine needs an HPET, PM timer or PIT");
    now = clock_now();
    wall_base = MAX(rtc_read() * NS_PER_SECOND, now) - now;
    console_set_clock(clock_now);
    log_info("clock: TSC %lu kHz by %s, timer by %s", clock_tsc_khz(), timer->name,
             cpu_features.tsc_deadline ? "TSC deadline" : "APIC count");
    clock_cpu_init();
}

void clock_cpu_init(void)
{
    if (cpu_features.tsc_deadline)
        lapic_timer_use_deadline();
    else
        lapic_timer_use_oneshot();
}

void clock_refine(void)
{
    unsigned long flags;
    struct clock_sample sample;
    struct clock_line line;

    if (!timer->keeps_running)
        return;
    flags = spin_lock_irqsave(&clock_lock);
    sample = clock_take_sample(timer->read);
    sample.tsc -= this_cpu(tsc_offset);
    (void)clock_fit_add(&fit, sample.tsc, sample.ref,
                        clock_line_ns(&current_slot->line, sample.tsc));
    line = clock_fit_line(&fit, &current_slot->line);
    clock_set_line(&line);
    spin_unlock_irqrestore(&clock_lock, flags);
}

void clock_set_cpu_offset(uint64_t ticks)
{
    this_cpu(tsc_offset) = ticks;
    if (ticks)
        have_offsets = true;
}

void clock_read_params(struct clock_params *p)
{
    const struct clock_slot *slot = READ_ONCE(current_slot);

    p->base_tsc = slot->line.base_tsc + this_cpu(tsc_offset);
    p->base_ns = slot->line.base_ns;
    p->mul = slot->line.mul;
    p->shift = slot->line.shift;
    p->tsc_stable = cpu_features.invariant_tsc && !have_offsets;
}

uint32_t clock_params_version(void)
{
    return READ_ONCE(params_version);
}

uint64_t clock_tsc_khz(void)
{
    return fit.tsc_hz / 1000;
}

uint64_t clock_wall_base(void)
{
    return READ_ONCE(wall_base);
}

void clock_set_wall(uint64_t utc_ns_at_system_time_0)
{
    WRITE_ONCE(wall_base, utc_ns_at_system_time_0);
}

void clock_delay_us(unsigned us)
{
    uint64_t end = clock_now() + us * UINT64_C(1000);

    if (!fit.tsc_hz) {
        while (us--)
            (void)inb(DELAY_PORT);
        return;
    }
    while (clock_now() < end)
        cpu_relax();
}

void clock_arm(uint64_t ns)
{
    const struct clock_slot *slot = READ_ONCE(current_slot);
    uint64_t tsc, now, ticks;

    if (ns == UINT64_MAX) {
        if (cpu_features.tsc_deadline)
            lapic_timer_set_deadline(0);
        else
            lapic_timer_set_count(0);
        return;
    }
    tsc = rdtsc();
    now = clock_line_ns(&slot->line, tsc - this_cpu(tsc_offset));
    ns = ns > now ? MIN(ns - now, MAX_ARM_NS) : 0;
    if (cpu_features.tsc_deadline) {
        ticks = mul_shift_right(ns, slot->ticks_per_ns, CLOCK_INVERSE_SHIFT) + 1;
        lapic_timer_set_deadline(tsc + ticks);
        return;
    }
    ticks = mul_shift_right(ns, lapic_ticks_per_ns, CLOCK_INVERSE_SHIFT) + 1;
    lapic_timer_set_count(ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks);
}
