// SPDX-License-Identifier: MIT
/*
 * The clock: one line from TSC to nanoseconds, the same for all CPUs, whose TSCs are equal
 * (smp_boot.c). Lines lie in two slots: a reader takes the current one and needs no lock, because a
 * slot is rewritten a second later at the earliest. clock_refine() writes, under clock_lock.
 */
#include "cpu/clock.h"

#include "cpu/cpu_feature.h"
#include "cpu/lapic.h"
#include "mm/page_table.h"

enum { HPET_PERIOD = 0x004, HPET_CONFIG = 0x010, HPET_COUNTER = 0x0f0, HPET_SIZE = 0x400 };

#define HPET_CONFIG_ENABLE   1u
#define HPET_MAX_PERIOD_FS   100000000u     /* 10 MHz at least */
#define HPET_MIN_PERIOD_FS   1000000u       /* 1 GHz at most, so that hz fits in 32 bits */
#define FS_PER_SECOND        UINT64_C(1000000000000000)
#define PM_TIMER_HZ          3579545u
#define CALIBRATION_HZ    100u              /* the first measurement takes 1 / 100 s */
#define MAX_READS         2000000u          /* until a counter that does not move on is given up */
#define SAMPLE_TRIES      4u
#define MAX_EDGE_READS    64u
#define DELAY_PORT        0x80              /* an access takes about 1 us on PCs */
#define MAX_ARM_NS        NS_PER_SECOND     /* ask the timer for no more at once */

/*
 * A counter of known frequency outside the CPU, against which the TSC is measured: the HPET's main
 * counter (IA-PC HPET specification 1.0a, 2.3), its low 32 bits, or ACPI's power-management timer
 * (ACPI 6.4, 4.8.2.1), a read-only counter in one port. One of them is on every machine.
 */
struct platform_timer {
    const char *name;
    uint64_t hz;                            /* 0: absent; below 2^32 */
    uint64_t mask;                          /* what the counter can hold */
    uint64_t (*read)(void);
};

static volatile uint32_t *hpet;
static uint16_t pm_port;

static struct clock_line lines[2];
static struct clock_line *current_line = &lines[0];
uint32_t clock_version;
/* Guards: fit, writing lines. */
static struct spinlock clock_lock = SPINLOCK_INIT(LOCK_CLOCK);
static struct clock_fit fit;
static const struct platform_timer *timer;
uint64_t clock_wall_base;
static uint64_t lapic_ticks_per_ns;         /* as clock_inverse() */

static uint64_t hpet_read(void)
{
    return hpet[HPET_COUNTER / 4];
}

static uint64_t pmtimer_read(void)
{
    return inl(pm_port);
}

enum { TIMER_HPET, TIMER_PM, NR_TIMERS };
static struct platform_timer timers[NR_TIMERS] = {
    [TIMER_HPET] = { "HPET", 0, UINT32_MAX, hpet_read },
    [TIMER_PM] = { "PM timer", 0, 0xffffff, pmtimer_read },
};

void hpet_init(paddr_t address)
{
    uint32_t period_fs;

    hpet = ioremap(address, HPET_SIZE);
    if (!hpet)
        return;
    period_fs = hpet[HPET_PERIOD / 4];
    if (period_fs < HPET_MIN_PERIOD_FS || period_fs > HPET_MAX_PERIOD_FS)
        return;
    hpet[HPET_CONFIG / 4] |= HPET_CONFIG_ENABLE;
    timers[TIMER_HPET].hz = (FS_PER_SECOND + period_fs / 2) / period_fs;
}

void pmtimer_init(uint16_t port, bool is_32bit)
{
    pm_port = port;
    timers[TIMER_PM].hz = PM_TIMER_HZ;
    if (is_32bit)
        timers[TIMER_PM].mask = UINT32_MAX;
}

uint64_t clock_now(void)
{
    const struct clock_line *line = READ_ONCE(current_line);

    return clock_line_ns(line, rdtsc());
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

/* Spin until the platform timer has made `steps` more; false if it does not. */
static bool clock_wait_steps(uint64_t start, uint64_t steps)
{
    for (unsigned i = 0; i < MAX_READS; i++) {
        if (((timer->read() - start) & timer->mask) >= steps)
            return true;
        cpu_relax();
    }
    return false;
}

static uint64_t lapic_ticks_done(void)
{
    return UINT32_MAX - lapic_timer_read();
}

/* Go on from `tsc` at the rate that is known now. */
static void clock_set_line(uint64_t tsc)
{
    struct clock_line *next = current_line == &lines[0] ? &lines[1] : &lines[0];

    *next = clock_line_continue(current_line, tsc, fit.tsc_hz);
    store_release(&current_line, next);
    WRITE_ONCE(clock_version, clock_version + 1);
}

/* If `timer` is there, measure the rates of the TSC and of the local APIC's timer by `timer`. */
static bool clock_calibrate(void)
{
    struct clock_sample sample, lapic_first, lapic_second;
    bool counts;

    if (!timer->hz)
        return false;
    lapic_timer_set(UINT32_MAX);
    sample = clock_take_sample(timer->read);
    fit = (struct clock_fit){ timer->hz, timer->mask, 0, sample, sample };
    lapic_first = clock_take_sample(lapic_ticks_done);
    counts = clock_wait_steps(sample.ref, timer->hz / CALIBRATION_HZ);
    lapic_second = clock_take_sample(lapic_ticks_done);
    sample = clock_take_sample(timer->read);
    lapic_timer_set(0);
    if (!counts || !clock_fit_add(&fit, sample.tsc, sample.ref)) {
        log_warn("clock: the %s does not count", timer->name);
        return false;
    }
    clock_set_line(fit.first.tsc);
    lapic_ticks_per_ns = muldiv(clock_inverse(fit.tsc_hz),
                                (uint32_t)(lapic_second.ref - lapic_first.ref),
                                (uint32_t)(lapic_second.tsc - lapic_first.tsc));
    return true;
}

void clock_init(void)
{
    uint64_t now;

    for (timer = timers; timer < timers + NR_TIMERS && !clock_calibrate(); timer++)
        ;
    if (timer == timers + NR_TIMERS)
        panic("no timer to measure the TSC by: the machine needs an HPET or a PM timer, and ACPI "
              "tables that name it");
    now = clock_now();
    clock_wall_base = MAX(rtc_read() * NS_PER_SECOND, now) - now;
    console_now_ns = clock_now;
    log_info("clock: TSC %lu kHz by %s", clock_tsc_khz(), timer->name);
}

void clock_refine(void)
{
    unsigned long flags = spin_lock_irqsave(&clock_lock);
    struct clock_sample sample = clock_take_sample(timer->read);

    (void)clock_fit_add(&fit, sample.tsc, sample.ref);      /* else the rate stays as it was */
    clock_set_line(sample.tsc);
    spin_unlock_irqrestore(&clock_lock, flags);
}

struct clock_line clock_read_line(void)
{
    return *READ_ONCE(current_line);
}

uint64_t clock_tsc_khz(void)
{
    return fit.tsc_hz / 1000;
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
    uint64_t now = clock_now(), ticks = 0;

    if (ns != UINT64_MAX) {
        ns = ns > now ? MIN(ns - now, MAX_ARM_NS) : 0;
        ticks = mul_shift_right(ns, lapic_ticks_per_ns, CLOCK_INVERSE_SHIFT) + 1;
    }
    lapic_timer_set((uint32_t)MIN(ticks, (uint64_t)UINT32_MAX));
}
