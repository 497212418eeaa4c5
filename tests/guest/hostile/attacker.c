// SPDX-License-Identifier: MIT
/*
 * The hostile guest: two vCPUs call everything there is, one call after the other, with values made to hurt, and write and
 * read through whatever they could map. It repairs only what it needs to go on; if that fails it ends, and the control domain
 * builds another one with the next seed.
 */
#include "hostile/hostile.h"

#define MAX_ELEMENTS    4u
#define MAX_ENTRIES     6u
#define REPAIR_EVERY    64u

/*
 * A call: its number, what its registers hold (C: cmd, *: a list of structures, #: how many those are, else a kind of value),
 * the structure, and how rare it is: once in 1 << rarity of the times it is drawn. Rare is what ends the guest.
 */
struct row { uint8_t nr; uint16_t cmd; const char *registers, *layout; uint8_t rarity; };

#define GRANT(cmd, layout)          { __HYPERVISOR_grant_table_op, GNTTABOP_##cmd, "C*#", layout, 0 }
#define EVENT(cmd, layout)          { __HYPERVISOR_event_channel_op, EVTCHNOP_##cmd, "C*", layout, 0 }
#define MEMORY(cmd, layout)         { __HYPERVISOR_memory_op, XENMEM_##cmd, "C*", layout, 0 }
#define MMUEXT(layout, rarity)      { __HYPERVISOR_mmuext_op, 0, "*#gD", layout, rarity }
#define VCPU(cmd, layout, rarity)   { __HYPERVISOR_vcpu_op, VCPUOP_##cmd, "Ck*", layout, rarity }
#define SCHED(cmd, layout, rarity)  { __HYPERVISOR_sched_op, SCHEDOP_##cmd, "C*", layout, rarity }
#define RESERVATION                 "l8n8n4b4d2"

