// SPDX-License-Identifier: MIT
/*
 * memory_op: pages given back and taken, exchanged for others, and what the machine looks like.
 * Why: a page that leaves the domain must have left everything else first (XSA-214, -252), and array
 * arguments are checked element by element (XSA-29, -212, -231).
 */
#include "kit/kit.h"

static long reserve(unsigned int cmd, xen_pfn_t *frames, unsigned long n, unsigned int order, unsigned int flags)
{
    struct xen_memory_reservation r = { .extent_start = U64(frames), .nr_extents = n, .extent_order = order,
                                        .mem_flags = flags, .domid = DOMID_SELF };

    return hyp_memory_op(cmd, &r);
}

static long pages_now(void)
{
    struct xen_memory_domain d = { DOMID_SELF };

    return hyp_memory_op(XENMEM_current_reservation, &d);
}

static void counts(void)
{
    struct xen_memory_domain d = { DOMID_SELF };
    long max;

    CHECK(pages_now() >= (long)nr_pages);
    max = hyp_memory_op(XENMEM_maximum_reservation, &d);
    CHECK(max >= pages_now());
    CHECK(hyp_memory_op(XENMEM_maximum_ram_page, NULL) > 0x1000);
    d.domid = 1000;
    CHECK_EQ(hyp_memory_op(XENMEM_current_reservation, &d), -XEN_ESRCH);
    CHECK_EQ(hyp_memory_op(XENMEM_maximum_reservation, &d), -XEN_ESRCH);
    CHECK_EQ(hyp_memory_op(XENMEM_current_reservation, (void *)0xffff830000000000), -XEN_EFAULT);
}

static void machphys_mapping(void)
{
    struct xen_machphys_mapping m = { 0, 0, 0 };
    xen_pfn_t list[4] = { 0 };
    struct xen_machphys_mfn_list l = { .max_extents = 4, .extent_start = U64(list) };

    CHECK_EQ(hyp_memory_op(XENMEM_machphys_mapping, &m), 0);
    CHECK_EQ(m.v_start, MACH2PHYS_VIRT_START);
    CHECK(m.v_end > m.v_start);
    CHECK(m.max_mfn > 0x1000);
    CHECK_EQ(hyp_memory_op(XENMEM_machphys_mfn_list, &l), 0);
    CHECK(l.nr_extents >= 1 && l.nr_extents <= 4);
    CHECK(list[0] != 0);
    l.extent_start = 0xffff830000000000;
    CHECK_EQ(hyp_memory_op(XENMEM_machphys_mfn_list, &l), -XEN_EFAULT);
}

struct e820entry_packed {
    uint64_t addr, size;
    uint32_t type;
} __attribute__((packed));

static void maps(void)
{
    static struct e820entry_packed e[128];
    struct xen_memory_map m = { .nr_entries = 128, .buffer = U64(e) };
    uint64_t ram = 0;

    CHECK_EQ(hyp_memory_op(XENMEM_machine_memory_map, &m), 0);
    CHECK(m.nr_entries > 0 && m.nr_entries <= 128);
    for (unsigned int i = 0; i < m.nr_entries; i++)
        if (e[i].type == 1)
            ram += e[i].size;
    CHECK(ram > 400ul << 20 && ram < 520ul << 20);
    m.nr_entries = 1;
    CHECK_EQ(hyp_memory_op(XENMEM_machine_memory_map, &m), -XEN_EINVAL);
    m.nr_entries = 128;
    m.buffer = 0xffff830000000000;
    CHECK(hyp_memory_op(XENMEM_machine_memory_map, &m) < 0);
    m = (struct xen_memory_map){ .nr_entries = 128, .buffer = U64(e) };
    CHECK(hyp_memory_op(XENMEM_memory_map, &m) == 0 || hyp_memory_op(XENMEM_memory_map, &m) == -XEN_ENOSYS);
}

static void give_and_take(void)
{
    void *page = page_alloc();
    xen_pfn_t frame = va_to_mfn(page);
    uint64_t pfn = ((uint64_t)page - VIRT_BASE) / PAGE_SIZE;
    long before = pages_now();

    memset(page, 0x5a, PAGE_SIZE);
    CHECK_EQ(pte_set(page, 0), 0);
    CHECK_EQ(reserve(XENMEM_decrease_reservation, &frame, 1, 0, 0), 1);
    CHECK_EQ(pages_now(), before - 1);
    /* it is not ours any more */
    CHECK(pte_set(page, frame << 12 | PTE_RO) < 0);
    CHECK_EQ(reserve(XENMEM_decrease_reservation, &frame, 1, 0, 0), 0);
    frame = pfn;
    CHECK_EQ(reserve(XENMEM_populate_physmap, &frame, 1, 0, 0), 1);
    CHECK_EQ(pages_now(), before);
    CHECK_EQ(((const unsigned long *)MACH2PHYS_VIRT_START)[frame], pfn);
    p2m[pfn] = frame;
    CHECK_EQ(pte_set(page, frame << 12 | PTE_RW), 0);
    page_free(page);
}

