// SPDX-License-Identifier: MIT
/*
 * A hostile guest beside a harmless one. The control domain builds both, lets the hostile one call everything with everything,
 * and meanwhile does with it all that a toolstack and back ends do: pauses it, asks about it, maps its frames and its grants,
 * binds its ports, changes its limits, and destroys it in the middle of all this, to build it anew with the next seed.
 * Why: nearly every advisory is a hostile guest's call that touched what was another's, or that was never undone (XSA-109,
 * -148, -182, -212, -228, -380, -486): so memory checksums of the other two domains must stay, both must go on working, and
 * after each life the machine must have as many free pages as before it, to the page.
 *
 * calls=N on the command line sets for how many calls of the hostile guest this goes on ("full": 10^7), seed=N with what it
 * begins.
 */
#include "hostile/hostile.h"

#define NR_IDS          6u              /* from 1 on: they come again soon, in another order than they went */
#define GUEST_PAGES     512u
#define DEFAULT_CALLS   300000ul
#define FULL_CALLS      10000000ul
#define NR_MAPPINGS     8u
#define MS              1000000ul
/* What is exchanged counts until nobody maps it any more: the largest extent for each vCPU. */
#define MAX_LENT        (NR_WORKERS << 9)
#define STUCK_MS        250u
#define MAX_BETWEEN_LOOKS 1000000ul

static struct guest bystander = { .nr_pages = GUEST_PAGES, .nr_vcpus = 1, .cmd_line = "bystander" };
static struct guest attacker = { .nr_pages = GUEST_PAGES, .nr_vcpus = NR_WORKERS, .cmd_line = "attacker" };
static volatile struct board *board_b, *board_a;
static uint8_t *canary[NR_CANARIES], *gift[NR_GIFTS], *spare;
static uint64_t own_sum, bystander_sum;
static struct random rnd;
static unsigned int door, ports[NR_PORTS];
static bool fresh_life;
static uint64_t max_pages;               /* what we allow the attacker */
static struct { unsigned long calls, lives, crashed, ended, stuck, slain; } total;

/* What we hold of the attacker: mappings of its frames and of its grants, each at an address of ours. */
static struct mapping { uint8_t *va; bool is_mapped, is_grant; uint32_t handle; } mappings[NR_MAPPINGS];

static unsigned int below(uint64_t n)
{
    return (unsigned int)random_below(&rnd, n);
}

/* Somebody's who is no more; a dead one whose grants the attacker has mapped still has its own. */
static unsigned int free_id(void)
{
    unsigned int id;

    do
        id = 1 + below(NR_IDS);
    while (domain_exists(id) || id == attacker.id);
    return id;
}

/* ---- the two guests ---- */

static volatile struct board *map_board(const struct guest *g, volatile struct board *at)
{
    void *va = at ? (void *)(uint64_t)at : window();

    CHECK_EQ(foreign_map(va, g->id, g->frame[0] << 12 | PTE_RW), 0);
    return va;
}

static void sleep_ns(uint64_t ns)
{
    struct sched_poll poll = { .timeout = now_ns() + ns };

    hyp_sched_op(SCHEDOP_poll, &poll);
}

static bool wait_until(const volatile uint64_t *word, uint64_t value)
{
    for (unsigned int i = 0; i < 20000 && *word != value; i++)
        sleep_ns(MS / 2);
    return *word == value;
}

static void unpause(const struct guest *g)
{
    CHECK_EQ(domctl_simple(XEN_DOMCTL_unpausedomain, g->id), 0);
}

static void start_bystander(void)
{
    bystander.id = free_id();
    door = (unsigned int)event_alloc_unbound(DOMID_SELF, bystander.id);
    guest_build(&bystander);
    board_b = map_board(&bystander, board_b);
    board_b->seed = 77;
    board_b->self = bystander.id;
    board_b->other = attacker.id;
    board_b->door = door;
    unpause(&bystander);
    CHECK(wait_until(&board_b->ready, 1));
}

static void ask_bystander(void)
{
    board_b->question++;
    event_send(door);
    if (!wait_until(&board_b->answer, board_b->question)) {
        CHECK(!"the bystander answers");
        test_leave();
    }
    if (!bystander_sum)
        bystander_sum = board_b->checksum;
    CHECK_EQ(board_b->checksum, bystander_sum);
}

