// SPDX-License-Identifier: MIT
// The start-of-day layout is the ABI's (public/xen.h, struct start_info):
//
//   kernel | initramfs (unless the kernel takes its frame number) | p2m list (unless it has an address of its own) |
//   start_info | store ring | console ring | page tables | boot stack | rest up to a 4 MiB boundary, at least 512 KiB
//
// and then, not mapped there, initramfs and p2m list if their place is elsewhere. No page may be mapped here any more
// when the page tables are pinned: a writable mapping keeps a page from becoming a table.
#include "build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "public/grant_table.h"
#include "public/xen.h"

enum {
    PAGE_SHIFT = 12,
    PAGE = 1 << PAGE_SHIFT,
    ENTRIES = 512,
    BLOCK_ORDER = 9,                // memory is given in blocks of 2 MiB where there are any
    BLOCK = 1 << BLOCK_ORDER,
    WINDOW = 2048,                  // pages of a guest that are mapped at once
    TAIL_MIN = 512 << 10,
    TAIL_ALIGN = 4 << 20,
    RFLAGS_IF = 0x200,
};

enum { PTE_PRESENT = 1, PTE_RW = 2, PTE_USER = 4, PTE_ACCESSED = 0x20, PTE_DIRTY = 0x40 };

#define PTE_FRAME UINT64_C(0x000ffffffffff000)

struct builder {
    struct hv *hv;
    const struct build_config *config;
    const struct image_plan *kernel;
    struct build_layout layout;
    uint64_t *frames;               // machine frame of each guest frame
    uint64_t shared_info_frame;
    int initramfs;                  // file; below 0: none
    uint64_t initramfs_size;
    struct built *built;
};

