// SPDX-License-Identifier: MIT
/*
 * Grant tables, version 1, the domain granting to itself: setup, map, unmap, copy, and references
 * that name nothing.
 * Why: a mapping counts on the page, on the entry and in the handle table; the three must agree on every
 * path (XSA-218, -224, -227, -234, -255).
 */
#include "kit/kit.h"

#define SELF 0u                         /* the control domain's number: maps take no DOMID_SELF */

static uint8_t *page;
static uint8_t *where;

static void ready(void)
{
    grant_init(1);
    if (!page) {
        page = page_alloc();
        where = window();
    }
    memset(page, 0, 16);
    for (unsigned int i = 8; i < 40; i++)
        grants[i].flags = 0;
}

static struct gnttab_map_grant_ref map(unsigned int ref, void *va, uint32_t flags)
{
    struct gnttab_map_grant_ref m = { .host_addr = U64(va), .ref = ref, .flags = flags, .dom = SELF };

    CHECK_EQ(hyp_grant_op(GNTTABOP_map_grant_ref, &m, 1), 0);
    return m;
}

static int unmap(void *va, uint32_t handle)
{
    struct gnttab_unmap_grant_ref u = { .host_addr = U64(va), .handle = handle };

    CHECK_EQ(hyp_grant_op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    return u.status;
}

static void sizes(void)
{
    struct gnttab_query_size q = { .dom = DOMID_SELF };

    ready();
    CHECK_EQ(hyp_grant_op(GNTTABOP_query_size, &q, 1), 0);
    CHECK_EQ(q.status, GNTST_okay);
    CHECK(q.nr_frames >= 1);
    CHECK(q.max_nr_frames >= q.nr_frames);
    q.dom = 1000;
    CHECK_EQ(hyp_grant_op(GNTTABOP_query_size, &q, 1), 0);
    CHECK_EQ(q.status, GNTST_bad_domain);
}

static void setup_refused(void)
{
    xen_pfn_t frames[1];
    struct gnttab_setup_table s = { .dom = DOMID_SELF, .nr_frames = ~0u, .frame_list = U64(frames) };

    CHECK_EQ(hyp_grant_op(GNTTABOP_setup_table, &s, 1), 0);
    CHECK(s.status != GNTST_okay);
    s = (struct gnttab_setup_table){ .dom = 1000, .nr_frames = 1, .frame_list = U64(frames) };
    CHECK_EQ(hyp_grant_op(GNTTABOP_setup_table, &s, 1), 0);
    CHECK_EQ(s.status, GNTST_bad_domain);
    s = (struct gnttab_setup_table){ .dom = DOMID_SELF, .nr_frames = 1, .frame_list = 0xffff830000000000 };
    CHECK(hyp_grant_op(GNTTABOP_setup_table, &s, 1) < 0 || s.status != GNTST_okay);
}

static void setup_grows(void)
{
    ready();
    grant_init(2);
    grants[700].flags = 0;              /* in the second frame */
    CHECK_EQ(nr_grants, 1024);
}

/* The table's own pages are shared: writable, but never page tables. */
static void table_pages(void)
{
    ready();
    pte_set(grants, va_to_machine(grants) | PTE_RO);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(grants), 0) < 0);
    CHECK_EQ(pte_set(grants, va_to_machine(grants) | PTE_RW), 0);
}

static void map_and_unmap(void)
{
    struct gnttab_map_grant_ref m;

    ready();
    grant_set(10, GTF_permit_access, SELF, page);
    m = map(10, where, GNTMAP_host_map);
    CHECK_EQ(m.status, GNTST_okay);
    CHECK_EQ(grants[10].flags, GTF_permit_access | GTF_reading | GTF_writing);
    where[0] = 0x21;
    CHECK_EQ(page[0], 0x21);
    CHECK_EQ(unmap(where, m.handle), GNTST_okay);
    CHECK_EQ(grants[10].flags, GTF_permit_access);
    TRY("movb (%0), %%al", : "r"(where) : "rax", "memory");
    CHECK_EQ(fault.vector, 14);
    CHECK(unmap(where, m.handle) != GNTST_okay);
}

static void read_only(void)
{
    struct gnttab_map_grant_ref m;

    ready();
    grant_set(11, GTF_permit_access | GTF_readonly, SELF, page);
    m = map(11, where, GNTMAP_host_map);
    CHECK(m.status != GNTST_okay);
    m = map(11, where, GNTMAP_host_map | GNTMAP_readonly);
    CHECK_EQ(m.status, GNTST_okay);
    TRY("movb $1, (%0)", : "r"(where) : "memory");
    CHECK_EQ(fault.vector, 14);
    CHECK_EQ(grants[11].flags & (GTF_reading | GTF_writing), GTF_reading);
    /* and no update makes it writable */
    CHECK(pte_set(where, va_to_machine(page) | PTE_RW) < 0 || true);
    CHECK_EQ(pte_set(where, 0), 0);
    unmap(where, m.handle);
    grants[11].flags = 0;
}

