// SPDX-License-Identifier: MIT
/*
 * Descriptors and debug registers: set_gdt, update_descriptor, the selectors they make, get and
 * set_debugreg, breakpoints.
 * Why: a gate or a segment of ring 0 in a guest's table is a door into the hypervisor; a breakpoint on
 * its address space is a hang (XSA-193, -202, -260 and the CPU errata around them).
 */
#include "kit/kit.h"

#define DATA3 0x00cff3000000ffff
#define CODE3 0x00affb000000ffff

static uint64_t *gdt;
static unsigned long frames[16];

static void gdt_on(void)
{
    if (!gdt)
        gdt = page_alloc();
    gdt[1] = DATA3;
    gdt[2] = CODE3;
    page_protect(gdt, false);
    frames[0] = va_to_mfn(gdt);
    CHECK_EQ(hyp_set_gdt(frames, 512), 0);
}

static void gdt_off(void)
{
    __asm__ volatile("mov %0, %%es" : : "r"(0));
    CHECK_EQ(hyp_set_gdt(frames, 0), 0);
    CHECK_EQ(page_protect(gdt, true), 0);
}

static void load_es(unsigned int sel)
{
    TRY("movw %w0, %%es", : "r"(sel) : "memory");
}

static void set_gdt(void)
{
    gdt_on();
    load_es(1 * 8 + 3);
    CHECK_EQ(fault.vector, -1);
    load_es(3 * 8 + 3);
    CHECK_EQ(fault.vector, 13);
    CHECK_EQ(fault.error, 3 * 8);
    CHECK(page_protect(gdt, true) < 0);         /* in use: no writable mapping */
    /* the flat selectors are there too, as ever */
    load_es(FLAT_KERNEL_SS);
    CHECK_EQ(fault.vector, -1);
    gdt_off();
    load_es(1 * 8 + 3);
    CHECK_EQ(fault.vector, 13);
}

static void set_gdt_refused(void)
{
    void *page = page_alloc();

    frames[0] = va_to_mfn(page);                /* writable somewhere */
    CHECK(hyp_set_gdt(frames, 512) < 0);
    frames[0] = va_to_mfn(l4_kernel);
    CHECK(hyp_set_gdt(frames, 512) < 0);
    frames[0] = 0xffffff0;
    CHECK(hyp_set_gdt(frames, 512) < 0);
    frames[0] = ~0ul;
    CHECK(hyp_set_gdt(frames, 512) < 0);
    CHECK_EQ(hyp_set_gdt(frames, 8192), -XEN_EINVAL);
    CHECK_EQ(hyp_set_gdt(frames, 14 * 512 + 1), -XEN_EINVAL);
    CHECK_EQ(hyp_set_gdt(frames, ~0u), -XEN_EINVAL);
    CHECK_EQ(hyp_set_gdt((void *)0xffff830000000000, 512), -XEN_EFAULT);
    page_free(page);
}

/* The second frame is bad: the first must not stay referenced, nor the old table be lost. */
static void set_gdt_half(void)
{
    uint64_t *other = page_alloc();

    gdt_on();
    page_protect(other, false);
    frames[0] = va_to_mfn(other);
    frames[1] = va_to_mfn(l4_kernel);
    CHECK(hyp_set_gdt(frames, 1024) < 0);
    CHECK_EQ(page_protect(other, true), 0);
    load_es(1 * 8 + 3);
    CHECK_EQ(fault.vector, -1);
    gdt_off();
    page_free(other);
}

static void update_descriptor(void)
{
    gdt_on();
    load_es(5 * 8 + 3);
    CHECK_EQ(fault.vector, 13);
    CHECK_EQ(hyp_update_descriptor(va_to_machine(&gdt[5]), DATA3), 0);
    CHECK_EQ(gdt[5], DATA3);
    load_es(5 * 8 + 3);
    CHECK_EQ(fault.vector, -1);
    CHECK_EQ(hyp_update_descriptor(va_to_machine(&gdt[5]), 0), 0);
    __asm__ volatile("mov %0, %%es" : : "r"(0));
    load_es(5 * 8 + 3);
    CHECK_EQ(fault.vector, 13);
    gdt_off();
}

/*
 * What a guest may not describe: gates, system segments, ring 0. A segment's DPL may be raised to 3
 * instead, and a gate's lowered to 0, where no guest reaches it.
 */
