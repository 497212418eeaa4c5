// SPDX-License-Identifier: MIT
/*
 * pvbench: what each operation of the PV ABI costs, measured by the same kernel on any hypervisor.
 * Prints "BENCH name ticks min rc": the median and the least of 15 batches, in ticks of the time
 * stamp counter per operation, less the empty loop. Under -icount a tick is an instruction.
 * With "count" on its command line it stops around each batch, says so, and goes on when a character
 * comes in on the console: tests/bench/run reads QEMU's count of TLB flushes there.
 */
#include "kit/kit.h"

#define BATCHES 15
#define COUNTED 100
#define GRANT 20
#define PEER 1

static bool counting;

/* ---- the harness ---- */

static void sort(uint64_t *v, int n)
{
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && v[j - 1] > v[j]; j--) {
            uint64_t t = v[j];

            v[j] = v[j - 1];
            v[j - 1] = t;
        }
}

static void wait_for_console(const char *mark, const char *name)
{
    char c;

    print("%s %s\n", mark, name);
    while (hyp_console_io(CONSOLEIO_read, 1, &c) <= 0)
        __asm__ volatile("pause");
}

typedef long (*bench_fn)(int n);

static uint64_t ticks(bench_fn fn, int n, long *rc)
{
    uint64_t t = rdtsc();

    *rc = fn(n);
    return rdtsc() - t;
}

static long empty(int n)
{
    for (int i = 0; i < n; i++)
        __asm__ volatile("" : : : "memory");
    return 0;
}

/* per: how many of what the row names one pass of fn does. */
static void bench(const char *name, bench_fn fn, int n, int per)
{
    uint64_t v[BATCHES], e[BATCHES];
    long rc = 0, r;

    fn(4);
    if (counting) {
        wait_for_console("START", name);
        rc = fn(COUNTED);
        wait_for_console("STOP", name);
        return;
    }
    for (int b = 0; b < BATCHES; b++) {
        e[b] = ticks(empty, n, &r);
        v[b] = ticks(fn, n, &rc);
    }
    sort(v, BATCHES);
    sort(e, BATCHES);
    print("BENCH %s %lu %lu rc=%ld\n", name, (v[BATCHES / 2] - e[BATCHES / 2]) / (uint64_t)(n * per),
          (v[0] - e[0]) / (uint64_t)(n * per), rc);
}

#define LOOP(name, statement)                                                   \
    static long name(int n)                                                     \
    {                                                                           \
        long rc = 0;                                                            \
        for (int i = 0; i < n; i++) {                                           \
            statement;                                                          \
        }                                                                       \
        return rc;                                                              \
    }

/* ---- entry and exit ---- */

static uint64_t now_far;
static char text[64];
static struct multicall_entry calls[32];
static uint8_t spare_stack[4096] __attribute__((aligned(16)));

LOOP(null_call, hypercall(__HYPERVISOR_arch_6, 0, 0, 0, 0, 0))
LOOP(version, rc = hyp_xen_version(XENVER_version, NULL))
LOOP(extraversion, rc |= hyp_xen_version(XENVER_extraversion, text))
LOOP(yield, rc |= hyp_sched_op(SCHEDOP_yield, NULL))
LOOP(stack_switch, rc |= hyp_stack_switch(FLAT_KERNEL_SS, (uint64_t)(spare_stack + 4096)))
LOOP(taskswitch, rc |= hyp_fpu_taskswitch(0))
LOOP(get_debugreg, rc |= hyp_get_debugreg(0))
LOOP(set_timer, rc |= hyp_set_timer_op(now_far))
LOOP(vcpu_is_up, rc |= hyp_vcpu_op(VCPUOP_is_up, 0, NULL))
LOOP(segment_base, rc |= hyp_set_segment_base(SEGBASE_GS_USER, 0))

static long multicall32(int n)
{
    long rc = 0;

    for (int i = 0; i < 32; i++)
        calls[i] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version };
    for (int i = 0; i < n; i++)
        rc |= hyp_multicall(calls, 32);
    return rc;
}

/* ---- page tables ---- */