static void stop_bystander(void)
{
    CHECK_EQ(domctl_simple(XEN_DOMCTL_destroydomain, bystander.id), 0);
    CHECK_EQ(pte_set((void *)(uint64_t)board_b, 0), 0);
    CHECK_EQ(event_close(door), 0);
}

static void add_target(uint64_t mfn)
{
    if (board_a->nr_targets < NR_TARGETS)
        board_a->target[board_a->nr_targets++] = mfn;
}

/* Frames that are worth it: ours, the bystander's, those of both that are tables or shared, the hypervisor's. */
static void tell_targets(void)
{
    for (unsigned int i = 0; i < 6; i++) {
        add_target(va_to_mfn(canary[i]));
        add_target(board_b->canary[i]);
    }
    for (unsigned int i = 0; i < NR_GIFTS; i++) {
        add_target(va_to_mfn(gift[i]));
        add_target(board_b->gift[i]);
    }
    add_target(va_to_mfn(l4_kernel));
    add_target(PTE_MFN(*pte_of(l4_kernel, VIRT_BASE, 2)));
    add_target(va_to_mfn(shared_info));
    add_target(va_to_mfn(grants));
    add_target(board_b->table);
    add_target(board_b->root);
    for (uint64_t mfn = 0x100; mfn < 0x400; mfn += 0x40)
        add_target(mfn);                        /* the hypervisor's image */
    add_target(PTE_MFN(l4_kernel[256]));        /* its tables, if a guest sees their entries */
    for (unsigned int i = 0; i < attacker.nr_tables; i++)
        add_target(attacker.frame[attacker.first_table + i]);
}

static void offer(void)
{
    for (unsigned int i = 0; i < 4; i++)
        grant_set(FIRST_GRANT + i, GTF_permit_access | GTF_readonly, attacker.id, canary[i]);
    for (unsigned int i = 0; i < NR_GIFTS; i++)
        grant_set(FIRST_GRANT + 4 + i, GTF_permit_access, attacker.id, gift[i]);
    for (unsigned int i = 0; i < NR_PORTS; i++)
        ports[i] = (unsigned int)event_alloc_unbound(DOMID_SELF, attacker.id);
}

static void start_attacker(uint64_t seed)
{
    guest_build(&attacker);
    board_a = map_board(&attacker, board_a);
    board_a->seed = seed;
    board_a->self = attacker.id;
    board_a->other = bystander.id;
    tell_targets();
    board_b->other = attacker.id;
    ask_bystander();
    offer();
    unpause(&attacker);
}

/* ---- what we do with the attacker while it lives ---- */

static unsigned int ctl(uint32_t cmd, void (*fill)(struct xen_domctl *op))
{
    struct xen_domctl op = domctl_request(cmd, attacker.id);

    if (fill)
        fill(&op);
    return (unsigned int)domctl(&op);
}

/* What it is in the middle of has not changed what we set. */
static void pause_it(void)
{
    struct xen_domctl op = domctl_request(XEN_DOMCTL_getdomaininfo, attacker.id);

    CHECK_EQ(domctl_simple(XEN_DOMCTL_pausedomain, attacker.id), 0);
    CHECK_EQ(domctl(&op), 0);
    CHECK_EQ(op.u.getdomaininfo.max_pages, max_pages);
    CHECK(op.u.getdomaininfo.tot_pages < GUEST_PAGES + 8 + MAX_LENT);
    sleep_ns(below(MS / 8));
    unpause(&attacker);
}

static void fill_vcpu(struct xen_domctl *op)
{
    static uint8_t buffer[PAGE_SIZE * 2];

    op->u.vcpucontext.vcpu = below(NR_WORKERS + 1);     /* all these begin with the number of a vCPU, and an address */
    op->u.vcpucontext.ctxt = U64(buffer);
}

static void ask_about_it(void)
{
    static const uint32_t cmds[] = { XEN_DOMCTL_getdomaininfo, XEN_DOMCTL_getvcpuinfo, XEN_DOMCTL_getvcpucontext,
                                     XEN_DOMCTL_get_ext_vcpucontext, XEN_DOMCTL_getvcpuaffinity, XEN_DOMCTL_gettscinfo,
                                     XEN_DOMCTL_sendtrigger };

    ctl(cmds[below(sizeof(cmds) / sizeof(cmds[0]))], fill_vcpu);
}

