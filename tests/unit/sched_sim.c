// SPDX-License-Identifier: MIT
// See sched_sim.h. Stands in for the context switch, for event channels and for the parts of a vCPU
// that have nothing to do with scheduling.
#include "sched_sim.h"

#include <stdlib.h>
#include <string.h>

#include "core/softirq.h"
#include "cpu/smp.h"
#include "cpu/upcall.h"
#include "fake_time.h"

#define MAX_SIM_DOMAINS 1024

unsigned sim_switches;
unsigned sim_errors;

static struct domain *domains[MAX_SIM_DOMAINS];
static unsigned nr_domains;

struct vcpu_info dummy_vcpu_info;

bool evtchn_vcpu_pending(const struct vcpu *v)
{
    return v->vcpu_info->evtchn_upcall_pending;
}

void domain_cpu_init(unsigned cpu)
{
    (void)cpu;
}

void domain_note_stopped(struct domain *d)
{
    (void)d;
}

static struct sim_vcpu *sim_of(struct vcpu *v)
{
    return (struct sim_vcpu *)v;
}

void context_switch(struct vcpu *prev, struct vcpu *next)
{
    sim_switches++;
    sim_errors += fake_current[fake_cpu] != prev || !fake_irqs_off[fake_cpu];
    for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
        sim_errors += fake_current[cpu] == next;
    }
    fake_current[fake_cpu] = next;
    sched_switched(prev);
    if (next->is_idle) {
        return;
    }
    struct sim_vcpu *s = sim_of(next);
    s->ran_outside |= !cpumask_test(&next->sched.hard_affinity, fake_cpu);
    if (s->woken_ns != UINT64_MAX && fake_now - s->woken_ns > s->worst_wait_ns) {
        s->worst_wait_ns = fake_now - s->woken_ns;
    }
    if (fake_now - s->last_ran_ns > s->worst_gap_ns) {
        s->worst_gap_ns = fake_now - s->last_ran_ns;
    }
    s->woken_ns = UINT64_MAX;
}

void sim_reset(unsigned cpus)
{
    fake_time_reset(cpus);
    for (unsigned i = 0; i < nr_domains; i++) {
        for (unsigned j = 0; j < domains[i]->max_vcpus; j++) {
            free(domains[i]->vcpu[j]);
        }
        free(domains[i]);
    }
    nr_domains = 0;
    sim_switches = 0;
    sim_errors = 0;
    cpumask_zero(&crowded_cpus);
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        fake_cpu = cpu;
        sched_cpu_init(cpu);
        fake_current[cpu] = idle_vcpu[cpu];
    }
    fake_cpu = 0;
}

unsigned sim_domain(unsigned vcpus, uint32_t weight, uint32_t cap, uint64_t burst_ns, uint64_t sleep_ns)
{
    struct domain *d = calloc(1, sizeof(*d));

    d->id = nr_domains;
    d->max_vcpus = vcpus;
    sched_domain_init(d);
    (void)sched_set_weight_cap(d, weight, cap);
    for (unsigned i = 0; i < vcpus; i++) {
        struct sim_vcpu *s = calloc(1, sizeof(*s));
        s->v.id = i;
        s->v.domain = d;
        s->v.vcpu_info = &dummy_vcpu_info;
        s->v.pause_flags = VPF_DOWN;
        s->burst_ns = burst_ns;
        s->burst_left_ns = burst_ns;
        s->sleep_ns = sleep_ns;
        s->wake_at_ns = UINT64_MAX;
        s->woken_ns = UINT64_MAX;
        s->last_ran_ns = fake_now;
        d->vcpu[i] = &s->v;
        sched_vcpu_init(&s->v);
    }
    domains[nr_domains] = d;
    for (unsigned i = 0; i < vcpus; i++) {
        d->vcpu[i]->pause_flags = 0;
        sched_wake(d->vcpu[i]);
    }
    return nr_domains++;
}