static uint64_t *pages[128];            /* window slots, all in one L1 table */
static uint64_t rw[128], ro[128], slot[128];
static struct mmu_update updates[128];
static uint64_t *full_l1, *empty_l1;

static void tables_init(void)
{
    uint64_t *frame = page_alloc();

    for (int i = 0; i < 128; i++) {
        pages[i] = window();
        rw[i] = va_to_machine(frame) | PTE_RW;
        ro[i] = va_to_machine(frame) | PTE_RO;
        slot[i] = va_to_machine(pte_of(l4_kernel, (uint64_t)pages[i], 1));
        pte_set(pages[i], rw[i]);
    }
    full_l1 = page_alloc();
    empty_l1 = page_table_alloc();
    for (int i = 0; i < 512; i++)
        full_l1[i] = rw[0];
    page_protect(full_l1, false);
}

LOOP(uvm, rc |= hyp_update_va_mapping((uint64_t)pages[0], i & 1 ? rw[0] : ro[0], UVMF_NONE))
LOOP(uvm_invlpg, rc |= hyp_update_va_mapping((uint64_t)pages[0], i & 1 ? rw[0] : ro[0], UVMF_INVLPG))
LOOP(uvm_same, rc |= hyp_update_va_mapping((uint64_t)pages[0], rw[0], UVMF_NONE))

static long updates_of(int n, int size)
{
    long rc = 0;

    for (int i = 0; i < n; i++) {
        for (int j = 0; j < size; j++)
            updates[j] = (struct mmu_update){ slot[j], i & 1 ? rw[j] : ro[j] };
        rc |= hyp_mmu_update(updates, (unsigned int)size, NULL, DOMID_SELF);
    }
    return rc;
}

static long update1(int n) { return updates_of(n, 1); }
static long update8(int n) { return updates_of(n, 8); }
static long update32(int n) { return updates_of(n, 32); }
static long update128(int n) { return updates_of(n, 128); }

LOOP(update_same, updates[0] = ((struct mmu_update){ slot[0], rw[0] });
     rc |= hyp_mmu_update(updates, 1, NULL, DOMID_SELF))
LOOP(update_clear, updates[0] = ((struct mmu_update){ slot[0], i & 1 ? rw[0] : 0 });
     rc |= hyp_mmu_update(updates, 1, NULL, DOMID_SELF))
LOOP(update_keep_ad,
     updates[0] = ((struct mmu_update){ slot[0] | MMU_PT_UPDATE_PRESERVE_AD, i & 1 ? rw[0] : ro[0] });
     rc |= hyp_mmu_update(updates, 1, NULL, DOMID_SELF))

static struct mmuext_op pin[2];

static long pin_unpin(int n, const void *table)
{
    long rc = 0;

    pin[0].cmd = MMUEXT_PIN_L1_TABLE;
    pin[1].cmd = MMUEXT_UNPIN_TABLE;
    pin[0].arg1.mfn = pin[1].arg1.mfn = va_to_mfn(table);
    for (int i = 0; i < n; i++)
        rc |= hyp_mmuext_op(pin, 2, NULL, DOMID_SELF);
    return rc;
}

static long pin_full(int n) { return pin_unpin(n, full_l1); }
static long pin_empty(int n) { return pin_unpin(n, empty_l1); }

static volatile uint64_t *trapped_pte;

LOOP(ptwr_write, *trapped_pte = i & 1 ? rw[0] : ro[0])
LOOP(ptwr_xchg, __atomic_exchange_n(trapped_pte, i & 1 ? rw[0] : ro[0], __ATOMIC_SEQ_CST))

static struct mmuext_op ext;

static long ext_loop(int n)
{
    long rc = 0;

    for (int i = 0; i < n; i++)
        rc |= hyp_mmuext_op(&ext, 1, NULL, DOMID_SELF);
    return rc;
}

static void bench_ext(const char *name, unsigned int cmd, uint64_t arg)
{
    ext.cmd = cmd;
    ext.arg1.linear_addr = arg;
    bench(name, ext_loop, 100, 1);
}

