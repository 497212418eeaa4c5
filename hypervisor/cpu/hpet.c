// SPDX-License-Identifier: MIT
/*
 * The HPET's main counter (IA-PC HPET specification 1.0a, 2.3), its low 32 bits. No comparators, no
 * interrupts.
 */
#include "cpu/platform_timer.h"
#include "mm/page_table.h"

enum { HPET_PERIOD = 0x004, HPET_CONFIG = 0x010, HPET_COUNTER = 0x0f0, HPET_SIZE = 0x400 };

#define HPET_CONFIG_ENABLE   1u
#define HPET_MAX_PERIOD_FS   100000000u     /* 10 MHz at least */
#define HPET_MIN_PERIOD_FS   1000000u       /* 1 GHz at most, so that hz fits in 32 bits */
#define FS_PER_SECOND        UINT64_C(1000000000000000)

static volatile uint32_t *hpet;

static uint64_t hpet_read(void)
{
    return hpet[HPET_COUNTER / 4];
}

static struct platform_timer timer = {
    .name = "HPET", .bits = 32, .keeps_running = true, .read = hpet_read,
};

void hpet_init(paddr_t address)
{
    uint32_t period_fs;

    if (!address)
        return;
    hpet = ioremap(address, HPET_SIZE);
    if (!hpet)
        return;
    period_fs = hpet[HPET_PERIOD / 4];
    if (period_fs < HPET_MIN_PERIOD_FS || period_fs > HPET_MAX_PERIOD_FS)
        return;
    hpet[HPET_CONFIG / 4] |= HPET_CONFIG_ENABLE;
    timer.hz = (FS_PER_SECOND + period_fs / 2) / period_fs;
}

const struct platform_timer *hpet_timer(void)
{
    return timer.hz ? &timer : NULL;
}