static const struct row rows[] = {
    GRANT(map_grant_ref, "v8b4r4d2x2x4x8"), GRANT(map_grant_ref, "a8b4r4d2x2x4x8"), GRANT(unmap_grant_ref, "v808r4x2"),
    GRANT(unmap_grant_ref, "a8a8r4x2"), GRANT(setup_table, "d2n4x2g8"), GRANT(query_size, "d2x4x4x2"),
    GRANT(copy, "r8d2o2r8d2o2o2b2x2"), GRANT(copy, "m8d2o2r8d2o2o2b2x2"), GRANT(copy, "r8d2o2m8d2o2o2b2x2"),
    GRANT(transfer, "m8d2r4x2"), GRANT(unmap_and_replace, "v8v8r4x2"), GRANT(set_version, "n4"), GRANT(get_version, "d2x2x4"),
    GRANT(get_status_frames, "n4d2x2g8"), GRANT(swap_grant_ref, "r4r4x2"), GRANT(cache_flush, "a8o2o2x4"),
    { __HYPERVISOR_grant_table_op, 0, "s*#", "x8x8x8x8x8", 2 },

    EVENT(bind_interdomain, "d2p4x4"), EVENT(bind_virq, "s4k4x4"), EVENT(bind_pirq, "s4b4x4"), EVENT(close, "p4"),
    EVENT(send, "p4"), EVENT(send, "p4"), EVENT(status, "d2p4x4x4x4x4"), EVENT(alloc_unbound, "d2d2x4"), EVENT(bind_ipi, "k4x4"),
    EVENT(bind_vcpu, "p4k4"), EVENT(unmask, "p4"), { __HYPERVISOR_event_channel_op, EVTCHNOP_reset, "C*", "d2", 5 },
    EVENT(init_control, "m8o4k4x8"), EVENT(expand_array, "m8"), EVENT(set_priority, "p4n4"),

    MEMORY(increase_reservation, RESERVATION), MEMORY(decrease_reservation, RESERVATION), MEMORY(populate_physmap, RESERVATION),
    MEMORY(exchange, RESERVATION RESERVATION "08"), MEMORY(exchange, "l8n804b4d2l8n8n4b4d208"), MEMORY(claim_pages, "08n80404d2"),
    MEMORY(add_to_physmap, "d2x2n4n8m8"), MEMORY(add_to_physmap_batch, "d2n2n2d2l8l8g8"), MEMORY(remove_from_physmap, "d2m8"),
    MEMORY(acquire_resource, "d2n2n4n404n8g8"), MEMORY(set_memory_map, "d2n4g8"), MEMORY(memory_map, "n4g8"),
    MEMORY(machphys_mfn_list, "n4g8x4"), MEMORY(maximum_gpfn, "d2"), MEMORY(current_reservation, "d2"),
    MEMORY(maximum_reservation, "d2"), MEMORY(get_vnumainfo, "d2x2n4n4n4g8g8g8"),
    { __HYPERVISOR_memory_op, 0, "x*", RESERVATION "x8x8x8", 0 }, { __HYPERVISOR_memory_op, 0, "s*", "d2x2x4x8x8x8x8x8", 0 },

    { __HYPERVISOR_mmu_update, 0, "*#gd", "a8e8", 0 }, { __HYPERVISOR_mmu_update, 0, "*#gD", "a8e8", 0 },
    { __HYPERVISOR_mmu_update, 0, "*#gD", "a8u8", 0 }, { __HYPERVISOR_update_va_mapping, 0, "veb", "", 0 },
    { __HYPERVISOR_update_va_mapping, 0, "vex", "", 0 }, { __HYPERVISOR_update_va_mapping_otherdomain, 0, "vebd", "", 0 },
    MMUEXT("n4m8x8", 0), MMUEXT("n4u8x8", 2), MMUEXT("s4m8m8", 3), MMUEXT("s4v8g8", 3), MMUEXT("s4v8n8", 3),

    { __HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, "C*", "d2n4n4n4n4n4n4m8", 0 }, { __HYPERVISOR_physdev_op, 0, "s*", "n4b4x8x8", 0 },
    { __HYPERVISOR_physdev_op, 0, "s*", "d2n4x8x8", 0 }, { __HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, "C*", "g8x4", 0 },
    { __HYPERVISOR_domctl, 0, "*", "s4i4d2x8g8g8n8x8x8x8", 1 }, { __HYPERVISOR_sysctl, 0, "*", "s4i4x8g8x8", 1 },
    { __HYPERVISOR_platform_op, 0, "*", "s4x4x8g8x8", 1 }, { __HYPERVISOR_console_io, 0, "nng", "", 10 },
    { __HYPERVISOR_xen_version, 0, "sg", "", 0 }, { __HYPERVISOR_nmi_op, 0, "s*", "x8", 0 },

    SCHED(remote_shutdown, "d2n4", 0), SCHED(watchdog, "n4x4", 3), SCHED(pin_override, "x4", 0), SCHED(shutdown_code, "n4", 0),
    SCHED(yield, "", 3), SCHED(poll, "q8n4t8", 3), SCHED(block, "", 9), SCHED(shutdown, "n4", 13),
    VCPU(initialise, "x8x8", 0), VCPU(up, "", 0), VCPU(is_up, "", 0), VCPU(down, "", 10), VCPU(get_runstate_info, "x8x8x8x8x8x8", 0),
    VCPU(register_runstate_memory_area, "g8", 0), VCPU(register_vcpu_time_memory_area, "g8", 0), VCPU(register_vcpu_info, "m8o404", 0),
    VCPU(set_periodic_timer, "t8", 0), VCPU(stop_periodic_timer, "", 0), VCPU(set_singleshot_timer, "t8b4", 0),
    VCPU(stop_singleshot_timer, "", 0), VCPU(send_nmi, "", 0), VCPU(get_physid, "x8", 0), { __HYPERVISOR_vcpu_op, 0, "xk*", "x8x8", 0 },

    { __HYPERVISOR_set_timer_op, 0, "t", "", 0 }, { __HYPERVISOR_vm_assist, 0, "ns", "", 0 }, { __HYPERVISOR_fpu_taskswitch, 0, "n", "", 0 },
    { __HYPERVISOR_set_debugreg, 0, "nv", "", 0 }, { __HYPERVISOR_set_debugreg, 0, "sx", "", 0 }, { __HYPERVISOR_get_debugreg, 0, "s", "", 0 },
    { __HYPERVISOR_set_segment_base, 0, "nf", "", 0 }, { __HYPERVISOR_set_segment_base, 0, "nx", "", 0 },
    { __HYPERVISOR_update_descriptor, 0, "ax", "", 0 }, { __HYPERVISOR_set_gdt, 0, "ln", "", 0 },
    { __HYPERVISOR_set_trap_table, 0, "*", "s1b1x2v8s1b1x2v8", 7 }, { __HYPERVISOR_set_trap_table, 0, "g", "", 7 },
    { __HYPERVISOR_set_callbacks, 0, "fff", "", 4 }, { __HYPERVISOR_callback_op, 0, "n*", "n2b2f8", 3 },
    { __HYPERVISOR_stack_switch, 0, "xf", "", 7 },
};
#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

