// SPDX-License-Identifier: MIT
/*
 * The HPET's main counter (IA-PC HPET specification 1.0a, 2.3), its low 32 bits, without comparators
 * and interrupts; ACPI's power-management timer (ACPI 6.4, 4.8.2.1), a read-only counter in one port.
 */
#include "cpu/platform_timer.h"

#include "cpu/regs.h"
#include "mm/page_table.h"

enum { HPET_PERIOD = 0x004, HPET_CONFIG = 0x010, HPET_COUNTER = 0x0f0, HPET_SIZE = 0x400 };

#define HPET_CONFIG_ENABLE   1u
#define HPET_MAX_PERIOD_FS   100000000u     /* 10 MHz at least */
#define HPET_MIN_PERIOD_FS   1000000u       /* 1 GHz at most, so that hz fits in 32 bits */
#define FS_PER_SECOND        UINT64_C(1000000000000000)
#define PM_TIMER_HZ          3579545u

static volatile uint32_t *hpet;
static uint16_t pm_port;

static uint64_t hpet_read(void)
{
    return hpet[HPET_COUNTER / 4];
}

static uint64_t pmtimer_read(void)
{
    return inl(pm_port);
}

struct platform_timer platform_timers[NR_PLATFORM_TIMERS] = {
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
    platform_timers[TIMER_HPET].hz = (FS_PER_SECOND + period_fs / 2) / period_fs;
}

void pmtimer_init(uint16_t port, bool is_32bit)
{
    pm_port = port;
    platform_timers[TIMER_PM].hz = PM_TIMER_HZ;
    if (is_32bit)
        platform_timers[TIMER_PM].mask = UINT32_MAX;
}