static void tables(void)
{
    tables_init();
    bench("update_va_mapping", uvm, 100, 1);
    bench("update_va_mapping_invlpg", uvm_invlpg, 100, 1);
    bench("update_va_mapping_same_value", uvm_same, 100, 1);
    bench("mmu_update_x1", update1, 100, 1);
    bench("mmu_update_x8", update8, 50, 1);
    bench("mmu_update_x32", update32, 20, 1);
    bench("mmu_update_x128", update128, 10, 1);
    bench("mmu_update_same_value", update_same, 100, 1);
    bench("mmu_update_clear_set", update_clear, 100, 1);
    bench("mmu_update_preserve_ad", update_keep_ad, 100, 1);
    bench("pin_unpin_full_l1", pin_full, 4, 1);
    bench("pin_unpin_empty_l1", pin_empty, 4, 1);
}

static void table_writes(void)
{
    hyp_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables);
    trapped_pte = pte_of(l4_kernel, (uint64_t)pages[0], 1);
    bench("ptwr_write", ptwr_write, 50, 1);
    bench("ptwr_xchg", ptwr_xchg, 50, 1);
}

static void flushes(void)
{
    bench_ext("new_baseptr", MMUEXT_NEW_BASEPTR, va_to_mfn(l4_kernel));
    bench_ext("tlb_flush_local", MMUEXT_TLB_FLUSH_LOCAL, 0);
    bench_ext("invlpg_local", MMUEXT_INVLPG_LOCAL, (uint64_t)pages[0]);
    bench_ext("tlb_flush_all", MMUEXT_TLB_FLUSH_ALL, 0);
}

/* ---- events and grants ---- */

static unsigned int port;
static void *grant_from, *grant_to, *grant_window;
static unsigned int granter;            /* whose reference 20 is copied and mapped */

LOOP(event_send_row, rc |= event_send(port))
LOOP(event_make, int p = event_alloc_unbound(DOMID_SELF, DOMID_SELF); rc |= p < 0 ? p : event_close((unsigned)p))

static void on_event(void)
{
    shared_info->vcpu_info[0].evtchn_pending_sel = 0;
    event_clear(port);
}

static long copies(int n, int batch)
{
    struct gnttab_copy c[16];
    long rc = 0;

    for (int j = 0; j < batch; j++) {
        c[j] = (struct gnttab_copy){ .len = 4096, .flags = GNTCOPY_source_gref };
        c[j].source.u.ref = GRANT;
        c[j].source.domid = (domid_t)granter;
        c[j].dest.u.gmfn = va_to_mfn(grant_to);
        c[j].dest.domid = DOMID_SELF;
    }
    for (int i = 0; i < n; i++)
        rc |= hyp_grant_op(GNTTABOP_copy, c, (unsigned int)batch);
    return rc ? rc : c[0].status;
}

static long copy1(int n) { return copies(n, 1); }
static long copy16(int n) { return copies(n, 16); }

static long map_unmap(int n)
{
    long rc = 0;

    for (int i = 0; i < n; i++) {
        struct gnttab_map_grant_ref m = { .host_addr = (uint64_t)grant_window, .ref = GRANT,
                                          .flags = GNTMAP_host_map, .dom = (domid_t)granter };
        struct gnttab_unmap_grant_ref u = { .host_addr = (uint64_t)grant_window };

        rc |= hyp_grant_op(GNTTABOP_map_grant_ref, &m, 1) | m.status;
        u.handle = m.handle;
        rc |= hyp_grant_op(GNTTABOP_unmap_grant_ref, &u, 1) | u.status;
    }
    return rc;
}

static void events(void)
{
    int a = event_alloc_unbound(DOMID_SELF, DOMID_SELF);
    struct evtchn_bind_interdomain b = { .remote_dom = DOMID_SELF, .remote_port = (unsigned int)a };

    event_op(EVTCHNOP_bind_interdomain, &b);
    port = b.local_port;
    event_masked((unsigned int)a, true);
    event_masked(port, true);
    bench("evtchn_send_masked", event_send_row, 100, 1);
    bench("evtchn_alloc_close", event_make, 100, 1);
    event_clear((unsigned int)a);
    port = (unsigned int)event_bind_ipi(0);
    event_masked(port, false);
    event_hook = on_event;
    events_unmask();
    bench("evtchn_send_to_own_handler", event_send_row, 100, 1);
    events_mask();
    event_hook = NULL;
}

