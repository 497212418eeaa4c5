// SPDX-License-Identifier: MIT
/*
 * The control interface as a toolstack uses it: a guest of a few instructions is created, given memory, page tables and a
 * context, runs, ends, and is destroyed, with its frames mapped, granted and bound to events of ours.
 * Why: teardown meets whatever others still hold of a domain (XSA-145, -182, -228, -380), and a guest that calls what only
 * the control domain may must get nothing (XSA-77).
 */
#include "kit/kit.h"

enum { CODE, DATA, L1, L2, L3, L4, TABLES_END, SPARE = TABLES_END, NR_FRAMES = 8 };

#define GUEST_CODE  0x400000ul
#define GUEST_DATA  0x401000ul
#define DONE        0x12345678u
#define NOBODY      1000u
#define MACH2PHYS   0xffff800000000000ul

static xen_pfn_t frame[NR_FRAMES];      /* of the guest that lives now */
static unsigned int guest;

/* The guest: notes what a domctl says to it, and that it ran; then it shuts down. */
__asm__(".pushsection .rodata\n"
        "guest_code:\n"
        "    movl $36, %eax\n"              /* domctl */
        "    movl $0x401100, %edi\n"
        "    syscall\n"
        "    movq %rax, 0x401008\n"
        "    movl $0x12345678, 0x401000\n"
        "    movl $29, %eax\n"              /* sched_op */
        "    movl $2, %edi\n"               /* shutdown */
        "    movl $0x401010, %esi\n"
        "    syscall\n"
        "1:  jmp 1b\n"
        "guest_code_end:\n"
        ".popsection\n");
extern const uint8_t guest_code[], guest_code_end[];

struct guest_data {
    uint32_t done;
    uint32_t pad;
    int64_t domctl_result;
    struct sched_shutdown shutdown;
    uint8_t unused[0x100 - 0x14];
    struct xen_domctl domctl;
};

static void *borrow(unsigned int i)
{
    static void *va;

    if (!va)
        va = window();
    CHECK_EQ(foreign_map(va, guest, frame[i] << 12 | PTE_RW), 0);
    return va;
}

static void give_back(void *va)
{
    CHECK_EQ(pte_set(va, 0), 0);
}

static void create(void)
{
    struct xen_domctl op = domctl_request(XEN_DOMCTL_createdomain, 0);

    op.u.createdomain = (struct xen_domctl_createdomain){
        .max_vcpus = 1, .max_evtchn_port = 1023, .max_grant_frames = 4, .max_maptrack_frames = 4, .grant_opts = 1,
    };
    CHECK_EQ(domctl(&op), 0);
    guest = op.domain;
    CHECK(guest != 0);
    op = domctl_request(XEN_DOMCTL_max_vcpus, guest);
    op.u.max_vcpus.max = 1;
    CHECK_EQ(domctl(&op), 0);
}

static void give_memory(void)
{
    struct xen_domctl op = domctl_request(XEN_DOMCTL_max_mem, guest);
    struct xen_memory_reservation r = { .extent_start = U64(frame), .nr_extents = NR_FRAMES, .domid = (domid_t)guest };

    for (unsigned int i = 0; i < NR_FRAMES; i++)
        frame[i] = i;
    CHECK_EQ(hyp_memory_op(XENMEM_populate_physmap, &r), 0);   /* no room yet */
    op.u.max_mem.max_memkb = NR_FRAMES * 4;
    CHECK_EQ(domctl(&op), 0);
    CHECK_EQ(hyp_memory_op(XENMEM_populate_physmap, &r), NR_FRAMES);
    CHECK(frame[CODE] != 0 && frame[CODE] != frame[DATA]);
}

static void set_entry(unsigned int table, unsigned int index, unsigned int i, uint64_t flags)
{
    uint64_t *entries = borrow(table);

    entries[index] = frame[i] << 12 | flags;
    give_back(entries);
}

static int pin(unsigned int cmd, unsigned int i)
{
    struct mmuext_op op = { .cmd = cmd, .arg1.mfn = frame[i] };

    return hyp_mmuext_op(&op, 1, NULL, guest);
}