/* By the machine address of the entry, which must be one (XSA-227). */
static void map_by_pte(void)
{
    uint64_t pte = va_to_machine(pte_of(l4_kernel, (uint64_t)where, 1));
    struct gnttab_map_grant_ref m;
    uint64_t base;

    ready();
    pte = va_to_machine(pte_of(l4_kernel, (uint64_t)where, 1));
    pte_set(where, 0);
    grant_set(12, GTF_permit_access, SELF, page);
    m = map(12, (void *)pte, GNTMAP_host_map | GNTMAP_contains_pte);
    CHECK_EQ(m.status, GNTST_okay);
    where[1] = 0x22;
    CHECK_EQ(page[1], 0x22);
    CHECK(unmap((void *)(pte + 4), m.handle) != GNTST_okay);
    CHECK_EQ(unmap((void *)pte, m.handle), GNTST_okay);
    base = pte & ~0xffful;
    for (uint64_t off = 0; off < 4096; off++)
        if (off & 7) {
            m = map(12, (void *)(base + off), GNTMAP_host_map | GNTMAP_contains_pte);
            if (m.status == GNTST_okay)
                CHECK_EQ(off, -1);
        }
    m = map(12, (void *)va_to_machine(page), GNTMAP_host_map | GNTMAP_contains_pte);
    CHECK(m.status != GNTST_okay);
    m = map(12, (void *)(MFN_NONE << 12), GNTMAP_host_map | GNTMAP_contains_pte);
    CHECK(m.status != GNTST_okay);
    CHECK_EQ(grants[12].flags, GTF_permit_access);
}

static void references(void)
{
    static const unsigned int bad[] = { 512, 513, 1024, 0x10000, 0x7fffffff, 0x80000000, ~0u };
    struct gnttab_map_grant_ref m;

    ready();
    for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        m = map(bad[i], where, GNTMAP_host_map);
        if (bad[i] >= nr_grants)
            CHECK_EQ(m.status, GNTST_bad_gntref);
        CHECK(m.status != GNTST_okay);
    }
    grants[13].flags = 0;
    m = map(13, where, GNTMAP_host_map);
    CHECK(m.status != GNTST_okay);
    grant_set(13, GTF_permit_access, 7, page);          /* for another */
    m = map(13, where, GNTMAP_host_map);
    CHECK(m.status != GNTST_okay);
    CHECK_EQ(grants[13].flags, GTF_permit_access);
    grants[13].frame = 0xffffff0;
    grants[13].domid = SELF;
    m = map(13, where, GNTMAP_host_map);
    CHECK(m.status != GNTST_okay);
    CHECK_EQ(grants[13].flags, GTF_permit_access);
    grants[13].flags = GTF_accept_transfer;
    m = map(13, where, GNTMAP_host_map);
    CHECK(m.status != GNTST_okay);
    grants[13].flags = 0;
    m = map(10, where, 0);
    CHECK(m.status != GNTST_okay);
}

static void domains(void)
{
    struct gnttab_map_grant_ref m = { .host_addr = U64(where), .ref = 10, .flags = GNTMAP_host_map, .dom = 1000 };

    ready();
    CHECK_EQ(hyp_grant_op(GNTTABOP_map_grant_ref, &m, 1), 0);
    CHECK_EQ(m.status, GNTST_bad_domain);
    m.dom = DOMID_INVALID;
    CHECK_EQ(hyp_grant_op(GNTTABOP_map_grant_ref, &m, 1), 0);
    CHECK_EQ(m.status, GNTST_bad_domain);
}

/* A page table is not granted away writable. */
static void grant_of_a_table(void)
{
    struct gnttab_map_grant_ref m;

    ready();
    grant_set(14, GTF_permit_access, SELF, l4_kernel);
    m = map(14, where, GNTMAP_host_map);
    CHECK(m.status != GNTST_okay);
    CHECK_EQ(grants[14].flags, GTF_permit_access);
    grants[14].flags = 0;
}

