// SPDX-License-Identifier: MIT
//
// A device's limit on operations (requests, packets) and bytes a second. Each has a time before which
// nothing more may start; what starts moves it on by its cost, and an idle device may use up a tenth
// of a second's worth at once.
#pragma once

#include <pthread.h>
#include <stdbool.h>
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
// The same by the clock, which is not looked at where there is no limit.
uint64_t limit_wait(struct limit *l, uint64_t operations, uint64_t bytes);

// Lines in the log that a guest can cause, of one thread: some a minute, and then how many there were besides. The
// log may lie in memory.
#define LIMIT_LINES 3u
#define LIMIT_MINUTE_NS 60000000000ull

struct limit_lines {
    uint64_t until_ns;       // of this minute
    unsigned nr;             // in it
};

// Whether one more may be written; with the first of a minute, how many of the last one were not.
bool limit_line(struct limit_lines *l, uint64_t now_ns, unsigned *nr_left_out);
__attribute__((format(printf, 2, 3))) void limit_say(struct limit_lines *l, const char *format, ...);