static void build_tables(void)
{
    uint8_t *code = borrow(CODE);

    memcpy(code, guest_code, (size_t)(guest_code_end - guest_code));
    give_back(code);
    set_entry(L1, 0, CODE, PTE_RO);
    set_entry(L1, 1, DATA, PTE_RW);
    set_entry(L2, 2, L1, PTE_RW);
    set_entry(L3, 0, L2, PTE_RW);
    set_entry(L4, 0, L3, PTE_RW);
    CHECK_EQ(pin(MMUEXT_PIN_L4_TABLE, L4), 0);
}

static xen_pfn_t root, user_root;       /* of the context: 0: frame[L4], none */

static long set_context(void)
{
    static struct vcpu_guest_context context;
    struct xen_domctl op = domctl_request(XEN_DOMCTL_setvcpucontext, guest);

    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel | VGCF_online;
    context.user_regs.rip = GUEST_CODE;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.user_regs.rsp = GUEST_DATA + PAGE_SIZE;
    context.user_regs.rflags = 0x202;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.ctrlreg[3] = (root ? root : frame[L4]) << 12;
    context.ctrlreg[1] = user_root << 12;
    op.u.vcpucontext.ctxt = U64(&context);
    return domctl(&op);
}

/* A guest that is ready to run. */
static void build(void)
{
    create();
    give_memory();
    build_tables();
    CHECK_EQ(set_context(), 0);
}

/* As a toolstack does: again while it is told to, by the hypercall itself. */
static void destroy(void)
{
    CHECK_EQ(domctl_simple(XEN_DOMCTL_destroydomain, guest), 0);
}

static void who_may_and_how(void)
{
    struct xen_domctl op = domctl_request(XEN_DOMCTL_pausedomain, NOBODY);
    struct xen_sysctl s = { .cmd = XEN_SYSCTL_physinfo, .interface_version = 1 };

    CHECK_EQ(domctl(&op), -XEN_ESRCH);
    op.interface_version = 1;
    CHECK_EQ(domctl(&op), -XEN_EACCES);
    CHECK_EQ(domctl((struct xen_domctl *)8), -XEN_EFAULT);
    CHECK_EQ(domctl_simple(999, 0), -XEN_ENOSYS);
    CHECK_EQ(hypercall(__HYPERVISOR_sysctl, U64(&s), 0, 0, 0, 0), -XEN_EACCES);
    CHECK_EQ(sysctl(&s, 999), -XEN_ENOSYS);
    CHECK_EQ(domctl_simple(XEN_DOMCTL_destroydomain, 0), -XEN_EINVAL);
    CHECK_EQ(domctl_simple(XEN_DOMCTL_pausedomain, 0), -XEN_EINVAL);
}

static void the_machine_is_told(void)
{
    static struct xen_domctl_getdomaininfo list[4];
    static char text[512];
    struct xen_sysctl op = { .cmd = 0 };

    CHECK_EQ(sysctl(&op, XEN_SYSCTL_physinfo), 0);
    CHECK(op.u.physinfo.nr_cpus >= 1 && op.u.physinfo.free_pages < op.u.physinfo.total_pages);
    CHECK(op.u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_pv);
    op.u.getdomaininfolist = (struct xen_sysctl_getdomaininfolist){ .max_domains = 4, .buffer = U64(list) };
    CHECK_EQ(sysctl(&op, XEN_SYSCTL_getdomaininfolist), 0);
    CHECK_EQ(op.u.getdomaininfolist.num_domains, 1);
    CHECK_EQ(list[0].domain, 0);
    CHECK(list[0].flags & XEN_DOMINF_running);
    CHECK_EQ(list[0].tot_pages, start_info->nr_pages);
    op.u.readconsole = (struct xen_sysctl_readconsole){ .buffer = U64(text), .count = sizeof(text) };
    CHECK_EQ(sysctl(&op, XEN_SYSCTL_readconsole), 0);
    CHECK_EQ(op.u.readconsole.count, sizeof(text));
    CHECK(text[0] != 0);
}

