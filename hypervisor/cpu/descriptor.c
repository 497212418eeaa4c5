// SPDX-License-Identifier: MIT
/*
 * GDT, IDT, TSS and system-call entry of each CPU (Intel SDM vol. 3, 3.4, 6.14, 7.7). Written at bring-up, and at a context
 * switch for the LDT descriptor; only ever by the CPU that they belong to.
 */
#include "cpu/descriptor.h"

#include "cpu/percpu.h"
#include "cpu/regs.h"
#include "mm/page_table.h"

#define DESC_PAGE_OFFSET 0x1000       /* in the CPU's area */
#define TSS_OFFSET       0x800        /* in the descriptor page */

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t iomap_base;              /* beyond the limit: no port is open to ring 3 */
} PACKED;
_Static_assert(sizeof(struct tss) == 104, "SDM vol. 3, figure 7-11");

struct idt_gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_mid;
    uint32_t offset_high;
    uint32_t reserved;
};
_Static_assert(sizeof(struct idt_gate) == 16, "SDM vol. 3, figure 6-8");

struct table_ptr {
    uint16_t limit;
    uint64_t base;
} PACKED;

#define GATE_INTERRUPT 0x8e
#define GATE_DPL3      0x60

/* IST numbers are indices into entry_ist[] plus one; the stacks lie at the bottom of the stack block. */
static const struct { uint8_t vector; uint8_t stack; } ist_gates[] = {
    { TRAP_DB, 3 }, { TRAP_NMI, 1 }, { TRAP_DF, 0 }, { TRAP_MC, 2 },
};

static struct idt_gate idt[256] ALIGNED(4096);

extern const char entry_stubs[];
extern const uint64_t entry_ist[];
void entry_syscall(void);
void entry_cstar(void);
void entry_sysenter(void);

static uint64_t area(unsigned cpu)
{
    return PERCPU_AREA_START + (uint64_t)cpu * PERCPU_AREA_SIZE;
}

static uint64_t *gdt_slot(unsigned cpu, unsigned selector)
{
    return (uint64_t *)(area(cpu) + DESC_PAGE_OFFSET) + ((selector & ~7u) - GDT_RESERVED_BYTE) / 8;
}

static void set_system_descriptor(unsigned cpu, unsigned selector, uint64_t base, uint32_t limit, uint64_t type)
{
    uint64_t *slot = gdt_slot(cpu, selector);

    slot[0] = (limit & 0xffff) | (base & 0xffffff) << 16 | (type | 0x80) << 40 |
              (uint64_t)(limit & 0xf0000) << 32 | (base >> 24 & 0xff) << 56;
    slot[1] = base >> 32;
}

/* The flat segments, accessed bits set: nobody ever writes these descriptors. */
static const struct { uint16_t selector; uint64_t descriptor; } flat_segments[] = {
    { SEL_HYP_CS,           0x00af9b000000ffff },
    { SEL_HYP_DS,           0x00cf93000000ffff },
    { FLAT_RING3_CS32,      0x00cffb000000ffff },
    { FLAT_RING3_DS32,      0x00cff3000000ffff },
    { FLAT_RING3_CS64,      0x00affb000000ffff },
};

static void build_descriptor_page(unsigned cpu)
{
    struct tss *tss = (struct tss *)(area(cpu) + DESC_PAGE_OFFSET + TSS_OFFSET);
    uint64_t stacks = area(cpu) + CPU_STACK_OFFSET;

    for (unsigned i = 0; i < ARRAY_SIZE(flat_segments); i++)
        *gdt_slot(cpu, flat_segments[i].selector) = flat_segments[i].descriptor;
    memset(tss, 0, sizeof(*tss));
    tss->rsp[0] = (uint64_t)&cpu_info_of(cpu)->guest_regs.es;
    for (unsigned i = 0; i < ARRAY_SIZE(ist_gates); i++)
        tss->ist[i] = stacks + (ist_gates[i].stack + 1u) * IST_STACK_SIZE;
    tss->iomap_base = sizeof(*tss);
    set_system_descriptor(cpu, SEL_TSS, (uint64_t)tss, sizeof(*tss) - 1, 9);
}

static void set_gate(unsigned vector, uint64_t address, unsigned ist, unsigned dpl3)
{
    idt[vector] = (struct idt_gate){
        .offset_low = (uint16_t)address, .offset_mid = (uint16_t)(address >> 16),
        .offset_high = (uint32_t)(address >> 32), .selector = SEL_HYP_CS, .ist = (uint8_t)ist,
        .type = (uint8_t)(GATE_INTERRUPT | (dpl3 ? GATE_DPL3 : 0)),
    };
}