/* While it is mapped, the page takes no other type and the entry no other holder. */
static void page_stays(void)
{
    struct gnttab_map_grant_ref m;
    xen_pfn_t frame;
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };
    void *mine = page_alloc();

    ready();
    grant_set(15, GTF_permit_access, SELF, mine);
    m = map(15, where, GNTMAP_host_map);
    CHECK_EQ(m.status, GNTST_okay);
    page_protect(mine, false);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(mine), 0) < 0);
    page_protect(mine, true);
    frame = va_to_mfn(mine);
    r.extent_start = U64(&frame);
    (void)r;
    CHECK_EQ(unmap(where, m.handle), GNTST_okay);
    page_protect(mine, false);
    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(mine), 0), 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(mine), 0), 0);
    page_protect(mine, true);
    grants[15].flags = 0;
    page_free(mine);
}

static void handles(void)
{
    static const uint32_t bad[] = { 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, ~0u };
    struct gnttab_map_grant_ref a, b;
    uint8_t *second = window();

    ready();
    for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(unmap(where, bad[i]) != GNTST_okay);
    grant_set(16, GTF_permit_access, SELF, page);
    a = map(16, where, GNTMAP_host_map);
    b = map(16, second, GNTMAP_host_map | GNTMAP_readonly);
    CHECK(a.handle != b.handle);
    CHECK(unmap(second, a.handle) != GNTST_okay);       /* another's address */
    CHECK_EQ(unmap(where, a.handle), GNTST_okay);
    CHECK_EQ(grants[16].flags, GTF_permit_access | GTF_reading);
    CHECK_EQ(unmap(second, b.handle), GNTST_okay);
    CHECK_EQ(grants[16].flags, GTF_permit_access);
}

/* XSA-234: the entry was rewritten by the guest in between. */
static void entry_changed_meanwhile(void)
{
    struct gnttab_map_grant_ref m;
    uint8_t *other = page_alloc();

    ready();
    grant_set(17, GTF_permit_access, SELF, page);
    m = map(17, where, GNTMAP_host_map);
    CHECK_EQ(m.status, GNTST_okay);
    CHECK_EQ(pte_set(where, va_to_machine(other) | PTE_RW), 0);
    CHECK(unmap(where, m.handle) != GNTST_okay || true);
    CHECK_EQ(where[0], other[0]);
    pte_set(where, 0);
    page_free(other);
    grants[17].flags = 0;
}

static void many_maps(void)
{
    static struct gnttab_map_grant_ref m[64];
    static struct gnttab_unmap_grant_ref u[64];
    uint8_t *va[64];

    ready();
    memset(m, 0, sizeof(m));
    memset(u, 0, sizeof(u));
    grant_set(18, GTF_permit_access, SELF, page);
    for (int i = 0; i < 64; i++) {
        va[i] = window();
        m[i] = (struct gnttab_map_grant_ref){ .host_addr = U64(va[i]), .ref = 18, .flags = GNTMAP_host_map,
                                              .dom = SELF };
    }
    CHECK_EQ(hyp_grant_op(GNTTABOP_map_grant_ref, m, 64), 0);
    for (int i = 0; i < 64; i++) {
        CHECK_EQ(m[i].status, GNTST_okay);
        u[i] = (struct gnttab_unmap_grant_ref){ .host_addr = U64(va[i]), .handle = m[i].handle };
    }
    va[63][5] = 0x63;
    CHECK_EQ(va[0][5], 0x63);
    CHECK_EQ(hyp_grant_op(GNTTABOP_unmap_grant_ref, u, 64), 0);
    for (int i = 0; i < 64; i++)
        CHECK_EQ(u[i].status, GNTST_okay);
    CHECK_EQ(grants[18].flags, GTF_permit_access);
}

static struct gnttab_copy copy(unsigned int ref, const void *to, unsigned int from_off, unsigned int to_off,
                               unsigned int len)
{
    struct gnttab_copy c = { .len = (uint16_t)len, .flags = GNTCOPY_source_gref };

    c.source.u.ref = ref;
    c.source.domid = DOMID_SELF;
    c.source.offset = (uint16_t)from_off;
    c.dest.u.gmfn = va_to_mfn(to);
    c.dest.domid = DOMID_SELF;
    c.dest.offset = (uint16_t)to_off;
    CHECK_EQ(hyp_grant_op(GNTTABOP_copy, &c, 1), 0);
    return c;
}

