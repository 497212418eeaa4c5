// SPDX-License-Identifier: MIT
/*
 * A second vCPU: brought up, down, up again, given bad contexts; and races that only two can have.
 * Why: everything that is checked and then used can be changed in between by the other one.
 * Each race runs some tens of thousands of rounds, enough to meet in QEMU's two threads.
 */
#include "kit/kit.h"

#define ROUNDS 8000

static volatile uint64_t counter;
static volatile bool stop;
static uint8_t *page, *table, *va;
static uint64_t slot;

static bool missing(void)
{
    if (hyp_vcpu_op(VCPUOP_is_up, 1, NULL) >= 0)
        return false;
    test_skip("the domain has one vCPU");
    return true;
}

static void count(void)
{
    while (!stop)
        counter++;
}

static struct vcpu_guest_context context;

static void refused(const char *why)
{
    check_eq(hyp_vcpu_op(VCPUOP_initialise, 1, &context) < 0, true, why);
}

static struct vcpu_guest_context *fresh(void)
{
    static uint8_t stack[64];

    smp_context(&context, (void *)count, stack + 64);
    return &context;
}

/* Before the first start: a vCPU without a context cannot run, and no bad context is taken. */
static void contexts_refused(void)
{
    if (missing())
        return;
    page = page_alloc();
    CHECK_EQ(hyp_vcpu_op(VCPUOP_is_up, 1, NULL), 0);
    CHECK_EQ(hyp_vcpu_op(VCPUOP_up, 1, NULL), -XEN_EINVAL);
    CHECK_EQ(hyp_vcpu_op(VCPUOP_initialise, 1, (void *)0xffff830000000000), -XEN_EFAULT);
    fresh()->ctrlreg[3] = MFN_NONE << 12;
    refused("a root where there is no memory");
    fresh()->ctrlreg[3] = va_to_machine(page);
    refused("a root that is a writable page");
    fresh()->gdt_ents = 100000;
    refused("a GDT of 100000 entries");
    fresh()->gdt_ents = 512;
    context.gdt_frames[0] = va_to_mfn(l4_kernel);
    refused("a GDT that is a page table");
    fresh()->ldt_ents = 8193;
    context.ldt_base = (uint64_t)page;
    refused("an LDT of 8193 entries");
    fresh()->event_callback_eip = 0x800000000000;
    refused("an event callback that is not canonical");
    fresh()->user_regs.rip = 0x800000000000;    /* XSA-7 by another door */
    refused("a first instruction that is not canonical");
    fresh()->fs_base = 0x800000000000;
    refused("a segment base that is not canonical");
    CHECK_EQ(hyp_vcpu_op(VCPUOP_is_up, 1, NULL), 0);
    page_free(page);
}

static void up_and_down(void)
{
    if (missing())
        return;
    for (int i = 0; i < 3; i++) {
        uint64_t before, end;

        stop = false;
        CHECK_EQ(smp_start(count), 0);
        CHECK_EQ(hyp_vcpu_op(VCPUOP_is_up, 1, NULL), 1);
        before = counter;
        end = now_ns() + 1000000000;
        while (counter == before && now_ns() < end)
            __asm__ volatile("pause");
        CHECK(counter > before);
        stop = true;
        CHECK_EQ(smp_stop(), 0);
        before = counter;
        delay_ns(1000000);
        CHECK_EQ(counter, before);
    }
    CHECK_EQ(hyp_vcpu_op(VCPUOP_initialise, 1, (void *)start_info), -XEN_EEXIST);
}

static volatile unsigned int ipi_port;
static volatile int answered;

static void answer(void)
{
    while (!stop) {
        if (!event_pending(ipi_port))
            continue;
        event_clear(ipi_port);
        answered++;
    }
}

static void ipi(void)
{
    if (missing())
        return;
    ipi_port = (unsigned int)event_bind_ipi(1);
    event_masked(ipi_port, true);
    event_clear(ipi_port);
    stop = false;
    answered = 0;
    CHECK_EQ(smp_start(answer), 0);
    for (int i = 0; i < 100; i++) {
        uint64_t end = now_ns() + 1000000000;

        CHECK_EQ(event_send(ipi_port), 0);
        while (answered <= i && now_ns() < end)
            __asm__ volatile("pause");
        if (answered <= i)
            break;
    }
    stop = true;
    CHECK_EQ(smp_stop(), 0);
    CHECK_EQ(answered, 100);
    event_close(ipi_port);
}

static uint64_t *ldt;
static volatile bool has_ldt, lets_go;

static void hold_ldt(void)
{
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, (uint64_t)ldt, 512), 0);
    has_ldt = true;
    while (!lets_go && !stop)
        __asm__ volatile("pause");
    delay_ns(5000000);
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
    while (!stop)
        __asm__ volatile("pause");
}