/* Calls are counted for each domain, those in lists too. Debian's Xen is built without counters. */
static void hypercalls_are_counted(void)
{
    static struct xen_sysctl_perfc_desc desc[4];
    static uint32_t val[2][4 * 64];
    struct xen_sysctl op = { .u.perfc_op.cmd = XEN_SYSCTL_PERFCOP_query };
    struct multicall_entry list = { .op = __HYPERVISOR_xen_version };

    if (on_xen)
        return;
    CHECK_EQ(sysctl(&op, XEN_SYSCTL_perfc_op), 0);
    CHECK_EQ(op.u.perfc_op.nr_counters, 1);
    CHECK_EQ(op.u.perfc_op.nr_vals, 64);
    for (unsigned int i = 0; i < 2; i++) {
        op.u.perfc_op.desc = U64(desc);
        op.u.perfc_op.val = U64(val[i]);
        CHECK_EQ(sysctl(&op, XEN_SYSCTL_perfc_op), 0);
        CHECK_EQ(hypercall(__HYPERVISOR_multicall, U64(&list), 1, 0, 0, 0), 0);
        CHECK_EQ(hypercall(__HYPERVISOR_xen_version, 0, 0, 0, 0, 0), list.result);
    }
    CHECK_EQ(desc[0].nr_vals, 64);
    CHECK_EQ(desc[0].name[sizeof("hypercalls of domain 0") - 2], '0');
    CHECK_EQ(val[1][__HYPERVISOR_xen_version] - val[0][__HYPERVISOR_xen_version], 2);
    CHECK_EQ(val[1][__HYPERVISOR_multicall] - val[0][__HYPERVISOR_multicall], 1);
    CHECK_EQ(val[1][__HYPERVISOR_sysctl] - val[0][__HYPERVISOR_sysctl], 1);
    op.u.perfc_op.cmd = XEN_SYSCTL_PERFCOP_reset;
    CHECK_EQ(sysctl(&op, XEN_SYSCTL_perfc_op), -XEN_EOPNOTSUPP);
}

/* What the log says to a debug key is announced, and once it was read there is nothing more. */
static void the_log_is_announced(void)
{
    static char text[512];
    struct xen_sysctl op = { .cmd = 0 };
    int port = event_bind_virq(VIRQ_CON_RING, 0);

    CHECK(port > 0);
    event_clear((unsigned int)port);
    op.u.debug_keys = (struct xen_sysctl_debug_keys){ .keys = U64("m"), .nr_keys = 1 };
    CHECK_EQ(sysctl(&op, XEN_SYSCTL_debug_keys), 0);
    CHECK(event_pending((unsigned int)port));
    event_clear((unsigned int)port);
    do {
        op.u.readconsole.buffer = U64(text);
        op.u.readconsole.count = sizeof(text);
        op.u.readconsole.incremental = 1;
        CHECK_EQ(sysctl(&op, XEN_SYSCTL_readconsole), 0);
    } while (op.u.readconsole.count == sizeof(text));
    CHECK(!event_pending((unsigned int)port));
    CHECK_EQ(event_close((unsigned int)port), 0);
}

static void creation_is_checked(void)
{
    struct xen_domctl op = domctl_request(XEN_DOMCTL_createdomain, 5), good;

    op.u.createdomain = (struct xen_domctl_createdomain){ .max_vcpus = 1, .max_evtchn_port = 1023, .grant_opts = 1,
                                                          .max_grant_frames = -1, .max_maptrack_frames = -1 };
    good = op;
    op.u.createdomain.max_vcpus = 100000;
    CHECK(domctl(&op) < 0);
    op = good;
    op.u.createdomain.flags = ~0u;
    CHECK(domctl(&op) < 0);
    CHECK(!domain_exists(5));
    op = good;
    CHECK_EQ(domctl(&op), 0);
    op = good;
    CHECK_EQ(domctl(&op), -XEN_EEXIST);
    CHECK(domain_flags(5) & XEN_DOMINF_paused);
    CHECK_EQ(domctl_simple(XEN_DOMCTL_destroydomain, 5), 0);
    CHECK(!domain_exists(5));
}

