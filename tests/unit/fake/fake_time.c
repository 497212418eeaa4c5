// SPDX-License-Identifier: MIT
// The state behind fake_time.h: stands in for cpu/clock.h and for the parts of cpu/smp.h that core/ uses.
#include "fake_time.h"

#include "cpu/clock.h"
#include "cpu/percpu.h"
#include "cpu/smp.h"

uint64_t fake_now;
uint64_t fake_armed[MAX_CPUS];
unsigned fake_arms;
unsigned fake_kicks[MAX_CPUS];
unsigned fake_flushes;

struct cpumask online_cpus;
unsigned nr_cpus;
uint32_t cpu_apic_id[MAX_CPUS];
static uint32_t flush_clock = 1;

void fake_time_reset(unsigned nr)
{
    cpumask_fill(&online_cpus, nr);
    nr_cpus = nr;
    fake_now = 0;
    fake_arms = 0;
    fake_flushes = 0;
    fake_cpu = 0;
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
        fake_armed[cpu] = UINT64_MAX;
        fake_kicks[cpu] = 0;
        fake_cpu_info[cpu].softirq_pending = 0;
        fake_irqs_off[cpu] = false;
        cpu_apic_id[cpu] = 2 * cpu;
    }
}

uint64_t clock_now(void)
{
    return fake_now;
}

void clock_arm(uint64_t ns)
{
    fake_armed[fake_cpu] = ns;
    fake_arms++;
}

void smp_kick(unsigned cpu)
{
    fake_kicks[cpu]++;
}

uint32_t tlb_clock(void)
{
    return flush_clock;
}

void tlb_filter(struct cpumask *cpus, uint32_t stamp)
{
    if (flush_clock > stamp) {
        cpumask_zero(cpus);
    }
}

void tlb_flush_mask(const struct cpumask *cpus, uint64_t va)
{
    (void)cpus;
    (void)va;
    flush_clock++;
    fake_flushes++;
}
