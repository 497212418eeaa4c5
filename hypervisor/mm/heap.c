// SPDX-License-Identifier: MIT
// Small-object allocator (mm/heap.h). Nothing about a page is kept in the page: objects begin at its
// start, so those of a power of two are aligned to their size. The frame's type word says what the
// page holds, and the links of the frame table join the pages of a class that have room.
//
//   type word   63..60 HEAP_TYPE   59..56 kind   47..32 large: 0; small: first free object
//               31..0 large: number of pages; small: 31..16 class, 15..0 objects in use
//
// These frames never have an owner or references, so nobody else looks at their type words.
#include "mm/heap.h"

#include <stdbool.h>

#include "lib/assert.h"
#include "lib/math.h"
#include "lib/spinlock.h"
#include "lib/string.h"
#include "mm/frame.h"
#include "mm/layout.h"
#include "mm/page_alloc.h"

#define HEAP_TYPE UINT64_C(0xe)
#define KIND_SMALL 1u
#define KIND_LARGE 2u

#define POISON 0x5a
#define FULL 0xffffu // no free object
#define NR_CLASSES 13u

// Multiples of 16, so that every object has the alignment that C expects of an allocator.
static const uint16_t class_sizes[NR_CLASSES] = {
    16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 784, 1344, 2048,
};

struct page_state {
    unsigned kind;
    unsigned class;
    unsigned used;
    unsigned first_free; // object number or FULL; each free object begins with the number of the next
    uint32_t nr_pages;
};

static struct {
    struct spinlock lock;
    // All guarded by lock, as are the type words and links of the heap's frames.
    uint32_t partial[NR_CLASSES]; // frame number + 1 of a page with a free object, or 0
} heap = { .lock = SPINLOCK_INIT(LOCK_HEAP) };

// ---- What a frame's type word tells

static struct page_state state_load(const struct frame *f)
{
    uint64_t word = f->type;
    struct page_state state = {
        .kind = (unsigned)(word >> 56) & 0xf,
        .class = (unsigned)(word >> 16) & 0xffff,
        .used = (unsigned)word & 0xffff,
        .first_free = (unsigned)(word >> 32) & 0xffff,
        .nr_pages = (uint32_t)word,
    };

    if (word >> 60 != HEAP_TYPE)
        state.kind = 0;
    return state;
}

static void small_store(struct frame *f, const struct page_state *state)
{
    f->type = HEAP_TYPE << 60 | (uint64_t)KIND_SMALL << 56 | (uint64_t)state->first_free << 32 |
              (uint64_t)state->class << 16 | state->used;
}

static void large_store(struct frame *f, uint32_t nr_pages)
{
    f->type = HEAP_TYPE << 60 | (uint64_t)KIND_LARGE << 56 | nr_pages;
}

// ---- Pages with room, per class

static void partial_link(struct frame *f, unsigned class)
{
    uint32_t first = heap.partial[class];
    uint32_t n = (uint32_t)frame_mfn(f).n;

    f->prev = FRAME_NONE;
    f->next = first == 0 ? FRAME_NONE : first - 1;
    if (first != 0)
        frame_of(mfn(first - 1))->prev = n;
    heap.partial[class] = n + 1;
}

static void partial_unlink(struct frame *f, unsigned class)
{
    if (f->next != FRAME_NONE)
        frame_of(mfn(f->next))->prev = f->prev;
    if (f->prev != FRAME_NONE)
        frame_of(mfn(f->prev))->next = f->next;
    else
        heap.partial[class] = f->next == FRAME_NONE ? 0 : f->next + 1;
    f->next = FRAME_NONE;
    f->prev = FRAME_NONE;
}

// ---- Small objects

static unsigned objects_per_page(unsigned class)
{
    return (unsigned)PAGE_SIZE / class_sizes[class];
}

static uint8_t *object_at(struct frame *f, unsigned class, unsigned number)
{
    return (uint8_t *)mfn_to_virt(frame_mfn(f)) + (size_t)number * class_sizes[class];
}

static void link_write(uint8_t *object, unsigned next)
{
    uint16_t number = (uint16_t)next;

    memcpy(object, &number, sizeof(number));
}

static unsigned link_read(const uint8_t *object)
{
    uint16_t number;

    memcpy(&number, object, sizeof(number));
    return number;
}

#ifdef PARAVANE_DEBUG
static void poison_fill(uint8_t *object, size_t size)
{
    memset(object, POISON, size);
}

// Somebody wrote to a free object unless only its link differs from the pattern.
static void poison_check(const uint8_t *object, size_t size)
{
    for (size_t i = sizeof(uint16_t); i < size; i++)
        BUG_ON(object[i] != POISON);
}
#else
static void poison_fill(uint8_t *object UNUSED, size_t size UNUSED) {}
static void poison_check(const uint8_t *object UNUSED, size_t size UNUSED) {}
#endif