static void a_guest_lives_and_dies(void)
{
    uint64_t before;
    struct guest_data *data;

    build();                            /* once before: what the hypervisor keeps for the next time is kept from now on */
    destroy();
    before = machine_free_pages();
    build();
    data = borrow(DATA);
    data->domctl = domctl_request(XEN_DOMCTL_destroydomain, 0);
    give_back(data);
    CHECK(domain_flags(guest) & XEN_DOMINF_paused);
    CHECK_EQ(domctl_simple(XEN_DOMCTL_unpausedomain, guest), 0);
    for (int i = 0; i < 1000 && !(domain_flags(guest) & XEN_DOMINF_shutdown); i++)
        delay_ns(1000000);
    CHECK(domain_flags(guest) & XEN_DOMINF_shutdown);
    CHECK_EQ(domain_flags(guest) >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask, SHUTDOWN_poweroff);
    data = borrow(DATA);
    CHECK_EQ(data->done, DONE);
    CHECK_EQ(data->domctl_result, -XEN_EPERM);
    give_back(data);
    destroy();
    CHECK(!domain_exists(guest));
    CHECK(on_xen || free_pages_come_back(before));        /* Xen scrubs what boot left while we count */
}

/* What the toolstack maps of a dead domain stays, and keeps its number, until it lets go. */
static void a_mapped_frame_keeps_the_dead(void)
{
    uint64_t before = machine_free_pages();
    uint8_t *page;

    build();
    page = borrow(DATA);
    page[0] = 1;
    destroy();
    CHECK(domain_flags(guest) & XEN_DOMINF_dying);
    CHECK_EQ(page[0], 1);
    CHECK(foreign_map(page, guest, frame[L4] << 12 | PTE_RO) < 0);
    CHECK(domain_exists(guest));
    CHECK(set_context() < 0);
    destroy();
    give_back(page);
    CHECK(on_xen || free_pages_come_back(before));
    CHECK(!domain_exists(guest));
}

static void page_tables_are_not_to_be_written(void)
{
    void *va = window();

    build();
    CHECK(foreign_map(va, guest, frame[L1] << 12 | PTE_RW) < 0);
    CHECK_EQ(foreign_map(va, guest, frame[L1] << 12 | PTE_RO), 0);
    CHECK_EQ(((uint64_t *)va)[0] >> 12 & 0xfffffffffful, frame[CODE]);
    CHECK_EQ(pte_set(va, 0), 0);
    CHECK(foreign_map(va, guest, va_to_machine(l4_kernel) | PTE_RO) < 0);     /* ours, not the guest's */
    CHECK_EQ(foreign_map(va, NOBODY, frame[DATA] << 12 | PTE_RW), -XEN_ESRCH);
    CHECK(pin(MMUEXT_PIN_L4_TABLE, L4) < 0);
    destroy();
}

/* Ports between us go back to waiting for a domain that is no more. */
static void events_end_with_the_domain(void)
{
    struct evtchn_alloc_unbound a;
    struct evtchn_bind_interdomain b;
    struct evtchn_status s;

    build();
    a = (struct evtchn_alloc_unbound){ .dom = (domid_t)guest, .remote_dom = 0 };
    CHECK_EQ(event_op(EVTCHNOP_alloc_unbound, &a), 0);
    b = (struct evtchn_bind_interdomain){ .remote_dom = (domid_t)guest, .remote_port = a.port };
    CHECK_EQ(event_op(EVTCHNOP_bind_interdomain, &b), 0);
    CHECK_EQ(event_send(b.local_port), 0);
    destroy();
    CHECK(!domain_exists(guest));
    s = (struct evtchn_status){ .dom = DOMID_SELF, .port = b.local_port };
    CHECK_EQ(event_op(EVTCHNOP_status, &s), 0);
    CHECK_EQ(s.status, EVTCHNSTAT_unbound);
    CHECK_EQ(event_send(b.local_port), 0);
    CHECK_EQ(event_op(EVTCHNOP_alloc_unbound, &a), -XEN_ESRCH);
    CHECK_EQ(event_close(b.local_port), 0);
}