static void grant_rows(void)
{
    grant_init(1);
    grant_from = page_alloc();
    grant_to = page_alloc();
    grant_window = window();
    grant_set(GRANT, GTF_permit_access, 0, grant_from);
    bench("grant_copy_4k", copy1, 50, 1);
    bench("grant_copy_4k_of_16", copy16, 10, 16);
    bench("grant_map_unmap", map_unmap, 50, 1);
}

/* ---- traps: stubs as short as a guest can make them ---- */

__asm__(".text\n"
        ".globl quick_fault, quick_syscall, syscall_count\n"
        "quick_fault:\n"                /* goes on at rbx */
        "    pop %rcx\n"
        "    pop %r11\n"
        "    add $8, %rsp\n"
        "    mov %rbx, (%rsp)\n"
        "    push $0\n"
        "    jmp hypercall_page + 32 * 23\n"
        "quick_syscall:\n"              /* back to user mode till the count is used up */
        "    pop %rcx\n"
        "    pop %r11\n"
        "    decq syscall_count\n"
        "    jz 1f\n"
        "    push $0\n"
        "    jmp hypercall_page + 32 * 23\n"
        "1:  xor %edi, %edi\n"
        "    jmp user_leave\n"
        ".bss\n"
        "syscall_count: .skip 8\n"
        ".text\n");
extern uint8_t quick_fault[], quick_syscall[], event_stub[], failsafe_stub[];
extern uint64_t syscall_count;

USER_CODE_BEGIN(loop)
    "1: syscall\n"
    "jmp 1b\n"
USER_CODE_END(loop)

static long syscalls(int n)
{
    syscall_count = (uint64_t)n;
    return user_run(0, 0, 0x202);
}

LOOP(rdmsr_efer, uint32_t lo; uint32_t hi; __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(0xc0000080)))
LOOP(cpuid_forced, uint32_t r = 1;
     __asm__ volatile("ud2; .ascii \"xen\"; cpuid" : "+a"(r) : : "rbx", "rcx", "rdx"))
LOOP(port_read, uint8_t v; __asm__ volatile("inb $0x80, %0" : "=a"(v)))
LOOP(kernel_fault, __asm__ volatile("movq $1f, %%rbx\n\tmovb (%0), %%al\n1:" : : "r"(0xffffffffbff00000ul)
                                    : "rax", "rbx", "memory"))

static void msr(void)
{
    bench("rdmsr_efer_trapped", rdmsr_efer, 50, 1);
}

static void cpuid(void)
{
    bench("cpuid_forced", cpuid_forced, 50, 1);
}

static void port_io(void)
{
    struct physdev_set_iopl iopl = { 1 };

    hyp_physdev_op(PHYSDEVOP_set_iopl, &iopl);
    bench("port_read_trapped", port_read, 50, 1);
}

static void page_fault(void)
{
    struct trap_info t[2] = { { 14, 4, FLAT_KERNEL_CS, (unsigned long)quick_fault } };

    hyp_set_trap_table(t);
    bench("page_fault_bounce", kernel_fault, 100, 1);
}

static void user_mode(void)
{
    user_load_code(loop);
    hyp_set_callbacks((uint64_t)event_stub, (uint64_t)failsafe_stub, (uint64_t)quick_syscall);
    bench("user_syscall", syscalls, 200, 1);
}

static void entry(void)
{
    counting = str_has((const char *)start_info->cmd_line, "count");
    print("BENCH boot_to_kernel %lu %lu rc=0\n", boot_tsc, boot_tsc);
    now_far = now_ns() + 3600000000000ul;
    bench("hypercall_bad_number", null_call, 200, 1);
    bench("xen_version", version, 200, 1);
    bench("xen_extraversion", extraversion, 200, 1);
    bench("sched_yield", yield, 100, 1);
    bench("multicall_x32", multicall32, 20, 1);
    bench("stack_switch", stack_switch, 200, 1);
    bench("fpu_taskswitch", taskswitch, 200, 1);
    bench("get_debugreg", get_debugreg, 200, 1);
    bench("set_segment_base", segment_base, 200, 1);
    bench("set_timer_op", set_timer, 100, 1);
    bench("vcpu_is_up", vcpu_is_up, 200, 1);
    hyp_set_timer_op(0);
}

