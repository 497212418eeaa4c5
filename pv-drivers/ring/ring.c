// SPDX-License-Identifier: MIT
//
// Both ends of the shared ring; ring.h says what each function promises.
#include "ring/ring.h"

// Shared memory is only ever touched through these, so that the compiler neither reads twice nor
// tears a word, and a data race with the peer is one by design.
#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

typedef uint32_t __attribute__((may_alias)) word32;
typedef uint64_t __attribute__((may_alias)) word64;

static bool is_wide(const void *a, const void *b, size_t size)
{
    return (((uintptr_t)a | (uintptr_t)b | size) & 7) == 0;
}

void ring_copy_in(void *to, const void *shared, size_t size)
{
    if (is_wide(to, shared, size)) {
        for (size_t i = 0; i < size / 8; i++)
            ((word64 *)to)[i] = LOAD(((const word64 *)shared)[i]);
        return;
    }
    for (size_t i = 0; i < size / 4; i++)
        ((word32 *)to)[i] = LOAD(((const word32 *)shared)[i]);
}

static void copy_out(void *shared, const void *from, size_t size)
{
    if (is_wide(shared, from, size)) {
        for (size_t i = 0; i < size / 8; i++)
            STORE(((word64 *)shared)[i], ((const word64 *)from)[i]);
        return;
    }
    for (size_t i = 0; i < size / 4; i++)
        STORE(((word32 *)shared)[i], ((const word32 *)from)[i]);
}

static void *entry(const struct ring *r, uint32_t index)
{
    return (uint8_t *)(r->shared + 1) + (size_t)(index & (r->nr_entries - 1)) * r->entry_size;
}

uint32_t ring_nr_entries(size_t bytes, size_t entry_size)
{
    size_t nr = (bytes - sizeof(struct ring_shared)) / entry_size;
    uint32_t power = 1;

    while ((size_t)power * 2 <= nr)
        power *= 2;
    return power;
}

void ring_back_init(struct ring *r, void *pages, size_t bytes, uint32_t entry_size, uint32_t consumed, uint32_t produced)
{
    struct ring_shared *shared = pages;

    *r = (struct ring){ .shared = shared, .own_index = &shared->rsp_prod, .own_event = &shared->rsp_event,
                        .peer_index = &shared->req_prod, .peer_event = &shared->req_event,
                        .entry_size = entry_size, .nr_entries = ring_nr_entries(bytes, entry_size),
                        .produced = produced, .published = produced, .consumed = consumed, .seen = consumed };
}

void ring_front_init(struct ring *r, void *pages, size_t bytes, uint32_t entry_size)
{
    struct ring_shared *shared = pages;

    *r = (struct ring){ .shared = shared, .own_index = &shared->req_prod, .own_event = &shared->req_event,
                        .peer_index = &shared->rsp_prod, .peer_event = &shared->rsp_event,
                        .entry_size = entry_size, .nr_entries = ring_nr_entries(bytes, entry_size),
                        .is_front = true };
    STORE(shared->req_prod, 0);
    STORE(shared->rsp_prod, 0);
    STORE(shared->req_event, 1);
    STORE(shared->rsp_event, 1);
}

uint32_t ring_front_free(const struct ring *r)
{
    return r->nr_entries - (r->produced - r->consumed);
}

// A response answers a request that the back end was shown. A request lies in a slot whose last response,
// if any, the front end has had time to take: at most a ring's worth between our responses and its requests.
static uint32_t peer_limit(const struct ring *r)
{
    return r->is_front ? r->published - r->consumed : r->nr_entries - (r->consumed - r->produced);
}

int ring_poll(struct ring *r)
{
    uint32_t produced = __atomic_load_n(r->peer_index, __ATOMIC_ACQUIRE);    // pairs with ring_publish()

    if (produced - r->consumed > peer_limit(r))
        return RING_EPROTO;
    r->seen = produced;
    return (int)(produced - r->consumed);
}

bool ring_take(struct ring *r, void *to, uint32_t size)
{
    if (r->consumed == r->seen)
        return false;
    ring_copy_in(to, entry(r, r->consumed), size);
    r->consumed++;
    return true;
}

void ring_put(struct ring *r, const void *from, uint32_t size)
{
    copy_out(entry(r, r->produced), from, size);
    r->produced++;
}

// Writes our index after the entries, and says whether the peer asked to be told.
bool ring_publish(struct ring *r)
{
    uint32_t old = r->published;

    if (old == r->produced)
        return false;
    r->published = r->produced;
    __atomic_store_n(r->own_index, r->produced, __ATOMIC_RELEASE);      // pairs with ring_poll()
    // The peer writes its event index and then looks at our index; we do it the other way round. With a
    // full fence on both sides at least one of us sees the other.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);                            // pairs with ring_sleep()
    return r->produced - LOAD(*r->own_event) < r->produced - old;
}

int ring_sleep(struct ring *r)
{
    int nr = ring_poll(r);

    if (nr == 0) {
        STORE(*r->peer_event, r->consumed + 1);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);                        // pairs with ring_publish()
        nr = ring_poll(r);
    }
    return nr;
}
