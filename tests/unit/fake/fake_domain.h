// SPDX-License-Identifier: MIT
// Domains without core/domain.c, for tests of what a domain has: event channels, grant tables. Guest
// memory is the test's own; addresses below FAKE_BAD_ADDRESS fault, writes to FAKE_READ_ONLY too.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/domain.h"

#define FAKE_DOMAINS 4u
#define FAKE_BAD_ADDRESS 0x10000u

extern struct domain *fake_domains[FAKE_DOMAINS]; // ids 0 .. 3; 0 is the control domain
extern unsigned fake_kicked;                      // calls of vcpu_kick()
extern struct vcpu *fake_last_kicked;
extern bool fake_preempt;                         // preempt_wanted()
extern int fake_heap_left;                        // allocations until one fails; negative: never
extern unsigned fake_heap_objects;
extern unsigned fake_tlb_flushes;
extern void *fake_read_only;                      // a guest address that can be read only
extern int fake_pirq_result;                      // of pirq_bind()
extern unsigned fake_pirqs_bound;
extern int fake_map_result;                       // of guest_grant_leaf() that maps
extern unsigned fake_leaves;                      // grant leaves that exist

// All domains anew, with vCPUs that are up, four each; domain 0's first one is current. Neither event
// channels nor grant tables are made.
void fake_domains_create(void);
void fake_domains_destroy(void);

// Let `v` make the hypercalls from now on.
void fake_become(struct domain *d, unsigned vcpu);

// A frame of d's, of which d alone knows; its contents. Freed with the domains.
void *fake_frame(struct domain *d, uint64_t *number);
// Every frame has the one reference of being allocated, and no type.
bool fake_frames_are_quiet(void);
