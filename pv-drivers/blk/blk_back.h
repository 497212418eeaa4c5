// SPDX-License-Identifier: MIT
//
// A disk: what it offers, its queues, its size.
#pragma once

#include "blk/blk_queue.h"
#include "host/back.h"

// What outlives the process in a file, as its struct blk_stats_file does.
struct blk_journal_file {
    struct blk_journal queue[BLK_MAX_QUEUES];
};

struct blk_back {
    struct back back;
    // Set before back_init().
    struct blk_disk disk;
    struct transport *transports[BLK_MAX_QUEUES];
    struct blk_journal_file *journal;
    struct blk_stats_file *stats;
    // The front end's choices.
    uint64_t ring_order, is_persistent;
    struct blk_queue queues[BLK_MAX_QUEUES];
};

extern const struct back_ops blk_back_ops;