/* ---- between two domains on one CPU: this kernel and, as domain PEER, itself again ---- */

static struct guest peer = { .id = PEER, .nr_pages = 512, .nr_vcpus = 1 };
static struct board {                   /* a page of the peer's, granted to us */
    volatile int yields;                /* set: the peer yields and counts; else it sleeps until an event comes */
    volatile long runs;
} *board;
static volatile long answers;

static void on_answer(void)
{
    on_event();
    answers++;
}

static void on_call(void)
{
    on_event();
    if (!board->yields)
        event_send(port);
}

/* The peer: its command line is the port that it is to bind to. */
void guest_main(void)
{
    struct evtchn_bind_interdomain b = { .remote_dom = 0 };

    for (const char *c = (const char *)start_info->cmd_line; *c; c++)
        b.remote_port = b.remote_port * 10 + (unsigned int)(*c - '0');
    board = page_alloc();
    grant_init(1);
    grant_set(GRANT, GTF_permit_access, 0, board);
    event_op(EVTCHNOP_bind_interdomain, &b);
    port = b.local_port;
    on_event();                         /* binding may count as a first event */
    event_hook = on_call;
    event_send(port);
    for (;;) {
        board->runs++;
        hyp_sched_op(board->yields ? SCHEDOP_yield : SCHEDOP_block, NULL);
    }
}

static void wait_for_answer(long before)
{
    while (answers == before)
        hyp_sched_op(SCHEDOP_block, NULL);      /* with events let through */
}

static long round_trip(int n)
{
    for (int i = 0; i < n; i++) {
        long before = answers;

        events_mask();
        event_send(port);
        wait_for_answer(before);
    }
    return 0;
}

/* There and back each time, or the row has failed. */
static long switches(int n)
{
    long before = board->runs, runs;

    for (int i = 0; i < n; i++)
        hyp_sched_op(SCHEDOP_yield, NULL);
    runs = board->runs - before;
    return runs < n - 1 || runs > n + 1 ? -runs : 0;
}

static void peer_start(void)
{
    static char line[16];

    port = (unsigned int)event_alloc_unbound(DOMID_SELF, PEER);
    format(line, sizeof(line), "%u", port);
    peer.cmd_line = line;
    guest_build(&peer);
    event_hook = on_answer;
    event_masked(port, false);
    CHECK_EQ(domctl_simple(XEN_DOMCTL_unpausedomain, PEER), 0);
    wait_for_answer(0);
}

static void two_domains(void)
{
    struct gnttab_map_grant_ref m = { .ref = GRANT, .flags = GNTMAP_host_map, .dom = PEER };

    peer_start();
    m.host_addr = (uint64_t)(board = window());
    CHECK_EQ(hyp_grant_op(GNTTABOP_map_grant_ref, &m, 1) | m.status, 0);
    granter = PEER;
    bench("event_round_trip_between_domains", round_trip, 50, 1);
    bench("grant_copy_4k_between_domains", copy1, 50, 1);
    bench("grant_copy_4k_of_16_between_domains", copy16, 10, 16);
    bench("grant_map_unmap_between_domains", map_unmap, 50, 1);
    board->yields = 1;
    event_send(port);
    bench("yield_to_domain_and_back", switches, 50, 1);
    events_mask();
    event_hook = NULL;
    CHECK_EQ(domctl_simple(XEN_DOMCTL_destroydomain, PEER), 0);
}

/* One test per group: where an operation is refused, the others are measured all the same. */
TESTS("pvbench", TEST(entry), TEST(tables), TEST(table_writes), TEST(flushes), TEST(events), TEST(grant_rows),
      TEST(msr), TEST(cpuid), TEST(port_io), TEST(page_fault), TEST(user_mode),
      TEST(two_domains));
