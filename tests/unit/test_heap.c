// SPDX-License-Identifier: MIT
// mm/heap.c over the real mm/page_alloc.c, as in a debug build: objects do not overlap, begin at a page,
// are zeroed, all pages come back, and wrong use is caught.
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_machine.h"
#include "lib/compiler.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/page_alloc.h"
#include "unit_main.h"

#define NR_FRAMES 2048u
#define FIRST 1024u

static void start(void)
{
    fake_memory_create(NR_FRAMES, FIRST);
    page_alloc_init_range(mfn(FIRST), NR_FRAMES - FIRST);
    CU_ASSERT_EQUAL(page_alloc_free_pages(), NR_FRAMES - FIRST);
}

static bool is_filled(const uint8_t *object, size_t size, uint8_t byte)
{
    for (size_t i = 0; i < size; i++) {
        if (object[i] != byte)
            return false;
    }
    return true;
}

#define NR_OBJECTS 500

static struct {
    uint8_t *object;
    size_t size;
} objects[NR_OBJECTS];

static void forget(unsigned i)
{
    CU_ASSERT(is_filled(objects[i].object, objects[i].size, (uint8_t)i));
    heap_free(objects[i].object);
    objects[i].object = NULL;
}

// Each object is filled with its own number, and must still be when it is freed.
static void random_operations(void)
{
    static const size_t limits[] = { 16, 64, 300, 2048, 2049, 20000 };

    srand(5);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)rand() % NR_OBJECTS;
        if (objects[i].object != NULL) {
            forget(i);
        } else {
            objects[i].size = (size_t)rand() % limits[(size_t)rand() % ARRAY_SIZE(limits)] + 1;
            objects[i].object = heap_alloc(objects[i].size);
            if (objects[i].object == NULL) {
                CU_ASSERT(page_alloc_free_pages() < 64);
                continue;
            }
            CU_ASSERT(IS_ALIGNED(direct_map_paddr(objects[i].object), PAGE_SIZE));
            CU_ASSERT(is_filled(objects[i].object, objects[i].size, 0));
            memset(objects[i].object, (int)(uint8_t)i, objects[i].size);
        }
    }
    for (unsigned i = 0; i < NR_OBJECTS; i++) {
        if (objects[i].object != NULL)
            forget(i);
    }
    CU_ASSERT_EQUAL(page_alloc_free_pages(), NR_FRAMES - FIRST);
}

static void large_sizes(void)
{
    uint64_t before = page_alloc_free_pages();

    void *five = heap_alloc(5 * PAGE_SIZE);
    CU_ASSERT_EQUAL(before - page_alloc_free_pages(), 5);
    heap_free(five);
    CU_ASSERT_EQUAL(before - page_alloc_free_pages(), 0);
    CU_ASSERT_PTR_NULL(heap_alloc(SIZE_MAX));
    CU_ASSERT_PTR_NULL(heap_alloc(SIZE_MAX - PAGE_SIZE));
    CU_ASSERT_PTR_NULL(heap_alloc((size_t)NR_FRAMES * PAGE_SIZE));
    CU_ASSERT_EQUAL(before - page_alloc_free_pages(), 0);
}

static void nothing(void)
{
    heap_free(NULL);
    void *a = heap_alloc(0);
    void *b = heap_alloc(0);
    CU_ASSERT(a != NULL && b != NULL && a != b);
    heap_free(a);
    heap_free(b);
    uint64_t *number = heap_new(uint64_t);
    CU_ASSERT_EQUAL(*number, 0);
    heap_free(number);
}

// The heap goes to the last page; then it says no, and goes on after a free.
static void out_of_memory(void)
{
    static void *pages[NR_FRAMES];
    unsigned count = 0;

    while ((pages[count] = heap_alloc(PAGE_SIZE)) != NULL)
        count++;
    CU_ASSERT_EQUAL(page_alloc_free_pages(), 0);
    CU_ASSERT_PTR_NULL(heap_alloc(3000));
    while (count > 0)
        heap_free(pages[--count]);
    void *object = heap_alloc(3000);
    CU_ASSERT_PTR_NOT_NULL(object);
    heap_free(object);
}

static uint8_t *object;

static void free_at(void *offset)
{
    heap_free(object + *(size_t *)offset);
}

// A caught panic leaves the heap's lock held, so each wrong use gets a process of its own.
static bool is_caught(void (*misuse)(void *), size_t argument)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(fake_catches_panic(misuse, &argument) ? 0 : 1);
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void bugs_are_caught(void)
{
    object = heap_alloc(100);
    CU_ASSERT_FALSE(is_caught(free_at, 0));
    CU_ASSERT(is_caught(free_at, 8));                // not an object's beginning
    CU_ASSERT(is_caught(free_at, PAGE_SIZE * 100));  // not the heap's
    heap_free(object);
    CU_ASSERT(is_caught(free_at, 0));                // a second time
    object = heap_alloc(3 * PAGE_SIZE);
    CU_ASSERT(is_caught(free_at, 64));
    CU_ASSERT(is_caught(free_at, PAGE_SIZE));
    heap_free(object);
    CU_ASSERT(is_caught(free_at, 0));
}

static const struct unit_test tests[] = {
    { "start", start },
    { "random_operations", random_operations },
    { "large_sizes", large_sizes },
    { "nothing", nothing },
    { "out_of_memory", out_of_memory },
    { "bugs_are_caught", bugs_are_caught },
    { NULL, NULL },
};

int main(void)
{
    return unit_main("heap", tests);
}