static struct worker {
    struct arena a;
    struct catch catch;
    uint64_t steps;
} workers[NR_WORKERS];
static uint8_t trap_stack[NR_WORKERS][8192] __attribute__((aligned(16)));
static unsigned long scratch_mfn[NR_WORKERS][NR_SCRATCH_PAGES];

extern uint8_t boot_stack[], boot_stack_top[];

/* ---- calls ---- */

static const struct row *draw(struct random *r)
{
    for (;;) {
        const struct row *row = &rows[random_below(r, NR_ROWS)];
        if (one_in(r, 1ul << row->rarity))
            return row;
    }
}

/* Structures at `at`, registers into args. */
static void prepare(struct arena *a, const struct row *row, uint8_t *at, uint64_t *args)
{
    uint64_t n = 1 + random_below(&a->rnd, MAX_ELEMENTS), place = U64(at);

    for (uint64_t i = 0; i < n; i++)
        at += struct_fill(a, at, row->layout);
    for (unsigned int i = 0; i < 5 && row->registers[i]; i++) {
        switch (row->registers[i]) {
        case 'C': args[i] = row->cmd; break;
        case '*': args[i] = one_in(&a->rnd, 16) ? value_of(a, 'g') : place; break;
        case '#': args[i] = one_in(&a->rnd, 16) ? value_of(a, 'n') : n; break;
        default: args[i] = value_of(a, row->registers[i]);
        }
    }
}

static void count(const struct arena *a, uint64_t nr, const uint64_t *args, uint64_t n)
{
    volatile struct call *last = &BOARD->last[a->worker];

    last->nr = nr;
    for (unsigned int i = 0; i < 5; i++)
        last->arg[i] = args[i];
    BOARD->calls[a->worker] += n;
}

static void call(struct arena *a, uint64_t nr, const uint64_t *args)
{
    count(a, nr, args, 1);
    hypercall((unsigned int)nr, args[0], args[1], args[2], args[3], args[4]);
}

/* On any byte, also so that the last structure ends where the mapped pages do. */
static uint8_t *place_for(struct arena *a, size_t size)
{
    size_t room = NR_SCRATCH_PAGES * PAGE_SIZE - size;

    switch (random_below(&a->rnd, 8)) {
    case 0: return a->scratch + room;
    case 1: return a->scratch + random_below(&a->rnd, room);
    default: return a->scratch + (random_below(&a->rnd, room) & ~7ul);
    }
}

static void single(struct arena *a)
{
    const struct row *row = draw(&a->rnd);
    uint64_t args[5] = { 0 };

    prepare(a, row, place_for(a, struct_size(row->layout) * MAX_ELEMENTS), args);
    call(a, row->nr, args);
}