// A fresh page of a class, linked, or NULL.
static struct frame *small_page_create(unsigned class)
{
    mfn_t page = page_alloc(0, 0);
    if (mfn_eq(page, INVALID_MFN))
        return NULL;

    struct frame *f = frame_of(page);
    struct page_state state = { .class = class };
    unsigned count = objects_per_page(class);
    for (unsigned i = 0; i < count; i++) {
        uint8_t *object = object_at(f, class, i);
        poison_fill(object, class_sizes[class]);
        link_write(object, i + 1 < count ? i + 1 : FULL);
    }
    small_store(f, &state);
    partial_link(f, class);
    return f;
}

static void *small_alloc(unsigned class)
{
    uint32_t first = heap.partial[class];
    struct frame *f = first != 0 ? frame_of(mfn(first - 1)) : small_page_create(class);
    if (f == NULL)
        return NULL;

    struct page_state state = state_load(f);
    BUG_ON(state.first_free >= objects_per_page(class));
    uint8_t *object = object_at(f, class, state.first_free);
    poison_check(object, class_sizes[class]);
    state.first_free = link_read(object);
    state.used++;
    small_store(f, &state);
    if (state.first_free == FULL)
        partial_unlink(f, class);
    return object;
}

// The last free page of a class stays, so that one object coming and going costs no page.
static bool is_only_partial(const struct frame *f, unsigned class)
{
    return heap.partial[class] == (uint32_t)frame_mfn(f).n + 1 && f->next == FRAME_NONE;
}

static void small_free(struct frame *f, struct page_state *state, uint8_t *object)
{
    unsigned class = state->class;
    size_t offset = (uintptr_t)object & PAGE_OFFSET_MASK;
    unsigned number = (unsigned)(offset / class_sizes[class]);

    BUG_ON(offset % class_sizes[class] != 0 || state->used == 0);
    ASSERT(state->first_free != number);
    poison_fill(object, class_sizes[class]);
    link_write(object, state->first_free);
    if (state->first_free == FULL)
        partial_link(f, class);
    state->first_free = number;
    state->used--;
    small_store(f, state);
    if (state->used == 0 && !is_only_partial(f, class)) {
        partial_unlink(f, class);
        f->type = 0;
        page_free(frame_mfn(f), 0);
    }
}

// The least class that fits and whose objects all have the alignment, or NR_CLASSES.
static unsigned class_for(size_t size, size_t align)
{
    for (unsigned i = 0; i < NR_CLASSES; i++) {
        if (class_sizes[i] >= size && (align <= 16 || IS_ALIGNED(class_sizes[i], align)))
            return i;
    }
    return NR_CLASSES;
}

// ---- Large objects

// Whole pages; of a block of 2^order pages the unneeded tail goes back at once.
static void *large_alloc(size_t size, size_t align)
{
    if (MAX(size, align) > PAGE_SIZE << MAX_PAGE_ORDER)
        return NULL;

    uint64_t nr_pages = MAX(pages_of_bytes(size), UINT64_C(1));
    unsigned order = log2_ceil(MAX(nr_pages, (uint64_t)align >> PAGE_SHIFT));
    mfn_t start = page_alloc(order, 0);
    if (mfn_eq(start, INVALID_MFN))
        return NULL;

    page_alloc_init_range(mfn_add(start, nr_pages), (UINT64_C(1) << order) - nr_pages);
    large_store(frame_of(start), (uint32_t)nr_pages);
    return mfn_to_virt(start);
}

static void large_free(struct frame *f, const struct page_state *state, const uint8_t *object)
{
    BUG_ON(!IS_ALIGNED((uintptr_t)object, PAGE_SIZE));
    f->type = 0;
    page_alloc_init_range(frame_mfn(f), state->nr_pages);
}

// ---- The interface

void *heap_alloc(size_t size, size_t align)
{
    unsigned class = class_for(size, align);

    ASSERT(align == 0 || is_power_of_2(align));
    spin_lock(&heap.lock);
    void *object = class < NR_CLASSES ? small_alloc(class) : large_alloc(size, align);
    spin_unlock(&heap.lock);
    if (object != NULL)
        memset(object, 0, class < NR_CLASSES ? class_sizes[class] : size);
    return object;
}

void heap_free(void *object)
{
    if (object == NULL)
        return;

    spin_lock(&heap.lock);
    struct frame *f = frame_of(virt_to_mfn(object));
    struct page_state state = state_load(f);
    BUG_ON(state.kind != KIND_SMALL && state.kind != KIND_LARGE);
    if (state.kind == KIND_SMALL)
        small_free(f, &state, object);
    else
        large_free(f, &state, object);
    spin_unlock(&heap.lock);
}
