// SPDX-License-Identifier: MIT
/*
 * The control domain's builder. The start-of-day layout is the ABI's (public/xen.h, struct
 * start_info): pseudo-physical memory from frame 0, mapped from virt_base:
 *
 *   kernel | initramfs (unless the kernel takes its frame number) | p2m list (unless it has an
 *   address of its own) | start_info | page tables | boot stack | rest up to a 4 MiB boundary, at
 *   least 512 KiB
 *
 * then, not mapped there, initramfs and p2m list if their place is elsewhere. Page-table frames are
 * mapped read-only.
 */
#include "boot/boot.h"

#include "boot/elf.h"
#include "boot/image.h"
#include "boot/options.h"
#include "public/features.h"
#include "pv/page_type.h"
#include "pv/pv_domain.h"

#define MIB(n)           ((uint64_t)(n) << 20)
#define TAIL_MIN         0x80000
#define TAIL_ALIGN       MIB(4)
#define SCRATCH_MAX_ORDER 16              /* 256 MiB */
#define SCRATCH_MIN_ORDER 12

/* Pseudo-physical and virtual places of everything; frame numbers are pfns. */
struct layout {
    struct elf_plan elf;
    uint64_t nr_pages;
    uint64_t initrd_pfn, initrd_pages;
    uint64_t p2m_pfn, p2m_pages;
    uint64_t info_pfn, tables_pfn, nr_tables, stack_pfn;
    uint64_t mapped_end_pfn;              /* [0, mapped_end_pfn) is mapped at virt_base */
    bool p2m_apart, initrd_apart;
};

struct builder {
    struct layout l;
    struct pv_domain *d;
    uint64_t *p2m;                        /* mfn of each pfn */
    unsigned p2m_order;
    uint64_t nr_allocated;                /* pfns that have a frame */
    uint64_t next_table;                  /* tables handed out */
    mfn_t scratch;                        /* block that the kernel is unpacked to */
    unsigned scratch_order;
    const struct boot_module *kernel, *initrd;
};

extern char boot_stack[];
const char *call_on_stack(void *top, const char *(*fn)(struct unpack *), struct unpack *arg);

static INIT void *pfn_virt(const struct builder *b, uint64_t pfn)
{
    return mfn_to_virt(mfn(b->p2m[pfn]));
}

/* --- Sizes */

static INIT uint64_t size_option(const struct option_size *o, uint64_t all, uint64_t otherwise)
{
    if (!o->bytes)
        return otherwise;
    if (!o->is_negative)
        return o->bytes;
    return o->bytes < all ? all - o->bytes : 0;
}

/*
 * Unless told, the control domain gets all but a sixteenth of memory, at least 24 and at most 128
 * MiB of it ours.
 */
static INIT uint64_t dom0_pages(const struct builder *b)
{
    uint64_t all = (page_alloc_free_pages() + (UINT64_C(1) << b->scratch_order)) << PAGE_SHIFT;
    uint64_t ours = MAX(MIN(all / 16, MIB(128)), MIB(24)), fits = all > ours ? all - ours : 0;
    uint64_t bytes = size_option(&options.dom0_mem.size, all, fits);

    bytes = MAX(bytes, size_option(&options.dom0_mem.min, all, 0));
    bytes = MIN(bytes, size_option(&options.dom0_mem.max, all, UINT64_MAX));
    if (bytes > fits) {
        log_warn("warning: dom0_mem asks for %lu MiB, %lu MiB are free: using that", bytes >> 20,
                 fits >> 20);
        bytes = fits;
    }
    return bytes >> PAGE_SHIFT;
}

/* Tables that map [start, end) at one level, if nothing else shares them. */
static INIT uint64_t tables_for(uint64_t start, uint64_t end, unsigned level)
{
    unsigned shift = 12 + 9 * level;

    return end > start ? ((end - 1) >> shift) - (start >> shift) + 1 : 0;
}

/*
 * The p2m list's own range may share tables with the main one; counted apart, a few may stay
 * unused.
 */
static INIT uint64_t count_tables(const struct layout *l)
{
    uint64_t start = l->elf.virt_base, end = start + (l->mapped_end_pfn << PAGE_SHIFT), nr = 1;
    uint64_t p2m_end = l->elf.init_p2m + (l->p2m_pages << PAGE_SHIFT);

    for (unsigned level = 1; level <= 3; level++) {
        nr += tables_for(start, end, level);
        if (l->p2m_apart)
            nr += tables_for(l->elf.init_p2m, p2m_end, level);
    }
    return nr;
}

