// SPDX-License-Identifier: MIT
// Small-object allocator (mm/heap.h). Nothing about a page is kept in the page: objects begin at
// its start, so those of a power of two are aligned to their size. The frame's type word says what
// the page holds, and the links of the frame table join the pages of a class that have room.
//
//   type word   63..56 HEAP_TAG   55..48 class   47..32 first free object   31..0 objects or pages
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

#define HEAP_TAG 0xe0u
#define LARGE 0xffu

#define POISON 0x5a
#define FULL 0xffffu // no free object
#define NR_CLASSES 13u

// Multiples of 16, so that every object has the alignment that C expects of an allocator.
static const uint16_t class_sizes[NR_CLASSES] = {
    16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 784, 1344, 2048,
};

// The word itself; little-endian.
struct page_state {
    uint32_t count;      // small: objects in use; large: pages
    uint16_t first_free; // small: object number or FULL
    uint8_t class;       // or LARGE
    uint8_t tag;
};

static struct {
    struct spinlock lock;
    // All guarded by lock, as are the type words and links of the heap's frames.
    uint32_t partial[NR_CLASSES]; // pages with a free object
} heap = { .lock = SPINLOCK_INIT(LOCK_HEAP), .partial = { [0 ... NR_CLASSES - 1] = FRAME_NONE } };

_Static_assert(sizeof(struct page_state) == sizeof(((struct frame *)0)->type), "it is the word");

static struct page_state state_load(const struct frame *f)
{
    struct page_state state;

    memcpy(&state, &f->type, sizeof(state));
    return state;
}

static void state_store(struct frame *f, struct page_state state)
{
    state.tag = HEAP_TAG;
    memcpy(&f->type, &state, sizeof(state));
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

// A free object begins with the number of the next, or FULL.
static void link_write(uint8_t *object, unsigned next)
{
    uint16_t number = (uint16_t)next;

    memcpy(object, &number, sizeof(number));
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
    struct page_state state = { .class = (uint8_t)class };
    unsigned count = objects_per_page(class);
    for (unsigned i = 0; i < count; i++) {
        uint8_t *object = object_at(f, class, i);
        poison_fill(object, class_sizes[class]);
        link_write(object, i + 1 < count ? i + 1 : FULL);
    }
    state_store(f, state);
    frame_list_add(&heap.partial[class], f);
    return f;
}

static void *small_alloc(unsigned class)
{
    uint32_t first = heap.partial[class];
    struct frame *f = first != FRAME_NONE ? frame_of(mfn(first)) : small_page_create(class);
    if (f == NULL)
        return NULL;

    struct page_state state = state_load(f);
    BUG_ON(state.first_free >= objects_per_page(class));
    uint8_t *object = object_at(f, class, state.first_free);
    poison_check(object, class_sizes[class]);
    memcpy(&state.first_free, object, sizeof(state.first_free));
    state.count++;
    state_store(f, state);
    if (state.first_free == FULL)
        frame_list_remove(&heap.partial[class], f);
    return object;
}

// The last free page of a class stays, so that one object coming and going costs no page.
static bool is_only_partial(const struct frame *f, unsigned class)
{
    return heap.partial[class] == (uint32_t)frame_mfn(f).n && f->next == FRAME_NONE;
}

static void small_free(struct frame *f, struct page_state state, uint8_t *object)
{
    unsigned class = state.class;
    size_t offset = (uintptr_t)object & PAGE_OFFSET_MASK;
    unsigned number = (unsigned)(offset / class_sizes[class]);

    BUG_ON(offset % class_sizes[class] != 0 || state.count == 0);
    ASSERT(state.first_free != number);
    poison_fill(object, class_sizes[class]);
    link_write(object, state.first_free);
    if (state.first_free == FULL)
        frame_list_add(&heap.partial[class], f);
    state.first_free = (uint16_t)number;
    state.count--;
    state_store(f, state);
    if (state.count == 0 && !is_only_partial(f, class)) {
        frame_list_remove(&heap.partial[class], f);
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
    state_store(frame_of(start), (struct page_state){ (uint32_t)nr_pages, 0, LARGE, 0 });
    return mfn_to_virt(start);
}

static void large_free(struct frame *f, struct page_state state, const uint8_t *object)
{
    BUG_ON(!IS_ALIGNED((uintptr_t)object, PAGE_SIZE));
    f->type = 0;
    page_alloc_init_range(frame_mfn(f), state.count);
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
    BUG_ON(state.tag != HEAP_TAG);
    if (state.class == LARGE)
        large_free(f, state, object);
    else
        small_free(f, state, object);
    spin_unlock(&heap.lock);
}
