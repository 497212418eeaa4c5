// SPDX-License-Identifier: MIT
/*
 * Memory at the start of day. head.S has mapped the first 4 GiB; from the firmware's ranges, less
 * what holds the image and the modules, frames are taken from the top for the tables that describe
 * all memory, and what is left goes to the page allocator. Frames below 1 MiB and all that is not
 * RAM are the control domain's to map (FRAME_OWNER_IO).
 */
#include "boot/boot.h"

#include "cpu/regs.h"
#include "cpu/smp.h"
#include "pv/page_type.h"

#define LOW_MEMORY   0x100000
#define BOOT_MAPPED  0x100000000           /* head.S's direct map */
#define CHUNK        0x200000
#define MAX_PARTS    (BOOT_MAX_RANGES + 64)   /* after some were cut */

extern char _image_start[], _rodata_start[], _data_start[], _init_start[],
    _init_data_start[], _init_end[], _image_end[];

/* In whole pages: E820_RAM is free, what is taken is E820_UNUSABLE. */
static INITDATA struct boot_range parts[MAX_PARTS];
static INITDATA unsigned nr_parts;
static INITDATA uint64_t total_bytes;
uint64_t max_mfn;

static INIT void add_part(paddr_t start, paddr_t end, uint32_t type)
{
    if (start < end && nr_parts < MAX_PARTS)
        parts[nr_parts++] = (struct boot_range){ start, end - start, type };
}

/* From the top of the highest range that has room below `limit`. */
static INIT paddr_t take_free(uint64_t size, paddr_t limit)
{
    struct boot_range *from = NULL;
    paddr_t best = 0, end;

    for (struct boot_range *r = parts; r < parts + nr_parts; r++) {
        paddr_t top = MIN(r->start + r->size, limit);
        paddr_t start = top < size ? 0 : ALIGN_DOWN(top - size, size);

        if (r->type == E820_RAM && start >= r->start && start > best) {
            best = start;
            from = r;
        }
    }
    if (from) {
        end = from->start + from->size;
        from->size = best - from->start;
        add_part(best + size, end, E820_RAM);
    }
    return best;
}

static INIT mfn_t boot_table_page(void)
{
    paddr_t pa = take_free(PAGE_SIZE, BOOT_MAPPED);

    if (!pa)
        panic("cannot start: no memory below 4 GiB for page tables: give the machine more memory");
    memset(direct_map(pa), 0, PAGE_SIZE);
    return paddr_to_mfn(pa);
}

static INIT void map_or_panic(uint64_t va, paddr_t pa, uint64_t size, uint64_t flags)
{
    if (hyp_map(va, pa, size, flags))
        panic("cannot start: mapping %lx bytes at %lx failed: give the machine more memory", size,
              va);
}

/*
 * A table over all frames: `size` bytes at `va`, in 2 MiB chunks from anywhere, filled with `byte`.
 */
static INIT void make_table(uint64_t va, uint64_t size, uint64_t flags, int byte)
{
    for (uint64_t offset = 0; offset < size; offset += CHUNK) {
        paddr_t pa = take_free(CHUNK, UINT64_MAX);

        if (!pa)
            panic("cannot start: no memory to describe memory: give the machine at least 128 MiB");
        (memset)(direct_map(pa), byte, CHUNK);      /* called: inlined here it is a loop of bytes */
        map_or_panic(va + offset, pa, CHUNK, flags);
    }
}

