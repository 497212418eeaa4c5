// SPDX-License-Identifier: MIT
/*
 * Counters of known frequency outside the CPU, against which the TSC is measured: HPET, ACPI's PM
 * timer, PIT channel 2. Boot tells where they are (each init checks that the counter is there);
 * clock.c picks the best.
 */
#pragma once
#include "lib/types.h"

struct platform_timer {
    const char *name;
    uint64_t hz;
    unsigned bits;
    bool keeps_running;             /* may be read after boot: dom0 does not use it */
    uint64_t (*read)(void);
};

/* The timer to use, or NULL if it is absent. */
const struct platform_timer *hpet_timer(void);
const struct platform_timer *pm_timer(void);
const struct platform_timer *pit_timer(void);

/* Where firmware says that they are; before clock_init(). */
void hpet_init(paddr_t address);
void pmtimer_init(uint16_t port, bool is_32bit);