/* mov %rsp, frame.rsp(%rip); lea frame.rsp(%rip), %rsp; jmp target */
static void write_stub(unsigned cpu, uint8_t *at, uint64_t target)
{
    uint64_t slot = (uint64_t)&cpu_info_of(cpu)->guest_regs.rsp, here = (uint64_t)at;
    uint32_t to_slot = (uint32_t)(slot - (here + 7)), to_target = (uint32_t)(target - (here + 19));
    static const uint8_t code[] = { 0x48, 0x89, 0x25, 0, 0, 0, 0, 0x48, 0x8d, 0x25, 0, 0, 0, 0, 0xe9 };
    uint8_t *writable = mfn_to_virt(pte_mfn(*hyp_l1_entry(here)));

    writable += here & 0xfff;
    memcpy(writable, code, sizeof(code));
    memcpy(writable + 3, &to_slot, 4);
    to_slot -= 7;
    memcpy(writable + 10, &to_slot, 4);
    memcpy(writable + 15, &to_target, 4);
}

void descriptor_load_gdt(uint64_t window)
{
    struct table_ptr ptr = { GDT_LIMIT, window };

    if (!window)
        ptr.base = area(cpu_id()) + DESC_PAGE_OFFSET - GDT_RESERVED_BYTE;
    __asm__ volatile("lgdt %0" : : "m"(ptr));
}

void descriptor_load_ldt(uint64_t base, uint32_t entries)
{
    uint16_t selector = 0;

    if (entries) {
        set_system_descriptor(cpu_id(), SEL_LDT, base, entries * 8 - 1, 2);
        selector = SEL_LDT;
    }
    __asm__ volatile("lldt %0" : : "r"(selector));
}

mfn_t descriptor_page_mfn(unsigned cpu)
{
    return pte_mfn(*hyp_l1_entry(area(cpu) + DESC_PAGE_OFFSET));
}

static void load_segments(void)
{
    __asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:"
                     : : "i"(SEL_HYP_CS) : "rax", "memory");
    __asm__ volatile("movl %0, %%ss" : : "r"(SEL_HYP_DS));
    __asm__ volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%fs; movl %0, %%gs" : : "r"(0));
}

void descriptor_cpu_init(void)
{
    unsigned cpu = cpu_id();
    uint8_t *stub = (uint8_t *)(area(cpu) + CPU_STUB_OFFSET);
    struct table_ptr idt_ptr = { sizeof(idt) - 1, (uint64_t)idt };

    /* Once: a CPU that runs already must not meet an NMI's gate without its stack. */
    if (!idt[0].selector)
        for (unsigned v = 0; v < ARRAY_SIZE(idt); v++)
            set_gate(v, (uint64_t)entry_stubs + v * 16, 0, v == TRAP_BP || v == TRAP_OF || v == 0x80);
    for (unsigned i = 0; i < ARRAY_SIZE(ist_gates); i++)
        set_gate(ist_gates[i].vector, entry_ist[i], i + 1, 0);
    build_descriptor_page(cpu);
    descriptor_load_gdt(0);
    load_segments();
    __asm__ volatile("lidt %0" : : "m"(idt_ptr));
    __asm__ volatile("ltr %0" : : "r"((uint16_t)SEL_TSS));
    __asm__ volatile("lldt %0" : : "r"((uint16_t)0));

    write_stub(cpu, stub, (uint64_t)entry_syscall);
    write_stub(cpu, stub + 32, (uint64_t)entry_cstar);
    wrmsr(MSR_STAR, (uint64_t)(FLAT_RING3_CS32) << 48 | (uint64_t)SEL_HYP_CS << 32);
    wrmsr(MSR_LSTAR, (uint64_t)stub);
    wrmsr(MSR_CSTAR, (uint64_t)(stub + 32));
    wrmsr(MSR_SFMASK, X86_RFLAGS_IF | X86_RFLAGS_TF | X86_RFLAGS_DF | X86_RFLAGS_AC | X86_RFLAGS_NT |
                          X86_RFLAGS_IOPL | X86_RFLAGS_RF);
    wrmsr(MSR_SYSENTER_CS, SEL_HYP_CS);
    wrmsr(MSR_SYSENTER_ESP, (uint64_t)&cpu_info_of(cpu)->guest_regs.es);
    wrmsr(MSR_SYSENTER_EIP, (uint64_t)entry_sysenter);
}