/* Page tables need room that page tables map: grow until it fits. */
static INIT void place_tables(struct layout *l, uint64_t pfn)
{
    uint64_t end;

    l->info_pfn = pfn;
    l->tables_pfn = pfn + 1;
    l->nr_tables = 0;
    do {
        l->nr_tables++;
        l->stack_pfn = l->tables_pfn + l->nr_tables;
        end = l->elf.virt_base + ((l->stack_pfn + 1) << PAGE_SHIFT) + TAIL_MIN;
        l->mapped_end_pfn = (ALIGN_UP(end, TAIL_ALIGN) - l->elf.virt_base) >> PAGE_SHIFT;
    } while (l->nr_tables < count_tables(l));
}

/* Initramfs and p2m list from `pfn` on, if their place is there. Answers where they end. */
static INIT uint64_t place_rest(struct layout *l, uint64_t pfn, bool is_apart)
{
    if (l->initrd_apart == is_apart) {
        l->initrd_pfn = pfn;
        pfn += l->initrd_pages;
    }
    if (l->p2m_apart == is_apart) {
        l->p2m_pfn = pfn;
        pfn += l->p2m_pages;
    }
    return pfn;
}

static INIT void plan_layout(struct layout *l, uint64_t initrd_size)
{
    uint64_t pfn = pages_of_bytes(l->elf.paddr_end), last;

    l->initrd_pages = pages_of_bytes(initrd_size);
    l->p2m_pages = pages_of_bytes(l->nr_pages * sizeof(uint64_t));
    l->initrd_apart = l->elf.mod_start_pfn && initrd_size;
    l->p2m_apart = l->elf.has_init_p2m;
    place_tables(l, place_rest(l, pfn, false));
    last = place_rest(l, l->mapped_end_pfn, true);
    if (last > l->nr_pages)
        boot_stop("the control domain's memory is %lu MiB and its kernel needs %lu MiB to start: "
                  "raise dom0_mem= or give the machine more",
                  l->nr_pages >> 8, (last + 255) >> 8);
}

/* --- Memory */

static INIT void alloc_p2m(struct builder *b)
{
    mfn_t block;

    while ((PAGE_SIZE << b->p2m_order) < b->l.nr_pages * sizeof(uint64_t))
        b->p2m_order++;
    block = page_alloc(b->p2m_order, 0);
    if (mfn_eq(block, INVALID_MFN))
        boot_stop("no memory for the control domain's frame list: lower dom0_mem=");
    b->p2m = mfn_to_virt(block);
}

/*
 * Frames for pfns up to `end`, in the largest blocks there are: quick, and kind to the kernel's
 * DMA.
 */
static INIT void alloc_memory(struct builder *b, uint64_t end)
{
    unsigned order = MAX_PAGE_ORDER;
    mfn_t m;

    while (b->nr_allocated < end) {
        while (order && (UINT64_C(1) << order) > end - b->nr_allocated)
            order--;
        if (domain_alloc_frames(&b->d->domain, order, 0, &m)) {
            if (!order--)
                boot_stop("memory for the control domain ran out after %lu MiB: lower dom0_mem=",
                          b->nr_allocated >> 8);
            continue;
        }
        for (uint64_t i = 0; i < UINT64_C(1) << order; i++, b->nr_allocated++) {
            b->p2m[b->nr_allocated] = m.n + i;
            m2p_set(mfn_add(m, i), b->nr_allocated);
        }
    }
}

static INIT void copy_in(const struct builder *b, uint64_t paddr, const uint8_t *from,
                         uint64_t size)
{
    while (size) {
        uint64_t offset = paddr & (PAGE_SIZE - 1), n = MIN(size, PAGE_SIZE - offset);
        uint8_t *to = pfn_virt(b, paddr >> PAGE_SHIFT);

        if (from) {
            (memcpy)(to + offset, from, n);     /* in brackets: called; of what it inlines here GCC makes byte loops */
            from += n;
        } else {
            (memset)(to + offset, 0, n);
        }
        paddr += n;
        size -= n;
    }
}