static void increase(void)
{
    void *page = page_alloc();
    xen_pfn_t frame = va_to_mfn(page);
    uint64_t pfn = ((uint64_t)page - VIRT_BASE) / PAGE_SIZE;

    CHECK_EQ(pte_set(page, 0), 0);
    CHECK_EQ(reserve(XENMEM_decrease_reservation, &frame, 1, 0, 0), 1);
    frame = 0;
    CHECK_EQ(reserve(XENMEM_increase_reservation, &frame, 1, 0, 0), 1);
    CHECK(frame != 0);
    CHECK_EQ(mmu_write(frame << 12 | MMU_MACHPHYS_UPDATE, pfn), 0);
    p2m[pfn] = frame;
    CHECK_EQ(pte_set(page, frame << 12 | PTE_RW), 0);
    page_free(page);
}

/* XSA-214, -252: in use as a table, mapped, granted, it stays. */
static void busy_pages_stay(void)
{
    uint64_t *table = page_table_alloc();
    uint8_t *page = page_alloc(), *second = window();
    xen_pfn_t frame = va_to_mfn(table);
    long before = pages_now();

    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, frame, 0), 0);
    reserve(XENMEM_decrease_reservation, &frame, 1, 0, 0);
    /* Pinned, and mapped in the direct map: whatever the answer, the table keeps its type. */
    CHECK(page_protect(table, true) < 0);
    CHECK_EQ(*(volatile uint64_t *)table, 0);
    mmuext(MMUEXT_UNPIN_TABLE, frame, 0);
    CHECK_EQ(pages_now() <= before, 1);
    frame = va_to_mfn(page);
    pte_set(second, va_to_machine(page) | PTE_RW);
    pte_set(page, 0);
    reserve(XENMEM_decrease_reservation, &frame, 1, 0, 0);
    second[0] = 0x41;                           /* the mapping holds it: no other domain can have it */
    CHECK_EQ(second[0], 0x41);
    pte_set(second, 0);
    frame = va_to_mfn(l4_kernel);
    reserve(XENMEM_decrease_reservation, &frame, 1, 0, 0);
    CHECK_EQ(((volatile const unsigned long *)MACH2PHYS_VIRT_START)[p2m[9]], 9);
}

static void exchange(void)
{
    void *page = page_alloc();
    uint64_t pfn = ((uint64_t)page - VIRT_BASE) / PAGE_SIZE;
    xen_pfn_t in = va_to_mfn(page), out = pfn, old = in;
    struct xen_memory_exchange x = {
        .in = { .extent_start = U64(&in), .nr_extents = 1, .domid = DOMID_SELF },
        .out = { .extent_start = U64(&out), .nr_extents = 1, .domid = DOMID_SELF },
    };

    CHECK_EQ(pte_set(page, 0), 0);
    CHECK_EQ(hyp_memory_op(XENMEM_exchange, &x), 0);
    CHECK_EQ(x.nr_exchanged, 1);
    CHECK(out != old);
    CHECK_EQ(((const unsigned long *)MACH2PHYS_VIRT_START)[out], pfn);
    p2m[pfn] = out;
    CHECK_EQ(pte_set(page, out << 12 | PTE_RW), 0);
    CHECK(pte_set(window(), old << 12 | PTE_RO) < 0);
    page_free(page);
}

/* Sixteen single pages for one run of sixteen, as a kernel makes DMA buffers. */
static void exchange_contiguous(void)
{
    static xen_pfn_t in[16];
    uint8_t *pages[16];
    xen_pfn_t out;
    struct xen_memory_exchange x = {
        .in = { .extent_start = U64(in), .nr_extents = 16, .domid = DOMID_SELF },
        .out = { .extent_start = U64(&out), .nr_extents = 1, .extent_order = 4, .mem_flags = 32,
                 .domid = DOMID_SELF },
    };
    uint64_t pfn;

    for (int i = 0; i < 16; i++)
        pages[i] = page_alloc();
    pfn = ((uint64_t)pages[0] - VIRT_BASE) / PAGE_SIZE;
    for (int i = 0; i < 16; i++) {
        if ((uint64_t)pages[i] != (uint64_t)pages[0] + (uint64_t)i * PAGE_SIZE) {
            test_skip("the kit's pages are not in a row");
            return;
        }
        in[i] = va_to_mfn(pages[i]);
        pte_set(pages[i], 0);
    }
    out = pfn;
    CHECK_EQ(hyp_memory_op(XENMEM_exchange, &x), 0);
    CHECK_EQ(x.nr_exchanged, 16);
    CHECK_EQ(out & 15, 0);
    CHECK(out < 1ul << 20);
    for (uint64_t i = 0; i < 16; i++) {
        p2m[pfn + i] = out + i;
        CHECK_EQ(((const unsigned long *)MACH2PHYS_VIRT_START)[out + i], pfn + i);
        CHECK_EQ(pte_set(pages[i], (out + i) << 12 | PTE_RW), 0);
    }
}

