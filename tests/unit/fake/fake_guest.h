// SPDX-License-Identifier: MIT
// A type of guest without a guest, and what else core/domain.c and the hypercalls beside it need: event
// channels and grant tables that only count calls, a machine whose end is noticed, guest memory that is
// the test's own (addresses below FAKE_BAD_ADDRESS fault).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/domain.h"

#define FAKE_BAD_ADDRESS 0x10000u

struct fake_guest {
    int fail_after;               // allocations of the guest type until one fails; negative: never
    unsigned nr_domains, nr_vcpus;   // that exist
    unsigned virqs[NR_VIRQS];     // evtchn_send_virq()
    bool event_pending;           // evtchn_vcpu_pending()
    int poll_result;              // evtchn_poll_check()
    int initialise_result;
    unsigned initialises, nmis, time_updates, info_moves;
    unsigned halts, reboots;      // of the machine; both come back by longjmp, see fake_machine_ends()
    int data_references;          // get_data minus put_data
    bool data_refused;
    int restarts;                 // how often the next relinquish of a part asks to be called again
    unsigned relinquishes;        // of events, grants, guest state, frames
    unsigned m2p_cleared;         // frames whose pseudo-physical number was forgotten
    bool half_made_was_found;     // domain_get_by_id() gave a domain whose vCPUs were not all there
};
extern struct fake_guest fake_guest;

// A fresh machine: memory, CPUs with idle vCPUs, timers, softirqs, scheduler; no domain. Ends what an
// earlier test left.
void fake_guest_reset(unsigned cpus);

// Let all CPUs act on what is pending.
void fake_guest_settle(void);

// Move the clock, fire what is due.
void fake_guest_advance(uint64_t ns);

// Run what must end in machine_halt() or machine_reboot(); true if it did.
bool fake_machine_ends(void (*run)(void *argument), void *argument);
