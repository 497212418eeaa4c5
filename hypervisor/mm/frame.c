// SPDX-License-Identifier: MIT
/*
 * The life of a frame outside the allocator: given to an owner, and given back when the last
 * reference goes. No lock: the reference word alone decides. What the owner's list of frames needs
 * is done by a hook of the layer above.
 */
#include "mm/frame.h"

#define FRAME_TYPE_COUNT_MASK  UINT64_C(0xffffffff)

void (*frame_freed_hook)(struct frame *f);

void frame_assign(struct frame *f, unsigned owner, uint64_t allocated)
{
    BUG_ON(READ_ONCE(f->ref) & FRAME_COUNT_MASK);
    f->type = 0;
    /* Last, and with release order: from here on frame_get() finds it. */
    store_release(&f->ref, (uint64_t)owner << FRAME_OWNER_SHIFT | allocated | 1);
}

bool frame_clear_allocated(struct frame *f)
{
    return fetch_and64(&f->ref, ~FRAME_ALLOCATED) & FRAME_ALLOCATED;
}

/*
 * Nobody can take a reference any more, since frame_get() refuses a count of zero: the frame is
 * ours alone. A use of a type without a reference, or a frame freed while it counts as allocated,
 * would let a guest reach memory of others.
 */
void frame_release(struct frame *f)
{
    uint64_t ref = READ_ONCE(f->ref);

    BUG_ON(ref & (FRAME_COUNT_MASK | FRAME_ALLOCATED));
    BUG_ON(READ_ONCE(f->type) & FRAME_TYPE_COUNT_MASK);
    if (ref >> FRAME_OWNER_SHIFT < FRAME_FIRST_SPECIAL_OWNER && frame_freed_hook) {
        frame_freed_hook(f);
        return;
    }
    frame_reset(f);
    page_free(frame_mfn(f), 0);
}
