// SPDX-License-Identifier: MIT
//
// vCPUs: the sub-operations of hypercall 24 (operation, vCPU number, argument) and their
// arguments. Times are system time in nanoseconds. Source: Xen's public vcpu.h, 4.17.

#pragma once

#include "xen.h"

#define VCPUOP_initialise                     0    // struct vcpu_guest_context; EEXIST if done
#define VCPUOP_up                             1
#define VCPUOP_down                           2
#define VCPUOP_is_up                          3    // returns 1 or 0
#define VCPUOP_get_runstate_info              4
#define VCPUOP_register_runstate_memory_area  5
#define VCPUOP_set_periodic_timer             6
#define VCPUOP_stop_periodic_timer            7
#define VCPUOP_set_singleshot_timer           8
#define VCPUOP_stop_singleshot_timer          9
#define VCPUOP_register_vcpu_info            10    // once for each vCPU
#define VCPUOP_send_nmi                      11
#define VCPUOP_get_physid                    12
#define VCPUOP_register_vcpu_time_memory_area 13

#define RUNSTATE_running  0
#define RUNSTATE_runnable 1
#define RUNSTATE_blocked  2
#define RUNSTATE_offline  3

// In state_entry_time, while the area is being written: VMASST_TYPE_runstate_update_flag.
#define XEN_RUNSTATE_UPDATE (xen_mk_ullong(1) << 63)

// vcpu_set_singleshot_timer.flags: a time that has passed is refused with ETIME.
#define _VCPU_SSHOTTMR_future 0
#define VCPU_SSHOTTMR_future  (xen_mk_uint(1) << _VCPU_SSHOTTMR_future)

#ifndef __ASSEMBLY__

struct vcpu_runstate_info {
    int32_t state;                // RUNSTATE_*
    uint64_t state_entry_time;
    uint64_t time[4];             // spent in each state
};

struct vcpu_register_runstate_memory_area {
    union {
        xen_guest_va_t h;
        xen_guest_va_t v;
        uint64_t p;
    } addr;
};

struct vcpu_set_periodic_timer {
    uint64_t period_ns;
};

struct vcpu_set_singleshot_timer {
    uint64_t timeout_abs_ns;
    uint32_t flags;
};

struct vcpu_register_vcpu_info {
    uint64_t mfn;
    uint32_t offset;              // bytes in that frame; vcpu_info must not cross its end
    uint32_t rsvd;
};

struct vcpu_get_physid {
    uint64_t phys_id;             // APIC ID below, ACPI ID above bit 32
};

#define xen_vcpu_physid_to_x86_apicid(physid) ((uint32_t)(physid))
#define xen_vcpu_physid_to_x86_acpiid(physid) ((uint32_t)((physid) >> 32))

struct vcpu_register_time_memory_area {
    union {
        xen_guest_va_t h;
        xen_guest_va_t v;
        uint64_t p;
    } addr;
};

#endif
