// SPDX-License-Identifier: MIT
// Host stand-in for the CPU's interrupt flag: one flag per fake CPU, so that a test can see whether a
// function left interrupts as it found them.
#pragma once

#include <stdbool.h>

#include "fake_machine.h"

static inline bool irqs_enabled(void)
{
    return !fake_irqs_off[fake_cpu];
}

static inline unsigned long irq_save(void)
{
    unsigned long flags = irqs_enabled();

    fake_irqs_off[fake_cpu] = true;
    return flags;
}

static inline void irq_restore(unsigned long flags)
{
    fake_irqs_off[fake_cpu] = flags == 0;
}

static inline void irq_disable(void)
{
    fake_irqs_off[fake_cpu] = true;
}

static inline void irq_enable(void)
{
    fake_irqs_off[fake_cpu] = false;
}

// No interrupt comes here: a test that reaches this in a loop would hang.
static inline void irq_enable_and_halt(void)
{
    fake_irqs_off[fake_cpu] = false;
}

static inline void cpu_relax(void)
{
    __builtin_ia32_pause();
}
