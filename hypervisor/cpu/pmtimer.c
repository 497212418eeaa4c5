// SPDX-License-Identifier: MIT
/*
 * ACPI's power-management timer (ACPI 6.4, 4.8.2.1): a read-only counter in one I/O port.
 */
#include "cpu/platform_timer.h"
#include "cpu/regs.h"

#define PM_TIMER_HZ 3579545u

static uint16_t timer_port;

static uint64_t pmtimer_read(void)
{
    return inl(timer_port);
}

static struct platform_timer timer = {
    .name = "PM timer", .hz = PM_TIMER_HZ, .bits = 24, .keeps_running = true, .read = pmtimer_read,
};

void pmtimer_init(uint16_t port, bool is_32bit)
{
    timer_port = port;
    timer.bits = is_32bit ? 32 : 24;
}

const struct platform_timer *pm_timer(void)
{
    return timer_port ? &timer : NULL;
}
