// SPDX-License-Identifier: MIT
/*
 * Counters of known frequency outside the CPU, against which the TSC is measured: HPET and ACPI's PM
 * timer. One of them is on every machine; boot tells where they are, clock.c picks the first that
 * counts.
 */
#pragma once
#include "lib/types.h"

struct platform_timer {
    const char *name;
    uint64_t hz;                    /* 0: absent; below 2^32 */
    uint64_t mask;                  /* what the counter can hold */
    uint64_t (*read)(void);
};

enum { TIMER_HPET, TIMER_PM, NR_PLATFORM_TIMERS };
extern struct platform_timer platform_timers[NR_PLATFORM_TIMERS];

/* Where firmware says that they are; before clock_init(). */
void hpet_init(paddr_t address);
void pmtimer_init(uint16_t port, bool is_32bit);