static void fill_frames(struct xen_domctl *op)
{
    static xen_pfn_t list[MAX_GUEST_PAGES];

    memcpy(list, attacker.frame, sizeof(list));
    op->u.getpageframeinfo3.num = attacker.nr_pages;
    op->u.getpageframeinfo3.array = U64(list);
}

static void ask_about_frames(void)
{
    ctl(XEN_DOMCTL_getpageframeinfo3, fill_frames);
}

static void fill_memory(struct xen_domctl *op)
{
    max_pages = below(4) ? GUEST_PAGES - 8 + below(16) : 0;
    op->u.max_mem.max_memkb = max_pages * 4;
}

static void fill_weight(struct xen_domctl *op)
{
    op->u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    op->u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    op->u.scheduler_op.u.credit2.weight = (uint16_t)(256 + below(512));
}

static void fill_affinity(struct xen_domctl *op)
{
    static uint64_t cpus;

    cpus = 1 + below(3);
    op->u.vcpuaffinity.vcpu = below(NR_WORKERS);
    op->u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    op->u.vcpuaffinity.cpumap_hard.bitmap = U64(&cpus);
    op->u.vcpuaffinity.cpumap_hard.nr_bits = 64;
}

static void fill_clock(struct xen_domctl *op)
{
    op->u.settimeoffset.time_offset_seconds = (int32_t)below(1u << 31);
}

static void change_limits(void)
{
    ctl(XEN_DOMCTL_max_mem, fill_memory);
    ctl(XEN_DOMCTL_scheduler_op, fill_weight);
    ctl(XEN_DOMCTL_setvcpuaffinity, fill_affinity);
    ctl(XEN_DOMCTL_settimeoffset, fill_clock);
}