/* As Linux does when the other vCPU switches away from the process: it lets go a moment later, and is waited for. */
static void ldt_on_its_way(void)
{
    if (missing())
        return;
    ldt = page_alloc();
    CHECK_EQ(page_protect(ldt, false), 0);
    stop = has_ldt = lets_go = false;
    CHECK_EQ(smp_start(hold_ldt), 0);
    for (uint64_t end = now_ns() + 1000000000; !has_ldt && now_ns() < end;)
        __asm__ volatile("pause");
    CHECK(has_ldt);
    CHECK(page_protect(ldt, true) < 0);         /* but not for ever */
    delay_ns(200000000);
    lets_go = true;
    CHECK_EQ(page_protect(ldt, true), 0);
    stop = true;
    CHECK_EQ(smp_stop(), 0);
    page_free(ldt);
}

/* The other vCPU writes through its own stale translation until the flush has reached it. */
static volatile uint8_t *written;

static void write_on(void)
{
    while (!stop)
        (*written)++;
}

static void flush_reaches_other(void)
{
    static const unsigned int cmds[] = { MMUEXT_TLB_FLUSH_ALL, MMUEXT_INVLPG_ALL, MMUEXT_TLB_FLUSH_MULTI,
                                         MMUEXT_INVLPG_MULTI };
    uint8_t *a, *b;
    unsigned long both = 3;

    if (missing())
        return;
    a = page_alloc();
    b = page_alloc();
    va = window();
    slot = va_to_machine(pte_of(l4_kernel, (uint64_t)va, 1));
    for (int i = 0; i < 4; i++) {
        uint8_t last;

        pte_set(va, va_to_machine(a) | PTE_RW);
        written = va;
        stop = false;
        CHECK_EQ(smp_start(write_on), 0);
        delay_ns(1000000);
        CHECK_EQ(mmu_write(slot, va_to_machine(b) | PTE_RW), 0);
        CHECK_EQ(mmuext(cmds[i], i & 1 ? (uint64_t)va : 0, i >= 2 ? U64(&both) : 0), 0);
        last = *(volatile uint8_t *)a;
        delay_ns(1000000);
        check_eq(*(volatile uint8_t *)a, last, "a write after the flush");
        stop = true;
        CHECK_EQ(smp_stop(), 0);
    }
    pte_set(va, 0);
    page_free(a);
    page_free(b);
}

/* XSA-401, -408: one makes a page a table and back, the other maps it writable when it can. */
static volatile uint64_t mapped;

static void map_writable(void)
{
    while (!stop) {
        if (mmu_write(slot, va_to_machine(table) | PTE_RW) == 0)
            mapped++;
        mmu_write(slot, 0);
    }
}

static void table_or_writable(void)
{
    uint64_t pins = 0;

    if (missing())
        return;
    table = page_table_alloc();
    va = window();
    slot = va_to_machine(pte_of(l4_kernel, (uint64_t)va, 1));
    stop = false;
    mapped = 0;
    CHECK_EQ(smp_start(map_writable), 0);
    /* on a busy host the other may be stopped while it maps: go on until a pin got through */
    for (int i = 0; i < ROUNDS || (!pins && i < 1000 * ROUNDS); i++) {
        if (mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(table), 0))
            continue;
        pins++;
        if (pte_get(va) & PTE_W)
            CHECK_EQ(i, -1);
        mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(table), 0);
    }
    stop = true;
    CHECK_EQ(smp_stop(), 0);
    CHECK(pins > 0);
    print("note: %lu pins, %lu mappings\n", (unsigned long)pins, (unsigned long)mapped);
    mmu_write(slot, 0);
    CHECK_EQ(page_protect(table, true), 0);
    page_free(table);
}

/* Two pin and unpin the same table, and two update the same entry: counts must come out even. */
static void pin_unpin(void)
{
    while (!stop) {
        mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(table), 0);
        mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(table), 0);
    }
}

static void pin_storm(void)
{
    if (missing())
        return;
    table = page_table_alloc();
    stop = false;
    CHECK_EQ(smp_start(pin_unpin), 0);
    for (int i = 0; i < ROUNDS; i++) {
        mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(table), 0);
        mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(table), 0);
    }
    stop = true;
    CHECK_EQ(smp_stop(), 0);
    while (mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(table), 0) == 0)
        ;
    CHECK_EQ(page_protect(table, true), 0);
    page_free(table);
}

static uint8_t *other_page;

static void flip_entry(void)
{
    while (!stop)
        mmu_write(slot, va_to_machine(other_page) | PTE_RO);
}

