// SPDX-License-Identifier: MIT
//
// Memory. The builder of the domain maps the kernel, what it hands over and half a megabyte or more behind
// it; that mapping is continued over all frames:
//
//   VIRT_BASE                                                      WINDOWS, 2 MiB
//   | 1 MiB | kernel, p2m, start_info, tables, stack | free ... |  | shared_info, grant table, ...
//   frame 0                                          boot_rsp   up to MAX_FRAMES
//
// A level 1 table is filled while it is an ordinary page, then linked: two hypercalls for 2 MiB.
#include "guest/memory.h"

#include "guest/hypercall.h"
#include "guest/layout.h"
#include "guest/libc.h"

#define MAX_FRAMES 0x30000ul               // 768 MiB
#define WINDOWS (VIRT_BASE + MAX_FRAMES * PAGE_SIZE)
#define MAX_WINDOWS ENTRIES
#define ENTRIES 512u
#define PTE_PRESENT 0x1ull
#define PTE_LARGE 0x80ull
#define PTE_RO 0x21ull                     // present, accessed
#define PTE_RW 0x63ull                     // and writable, dirty
#define PTE_TABLE 0x67ull                  // and for user mode, in which PV kernels run
#define PTE_FRAME(pte) ((pte) >> 12 & ((1ull << 40) - 1))
#define WORD 64u

uint64_t *p2m;
static uint64_t *root;
static uint64_t nr_frames;                 // mapped at their place
static uint64_t free_map[MAX_FRAMES / WORD];
static uint64_t nr_free, lowest_free;
static unsigned nr_windows;

static void *frame_va(uint64_t frame)
{
    return (void *)(VIRT_BASE + frame * PAGE_SIZE);
}

static uint64_t frame_of(const void *page)
{
    return ((uint64_t)page - VIRT_BASE) / PAGE_SIZE;
}

uint64_t page_mfn(const void *page)
{
    return p2m[frame_of(page)];
}

void *page_of_mfn(uint64_t mfn)
{
    return frame_va(((const uint64_t *)MACH2PHYS_VIRT_START)[mfn]);
}

uint64_t *page_entry(uint64_t *top, uint64_t va, unsigned level)
{
    uint64_t *table = top;

    for (unsigned l = 4; ; l--) {
        uint64_t *e = &table[va >> (12 + 9 * (l - 1)) & (ENTRIES - 1)];
        if (l == level)
            return e;
        if (!(*e & PTE_PRESENT) || (l == 2 && (*e & PTE_LARGE)))
            return NULL;
        table = page_of_mfn(PTE_FRAME(*e));
    }
}

static uint64_t *entry(uint64_t va, unsigned level)
{
    return page_entry(root, va, level);
}

static int map(const void *va, uint64_t pte)
{
    return hyp_update_va_mapping((uint64_t)va, pte, UVMF_INVLPG);
}

int page_protect(void *page, bool is_writable)
{
    return map(page, page_mfn(page) << 12 | (is_writable ? PTE_RW : PTE_RO));
}

static bool is_free(uint64_t frame)
{
    return free_map[frame / WORD] >> frame % WORD & 1;
}

static void flip(uint64_t frame, size_t nr)
{
    for (size_t i = 0; i < nr; i++)
        free_map[(frame + i) / WORD] ^= 1ull << (frame + i) % WORD;
}

void pages_free(void *pages, size_t nr)
{
    uint64_t frame = frame_of(pages);

    flip(frame, nr);
    nr_free += nr;
    lowest_free = frame < lowest_free ? frame : lowest_free;
}

void *pages_alloc(size_t nr)
{
    uint64_t run = 0;

    for (uint64_t frame = lowest_free; frame < nr_frames && nr; frame++) {
        run = is_free(frame) ? run + 1 : 0;
        if (run == nr) {
            uint64_t first = frame + 1 - nr;
            flip(first, nr);
            nr_free -= nr;
            lowest_free = first == lowest_free ? frame + 1 : lowest_free;
            return memset(frame_va(first), 0, nr * PAGE_SIZE);
        }
    }
    return NULL;
}

size_t pages_nr_free(void)
{
    return nr_free;
}

size_t pages_nr_mapped(void)
{
    return nr_frames;
}

// Makes a filled page the level 1 table of an address.
static int link_table(uint64_t *table, uint64_t va)
{
    const uint64_t *e = entry(va, 2);
    struct mmu_update u = { page_mfn(e) << 12 | ((uint64_t)e & (PAGE_SIZE - 1)),
                            page_mfn(table) << 12 | PTE_TABLE };
    int rc = page_protect(table, false);

    return rc == 0 ? hyp_mmu_update(&u, 1, NULL, DOMID_SELF) : rc;
}

// A ballooned domain has frames without memory.
static bool has_memory(uint64_t frame)
{
    return p2m[frame] >> 40 == 0;
}

// Maps frames from `frame` on, up to the end of their table; where it stopped, `frame` itself on failure.
static uint64_t map_frames(uint64_t frame, uint64_t end)
{
    uint64_t va = (uint64_t)frame_va(frame);
    bool has_table = *entry(va, 2) & PTE_PRESENT;
    uint64_t stop = (frame | (ENTRIES - 1)) + 1;
    uint64_t *table = has_table ? NULL : pages_alloc(1);
    int rc = has_table || table ? 0 : -1;

    stop = stop < end ? stop : end;
    for (uint64_t i = frame; i < stop && rc == 0; i++) {
        uint64_t pte = has_memory(i) ? p2m[i] << 12 | PTE_RW : 0;
        if (has_table)
            rc = map(frame_va(i), pte);
        else
            table[i & (ENTRIES - 1)] = pte;
    }
    if (rc == 0 && !has_table)
        rc = link_table(table, va);
    return rc == 0 ? stop : frame;
}

static void give(uint64_t frame, uint64_t end)
{
    nr_frames = end;
    for (; frame < end; frame++)
        if (has_memory(frame))
            pages_free(frame_va(frame), 1);
}

void *page_window(void)
{
    return nr_windows < MAX_WINDOWS ? (void *)(WINDOWS + nr_windows++ * PAGE_SIZE) : NULL;
}

void *page_map(uint64_t mfn)
{
    void *va = page_window();

    return va && map(va, mfn << 12 | PTE_RW) == 0 ? va : NULL;
}

bool memory_init(const struct start_info *info, uint64_t boot_rsp)
{
    uint64_t end = info->nr_pages < MAX_FRAMES ? info->nr_pages : MAX_FRAMES;
    uint64_t frame = frame_of((const void *)(boot_rsp + PAGE_SIZE - 1));
    uint64_t mapped = frame;

    p2m = (uint64_t *)info->mfn_list;
    root = (uint64_t *)info->pt_base;
    lowest_free = frame;
    for (const uint64_t *e = entry((uint64_t)frame_va(frame), 1); mapped < end && e && (*e & PTE_PRESENT); ) {
        mapped++;
        e = entry((uint64_t)frame_va(mapped), 1);
    }
    give(frame, mapped);
    uint64_t *table = pages_alloc(1);
    bool is_good = table && link_table(table, WINDOWS) == 0;
    for (frame = mapped; is_good && frame < end; frame = mapped) {
        mapped = map_frames(frame, end);
        is_good = mapped > frame;
        give(frame, mapped);
    }
    return is_good;
}