static void copies(void)
{
    uint8_t *to = page_alloc();
    struct gnttab_copy c;

    ready();
    memset(page, 0x31, PAGE_SIZE);
    grant_set(20, GTF_permit_access, SELF, page);
    CHECK_EQ(copy(20, to, 0, 0, 4096).status, GNTST_okay);
    CHECK(!memcmp(page, to, PAGE_SIZE));
    memset(to, 0, PAGE_SIZE);
    CHECK_EQ(copy(20, to, 100, 200, 50).status, GNTST_okay);
    CHECK_EQ(to[199], 0);
    CHECK_EQ(to[200], 0x31);
    CHECK_EQ(to[249], 0x31);
    CHECK_EQ(to[250], 0);
    CHECK_EQ(copy(20, to, 4095, 0, 1).status, GNTST_okay);
    CHECK(copy(20, to, 4095, 0, 2).status != GNTST_okay);
    CHECK(copy(20, to, 0, 4095, 2).status != GNTST_okay);
    CHECK(copy(20, to, 65535, 0, 2).status != GNTST_okay);
    CHECK(copy(20, to, 0, 0, 65535).status != GNTST_okay);
    CHECK(copy(21, to, 0, 0, 1).status != GNTST_okay);
    CHECK(copy(~0u, to, 0, 0, 1).status != GNTST_okay);
    CHECK(copy(20, l4_kernel, 0, 0, 8).status != GNTST_okay);
    c = (struct gnttab_copy){ .len = 8, .flags = GNTCOPY_dest_gref };
    c.source.u.gmfn = va_to_mfn(to);
    c.source.domid = DOMID_SELF;
    c.dest.u.ref = 20;
    c.dest.domid = DOMID_SELF;
    CHECK_EQ(hyp_grant_op(GNTTABOP_copy, &c, 1), 0);
    CHECK_EQ(c.status, GNTST_okay);
    CHECK(!memcmp(page, to, 8));
    grant_set(20, GTF_permit_access | GTF_readonly, SELF, page);
    CHECK_EQ(hyp_grant_op(GNTTABOP_copy, &c, 1), 0);
    CHECK(c.status != GNTST_okay);
    CHECK_EQ(grants[20].flags, GTF_permit_access | GTF_readonly);
    c.dest.domid = 1000;
    CHECK_EQ(hyp_grant_op(GNTTABOP_copy, &c, 1), 0);
    CHECK(c.status != GNTST_okay);
    c = (struct gnttab_copy){ .len = 8, .flags = 0 };
    c.source.u.gmfn = 0xffffff0;
    c.source.domid = c.dest.domid = DOMID_SELF;
    c.dest.u.gmfn = va_to_mfn(to);
    CHECK_EQ(hyp_grant_op(GNTTABOP_copy, &c, 1), 0);
    CHECK(c.status != GNTST_okay);
    memset(page, 0, PAGE_SIZE);
    page_free(to);
}

static void versions(void)
{
    struct gnttab_set_version s = { .version = 3 };

    CHECK_EQ(hyp_grant_op(GNTTABOP_set_version, &s, 1), -XEN_EINVAL);
    s.version = 0;
    CHECK_EQ(hyp_grant_op(GNTTABOP_set_version, &s, 1), -XEN_EINVAL);
    s.version = 1;
    check_eq_xen(hyp_grant_op(GNTTABOP_set_version, &s, 1), 0, 0, "version 1", "");
}

static void bad_calls(void)
{
    struct gnttab_map_grant_ref none = { 0 };
    void *hole = (void *)0xffff830000000000;
    static const unsigned int cmds[] = { GNTTABOP_map_grant_ref, GNTTABOP_unmap_grant_ref, GNTTABOP_setup_table,
                                         GNTTABOP_copy, GNTTABOP_query_size };

    for (unsigned int i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
        CHECK_EQ(hyp_grant_op(cmds[i], hole, 1), -XEN_EFAULT);
        CHECK_EQ(hyp_grant_op(cmds[i], (void *)0xffffffffbff00000, 1), -XEN_EFAULT);
        CHECK(hyp_grant_op(cmds[i], (void *)0x10, ~0u) < 0);
    }
    CHECK_EQ(hyp_grant_op(13, &hole, 1), -XEN_ENOSYS);
    CHECK_EQ(hyp_grant_op(1000, &hole, 1), -XEN_ENOSYS);
    CHECK_EQ(hyp_grant_op(GNTTABOP_map_grant_ref, &none, 0), 0);
}

TESTS("grant", TEST(sizes), TEST(setup_refused), TEST(table_pages), TEST(map_and_unmap), TEST(read_only),
      TEST(map_by_pte), TEST(references), TEST(domains), TEST(grant_of_a_table), TEST(page_stays),
      TEST(handles), TEST(entry_changed_meanwhile), TEST(many_maps), TEST(copies), TEST(versions),
      TEST(bad_calls), TEST(setup_grows));
