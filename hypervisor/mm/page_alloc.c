// SPDX-License-Identifier: MIT
// Buddy allocator (mm/page_alloc.h). Free blocks lie in lists by zone and order. Zone 0 is the
// memory below 2^24, each further zone the next power of two; blocks of different zones never
// merge, so no block crosses a power of two that a device's address limit may name.
//
// A block is known as free by its first frame alone: no owner, and FREE_HEAD with the order in the
// type word. FREE_HEAD is a type that no user of a frame has, and a first frame loses it when its
// block is taken or merged, so no other frame can look like a free block.
#include "mm/page_alloc.h"

#include "mm/frame.h"

#define NR_ORDERS (MAX_PAGE_ORDER + 1)
#define ZONE_0_BITS 24u
#define MAX_ADDRESS_BITS 44u // 32-bit links in the frame table
#define NR_ZONES (MAX_ADDRESS_BITS - ZONE_0_BITS + 1)

#define FREE_REF ((uint64_t)FRAME_OWNER_NONE << FRAME_OWNER_SHIFT)
#define FREE_HEAD (UINT64_C(0xf) << 60)

struct zone {
    uint32_t first[NR_ORDERS]; // frame number, or FRAME_NONE
    uint32_t orders;           // bit per order whose list is not empty
};

static struct {
    struct spinlock lock;
    // All guarded by lock. The list heads of a zone mean something only where its bit in orders is
    // set.
    struct zone zones[NR_ZONES];
    uint64_t nr_free;
} allocator = { .lock = SPINLOCK_INIT(LOCK_PAGE_ALLOC) };

_Static_assert(NR_ORDERS <= 32, "one bit per order");

static unsigned zone_of(uint64_t n)
{
    unsigned bits = n == 0 ? 0 : log2_floor(n) + 1 + PAGE_SHIFT;

    return bits <= ZONE_0_BITS ? 0 : bits - ZONE_0_BITS;
}

static bool is_free_head(const struct frame *f, unsigned order)
{
    return READ_ONCE(f->ref) == FREE_REF && f->type == (FREE_HEAD | order);
}

static void block_link(uint64_t n, unsigned order)
{
    struct zone *zone = &allocator.zones[zone_of(n)];
    struct frame *f = frame_of(mfn(n));

    if (!(zone->orders & (1u << order)))
        zone->first[order] = FRAME_NONE;
    zone->orders |= 1u << order;
    WRITE_ONCE(f->ref, FREE_REF);
    f->type = FREE_HEAD | order;
    frame_list_add(&zone->first[order], f);
}

static void block_unlink(uint64_t n, unsigned order)
{
    struct zone *zone = &allocator.zones[zone_of(n)];
    struct frame *f = frame_of(mfn(n));

    BUG_ON(!is_free_head(f, order));
    frame_list_remove(&zone->first[order], f);
    if (zone->first[order] == FRAME_NONE)
        zone->orders &= ~(1u << order);
    f->type = 0;
}

// Whether the block lies inside a free one already: freed twice.
static bool is_free_within(uint64_t n, unsigned order)
{
    for (unsigned i = order; i <= MAX_PAGE_ORDER; i++) {
        uint64_t head = ALIGN_DOWN(n, UINT64_C(1) << i);
        if (is_free_head(frame_of(mfn(head)), i))
            return true;
    }
    return false;
}

// Put a block back and merge it with its free buddies.
static void block_free(uint64_t n, unsigned order)
{
    ASSERT_LOCKED(&allocator.lock);
    BUG_ON(!IS_ALIGNED(n, UINT64_C(1) << order));
    BUG_ON(is_free_head(frame_of(mfn(n)), order));
    ASSERT(!is_free_within(n, order));

    allocator.nr_free += UINT64_C(1) << order;
    while (order < MAX_PAGE_ORDER) {
        uint64_t buddy = n ^ (UINT64_C(1) << order);
        if (buddy >= max_mfn || zone_of(buddy) != zone_of(n) ||
            !is_free_head(frame_of(mfn(buddy)), order))
            break;
        block_unlink(buddy, order);
        n = MIN(n, buddy);
        order++;
    }
    block_link(n, order);
}

// Take a block of the given order out of a zone that has one at least as large. The upper parts of
// a larger one go back.
static uint64_t zone_take(struct zone *zone, unsigned order)
{
    unsigned from = (unsigned)__builtin_ctz(zone->orders >> order << order);
    uint64_t n = zone->first[from];

    block_unlink(n, from);
    while (from > order) {
        from--;
        block_link(n + (UINT64_C(1) << from), from);
    }
    allocator.nr_free -= UINT64_C(1) << order;
    return n;
}

// How many zones, from 0 on, lie below 2^bits; bits 0 means no limit.
static unsigned zones_below(unsigned bits)
{
    if (bits == 0 || bits >= MAX_ADDRESS_BITS)
        return NR_ZONES;
    return bits < ZONE_0_BITS ? 0 : bits - ZONE_0_BITS + 1;
}

mfn_t page_alloc(unsigned order, unsigned flags)
{
    mfn_t block = INVALID_MFN;

    if (order > MAX_PAGE_ORDER)
        return block;
    spin_lock(&allocator.lock);
    for (unsigned i = zones_below(flags >> 8); i > 0 && mfn_eq(block, INVALID_MFN); i--) {
        if (allocator.zones[i - 1].orders >> order != 0)
            block = mfn(zone_take(&allocator.zones[i - 1], order));
    }
    spin_unlock(&allocator.lock);

    if (flags & ALLOC_ZERO && !mfn_eq(block, INVALID_MFN))
        memset(mfn_to_virt(block), 0, PAGE_SIZE << order);
    return block;
}

void page_free(mfn_t start, unsigned order)
{
    BUG_ON(order > MAX_PAGE_ORDER);
    BUG_ON(start.n >= max_mfn || max_mfn - start.n < UINT64_C(1) << order);
    spin_lock(&allocator.lock);
    block_free(start.n, order);
    spin_unlock(&allocator.lock);
}

// The largest block that may begin at n: aligned, inside the range, inside one zone.
static unsigned largest_order_at(uint64_t n, uint64_t nr_frames)
{
    unsigned order = MIN(log2_floor(nr_frames), MAX_PAGE_ORDER);

    if (n == 0)
        return MIN(order, ZONE_0_BITS - PAGE_SHIFT);
    return MIN(order, (unsigned)__builtin_ctzll(n));
}

void page_alloc_init_range(mfn_t start, uint64_t nr_frames)
{
    BUG_ON(max_mfn > UINT64_C(1) << (MAX_ADDRESS_BITS - PAGE_SHIFT));
    BUG_ON(start.n > max_mfn || nr_frames > max_mfn - start.n);
    while (nr_frames > 0) {
        unsigned order = largest_order_at(start.n, nr_frames);
        page_free(start, order);
        start = mfn_add(start, UINT64_C(1) << order);
        nr_frames -= UINT64_C(1) << order;
    }
}

uint64_t page_alloc_free_pages(void)
{
    return READ_ONCE(allocator.nr_free);
}