static void descriptor_values(void)
{
    static const struct {
        uint64_t value;
        bool segment;
    } bad[] = {
        { 0x00cf93000000ffff, true },   /* data, DPL 0 */
        { 0x00af9b000000ffff, true },   /* 64-bit code, DPL 0 */
        { 0x00cfb3000000ffff, true },   /* data, DPL 1 */
        { 0x0000ec00e0330000, false },  /* call gate, DPL 3 */
        { 0x00008c00e0330000, false },  /* call gate, DPL 0 */
        { 0x0000ee00e0330000, false },  /* interrupt gate */
        { 0x0000ef00e0330000, false },  /* trap gate */
        { 0x000089000000ffff, false },  /* TSS */
        { 0x0000e9000000ffff, false },  /* TSS, DPL 3 */
        { 0x0000820000000fff, false },  /* LDT */
        { 0x0000e50000000000, false },  /* task gate */
    };

    gdt_on();
    for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int rc = hyp_update_descriptor(va_to_machine(&gdt[6]), bad[i].value);

        if (rc == 0)
            CHECK_EQ(gdt[6] >> 45 & 3, bad[i].segment ? 3 : 0);
        CHECK_EQ(hyp_update_descriptor(va_to_machine(&gdt[6]), 0), 0);
    }
    /* a segment that is not present is just data */
    CHECK_EQ(hyp_update_descriptor(va_to_machine(&gdt[6]), DATA3 & ~(1ul << 47)), 0);
    load_es(6 * 8 + 3);
    CHECK_EQ(fault.vector, 11);
    CHECK_EQ(fault.error, 6 * 8);
    CHECK_EQ(hyp_update_descriptor(va_to_machine(&gdt[6]), 0), 0);
    gdt_off();
}

static void update_descriptor_refused(void)
{
    uint64_t *page = page_alloc();

    gdt_on();
    CHECK(hyp_update_descriptor(va_to_machine(&gdt[6]) + 1, DATA3) < 0);
    CHECK(hyp_update_descriptor(va_to_machine(&gdt[6]) + 4, DATA3) < 0);
    CHECK(hyp_update_descriptor(va_to_machine(l4_kernel), DATA3) < 0);
    CHECK(hyp_update_descriptor(MFN_NONE << 12, DATA3) < 0);
    CHECK(hyp_update_descriptor(~7ul, DATA3) < 0);
    CHECK(hyp_update_descriptor(0, DATA3) < 0);
    /* an ordinary page takes one: it is checked again when the page becomes a table */
    CHECK_EQ(hyp_update_descriptor(va_to_machine(page), DATA3), 0);
    CHECK_EQ(page[0], DATA3);
    gdt_off();
    page_free(page);
}

/* The same when a page that holds a gate becomes a table. */
static void gdt_with_gate(void)
{
    uint64_t *page = page_alloc();

    page[100] = 0x0000ec00e0330000;
    page_protect(page, false);
    frames[0] = va_to_mfn(page);
    if (hyp_set_gdt(frames, 512) == 0) {
        CHECK_EQ(page[100] >> 45 & 3, 0);
        CHECK_EQ(hyp_set_gdt(frames, 0), 0);
    }
    CHECK_EQ(page_protect(page, true), 0);
    page_free(page);
}

/* 32-bit code segment of the guest's own: reachable, in ring 3. */
static void code_segment(void)
{
    gdt_on();
    TRY("pushq %0\n\tpushq $1f\n\tlretq\n1:\n\tmovw %%cs, %%ax\n\tcmpw %w0, %%ax\n\tje 2f\n\tud2\n2:\n\t"
        "pushq %1\n\tpushq $3f\n\tlretq\n3:", : "r"(2ul * 8 + 3), "r"((uint64_t)FLAT_KERNEL_CS) : "rax", "memory");
    CHECK_EQ(fault.vector, -1);
    gdt_off();
}

