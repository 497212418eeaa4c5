// SPDX-License-Identifier: MIT
// The counters of a disk, in a file that outlives the process and that others may read at any time: a row for each queue.
#pragma once

#include <stdint.h>

#define BLK_MAX_QUEUES 4u

// Of one queue, written by its thread alone.
enum blk_stat {
    BLK_STAT_READS, BLK_STAT_WRITES, BLK_STAT_FLUSHES, BLK_STAT_DISCARDS, BLK_STAT_INVALID,
    BLK_STAT_ERRORS, BLK_STAT_READ_BYTES, BLK_STAT_WRITTEN_BYTES, BLK_STAT_LIMITED,
    BLK_STAT_EVENTS_SENT, BLK_NR_STATS,
};

struct blk_stats {
    uint64_t count[BLK_NR_STATS];
};

struct blk_stats_file {
    struct blk_stats queue[BLK_MAX_QUEUES];
};
