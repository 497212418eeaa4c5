// SPDX-License-Identifier: MIT
//
// The machine as a toolstack sees it: hypercall 35. Its only argument is struct xen_sysctl, which must
// carry XEN_SYSCTL_INTERFACE_VERSION. Here is what we have of it. Source: Xen's public sysctl.h, 4.17.

#pragma once

#include "domctl.h"
#include "xen.h"

#define XEN_SYSCTL_INTERFACE_VERSION 0x00000015

#define XEN_SYSCTL_readconsole            1
#define XEN_SYSCTL_physinfo               3
#define XEN_SYSCTL_sched_id               4
#define XEN_SYSCTL_perfc_op               5
#define XEN_SYSCTL_getdomaininfolist      6
#define XEN_SYSCTL_debug_keys             7
#define XEN_SYSCTL_getcpuinfo             8
#define XEN_SYSCTL_availheap              9
#define XEN_SYSCTL_cputopoinfo           16
#define XEN_SYSCTL_numainfo              17
#define XEN_SYSCTL_cpupool_op            18
#define XEN_SYSCTL_scheduler_op          19
#define XEN_SYSCTL_pcitopoinfo           22
#define XEN_SYSCTL_get_cpu_levelling_caps 25
#define XEN_SYSCTL_get_cpu_featureset    26
#define XEN_SYSCTL_get_cpu_policy        29

#define XEN_INVALID_NODE_ID 0xffffffff    // nothing is known of where a device is

// xen_sysctl_physinfo.capabilities
#define XEN_SYSCTL_PHYSCAP_hvm       0x001
#define XEN_SYSCTL_PHYSCAP_pv        0x002
#define XEN_SYSCTL_PHYSCAP_directio  0x004
#define XEN_SYSCTL_PHYSCAP_hap       0x008
#define XEN_SYSCTL_PHYSCAP_shadow    0x010
#define XEN_SYSCTL_PHYSCAP_gnttab_v1 0x100
#define XEN_SYSCTL_PHYSCAP_gnttab_v2 0x200

#define XEN_SYSCTL_PERFCOP_reset 1
#define XEN_SYSCTL_PERFCOP_query 2

#define XEN_SYSCTL_CPUPOOL_OP_CREATE     1
#define XEN_SYSCTL_CPUPOOL_OP_DESTROY    2
#define XEN_SYSCTL_CPUPOOL_OP_INFO       3
#define XEN_SYSCTL_CPUPOOL_OP_ADDCPU     4
#define XEN_SYSCTL_CPUPOOL_OP_RMCPU      5
#define XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN 6
#define XEN_SYSCTL_CPUPOOL_OP_FREEINFO   7

#define XEN_SYSCTL_SCHEDOP_putinfo 0
#define XEN_SYSCTL_SCHEDOP_getinfo 1

// xen_sysctl_cpu_featureset.index
#define XEN_SYSCTL_cpu_featureset_raw     0
#define XEN_SYSCTL_cpu_featureset_host    1
#define XEN_SYSCTL_cpu_featureset_pv      2
#define XEN_SYSCTL_cpu_featureset_hvm     3
#define XEN_SYSCTL_cpu_featureset_pv_max  4
#define XEN_SYSCTL_cpu_featureset_hvm_max 5

// xen_sysctl_cpu_policy.index
#define XEN_SYSCTL_cpu_policy_raw         0
#define XEN_SYSCTL_cpu_policy_host        1
#define XEN_SYSCTL_cpu_policy_pv_max      2
#define XEN_SYSCTL_cpu_policy_hvm_max     3
#define XEN_SYSCTL_cpu_policy_pv_default  4
#define XEN_SYSCTL_cpu_policy_hvm_default 5

#ifndef __ASSEMBLY__

struct xen_sysctl_readconsole {
    uint8_t clear;                  // forget what was read
    uint8_t incremental;            // start at index
    uint8_t pad0;
    uint8_t pad1;
    uint32_t index;                 // out: where to go on
    xen_guest_va_t buffer;
    uint32_t count;                 // in: room; out: written
};

struct xen_sysctl_physinfo {
    uint32_t threads_per_core;
    uint32_t cores_per_socket;
    uint32_t nr_cpus;
    uint32_t max_cpu_id;
    uint32_t nr_nodes;
    uint32_t max_node_id;
    uint32_t cpu_khz;
    uint32_t capabilities;          // XEN_SYSCTL_PHYSCAP_*
    uint32_t arch_capabilities;
    uint32_t pad;
    uint64_t total_pages;
    uint64_t free_pages;
    uint64_t scrub_pages;
    uint64_t outstanding_pages;
    uint64_t max_mfn;
    uint32_t hw_cap[8];             // the first words of the featureset
};

struct xen_sysctl_sched_id {
    uint32_t sched_id;
};

struct xen_sysctl_getdomaininfolist {
    domid_t first_domain;
    uint32_t max_domains;
    xen_guest_va_t buffer;          // of struct xen_domctl_getdomaininfo
    uint32_t num_domains;
};