static void unmap(struct mapping *m)
{
    struct gnttab_unmap_grant_ref u = { .host_addr = U64(m->va), .handle = m->handle };

    if (!m->is_mapped)
        return;
    m->is_mapped = false;
    if (m->is_grant) {
        CHECK_EQ(hyp_grant_op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
        CHECK_EQ(u.status, GNTST_okay);
    } else {
        CHECK_EQ(pte_set(m->va, 0), 0);
    }
}

static struct mapping *fresh_mapping(bool is_grant)
{
    struct mapping *m = &mappings[below(NR_MAPPINGS)];

    if (!m->va)
        m->va = window();
    unmap(m);
    m->is_grant = is_grant;
    return m;
}

static void map_its_frame(void)
{
    struct mapping *m = fresh_mapping(false);

    m->is_mapped = !foreign_map(m->va, attacker.id, attacker.frame[1 + below(attacker.nr_pages - 1)] << 12 | (below(2) ? PTE_RW : PTE_RO));
}

static void map_its_grant(void)
{
    struct mapping *m = fresh_mapping(true);
    struct gnttab_map_grant_ref map = { .host_addr = U64(m->va), .ref = below(24), .dom = (domid_t)attacker.id,
                                        .flags = GNTMAP_host_map | (below(2) ? GNTMAP_readonly : 0) };

    CHECK_EQ(hyp_grant_op(GNTTABOP_map_grant_ref, &map, 1), 0);
    m->is_mapped = map.status == GNTST_okay;
    m->handle = map.handle;
}

/*
 * A back end that loses its page table entry, and finds it again before it unmaps. Another entry keeps the frame meanwhile: a
 * handle does not, so that the attacker could give it away, and nobody could unmap it any more.
 */
static void lose_its_grants(void)
{
    static void *keeper;

    if (!keeper)
        keeper = window();
    for (unsigned int i = 0; i < NR_MAPPINGS; i++) {
        struct mapping *m = &mappings[i];
        uint64_t pte;
        if (!m->is_mapped || !m->is_grant)
            continue;
        pte = pte_get(m->va);
        CHECK_EQ(foreign_map(keeper, attacker.id, pte), 0);
        CHECK_EQ(pte_set(m->va, 0), 0);
        CHECK_EQ(foreign_map(m->va, attacker.id, pte), 0);
        unmap(m);
        CHECK_EQ(pte_set(keeper, 0), 0);
    }
}

static void copy_grant(void)
{
    struct gnttab_copy out = { .source = { .u.ref = below(24), .domid = (domid_t)attacker.id },
                               .dest = { .u.gmfn = va_to_mfn(spare), .domid = DOMID_SELF }, .flags = GNTCOPY_source_gref, .len = PAGE_SIZE / 2 };
    struct gnttab_copy in = { .source = out.dest, .dest = out.source, .flags = GNTCOPY_dest_gref, .len = 64 };

    CHECK_EQ(hyp_grant_op(GNTTABOP_copy, &out, 1), 0);
    CHECK_EQ(hyp_grant_op(GNTTABOP_copy, &in, 1), 0);
}

static void talk(void)
{
    struct evtchn_bind_interdomain b = { .remote_dom = (domid_t)attacker.id, .remote_port = 1 + below(40) };

    for (unsigned int i = 0; i < NR_PORTS; i++)
        event_send(ports[i]);
    if (event_op(EVTCHNOP_bind_interdomain, &b))
        return;
    event_send(b.local_port);
    event_close(b.local_port);
}

/* Its memory, as a balloon or a restore works on it. */
static void work_on_its_memory(void)
{
    xen_pfn_t frame = attacker.frame[1 + below(attacker.nr_pages - 1)];
    struct xen_memory_reservation r = { .extent_start = U64(&frame), .nr_extents = 1, .domid = (domid_t)attacker.id };
    struct mmuext_op pin = { .cmd = below(5), .arg1.mfn = frame };

    hyp_mmuext_op(&pin, 1, NULL, attacker.id);
    hyp_mmuext_op(&pin, 1, NULL, attacker.id | (attacker.id + 1) << 16);
    if (below(64) == 0)
        hyp_memory_op(XENMEM_decrease_reservation, &r);
    frame = 0;
    hyp_memory_op(XENMEM_populate_physmap, &r);
}

static void ask_for_its_table(void)
{
    xen_pfn_t table[8];
    struct xen_mem_acquire_resource r = { .domid = (domid_t)attacker.id, .type = XENMEM_resource_grant_table, .nr_frames = 1 + below(4),
                                          .frame_list = U64(table) };
    struct mapping *m = fresh_mapping(false);

    if (!hyp_memory_op(XENMEM_acquire_resource, &r))
        m->is_mapped = !foreign_map(m->va, attacker.id, table[0] << 12 | PTE_RW);
}

static void other_bystander(void)
{
    if (below(8))
        return;
    stop_bystander();
    start_bystander();
    ask_bystander();
}

static void (*const deeds[])(void) = {
    pause_it, ask_about_it, ask_about_it, ask_about_frames, change_limits, map_its_frame, map_its_frame, map_its_grant, map_its_grant,
    lose_its_grants, copy_grant, talk, talk, work_on_its_memory, ask_for_its_table, ask_bystander, other_bystander,
};

/* ---- one life ---- */

/* The attacker may hit its own count, as all of its memory: what can not be so does not count. */
static uint64_t calls_so_far(void)
{
    static uint64_t last[NR_WORKERS], sum;

    if (fresh_life) {
        memset(last, 0, sizeof(last));
        sum = 0;
        fresh_life = false;
    }
    for (unsigned int i = 0; i < NR_WORKERS; i++) {
        uint64_t now = board_a->calls[i];
        if (now - last[i] < MAX_BETWEEN_LOOKS)
            sum += now - last[i];
        last[i] = now;
    }
    return sum;
}

/* Until it has made so many calls, has ended, or does nothing any more. */
static void live(uint64_t nr_calls)
{
    uint64_t seen = 0, seen_at = now_ns();

    for (;;) {
        uint32_t flags = domain_flags(attacker.id);
        uint64_t calls = calls_so_far();

        if (flags & XEN_DOMINF_shutdown) {
            bool crashed = (flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask) == SHUTDOWN_crash;
            *(crashed ? &total.crashed : &total.ended) += 1;
            return;
        }
        if (calls >= nr_calls) {
            total.slain++;
            return;
        }
        if (calls != seen) {
            seen = calls;
            seen_at = now_ns();
        } else if (now_ns() - seen_at > STUCK_MS * MS) {
            total.stuck++;
            return;
        }
        deeds[below(sizeof(deeds) / sizeof(deeds[0]))]();
        sleep_ns(below(2 * MS));
    }
}

/* Destroyed first, so that all that we hold and all that it holds is met; what keeps it then are our mappings alone. */
static void bury(void)
{
    CHECK_EQ(domctl_simple(XEN_DOMCTL_destroydomain, attacker.id), 0);
    total.calls += calls_so_far();
    for (unsigned int i = 0; i < NR_MAPPINGS; i++)
        unmap(&mappings[i]);
    CHECK_EQ(pte_set((void *)(uint64_t)board_a, 0), 0);
    for (unsigned int i = 0; i < NR_PORTS; i++)
        event_close(ports[i]);
    for (unsigned int i = FIRST_GRANT; i < FIRST_GRANT + 4 + NR_GIFTS; i++) {
        CHECK_EQ(grants[i].flags & (GTF_reading | GTF_writing), 0);
        grants[i].flags = 0;
    }
}

static void one_life(uint64_t seed, uint64_t nr_calls)
{
    uint64_t before = machine_free_pages();

    attacker.id = free_id();
    max_pages = GUEST_PAGES;
    fresh_life = true;
    start_attacker(seed);
    live(nr_calls);
    bury();
    total.lives++;
    ask_bystander();
    CHECK_EQ(canaries_sum(canary), own_sum);
    if (domain_exists(attacker.id))
        print("life %lx: the domain is still there\n", seed);
    CHECK(free_pages_come_back(before) || total.lives == 1);    /* what is kept for the next time is kept from now on */
    CHECK(!domain_exists(attacker.id));
    if (total.lives > 1 && machine_free_pages() != before)
        print("life %lx: %ld pages fewer are free\n", seed, (long)(before - machine_free_pages()));
}

/* ---- the test ---- */

/* The page of our first handle stays, whenever that is: it is now. */
static void map_once(void)
{
    void *va = window();
    struct gnttab_map_grant_ref m = { .host_addr = U64(va), .ref = FIRST_GRANT, .flags = GNTMAP_host_map };
    struct gnttab_unmap_grant_ref u = { .host_addr = U64(va) };

    grant_set(FIRST_GRANT, GTF_permit_access, 0, spare);
    CHECK_EQ(hyp_grant_op(GNTTABOP_map_grant_ref, &m, 1), 0);
    CHECK_EQ(m.status, GNTST_okay);
    u.handle = m.handle;
    CHECK_EQ(hyp_grant_op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    CHECK_EQ(u.status, GNTST_okay);
}

static uint64_t option(const char *name, uint64_t otherwise)
{
    const char *s = (const char *)start_info->cmd_line;
    size_t n = strlen(name);
    uint64_t v = 0;

    while (*s && memcmp(s, name, n))
        s++;
    if (!*s)
        return otherwise;
    for (s += n; *s >= '0' && *s <= '9'; s++)
        v = v * 10 + (uint64_t)(*s - '0');
    return v;
}

static void others_are_unharmed(void)
{
    uint64_t wanted = option("calls=", str_has((const char *)start_info->cmd_line, "full") ? FULL_CALLS : DEFAULT_CALLS), seed = option("seed=", 1), start = now_ns();

    rnd.state = seed * 2654435761u | 1;
    canaries_fill(canary, 99);
    own_sum = canaries_sum(canary);
    for (unsigned int i = 0; i < NR_GIFTS; i++)
        gift[i] = page_alloc();
    spare = page_alloc();
    grant_init(1);
    map_once();
    start_bystander();
    ask_bystander();
    while (total.calls < wanted) {
        one_life(seed++, 1000 + below(100000));
        if (test_has_failed())
            break;
    }
    stop_bystander();
    print("hostile: %lu calls in %lu ms: %lu lives, of which %lu crashed, %lu ended, %lu got stuck, %lu were destroyed\n", total.calls,
          (now_ns() - start) / MS, total.lives, total.crashed, total.ended, total.stuck, total.slain);
}

void guest_main(void)
{
    if (start_info->cmd_line[0] == 'b')
        bystander_main();
    attacker_main();
}

TESTS("hostile", TEST(others_are_unharmed));
