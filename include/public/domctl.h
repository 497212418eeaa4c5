// SPDX-License-Identifier: MIT
//
// Domains as a toolstack manages them: hypercall 36. Its only argument is struct xen_domctl, which
// must carry XEN_DOMCTL_INTERFACE_VERSION. Here is what we have of it. Source: Xen's public domctl.h,
// 4.17.

#pragma once

#include "xen.h"

#define XEN_DOMCTL_INTERFACE_VERSION 0x00000015

#define XEN_DOMCTL_createdomain         1
#define XEN_DOMCTL_destroydomain        2
#define XEN_DOMCTL_pausedomain          3
#define XEN_DOMCTL_unpausedomain        4
#define XEN_DOMCTL_getdomaininfo        5
#define XEN_DOMCTL_setvcpuaffinity      9
#define XEN_DOMCTL_max_mem             11
#define XEN_DOMCTL_setvcpucontext      12
#define XEN_DOMCTL_getvcpucontext      13
#define XEN_DOMCTL_getvcpuinfo         14
#define XEN_DOMCTL_max_vcpus           15
#define XEN_DOMCTL_scheduler_op        16
#define XEN_DOMCTL_setdomainhandle     17
#define XEN_DOMCTL_hypercall_init      22
#define XEN_DOMCTL_settimeoffset       24
#define XEN_DOMCTL_getvcpuaffinity     25
#define XEN_DOMCTL_resumedomain        27
#define XEN_DOMCTL_sendtrigger         28
#define XEN_DOMCTL_set_address_size    35
#define XEN_DOMCTL_get_address_size    36
#define XEN_DOMCTL_set_ext_vcpucontext 42
#define XEN_DOMCTL_get_ext_vcpucontext 43
#define XEN_DOMCTL_gettscinfo          59
#define XEN_DOMCTL_settscinfo          60
#define XEN_DOMCTL_getpageframeinfo3   61
#define XEN_DOMCTL_setvcpuextstate     62
#define XEN_DOMCTL_getvcpuextstate     63
#define XEN_DOMCTL_setnodeaffinity     68
#define XEN_DOMCTL_getnodeaffinity     69
#define XEN_DOMCTL_get_vcpu_msrs       72
#define XEN_DOMCTL_set_vcpu_msrs       73
#define XEN_DOMCTL_get_cpu_policy      82
#define XEN_DOMCTL_set_cpu_policy      83

// xen_domctl_createdomain.flags
#define XEN_DOMCTL_CDF_hvm          0x01
#define XEN_DOMCTL_CDF_hap          0x02
#define XEN_DOMCTL_CDF_s3_integrity 0x04
#define XEN_DOMCTL_CDF_oos_off      0x08
#define XEN_DOMCTL_CDF_xs_domain    0x10
#define XEN_DOMCTL_CDF_iommu        0x20
#define XEN_DOMCTL_CDF_nested_virt  0x40
#define XEN_DOMCTL_CDF_vpmu         0x80

// xen_domctl_createdomain.grant_opts
#define XEN_DOMCTL_GRANT_version_mask 0xf

// xen_domctl_getdomaininfo.flags; the shutdown code stands in bits 16-23
#define XEN_DOMINF_dying         0x001
#define XEN_DOMINF_hvm_guest     0x002
#define XEN_DOMINF_shutdown      0x004
#define XEN_DOMINF_paused        0x008
#define XEN_DOMINF_blocked       0x010
#define XEN_DOMINF_running       0x020
#define XEN_DOMINF_debugged      0x040
#define XEN_DOMINF_xs_domain     0x080
#define XEN_DOMINF_hap           0x100
#define XEN_DOMINF_shutdownmask  255
#define XEN_DOMINF_shutdownshift 16

