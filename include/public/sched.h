// SPDX-License-Identifier: MIT
//
// Scheduling: the sub-operations of hypercall 29 and their arguments. Source: Xen's public
// sched.h, 4.17.

#pragma once

#include "event_channel.h"

#define SCHEDOP_yield           0
#define SCHEDOP_block           1    // unmasks events and sleeps, as one step
#define SCHEDOP_shutdown        2
#define SCHEDOP_poll            3
#define SCHEDOP_remote_shutdown 4
#define SCHEDOP_shutdown_code   5    // says what a later shutdown will mean
#define SCHEDOP_watchdog        6
#define SCHEDOP_pin_override    7

// Reasons of a shutdown.
#define SHUTDOWN_poweroff   0
#define SHUTDOWN_reboot     1
#define SHUTDOWN_suspend    2
#define SHUTDOWN_crash      3
#define SHUTDOWN_watchdog   4
#define SHUTDOWN_soft_reset 5
#define SHUTDOWN_MAX        5

#ifndef __ASSEMBLY__

struct sched_shutdown {
    uint32_t reason;         // SHUTDOWN_*
};

struct sched_poll {
    xen_guest_va_t ports;    // of evtchn_port_t
    uint32_t nr_ports;
    uint64_t timeout;        // system time in nanoseconds, 0 for never
};

struct sched_remote_shutdown {
    domid_t domain_id;
    uint32_t reason;         // SHUTDOWN_*
};

struct sched_watchdog {
    uint32_t id;             // 0: a new timer, whose number is returned
    uint32_t timeout;        // seconds, 0 stops it
};

struct sched_pin_override {
    int32_t pcpu;            // negative: undo
};

#endif
