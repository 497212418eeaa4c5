// SPDX-License-Identifier: MIT
// Allocator of free frames: a buddy system over the frame table's links, blocks of 2^order frames,
// aligned to their size. Its frames carry no owner and no references; who wants them to belong to
// somebody uses mm/frame.h afterwards. One lock (LOCK_PAGE_ALLOC); not for interrupt handlers.
#pragma once

#include "lib/base.h"

#define MAX_PAGE_ORDER 18u // 1 GiB

// Flags of page_alloc, or-ed together.
#define ALLOC_ZERO (1u << 0)    // clear the block through the direct map
#define ALLOC_BITS(bits) ((unsigned)(bits) << 8) // all addresses below 2^bits; at least 24

// Give a range of frames to the allocator, at the start of day or when a whole range is free again.
// Every frame is below max_mfn, and nobody uses it.
void page_alloc_init_range(mfn_t start, uint64_t nr_frames);

// A block whose first frame is a multiple of 2^order, or INVALID_MFN. Without ALLOC_BITS memory
// comes from the highest addresses first, so that devices find what they can reach.
mfn_t page_alloc(unsigned order, unsigned flags) MUST_CHECK;

// Give back what page_alloc gave, whole or in aligned parts. No TLB may still hold a translation
// that lets a guest reach the frames: the next user may be the hypervisor itself. In a block of
// several frames only the first may have a type word that is not 0. The contents stay until the
// next owner: what a guest wrote must be cleared before another guest gets it.
void page_free(mfn_t start, unsigned order);

// Frames that are free.
uint64_t page_alloc_free_pages(void);
