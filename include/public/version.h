// SPDX-License-Identifier: MIT
//
// What the hypervisor says about itself: the sub-operations of hypercall 17 and the buffers they
// fill. Strings end with a zero byte. Source: Xen's public version.h, 4.17.

#pragma once

#include "features.h"
#include "xen.h"

#define XENVER_version             0    // returns major << 16 | minor
#define XENVER_extraversion        1    // xen_extraversion_t
#define XENVER_compile_info        2
#define XENVER_capabilities        3    // xen_capabilities_info_t
#define XENVER_changeset           4    // xen_changeset_info_t
#define XENVER_platform_parameters 5
#define XENVER_get_features        6
#define XENVER_pagesize            7    // returns bytes
#define XENVER_guest_handle        8    // xen_domain_handle_t
#define XENVER_commandline         9    // xen_commandline_t
#define XENVER_build_id           10    // with no buffer: returns the length

#define XEN_EXTRAVERSION_LEN      16
#define XEN_CAPABILITIES_INFO_LEN 1024
#define XEN_CHANGESET_INFO_LEN    64

#ifndef __ASSEMBLY__

typedef char xen_extraversion_t[XEN_EXTRAVERSION_LEN];
typedef char xen_capabilities_info_t[XEN_CAPABILITIES_INFO_LEN];
typedef char xen_changeset_info_t[XEN_CHANGESET_INFO_LEN];
typedef char xen_commandline_t[1024];

struct xen_compile_info {
    char compiler[64];
    char compile_by[16];
    char compile_domain[32];
    char compile_date[32];
};

struct xen_platform_parameters {
    xen_ulong_t virt_start;    // where the hypervisor's part of the address space begins
};

struct xen_feature_info {
    uint32_t submap_idx;       // in: which word
    uint32_t submap;           // out: one bit for each XENFEAT_*
};

struct xen_build_id {
    uint32_t len;              // in: bytes of room in buf
    uint8_t buf[];
};

#endif