struct domain *sim_get(unsigned domain)
{
    return domains[domain];
}

struct sim_vcpu *sim_vcpu(unsigned domain, unsigned vcpu)
{
    return sim_of(domains[domain]->vcpu[vcpu]);
}

void sim_settle(void)
{
    unsigned before = fake_cpu;
    bool again = true;

    while (again) {
        again = false;
        for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
            fake_cpu = cpu;
            if (fake_armed[cpu] <= fake_now) {
                fake_armed[cpu] = UINT64_MAX;
                upcall_timer_interrupt();
            }
            if (softirq_pending()) {
                softirq_run();
                again = true;
            }
        }
    }
    fake_cpu = before;
}

// The next moment at which anything can happen, at most `limit`.
static uint64_t next_moment(uint64_t limit)
{
    for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
        struct vcpu *v = fake_current[cpu];
        if (fake_armed[cpu] < limit) {
            limit = fake_armed[cpu];
        }
        if (!v->is_idle && sim_of(v)->burst_left_ns < limit - fake_now) {
            limit = fake_now + sim_of(v)->burst_left_ns;
        }
    }
    for (unsigned i = 0; i < nr_domains; i++) {
        for (unsigned j = 0; j < domains[i]->max_vcpus; j++) {
            if (sim_vcpu(i, j)->wake_at_ns < limit) {
                limit = sim_vcpu(i, j)->wake_at_ns;
            }
        }
    }
    return limit;
}

static void compute(uint64_t ns)
{
    for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
        struct vcpu *v = fake_current[cpu];
        if (v->is_idle) {
            continue;
        }
        struct sim_vcpu *s = sim_of(v);
        sim_errors += v->pause_flags != 0;
        s->used_ns += ns;
        s->last_ran_ns = fake_now;
        if (s->burst_left_ns != SIM_FOREVER) {
            s->burst_left_ns -= ns;
        }
    }
}

// Who has computed enough sleeps or yields; who has slept enough wakes, on the CPU it slept on.
static void behave(void)
{
    for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
        struct vcpu *v = fake_current[cpu];
        fake_cpu = cpu;
        if (v->is_idle || sim_of(v)->burst_left_ns) {
            continue;
        }
        sim_of(v)->burst_left_ns = sim_of(v)->burst_ns;
        if (sim_of(v)->yields) {
            sched_yield();
        } else {
            sim_of(v)->wake_at_ns = fake_now + sim_of(v)->sleep_ns;
            sched_block();
        }
    }
    for (unsigned i = 0; i < nr_domains; i++) {
        for (unsigned j = 0; j < domains[i]->max_vcpus; j++) {
            struct sim_vcpu *s = sim_vcpu(i, j);
            if (s->wake_at_ns <= fake_now) {
                s->wake_at_ns = UINT64_MAX;
                s->woken_ns = fake_now;
                s->v.pause_flags &= ~VPF_BLOCKED;
                sched_wake(&s->v);
            }
        }
    }
    fake_cpu = 0;
}

void sim_run(uint64_t ns)
{
    uint64_t end = fake_now + ns;

    sim_settle();
    while (fake_now < end) {
        uint64_t next = next_moment(end);
        uint64_t step = next > fake_now ? next - fake_now : 0;
        fake_now += step;
        compute(step);
        behave();
        sim_settle();
    }
}

uint64_t sim_used(unsigned domain)
{
    uint64_t used = 0;

    for (unsigned i = 0; i < domains[domain]->max_vcpus; i++) {
        used += sim_vcpu(domain, i)->used_ns;
    }
    return used;
}

void sim_pin(unsigned domain, unsigned vcpu, unsigned cpu)
{
    struct cpumask only, all;

    cpumask_zero(&only);
    cpumask_set(&only, cpu);
    cpumask_fill(&all, MAX_CPUS);
    (void)sched_set_affinity(&sim_vcpu(domain, vcpu)->v, &only, &all);
}
