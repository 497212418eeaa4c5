// SPDX-License-Identifier: MIT
//
// What front ends of all kinds share: pages that their back end may reach, and rings in such pages.
// Freestanding.
#pragma once

#include "bus/os.h"
#include "bus/xenbus.h"
#include "ring/ring.h"

#define FRONT_MAX_PAGES 257u         // side by side

struct front_pages {
    uint8_t *at;                     // NULL: none
    uint32_t nr;
    uint32_t nr_granted;             // the first so many
    bool is_kept;                    // the back end still had one mapped: never to be used for anything else
    uint32_t refs[FRONT_MAX_PAGES];
};

struct front_ring {
    struct ring ring;
    struct front_pages pages;
    uint32_t port;
};

static inline unsigned at_most(unsigned wanted, uint64_t limit)
{
    return wanted < limit ? wanted : (unsigned)limit;
}

static inline uint8_t *front_page(const struct front_pages *p, uint32_t i)
{
    return p->at + (size_t)i * RING_PAGE_SIZE;
}

// 0 or a negative error.
int front_pages_alloc(struct front_pages *p, struct os *os, uint32_t nr);
// Those that are not granted yet.
int front_pages_grant(struct front_pages *p, struct os *os, bool is_read_only);
void front_pages_revoke(struct front_pages *p, struct os *os);
void front_pages_free(struct front_pages *p, struct os *os);

// Lays a ring out in so many pages, grants them and publishes the grants as the queue's nodes `name`, with the
// page's number behind it if there are several. front_pages_free() undoes it, whatever came of it.
int front_ring_make(struct front_ring *r, struct os *os, struct xenbus_device *dev, unsigned queue,
                    unsigned nr_queues, const char *name, uint32_t nr_pages, uint32_t entry_size);
