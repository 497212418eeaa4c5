// SPDX-License-Identifier: MIT
// Grant tables: pins, mappings, copies and what refuses them; lists that restart; every allocation that can
// fail; then random operations against a model. At the end of each test nothing is pinned or referenced.
#include "unit_main.h"

#include <stdlib.h>
#include <string.h>

#include "core/hypercall.h"
#include "fake_domain.h"
#include "fake_machine.h"
#include "public/errno.h"

#define TABLE_FRAMES 4u
#define TABLE_TYPE   (UINT64_C(1) << 63) // of a frame, for fake_domain.c

static struct grant_entry_v1 *entries[FAKE_DOMAINS];

static long op(unsigned cmd, void *arg, uint64_t count)
{
    return do_grant_table_op(cmd, (uint64_t)(uintptr_t)arg, count, 0, 0);
}

static int frame_of_table(struct domain *d, uint64_t index, mfn_t *m)
{
    return grant_table_put_frames(d, index, 1, (uint64_t)(uintptr_t)&m->n);
}

static void start(void)
{
    fake_domains_create();
    for (unsigned i = 0; i < FAKE_DOMAINS; i++) {
        mfn_t m;
        CU_ASSERT_EQUAL(grant_table_create(fake_domains[i]), 0);
        CU_ASSERT_EQUAL(grant_table_limit(fake_domains[i], TABLE_FRAMES, 1), 0);
        CU_ASSERT_EQUAL(frame_of_table(fake_domains[i], 0, &m), 0);
        entries[i] = mfn_to_virt(m);
    }
}

static void stop(void)
{
    for (unsigned i = 0; i < FAKE_DOMAINS; i++) {
        struct grant_table *gt = fake_domains[i]->grant_table;
        for (uint32_t ref = 0; ref < GRANTS_PER_FRAME; ref++) {
            const struct grant_active *a = &gt->active[0][ref];
            if (a->pins[0] || a->pins[1] || entries[i][ref].flags & (GTF_reading | GTF_writing))
                CU_FAIL("an entry is still pinned");
        }
        CU_ASSERT(!spin_is_locked(&gt->lock) && !spin_is_locked(&gt->maps_lock));
        CU_ASSERT_EQUAL(fake_domains[i]->refs, 1);
    }
    CU_ASSERT_EQUAL(fake_leaves, 0);
    for (unsigned i = 0; i < FAKE_DOMAINS; i++) {
        CU_ASSERT_EQUAL(grant_table_relinquish(fake_domains[i]), 0);
        grant_table_destroy(fake_domains[i]);
    }
    CU_ASSERT(fake_frames_are_quiet());
    CU_ASSERT_EQUAL(fake_heap_objects, 0);
    fake_domains_destroy();
}

static void grant(unsigned from, uint32_t ref, unsigned flags, unsigned to, uint64_t frame)
{
    entries[from][ref] = (struct grant_entry_v1){ (uint16_t)flags, (domid_t)to, (uint32_t)frame };
}

static struct gnttab_map_grant_ref map(unsigned from, uint32_t ref, uint64_t *leaf, uint32_t flags)
{
    struct gnttab_map_grant_ref m = { .host_addr = (uintptr_t)leaf, .flags = flags, .ref = ref, .dom = (domid_t)from };

    CU_ASSERT_EQUAL(op(GNTTABOP_map_grant_ref, &m, 1), 0);
    return m;
}

