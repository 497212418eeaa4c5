// SPDX-License-Identifier: MIT
//
// The shared ring, seen from either end: the only code that touches a ring in shared memory. The
// peer may write any of it at any time, so an index is read once, checked against what we know
// ourselves, and an entry is copied once, word by word, before anyone looks at it.
//
// One thread per end. Freestanding. Names of the two sides differ in what they may do: a back end
// takes requests and puts responses, a front end the reverse.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_PAGE_SIZE 4096u
#define RING_MAX_PAGE_ORDER 4u     // 16 pages
#define RING_MAX_PAGES (1u << RING_MAX_PAGE_ORDER)
#define RING_MAX_ENTRY 128u        // bytes of one entry
#define RING_EPROTO (-71)          // the peer's indices are impossible: Linux' EPROTO

// The start of the first page, as include/public/io/ring.h draws it.
struct ring_shared {
    uint32_t req_prod, req_event;
    uint32_t rsp_prod, rsp_event;
    uint8_t pad[48];
};
_Static_assert(sizeof(struct ring_shared) == 64, "entries begin at byte 64");

struct ring {
    struct ring_shared *shared;
    uint32_t *own_index, *own_event;      // in there: where we end, and when the peer is to be told
    uint32_t *peer_index, *peer_event;
    uint32_t entry_size;      // a multiple of 4
    uint32_t nr_entries;      // a power of two
    bool is_front;
    uint32_t produced;        // by us, private until ring_publish()
    uint32_t published;       // by us, what the peer has been shown
    uint32_t consumed;        // of the peer's
    uint32_t seen;            // of the peer's, checked: consumed <= seen
};

// Entries of a ring in `bytes` bytes of shared memory.
uint32_t ring_nr_entries(size_t bytes, size_t entry_size);

// A back end of a ring that a front end has laid out. A new connection starts both counts at 0.
void ring_back_init(struct ring *r, void *pages, size_t bytes, uint32_t entry_size, uint32_t consumed, uint32_t produced);
// A front end; it lays the ring out. What it may put at most.
void ring_front_init(struct ring *r, void *pages, size_t bytes, uint32_t entry_size);
uint32_t ring_front_free(const struct ring *r);

// Looks for entries of the peer's: how many there are, or RING_EPROTO.
int ring_poll(struct ring *r);
// Copies the next one that ring_poll() saw; false when there is none.
bool ring_take(struct ring *r, void *entry, uint32_t size);
// Puts an entry. A back end does so only for a request that was taken, so there is always room.
void ring_put(struct ring *r, const void *entry, uint32_t size);
// Shows the peer what was put; true if it must be sent an event.
bool ring_publish(struct ring *r);
// Asks for an event at the next entry, then looks again, as ring_poll() does.
int ring_sleep(struct ring *r);

// Copies from shared memory, each word read exactly once. Sizes and addresses are multiples of 4.
void ring_copy_in(void *to, const void *shared, size_t size);