static INIT void load_kernel(const struct builder *b, const uint8_t *image)
{
    for (unsigned i = 0; i < b->l.elf.nr_segments; i++) {
        const struct elf_segment *s = &b->l.elf.segments[i];

        copy_in(b, s->paddr, image + s->file_offset, s->file_size);
        copy_in(b, s->paddr + s->file_size, NULL, s->mem_size - s->file_size);
    }
    if (b->l.elf.has_hypercall_page)
        pv_write_hypercall_page(
            pfn_virt(b, (b->l.elf.hypercall_page - b->l.elf.virt_base) >> PAGE_SHIFT));
}

/* --- Page tables */

static INIT pte_t *new_table(struct builder *b, pte_t *entry)
{
    uint64_t pfn = b->l.tables_pfn + b->next_table++;
    void *table = pfn_virt(b, pfn);

    if (b->next_table > b->l.nr_tables)
        panic("dom0 builder: page tables counted wrongly");
    memset(table, 0, PAGE_SIZE);
    if (entry)
        *entry = pte_make(mfn(b->p2m[pfn]),
                          PTE_PRESENT | PTE_RW | PTE_USER | PTE_ACCESSED | PTE_DIRTY);
    return table;
}

static INIT void map_page(struct builder *b, pte_t *l4, uint64_t va, uint64_t pfn)
{
    bool is_table = pfn >= b->l.tables_pfn && pfn < b->l.tables_pfn + b->l.nr_tables;
    uint64_t flags = PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY | (is_table ? 0 : PTE_RW);
    pte_t *table = l4;

    for (unsigned level = 4; level > 1; level--) {
        pte_t *e = &table[pt_index(va, level)];

        table = pte_present(*e) ? mfn_to_virt(pte_mfn(*e)) : new_table(b, e);
    }
    table[pt_index(va, 1)] = pte_make(mfn(b->p2m[pfn]), flags);
}

static INIT void build_tables(struct builder *b)
{
    const struct layout *l = &b->l;
    pte_t *l4 = new_table(b, NULL);

    for (uint64_t pfn = 0; pfn < l->mapped_end_pfn; pfn++)
        map_page(b, l4, l->elf.virt_base + (pfn << PAGE_SHIFT), pfn);
    for (uint64_t i = 0; l->p2m_apart && i < l->p2m_pages; i++)
        map_page(b, l4, l->elf.init_p2m + (i << PAGE_SHIFT), l->p2m_pfn + i);
    while (b->next_table < l->nr_tables)
        new_table(b, NULL);
}

/* --- Start */

static INIT void write_start_info(const struct builder *b)
{
    const struct layout *l = &b->l;
    struct start_info *si = pfn_virt(b, l->info_pfn);
    uint64_t base = l->elf.virt_base;

    memset(si, 0, PAGE_SIZE);
    scnprintf(si->magic, sizeof(si->magic), "xen-3.0-x86_64");
    si->nr_pages = l->nr_pages;
    si->shared_info = mfn_to_paddr(virt_to_mfn(b->d->domain.shared_info));
    si->flags = SIF_INITDOMAIN | SIF_PRIVILEGED | (l->initrd_apart ? SIF_MOD_START_PFN : 0);
    si->pt_base = base + (l->tables_pfn << PAGE_SHIFT);
    si->nr_pt_frames = l->nr_tables;
    si->mfn_list = l->p2m_apart ? l->elf.init_p2m : base + (l->p2m_pfn << PAGE_SHIFT);
    if (l->p2m_apart) {
        si->first_p2m_pfn = l->p2m_pfn;
        si->nr_p2m_frames = l->p2m_pages;
    }
    if (b->initrd) {
        si->mod_start = l->initrd_apart ? l->initrd_pfn : base + (l->initrd_pfn << PAGE_SHIFT);
        si->mod_len = b->initrd->size;
    }
    scnprintf((char *)si->cmd_line, sizeof(si->cmd_line), "%s", b->kernel->cmdline);
}

static INIT void start_vcpu(const struct builder *b)
{
    const struct layout *l = &b->l;
    mfn_t l4 = mfn(b->p2m[l->tables_pfn]);
    int rc;

    spin_lock(&b->d->page_lock);
    rc = table_pin(b->d, l4, TYPE_L4);
    spin_unlock(&b->d->page_lock);
    if (rc)
        panic("dom0 builder: its page tables are refused (%d)", rc);
    rc = pv_boot_vcpu(b->d, l4, l->elf.entry, l->elf.virt_base + ((l->stack_pfn + 1) << PAGE_SHIFT),
                      l->elf.virt_base + (l->info_pfn << PAGE_SHIFT));
    if (rc)
        panic("dom0 builder: its first vCPU is refused (%d)", rc);
}

