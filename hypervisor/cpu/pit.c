// SPDX-License-Identifier: MIT
/*
 * Channel 2 of the 8254 interval timer, counting down over and over: the reference where there is
 * nothing better. Boot only: its ports are dom0's later (the PC speaker).
 */
#include "cpu/platform_timer.h"
#include "cpu/regs.h"

#define PIT_HZ             1193182u
#define PIT_CHANNEL2       0x42
#define PIT_COMMAND        0x43
#define PIT_GATE           0x61

#define COMMAND_CH2_RATE   0xb4u    /* channel 2, low then high byte, mode 2 */
#define COMMAND_CH2_LATCH  0x80u
#define GATE_ON            0x01u
#define GATE_SPEAKER       0x02u

static uint64_t pit_read(void)
{
    unsigned count;

    outb(PIT_COMMAND, COMMAND_CH2_LATCH);
    count = inb(PIT_CHANNEL2);
    count |= (unsigned)inb(PIT_CHANNEL2) << 8;
    return 0xffffu - count;
}

static const struct platform_timer timer = {
    .name = "PIT", .hz = PIT_HZ, .bits = 16, .keeps_running = false, .read = pit_read,
};

const struct platform_timer *pit_timer(void)
{
    outb(PIT_GATE, (uint8_t)((inb(PIT_GATE) & ~GATE_SPEAKER) | GATE_ON));
    outb(PIT_COMMAND, COMMAND_CH2_RATE);
    outb(PIT_CHANNEL2, 0);
    outb(PIT_CHANNEL2, 0);
    return &timer;
}
