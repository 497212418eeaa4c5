// SPDX-License-Identifier: MIT
//
// A disk: its handshake in the store, its queues with a thread each, its size.
//
// Threads: blk_back_* are called by one, the control thread. A queue's thread owns the queue between
// connect and disconnect. Everything that needs a system call which the sandbox refuses (threads,
// io_uring rings, devices) is made by blk_back_init().
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "blk/blk_queue.h"
#include "bus/xenbus.h"
#include "host/worker.h"

// What outlives the process in a file, as its struct blk_stats_file does.
struct blk_journal_file {
    struct blk_journal queue[BLK_MAX_QUEUES];
};

struct blk_back_config {
    struct store *store;
    const char *own, *peer;              // folders in the store
    struct blk_image *image;
    uint64_t limit_operations, limit_bytes;    // a second; 0: none
    bool can_discard_securely;
    unsigned nr_queues;                  // 1 to BLK_MAX_QUEUES
    struct transport *transports[BLK_MAX_QUEUES];
    struct blk_journal_file *journal;
    struct blk_stats_file *stats;
};

struct blk_worker {
    struct worker worker;
    struct blk_queue queue;
};

struct blk_back {
    struct xenbus_device bus;
    struct blk_disk disk;
    unsigned max_queues;
    unsigned nr_queues;                  // open
    bool is_resuming;
    struct blk_worker workers[BLK_MAX_QUEUES];
};

// 0 or a negative errno.
int blk_back_init(struct blk_back *b, const struct blk_back_config *config);
// First contact. Goes on where a killed predecessor was if the store and the journal say so.
int blk_back_start(struct blk_back *b);
// The store changed, or some time has passed.
int blk_back_update(struct blk_back *b);
void blk_back_fini(struct blk_back *b);
