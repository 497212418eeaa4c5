// SPDX-License-Identifier: MIT
//
// A device's limit on operations (requests, packets) and bytes a second. Each has a time before which
// nothing more may start; what starts moves it on by its cost, and an idle device may use up a tenth
// of a second's worth at once.
#pragma once

#include <pthread.h>
#include <stdint.h>

#define LIMIT_BURST_NS 100000000ull

struct limit_rate {
    uint64_t per_second;     // 0: no limit
    uint64_t next_ns;
};

struct limit {
    pthread_mutex_t lock;    // of the two rates
    struct limit_rate operations;
    struct limit_rate bytes;
};

void limit_init(struct limit *l, uint64_t operations, uint64_t bytes);
// 0: go on, and this one is counted. Otherwise how many nanoseconds to wait before asking again.
uint64_t limit_take(struct limit *l, uint64_t operations, uint64_t bytes, uint64_t now_ns);
