// SPDX-License-Identifier: MIT
// mm/page_alloc.c against a bitmap: random operations must hand out exactly blocks that are free,
// aligned and below the limit, fail only when no such block exists, and merge back to where it began.
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_machine.h"
#include "lib/compiler.h"
#include "mm/frame.h"
#include "mm/page_alloc.h"
#include "unit_main.h"

// Frames around 4 GiB, so that both sides of the limit are there, and around 16 MiB.
#define NR_FRAMES 0x101800u
#define FOUR_GIB 0x100000u

static const struct {
    uint64_t start, count;
} ranges[] = {
    { 0x0, 0x9f }, { 0x100, 0x1400 }, { 0xff003, 0x1ffd }, { 0x101000, 0x7ff },
};

static uint8_t is_free[NR_FRAMES];
static uint64_t nr_free;

static void set_free(uint64_t start, uint64_t count, bool now_free)
{
    for (uint64_t n = start; n < start + count; n++) {
        CU_ASSERT_NOT_EQUAL_FATAL(is_free[n], now_free);
        is_free[n] = now_free;
    }
    nr_free += now_free ? count : -count;
}

static uint64_t limit_of(unsigned bits)
{
    return bits == 0 ? NR_FRAMES : MIN((uint64_t)NR_FRAMES, UINT64_C(1) << (bits - PAGE_SHIFT));
}

// Whether any free block of this order lies below the limit. Slow, so asked only after a refusal.
static bool exists(unsigned order, unsigned bits)
{
    uint64_t size = UINT64_C(1) << order;

    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
        uint64_t end = MIN(ranges[i].start + ranges[i].count, limit_of(bits));
        for (uint64_t n = ALIGN_UP(ranges[i].start, size); n + size <= end; n += size) {
            if ((n != 0 || order <= 12) && memchr(&is_free[n], 0, size) == NULL)
                return true;
        }
    }
    return false;
}

static void start(void)
{
    fake_memory_create(NR_FRAMES, FOUR_GIB);
    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
        page_alloc_init_range(mfn(ranges[i].start), ranges[i].count);
        set_free(ranges[i].start, ranges[i].count, true);
    }
    CU_ASSERT_EQUAL(page_alloc_free_pages(), nr_free);
}

#define MAX_BLOCKS 4096

static struct block {
    uint64_t n;
    unsigned order;
} blocks[MAX_BLOCKS];
static unsigned nr_blocks;

static bool take(unsigned order, unsigned bits)
{
    mfn_t block = page_alloc(order, ALLOC_BITS(bits));

    if (mfn_eq(block, INVALID_MFN)) {
        CU_ASSERT_FALSE(exists(order, bits));
        return false;
    }
    CU_ASSERT(IS_ALIGNED(block.n, UINT64_C(1) << order));
    CU_ASSERT(block.n + (UINT64_C(1) << order) <= limit_of(bits));
    CU_ASSERT_EQUAL(frame_of(block)->type, 0);
    CU_ASSERT_EQUAL(frame_of(block)->ref & FRAME_COUNT_MASK, 0);
    set_free(block.n, UINT64_C(1) << order, false);
    blocks[nr_blocks++] = (struct block){ block.n, order };
    return true;
}

// As a guest's use of the frame would leave it.
static void scribble(uint64_t n)
{
    frame_of(mfn(n))->type = (uint64_t)rand() << 40;
    frame_of(mfn(n))->ref = (uint64_t)(rand() % 100) << FRAME_OWNER_SHIFT;
}

// The whole block, or its halves one after the other.
static void give(unsigned i)
{
    struct block block = blocks[i];

    blocks[i] = blocks[--nr_blocks];
    scribble(block.n);
    set_free(block.n, UINT64_C(1) << block.order, true);
    if (block.order > 0 && rand() % 4 == 0) {
        uint64_t half = UINT64_C(1) << (block.order - 1);
        page_free(mfn(block.n + half), block.order - 1);
        page_free(mfn(block.n), block.order - 1);
    } else {
        page_free(mfn(block.n), block.order);
    }
}

