// SPDX-License-Identifier: MIT
/* The CPU's interrupt flag. */
#pragma once
#include "lib/types.h"

static inline void irq_disable(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline void irq_enable(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline unsigned long irq_flags(void)
{
    unsigned long flags;

    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    return flags;
}

static inline bool irqs_enabled(void)
{
    return irq_flags() & 0x200;
}

static inline unsigned long irq_save(void)
{
    unsigned long flags = irq_flags();

    irq_disable();
    return flags;
}

static inline void irq_restore(unsigned long flags)
{
    if (flags & 0x200)
        irq_enable();
    else
        irq_disable();
}

/* Sleep until an interrupt. STI takes effect after the next instruction: none can come between it and HLT (SDM, STI). */
static inline void irq_enable_and_halt(void)
{
    __asm__ volatile("sti; hlt" : : : "memory");
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}
