// SPDX-License-Identifier: MIT
//
// Grants: the entries that a guest writes into its table, the sub-operations of hypercall 20 and
// their arguments. Of version 2 only what refusing it by name needs. Operations on lists put a
// GNTST_* into each element's status. Source: Xen's public grant_table.h, 4.17.

#pragma once

#include "xen.h"

#define GNTTABOP_map_grant_ref      0
#define GNTTABOP_unmap_grant_ref    1
#define GNTTABOP_setup_table        2
#define GNTTABOP_dump_table         3
#define GNTTABOP_transfer           4
#define GNTTABOP_copy               5
#define GNTTABOP_query_size         6
#define GNTTABOP_unmap_and_replace  7
#define GNTTABOP_set_version        8
#define GNTTABOP_get_status_frames  9
#define GNTTABOP_get_version       10
#define GNTTABOP_swap_grant_ref    11
#define GNTTABOP_cache_flush       12

// Entries that the builder of a domain fills.
#define GNTTAB_NR_RESERVED_ENTRIES 8
#define GNTTAB_RESERVED_CONSOLE    0
#define GNTTAB_RESERVED_XENSTORE   1

// grant_entry_v1.flags: a type in bits 0-1, then what holds for that type.
#define GTF_invalid         0
#define GTF_permit_access   1
#define GTF_accept_transfer 2
#define GTF_transitive      3
#define GTF_type_mask       3

// Of permit_access. The hypervisor sets reading and writing while the page is mapped or copied.
#define _GTF_readonly 2
#define GTF_readonly  (1 << _GTF_readonly)
#define _GTF_reading  3
#define GTF_reading   (1 << _GTF_reading)
#define _GTF_writing  4
#define GTF_writing   (1 << _GTF_writing)
#define _GTF_PWT      5
#define GTF_PWT       (1 << _GTF_PWT)
#define _GTF_PCD      6
#define GTF_PCD       (1 << _GTF_PCD)
#define _GTF_PAT      7
#define GTF_PAT       (1 << _GTF_PAT)
#define _GTF_sub_page 8
#define GTF_sub_page  (1 << _GTF_sub_page)

// Of accept_transfer: the hypervisor has begun, and the new frame is in place.
#define _GTF_transfer_committed 2
#define GTF_transfer_committed  (1 << _GTF_transfer_committed)
#define _GTF_transfer_completed 3
#define GTF_transfer_completed  (1 << _GTF_transfer_completed)

// gnttab_map_grant_ref.flags
#define _GNTMAP_device_map      0    // wants dev_bus_addr
#define GNTMAP_device_map       (1 << _GNTMAP_device_map)
#define _GNTMAP_host_map        1    // wants a mapping at host_addr
#define GNTMAP_host_map         (1 << _GNTMAP_host_map)
#define _GNTMAP_readonly        2
#define GNTMAP_readonly         (1 << _GNTMAP_readonly)
#define _GNTMAP_application_map 3    // user mode may reach it
#define GNTMAP_application_map  (1 << _GNTMAP_application_map)
#define _GNTMAP_contains_pte    4    // host_addr is the machine address of a level 1 entry
#define GNTMAP_contains_pte     (1 << _GNTMAP_contains_pte)
#define _GNTMAP_guest_avail0    16   // copied to the entry's available bits
#define GNTMAP_guest_avail_mask (xen_mk_uint(0xffff) << _GNTMAP_guest_avail0)

// gnttab_copy.flags: source or destination is a grant, not a frame of domid.
#define _GNTCOPY_source_gref 0
#define GNTCOPY_source_gref  (1 << _GNTCOPY_source_gref)
#define _GNTCOPY_dest_gref   1
#define GNTCOPY_dest_gref    (1 << _GNTCOPY_dest_gref)

// gnttab_cache_flush.op
#define GNTTAB_CACHE_CLEAN       (xen_mk_uint(1) << 0)
#define GNTTAB_CACHE_INVAL       (xen_mk_uint(1) << 1)
#define GNTTAB_CACHE_SOURCE_GREF (xen_mk_uint(1) << 31)

#define GNTST_okay                0
#define GNTST_general_error     (-1)
#define GNTST_bad_domain        (-2)
#define GNTST_bad_gntref        (-3)
#define GNTST_bad_handle        (-4)
#define GNTST_bad_virt_addr     (-5)
#define GNTST_bad_dev_addr      (-6)
#define GNTST_no_device_space   (-7)
#define GNTST_permission_denied (-8)
#define GNTST_bad_page          (-9)
#define GNTST_bad_copy_arg      (-10)
#define GNTST_address_too_big   (-11)
#define GNTST_eagain            (-12)
#define GNTST_no_space          (-13)

#ifndef __ASSEMBLY__

typedef uint32_t grant_ref_t;       // index of an entry
typedef uint32_t grant_handle_t;    // names a mapping to the domain that has it

// Shared with the guest: flags change by compare-and-exchange, domid and frame stay put while
// the type is not invalid.
struct grant_entry_v1 {
    uint16_t flags;                 // GTF_*
    domid_t domid;                  // to whom
    uint32_t frame;
};

struct gnttab_map_grant_ref {
    uint64_t host_addr;
    uint32_t flags;                 // GNTMAP_*
    grant_ref_t ref;
    domid_t dom;                    // who granted
    int16_t status;                 // out
    grant_handle_t handle;          // out
    uint64_t dev_bus_addr;          // out: machine address
};

struct gnttab_unmap_grant_ref {
    uint64_t host_addr;             // 0: leave the mapping in place
    uint64_t dev_bus_addr;          // 0, or what the map gave
    grant_handle_t handle;
    int16_t status;                 // out
};

struct gnttab_setup_table {
    domid_t dom;
    uint32_t nr_frames;             // at least so many
    int16_t status;                 // out
    xen_guest_va_t frame_list;      // of xen_pfn_t, out
};

struct gnttab_dump_table {
    domid_t dom;
    int16_t status;                 // out
};

struct gnttab_transfer {
    xen_pfn_t mfn;
    domid_t domid;
    grant_ref_t ref;
    int16_t status;                 // out
};

struct gnttab_copy {
    struct gnttab_copy_ptr {
        union {
            grant_ref_t ref;
            xen_pfn_t gmfn;
        } u;
        domid_t domid;
        uint16_t offset;            // bytes; offset + len stays in the page
    } source, dest;
    uint16_t len;                   // bytes
    uint16_t flags;                 // GNTCOPY_*
    int16_t status;                 // out
};

struct gnttab_query_size {
    domid_t dom;
    uint32_t nr_frames;             // out
    uint32_t max_nr_frames;         // out
    int16_t status;                 // out
};

struct gnttab_unmap_and_replace {
    uint64_t host_addr;
    uint64_t new_addr;              // its entry moves to host_addr
    grant_handle_t handle;
    int16_t status;                 // out
};

struct gnttab_set_version {
    uint32_t version;               // in: wanted; out: in force
};

struct gnttab_get_status_frames {
    uint32_t nr_frames;
    domid_t dom;
    int16_t status;                 // out
    xen_guest_va_t frame_list;      // of uint64_t, out
};

struct gnttab_get_version {
    domid_t dom;
    uint16_t pad;
    uint32_t version;               // out
};

struct gnttab_swap_grant_ref {
    grant_ref_t ref_a;
    grant_ref_t ref_b;
    int16_t status;                 // out
};

struct gnttab_cache_flush {
    union {
        uint64_t dev_bus_addr;
        grant_ref_t ref;
    } a;
    uint16_t offset;
    uint16_t length;
    uint32_t op;                    // GNTTAB_CACHE_*
};

#endif