static void list(struct arena *a)
{
    struct multicall_entry *m = (struct multicall_entry *)(void *)(a->scratch + (random_below(&a->rnd, 3) * PAGE_SIZE + 3840));
    uint64_t n = 1 + random_below(&a->rnd, MAX_ENTRIES);
    uint64_t args[5] = { U64(m), one_in(&a->rnd, 32) ? value_of(a, 'n') : n };

    for (uint64_t i = 0; i < n; i++) {
        const struct row *row = draw(&a->rnd);
        m[i] = (struct multicall_entry){ .op = one_in(&a->rnd, 32) ? value_of(a, 's') : row->nr };
        prepare(a, row, a->scratch + i * 512, m[i].args);
    }
    count(a, __HYPERVISOR_multicall, args, n);
    hypercall(__HYPERVISOR_multicall, args[0], args[1], 0, 0, 0);
    trap_restore();                     /* entries of zeros, behind the last or written over, take the trap table away */
}

static void unknown(struct arena *a)
{
    uint64_t nr = value_of(a, one_in(&a->rnd, 2) ? 's' : 'x'), args[5] = { value_of(a, 'x'), value_of(a, 'g'), value_of(a, 'x') };

    if (nr == __HYPERVISOR_iret || nr == __HYPERVISOR_set_trap_table)
        return;                         /* a step of its own; and a row of its own */
    count(a, nr, args, 1);
    hypercall_raw(nr, args[0], args[1], args[2]);
}

/* To some place, which ends in a trap, or in the end of the domain. user_enter() is for one vCPU only. */
static void return_somewhere(struct arena *a)
{
    static const uint16_t selectors[] = { FLAT_KERNEL_CS, FLAT_USER_CS, FLAT_KERNEL_SS, 0, 8, 0x10, 0xe008, 0xe010, 0xe02b, 0xfff8, 7 };
    struct frame f = { .rip = value_of(a, one_in(&a->rnd, 4) ? 'x' : 'v'), .rsp = U64(trap_stack[1]), .rflags = value_of(a, 'x') | 0x200 };

    if (a->worker)
        return;
    f.cs = one_in(&a->rnd, 4) ? FLAT_USER_CS : selectors[random_below(&a->rnd, sizeof(selectors) / 2)];
    f.ss = selectors[random_below(&a->rnd, sizeof(selectors) / 2)];
    if (one_in(&a->rnd, 512))
        f.rsp = value_of(a, 'v');
    count(a, __HYPERVISOR_iret, &f.rip, 1);
    user_enter(&f);
}

/* ---- memory ---- */

/* What is mapped is written to: here a mapping that should not be would do its harm. */
static void touch(struct arena *a)
{
    for (unsigned int i = 0; i < NR_PLAY_PAGES; i++) {
        uint64_t *p = (uint64_t *)(void *)(a->play + i * PAGE_SIZE + (random_next(&a->rnd) & 0xff8));
        uint64_t e = *pte_of(l4_kernel, U64(p), 1);

        if (e & PTE_P && (e & PTE_W || one_in(&a->rnd, 16)))
            *(volatile uint64_t *)p = value_of(a, 'e');
    }
}

/* A page of its own, which may be a table by now. */
static void write_victim(struct arena *a)
{
    uint64_t *p = (uint64_t *)(void *)a->victim[random_below(&a->rnd, 32)];

    if (one_in(&a->rnd, 32))
        memset(p, 0, PAGE_SIZE);
    else
        *(volatile uint64_t *)&p[random_below(&a->rnd, 512)] = value_of(a, one_in(&a->rnd, 2) ? 'e' : '0');
}

/* A page must be mapped read-only alone to become a table, and writable to be granted or given away. */
static void protect_victim(struct arena *a)
{
    void *p = a->victim[random_below(&a->rnd, 32)];
    uint64_t args[5] = { U64(p), va_to_machine(p) | (one_in(&a->rnd, 3) ? PTE_RW : PTE_RO), UVMF_INVLPG };

    call(a, __HYPERVISOR_update_va_mapping, args);
}