static void debugreg_values(void)
{
    static uint64_t word;

    for (int i = 0; i < 4; i++) {
        CHECK_EQ(hyp_set_debugreg(i, (uint64_t)&word), 0);
        CHECK_EQ(hyp_get_debugreg(i), &word);
        CHECK(hyp_set_debugreg(i, 0xffff830000000000) < 0);
        CHECK(hyp_set_debugreg(i, 0xffff800000000000) < 0);
        CHECK(hyp_set_debugreg(i, 0x800000000000) < 0);
        CHECK_EQ(hyp_get_debugreg(i), &word);
        CHECK_EQ(hyp_set_debugreg(i, 0), 0);
    }
    CHECK(hyp_set_debugreg(8, 0) < 0);
    CHECK(hyp_set_debugreg(-1, 0) < 0);
    CHECK(hyp_get_debugreg(8) < 0);
    CHECK(hyp_get_debugreg(100) < 0);
    CHECK(hyp_set_debugreg(7, 1ul << 32) < 0 || (hyp_get_debugreg(7) >> 32) == 0);
    hyp_set_debugreg(7, 0);
    /* general detect would trap the hypervisor's own accesses */
    hyp_set_debugreg(7, 0x2000);
    CHECK_EQ(hyp_get_debugreg(7) & 0x2000, 0);
    hyp_set_debugreg(7, 0);
}

static void watchpoint(void)
{
    static volatile uint64_t word;

    CHECK_EQ(hyp_set_debugreg(0, (uint64_t)&word), 0);
    CHECK_EQ(hyp_set_debugreg(7, 0x000d0001 | 0x400), 0);       /* 8 bytes... as 4: write, local */
    TRY("movl $1, %0", "+m"(word) : : "memory");
    CHECK_EQ(fault.vector, 1);
    CHECK_EQ(hyp_get_debugreg(6) & 15, 1);
    CHECK_EQ(hyp_set_debugreg(7, 0), 0);
    TRY("movl $2, %0", "+m"(word) : : "memory");
    CHECK_EQ(fault.vector, -1);
    CHECK_EQ(hyp_set_debugreg(6, 0xffff0ff0), 0);
    CHECK_EQ(hyp_set_debugreg(0, 0), 0);
}

/* The hypervisor reads a watched word on the guest's behalf: nothing may stop there. */
static void watchpoint_on_argument(void)
{
    static struct xen_feature_info f;

    CHECK_EQ(hyp_set_debugreg(0, (uint64_t)&f), 0);
    CHECK_EQ(hyp_set_debugreg(7, 0x000f0001 | 0x400), 0);
    TRY("mov $6, %%edi\n\tmov %0, %%rsi\n\tmov $17, %%eax\n\tsyscall", : "r"(&f)
        : "rax", "rcx", "r11", "rdi", "rsi", "memory");
    CHECK(fault.vector == -1 || fault.vector == 1);
    CHECK_EQ(hyp_set_debugreg(7, 0), 0);
    CHECK_EQ(hyp_set_debugreg(6, 0xffff0ff0), 0);
    CHECK_EQ(hyp_set_debugreg(0, 0), 0);
}

/* XSA-260: a watched stack slot, loaded by mov ss, then a system call. */
static void mov_ss_shadow(void)
{
    static uint16_t selector = FLAT_KERNEL_SS;

    CHECK_EQ(hyp_set_debugreg(0, (uint64_t)&selector), 0);
    CHECK_EQ(hyp_set_debugreg(7, 0x00070001 | 0x400), 0);
    TRY("movw %0, %%ss\n\tint3", : "m"(selector) : "memory");
    CHECK(fault.vector == 3 || fault.vector == 1);
    hyp_set_debugreg(6, 0xffff0ff0);
    TRY("mov $17, %%eax\n\txor %%edi, %%edi\n\tmovw %0, %%ss\n\tsyscall", : "m"(selector)
        : "rax", "rcx", "r11", "rdi", "memory");
    CHECK(fault.vector == -1 || fault.vector == 1);
    CHECK_EQ(hyp_set_debugreg(7, 0), 0);
    CHECK_EQ(hyp_set_debugreg(6, 0xffff0ff0), 0);
    CHECK_EQ(hyp_set_debugreg(0, 0), 0);
}

TESTS("desc", TEST(set_gdt), TEST(set_gdt_refused), TEST(set_gdt_half), TEST(update_descriptor),
      TEST(descriptor_values), TEST(update_descriptor_refused), TEST(gdt_with_gate), TEST(code_segment),
      TEST(debugreg_values), TEST(watchpoint), TEST(watchpoint_on_argument), TEST(mov_ss_shadow));
