// SPDX-License-Identifier: MIT
//
// One queue of a disk: a ring and what happens to its requests,
//
//     take -> parse -> (wait) -> map or copy -> steps on the image -> copy back -> answer
//
// A request waits when a barrier is ahead of it, when buffers are short or when the disk's limit
// says so; those behind it in the ring wait with it. Every request gets a response.
//
// Threads: a queue belongs to the one that calls blk_queue_work(), from open to close. What queues
// share is struct blk_disk.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "blk/blk_image.h"
#include "blk/blk_journal.h"
#include "blk/blk_stats.h"
#include "host/limit.h"
#include "host/spin.h"
#include "ring/ring.h"
#include "ring/transport.h"

#define BLK_QUEUE_NAME 80u

#define BLK_MAX_SEGMENTS 256u        // of an indirect request: 1 MiB
#define BLK_POOL_PAGES 1024u         // buffers of one queue: 4 MiB
#define BLK_MAX_PERSISTENT 2048u     // grants that stay mapped, of one queue
#define BLK_GRANT_SLOTS (2 * BLK_MAX_PERSISTENT)

struct blk_disk {
    struct blk_image *image;
    struct limit limit;
    uint64_t nr_sectors;             // atomic: changes with the image
    bool is_read_only;
    bool can_discard_securely;       // overwriting in place destroys, says who set up the disk
};

struct blk_queue;
struct op_rule;

struct blk_segment {
    uint32_t ref;
    uint16_t offset;                 // bytes, within the page
    uint16_t size;
};

struct blk_request {
    struct blk_request *next;        // of those that wait
    struct blk_queue *queue;
    struct blk_entry *entry;
    const struct op_rule *rule;
    uint64_t offset;                 // bytes, on the image
    uint64_t size;
    uint32_t nr_segments;
    uint32_t step;                   // of the rule's
    int rc;                          // of the last one
    bool is_running;
    bool is_step_done;
    struct blk_io io;
    struct blk_segment segments[BLK_MAX_SEGMENTS];
    struct iovec iov[BLK_MAX_SEGMENTS];
    uint16_t pages[BLK_MAX_SEGMENTS];    // of the pool, or NO_PAGE for a mapped one
};

struct blk_grant {
    uint32_t ref;
    uint32_t nr_pages;               // mapped together from this one on; 0: with one before it
    void *va;                        // NULL: a free slot
};

struct blk_queue {
    struct blk_disk *disk;
    struct transport *transport;
    struct blk_lane *lane;
    struct blk_journal *journal;
    struct blk_stats *stats;

    struct ring ring;                // ring.shared is NULL while closed
    uint32_t nr_ring_pages;
    bool is_persistent;
    bool is_broken;                  // the ring's indices were impossible; nothing is taken any more
    bool is_draining;                // a barrier is in flight
    unsigned nr_in_flight;           // started, not answered
    bool has_worked;                 // taken or answered one since it last looked whether to sleep
    struct spin image_spin, front_spin;
    uint64_t wait_ns;                // the limit says so; 0: not
    char name[BLK_QUEUE_NAME];       // in the log
    struct limit_lines lines;

    struct blk_request *requests;    // BLK_MAX_REQUESTS, one for each entry of the journal
    uint16_t free[BLK_MAX_REQUESTS];
    unsigned nr_free;
    uint16_t answered[BLK_MAX_REQUESTS];    // since the ring was last published
    unsigned nr_answered;
    struct blk_request *waiting, **waiting_end;

    uint8_t *pool;
    uint16_t free_pages[BLK_POOL_PAGES];
    unsigned nr_free_pages;
    uint8_t *zeroes;                 // a page
    struct blk_grant *grants;        // BLK_GRANT_SLOTS, by hash
    unsigned nr_grants;
};

// Allocates everything that a queue ever needs. 0 or -ENOMEM.
int blk_queue_init(struct blk_queue *q, struct blk_disk *disk, struct transport *transport,
                   struct blk_lane *lane, struct blk_journal *journal, struct blk_stats *stats);
void blk_queue_fini(struct blk_queue *q);

// Connects to a front end's ring. With `resume` it goes on where the process before this one was
// killed; -ESTALE if the journal is of another ring.
int blk_queue_open(struct blk_queue *q, const struct blk_connection *connection, bool is_persistent, bool resume);
// Nothing may be in flight.
void blk_queue_close(struct blk_queue *q);
// Takes, starts and answers what it can. True if there is more to do at once; otherwise q->wait_ns
// or an event or a completion will bring more.
bool blk_queue_work(struct blk_queue *q);