static void entry_storm(void)
{
    if (missing())
        return;
    page = page_alloc();
    other_page = page_alloc();
    va = window();
    slot = va_to_machine(pte_of(l4_kernel, (uint64_t)va, 1));
    stop = false;
    CHECK_EQ(smp_start(flip_entry), 0);
    for (int i = 0; i < ROUNDS; i++)
        mmu_write(slot, i & 1 ? va_to_machine(page) | PTE_RW : 0);
    stop = true;
    CHECK_EQ(smp_stop(), 0);
    CHECK_EQ(mmu_write(slot, 0), 0);
    /* no reference is left over: both can become tables */
    page_protect(page, false);
    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(page), 0), 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(page), 0), 0);
    page_table_free(page);
    page_table_free(other_page);
}

/* XSA-343 and kin: ports closed, bound and sent to at once. */
static volatile unsigned int storm_port;

static void send_on(void)
{
    while (!stop)
        event_send(storm_port);
}

static void event_storm(void)
{
    if (missing())
        return;
    storm_port = 1;
    stop = false;
    CHECK_EQ(smp_start(send_on), 0);
    for (int i = 0; i < ROUNDS; i++) {
        int p = event_bind_ipi(0);

        if (p <= 0) {
            CHECK(p > 0);
            break;
        }
        storm_port = (unsigned int)p;
        event_masked((unsigned int)p, true);
        event_close((unsigned int)p);
    }
    stop = true;
    CHECK_EQ(smp_stop(), 0);
}

/* XSA-228, -236: maps and unmaps of the same reference from both sides. */
static uint8_t *windows[2];

static void grant_round(int me)
{
    struct gnttab_map_grant_ref m = { .host_addr = U64(windows[me]), .ref = 20, .flags = GNTMAP_host_map };
    struct gnttab_unmap_grant_ref u = { .host_addr = U64(windows[me]) };

    hyp_grant_op(GNTTABOP_map_grant_ref, &m, 1);
    if (m.status != GNTST_okay)
        return;
    u.handle = m.handle;
    hyp_grant_op(GNTTABOP_unmap_grant_ref, &u, 1);
}

static void grant_on(void)
{
    while (!stop)
        grant_round(1);
}

static void grant_storm(void)
{
    if (missing())
        return;
    grant_init(1);
    page = page_alloc();
    windows[0] = window();
    windows[1] = window();
    grant_set(20, GTF_permit_access, 0, page);
    stop = false;
    CHECK_EQ(smp_start(grant_on), 0);
    for (int i = 0; i < ROUNDS / 4; i++)
        grant_round(0);
    stop = true;
    CHECK_EQ(smp_stop(), 0);
    CHECK_EQ(grants[20].flags, GTF_permit_access);
    page_protect(page, false);
    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(page), 0), 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(page), 0), 0);
    page_table_free(page);
}

/* The instruction that is being emulated changes under the emulator's eyes. */
static volatile uint8_t *code;

static void rewrite(void)
{
    while (!stop) {
        code[1] = 0x32;                 /* rdmsr */
        code[1] = 0x30;                 /* wrmsr */
        code[1] = 0x06;                 /* clts */
        code[1] = 0x22;                 /* mov to cr2 */
    }
}

static void rewritten_instruction(void)
{
    uint8_t *p = page_alloc();

    if (missing())
        return;
    p[0] = 0x0f;
    p[2] = 0xd0;
    p[3] = p[4] = p[5] = 0x90;
    p[6] = 0xff;
    p[7] = 0xe6;                        /* jmp *%rsi */
    code = p;
    stop = false;
    CHECK_EQ(smp_start(rewrite), 0);
    for (int i = 0; i < ROUNDS / 4; i++) {
        fault_arm();
        __asm__ volatile("movq $1f, fault_resume\n\t"
                         "movq $1f, %%rsi\n\t"
                         "mov $0xc0000100, %%ecx\n\t"
                         "xor %%eax, %%eax\n\t"
                         "xor %%edx, %%edx\n\t"
                         "jmp *%0\n"
                         "1:\tmovq $0, fault_resume"
                         : : "r"(p) : "rax", "rcx", "rdx", "rsi", "memory");
    }
    stop = true;
    CHECK_EQ(smp_stop(), 0);
    hyp_fpu_taskswitch(0);
    page_free(p);
}

TESTS("smp", TEST(contexts_refused), TEST(up_and_down), TEST(ipi), TEST(ldt_on_its_way), TEST(flush_reaches_other),
      TEST(table_or_writable), TEST(pin_storm), TEST(entry_storm), TEST(event_storm), TEST(grant_storm),
      TEST(rewritten_instruction));
