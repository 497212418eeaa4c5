// SPDX-License-Identifier: MIT
/*
 * Per-CPU data. The top of each CPU's stack block holds struct cpu_info, found by masking rsp; variables
 * declared with DEFINE_PER_CPU lie in the image's .percpu section as a template, and each CPU has a copy at
 * percpu_offset from it. The boot CPU uses the template itself until percpu_init().
 */
#pragma once
#include "cpu/smp.h"
#include "mm/layout.h"
#include "public/xen.h"

struct vcpu;

/* asm_offsets.c exports these offsets to entry.S; the frame's place at the start is the entry path's contract. */
struct cpu_info {
    struct cpu_user_regs guest_regs;   /* the guest's registers while we run on its behalf */
    uint64_t percpu_offset;
    struct vcpu *current;
    uint32_t cpu;
    uint32_t softirq_pending;          /* bits of enum softirq; set atomically, by any CPU */
    uint64_t cr3;                      /* what this CPU's CR3 holds, without reading it */
    struct vcpu *loaded;               /* whose address space and segments the CPU holds; NULL: nobody's */
    uint64_t spare;                    /* keeps the frame's hardware part 16-byte aligned */
};

static inline struct cpu_info *cpu_info(void)
{
    uintptr_t rsp;

    __asm__("movq %%rsp, %0" : "=r"(rsp));
    return (struct cpu_info *)((rsp | (CPU_STACK_SIZE - 1)) + 1 - sizeof(struct cpu_info));
}

static inline unsigned cpu_id(void)
{
    return cpu_info()->cpu;
}

static inline struct vcpu *current_vcpu(void)
{
    return cpu_info()->current;
}

static inline struct cpu_user_regs *guest_regs(void)
{
    return &cpu_info()->guest_regs;
}

extern uint64_t percpu_offsets[MAX_CPUS];

#define DECLARE_PER_CPU(type, name)  extern __typeof__(type) name##__percpu
#define DEFINE_PER_CPU(type, name)   __attribute__((section(".percpu"))) __typeof__(type) name##__percpu
#define per_cpu_at(name, offset)                                                                    \
    (*(__typeof__(name##__percpu) *)((uintptr_t)&name##__percpu + (offset)))
#define this_cpu(name)      per_cpu_at(name, cpu_info()->percpu_offset)
#define per_cpu(name, cpu)  per_cpu_at(name, percpu_offsets[cpu])

/* The stack block of `cpu`, and the cpu_info at its top. */
static inline struct cpu_info *cpu_info_of(unsigned cpu)
{
    return (struct cpu_info *)(PERCPU_AREA_START + (uint64_t)cpu * PERCPU_AREA_SIZE + CPU_STACK_OFFSET +
                               CPU_STACK_SIZE - sizeof(struct cpu_info));
}

/* entry.S: drop this CPU's C frames and go to fn, with rsp at cpu_info. */
NORETURN void reset_stack_and_jump(void (*fn)(void));
/* entry.S, to be jumped to only: on to the guest whose registers are in cpu_info. */
void return_to_guest(void);

/* Allocate and map `cpu`'s area and copy of .percpu (mm/percpu_area.c). 0 or -XEN_ENOMEM. */
int percpu_init(unsigned cpu);
