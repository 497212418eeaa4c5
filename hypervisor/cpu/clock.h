// SPDX-License-Identifier: MIT
/*
 * Time. System time is nanoseconds since boot, from the TSC scaled by parameters that are
 * calibrated at boot against a platform timer (HPET or PM timer) and refined while running, without
 * a step.
 */
#pragma once
#include "cpu/clock_math.h"

/* Where firmware says that they are; before clock_init(). */
void hpet_init(paddr_t address);
void pmtimer_init(uint16_t port, bool is_32bit);
void clock_init(void);             /* boot CPU; interrupts may be off */
/*
 * Compare with the platform timer and correct the rate; once before a guest runs, then every
 * second, on any one CPU.
 */
void clock_refine(void);
uint64_t clock_now(void);          /* ns since boot; monotonic on a CPU */
struct clock_line clock_read_line(void);
extern uint32_t clock_version;     /* changes whenever the line does */
uint64_t clock_tsc_khz(void);
/*
 * Wall clock: UTC at system time 0, in ns since 1970; read from the RTC at boot, set by
 * XENPF_settime. Changes at any time, as a whole.
 */
extern uint64_t clock_wall_base;
/*
 * The CMOS clock: UTC now in seconds since 1970, 0 if it gives no date. Boot only: afterwards its
 * ports are dom0's.
 */
uint64_t rtc_read(void);
/* Wait: for hardware delays. Before clock_init() only roughly. */
void clock_delay_us(unsigned us);
/*
 * Arm this CPU's timer interrupt for system time `ns` (UINT64_MAX: off). One in the past fires at
 * once; one far away, or one that the timer counts inexactly, may fire early: whoever is called
 * looks at the time and arms again.
 */
void clock_arm(uint64_t ns);
