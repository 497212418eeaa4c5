// SPDX-License-Identifier: MIT
//
// The block device's requests and responses, 64-bit layout. What is negotiated in the store stands
// in pv-drivers/README.md. A sector here is 512 bytes. Source: Xen's public io/blkif.h.

#pragma once

#include "../grant_table.h"
#include "ring.h"

#define BLKIF_OP_READ            0
#define BLKIF_OP_WRITE           1
#define BLKIF_OP_WRITE_BARRIER   2    // after all earlier writes, before all later ones, durable
#define BLKIF_OP_FLUSH_DISKCACHE 3    // what was written is durable when this is answered
#define BLKIF_OP_RESERVED_1      4
#define BLKIF_OP_DISCARD         5
#define BLKIF_OP_INDIRECT        6    // a read or write whose segments lie in pages of their own

#define BLKIF_MAX_SEGMENTS_PER_REQUEST       11
#define BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST 8

// blkif_request_discard.flag: what was there must not be recoverable.
#define BLKIF_DISCARD_SECURE (1 << 0)

#define BLKIF_RSP_EOPNOTSUPP -2
#define BLKIF_RSP_ERROR      -1
#define BLKIF_RSP_OKAY       0

// The node "info".
#define VDISK_CDROM     0x1
#define VDISK_REMOVABLE 0x2
#define VDISK_READONLY  0x4

#ifndef __ASSEMBLY__

typedef uint16_t blkif_vdev_t;
typedef uint64_t blkif_sector_t;

// Sectors first_sect to last_sect, both included, of the page that gref grants.
struct blkif_request_segment {
    grant_ref_t gref;
    uint8_t first_sect, last_sect;
};

struct blkif_request {
    uint8_t operation;      // BLKIF_OP_*
    uint8_t nr_segments;
    blkif_vdev_t handle;
    uint64_t id;            // the frontend's, returned with the response
    blkif_sector_t sector_number;
    struct blkif_request_segment seg[BLKIF_MAX_SEGMENTS_PER_REQUEST];
};

struct blkif_request_discard {
    uint8_t operation;      // BLKIF_OP_DISCARD
    uint8_t flag;           // BLKIF_DISCARD_*
    blkif_vdev_t handle;
    uint64_t id;
    blkif_sector_t sector_number;
    uint64_t nr_sectors;
};

struct blkif_request_indirect {
    uint8_t operation;      // BLKIF_OP_INDIRECT
    uint8_t indirect_op;    // BLKIF_OP_READ or BLKIF_OP_WRITE
    uint16_t nr_segments;
    uint64_t id;
    blkif_sector_t sector_number;
    blkif_vdev_t handle;
    grant_ref_t indirect_grefs[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
};

struct blkif_response {
    uint64_t id;
    uint8_t operation;      // the request's
    int16_t status;         // BLKIF_RSP_*
};

union blkif_sring_entry {
    struct blkif_request req;
    struct blkif_response rsp;
};

struct blkif_sring {
    RING_IDX req_prod, req_event;
    RING_IDX rsp_prod, rsp_event;
    union {
        uint8_t pvt_pad[4];
    } pvt;
    uint8_t __pad[44];
    union blkif_sring_entry ring[1];
};

#endif
