// SPDX-License-Identifier: MIT
//
// The front end of a disk, freestanding: os.h below it, xenbus beside it. It trusts its back end no
// further than that it may destroy the data: responses are checked, buffers are its own.
//
// Each request has pages of its own that are copied from and to the caller's buffer. With persistent
// grants they are granted once, otherwise for each request. Requests that were not answered when the
// back end started over are sent again.
//
// Threads: one per queue for submit, kick and poll; the handshake (xenbus_run() on its bus) while no queue is
// used.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bus/front.h"
#include "public/io/blkif.h"

#define BLK_FRONT_MAX_QUEUES 4u
#define BLK_FRONT_MAX_REQUESTS 64u      // in flight on one queue
#define BLK_FRONT_MAX_SEGMENTS 256u     // pages of one request

struct blk_front_io {
    uint8_t operation;                  // BLKIF_OP_*, but not INDIRECT
    bool is_secure;                     // of a discard
    uint64_t sector;
    uint64_t nr_sectors;
    void *data;                         // nr_sectors x 512 bytes; not of a discard
    void (*done)(struct blk_front_io *io, int status);    // BLKIF_RSP_*
};

struct blk_front_slot {
    struct blk_front_io *io;            // NULL: free
    struct front_pages pages;           // max_segments of them, then one for the indirect list
};

struct blk_front_queue {
    struct front_ring ring;
    bool has_port;
    bool is_broken;                     // the back end broke the protocol: nothing goes on
    struct blk_front_slot slots[BLK_FRONT_MAX_REQUESTS];
};

// What is wanted; the back end's limits cut it.
struct blk_front_config {
    unsigned nr_queues, ring_order, nr_requests, max_segments;
    bool is_persistent;
};

struct blk_front {
    struct xenbus_device bus;
    struct os *os;
    struct blk_front_config want;
    unsigned nr_queues, ring_order, max_segments;    // agreed on
    bool is_persistent;
    uint64_t nr_sectors;
    bool is_read_only, can_flush, can_barrier, can_discard, can_discard_securely;
    struct blk_front_queue queues[BLK_FRONT_MAX_QUEUES];
};

// Its handshake is xenbus_run() whenever the store changed. Connected: xenbus_own_state() says so.
int blk_front_init(struct blk_front *f, struct os *os, struct store *store, const char *own,
                   const char *peer, const struct blk_front_config *want);
// Puts a request into the ring: 0; -EAGAIN (-11) when full; -EINVAL (-22) when it cannot be.
int blk_front_submit(struct blk_front *f, unsigned queue, struct blk_front_io *io);
// Shows the back end what was put.
void blk_front_kick(struct blk_front *f, unsigned queue);
// Completes what was answered; the number, or RING_EPROTO. Asks for an event if there is no more.
int blk_front_poll(struct blk_front *f, unsigned queue);
void blk_front_fini(struct blk_front *f);