struct xen_sysctl_debug_keys {
    xen_guest_va_t keys;
    uint32_t nr_keys;
};

struct xen_sysctl_cpuinfo {
    uint64_t idletime;              // ns
};

struct xen_sysctl_getcpuinfo {
    uint32_t max_cpus;
    xen_guest_va_t info;            // of struct xen_sysctl_cpuinfo
    uint32_t nr_cpus;
};

struct xen_sysctl_availheap {
    uint32_t min_bitwidth;
    uint32_t max_bitwidth;
    int32_t node;
    uint64_t avail_bytes;
};

struct xen_sysctl_cputopo {
    uint32_t core;
    uint32_t socket;
    uint32_t node;
};

// Without an array these two tell how many there are.
struct xen_sysctl_cputopoinfo {
    uint32_t num_cpus;
    xen_guest_va_t cputopo;         // of struct xen_sysctl_cputopo
};

struct xen_sysctl_meminfo {
    uint64_t memsize;
    uint64_t memfree;
};

struct xen_sysctl_numainfo {
    uint32_t num_nodes;
    xen_guest_va_t meminfo;         // of struct xen_sysctl_meminfo
    xen_guest_va_t distance;        // of uint32_t
};

struct xen_sysctl_pcitopoinfo {
    uint32_t num_devs;
    xen_guest_va_t devs;            // of struct physdev_pci_device
    xen_guest_va_t nodes;           // of uint32_t
};

struct xen_sysctl_perfc_desc {
    char name[80];                  // of a counter, with its zero byte
    uint32_t nr_vals;               // values that the counter has
};

// Without arrays a query tells how long they must be, and a query with arrays writes just as much.
struct xen_sysctl_perfc_op {
    uint32_t cmd;                   // XEN_SYSCTL_PERFCOP_*
    uint32_t nr_counters;           // out
    uint32_t nr_vals;               // out: of all counters
    xen_guest_va_t desc;            // of struct xen_sysctl_perfc_desc
    xen_guest_va_t val;             // of uint32_t
};

struct xen_sysctl_cpupool_op {
    uint32_t op;                    // XEN_SYSCTL_CPUPOOL_OP_*
    uint32_t cpupool_id;
    uint32_t sched_id;
    uint32_t domid;
    uint32_t cpu;
    uint32_t n_dom;
    struct xenctl_bitmap cpumap;
};

struct xen_sysctl_credit_schedule {
    uint32_t tslice_ms;
    uint32_t ratelimit_us;
    uint32_t vcpu_migr_delay_us;
};

struct xen_sysctl_credit2_schedule {
    uint32_t ratelimit_us;
};

struct xen_sysctl_scheduler_op {
    uint32_t cpupool_id;
    uint32_t sched_id;
    uint32_t cmd;                   // XEN_SYSCTL_SCHEDOP_*
    union {
        struct {
            xen_guest_va_t schedule;
        } sched_arinc653;
        struct xen_sysctl_credit_schedule sched_credit;
        struct xen_sysctl_credit2_schedule sched_credit2;
    } u;
};

struct xen_sysctl_cpu_levelling_caps {
    uint32_t caps;
};

struct xen_sysctl_cpu_featureset {
    uint32_t index;                 // XEN_SYSCTL_cpu_featureset_*
    uint32_t nr_features;           // in: room; out: written, or all without an array
    xen_guest_va_t features;        // of uint32_t
};

struct xen_sysctl_cpu_policy {
    uint32_t index;                 // XEN_SYSCTL_cpu_policy_*
    uint32_t nr_leaves;             // in: room; out: written, or all without an array
    uint32_t nr_msrs;
    uint32_t _rsvd;
    xen_guest_va_t leaves;          // of struct xen_cpuid_leaf
    xen_guest_va_t msrs;            // of struct xen_msr_entry
};

struct xen_sysctl {
    uint32_t cmd;                   // XEN_SYSCTL_*
    uint32_t interface_version;
    union {
        struct xen_sysctl_readconsole readconsole;
        struct xen_sysctl_physinfo physinfo;
        struct xen_sysctl_cputopoinfo cputopoinfo;
        struct xen_sysctl_pcitopoinfo pcitopoinfo;
        struct xen_sysctl_numainfo numainfo;
        struct xen_sysctl_sched_id sched_id;
        struct xen_sysctl_perfc_op perfc_op;
        struct xen_sysctl_getdomaininfolist getdomaininfolist;
        struct xen_sysctl_debug_keys debug_keys;
        struct xen_sysctl_getcpuinfo getcpuinfo;
        struct xen_sysctl_availheap availheap;
        struct xen_sysctl_cpupool_op cpupool_op;
        struct xen_sysctl_scheduler_op scheduler_op;
        struct xen_sysctl_cpu_levelling_caps cpu_levelling_caps;
        struct xen_sysctl_cpu_featureset cpu_featureset;
        struct xen_sysctl_cpu_policy cpu_policy;
        uint8_t pad[128];
    } u;
};

#endif