static void random_operations(void)
{
    static const unsigned limits[] = { 0, 0, 0, 32, 24, 25, 33, 44, 60 };

    srand(4);
    for (unsigned step = 0; step < 60000; step++) {
        bool grows = rand() % 100 < (step / 5000 % 2 == 0 ? 60 : 35);
        if (grows && nr_blocks < MAX_BLOCKS) {
            unsigned order = rand() % 8 == 0 ? (unsigned)rand() % 14 : (unsigned)rand() % 3;
            take(order, limits[(size_t)rand() % ARRAY_SIZE(limits)]);
        } else if (nr_blocks > 0) {
            give((unsigned)rand() % nr_blocks);
        }
        CU_ASSERT_EQUAL(page_alloc_free_pages(), nr_free);
    }
}

// Everything can be had frame by frame, high memory first, and comes back as large blocks.
static void exhaustion(void)
{
    uint64_t last = UINT64_MAX;

    while (nr_blocks > 0)
        give(0);
    uint64_t all = nr_free;
    for (uint64_t i = 0; i < all; i++) {
        mfn_t page = page_alloc(0, 0);
        CU_ASSERT_FATAL(!mfn_eq(page, INVALID_MFN));
        CU_ASSERT(page.n >= FOUR_GIB ? last >= FOUR_GIB : true);
        last = page.n;
        set_free(page.n, 1, false);
    }
    CU_ASSERT_EQUAL(page_alloc_free_pages(), 0);
    CU_ASSERT(mfn_eq(page_alloc(0, 0), INVALID_MFN));
    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
        set_free(ranges[i].start, ranges[i].count, true);
        page_alloc_init_range(mfn(ranges[i].start), ranges[i].count);
    }
    CU_ASSERT_EQUAL(page_alloc_free_pages(), all);
    CU_ASSERT(take(12, 0));
    CU_ASSERT(take(11, 32));
    CU_ASSERT_EQUAL(blocks[0].n, FOUR_GIB);
    CU_ASSERT(take(7, 24));
    while (nr_blocks > 0)
        give(0);
}

static void refusals(void)
{
    CU_ASSERT(mfn_eq(page_alloc(MAX_PAGE_ORDER + 1, 0), INVALID_MFN));
    CU_ASSERT(mfn_eq(page_alloc(MAX_PAGE_ORDER, 0), INVALID_MFN));
    CU_ASSERT(mfn_eq(page_alloc(0, ALLOC_BITS(23)), INVALID_MFN));
}

static void zeroes(void)
{
    mfn_t block = page_alloc(1, 0);

    memset(mfn_to_virt(block), 0x77, 2 * PAGE_SIZE);
    page_free(block, 1);
    mfn_t again = page_alloc(1, ALLOC_ZERO);
    CU_ASSERT(mfn_eq(again, block));
    const uint8_t *bytes = mfn_to_virt(again);
    unsigned sum = 0;
    for (unsigned i = 0; i < 2 * PAGE_SIZE; i++)
        sum += bytes[i];
    CU_ASSERT_EQUAL(sum, 0);
    page_free(again, 1);
}

static void free_it(void *block)
{
    const struct block *b = block;

    page_free(mfn(b->n), b->order);
}

// A caught panic leaves the allocator's lock held, so each wrong use gets a process of its own.
static bool is_caught(uint64_t n, unsigned order)
{
    struct block block = { n, order };
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(fake_catches_panic(free_it, &block) ? 0 : 1);
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void bugs_are_caught(void)
{
    mfn_t block = page_alloc(2, 0);
    mfn_t page = page_alloc(0, 0);

    CU_ASSERT_FALSE(is_caught(block.n, 2));
    CU_ASSERT(is_caught(block.n + 1, 1));         // not aligned
    CU_ASSERT(is_caught(NR_FRAMES - 1, 1));       // beyond the last frame
    CU_ASSERT(is_caught(0, MAX_PAGE_ORDER + 1));
    page_free(page, 0);
    CU_ASSERT(is_caught(page.n, 0));              // a second time
    page_free(block, 2);
    CU_ASSERT(is_caught(block.n, 2));
    CU_ASSERT(is_caught(block.n + 1, 0));         // part of what is free
}

static const struct unit_test tests[] = {
    { "start", start },
    { "random_operations", random_operations },
    { "exhaustion", exhaustion },
    { "refusals", refusals },
    { "zeroes", zeroes },
    { "bugs_are_caught", bugs_are_caught },
    { NULL, NULL },
};

int main(void)
{
    return unit_main("page_alloc", tests);
}
