// SPDX-License-Identifier: MIT
// A frame's owner and references: who may take one, what happens when the last goes, and that a frame
// whose books are wrong stops the machine instead of going round again.
#include "unit_main.h"

#include "fake_machine.h"
#include "mm/frame.h"
#include "mm/page_alloc.h"

static struct frame *freed;

static void note_freed(struct frame *f)
{
    freed = f;
}

static struct frame *fresh(void)
{
    static bool created;

    if (!created) {
        fake_memory_create(64, 0);
        page_alloc_init_range(mfn(1), 63);
        created = true;
    }
    frame_freed_hook = note_freed;
    freed = NULL;
    mfn_t m = page_alloc(0, 0);
    CU_ASSERT_FATAL(!mfn_eq(m, INVALID_MFN));
    return frame_of(m);
}

static void only_the_owner_gets_it(void)
{
    struct frame *f = fresh();

    CU_ASSERT(!frame_get(f, 5));
    frame_assign(f, 5, FRAME_ALLOCATED);
    CU_ASSERT_EQUAL(frame_owner(f), 5);
    CU_ASSERT(!frame_get(f, 6));
    CU_ASSERT(!frame_get(f, FRAME_OWNER_HYP));
    CU_ASSERT(frame_get(f, 5));
    frame_put(f);
    CU_ASSERT_PTR_NULL(freed);
}

static void allocation_is_dropped_once(void)
{
    struct frame *f = fresh();

    frame_assign(f, 5, FRAME_ALLOCATED);
    CU_ASSERT(frame_get(f, 5));
    CU_ASSERT(frame_clear_allocated(f));
    CU_ASSERT(!frame_clear_allocated(f));
    frame_put(f);
    CU_ASSERT_PTR_NULL(freed);
    frame_put(f);
    CU_ASSERT_PTR_EQUAL(freed, f);
    CU_ASSERT(!frame_get(f, 5));
}

static void a_shared_page_is_not_the_guests_to_free(void)
{
    struct frame *f = fresh();

    frame_assign(f, 5, 0);
    CU_ASSERT(frame_get(f, 5));
    CU_ASSERT(!frame_clear_allocated(f));
    frame_put(f);
    CU_ASSERT_PTR_NULL(freed);
}

static void ours_go_straight_back(void)
{
    struct frame *f = fresh();
    uint64_t before = page_alloc_free_pages();

    frame_assign(f, FRAME_OWNER_HYP, FRAME_ALLOCATED);
    (void)frame_clear_allocated(f);
    frame_put(f);
    CU_ASSERT_PTR_NULL(freed);
    CU_ASSERT_EQUAL(page_alloc_free_pages(), before + 1);
    CU_ASSERT_EQUAL(frame_owner(f), FRAME_OWNER_NONE);
}

static void the_count_can_not_overflow(void)
{
    struct frame *f = fresh();

    frame_assign(f, 5, FRAME_ALLOCATED);
    f->ref |= FRAME_COUNT_MASK;
    CU_ASSERT(!frame_get(f, 5));
}

static void put_one(void *f)
{
    frame_put(f);
}

static void assign_one(void *f)
{
    frame_assign(f, 6, FRAME_ALLOCATED);
}

static void wrong_books_stop_the_machine(void)
{
    struct frame *f = fresh();

    frame_assign(f, 5, FRAME_ALLOCATED);
    CU_ASSERT(fake_catches_panic(assign_one, f));
    CU_ASSERT(fake_catches_panic(put_one, f)); // freed while it counts as allocated
    f = fresh();
    frame_assign(f, 5, FRAME_ALLOCATED);
    (void)frame_clear_allocated(f);
    f->type = 1; // still used as something
    CU_ASSERT(fake_catches_panic(put_one, f));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"only_the_owner_gets_it", only_the_owner_gets_it},
        {"allocation_is_dropped_once", allocation_is_dropped_once},
        {"a_shared_page_is_not_the_guests_to_free", a_shared_page_is_not_the_guests_to_free},
        {"ours_go_straight_back", ours_go_straight_back},
        {"the_count_can_not_overflow", the_count_can_not_overflow},
        {"wrong_books_stop_the_machine", wrong_books_stop_the_machine},
        {NULL, NULL},
    };

    return unit_main("frame", tests);
}