static INIT void collect_free(const struct bootinfo *info)
{
    for (unsigned i = 0; i < info->nr_ranges; i++) {
        const struct boot_range *r = &info->ranges[i];

        if (r->type != E820_RAM)
            continue;
        total_bytes += r->size;
        max_mfn = MAX(max_mfn, (r->start + r->size) >> PAGE_SHIFT);
        add_part(ALIGN_UP(r->start, PAGE_SIZE), ALIGN_DOWN(r->start + r->size, PAGE_SIZE),
                 E820_RAM);
    }
    add_part(0, LOW_MEMORY, E820_UNUSABLE);
    add_part(IMAGE_PHYS_START, image_paddr(_image_end), E820_UNUSABLE);
    for (unsigned i = 0; i < info->nr_modules; i++) {
        const struct boot_module *m = &info->modules[i];

        add_part(ALIGN_DOWN(m->start, PAGE_SIZE), ALIGN_UP(m->start + m->size, PAGE_SIZE),
                 E820_UNUSABLE);
    }
    if (!boot_ranges_sanitize(parts, &nr_parts))
        panic("cannot start: memory is in more than 512 parts: update the firmware");
}

/* head.S mapped the first 4 GiB without regard to rights; above that only RAM is mapped. */
static INIT void extend_direct_map(const struct bootinfo *info)
{
    pte_t *l3 = mfn_to_virt(pte_mfn(hyp_l4[pt_index(DIRECT_MAP_START, 4)]));

    for (unsigned i = 0; i < 4; i++) {
        pte_t *l2 = mfn_to_virt(pte_mfn(l3[i]));

        for (unsigned k = 0; k < PT_ENTRIES; k++)
            l2[k].v |= MAP_RW;
    }
    for (unsigned i = 0; i < info->nr_ranges; i++) {
        const struct boot_range *r = &info->ranges[i];
        paddr_t start = ALIGN_UP(MAX(r->start, (paddr_t)BOOT_MAPPED), PAGE_SIZE);
        paddr_t end = ALIGN_DOWN(r->start + r->size, PAGE_SIZE);

        if (r->type == E820_RAM && start < end)
            map_or_panic(DIRECT_MAP_START + start, start, end - start, MAP_RW);
    }
}

/*
 * Map the image again with a page's rights each, 1 GiB higher, then let the new tables take the old
 * ones' place.
 */
static INIT void protect_image(void)
{
    const struct { const char *start, *end; uint64_t flags; } rows[] = {
        { _image_start, _rodata_start, MAP_RX },
        { _rodata_start, _data_start, MAP_RO },
        { _data_start, _init_start, MAP_RW },
        { _init_start, _init_data_start, MAP_RX },
        { _init_data_start, _image_end, MAP_RW },
    };
    pte_t *l3 = mfn_to_virt(pte_mfn(hyp_l4[pt_index(IMAGE_VIRT_START, 4)]));
    unsigned at = pt_index(IMAGE_VIRT_START, 3);

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        for (const char *va = rows[i].start; va < rows[i].end; va += PAGE_SIZE)
            map_or_panic((uintptr_t)va + 0x40000000, image_paddr(va), PAGE_SIZE, rows[i].flags);
    l3[at] = l3[at + 1];
    l3[at + 1] = pte(0);
}

/* The sixteen L4 entries must exist before any guest's L4 table copies them. */
static INIT void fill_template(void)
{
    unsigned last = pt_index(DIRECT_MAP_START + (max_mfn << PAGE_SHIFT) - 1, 4);

    for (unsigned i = HYP_L4_FIRST; i <= last; i++)
        if (!pte_present(hyp_l4[i]))
            hyp_l4[i] = pte_make(boot_table_page(),
                                 PTE_PRESENT | PTE_RW | PTE_ACCESSED | PTE_DIRTY |
                                     (i == HYP_L4_FIRST ? PTE_USER : 0));
}

static INIT void own_frames(mfn_t first, mfn_t end, unsigned owner)
{
    for (; first.n < end.n && first.n < max_mfn; first.n++)
        frame_of(first)->ref = (uint64_t)owner << FRAME_OWNER_SHIFT;
}

