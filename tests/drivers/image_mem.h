// SPDX-License-Identifier: MIT
//
// Images for tests and measurements: memory, or nothing at all, or memory that fails on demand.
// They complete at once, in the submitting thread.
#pragma once

#include "blk/blk_image.h"

struct image_mem {
    struct blk_image image;
    uint8_t *bytes;              // NULL: transfers do nothing
    uint64_t size;
    unsigned nr_syncs;
    bool is_write_forbidden;     // a write is the back end's mistake
    // Operations that fail: from the fail_after'th on, with this error; 0 never.
    int fail_rc;
    unsigned fail_after;
    unsigned nr_ops;
    bool is_stalled;             // operations are kept until image_mem_release()
    struct blk_io *stalled[BLK_MAX_IN_FLIGHT];
    unsigned nr_stalled;
};

void image_mem_init(struct image_mem *m, uint64_t size, bool is_null);
void image_mem_fini(struct image_mem *m);
// Lets the stalled operations happen, the newest first.
void image_mem_release(struct image_mem *m);
