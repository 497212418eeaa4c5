// SPDX-License-Identifier: MIT
/*
 * Faults of the kernel itself: each one comes back to the guest's own handler with the vector, the
 * error code and the address that the processor would have given it.
 * Why: a kernel's exception tables, debugger and lazy mappings stand on this.
 */
#include "kit/kit.h"

static void page_fault_absent(void)
{
    char *va = window();

    TRY("movb (%0), %%al", : "r"(va) : "rax", "memory");
    check_fault(14, 0, "read of an absent page");
    CHECK_EQ(fault.cr2, va);
    TRY("movb %%al, (%0)", : "r"(va + 123) : "memory");
    check_fault(14, 2, "write of an absent page");
    CHECK_EQ(fault.cr2, va + 123);
}

static void page_fault_readonly(void)
{
    char *va = page_alloc();

    page_protect(va, false);
    TRY("movb $1, (%0)", : "r"(va) : "memory");
    check_fault(14, 3, "write of a read-only page");
    CHECK_EQ(fault.cr2, va);
    CHECK_EQ(va[0], 0);
    page_protect(va, true);
    TRY("movb $1, (%0)", : "r"(va) : "memory");
    check_fault(-1, -1, "write of a writable page");
    CHECK_EQ(va[0], 1);
    page_free(va);
}

static void page_fault_noexec(void)
{
    uint8_t *va = window();
    uint8_t *page = page_alloc();

    page[0] = 0xc3;
    CHECK_EQ(pte_set(va, va_to_machine(page) | PTE_RO | PTE_NX), 0);
    TRY("jmp *%0", : "r"(va) : "memory");
    CHECK_EQ(fault.vector, 14);
    CHECK_EQ(fault.error & ~4ul, 0x11);
    CHECK_EQ(fault.cr2, va);
    pte_set(va, 0);
    page_free(page);
}

static void page_fault_hypervisor(void)
{
    static const uint64_t where[] = { 0xffff820000000000, 0xffff830000000000, 0xffff87ffffffffff };

    for (int i = 0; i < 3; i++) {
        TRY("movb (%0), %%al", : "r"(where[i]) : "rax", "memory");
        CHECK_EQ(fault.vector, 14);
        CHECK_EQ(fault.cr2, where[i]);
        TRY("movb %%al, (%0)", : "r"(where[i]) : "memory");
        CHECK_EQ(fault.vector, 14);
        CHECK_EQ(fault.error & 2, 2);
    }
}

static void machine_to_phys(void)
{
    const unsigned long *m2p = (const unsigned long *)MACH2PHYS_VIRT_START;

    CHECK_EQ(m2p[p2m[5]], 5);
    TRY("movq %%rax, (%0)", : "r"(m2p + p2m[5]) : "memory");
    CHECK_EQ(fault.vector, 14);
    CHECK_EQ(m2p[p2m[5]], 5);
}

static void noncanonical(void)
{
    TRY("movb (%0), %%al", : "r"(0x800000000000ul) : "rax", "memory");
    check_fault(13, 0, "read beyond the canonical range");
    TRY("movb %%al, (%0)", : "r"(0xffff7ffffffffffful) : "memory");
    check_fault(13, 0, "write beyond the canonical range");
    TRY("jmp *%0", : "r"(0x800000000000ul) : "memory");
    check_fault(13, 0, "jump beyond the canonical range");
}

static void undefined(void)
{
    TRY0("ud2");
    check_fault(6, 0, "ud2");
}

static void divide(void)
{
    TRY("xorl %%ecx, %%ecx; movl $1, %%eax; xorl %%edx, %%edx; divl %%ecx", : : "rax", "rcx", "rdx");
    check_fault(0, 0, "division by zero");
}

static void breakpoint(void)
{
    TRY0("int3");
    check_fault(3, 0, "int3");
}

/*
 * QEMU 7.2 reports a blocked int n as 16n+2 and not 8n+2. Xen takes the number from there, so it
 * finds vector 2n; the instruction itself tells the truth, and we read that.
 */
static void soft_interrupt(void)
{
    TRY0("int $0x80");
    CHECK_EQ(fault.vector, 0x80);
    trap_table_set(0x04, 3, false);
    TRY0("int $0x82");
    check_eq_xen(fault.vector, 0x82, 0x04, "int 0x82", "QEMU 7.2's error code");
    TRY0("int $0x41");
    check_eq_xen(fault.vector, 13, 0x82, "int 0x41", "QEMU 7.2's error code");
    /* No handler for this one. */
    TRY0("int $0x90");
    CHECK_EQ(fault.vector, 13);
    check_eq_xen((long)fault.error, 0x90 * 8 + 2, 0x90 * 16 + 2, "int 0x90", "QEMU 7.2's error code");
}

