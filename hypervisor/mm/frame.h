// SPDX-License-Identifier: MIT
/*
 * The frame table: one struct per 4 KiB frame of RAM. A frame's life is told by two words, each
 * changed only by compare-and-exchange:
 *
 *   ref    63..48 owner (domain id, or one of FRAME_OWNER_*)   47 allocated   46..0 reference count
 *   type   63..60 type   59 pinned   58 validated   57 partial   56..32 stamp or progress
 *          31..0 type count
 *
 * A guest's frame holds one reference for being allocated (until it is given back), one per use.
 * What the type word's states mean, and who may move between them, is stated in pv/page_type.h.
 * `next`/`prev` link free blocks (mm/page_alloc.c) or the owner's frames (core/domain.c, under
 * page_list_lock).
 */
#pragma once
#include "mm/heap.h"
#include "mm/layout.h"
#include "mm/page_alloc.h"
#include "mm/page_table.h"

#define FRAME_NONE          UINT32_MAX

#define FRAME_OWNER_SHIFT   48
#define FRAME_ALLOCATED     (UINT64_C(1) << 47)
#define FRAME_COUNT_MASK    (FRAME_ALLOCATED - 1)
#define FRAME_OWNER_NONE    0xffffu          /* free */
#define FRAME_OWNER_HYP     0xfffeu          /* ours: never reachable by a guest's reference */
#define FRAME_OWNER_IO      0x7ff1u          /* DOMID_IO: RAM-like holes that dom0 may map */
#define FRAME_OWNER_XEN     0x7ff2u          /* DOMID_XEN: ours, for dom0 to read */
#define FRAME_FIRST_SPECIAL_OWNER 0x7ff0u    /* owners below are domains */

struct frame {
    uint64_t ref;
    uint64_t type;
    uint32_t next;
    uint32_t prev;
};
_Static_assert(sizeof(struct frame) == 24, "frame table costs 24 bytes a frame");

extern uint64_t max_mfn;              /* frames 0 .. max_mfn - 1 have a struct frame */

#ifdef HOST_TEST
extern struct frame *frame_table;
#else
#define frame_table ((struct frame *)FRAME_TABLE_START)
#endif

static inline bool mfn_valid(mfn_t m)
{
    return m.n < max_mfn;
}

/*
 * `m` may be any number from a guest, not to be looked at before mfn_valid(): so no pointer
 * arithmetic.
 */
static inline struct frame *frame_of(mfn_t m)
{
    return (struct frame *)((uintptr_t)frame_table + m.n * sizeof(struct frame));
}

static inline mfn_t frame_mfn(const struct frame *f)
{
    return mfn((uint64_t)(f - frame_table));
}

/*
 * Lists of frames, by number from *first on, under their user's lock. A frame in none has both
 * links FRAME_NONE.
 */
static inline void frame_list_add(uint32_t *first, struct frame *f)
{
    uint32_t number = (uint32_t)frame_mfn(f).n;

    f->prev = FRAME_NONE;
    f->next = *first;
    if (f->next != FRAME_NONE)
        frame_table[f->next].prev = number;
    *first = number;
}

static inline void frame_list_remove(uint32_t *first, struct frame *f)
{
    if (f->prev == FRAME_NONE)
        *first = f->next;
    else
        frame_table[f->prev].next = f->next;
    if (f->next != FRAME_NONE)
        frame_table[f->next].prev = f->prev;
    f->next = FRAME_NONE;
    f->prev = FRAME_NONE;
}

static inline unsigned frame_owner(const struct frame *f)
{
    return (unsigned)(READ_ONCE(f->ref) >> FRAME_OWNER_SHIFT);
}

/*
 * Take a reference if `owner` owns the frame and it is allocated; false otherwise. Any CPU, no
 * lock.
 */
static inline bool frame_get(struct frame *f, unsigned owner)
{
    uint64_t old = READ_ONCE(f->ref), first = (uint64_t)owner << FRAME_OWNER_SHIFT | 1;

    do {
        /* Another owner, a count of zero or one at its limit are all out of this range. */
        if ((old & ~FRAME_ALLOCATED) - first >= FRAME_COUNT_MASK - 1)
            return false;
    } while (!try_cmpxchg64(&f->ref, &old, old + 1));
    return true;
}

/*
 * The count reached 0: a domain's frame goes to the hook, others straight back to the allocator
 * (mm/frame.c).
 */
void frame_release(struct frame *f);

/*
 * Set once by core/domain.c: takes the frame off its owner's list, and gives it back to the
 * allocator (frame_reset, page_free) as soon as no TLB can hold a translation to it. Any context in
 * which frame_put() is allowed.
 */
extern void (*frame_freed_hook)(struct frame *f);

/* Drop a reference; the last one frees the frame. */
static inline void frame_put(struct frame *f)
{
    uint64_t left = add_fetch64(&f->ref, UINT64_MAX);

    if (unlikely(!(left & FRAME_COUNT_MASK)))
        frame_release(f);
}

/*
 * Give a frame from the allocator to `owner`, with the one reference of being FRAME_ALLOCATED. Or
 * 0, without counting as allocated: a page of ours that `owner` may map; the one reference is ours.
 */
void frame_assign(struct frame *f, unsigned owner, uint64_t allocated);
/* Nobody's again: what page_free() wants to see. */
static inline void frame_reset(struct frame *f)
{
    f->type = 0;
    WRITE_ONCE(f->ref, (uint64_t)FRAME_OWNER_NONE << FRAME_OWNER_SHIFT);
}
/* Drop the allocation reference once; false if it is gone already. */
bool frame_clear_allocated(struct frame *f);
