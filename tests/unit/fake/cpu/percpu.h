// SPDX-License-Identifier: MIT
// Host stand-in for per-CPU data: each variable is an array, and fake_cpu (fake_machine.h) says which
// CPU the code under test believes to run on.
#pragma once

#include "fake_machine.h"
#include "cpu/smp.h"
#include "lib/base.h"

struct cpu_user_regs;
struct vcpu;

#define DECLARE_PER_CPU(type, name) extern __typeof__(type) name##__percpu[MAX_CPUS]
#define DEFINE_PER_CPU(type, name) __typeof__(type) name##__percpu[MAX_CPUS]
#define per_cpu(name, cpu) (name##__percpu[cpu])
#define this_cpu(name) per_cpu(name, cpu_id())

// What code under test reaches through it; who runs is fake_current, as current_vcpu() says.
struct cpu_info {
    struct vcpu *current;
    uint32_t softirq_pending;
};
extern struct cpu_info fake_cpu_info[MAX_CPUS];

static inline struct cpu_info *cpu_info_of(unsigned cpu)
{
    return &fake_cpu_info[cpu];
}

static inline struct cpu_info *cpu_info(void)
{
    return &fake_cpu_info[fake_cpu];
}

static inline unsigned cpu_id(void)
{
    return fake_cpu;
}

static inline struct vcpu *current_vcpu(void)
{
    return fake_current[fake_cpu];
}

static inline struct cpu_user_regs *guest_regs(void)
{
    return fake_guest_regs[fake_cpu];
}
