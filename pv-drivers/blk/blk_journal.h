// SPDX-License-Identifier: MIT
//
// What of a queue must outlive the process: the requests taken from the ring and not answered yet,
// which the ring itself forgets, since responses overwrite them. The private copy of a request is
// made here and nowhere else. The file lies in memory (a tmpfs); a process killed at any instruction
// leaves its stores, so their order alone matters:
//
//   take     fill an entry, state = BLK_ENTRY_BUSY, then consumed = index of the next request
//   answer   response_index, state = BLK_ENTRY_ANSWERED, then the response into the ring
//   publish  the ring's rsp_prod, then state = BLK_ENTRY_FREE
//
// A successor does again what is busy and was counted as consumed, and what was answered but never
// shown; the front end sees each response once.
#pragma once

#include <stdint.h>

#include "blk/blk_image.h"
#include "public/io/blkif.h"
#include "ring/ring.h"

#define BLK_JOURNAL_MAGIC 0x6b6c6276u
#define BLK_MAX_REQUESTS BLK_MAX_IN_FLIGHT     // taken and not answered, of one queue

enum blk_entry_state { BLK_ENTRY_FREE, BLK_ENTRY_BUSY, BLK_ENTRY_ANSWERED };

union blk_request_copy {
    struct blkif_request rw;
    struct blkif_request_discard discard;
    struct blkif_request_indirect indirect;
};

struct blk_entry {
    uint32_t state;
    uint32_t request_index;
    uint32_t response_index;
    uint32_t pad;
    union blk_request_copy request;
};
_Static_assert(sizeof(struct blk_entry) == 128, "two cache lines");

// Which rings these requests came from.
struct blk_connection {
    uint32_t port;
    uint32_t nr_pages;
    uint32_t refs[RING_MAX_PAGES];
};

struct blk_journal {
    uint32_t magic;              // BLK_JOURNAL_MAGIC while connected
    uint32_t consumed;
    struct blk_connection connection;
    struct blk_entry entries[BLK_MAX_REQUESTS];
};
