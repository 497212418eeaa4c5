// SPDX-License-Identifier: MIT
//
// The limit on operations and bytes a second; limit.h says how it counts.
#include "host/limit.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define SECOND_NS 1000000000ull

void limit_init(struct limit *l, uint64_t operations, uint64_t bytes)
{
    *l = (struct limit){ .operations = { .per_second = operations },
                             .bytes = { .per_second = bytes } };
    pthread_mutex_init(&l->lock, NULL);
}

static uint64_t wait_of(const struct limit_rate *r, uint64_t now_ns)
{
    return r->per_second && r->next_ns > now_ns ? r->next_ns - now_ns : 0;
}

// An amount is at most a request's bytes, or those of a packet cut into the most pieces, so the product fits.
static void charge(struct limit_rate *r, uint64_t amount, uint64_t now_ns)
{
    uint64_t earliest = now_ns > LIMIT_BURST_NS ? now_ns - LIMIT_BURST_NS : 0;

    if (r->per_second)
        r->next_ns = (r->next_ns > earliest ? r->next_ns : earliest) +
                     amount * SECOND_NS / r->per_second;
}

uint64_t limit_take(struct limit *l, uint64_t operations, uint64_t bytes, uint64_t now_ns)
{
    pthread_mutex_lock(&l->lock);
    uint64_t wait = wait_of(&l->operations, now_ns);
    uint64_t wait_bytes = wait_of(&l->bytes, now_ns);
    wait = wait > wait_bytes ? wait : wait_bytes;
    if (wait == 0) {
        charge(&l->operations, operations, now_ns);
        charge(&l->bytes, bytes, now_ns);
    }
    pthread_mutex_unlock(&l->lock);
    return wait;
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * SECOND_NS + (uint64_t)ts.tv_nsec;
}

uint64_t limit_wait(struct limit *l, uint64_t operations, uint64_t bytes)
{
    return l->operations.per_second || l->bytes.per_second ? limit_take(l, operations, bytes, now_ns()) : 0;
}

bool limit_line(struct limit_lines *l, uint64_t now_ns, unsigned *nr_left_out)
{
    *nr_left_out = 0;
    if (now_ns >= l->until_ns) {
        *nr_left_out = l->nr > LIMIT_LINES ? l->nr - LIMIT_LINES : 0;
        *l = (struct limit_lines){ .until_ns = now_ns + LIMIT_MINUTE_NS };
    }
    l->nr += l->nr < UINT_MAX;
    return l->nr <= LIMIT_LINES;
}

void limit_say(struct limit_lines *l, const char *format, ...)
{
    unsigned nr_left_out;
    va_list list;

    if (!limit_line(l, now_ns(), &nr_left_out))
        return;
    if (nr_left_out)
        fprintf(stderr, "%u more lines like the next were left out\n", nr_left_out);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
}
