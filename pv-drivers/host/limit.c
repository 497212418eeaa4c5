// SPDX-License-Identifier: MIT
//
// The limit on operations and bytes a second; limit.h says how it counts.
#include "host/limit.h"

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

    if (r->per_second) {
        r->next_ns = (r->next_ns > earliest ? r->next_ns : earliest) +
                     amount * SECOND_NS / r->per_second;
    }
}

uint64_t limit_take(struct limit *l, uint64_t operations, uint64_t bytes, uint64_t now_ns)
{
    if (!l->operations.per_second && !l->bytes.per_second) {
        return 0;
    }
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
