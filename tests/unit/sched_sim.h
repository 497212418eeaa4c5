// SPDX-License-Identifier: MIT
// A machine made of run queues only: CPUs that switch between vCPUs in virtual time, and vCPUs that
// compute for a while, then sleep for a while. test_sched.c describes loads and looks at the result.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/domain.h"

#define SIM_MS UINT64_C(1000000)
#define SIM_FOREVER UINT64_MAX

struct sim_vcpu {
    struct vcpu v;
    uint64_t burst_ns;        // computes so long, SIM_FOREVER: always
    uint64_t sleep_ns;        // then sleeps so long
    bool yields;              // and yields instead of sleeping
    uint64_t burst_left_ns;
    uint64_t wake_at_ns;      // UINT64_MAX: awake
    uint64_t woken_ns;        // when it was last woken, UINT64_MAX: has run since
    uint64_t worst_wait_ns;   // from a wake-up to running
    uint64_t used_ns;         // measured by the simulation, not by the scheduler
    uint64_t last_ran_ns;
    uint64_t worst_gap_ns;    // longest time between two runs, for one that never sleeps
    bool ran_outside;         // on a CPU that its hard affinity forbids
};

extern unsigned sim_switches;
extern unsigned sim_errors;   // a vCPU on two CPUs, or one running that may not

// nr_cpus fresh CPUs, all idle; no vCPUs.
void sim_reset(unsigned cpus);
// A domain with vCPUs of one behaviour, all runnable at once. Returns its number.
unsigned sim_domain(unsigned vcpus, uint32_t weight, uint32_t cap, uint64_t burst_ns, uint64_t sleep_ns);
struct domain *sim_get(unsigned domain);
struct sim_vcpu *sim_vcpu(unsigned domain, unsigned vcpu);
void sim_run(uint64_t ns);
// Let the CPUs act on what is pending, without time passing.
void sim_settle(void);
uint64_t sim_used(unsigned domain);
void sim_pin(unsigned domain, unsigned vcpu, unsigned cpu);