/*
 * A kernel that says what it supports must support being the control domain, and none may need
 * translated memory.
 */
static INIT const char *check_features(const struct elf_plan *plan)
{
    if (plan->features_required & 1u << XENFEAT_auto_translated_physmap)
        return "it needs auto-translated memory, which PV lacks: use a kernel built for Xen PV";
    if (plan->features_supported && !(plan->features_supported & 1u << XENFEAT_dom0))
        return "it was built without dom0 support: use one with CONFIG_XEN_DOM0, such as "
               "linux-image-amd64";
    return NULL;
}

/*
 * What the decoders, built for user space, expect of the machine is set up here: see boot/image.h.
 */
static INIT void plan_kernel(struct builder *b, struct unpack *u)
{
    static INITDATA char tls_block[64];
    const char *why;

    u->module = (struct bytes){ direct_map(b->kernel->start), b->kernel->size };
    b->scratch = INVALID_MFN;
    for (unsigned order = SCRATCH_MAX_ORDER;
         order >= SCRATCH_MIN_ORDER && mfn_eq(b->scratch, INVALID_MFN); order--) {
        b->scratch = page_alloc(order, 0);
        b->scratch_order = order;
    }
    if (mfn_eq(b->scratch, INVALID_MFN))
        boot_stop("too little memory to unpack the kernel: give the machine at least 256 MiB");
    u->scratch = (struct arena){ mfn_to_virt(b->scratch), PAGE_SIZE << b->scratch_order, 0 };
    wrmsr(MSR_FS_BASE, (uintptr_t)tls_block);
    why = call_on_stack(boot_stack + CPU_STACK_SIZE - 1024, image_unpack, u);
    wrmsr(MSR_FS_BASE, 0);
    if (!why)
        why = elf_plan(u->elf.at, u->elf.size, &b->l.elf);
    if (!why)
        why = check_features(&b->l.elf);
    if (why)
        boot_stop("kernel: %s", why);
}

static INIT void create_domain(struct builder *b)
{
    unsigned nr = MAX(MIN(nr_cpus, options.dom0_max_vcpus.max), options.dom0_max_vcpus.min);
    struct domain *d = domain_create(0, MIN(nr, (unsigned)MAX_VCPUS));

    cpuid_init();
    if (!d)
        boot_stop("no memory for the control domain's structures: give the machine more memory");
    d->is_control = true;
    control_domain = d;
    b->d = pv_domain(d);
    if (pirq_domain_init(d))
        boot_stop("no memory for the control domain's interrupts: give the machine more memory");
}

INIT void dom0_build(const struct bootinfo *info)
{
    static INITDATA struct builder builder;
    struct builder *b = &builder;
    struct layout *l = &b->l;
    struct unpack u;

    if (!info->nr_modules)
        boot_stop("no kernel was loaded: pass it as the first module (GRUB: module2 /vmlinuz; "
                  "QEMU: -initrd \"vmlinuz args,initrd\")");
    b->kernel = &info->modules[0];
    b->initrd = info->nr_modules > 1 ? &info->modules[1] : NULL;
    plan_kernel(b, &u);
    create_domain(b);
    l->nr_pages = dom0_pages(b);
    plan_layout(l, b->initrd ? b->initrd->size : 0);
    b->d->domain.max_pages = l->nr_pages;
    alloc_p2m(b);
    alloc_memory(b, pages_of_bytes(l->elf.paddr_end));
    load_kernel(b, u.elf.at);
    page_free(b->scratch, b->scratch_order);
    alloc_memory(b, l->nr_pages);
    if (b->initrd)
        copy_in(b, l->initrd_pfn << PAGE_SHIFT, direct_map(b->initrd->start), b->initrd->size);
    build_tables(b);
    write_start_info(b);
    copy_in(b, l->p2m_pfn << PAGE_SHIFT, (const uint8_t *)b->p2m, l->nr_pages * sizeof(uint64_t));
    start_vcpu(b);
    page_free(virt_to_mfn(b->p2m), b->p2m_order);
    log_info("control domain: %lu MiB, %u vCPU%s, kernel entered at %lx", l->nr_pages >> 8,
             b->d->domain.max_vcpus, b->d->domain.max_vcpus == 1 ? "" : "s", l->elf.entry);
}