static void grants_end_with_the_last_mapping(void)
{
    xen_pfn_t table = 0;
    struct xen_mem_acquire_resource r;
    struct gnttab_map_grant_ref m;
    struct gnttab_unmap_grant_ref u;
    struct grant_entry_v1 *entries = window();
    void *va = window();

    build();
    r = (struct xen_mem_acquire_resource){ .domid = (domid_t)guest, .type = XENMEM_resource_grant_table, .nr_frames = 1,
                                           .frame_list = U64(&table) };
    CHECK_EQ(hyp_memory_op(XENMEM_acquire_resource, &r), 0);
    CHECK_EQ(foreign_map(entries, guest, table << 12 | PTE_RW), 0);
    entries[8] = (struct grant_entry_v1){ .flags = GTF_permit_access, .domid = 0, .frame = (uint32_t)frame[DATA] };
    CHECK_EQ(pte_set(entries, 0), 0);
    m = (struct gnttab_map_grant_ref){ .host_addr = U64(va), .ref = 8, .flags = GNTMAP_host_map, .dom = (domid_t)guest };
    CHECK_EQ(hyp_grant_op(GNTTABOP_map_grant_ref, &m, 1), 0);
    CHECK_EQ(m.status, GNTST_okay);
    *(volatile uint8_t *)va = 7;
    destroy();
    CHECK(domain_exists(guest));
    CHECK_EQ(*(volatile uint8_t *)va, 7);
    u = (struct gnttab_unmap_grant_ref){ .host_addr = U64(va), .handle = m.handle };
    CHECK_EQ(hyp_grant_op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    CHECK_EQ(u.status, GNTST_okay);
    CHECK(!domain_exists(guest));
}

/* ---- trees that are left in the middle: each L1 of a big one is a place to stop at ---- */

enum { BIG_L1S = 200, BIG_L2 = BIG_L1S, BIG_L3, BIG_L4, BIG_FRAMES };

static struct mmuext_op pin_op;
static bool in_call;
static int knock_port;
static volatile bool knocking;

static void big_entry(const xen_pfn_t *big, unsigned int table, unsigned int index, unsigned int child)
{
    static uint64_t *va;

    if (!va)
        va = window();
    CHECK_EQ(foreign_map(va, guest, big[table] << 12 | PTE_RW), 0);
    va[index] = big[child] << 12 | PTE_RW;
    give_back(va);
}

static void build_big_tree(xen_pfn_t *big)
{
    struct xen_memory_reservation r = { .extent_start = U64(big), .nr_extents = BIG_FRAMES, .domid = (domid_t)guest };
    struct xen_domctl op = domctl_request(XEN_DOMCTL_max_mem, guest);

    op.u.max_mem.max_memkb = 4096;
    CHECK_EQ(domctl(&op), 0);
    CHECK_EQ(hyp_memory_op(XENMEM_populate_physmap, &r), BIG_FRAMES);
    for (unsigned int i = 0; i < BIG_L1S; i++)
        big_entry(big, BIG_L2, i, i);
    big_entry(big, BIG_L3, 0, BIG_L2);
    big_entry(big, BIG_L4, 0, BIG_L3);
}

static void forsake(void)
{
    vcpu0_info->evtchn_pending_sel = 0;
    event_clear((unsigned int)knock_port);
    if (in_call)
        pin_op.cmd = MMUEXT_TLB_FLUSH_LOCAL;
}

/* Whoever pins a table may have other plans when the hypervisor has him go on. */
static bool pin_and_forsake(const xen_pfn_t *big, uint64_t after_ns)
{
    void *va = window();
    int rc;

    pin_op = (struct mmuext_op){ .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = big[BIG_L4] };
    hyp_set_timer_op(now_ns() + after_ns);
    in_call = true;
    CHECK_EQ(hyp_mmuext_op(&pin_op, 1, NULL, guest), 0);
    in_call = false;
    if (pin_op.cmd == MMUEXT_PIN_L4_TABLE) {
        pin_op.cmd = MMUEXT_UNPIN_TABLE;
        CHECK_EQ(hyp_mmuext_op(&pin_op, 1, NULL, guest), 0);
        return false;
    }
    rc = foreign_map(va, guest, big[0] << 12 | PTE_RW);
    give_back(va);
    return rc < 0;
}

static void a_forsaken_promotion_ends_with_the_domain(void)
{
    static xen_pfn_t big[BIG_FRAMES];
    uint64_t before = machine_free_pages();
    bool forsaken = false;

    build();
    build_big_tree(big);
    knock_port = event_bind_virq(VIRQ_TIMER, 0);
    event_masked((unsigned int)knock_port, false);
    event_hook = forsake;
    events_unmask();
    for (unsigned int i = 0; i < 300 && !forsaken; i++)
        forsaken = pin_and_forsake(big, 20000 + i * 3000);
    events_mask();
    event_close((unsigned int)knock_port);
    CHECK(forsaken);
    destroy();
    CHECK(!domain_exists(guest));
    CHECK(on_xen || free_pages_come_back(before));
}

static void knock(void)
{
    while (knocking)
        event_send((unsigned int)knock_port);
}

/* A vCPU lets go of its two roots, and the way through each is interrupted. */
static void two_roots_end_with_the_domain(void)
{
    static xen_pfn_t big[2][BIG_FRAMES];
    uint64_t before = machine_free_pages();

    create();
    give_memory();
    build_big_tree(big[0]);
    build_big_tree(big[1]);
    root = big[0][BIG_L4];
    user_root = big[1][BIG_L4];
    CHECK_EQ(set_context(), 0);
    root = user_root = 0;
    knock_port = event_bind_ipi(0);
    event_masked((unsigned int)knock_port, false);
    event_hook = forsake;
    knocking = true;
    CHECK_EQ(smp_start(knock), 0);
    events_unmask();
    destroy();
    events_mask();
    knocking = false;
    CHECK_EQ(smp_stop(), 0);
    event_close((unsigned int)knock_port);
    CHECK(!domain_exists(guest));
    CHECK(on_xen || free_pages_come_back(before));
}

/* A toolstack reads the machine-to-phys table by its frames, and never writes it. */
static void the_m2p_is_to_be_read(void)
{
    xen_pfn_t first = 0;
    struct xen_machphys_mfn_list list = { .max_extents = 1, .extent_start = U64(&first) };
    uint64_t *table = window();

    CHECK_EQ(hyp_memory_op(XENMEM_machphys_mfn_list, &list), 0);
    CHECK_EQ(list.nr_extents, 1);
    CHECK(foreign_map(table, DOMID_XEN, first << 12 | PTE_RW) < 0);
    CHECK_EQ(foreign_map(table, DOMID_XEN, (first + 1) << 12 | PTE_RO), 0);
    CHECK_EQ(table[8], ((const uint64_t *)MACH2PHYS)[PAGE_SIZE / 8 + 8]);
    CHECK_EQ(pte_set(table, 0), 0);
}

static void claims_are_kept(void)
{
    struct xen_memory_reservation r;
    struct xen_domctl op;
    uint64_t all = machine_free_pages();

    create();
    op = domctl_request(XEN_DOMCTL_max_mem, guest);
    op.u.max_mem.max_memkb = all * 8;
    CHECK_EQ(domctl(&op), 0);
    r = (struct xen_memory_reservation){ .nr_extents = all + 1, .domid = (domid_t)guest };
    CHECK_EQ(hyp_memory_op(XENMEM_claim_pages, &r), -XEN_ENOMEM);
    r.nr_extents = 100;
    CHECK_EQ(hyp_memory_op(XENMEM_claim_pages, &r), 0);
    op = domctl_request(XEN_DOMCTL_getdomaininfo, guest);
    CHECK_EQ(domctl(&op), 0);
    CHECK_EQ(op.u.getdomaininfo.outstanding_pages, 100);
    r.nr_extents = 0;
    CHECK_EQ(hyp_memory_op(XENMEM_claim_pages, &r), 0);
    destroy();
}

TESTS("domctl", TEST(who_may_and_how), TEST(the_machine_is_told), TEST(hypercalls_are_counted), TEST(the_log_is_announced),
      TEST(creation_is_checked), TEST(a_guest_lives_and_dies),
      TEST(a_mapped_frame_keeps_the_dead), TEST(page_tables_are_not_to_be_written), TEST(events_end_with_the_domain),
      TEST(grants_end_with_the_last_mapping), TEST(the_m2p_is_to_be_read), TEST(claims_are_kept),
      TEST(a_forsaken_promotion_ends_with_the_domain), TEST(two_roots_end_with_the_domain));
