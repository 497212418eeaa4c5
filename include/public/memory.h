// SPDX-License-Identifier: MIT
//
// Memory: the sub-operations of hypercall 12 and their arguments. Operations on lists return how
// many extents were done; the upper bits of the operation say where a continued one starts.
// Numbers of paging, access and sharing are here so that they can be refused by name.
// Source: Xen's public memory.h, 4.17.

#pragma once

#include "physdev.h"
#include "xen.h"

#define XENMEM_increase_reservation        0
#define XENMEM_decrease_reservation        1
#define XENMEM_maximum_ram_page            2    // returns the highest machine frame
#define XENMEM_current_reservation         3    // returns pages
#define XENMEM_maximum_reservation         4    // returns pages
#define XENMEM_machphys_mfn_list           5
#define XENMEM_populate_physmap            6
#define XENMEM_add_to_physmap              7
#define XENMEM_memory_map                  9    // E820 of the calling domain
#define XENMEM_machine_memory_map         10    // E820 of the host, dom0 only
#define XENMEM_exchange                   11
#define XENMEM_machphys_mapping           12
#define XENMEM_set_memory_map             13
#define XENMEM_maximum_gpfn               14
#define XENMEM_remove_from_physmap        15
#define XENMEM_set_pod_target             16
#define XENMEM_get_pod_target             17
#define XENMEM_get_sharing_freed_pages    18
#define XENMEM_get_sharing_shared_pages   19
#define XENMEM_paging_op                  20
#define XENMEM_access_op                  21
#define XENMEM_sharing_op                 22
#define XENMEM_add_to_physmap_batch       23
#define XENMEM_claim_pages                24
#define XENMEM_machphys_compat_mfn_list   25
#define XENMEM_get_vnumainfo              26
#define XENMEM_reserved_device_memory_map 27
#define XENMEM_acquire_resource           28

// xen_memory_reservation.mem_flags. Address bits in bits 0-7 (0: anywhere), node + 1 in bits 8-15.
#define XENMEMF_address_bits(x)     (x)
#define XENMEMF_get_address_bits(x) ((x) & 0xffu)
#define XENMEMF_node(x)             (((x) + 1) << 8)
#define XENMEMF_get_node(x)         ((((x) >> 8) - 1) & 0xffu)
#define XENMEMF_populate_on_demand  (1 << 16)
#define XENMEMF_exact_node_request  (1 << 17)
#define XENMEMF_exact_node(n)       (XENMEMF_node(n) | XENMEMF_exact_node_request)
#define XENMEMF_vnode               (1 << 18)

#define XENMAPSPACE_shared_info  0
#define XENMAPSPACE_grant_table  1
#define XENMAPSPACE_gmfn         2
#define XENMAPSPACE_gmfn_range   3
#define XENMAPSPACE_gmfn_foreign 4
#define XENMAPSPACE_dev_mmio     5

// In idx of XENMAPSPACE_grant_table: a status frame, not a frame of entries.
#define XENMAPIDX_grant_table_status 0x80000000

#define XENMEM_resource_ioreq_server                0
#define XENMEM_resource_grant_table                 1
#define XENMEM_resource_vmtrace_buf                 2
#define XENMEM_resource_grant_table_id_shared       0
#define XENMEM_resource_grant_table_id_status       1
#define XENMEM_resource_ioreq_server_frame_bufioreq 0
#define XENMEM_resource_ioreq_server_frame_ioreq(n) (1 + (n))

#define XENMEM_RDM_ALL 1

#ifndef __ASSEMBLY__

struct xen_memory_reservation {
    xen_guest_va_t extent_start;    // of xen_pfn_t
    xen_ulong_t nr_extents;
    uint32_t extent_order;          // an extent is 1 << order pages
    uint32_t mem_flags;             // XENMEMF_*
    domid_t domid;
};

// out's extents replace in's; both must name the same number of pages.
struct xen_memory_exchange {
    struct xen_memory_reservation in;
    struct xen_memory_reservation out;
    xen_ulong_t nr_exchanged;       // in: 0; out: extents of `in` that are gone
};

// The argument of current_reservation, maximum_reservation and maximum_gpfn.
struct xen_memory_domain {
    domid_t domid;
};

// Frames of the machine-to-physical table, one for each 2 MiB of it.
struct xen_machphys_mfn_list {
    uint32_t max_extents;
    xen_guest_va_t extent_start;    // of xen_pfn_t
    uint32_t nr_extents;            // out
};

struct xen_machphys_mapping {
    xen_ulong_t v_start;            // out: guest-virtual
    xen_ulong_t v_end;
    xen_ulong_t max_mfn;            // out: highest frame that the table may have to hold
};

struct xen_add_to_physmap {
    domid_t domid;
    uint16_t size;                  // pages, of gmfn_range only
    uint32_t space;                 // XENMAPSPACE_*
    xen_ulong_t idx;
    xen_pfn_t gpfn;
};

struct xen_add_to_physmap_batch {
    domid_t domid;
    uint16_t space;                 // XENMAPSPACE_*
    uint16_t size;                  // entries
    union {
        domid_t foreign_domid;      // of gmfn_foreign
        uint16_t res0;              // 0 otherwise
    } u;
    xen_guest_va_t idxs;            // of xen_ulong_t
    xen_guest_va_t gpfns;           // of xen_pfn_t
    xen_guest_va_t errs;            // of int32_t, out
};

struct xen_remove_from_physmap {
    domid_t domid;
    xen_pfn_t gpfn;
};

// Entries are the firmware's: 20 bytes, u64 start, u64 size, u32 type.
struct xen_memory_map {
    uint32_t nr_entries;            // in: room; out: filled
    xen_guest_va_t buffer;
};

struct xen_foreign_memory_map {
    domid_t domid;
    struct xen_memory_map map;
};

struct xen_pod_target {
    uint64_t target_pages;
    uint64_t tot_pages;             // out, as the two below
    uint64_t pod_cache_pages;
    uint64_t pod_entries;
    domid_t domid;
};

struct xen_reserved_device_memory {
    xen_pfn_t start_pfn;
    xen_ulong_t nr_pages;
};

struct xen_reserved_device_memory_map {
    uint32_t flags;                 // XENMEM_RDM_ALL: of every device, dev is ignored
    uint32_t nr_entries;            // in: room; out: needed, with ENOBUFS if there was less
    xen_guest_va_t buffer;          // of struct xen_reserved_device_memory
    union {
        struct physdev_pci_device pci;
    } dev;
};

struct xen_mem_acquire_resource {
    domid_t domid;
    uint16_t type;                  // XENMEM_resource_*
    uint32_t id;
    uint32_t nr_frames;             // 0: out, how many there are
    uint32_t pad;
    uint64_t frame;                 // first one wanted
    xen_guest_va_t frame_list;      // of xen_pfn_t
};

struct xen_vmemrange {
    uint64_t start;                 // guest-physical bytes
    uint64_t end;
    uint32_t flags;
    uint32_t nid;
};

struct xen_vnuma_topology_info {
    domid_t domid;
    uint16_t pad;
    uint32_t nr_vnodes;             // in: room; out: there are, with ENOBUFS if there was less
    uint32_t nr_vcpus;
    uint32_t nr_vmemranges;
    union {
        xen_guest_va_t h;           // of uint32_t
        uint64_t pad;
    } vdistance;
    union {
        xen_guest_va_t h;           // of uint32_t
        uint64_t pad;
    } vcpu_to_vnode;
    union {
        xen_guest_va_t h;           // of struct xen_vmemrange
        uint64_t pad;
    } vmemrange;
};

#endif
