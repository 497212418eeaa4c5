// SPDX-License-Identifier: MIT
/*
 * Making a CPU's area: SYSCALL stub page, descriptor page, stacks with a guard page below, copy of
 * .percpu.
 */
#include "cpu/percpu.h"
#include "mm/heap.h"
#include "mm/page_alloc.h"
#include "mm/page_table.h"

uint64_t percpu_offsets[MAX_CPUS];

extern char _percpu_start[], _percpu_end[];

/* Pages of an area, by their offset; what is not listed stays unmapped and faults. */
static const struct { uint32_t offset; uint32_t pages; uint64_t flags; } area_pages[] = {
    { CPU_STUB_OFFSET,                           1, MAP_RX },
    { 0x1000,                                    1, MAP_RW },      /* descriptor page */
    { CPU_STACK_OFFSET,                          4, MAP_RW },      /* IST stacks */
    { CPU_STACK_OFFSET + 5 * IST_STACK_SIZE,     3, MAP_RW },      /* stack, above a guard page */
};

static int map_area(uint64_t area)
{
    for (unsigned i = 0; i < ARRAY_SIZE(area_pages); i++)
        for (unsigned page = 0; page < area_pages[i].pages; page++) {
            mfn_t m = page_alloc(0, ALLOC_ZERO);

            if (mfn_eq(m, INVALID_MFN) ||
                hyp_map(area + area_pages[i].offset + page * PAGE_SIZE, mfn_to_paddr(m), PAGE_SIZE,
                        area_pages[i].flags))
                return -XEN_ENOMEM;
        }
    return 0;
}

int percpu_init(unsigned cpu)
{
    size_t size = (size_t)(_percpu_end - _percpu_start);
    void *copy = heap_alloc(size);
    int rc = map_area(PERCPU_AREA_START + (uint64_t)cpu * PERCPU_AREA_SIZE);

    if (rc || !copy)
        return -XEN_ENOMEM;
    memcpy(copy, _percpu_start, size);
    percpu_offsets[cpu] = (uintptr_t)copy - (uintptr_t)_percpu_start;
    cpu_info_of(cpu)->cpu = cpu;
    cpu_info_of(cpu)->percpu_offset = percpu_offsets[cpu];
    return 0;
}