/* For its software interrupts the kernel counts as ring 1: a gate of DPL 0 refuses it. */
static void soft_interrupt_dpl(void)
{
    for (int dpl = 0; dpl < 4; dpl++) {
        trap_table_set(0x82, dpl, false);
        if (on_xen)
            TRY0("int $0x41");          /* what Xen takes for int 0x82 here, see above */
        else
            TRY0("int $0x82");
        CHECK_EQ(fault.vector, dpl ? 0x82 : 13);
    }
    CHECK_EQ(fault.error, 0);
}

static void single_step(void)
{
    TRY("pushf; orl $0x100, (%%rsp); popf; nop; nop", : : "memory", "cc");
    CHECK_EQ(fault.vector, 1);
    CHECK(fault.rflags & 0x100);
    __asm__ volatile("pushf; andl $~0x100, (%%rsp); popf" : : : "memory", "cc");
    CHECK(hyp_get_debugreg(6) & 0x4000);
    hyp_set_debugreg(6, 0xffff0ff0);
}

static void device_not_available(void)
{
    CHECK_EQ(hyp_fpu_taskswitch(1), 0);
    TRY0("fninit");
    check_fault(7, 0, "fninit with TS set");
    /* Delivering #NM clears TS. */
    TRY0("fninit");
    check_fault(-1, -1, "fninit after #NM");
    CHECK_EQ(hyp_fpu_taskswitch(1), 0);
    CHECK_EQ(hyp_fpu_taskswitch(0), 0);
    TRY0("fninit");
    check_fault(-1, -1, "fninit with TS clear");
}

static void stack_segment(void)
{
    TRY("movw %0, %%ss", : "r"((uint16_t)0xffff) : "memory");
    CHECK(fault.vector == 13);
    CHECK_EQ(fault.error, 0xfffc);
}

static void segment_load(void)
{
    /* A selector beyond the table: #GP names it. The hypervisor's own descriptors are out of reach. */
    TRY("movw %0, %%es", : "r"((uint16_t)0x1ffb) : "memory");
    CHECK_EQ(fault.vector, 13);
    CHECK_EQ(fault.error, 0x1ff8);
    for (unsigned int sel = 0xe000; sel < 0xe200; sel += 8) {
        uint16_t back;

        TRY("movw %0, %%es", : "r"((uint16_t)sel) : "memory");
        if (fault.vector < 0) {
            __asm__ volatile("movw %%es, %0" : "=r"(back));
            /* what loads must be a flat descriptor of ring 3 */
            CHECK(sel >= 0xe020 && sel <= 0xe03b);
        }
    }
    TRY("movw %0, %%es", : "r"((uint16_t)0) : "memory");
    check_fault(-1, -1, "null selector");
}

static void handler_sees_vcpu_masked(void)
{
    /* Vector 14's gate masks events, vector 6's does not; the frame tells the mask before it. */
    events_unmask();
    TRY0("ud2");
    CHECK_EQ(vcpu0_info->evtchn_upcall_mask, 0);
    events_mask();
    TRY0("ud2");
    CHECK_EQ(vcpu0_info->evtchn_upcall_mask, 1);
}

static uint8_t mask_in_handler;
static uint64_t cs_in_handler;

static int mask_hook(struct frame *f)
{
    mask_in_handler = vcpu0_info->evtchn_upcall_mask;
    cs_in_handler = f->cs;
    return 0;
}

static void gate_masks_events(void)
{
    frame_hook = mask_hook;
    events_unmask();
    TRY("movb (%0), %%al", : "r"(0xffffffffbff00000ul) : "rax", "memory");
    CHECK_EQ(fault.vector, 14);
    CHECK_EQ(mask_in_handler, 1);
    CHECK_EQ(cs_in_handler & 3, 0);
    CHECK_EQ(cs_in_handler >> 32 & 0xff, 0);
    CHECK_EQ(vcpu0_info->evtchn_upcall_mask, 0);
    TRY0("ud2");
    CHECK_EQ(mask_in_handler, 0);
    events_mask();
    TRY0("ud2");
    CHECK_EQ(mask_in_handler, 1);
    CHECK_EQ(cs_in_handler >> 32 & 0xff, 1);
}

static void flags_on_entry(void)
{
    /* The flags that would harm a handler are clear in it, and come back with iret. */
    TRY("pushf; orl $0x44500, (%%rsp); popf; ud2", : : "memory", "cc");
    __asm__ volatile("pushf; andl $~0x44500, (%%rsp); popf" : : : "memory", "cc");
    CHECK_EQ(entry_rflags & 0x4100, 0);
    CHECK_EQ(entry_rflags & 0x20000, 0);
}

TESTS("fault", TEST(page_fault_absent), TEST(page_fault_readonly), TEST(page_fault_noexec),
      TEST(page_fault_hypervisor), TEST(machine_to_phys), TEST(noncanonical), TEST(undefined), TEST(divide),
      TEST(breakpoint), TEST(soft_interrupt), TEST(soft_interrupt_dpl), TEST(single_step), TEST(device_not_available),
      TEST(stack_segment), TEST(segment_load), TEST(handler_sees_vcpu_masked), TEST(gate_masks_events),
      TEST(flags_on_entry));