static int unmap(uint64_t *leaf, uint64_t bus, uint32_t handle)
{
    struct gnttab_unmap_grant_ref u = { .host_addr = (uintptr_t)leaf, .dev_bus_addr = bus, .handle = handle };

    CU_ASSERT_EQUAL(op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    return u.status;
}

static void map_and_unmap(void)
{
    struct gnttab_map_grant_ref a, b;
    uint64_t frame, leaf = 0, other = 0;

    start();
    fake_frame(fake_domains[1], &frame);
    grant(1, 8, GTF_permit_access, 0, frame);
    a = map(1, 8, &leaf, GNTMAP_host_map);
    CU_ASSERT_EQUAL(a.status, GNTST_okay);
    CU_ASSERT_EQUAL(a.dev_bus_addr, frame << PAGE_SHIFT);
    CU_ASSERT_EQUAL(leaf, frame + 1);
    CU_ASSERT_EQUAL(entries[1][8].flags, GTF_permit_access | GTF_reading | GTF_writing);
    entries[1][8].frame = 3; // too late
    b = map(1, 8, &other, GNTMAP_host_map | GNTMAP_readonly);
    CU_ASSERT_EQUAL(b.status, GNTST_okay);
    CU_ASSERT(a.handle != b.handle);
    CU_ASSERT_EQUAL(other, frame + 1);
    CU_ASSERT_EQUAL(unmap(&leaf, 0, a.handle), GNTST_okay);
    CU_ASSERT_EQUAL(entries[1][8].flags, GTF_permit_access | GTF_reading);
    CU_ASSERT_EQUAL(unmap(&leaf, 0, a.handle), GNTST_bad_handle);
    CU_ASSERT_EQUAL(unmap(NULL, 0, b.handle), GNTST_okay); // nothing was asked for
    CU_ASSERT_EQUAL(fake_leaves, 1);
    CU_ASSERT_EQUAL(unmap(&leaf, 0, b.handle), GNTST_general_error);
    CU_ASSERT_EQUAL(unmap(&other, 0, b.handle), GNTST_okay);
    CU_ASSERT_EQUAL(entries[1][8].flags, GTF_permit_access);
    CU_ASSERT_EQUAL(fake_tlb_flushes, 2);
    CU_ASSERT_EQUAL(unmap(&leaf, 0, 1 << 20), GNTST_bad_handle);
    CU_ASSERT_EQUAL(unmap(&leaf, 0, UINT32_MAX), GNTST_bad_handle);
    stop();
}

// Host and device mappings of one grant go one at a time.
static void host_and_device(void)
{
    struct gnttab_map_grant_ref m;
    uint64_t frame, leaf = 0;

    start();
    fake_frame(fake_domains[1], &frame);
    grant(1, 9, GTF_permit_access, 0, frame);
    m = map(1, 9, &leaf, GNTMAP_host_map | GNTMAP_device_map);
    CU_ASSERT_EQUAL(m.status, GNTST_okay);
    CU_ASSERT_EQUAL(frame_table[frame].type, 2);
    CU_ASSERT_EQUAL(unmap(&leaf, m.dev_bus_addr + PAGE_SIZE, m.handle), GNTST_general_error);
    CU_ASSERT_EQUAL(leaf, frame + 1);
    CU_ASSERT_EQUAL(unmap(&leaf, 0, m.handle), GNTST_okay);
    CU_ASSERT_EQUAL(entries[1][9].flags, GTF_permit_access | GTF_reading | GTF_writing);
    CU_ASSERT_EQUAL(unmap(NULL, m.dev_bus_addr, m.handle), GNTST_okay);
    CU_ASSERT_EQUAL(unmap(NULL, m.dev_bus_addr, m.handle), GNTST_bad_handle);
    // The leaf is refused after the device had its references: nothing remains.
    fake_map_result = GNTST_bad_virt_addr;
    m = map(1, 9, &leaf, GNTMAP_host_map | GNTMAP_device_map);
    CU_ASSERT_EQUAL(m.status, GNTST_bad_virt_addr);
    stop();
}

static void maps_refused(void)
{
    uint64_t frame, table, leaf = 0;

    start();
    fake_frame(fake_domains[1], &frame);
    fake_frame(fake_domains[1], &table);
    frame_table[table].type = TABLE_TYPE;
    grant(1, 8, GTF_permit_access | GTF_readonly, 0, frame);
    CU_ASSERT_EQUAL(map(1, 8, &leaf, GNTMAP_host_map).status, GNTST_general_error);
    CU_ASSERT_EQUAL(map(1, 8, &leaf, 0).status, GNTST_bad_gntref);
    CU_ASSERT_EQUAL(map(7, 8, &leaf, GNTMAP_host_map).status, GNTST_bad_domain);
    CU_ASSERT_EQUAL(map(DOMID_SELF, 8, &leaf, GNTMAP_host_map).status, GNTST_bad_domain);
    CU_ASSERT_EQUAL(map(1, 512, &leaf, GNTMAP_host_map).status, GNTST_bad_gntref);
    CU_ASSERT_EQUAL(map(1, UINT32_MAX, &leaf, GNTMAP_host_map).status, GNTST_bad_gntref);
    grant(1, 8, GTF_permit_access, 2, frame); // for another
    CU_ASSERT_EQUAL(map(1, 8, &leaf, GNTMAP_host_map).status, GNTST_general_error);
    grant(1, 8, GTF_accept_transfer, 0, frame);
    CU_ASSERT_EQUAL(map(1, 8, &leaf, GNTMAP_host_map).status, GNTST_general_error);
    grant(1, 8, GTF_transitive, 0, frame);
    CU_ASSERT_EQUAL(map(1, 8, &leaf, GNTMAP_host_map).status, GNTST_general_error);
    grant(1, 8, GTF_permit_access, 0, table);
    CU_ASSERT_EQUAL(map(1, 8, &leaf, GNTMAP_host_map).status, GNTST_general_error);
    grant(1, 8, GTF_permit_access, 0, UINT32_MAX); // no such frame
    CU_ASSERT_EQUAL(map(1, 8, &leaf, GNTMAP_host_map).status, GNTST_general_error);
    fake_frame(fake_domains[2], &frame);
    grant(1, 8, GTF_permit_access, 0, frame); // not its own to grant
    CU_ASSERT_EQUAL(map(1, 8, &leaf, GNTMAP_host_map).status, GNTST_general_error);
    for (unsigned odd = 1; odd < 8; odd++) {
        uint64_t *at = (uint64_t *)((uintptr_t)&leaf + odd);
        CU_ASSERT_EQUAL(map(1, 8, at, GNTMAP_host_map | GNTMAP_contains_pte).status, GNTST_general_error);
    }
    CU_ASSERT_EQUAL(entries[1][8].flags, GTF_permit_access);
    stop();
}

static void copies(void)
{
    uint64_t mine, theirs, table;
    uint8_t *to, *from;
    struct gnttab_copy c = { .len = 100, .flags = GNTCOPY_source_gref };

    start();
    to = fake_frame(fake_domains[0], &mine);
    from = fake_frame(fake_domains[1], &theirs);
    fake_frame(fake_domains[0], &table);
    frame_table[table].type = TABLE_TYPE;
    memset(from, 0x31, PAGE_SIZE);
    grant(1, 8, GTF_permit_access | GTF_readonly, 0, theirs);
    c.source.u.ref = 8;
    c.source.domid = 1;
    c.source.offset = 3;
    c.dest.u.gmfn = mine;
    c.dest.domid = DOMID_SELF;
    c.dest.offset = 200;
    CU_ASSERT_EQUAL(op(GNTTABOP_copy, &c, 1), 0);
    CU_ASSERT_EQUAL(c.status, GNTST_okay);
    CU_ASSERT(to[199] == 0 && to[200] == 0x31 && to[299] == 0x31 && to[300] == 0);
    c.dest.offset = 3997;
    CU_ASSERT_EQUAL(op(GNTTABOP_copy, &c, 1), 0);
    CU_ASSERT_EQUAL(c.status, GNTST_bad_copy_arg);
    c.dest.offset = 0xffff;
    CU_ASSERT_EQUAL(op(GNTTABOP_copy, &c, 1), 0);
    CU_ASSERT_EQUAL(c.status, GNTST_bad_copy_arg);
    c.dest.offset = 0;
    c.dest.domid = 1; // a frame of another, by number
    CU_ASSERT_EQUAL(op(GNTTABOP_copy, &c, 1), 0);
    CU_ASSERT_EQUAL(c.status, GNTST_permission_denied);
    c.dest.domid = DOMID_SELF;
    c.dest.u.gmfn = theirs;
    CU_ASSERT_EQUAL(op(GNTTABOP_copy, &c, 1), 0);
    CU_ASSERT_EQUAL(c.status, GNTST_bad_page);
    c.dest.u.gmfn = ~UINT64_C(0);
    CU_ASSERT_EQUAL(op(GNTTABOP_copy, &c, 1), 0);
    CU_ASSERT_EQUAL(c.status, GNTST_bad_page);
    c.dest.u.gmfn = table;
    CU_ASSERT_EQUAL(op(GNTTABOP_copy, &c, 1), 0);
    CU_ASSERT_EQUAL(c.status, GNTST_bad_page);
    c = (struct gnttab_copy){ .len = 8, .flags = GNTCOPY_dest_gref };
    c.source.u.gmfn = mine;
    c.source.domid = DOMID_SELF;
    c.dest.u.ref = 8;
    c.dest.domid = 1;
    CU_ASSERT_EQUAL(op(GNTTABOP_copy, &c, 1), 0);
    CU_ASSERT_EQUAL(c.status, GNTST_general_error); // granted for reading
    CU_ASSERT_EQUAL(from[0], 0x31);
    grant(1, 8, GTF_permit_access, 0, theirs);
    CU_ASSERT_EQUAL(op(GNTTABOP_copy, &c, 1), 0);
    CU_ASSERT_EQUAL(c.status, GNTST_okay);
    CU_ASSERT_EQUAL(from[0], to[0]);
    stop();
}

static void sizes_and_versions(void)
{
    uint64_t list[TABLE_FRAMES] = { 0 };
    struct gnttab_setup_table s = { .dom = DOMID_SELF, .nr_frames = 3, .frame_list = (uintptr_t)list };
    struct gnttab_query_size q = { .dom = DOMID_SELF };
    struct gnttab_set_version v = { .version = 1 };
    mfn_t m;

    start();
    CU_ASSERT_EQUAL(op(GNTTABOP_setup_table, &s, 1), 0);
    CU_ASSERT_EQUAL(s.status, GNTST_okay);
    CU_ASSERT_EQUAL(frame_of_table(fake_domains[0], 2, &m), 0);
    CU_ASSERT(list[2] == m.n && list[1] != list[2] && list[3] == 0);
    CU_ASSERT_EQUAL(op(GNTTABOP_query_size, &q, 1), 0);
    CU_ASSERT(q.status == GNTST_okay && q.nr_frames == 3 && q.max_nr_frames == TABLE_FRAMES);
    s.nr_frames = TABLE_FRAMES + 1;
    CU_ASSERT_EQUAL(op(GNTTABOP_setup_table, &s, 1), 0);
    CU_ASSERT_EQUAL(s.status, GNTST_general_error);
    s.nr_frames = UINT32_MAX;
    CU_ASSERT_EQUAL(op(GNTTABOP_setup_table, &s, 1), 0);
    CU_ASSERT_EQUAL(s.status, GNTST_general_error);
    s.nr_frames = 1;
    s.frame_list = 8;
    CU_ASSERT_EQUAL(op(GNTTABOP_setup_table, &s, 1), 0);
    CU_ASSERT_EQUAL(s.status, GNTST_bad_virt_addr);
    CU_ASSERT_EQUAL(op(GNTTABOP_setup_table, &s, 2), -XEN_EINVAL);
    CU_ASSERT_EQUAL(op(GNTTABOP_query_size, &q, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(op(GNTTABOP_set_version, &v, 1), 0);
    v.version = 2;
    CU_ASSERT_EQUAL(op(GNTTABOP_set_version, &v, 1), -XEN_ENOSYS);
    v.version = 3;
    CU_ASSERT_EQUAL(op(GNTTABOP_set_version, &v, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(frame_of_table(fake_domains[0], TABLE_FRAMES, &m), -XEN_EINVAL);
    CU_ASSERT_EQUAL(frame_of_table(fake_domains[0], UINT64_MAX, &m), -XEN_EINVAL);
    CU_ASSERT_EQUAL(grant_table_put_frames(fake_domains[0], 1, UINT32_MAX, (uintptr_t)list), -XEN_EINVAL);
    fake_become(fake_domains[2], 0);
    q.dom = 1;
    CU_ASSERT_EQUAL(op(GNTTABOP_query_size, &q, 1), 0);
    CU_ASSERT_EQUAL(q.status, GNTST_permission_denied);
    q.dom = 77;
    CU_ASSERT_EQUAL(op(GNTTABOP_query_size, &q, 1), 0);
    CU_ASSERT_EQUAL(q.status, GNTST_bad_domain);
    CU_ASSERT_EQUAL(op(GNTTABOP_swap_grant_ref, &q, 1), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(op(GNTTABOP_transfer, list, 1), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(op(1000, &q, 1), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(op(GNTTABOP_copy, &q, UINT64_C(1) << 31), -XEN_EINVAL);
    CU_ASSERT_EQUAL(op(GNTTABOP_copy, NULL, 1), -XEN_EFAULT);
    CU_ASSERT_EQUAL(op(GNTTABOP_copy, NULL, 0), 0);
    stop();
}

// A list is stopped and started again until it is done: each element once, each status where it belongs.
static void lists_restart(void)
{
    enum { NR = 100 };
    static struct gnttab_map_grant_ref m[NR];
    static struct gnttab_unmap_grant_ref u[NR];
    static uint64_t leaf[NR];
    struct cpu_user_regs regs = { .rdi = GNTTABOP_map_grant_ref, .rsi = (uintptr_t)m, .rdx = NR };
    uint64_t frame;
    unsigned calls = 0;
    long rc;

    start();
    fake_frame(fake_domains[1], &frame);
    grant(1, 8, GTF_permit_access, 0, frame);
    fake_preempt = true;
    for (unsigned i = 0; i < NR; i++)
        m[i] = (struct gnttab_map_grant_ref){ .host_addr = (uintptr_t)&leaf[i], .flags = GNTMAP_host_map,
                                              .ref = i % 7 == 3 ? 9 : 8, .dom = 1, .status = 99 };
    while ((rc = do_grant_table_op(regs.rdi, regs.rsi, regs.rdx, 0, 0)) == HYPERCALL_RESTART) {
        hypercall_write_back(&regs);
        calls++;
    }
    CU_ASSERT(rc == 0 && calls == (NR - 1) / 16);
    for (unsigned i = 0; i < NR; i++) {
        CU_ASSERT_EQUAL(m[i].status, i % 7 == 3 ? GNTST_general_error : GNTST_okay);
        u[i] = (struct gnttab_unmap_grant_ref){ .host_addr = (uintptr_t)&leaf[i], .handle = m[i].handle };
        if (i % 7 == 3)
            u[i].handle = UINT32_MAX;
    }
    fake_preempt = false;
    CU_ASSERT_EQUAL(op(GNTTABOP_unmap_grant_ref, u, NR), 0);
    for (unsigned i = 0; i < NR; i++)
        CU_ASSERT_EQUAL(u[i].status, i % 7 == 3 ? GNTST_bad_handle : GNTST_okay);
    CU_ASSERT(fake_tlb_flushes <= NR / UNMAP_GROUP + 1); // one for many
    stop();
}

static void handles_run_out(void)
{
    static uint64_t leaf[MAPS_PER_FRAME + 512];
    static uint32_t handle[MAPS_PER_FRAME + 512];
    uint64_t frame;
    unsigned n = 0;

    start();
    fake_frame(fake_domains[1], &frame);
    grant(1, 8, GTF_permit_access, 0, frame);
    for (;; n++) {
        struct gnttab_map_grant_ref m = map(1, 8, &leaf[n], GNTMAP_host_map);
        if (m.status != GNTST_okay) {
            CU_ASSERT_EQUAL(m.status, GNTST_no_device_space);
            break;
        }
        handle[n] = m.handle;
    }
    CU_ASSERT(n >= MAPS_PER_FRAME);
    for (unsigned i = 0; i < n; i++)
        CU_ASSERT_EQUAL(unmap(&leaf[i], 0, handle[i]), GNTST_okay);
    stop();
}

static void allocations_that_fail(void)
{
    struct gnttab_map_grant_ref m;
    uint64_t frame, leaf = 0;
    mfn_t out;

    fake_domains_create();
    for (int left = 0; left < 2; left++) {
        fake_heap_left = left;
        CU_ASSERT_EQUAL(grant_table_create(fake_domains[0]), -XEN_ENOMEM);
        grant_table_destroy(fake_domains[0]);
        CU_ASSERT_EQUAL(fake_heap_objects, 0);
    }
    fake_domains_destroy();
    start();
    fake_frame(fake_domains[1], &frame);
    grant(1, 8, GTF_permit_access, 0, frame);
    fake_heap_left = 0;
    m = map(1, 8, &leaf, GNTMAP_host_map);
    CU_ASSERT_EQUAL(m.status, GNTST_no_device_space);
    CU_ASSERT_EQUAL(frame_of_table(fake_domains[0], 1, &out), -XEN_ENOMEM);
    fake_heap_left = -1;
    stop();
}

// A domain dies with mappings of others, and another after it whose grants are still mapped.
static void death(void)
{
    static uint64_t leaf[200];
    struct gnttab_map_grant_ref m = { .status = 0 };
    uint64_t frame;
    unsigned calls = 0;

    start();
    fake_frame(fake_domains[1], &frame);
    grant(1, 8, GTF_permit_access, 0, frame);
    for (unsigned i = 0; i < ARRAY_SIZE(leaf); i++)
        m = map(1, 8, &leaf[i], i % 2 ? GNTMAP_device_map : GNTMAP_host_map);
    CU_ASSERT_EQUAL(m.status, GNTST_okay);
    // The page tables go first, as the guest's type has it.
    for (unsigned i = 0; i < ARRAY_SIZE(leaf); i += 2) {
        frame_table[frame].type--;
        frame_put(frame_of(mfn(frame)));
        fake_leaves--;
    }
    fake_preempt = true;
    while (grant_table_relinquish(fake_domains[0]) == -XEN_ERESTART)
        CU_ASSERT_FATAL(calls++ < 100); // however often it is stopped
    fake_preempt = false;
    CU_ASSERT_EQUAL(grant_table_relinquish(fake_domains[0]), 0);
    CU_ASSERT_EQUAL(entries[1][8].flags, GTF_permit_access);
    // Entries without a table.
    fake_become(fake_domains[2], 0);
    grant(1, 8, GTF_permit_access, 2, frame);
    m = map(1, 8, leaf, GNTMAP_host_map);
    CU_ASSERT_EQUAL(m.status, GNTST_okay);
    CU_ASSERT_EQUAL(grant_table_relinquish(fake_domains[1]), 0);
    CU_ASSERT_EQUAL(map(1, 9, leaf, GNTMAP_host_map).status, GNTST_bad_gntref);
    CU_ASSERT_EQUAL(unmap(leaf, 0, m.handle), GNTST_okay);
    entries[1][8].flags = 0; // nobody cleared it: the page is not shared any more
    stop();
}

// A guest may lose the frame it mapped, by writing the leaf; its handle still names an entry of this very domain, and so
// keeps its id from being another's.
static void lost_leaf(void)
{
    uint64_t frame, leaf = 0;

    start();
    fake_frame(fake_domains[1], &frame);
    grant(1, 8, GTF_permit_access, 0, frame);
    CU_ASSERT_EQUAL(map(1, 8, &leaf, GNTMAP_host_map).status, GNTST_okay);
    frame_table[frame].type--;
    frame_put(frame_of(mfn(frame)));
    fake_leaves--;
    CU_ASSERT_EQUAL(fake_domains[1]->refs, 2);
    CU_ASSERT_EQUAL(grant_table_relinquish(fake_domains[0]), 0);
    CU_ASSERT_EQUAL(fake_domains[1]->refs, 1);
    CU_ASSERT_EQUAL(entries[1][8].flags, GTF_permit_access);
    stop();
}

// ---- random operations against a model ----

#define REFS   6u
#define SLOTS  24u
#define ROUNDS 60000u

static struct { bool used, readonly; unsigned by, from; uint32_t ref, handle; uint64_t leaf; } slots[SLOTS];

static bool is_pinned(unsigned from, uint32_t ref, bool writers_only)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i].used && slots[i].from == from && slots[i].ref == ref && !(writers_only && slots[i].readonly))
            return true;
    return false;
}

static unsigned pinned_by(unsigned from, uint32_t ref)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i].used && slots[i].from == from && slots[i].ref == ref)
            return slots[i].by;
    return FAKE_DOMAINS;
}

static void random_map(unsigned slot)
{
    unsigned by = (unsigned)rand() % FAKE_DOMAINS, from = (unsigned)rand() % FAKE_DOMAINS;
    uint32_t ref = 8 + (uint32_t)rand() % REFS;
    bool readonly = rand() % 2;
    struct grant_entry_v1 e = entries[from][ref];
    bool asks = !is_pinned(from, ref, false) || (!readonly && !is_pinned(from, ref, true));
    bool ok = !asks || (e.flags & GTF_type_mask) == GTF_permit_access;
    struct gnttab_map_grant_ref m;

    ok = ok && (!asks || (e.domid == by && (readonly || !(e.flags & GTF_readonly))));
    ok = ok && (!is_pinned(from, ref, false) || pinned_by(from, ref) == by);
    fake_become(fake_domains[by], 0);
    m = map(from, ref, &slots[slot].leaf, GNTMAP_host_map | (readonly ? GNTMAP_readonly : 0));
    CU_ASSERT_EQUAL(m.status == GNTST_okay, ok);
    if (ok) {
        slots[slot].used = true;
        slots[slot].readonly = readonly;
        slots[slot].by = by;
        slots[slot].from = from;
        slots[slot].ref = ref;
        slots[slot].handle = m.handle;
    }
}

static void random_unmap(unsigned slot)
{
    fake_become(fake_domains[slots[slot].by], 0);
    CU_ASSERT_EQUAL(unmap(&slots[slot].leaf, 0, slots[slot].handle), GNTST_okay);
    slots[slot].used = false;
    slots[slot].leaf = 0;
}

// A guest changes what it grants whenever it likes, but for the two flags that are ours.
static void random_entry(const uint64_t *frames)
{
    unsigned from = (unsigned)rand() % FAKE_DOMAINS;
    uint32_t ref = 8 + (uint32_t)rand() % REFS;
    uint16_t ours = entries[from][ref].flags & (GTF_reading | GTF_writing);
    unsigned flags = rand() % 4 ? GTF_permit_access : (unsigned)rand() % 8;

    grant(from, ref, flags | ours, (unsigned)rand() % FAKE_DOMAINS, frames[from]);
}

static void check_entries(void)
{
    for (unsigned from = 0; from < FAKE_DOMAINS; from++)
        for (uint32_t ref = 8; ref < 8 + REFS; ref++) {
            uint16_t flags = entries[from][ref].flags;
            CU_ASSERT_EQUAL(!!(flags & GTF_reading), is_pinned(from, ref, false));
            CU_ASSERT_EQUAL(!!(flags & GTF_writing), is_pinned(from, ref, true));
        }
}

static void random_operations(void)
{
    uint64_t frames[FAKE_DOMAINS];
    unsigned mapped = 0;

    start();
    srand(1);
    memset(slots, 0, sizeof(slots));
    for (unsigned i = 0; i < FAKE_DOMAINS; i++)
        fake_frame(fake_domains[i], &frames[i]);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned slot = (unsigned)rand() % SLOTS;
        if (rand() % 3 == 0)
            random_entry(frames);
        else if (slots[slot].used)
            random_unmap(slot);
        else
            random_map(slot);
        mapped += slots[slot].used;
        check_entries();
    }
    CU_ASSERT(mapped > ROUNDS / 40);
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i].used)
            random_unmap(i);
    stop();
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "map-and-unmap", map_and_unmap },
        { "host-and-device", host_and_device },
        { "maps-refused", maps_refused },
        { "copies", copies },
        { "sizes-and-versions", sizes_and_versions },
        { "lists-restart", lists_restart },
        { "handles-run-out", handles_run_out },
        { "allocations-that-fail", allocations_that_fail },
        { "death", death },
        { "lost-leaf", lost_leaf },
        { "random-operations", random_operations },
        { NULL, NULL },
    };

    return unit_main("grant_table", tests);
}
