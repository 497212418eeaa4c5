// SPDX-License-Identifier: MIT
/* The CPU's interrupt flag. */
#pragma once
#include "lib/types.h"

static inline unsigned long irq_save(void)
{
    unsigned long flags;

    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return flags;
}

static inline void irq_restore(unsigned long flags)
{
    if (flags & 0x200)
        __asm__ volatile("sti" : : : "memory");
    else
        __asm__ volatile("cli" : : : "memory");
}

static inline void irq_disable(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline void irq_enable(void)
{
    __asm__ volatile("sti" : : : "memory");
}

/* Sleep until an interrupt. STI takes effect after the next instruction: none can come between it and HLT (SDM, STI). */
static inline void irq_enable_and_halt(void)
{
    __asm__ volatile("sti; hlt" : : : "memory");
}

static inline bool irqs_enabled(void)
{
    unsigned long flags;

    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    return flags & 0x200;
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}
