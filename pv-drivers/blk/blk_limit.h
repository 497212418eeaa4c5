// SPDX-License-Identifier: MIT
//
// A disk's limit on operations and bytes a second. Each has a time before which nothing more may
// start; what starts moves it on by its cost, and an idle disk may use up a tenth of a second's worth
// at once.
#pragma once

#include <pthread.h>
#include <stdint.h>

#define BLK_LIMIT_BURST_NS 100000000ull

struct blk_limit_rate {
    uint64_t per_second;     // 0: no limit
    uint64_t next_ns;
};

struct blk_limit {
    pthread_mutex_t lock;    // of the two rates
    struct blk_limit_rate operations;
    struct blk_limit_rate bytes;
};

void blk_limit_init(struct blk_limit *l, uint64_t operations, uint64_t bytes);
// 0: go on, and this one is counted. Otherwise how many nanoseconds to wait before asking again.
uint64_t blk_limit_take(struct blk_limit *l, uint64_t bytes, uint64_t now_ns);
