// SPDX-License-Identifier: MIT
/*
 * Privileged instructions of the guest kernel: those that the hypervisor does in its place, and
 * those that stay a fault.
 * Why: what Linux still executes at boot and in its drivers, and the way in for everybody who wants
 * the real register instead of the virtual one.
 */
#include "kit/kit.h"

#define MSR_EFER 0xc0000080u
#define MSR_APIC_BASE 0x1bu

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo = 0, hi = 0;

    TRY("rdmsr", "+a"(lo), "+d"(hi) : "c"(msr) : "memory");
    return (uint64_t)hi << 32 | lo;
}

static void wrmsr(uint32_t msr, uint64_t v)
{
    TRY("wrmsr", : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static void msr_efer(void)
{
    uint64_t efer = rdmsr(MSR_EFER);

    CHECK_EQ(fault.vector, -1);
    CHECK_EQ(efer & 0x500, 0x500);              /* long mode, enabled and active */
    wrmsr(MSR_EFER, efer);
    wrmsr(MSR_EFER, efer & ~0x400ul);
    wrmsr(MSR_EFER, 0);
    CHECK_EQ(rdmsr(MSR_EFER) & 0x500, 0x500);
}

static void msr_bases(void)
{
    static uint64_t word = 0x77;
    uint64_t v;

    wrmsr(0xc0000101, (uint64_t)&word);         /* GS */
    CHECK_EQ(fault.vector, -1);
    CHECK_EQ(rdmsr(0xc0000101), &word);
    __asm__ volatile("movq %%gs:0, %0" : "=r"(v));
    CHECK_EQ(v, 0x77);
    wrmsr(0xc0000100, (uint64_t)&word);         /* FS */
    CHECK_EQ(rdmsr(0xc0000100), &word);
    wrmsr(0xc0000102, 0x1000);                  /* the other GS */
    CHECK_EQ(rdmsr(0xc0000102), 0x1000);
    wrmsr(0xc0000100, 0x800000000000);
    check_fault(13, 0, "FS base that is not canonical");
    wrmsr(0xc0000101, 0x800000000000);
    check_fault(13, 0, "GS base that is not canonical");
    wrmsr(0xc0000102, 0xffff7fffffffffff);
    check_fault(13, 0, "user GS base that is not canonical");
    CHECK_EQ(rdmsr(0xc0000101), &word);
}

static void msr_unknown(void)
{
    rdmsr(0x12345678);
    check_fault(13, 0, "rdmsr of no register");
    wrmsr(0x12345678, 0);
    check_fault(13, 0, "wrmsr of no register");
}

/* The registers of the hypervisor's own entry points: no read tells them, no write moves them. */
static void msr_entry_points(void)
{
    static const uint32_t msrs[] = { 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0x174, 0x175, 0x176 };

    for (unsigned int i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
        uint64_t v = rdmsr(msrs[i]);

        if (fault.vector < 0)
            CHECK(v < 0xffff800000000000 || v >= 0xffff880000000000);
        wrmsr(msrs[i], 0x1234);
        if (fault.vector >= 0)
            CHECK_EQ(fault.vector, 13);
        CHECK_EQ(hyp_xen_version(XENVER_version, NULL), 4 << 16 | 17);
    }
}

static void msr_every_page(void)
{
    /* Whatever is there: a value or #GP, and the domain lives. */
    for (uint32_t msr = 0; msr < 0x1000; msr++) {
        rdmsr(msr);
        if (fault.vector >= 0 && fault.vector != 13)
            CHECK_EQ(fault.vector, 13);
    }
    for (uint32_t msr = 0xc0000000; msr < 0xc0000200; msr++)
        rdmsr(msr);
    for (uint32_t msr = 0xc0010000; msr < 0xc0010200; msr++)
        rdmsr(msr);
    CHECK(fault.count == 0 || fault.vector == 13);
}

static void msr_apic_base(void)
{
    uint64_t v = rdmsr(MSR_APIC_BASE);

    if (fault.vector < 0)
        CHECK_EQ(v & 0xfffff000, 0xfee00000);
    wrmsr(MSR_APIC_BASE, 0);
    CHECK(fault.vector == -1 || fault.vector == 13);
    delay_ns(1000000);
}

static void cpuid_leaves(void)
{
    uint32_t a = 0x40000000, b = 0, c = 0, d = 0;

    __asm__ volatile("ud2; .ascii \"xen\"; cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    CHECK(a >= 0x40000002);
    CHECK_EQ(b, 0x566e6558);                    /* "XenVMMXenVMM" */
    CHECK_EQ(c, 0x65584d4d);
    CHECK_EQ(d, 0x4d4d566e);
    a = 0x40000001;
    __asm__ volatile("ud2; .ascii \"xen\"; cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    CHECK_EQ(a, 4 << 16 | 17);
    a = 0x40000002;
    __asm__ volatile("ud2; .ascii \"xen\"; cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    CHECK_EQ(a, 1);                             /* one hypercall page, by the MSR in ebx */
    CHECK_EQ(b, 0x40000000);
    a = 1;
    __asm__ volatile("ud2; .ascii \"xen\"; cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    CHECK(c & 1u << 31);                        /* a hypervisor is here */
    CHECK(!(c & 1u << 3));                      /* monitor */
    CHECK(!(d & 1u << 3));                      /* superpages */
    CHECK(!(d & 1u << 13));                     /* global pages are the hypervisor's */
}

/* A second hypercall page, as Linux asks for it. */
static void hypercall_page_by_msr(void)
{
    uint8_t *page = page_alloc();
    uint64_t pfn = ((uint64_t)page - VIRT_BASE) / PAGE_SIZE;
    long rc;

    wrmsr(0x40000000, p2m[pfn] << 12);
    if (fault.vector < 0)
        CHECK(page[0] != 0);
    __asm__ volatile("xor %%edi, %%edi\n\tcall *%1" : "=a"(rc) : "r"(page + 17 * 32)
                     : "rcx", "r11", "rdi", "memory");
    CHECK_EQ(rc, 4 << 16 | 17);
    wrmsr(0x40000000, 0xffffffful << 12);
    check_fault(13, 0, "a hypercall page where there is no memory");
    wrmsr(0x40000000, va_to_machine(l4_kernel));
    check_fault(13, 0, "a hypercall page over a page table");
    wrmsr(0x40000000, p2m[pfn] << 12 | 1);
    check_fault(13, 0, "a hypercall page of a number there is not");
    page_free(page);
}

static void control_registers(void)
{
    uint64_t cr0 = 0, cr3 = 0, cr4 = 0, cr2;

    TRY("mov %%cr0, %0", "=r"(cr0) : : "memory");
    CHECK_EQ(fault.vector, -1);
    CHECK_EQ(cr0 & 0x80000001, 0x80000001);
    TRY("mov %%cr3, %0", "=r"(cr3) : : "memory");
    CHECK_EQ(fault.vector, -1);
    CHECK_EQ(cr3 >> 12, va_to_mfn(l4_kernel));
    TRY("mov %%cr4, %0", "=r"(cr4) : : "memory");
    CHECK_EQ(fault.vector, -1);
    TRY("mov %0, %%cr4", : "r"(cr4) : "memory");
    CHECK_EQ(fault.vector, -1);
    TRY("mov %0, %%cr3", : "r"(cr3) : "memory");
    CHECK_EQ(fault.vector, -1);
    TRY("mov %0, %%cr3", : "r"(MFN_NONE << 12) : "memory");
    check_fault(13, 0, "a root where there is no memory");
    TRY("mov %0, %%cr2", : "r"(0x1234ul) : "memory");
    CHECK_EQ(fault.vector, -1);
    TRY("mov %%cr2, %0", "=r"(cr2) : : "memory");
    CHECK_EQ(cr2, 0x1234);
    TRY("mov %0, %%cr8", : "r"(0ul) : "memory");
    CHECK_EQ(fault.vector, 13);
}

/* What would switch off paging or protection is refused or ignored; TS is the one bit that moves. */
static void control_registers_hostile(void)
{
    uint64_t cr0, cr4;

    TRY("mov %%cr0, %0", "=r"(cr0) : : "memory");
    TRY("mov %0, %%cr0", : "r"(cr0 & ~0x80000000ul) : "memory");
    TRY("mov %0, %%cr0", : "r"(cr0 & ~0x10000ul) : "memory");
    TRY("mov %0, %%cr0", : "r"(0ul) : "memory");
    TRY("mov %%cr4, %0", "=r"(cr4) : : "memory");
    TRY("mov %0, %%cr4", : "r"(0ul) : "memory");
    TRY("mov %0, %%cr4", : "r"(~0ul) : "memory");
    TRY("mov %%cr0, %0", "=r"(cr0) : : "memory");
    CHECK_EQ(cr0 & 0x80000001, 0x80000001);
    CHECK_EQ(((volatile const unsigned long *)MACH2PHYS_VIRT_START)[p2m[9]], 9);
    TRY("movq %%rax, (%0)", : "r"(MACH2PHYS_VIRT_START) : "memory");
    CHECK_EQ(fault.vector, 14);
    hyp_fpu_taskswitch(0);
}

static void task_switched(void)
{
    uint64_t cr0;

    TRY("mov %%cr0, %0", "=r"(cr0) : : "memory");
    TRY("mov %0, %%cr0", : "r"(cr0 | 8) : "memory");
    CHECK_EQ(fault.vector, -1);
    TRY0("fninit");
    CHECK_EQ(fault.vector, 7);
    hyp_fpu_taskswitch(1);
    TRY0("clts");
    CHECK_EQ(fault.vector, -1);
    TRY0("fninit");
    CHECK_EQ(fault.vector, -1);
}

static void ports(void)
{
    struct physdev_set_iopl iopl = { 1 };
    uint8_t v = 0;

    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    TRY("inb $0x61, %0", "=a"(v) : : "memory");
    CHECK_EQ(fault.vector, -1);
    TRY("outb %0, $0x80", : "a"((uint8_t)0) : "memory");
    CHECK_EQ(fault.vector, -1);
    /* PCI configuration: the host bridge is there */
    {
        uint32_t id = 0;

        TRY("outl %0, %%dx", : "a"(0x80000000u), "d"(0xcf8) : "memory");
        CHECK_EQ(fault.vector, -1);
        TRY("inl %%dx, %0", "=a"(id) : "d"(0xcfc) : "memory");
        CHECK_EQ(fault.vector, -1);
        CHECK_EQ(id & 0xffff, 0x8086);
    }
    iopl.iopl = 0;
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    TRY("inb $0x61, %0", "=a"(v) : : "memory");
    CHECK_EQ(fault.vector, 13);
}

/* The timer, the interrupt controllers and the serial port in use are the hypervisor's. */
static void ports_withheld(void)
{
    struct physdev_set_iopl iopl = { 1 };
    uint8_t v = 0;

    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    TRY("inb $0x21, %0", "=a"(v) : : "memory");
    CHECK(fault.vector == -1 || fault.vector == 13);
    TRY("outb %0, $0x21", : "a"((uint8_t)0xff) : "memory");
    TRY("outb %0, $0x43", : "a"((uint8_t)0) : "memory");
    TRY("outw %0, %%dx", : "a"((uint16_t)0), "d"(0x3f8) : "memory");
    delay_ns(20000000);
    iopl.iopl = 0;
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
}

static void string_ports(void)
{
    struct physdev_set_iopl iopl = { 1 };
    static uint8_t buffer[16];
    void *to = buffer;
    uint64_t n = 4;

    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    memset(buffer, 0x5a, sizeof(buffer));
    TRY("rep insb", "+D"(to), "+c"(n) : "d"(0x80) : "memory");
    CHECK_EQ(fault.vector, -1);
    CHECK_EQ(n, 0);
    CHECK_EQ(to, buffer + 4);
    CHECK_EQ(buffer[4], 0x5a);
    /* into a place that cannot be written: a page fault of ours, at that address */
    to = (void *)0xffffffffbff00000;
    n = 1;
    TRY("rep insb", "+D"(to), "+c"(n) : "d"(0x80) : "memory");
    CHECK_EQ(fault.vector, 14);
    CHECK_EQ(fault.cr2, 0xffffffffbff00000);
    to = (void *)0xffff830000000000;
    n = 1;
    TRY("rep insb", "+D"(to), "+c"(n) : "d"(0x80) : "memory");
    CHECK(fault.vector == 14 || fault.vector == 13);
    /* the count has 32 bits, and those are zero */
    n = UINT64_C(1) << 32;
    TRY("addr32 rep insb", "+D"(to), "+c"(n) : "d"(0x80) : "memory");
    CHECK_EQ(fault.vector, -1);
    iopl.iopl = 0;
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
}

static void interrupt_flag(void)
{
    uint64_t flags;

    /* The processor's own flag stays set whatever the guest does. */
    TRY0("cli");
    CHECK(fault.vector == -1 || fault.vector == 13);
    __asm__ volatile("pushf; pop %0" : "=r"(flags));
    CHECK(flags & 0x200);
    TRY0("sti");
    CHECK(fault.vector == -1 || fault.vector == 13);
    __asm__ volatile("push $2; popf; pushf; pop %0" : "=r"(flags));
    CHECK(flags & 0x200);
}

static void cache_and_tlb(void)
{
    TRY0("wbinvd");
    CHECK_EQ(fault.vector, -1);
    TRY("invlpg (%0)", : "r"(&fault) : "memory");
    CHECK(fault.vector == -1 || fault.vector == 13);
}

static void still_refused(void)
{
    uint8_t table[10] = { 0 };

    TRY("lgdt (%0)", : "r"(table) : "memory");
    CHECK_EQ(fault.vector, 13);
    TRY("lidt (%0)", : "r"(table) : "memory");
    CHECK_EQ(fault.vector, 13);
    TRY("lldt %w0", : "r"(0) : "memory");
    CHECK_EQ(fault.vector, 13);
    TRY("ltr %w0", : "r"(0) : "memory");
    CHECK_EQ(fault.vector, 13);
    TRY("swapgs", : : "memory");
    CHECK_EQ(fault.vector, 13);
    TRY("lmsw %w0", : "r"(0) : "memory");
    CHECK(fault.vector == 13 || fault.vector == -1);
    TRY("mov %0, %%dr7", : "r"(0x400ul) : "memory");
    CHECK(fault.vector == 13 || fault.vector == -1);
    TRY("sysretq", : : "memory", "rcx", "r11");
    CHECK_EQ(fault.vector, 13);
}

/* Sleeping is SCHEDOP_block's business: hlt stays a fault. The last test, since it might sleep. */
static void halt_refused(void)
{
    TRY("hlt", : : "memory");
    CHECK_EQ(fault.vector, 13);
}

static void time_stamp(void)
{
    uint64_t a = rdtsc(), b = rdtsc();

    CHECK(b > a);
    a = rdmsr(0x10);
    if (fault.vector < 0)
        CHECK(a >= b);
}

/* A kernel that keeps its users from the clock (CR4.TSD) reads it all the same, with what it put beside it. */
static void time_stamp_withheld(void)
{
    uint32_t lo = 0, hi = 0, aux = 0;

    TRY("mov %0, %%cr4", : "r"(UINT64_C(4)) : "memory");
    TRY("rdtsc", "+a"(lo), "+d"(hi) : : "memory");
    CHECK_EQ(fault.vector, -1);
    wrmsr(0xc0000103, 77);
    if (fault.vector < 0) {
        TRY("rdtscp", "+a"(lo), "+d"(hi), "+c"(aux) : : "memory");
        CHECK_EQ(fault.vector, -1);
        CHECK_EQ(aux, 77);
        CHECK_EQ(rdmsr(0xc0000103), 77);
    }
    TRY("mov %0, %%cr4", : "r"(UINT64_C(0)) : "memory");
}

static void debug_registers(void)
{
    uint64_t v = 0;

    TRY("mov %0, %%dr0", : "r"((uint64_t)&fault) : "memory");
    CHECK_EQ(fault.vector, -1);
    TRY("mov %%dr0, %0", "=r"(v) : : "memory");
    CHECK_EQ(fault.vector, -1);
    CHECK_EQ(v, &fault);
    TRY("mov %0, %%dr0", : "r"(0xffff830000000000ul) : "memory");
    CHECK_EQ(fault.vector, 13);
    CHECK_EQ(hyp_set_debugreg(0, 0), 0);
}

/* A prefix too many, an instruction across two pages with the second one missing. */
static void odd_instructions(void)
{
    uint8_t *va = window(), *page = page_alloc();

    pte_set(va, va_to_machine(page) | PTE_RW);
    page[4095] = 0x0f;                          /* wrmsr's first byte */
    TRY("jmp *%0", : "r"(va + 4095) : "memory");
    CHECK_EQ(fault.vector, 14);
    CHECK_EQ(fault.cr2, va + 4096);
    for (int i = 0; i < 15; i++)
        page[4080 + i] = 0x66;
    page[4095] = 0xf4;
    TRY("jmp *%0", : "r"(va + 4080) : "memory");
    CHECK_EQ(fault.vector, 13);
    pte_set(va, 0);
    page_free(page);
}

TESTS("emulate", TEST(msr_efer), TEST(msr_bases), TEST(msr_unknown), TEST(msr_entry_points), TEST(msr_every_page),
      TEST(msr_apic_base), TEST(cpuid_leaves), TEST(hypercall_page_by_msr), TEST(control_registers),
      TEST(control_registers_hostile), TEST(task_switched), TEST(ports), TEST(ports_withheld),
      TEST(string_ports), TEST(interrupt_flag), TEST(cache_and_tlb), TEST(still_refused), TEST(time_stamp),
      TEST(time_stamp_withheld),
      TEST(debug_registers), TEST(odd_instructions), TEST(halt_refused));
