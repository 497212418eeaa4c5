// SPDX-License-Identifier: MIT
// The order of all locks, outermost first: whoever holds a lock of one class may wait only for
// locks of classes further down. Debug builds check it at every acquire, also for locks that
// interrupts take on top. A new lock gets its class here, in the place that its callers need.
#pragma once

enum lock_class {
    LOCK_DOMCTL,        // the toolstack's operations on domains, one at a time
    LOCK_DOMAIN_LIST,   // creation, destruction and look-up of domains
    LOCK_DOMAIN_CONTROL, // one domain: serialises control operations
    LOCK_PAGE_TABLES,   // one domain: its page-table updates
    LOCK_GRANT_TABLE,   // one domain: grant entries and active mappings
    LOCK_GRANT_MAPS,    // one domain: what it has mapped of others
    LOCK_EVENT_CHANNEL, // one domain: its ports
    LOCK_PIRQ,          // one domain: its physical interrupts
    LOCK_VCPU,          // one vCPU: its state of life, timers of its own
    LOCK_DOMAIN_PAGES,  // one domain: list of its frames and their number
    LOCK_CLAIMS,        // free memory that is promised to domains
    LOCK_HYPERVISOR_MAP, // the hypervisor's own page tables
    LOCK_PAGE_ALLOC,    // free frames
    LOCK_EVENT_PORT,    // one port: its binding, as senders in any context see it
    LOCK_EVENT_QUEUE,   // one domain: its FIFO queues of pending ports
    LOCK_SCHED,         // one CPU: its run queue
    LOCK_TIMER,         // one CPU: its timers
    LOCK_IRQ,           // interrupt descriptors and controllers
    LOCK_CLOCK,         // time base and wallclock
    LOCK_SMP_CALL,      // calls to other CPUs, TLB shootdown
    LOCK_VECTOR,        // which interrupt vectors are taken
    LOCK_DEVICE,        // PCI configuration ports, RTC, interrupt-controller registers
    LOCK_CONSOLE,       // the log and its devices
    NR_LOCK_CLASSES,
};
