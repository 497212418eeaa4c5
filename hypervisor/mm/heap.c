// SPDX-License-Identifier: MIT
// Objects in whole pages (mm/heap.h). The type word of an object's first frame says what it is: the
// heap's, and of how many pages. These frames never have an owner or references, so nobody else
// looks at their type words. No lock: an object has one owner.
#include "mm/heap.h"

#include "mm/frame.h"

#define HEAP_TAG   (UINT64_C(0xe) << 60)
#define TAG_MASK   (UINT64_C(0xf) << 60)

void *heap_alloc(size_t size)
{
    uint64_t nr_pages = size ? pages_of_bytes(size) : 1;
    mfn_t start;

    if (size > PAGE_SIZE << MAX_PAGE_ORDER)
        return NULL;
    start = page_alloc(log2_ceil(nr_pages), 0);
    if (mfn_eq(start, INVALID_MFN))
        return NULL;
    // What the block has more goes back at once.
    page_alloc_init_range(mfn_add(start, nr_pages), (UINT64_C(1) << log2_ceil(nr_pages)) - nr_pages);
    frame_of(start)->type = HEAP_TAG | nr_pages;
    return memset(mfn_to_virt(start), 0, nr_pages << PAGE_SHIFT);
}

void heap_free(void *object)
{
    struct frame *f;
    uint64_t nr_pages;

    if (!object)
        return;
    f = frame_of(virt_to_mfn(object));
    BUG_ON(!IS_ALIGNED((uintptr_t)object, PAGE_SIZE) || (f->type & TAG_MASK) != HEAP_TAG);
    nr_pages = f->type & ~TAG_MASK;
    f->type = 0;
    page_alloc_init_range(frame_mfn(f), nr_pages);
}
