// SPDX-License-Identifier: MIT
/*
 * Registers of the CPU that belong to a guest while it is loaded and that the hypervisor itself
 * never uses: data segments, their bases, CR0.TS. Interrupts off, or on the vCPU's own behalf.
 */
#pragma once
#include "cpu/asm_macros.h"
#include "cpu/cpu_feature.h"

/* Load a data segment register; null if the descriptor tables refuse the selector. */
#define DEFINE_SEGMENT_LOAD(seg)                                                                  \
    static inline void load_##seg(uint16_t selector)                                              \
    {                                                                                             \
        __asm__ goto("1: movl %0, %%" #seg "\n" EXTABLE(1b, %l[fault])                        \
                     : : "r"((uint32_t)selector) : "memory" : fault);                             \
        return;                                                                                   \
    fault:                                                                                        \
        __asm__ volatile("movl %0, %%" #seg : : "r"(0) : "memory");                               \
    }
DEFINE_SEGMENT_LOAD(ds)
DEFINE_SEGMENT_LOAD(es)
DEFINE_SEGMENT_LOAD(fs)
DEFINE_SEGMENT_LOAD(gs)

#define DEFINE_BASE_READ(seg, msr)                                                                \
    static inline uint64_t read_##seg##_base(void)                                                \
    {                                                                                             \
        uint64_t base;                                                                            \
        if (!cpu_features.fsgsbase)                                                               \
            return rdmsr(msr);                                                                    \
        __asm__ volatile("rd" #seg "base %0" : "=r"(base));                                       \
        return base;                                                                              \
    }
DEFINE_BASE_READ(fs, MSR_FS_BASE)
DEFINE_BASE_READ(gs, MSR_GS_BASE)

static inline void swap_gs(void)
{
    __asm__ volatile("swapgs" : : : "memory");
}

static inline void set_ts(void)
{
    write_cr0(read_cr0() | X86_CR0_TS);
}

static inline void clear_ts(void)
{
    __asm__ volatile("clts" : : : "memory");
}

static inline bool is_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}