// What getpageframeinfo3 tells of a frame
#define XEN_DOMCTL_PFINFO_NOTAB  0x00000000
#define XEN_DOMCTL_PFINFO_L1TAB  0x10000000
#define XEN_DOMCTL_PFINFO_L2TAB  0x20000000
#define XEN_DOMCTL_PFINFO_L3TAB  0x30000000
#define XEN_DOMCTL_PFINFO_L4TAB  0x40000000
#define XEN_DOMCTL_PFINFO_LPINTAB 0x80000000
#define XEN_DOMCTL_PFINFO_XTAB   0xf0000000    // no frame of the domain

#define XEN_VCPUAFFINITY_HARD  1
#define XEN_VCPUAFFINITY_SOFT  2
#define XEN_VCPUAFFINITY_FORCE 4

#define XEN_SCHEDULER_CREDIT2 6

#define XEN_DOMCTL_SCHEDOP_putinfo     0
#define XEN_DOMCTL_SCHEDOP_getinfo     1

#define XEN_DOMCTL_SENDTRIGGER_NMI 0

#ifndef __ASSEMBLY__

// xen_domctl.domain is 0 or no domain's id: one is chosen, and returned there.
struct xen_domctl_createdomain {
    uint32_t ssidref;
    xen_domain_handle_t handle;
    uint32_t flags;                 // XEN_DOMCTL_CDF_*
    uint32_t iommu_opts;
    uint32_t max_vcpus;
    uint32_t max_evtchn_port;
    int32_t max_grant_frames;       // these two: negative is the default
    int32_t max_maptrack_frames;
    uint32_t grant_opts;            // highest version of grant tables
    uint32_t vmtrace_size;
    uint32_t cpupool_id;
    struct xen_arch_domainconfig arch;
};

// Of the domain asked for, or of the next one that there is.
struct xen_domctl_getdomaininfo {
    domid_t domain;
    uint16_t pad1;
    uint32_t flags;                 // XEN_DOMINF_*
    uint64_t tot_pages;
    uint64_t max_pages;
    uint64_t outstanding_pages;     // claimed and not there yet
    uint64_t shr_pages;
    uint64_t paged_pages;
    uint64_t shared_info_frame;
    uint64_t cpu_time;              // ns
    uint32_t nr_online_vcpus;
    uint32_t max_vcpu_id;
    uint32_t ssidref;
    xen_domain_handle_t handle;
    uint32_t cpupool;
    uint8_t gpaddr_bits;
    uint8_t pad2[7];
    struct xen_arch_domainconfig arch_config;
};

// In: frame numbers; out: XEN_DOMCTL_PFINFO_*. Both members change when the call is continued.
struct xen_domctl_getpageframeinfo3 {
    uint64_t num;
    xen_guest_va_t array;           // of xen_pfn_t
};

struct xen_domctl_max_mem {
    uint64_t max_memkb;
};

struct xen_domctl_vcpucontext {
    uint32_t vcpu;
    xen_guest_va_t ctxt;            // struct vcpu_guest_context
};

struct xen_domctl_getvcpuinfo {
    uint32_t vcpu;
    uint8_t online;                 // out, as all below
    uint8_t blocked;
    uint8_t running;
    uint64_t cpu_time;              // ns
    uint32_t cpu;
};

struct xen_domctl_nodeaffinity {
    struct xenctl_bitmap nodemap;
};

// set: out is what has effect, of which online CPUs alone count. get: what was set.
struct xen_domctl_vcpuaffinity {
    uint32_t vcpu;
    uint32_t flags;                 // XEN_VCPUAFFINITY_*
    struct xenctl_bitmap cpumap_hard;
    struct xenctl_bitmap cpumap_soft;
};

struct xen_domctl_max_vcpus {
    uint32_t max;                   // as given to createdomain
};

struct xen_domctl_sched_credit2 {
    uint16_t weight;
    uint16_t cap;                   // per cent of a CPU; 0: none
};

struct xen_domctl_scheduler_op {
    uint32_t sched_id;              // XEN_SCHEDULER_*
    uint32_t cmd;                   // XEN_DOMCTL_SCHEDOP_*
    union {
        struct xen_domctl_sched_credit2 credit2;
        struct {
            xen_guest_va_t vcpus;
            uint32_t nr_vcpus;
            uint32_t padding;
        } v;
    } u;
};