static uint64_t pages_of(uint64_t bytes)
{
    return (bytes + PAGE - 1) >> PAGE_SHIFT;
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// --- Layout

// Tables of one level (1 to 3) that map [start, end), if nothing else shares them.
static uint64_t tables_for(uint64_t start, uint64_t end, unsigned level)
{
    unsigned shift = PAGE_SHIFT + 9 * level;

    return end > start ? ((end - 1) >> shift) - (start >> shift) + 1 : 0;
}

// The p2m list's range may share tables with the main one: then some are spare.
static uint64_t count_tables(const struct image_plan *kernel, const struct build_layout *l)
{
    uint64_t base = kernel->virt_base, count = 1;

    for (unsigned level = 1; level <= 3; level++) {
        count += tables_for(base, base + (l->mapped_end << PAGE_SHIFT), level);
        if (kernel->has_init_p2m)
            count += tables_for(kernel->init_p2m, kernel->init_p2m + (l->p2m_pages << PAGE_SHIFT), level);
    }
    return count;
}

// Page tables need room that page tables map: it grows until it fits.
static void place_tables(const struct image_plan *kernel, struct build_layout *l)
{
    uint64_t base = kernel->virt_base, end;

    l->nr_tables = 0;
    do {
        l->nr_tables++;
        l->stack = l->tables + l->nr_tables;
        end = base + ((l->stack + 1) << PAGE_SHIFT) + TAIL_MIN;
        end = (end + TAIL_ALIGN - 1) & ~(uint64_t)(TAIL_ALIGN - 1);
        l->mapped_end = (end - base) >> PAGE_SHIFT;
    } while (l->nr_tables < count_tables(kernel, l));
}

void build_plan(const struct image_plan *kernel, uint64_t pages, uint64_t initramfs_size, struct build_layout *l)
{
    uint64_t at = pages_of(kernel->end);

    memset(l, 0, sizeof(*l));
    l->initramfs_pages = pages_of(initramfs_size);
    l->p2m_pages = pages_of(pages * sizeof(uint64_t));
    if (!kernel->module_by_frame) {
        l->initramfs = at;
        at += l->initramfs_pages;
    }
    if (!kernel->has_init_p2m) {
        l->p2m = at;
        at += l->p2m_pages;
    }
    l->start_info = at;
    l->store = at + 1;
    l->console = at + 2;
    l->tables = at + 3;
    place_tables(kernel, l);
    l->end = l->mapped_end;
    if (kernel->module_by_frame) {
        l->initramfs = l->end;
        l->end += l->initramfs_pages;
    }
    if (kernel->has_init_p2m) {
        l->p2m = l->end;
        l->end += l->p2m_pages;
    }
}

// --- Page tables

struct tables {
    const struct build_layout *layout;
    const uint64_t *frames;
    uint64_t (*table)[ENTRIES];
    uint64_t used;
};

// The table that an entry points to, a new one if it points to none.
static uint64_t *next_table(struct tables *t, uint64_t *entry)
{
    uint64_t i = 1, first = t->layout->tables;

    if (!*entry) {
        *entry = t->frames[first + t->used] << PAGE_SHIFT | PTE_PRESENT | PTE_RW | PTE_USER | PTE_ACCESSED | PTE_DIRTY;
        return t->table[t->used++];
    }
    while (t->frames[first + i] != (*entry & PTE_FRAME) >> PAGE_SHIFT)
        i++;
    return t->table[i];
}

static unsigned index_of(uint64_t va, unsigned level)
{
    return (va >> (PAGE_SHIFT + 9 * (level - 1))) & (ENTRIES - 1);
}

// Page tables are mapped read-only.
static uint64_t leaf(const struct tables *t, uint64_t frame)
{
    bool is_table = frame >= t->layout->tables && frame < t->layout->tables + t->layout->nr_tables;

    return t->frames[frame] << PAGE_SHIFT | PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY | (is_table ? 0 : PTE_RW);
}

static void map_range(struct tables *t, uint64_t va, uint64_t frame, uint64_t count)
{
    while (count) {
        uint64_t *table = t->table[0];
        unsigned i = index_of(va, 1);

        for (unsigned level = 4; level > 1; level--)
            table = next_table(t, &table[index_of(va, level)]);
        for (; i < ENTRIES && count; i++, count--, va += PAGE)
            table[i] = leaf(t, frame++);
    }
}

void build_tables(const struct image_plan *kernel, const struct build_layout *layout, const uint64_t *frames,
                  uint64_t (*tables)[512])
{
    struct tables t = { layout, frames, tables, 1 };

    memset(tables, 0, layout->nr_tables * PAGE);
    map_range(&t, kernel->virt_base, 0, layout->mapped_end);
    if (kernel->has_init_p2m)
        map_range(&t, kernel->init_p2m, layout->p2m, layout->p2m_pages);
}

// --- Memory

static int map(const struct builder *b, uint64_t frame, uint64_t count, void **at, struct vane_error *error)
{
    return hv_map(b->hv, b->built->domid, b->frames + frame, count, at, error);
}

// As many whole blocks as there are; the caller goes on from *done with single pages.
static int populate_blocks(struct builder *b, uint64_t *done, struct vane_error *error)
{
    uint64_t count = b->config->pages / BLOCK;
    uint64_t *blocks = malloc((count + 1) * sizeof(*blocks));
    struct vane_error ignored;
    size_t given = 0;

    if (!blocks)
        return vane_fail_errno(error, ENOMEM, "a list of %lu blocks of memory", count);
    for (uint64_t i = 0; i < count; i++)
        blocks[i] = i * BLOCK;
    (void)hv_populate(b->hv, b->built->domid, BLOCK_ORDER, blocks, count, &given, &ignored);    // no blocks left: pages
    for (uint64_t i = 0; i < given * BLOCK; i++)
        b->frames[i] = blocks[i / BLOCK] + i % BLOCK;
    *done = given * BLOCK;
    free(blocks);
    return 0;
}

static int populate(struct builder *b, struct vane_error *error)
{
    uint64_t done = 0;
    size_t given;
    int rc = populate_blocks(b, &done, error);

    if (rc)
        return rc;
    for (uint64_t i = done; i < b->config->pages; i++)
        b->frames[i] = i;
    return hv_populate(b->hv, b->built->domid, 0, b->frames + done, b->config->pages - done, &given, error);
}

static int claim_and_populate(struct builder *b, struct vane_error *error)
{
    struct hv_host host;
    int rc = hv_domain_set_max_pages(b->hv, b->built->domid, b->config->pages, error);

    if (!rc)
        rc = hv_claim(b->hv, b->built->domid, b->config->pages, error);
    if (rc == -VANE_NO_RESOURCE && !hv_host(b->hv, &host, error))
        return vane_fail(error, VANE_NO_RESOURCE, "memory: %lu MiB are wanted, and %lu MiB are free, %lu MiB of them promised to "
                         "others: give the guest less, or stop or shrink another", b->config->pages >> 8, host.free_pages >> 8,
                         host.claimed_pages >> 8);
    if (rc)
        return rc;
    b->frames = calloc(b->config->pages, sizeof(*b->frames));
    if (!b->frames)
        return vane_fail_errno(error, ENOMEM, "a list of the guest's %lu MiB", b->config->pages >> 8);
    rc = populate(b, error);
    return rc ? rc : hv_claim(b->hv, b->built->domid, 0, error);
}

// --- What is loaded

enum page_kind { PAGE_EMPTY, PAGE_PARTLY, PAGE_FULL };

// What of a guest page comes from the file.
static enum page_kind kind_of(const struct image_plan *kernel, uint64_t frame)
{
    uint64_t start = frame << PAGE_SHIFT, end = start + PAGE;
    enum page_kind kind = PAGE_EMPTY;

    for (unsigned i = 0; i < kernel->nr_segments; i++) {
        const struct image_segment *s = &kernel->segments[i];

        if (s->address <= start && end <= s->address + s->file_size)
            return PAGE_FULL;
        if (s->address < end && start < s->address + s->file_size)
            kind = PAGE_PARTLY;
    }
    return kind;
}

static int read_all(int fd, void *to, uint64_t size, uint64_t offset, const char *what, struct vane_error *error)
{
    for (uint64_t done = 0; done < size;) {
        ssize_t r = pread(fd, (uint8_t *)to + done, size - done, (off_t)(offset + done));

        if (r < 0 && errno != EINTR)
            return vane_fail_errno(error, errno, "reading the %s", what);
        if (!r)
            return vane_fail(error, VANE_INVALID, "the %s ended at byte %lu while it was read, and had %lu: do not change it "
                             "while a guest starts", what, offset + done, offset + size);
        done += r > 0 ? (uint64_t)r : 0;
    }
    return 0;
}

// Pages that have bytes of the file, side by side.
static int load_pages(const struct builder *b, uint64_t first, uint64_t count, struct vane_error *error)
{
    const struct image *image = b->config->kernel;
    uint64_t start = first << PAGE_SHIFT, end = start + (count << PAGE_SHIFT);
    void *at;
    int rc = map(b, first, count, &at, error);

    if (rc)
        return rc;
    for (uint64_t i = 0; i < count; i++)
        if (kind_of(b->kernel, first + i) != PAGE_FULL)
            memset((uint8_t *)at + (i << PAGE_SHIFT), 0, PAGE);
    for (unsigned i = 0; i < b->kernel->nr_segments && !rc; i++) {
        const struct image_segment *s = &b->kernel->segments[i];
        uint64_t from = s->address > start ? s->address : start, to = min(s->address + s->file_size, end);

        if (from < to)
            rc = read_all(image->memfd, (uint8_t *)at + (from - start), to - from,
                          image->offset + s->offset + (from - s->address), "unpacked kernel", error);
    }
    hv_unmap(at, count);
    return rc;
}

// Runs of pages, from the file or empty; what is empty is cleared without being mapped.
static int load_kernel(const struct builder *b, struct vane_error *error)
{
    uint64_t end = pages_of(b->kernel->end), frame = b->kernel->segments[0].address >> PAGE_SHIFT, count;
    int rc = 0;

    for (; frame < end && !rc; frame += count) {
        bool is_empty = kind_of(b->kernel, frame) == PAGE_EMPTY;

        for (count = 1; count < WINDOW && frame + count < end; count++)
            if ((kind_of(b->kernel, frame + count) == PAGE_EMPTY) != is_empty)
                break;
        rc = is_empty ? hv_clear_frames(b->hv, b->built->domid, b->frames + frame, count, error)
                      : load_pages(b, frame, count, error);
    }
    return rc;
}

static int load_initramfs(const struct builder *b, struct vane_error *error)
{
    const struct build_layout *l = &b->layout;
    int rc = 0;

    for (uint64_t done = 0, count; done < l->initramfs_pages && !rc; done += count) {
        uint64_t offset = done << PAGE_SHIFT, size;
        void *at;

        count = min(l->initramfs_pages - done, WINDOW);
        size = min(b->initramfs_size - offset, count << PAGE_SHIFT);
        rc = map(b, l->initramfs + done, count, &at, error);
        if (rc)
            return rc;
        rc = read_all(b->initramfs, at, size, offset, "initramfs", error);
        memset((uint8_t *)at + size, 0, (count << PAGE_SHIFT) - size);
        hv_unmap(at, count);
    }
    return rc;
}

static int load_p2m(const struct builder *b, struct vane_error *error)
{
    uint64_t total = b->config->pages * sizeof(uint64_t);
    int rc = 0;

    for (uint64_t done = 0, count; done < b->layout.p2m_pages && !rc; done += count) {
        uint64_t offset = done << PAGE_SHIFT, size;
        uint8_t *at;

        count = min(b->layout.p2m_pages - done, WINDOW);
        size = min(total - offset, count << PAGE_SHIFT);
        rc = map(b, b->layout.p2m + done, count, (void **)&at, error);
        if (rc)
            return rc;
        memcpy(at, (const uint8_t *)b->frames + offset, size);
        memset(at + size, 0, (count << PAGE_SHIFT) - size);
        hv_unmap(at, count);
    }
    return rc;
}

// --- Start

static uint64_t va_of(const struct builder *b, uint64_t frame)
{
    return b->kernel->virt_base + (frame << PAGE_SHIFT);
}

static void fill_start_info(const struct builder *b, struct start_info *si)
{
    const struct build_layout *l = &b->layout;
    bool by_frame = b->kernel->module_by_frame;

    snprintf(si->magic, sizeof(si->magic), "xen-3.0-x86_64");
    si->nr_pages = b->config->pages;
    si->shared_info = b->shared_info_frame << PAGE_SHIFT;
    si->flags = SIF_VIRT_P2M_4TOOLS | (b->initramfs_size && by_frame ? SIF_MOD_START_PFN : 0);
    si->store_mfn = b->built->store_frame;
    si->store_evtchn = b->built->store_port;
    si->console.domU.mfn = b->built->console_frame;
    si->console.domU.evtchn = b->built->console_port;
    si->pt_base = va_of(b, l->tables);
    si->nr_pt_frames = l->nr_tables;
    si->mfn_list = b->kernel->has_init_p2m ? b->kernel->init_p2m : va_of(b, l->p2m);
    if (b->kernel->has_init_p2m) {
        si->first_p2m_pfn = l->p2m;
        si->nr_p2m_frames = l->p2m_pages;
    }
    if (b->initramfs_size) {
        si->mod_start = by_frame ? l->initramfs : va_of(b, l->initramfs);
        si->mod_len = b->initramfs_size;
    }
    if (b->config->command_line)
        snprintf((char *)si->cmd_line, sizeof(si->cmd_line), "%s", b->config->command_line);
}

// start_info, the two rings, tables and stack lie side by side.
static int fill_start_pages(const struct builder *b, struct vane_error *error)
{
    const struct build_layout *l = &b->layout;
    uint64_t count = l->stack + 1 - l->start_info;
    uint8_t *at;
    int rc = map(b, l->start_info, count, (void **)&at, error);

    if (rc)
        return rc;
    memset(at, 0, count << PAGE_SHIFT);
    fill_start_info(b, (struct start_info *)at);
    build_tables(b->kernel, l, b->frames, (uint64_t (*)[ENTRIES])(at + ((l->tables - l->start_info) << PAGE_SHIFT)));
    hv_unmap(at, count);
    return 0;
}

// A guest starts with events masked on all its vCPUs.
static int mask_events(const struct builder *b, struct vane_error *error)
{
    struct shared_info *shared;
    int rc = hv_map(b->hv, b->built->domid, &b->shared_info_frame, 1, (void **)&shared, error);

    if (rc)
        return rc;
    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        shared->vcpu_info[i].evtchn_upcall_mask = 1;
    hv_unmap(shared, 1);
    return 0;
}

static int open_ports(const struct builder *b, struct vane_error *error)
{
    struct built *built = b->built;
    const struct hv_grant grants[] = {
        { GNTTAB_RESERVED_CONSOLE, b->config->console_domid, built->console_frame },
        { GNTTAB_RESERVED_XENSTORE, b->config->store_domid, built->store_frame },
    };
    int rc = hv_alloc_port(b->hv, built->domid, b->config->store_domid, &built->store_port, error);

    if (!rc)
        rc = hv_alloc_port(b->hv, built->domid, b->config->console_domid, &built->console_port, error);
    return rc ? rc : hv_seed_grants(b->hv, built->domid, grants, 2, error);
}

static int set_first_vcpu(const struct builder *b, struct vane_error *error)
{
    struct vcpu_guest_context *context = calloc(1, sizeof(*context));
    int rc;

    if (!context)
        return vane_fail_errno(error, ENOMEM, "the first vCPU's state");
    context->flags = VGCF_in_kernel | VGCF_online;
    context->user_regs.rip = b->kernel->entry;
    context->user_regs.rsp = va_of(b, b->layout.stack + 1);
    context->user_regs.rsi = va_of(b, b->layout.start_info);
    context->user_regs.rflags = RFLAGS_IF;
    context->user_regs.cs = FLAT_KERNEL_CS;
    context->user_regs.ss = FLAT_KERNEL_SS;
    context->kernel_ss = FLAT_KERNEL_SS;
    context->kernel_sp = context->user_regs.rsp;
    context->ctrlreg[3] = xen_pfn_to_cr3(b->frames[b->layout.tables]);
    rc = hv_vcpu_set_context(b->hv, b->built->domid, 0, context, error);
    free(context);
    return rc;
}

static int start_pages(struct builder *b, struct vane_error *error)
{
    const struct build_layout *l = &b->layout;
    struct hv_domain info;
    int rc = hv_domain_info(b->hv, b->built->domid, &info, error);

    if (rc)
        return rc;
    b->shared_info_frame = info.shared_info_frame;
    b->built->store_frame = b->frames[l->store];
    b->built->console_frame = b->frames[l->console];
    rc = open_ports(b, error);
    if (!rc)
        rc = load_p2m(b, error);
    if (!rc)
        rc = fill_start_pages(b, error);
    return rc ? rc : mask_events(b, error);
}

static int start(struct builder *b, struct vane_error *error)
{
    uint64_t page = (b->kernel->hypercall_page - b->kernel->virt_base) >> PAGE_SHIFT;
    unsigned domid = b->built->domid;
    int rc = start_pages(b, error);

    if (!rc && b->kernel->has_hypercall_page)
        rc = hv_hypercall_page(b->hv, domid, b->frames[page], error);
    if (!rc)
        rc = hv_pin_l4(b->hv, domid, b->frames[b->layout.tables], error);
    return rc ? rc : set_first_vcpu(b, error);
}

// --- The whole

static int create(struct builder *b, struct vane_error *error)
{
    int rc = hv_domain_create(b->hv, &b->config->domain, &b->built->domid, error);
    unsigned domid = b->built->domid;
    struct vane_error ignored;

    if (rc)
        return rc;
    rc = hv_domain_set_native_tsc(b->hv, domid, error);
    if (!rc)
        rc = hv_domain_set_map_limit(b->hv, domid, b->config->max_pages, error);
    if (rc)
        (void)hv_domain_destroy(b->hv, domid, &ignored);        // the first failure is the one to tell
    return rc;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int run_phases(struct builder *b, struct vane_error *error)
{
    struct vane_error ignored;
    uint64_t before = now_ns(), after;
    int rc = create(b, error);

    for (enum build_phase phase = BUILD_CREATE; phase < BUILD_NR_PHASES && !rc; phase++) {
        switch (phase) {
        case BUILD_MEMORY: rc = claim_and_populate(b, error); break;
        case BUILD_KERNEL: rc = load_kernel(b, error); break;
        case BUILD_INITRAMFS: rc = load_initramfs(b, error); break;
        case BUILD_START: rc = start(b, error); break;
        default: break;
        }
        after = now_ns();
        b->built->phase_ns[phase] = after - before;
        before = after;
        if (rc)
            (void)hv_domain_destroy(b->hv, b->built->domid, &ignored);
    }
    return rc;
}

static int check_config(const struct builder *b, struct vane_error *error)
{
    const struct build_config *config = b->config;
    uint64_t need = b->layout.end;

    if (config->pages >> 30)
        return vane_fail(error, VANE_INVALID, "memory: %lu MiB are more than a guest can have: 4194303 MiB is the limit",
                         config->pages >> 8);
    if (config->max_pages < config->pages)
        return vane_fail(error, VANE_INVALID, "memory: the maximum, %lu MiB, is less than the %lu MiB to start with: raise it",
                         config->max_pages >> 8, config->pages >> 8);
    if (config->pages < need)
        return vane_fail(error, VANE_INVALID, "memory: %lu MiB are less than kernel (%lu MiB), initramfs (%lu MiB) and start-up "
                         "need, %lu MiB: give the guest more", config->pages >> 8, b->kernel->end >> 20,
                         b->initramfs_size >> 20, (need + 255) >> 8);
    if (!image_range_is_guests(b->kernel->virt_base, b->layout.mapped_end << PAGE_SHIFT) ||
        (b->kernel->has_init_p2m &&
         !image_range_is_guests(b->kernel->init_p2m, b->layout.p2m_pages << PAGE_SHIFT)))
        return vane_fail(error, VANE_INVALID, "kernel: what it wants mapped at %lx and %lx does not fit the guest's part of the "
                         "address space: correct its notes VIRT_BASE and INIT_P2M, or give the guest less memory",
                         b->kernel->virt_base, b->kernel->init_p2m);
    if (!config->domain.nr_vcpus || config->domain.nr_vcpus > HV_MAX_VCPUS)
        return vane_fail(error, VANE_INVALID, "vCPUs: %u is not 1 to %d", config->domain.nr_vcpus, HV_MAX_VCPUS);
    if (config->command_line && strlen(config->command_line) >= MAX_GUEST_CMDLINE)
        return vane_fail(error, VANE_INVALID, "command line: %zu bytes are more than %d: shorten it",
                         strlen(config->command_line), MAX_GUEST_CMDLINE - 1);
    return 0;
}

static int open_initramfs(struct builder *b, struct vane_error *error)
{
    const char *path = b->config->initramfs;
    struct stat stat;

    if (!path)
        return 0;
    b->initramfs = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (b->initramfs < 0 || fstat(b->initramfs, &stat))
        return vane_fail_errno(error, errno, "initramfs %s", path);
    if (!S_ISREG(stat.st_mode) || stat.st_size <= 0 || stat.st_size >> 40)
        return vane_fail(error, VANE_INVALID, "initramfs %s: it is not a regular file of 1 byte to 1 TiB", path);
    b->initramfs_size = (uint64_t)stat.st_size;
    return 0;
}

int build_domain(struct hv *hv, const struct build_config *config, struct built *built, struct vane_error *error)
{
    struct builder b = {
        .hv = hv, .config = config, .kernel = &config->kernel->plan, .initramfs = -1, .built = built,
    };
    int rc = open_initramfs(&b, error);

    if (!rc) {
        build_plan(b.kernel, config->pages, b.initramfs_size, &b.layout);
        rc = check_config(&b, error);
    }
    if (!rc)
        rc = run_phases(&b, error);
    free(b.frames);
    if (b.initramfs >= 0)
        close(b.initramfs);
    return rc;
}
