// SPDX-License-Identifier: MIT
// Where the builder puts things, and its page tables: walked as the CPU does, they map what start_info promises.
#include <stdlib.h>
#include <string.h>

#include "dom0-tools/lib/build.h"
#include "unit_main.h"

enum { PAGES = 40000 };

static uint64_t frames[PAGES];

// Machine frames in no order, each once.
static void scatter(void)
{
    for (uint64_t i = 0; i < PAGES; i++)
        frames[i] = 1000000 + i * 7919 % 65537;
}

static struct image_plan linux_like(void)
{
    return (struct image_plan){
        .virt_base = UINT64_C(0xffffffff80000000), .end = 0x3a00123, .has_init_p2m = 1, .init_p2m = UINT64_C(0x8000000000),
        .module_by_frame = 1, .nr_segments = 1, .segments = { { .address = 0x1000000, .mem_size = 0x2a00123 } },
    };
}

static uint64_t pages_for(const struct image_plan *plan, uint64_t initramfs, struct build_layout *l)
{
    build_plan(plan, PAGES, initramfs, l);
    CU_ASSERT_FATAL(l->end <= PAGES);
    return l->nr_tables;
}

// The entry that maps an address, 0 if none does.
static uint64_t walk(const struct build_layout *l, uint64_t (*tables)[512], uint64_t va)
{
    uint64_t entry = 0, table = 0;

    for (unsigned level = 4; level >= 1; level--) {
        entry = tables[table][va >> (12 + 9 * (level - 1)) & 511];
        if (!(entry & 1) || level == 1)
            return entry;
        for (table = 0; table < l->nr_tables && frames[l->tables + table] != entry >> 12;)
            table++;
        CU_ASSERT_FATAL(table < l->nr_tables);
    }
    return entry;
}

static void check_range(const struct build_layout *l, uint64_t (*tables)[512], uint64_t va, uint64_t first, uint64_t count)
{
    unsigned wrong = 0;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t entry = walk(l, tables, va + (i << 12)), frame = first + i;
        bool is_table = frame >= l->tables && frame < l->tables + l->nr_tables;

        wrong += entry >> 12 != frames[frame] || (entry & 0x5) != 0x5 || !(entry & 2) != is_table;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void check(const struct image_plan *plan, uint64_t initramfs)
{
    struct build_layout l;
    uint64_t nr = pages_for(plan, initramfs, &l);
    uint64_t (*tables)[512] = malloc(nr * sizeof(*tables));

    CU_ASSERT_PTR_NOT_NULL_FATAL(tables);
    build_tables(plan, &l, frames, tables);
    check_range(&l, tables, plan->virt_base, 0, l.mapped_end);
    CU_ASSERT_EQUAL(walk(&l, tables, plan->virt_base + (l.mapped_end << 12)), 0);
    if (plan->has_init_p2m)
        check_range(&l, tables, plan->init_p2m, l.p2m, l.p2m_pages);
    CU_ASSERT((l.mapped_end - l.stack - 1) << 12 >= 512 << 10);
    CU_ASSERT_EQUAL((plan->virt_base + (l.mapped_end << 12)) % (4 << 20), 0);
    free(tables);
}

static void layout(void)
{
    struct image_plan plan = linux_like();
    struct build_layout l;

    build_plan(&plan, PAGES, 0x5001, &l);
    CU_ASSERT_EQUAL(l.start_info, 0x3a01);
    CU_ASSERT_EQUAL(l.store, l.start_info + 1);
    CU_ASSERT_EQUAL(l.console, l.start_info + 2);
    CU_ASSERT_EQUAL(l.tables, l.start_info + 3);
    CU_ASSERT_EQUAL(l.initramfs, l.mapped_end);
    CU_ASSERT_EQUAL(l.initramfs_pages, 6);
    CU_ASSERT_EQUAL(l.p2m, l.mapped_end + 6);
    CU_ASSERT_EQUAL(l.end, l.p2m + (PAGES * 8 + 4095) / 4096);
}

static void tables_of_linux(void)
{
    struct image_plan plan = linux_like();

    scatter();
    check(&plan, 0);
    check(&plan, 3 << 20);
}

// As Mini-OS and GRUB: linked at 0, everything in one mapping.
static void tables_of_small_kernels(void)
{
    struct image_plan plan = linux_like();

    scatter();
    plan.virt_base = 0;
    plan.has_init_p2m = plan.module_by_frame = 0;
    check(&plan, 2 << 20);
    plan.virt_base = UINT64_C(0x7f003ff000);        // crosses a level 3 table
    check(&plan, 0);
}

// Its own place for the list shares the tables of the kernel's mapping.
static void tables_shared(void)
{
    struct image_plan plan = linux_like();

    scatter();
    plan.init_p2m = plan.virt_base + (UINT64_C(300) << 20);
    check(&plan, 1 << 20);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "layout", layout },
        { "tables_of_linux", tables_of_linux },
        { "tables_of_small_kernels", tables_of_small_kernels },
        { "tables_shared", tables_shared },
        { NULL, NULL },
    };

    return unit_main("vane_build", tests);
}