static void write_grant(struct arena *a)
{
    struct grant_entry_v1 *g = &grants[random_below(&a->rnd, 24)];

    g->domid = (domid_t)value_of(a, 'd');
    g->frame = (uint32_t)value_of(a, 'm');
    g->flags = (uint16_t)(one_in(&a->rnd, 2) ? GTF_permit_access : value_of(a, 'x'));
}

static void write_shared_info(struct arena *a)
{
    ((volatile uint64_t *)shared_info)[random_below(&a->rnd, 512)] = value_of(a, 'x');
}

/* ---- the loop ---- */

static const struct { uint8_t weight; void (*run)(struct arena *a); } steps[] = {
    { 40, single }, { 8, list }, { 1, unknown }, { 1, return_somewhere }, { 3, touch }, { 4, write_victim }, { 4, protect_victim },
    { 2, write_grant }, { 1, write_shared_info },
};

static void step(struct arena *a)
{
    uint64_t n = random_below(&a->rnd, 64);
    unsigned int i = 0;

    for (; n >= steps[i].weight; i++)
        n -= steps[i].weight;
    steps[i].run(a);
}

/* What this vCPU can not go on without. */
static void repair(struct worker *w)
{
    unsigned int i = w->a.worker;

    shared_info->vcpu_info[i].evtchn_upcall_mask = 1;
    for (unsigned int page = 0; page < NR_SCRATCH_PAGES; page++)
        pte_set(w->a.scratch + page * PAGE_SIZE, scratch_mfn[i][page] << 12 | PTE_RW);
    trap_restore();
    hyp_stack_switch(FLAT_KERNEL_SS, (uint64_t)trap_stack[i + 1]);
    hyp_set_debugreg(7, 0);
    if (i == 0)
        hyp_vcpu_op(VCPUOP_up, 1, NULL);
}

/* A trap ends the step that it came in. */
static int trapped(struct frame *f)
{
    uint8_t *at = (uint8_t *)f;
    bool first = (at >= boot_stack && at < boot_stack_top) || (at >= trap_stack[0] && at < trap_stack[1]);

    catch_throw(&workers[first ? 0 : 1].catch);
}

static void work(unsigned int i)
{
    struct worker *w = &workers[i];

    catch_set(&w->catch);
    repair(w);
    for (;;) {
        if (++w->steps % REPAIR_EVERY == 0)
            repair(w);
        step(&w->a);
    }
}

static void second(void)
{
    work(1);
}

static uint8_t *map_scratch(unsigned int worker)
{
    uint8_t *first = window();

    for (unsigned int i = 0; i < NR_SCRATCH_PAGES; i++, window()) {
        scratch_mfn[worker][i] = va_to_mfn(page_alloc());
        pte_set(first + i * PAGE_SIZE, scratch_mfn[worker][i] << 12 | PTE_RW);
    }
    return first;
}

static void arena_init(struct arena *a, unsigned int worker)
{
    a->worker = worker;
    a->rnd.state = (BOARD->seed + worker) * 0x9e3779b97f4a7c15ul | 1;
    a->scratch = map_scratch(worker);
}

void attacker_main(void)
{
    struct arena *a = &workers[0].a, *b = &workers[1].a;

    grant_init(1);
    user_init();
    arena_init(a, 0);
    arena_init(b, 1);
    a->play = window();
    for (unsigned int i = 1; i < NR_PLAY_PAGES; i++)
        window();
    for (unsigned int i = 0; i < 32; i++)
        a->victim[i] = page_alloc();
    b->play = a->play;
    memcpy(b->victim, a->victim, sizeof(a->victim));
    frame_hook = trapped;
    BOARD->ready = 1;
    smp_start(second);
    work(0);
    __builtin_unreachable();
}