static INIT void init_frames(const struct bootinfo *info)
{
    mfn_t hole = mfn(0);

    for (unsigned i = 0; i < info->nr_ranges; i++) {
        const struct boot_range *r = &info->ranges[i];
        mfn_t start = paddr_to_mfn(ALIGN_UP(r->start, PAGE_SIZE));
        mfn_t end = paddr_to_mfn(r->start + r->size);

        if (r->type != E820_RAM || start.n >= end.n)
            continue;
        own_frames(hole, start, FRAME_OWNER_IO);
        own_frames(start, end, FRAME_OWNER_HYP);
        hole = end;
    }
    own_frames(mfn(0), paddr_to_mfn(LOW_MEMORY), FRAME_OWNER_IO);
    for (unsigned i = 0; i < nr_parts; i++)
        if (parts[i].type == E820_RAM)
            page_alloc_init_range(paddr_to_mfn(parts[i].start), parts[i].size >> PAGE_SHIFT);
}

/* A toolstack maps the machine-to-phys table too, by its frames: never writable, as if they held descriptors. */
static INIT void share_m2p(void)
{
    mfn_t m;

    for (uint64_t chunk = 0; mfn_valid(m = m2p_chunk_mfn(chunk)); chunk++) {
        own_frames(m, mfn_add(m, PT_ENTRIES), FRAME_OWNER_XEN);
        for (unsigned i = 0; i < PT_ENTRIES; i++) {
            frame_of(mfn_add(m, i))->ref++;
            frame_of(mfn_add(m, i))->type = (uint64_t)TYPE_DESC << TYPE_SHIFT | 1;
        }
    }
}

/*
 * A page below 1 MiB for the start of other CPUs. The control domain may read it, since Linux looks
 * for tables of firmware everywhere between 512 KiB and 1 MiB.
 */
static INIT void reserve_trampoline(const struct bootinfo *info)
{
    for (unsigned i = 0; i < info->nr_ranges; i++) {
        paddr_t start = MAX(info->ranges[i].start, (paddr_t)0x1000);
        paddr_t end = MIN(info->ranges[i].start + info->ranges[i].size, (paddr_t)0xa0000);

        if (info->ranges[i].type == E820_RAM && end >= start + 2 * PAGE_SIZE)
            smp_trampoline_page = ALIGN_DOWN(end - PAGE_SIZE, PAGE_SIZE);
    }
    if (smp_trampoline_page)
        mmio_restrict(paddr_to_mfn(smp_trampoline_page), MMIO_READ);
}

INIT void memory_init(const struct bootinfo *info)
{
    mfn_t (*later)(void) = page_table_alloc;

    page_table_alloc = boot_table_page;
    collect_free(info);
    extend_direct_map(info);
    fill_template();
    make_table(FRAME_TABLE_START, max_mfn * sizeof(struct frame), MAP_RW, 0);
    make_table(M2P_VIRT_START, max_mfn * sizeof(uint64_t), MAP_RO | PTE_USER, 0xff);
    protect_image();
    hyp_l4[0] = pte(0);
    page_table_alloc = later;
    tlb_flush_mask(&online_cpus, FLUSH_TLB_GLOBAL);
    reserve_trampoline(info);
    init_frames(info);
    share_m2p();
    log_info("memory: %lu MiB, %lu MiB free after tables", total_bytes >> 20,
             page_alloc_free_pages() >> (20 - PAGE_SHIFT));
}

INIT void memory_release_modules(const struct bootinfo *info)
{
    for (unsigned i = 0; i < info->nr_modules; i++) {
        const struct boot_module *m = &info->modules[i];
        uint64_t first = m->start >> PAGE_SHIFT, end = pages_of_bytes(m->start + m->size);

        if (m->size && end <= max_mfn)
            page_alloc_init_range(mfn(first), end - first);
    }
}

void memory_release_init(void)
{
    mfn_t start = paddr_to_mfn(image_paddr(_init_start));

    for (const char *va = _init_start; va < _init_end; va += PAGE_SIZE)
        *hyp_l1_entry((uintptr_t)va) = pte(0);
    tlb_flush_mask(&online_cpus, FLUSH_TLB_GLOBAL);
    page_alloc_init_range(start, (uint64_t)(_init_end - _init_start) >> PAGE_SHIFT);
}
