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
        for (size_t i = 0; i < size / 8; i++) {
            ((word64 *)to)[i] = LOAD(((const word64 *)shared)[i]);
        }
        return;
    }
    for (size_t i = 0; i < size / 4; i++) {
        ((word32 *)to)[i] = LOAD(((const word32 *)shared)[i]);
    }
}

static void copy_out(void *shared, const void *from, size_t size)
{
    if (is_wide(shared, from, size)) {
        for (size_t i = 0; i < size / 8; i++) {
            STORE(((word64 *)shared)[i], ((const word64 *)from)[i]);
        }
        return;
    }
    for (size_t i = 0; i < size / 4; i++) {
        STORE(((word32 *)shared)[i], ((const word32 *)from)[i]);
    }
}

static void *entry(const struct ring *r, uint32_t index)
{
    return (uint8_t *)(r->shared + 1) + (size_t)(index & (r->nr_entries - 1)) * r->entry_size;
}

uint32_t ring_nr_entries(size_t bytes, size_t entry_size)
{
    size_t nr = (bytes - sizeof(struct ring_shared)) / entry_size;
    uint32_t power = 1;

    while ((size_t)power * 2 <= nr) {
        power *= 2;
    }
    return power;
}

static void init(struct ring *r, void *pages, size_t bytes, uint32_t entry_size)
{
    *r = (struct ring){ .shared = pages, .entry_size = entry_size,
                        .nr_entries = ring_nr_entries(bytes, entry_size) };
}

// Accepts the peer's producer index if no more than `limit` entries lie before it.
static int look(struct ring *r, const uint32_t *producer, uint32_t limit)
{
    uint32_t produced = __atomic_load_n(producer, __ATOMIC_ACQUIRE);    // pairs with publish()

    if (produced - r->consumed > limit) {
        return RING_EPROTO;
    }
    r->seen = produced;
    return (int)(produced - r->consumed);
}

// Writes our producer index after the entries, and says whether the peer asked to be told.
static bool publish(struct ring *r, uint32_t *producer, const uint32_t *event)
{
    uint32_t old = r->published;

    if (old == r->produced) {
        return false;
    }
    r->published = r->produced;
    __atomic_store_n(producer, r->produced, __ATOMIC_RELEASE);          // pairs with look()
    // The peer writes its event index and then looks at our producer; we do it the other way
    // round. With a full fence on both sides at least one of us sees the other.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);                            // pairs with ask()
    return r->produced - LOAD(*event) < r->produced - old;
}

static void ask(const struct ring *r, uint32_t *event)
{
    STORE(*event, r->consumed + 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);                            // pairs with publish()
}

static bool take(struct ring *r, void *to, uint32_t size)
{
    if (r->consumed == r->seen) {
        return false;
    }
    ring_copy_in(to, entry(r, r->consumed), size);
    r->consumed++;
    return true;
}

static void put(struct ring *r, const void *from, uint32_t size)
{
    copy_out(entry(r, r->produced), from, size);
    r->produced++;
}

void ring_back_init(struct ring *r, void *pages, size_t bytes, uint32_t entry_size,
                    uint32_t consumed, uint32_t produced)
{
    init(r, pages, bytes, entry_size);
    r->consumed = consumed;
    r->seen = consumed;
    r->produced = produced;
    r->published = produced;
}

// A request lies in a slot whose last response, if any, the front end has had time to take: at most
// a ring's worth between our responses and its requests.
static uint32_t back_limit(const struct ring *r)
{
    return r->nr_entries - (r->consumed - r->produced);
}

int ring_back_poll(struct ring *r)
{
    return look(r, &r->shared->req_prod, back_limit(r));
}

bool ring_back_take(struct ring *r, void *request, uint32_t size)
{
    return take(r, request, size);
}

void ring_back_put(struct ring *r, const void *response, uint32_t size)
{
    put(r, response, size);
}

bool ring_back_publish(struct ring *r)
{
    return publish(r, &r->shared->rsp_prod, &r->shared->rsp_event);
}

int ring_back_sleep(struct ring *r)
{
    int nr = ring_back_poll(r);

    if (nr == 0) {
        ask(r, &r->shared->req_event);
        nr = ring_back_poll(r);
    }
    return nr;
}

void ring_front_init(struct ring *r, void *pages, size_t bytes, uint32_t entry_size)
{
    init(r, pages, bytes, entry_size);
    STORE(r->shared->req_prod, 0);
    STORE(r->shared->rsp_prod, 0);
    STORE(r->shared->req_event, 1);
    STORE(r->shared->rsp_event, 1);
}

uint32_t ring_front_free(const struct ring *r)
{
    return r->nr_entries - (r->produced - r->consumed);
}

void ring_front_put(struct ring *r, const void *request, uint32_t size)
{
    put(r, request, size);
}

bool ring_front_publish(struct ring *r)
{
    return publish(r, &r->shared->req_prod, &r->shared->req_event);
}

// A response answers a request that the back end was shown.
int ring_front_poll(struct ring *r)
{
    return look(r, &r->shared->rsp_prod, r->published - r->consumed);
}

bool ring_front_take(struct ring *r, void *response, uint32_t size)
{
    return take(r, response, size);
}

int ring_front_sleep(struct ring *r)
{
    int nr = ring_front_poll(r);

    if (nr == 0) {
        ask(r, &r->shared->rsp_event);
        nr = ring_front_poll(r);
    }
    return nr;
}