struct xen_domctl_setdomainhandle {
    xen_domain_handle_t handle;
};

struct xen_domctl_hypercall_init {
    uint64_t gmfn;
};

struct xen_domctl_settimeoffset {
    int64_t time_offset_seconds;
};

struct xen_domctl_address_size {
    uint32_t size;                  // bits
};

struct xen_domctl_sendtrigger {
    uint32_t trigger;               // XEN_DOMCTL_SENDTRIGGER_*
    uint32_t vcpu;
};

// Machine checks as a guest sees them.
struct hvm_vmce_vcpu {
    uint64_t caps;
    uint64_t mci_ctl2_bank0;
    uint64_t mci_ctl2_bank1;
    uint64_t mcg_ext_ctl;
};

struct xen_domctl_ext_vcpucontext {
    uint32_t vcpu;
    uint32_t size;                  // of this struct
    uint64_t syscall32_callback_eip;
    uint64_t sysenter_callback_eip;
    uint16_t syscall32_callback_cs;
    uint16_t sysenter_callback_cs;
    uint8_t syscall32_disables_events;
    uint8_t sysenter_disables_events;
    struct hvm_vmce_vcpu vmce;
};

// err_*: which entry set_cpu_policy did not like.
struct xen_domctl_cpu_policy {
    uint32_t nr_leaves;             // in: room; out: written
    uint32_t nr_msrs;
    xen_guest_va_t leaves;          // of struct xen_cpuid_leaf
    xen_guest_va_t msrs;            // of struct xen_msr_entry
    uint32_t err_leaf;
    uint32_t err_subleaf;
    uint32_t err_msr;
};

struct xen_domctl_tsc_info {
    uint32_t tsc_mode;
    uint32_t gtsc_khz;
    uint32_t incarnation;
    uint32_t pad;
    uint64_t elapsed_nsec;
};

struct xen_domctl_vcpuextstate {
    uint32_t vcpu;
    uint64_t xfeature_mask;
    uint64_t size;                  // get: 0 asks for it
    xen_guest_va_t buffer;          // XCR0, XCR0 ever, then the XSAVE area
};

struct xen_domctl_vcpu_msr {
    uint32_t index;
    uint32_t reserved;
    uint64_t value;
};

struct xen_domctl_vcpu_msrs {
    uint32_t vcpu;
    uint32_t msr_count;             // in: room; out: written, or what there may be at most
    xen_guest_va_t msrs;            // of struct xen_domctl_vcpu_msr
};

struct xen_domctl {
    uint32_t cmd;                   // XEN_DOMCTL_*
    uint32_t interface_version;
    domid_t domain;
    uint16_t _pad[3];
    union {
        struct xen_domctl_createdomain createdomain;
        struct xen_domctl_getdomaininfo getdomaininfo;
        struct xen_domctl_getpageframeinfo3 getpageframeinfo3;
        struct xen_domctl_nodeaffinity nodeaffinity;
        struct xen_domctl_vcpuaffinity vcpuaffinity;
        struct xen_domctl_max_mem max_mem;
        struct xen_domctl_vcpucontext vcpucontext;
        struct xen_domctl_getvcpuinfo getvcpuinfo;
        struct xen_domctl_max_vcpus max_vcpus;
        struct xen_domctl_scheduler_op scheduler_op;
        struct xen_domctl_setdomainhandle setdomainhandle;
        struct xen_domctl_hypercall_init hypercall_init;
        struct xen_domctl_settimeoffset settimeoffset;
        struct xen_domctl_tsc_info tsc_info;
        struct xen_domctl_address_size address_size;
        struct xen_domctl_sendtrigger sendtrigger;
        struct xen_domctl_ext_vcpucontext ext_vcpucontext;
        struct xen_domctl_cpu_policy cpu_policy;
        struct xen_domctl_vcpuextstate vcpuextstate;
        struct xen_domctl_vcpu_msrs vcpu_msrs;
        uint8_t pad[128];
    } u;
};

#endif