/* XSA-212: nr_exchanged moves the arrays' start, so it can carry them into the hypervisor. */
static void exchange_refused(void)
{
    xen_pfn_t in = 0, out = 0;
    struct xen_memory_exchange x, good = {
        .in = { .extent_start = U64(&in), .nr_extents = 1, .domid = DOMID_SELF },
        .out = { .extent_start = U64(&out), .nr_extents = 1, .domid = DOMID_SELF },
    };
    void *page = page_alloc();

    in = va_to_mfn(page);
    x = good;
    x.nr_exchanged = 1;
    CHECK(hyp_memory_op(XENMEM_exchange, &x) < 0 || x.nr_exchanged == 1);
    x = good;
    x.nr_exchanged = 0xffff830000000000 / 8;
    CHECK(hyp_memory_op(XENMEM_exchange, &x) < 0);
    x = good;
    x.in.extent_start = x.out.extent_start = 0xffff7fffffffff00;
    x.in.nr_extents = x.out.nr_extents = 1ul << 40;
    x.nr_exchanged = 0x1000;
    CHECK(hyp_memory_op(XENMEM_exchange, &x) < 0);
    x = good;
    x.out.nr_extents = 2;
    CHECK(hyp_memory_op(XENMEM_exchange, &x) < 0);
    x = good;
    x.in.extent_order = 64;
    CHECK(hyp_memory_op(XENMEM_exchange, &x) < 0);
    x = good;
    x.out.extent_order = 63;
    CHECK(hyp_memory_op(XENMEM_exchange, &x) < 0);
    x = good;
    x.out.extent_start = 0xffff830000000000;
    CHECK(hyp_memory_op(XENMEM_exchange, &x) < 0);
    x = good;
    x.in.domid = 1000;
    CHECK(hyp_memory_op(XENMEM_exchange, &x) < 0);
    in = 0xffffff0;
    CHECK(hyp_memory_op(XENMEM_exchange, &good) < 0);
    CHECK_EQ(good.nr_exchanged, 0);
    CHECK_EQ(hyp_memory_op(XENMEM_exchange, (void *)0xffff830000000000), -XEN_EFAULT);
    *(volatile uint8_t *)page = 1;
    page_free(page);
}

static void reservation_refused(void)
{
    static const unsigned int cmds[] = { XENMEM_increase_reservation, XENMEM_decrease_reservation,
                                         XENMEM_populate_physmap };
    xen_pfn_t frame = 0xffffff0;
    struct xen_memory_reservation r;

    for (int i = 0; i < 3; i++) {
        r = (struct xen_memory_reservation){ .extent_start = U64(&frame), .nr_extents = 1, .domid = 1000 };
        CHECK(hyp_memory_op(cmds[i], &r) <= 0);         /* the answer is a count of extents done */
        r.domid = DOMID_SELF;
        r.extent_order = 63;
        CHECK(hyp_memory_op(cmds[i], &r) <= 0);
        r.extent_order = ~0u;
        CHECK(hyp_memory_op(cmds[i], &r) <= 0);
        r.extent_order = 0;
        r.extent_start = 0xffff830000000000;
        CHECK(hyp_memory_op(cmds[i], &r) <= 0 || cmds[i] == XENMEM_increase_reservation);
        r.nr_extents = ~0ul;
        CHECK(hyp_memory_op(cmds[i], &r) <= 0);
        r.nr_extents = 1ul << 60;
        CHECK(hyp_memory_op(cmds[i], &r) <= 0);
        CHECK(hyp_memory_op(cmds[i], (void *)0x800000000000) <= 0);
    }
    CHECK_EQ(reserve(XENMEM_decrease_reservation, &frame, 1, 0, 0), 0);
    frame = ~0ul;
    CHECK_EQ(reserve(XENMEM_decrease_reservation, &frame, 1, 0, 0), 0);
}

static void add_to_physmap(void)
{
    struct xen_add_to_physmap a = { .domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gpfn = 100 };
    struct xen_remove_from_physmap r = { .domid = DOMID_SELF, .gpfn = 100 };

    /* A domain that has its own physical map has nothing to add to it; nothing may break. */
    CHECK(hyp_memory_op(XENMEM_add_to_physmap, &a) <= 0);
    a.space = 1000;
    CHECK(hyp_memory_op(XENMEM_add_to_physmap, &a) < 0);
    a.domid = 1000;
    CHECK(hyp_memory_op(XENMEM_add_to_physmap, &a) < 0);
    r.gpfn = ~0ul;
    CHECK(hyp_memory_op(XENMEM_remove_from_physmap, &r) <= 0);
    CHECK(hyp_memory_op(XENMEM_add_to_physmap, (void *)0xffff830000000000) < 0);
}

static void unknown(void)
{
    uint64_t zero[16] = { 0 };

    CHECK_EQ(hyp_memory_op(63, zero), -XEN_ENOSYS);
    CHECK_EQ(hyp_memory_op(50, zero), -XEN_ENOSYS);
}

TESTS("memory", TEST(counts), TEST(machphys_mapping), TEST(maps), TEST(exchange_contiguous), TEST(give_and_take),
      TEST(increase), TEST(busy_pages_stay), TEST(exchange), TEST(exchange_refused), TEST(reservation_refused),
      TEST(add_to_physmap), TEST(unknown));
