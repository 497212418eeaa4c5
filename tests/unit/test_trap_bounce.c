// SPDX-License-Identifier: MIT
// Entering a PV kernel and coming back: the frames' layout word by word, flags, event mask, stacks, and
// the guests that make it impossible.
#include "unit_main.h"

#include <stdarg.h>

#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "cpu/guest_frame.h"
#include "cpu/upcall.h"
#include "fake_machine.h"
#include "pv/pv_domain.h"

#define HANDLER      0xffffffff81001000u
#define USER_RIP     0x401000u
#define USER_RSP     0x7ffdeadbee8u
#define KERNEL_CR3   0x111000u
#define USER_CR3     0x222000u
#define IF           UINT64_C(0x200)
#define MBS          UINT64_C(2)

uint64_t fake_cr3;
unsigned fake_swaps;
uint16_t fake_selectors[4] = { 0x2b, 0x33, 0x3b, 0x43 };

static struct pv_domain domain;
static struct pv_vcpu v;
static struct vcpu_info info;
static struct cpu_user_regs regs;
static uint64_t stack[64] __attribute__((aligned(16)));
static unsigned crashes, softirqs;

void domain_crash(struct domain *d, const char *why, ...)
{
    CU_ASSERT_PTR_EQUAL(d, &domain.domain);
    CU_ASSERT_PTR_NOT_NULL(why);
    crashes++;
}

void softirq_raise(enum softirq nr)
{
    CU_ASSERT_EQUAL(nr, SOFTIRQ_VCPU);
    softirqs++;
}

size_t guest_copy_raw(void *to, const void *from, size_t size)
{
    if ((uintptr_t)to < FAKE_BAD_STACK || (uintptr_t)from < FAKE_BAD_STACK)
        return size;
    memcpy(to, from, size);
    return 0;
}

static uint64_t stack_top(void)
{
    return (uint64_t)(uintptr_t)(stack + 64);
}

// A vCPU in user mode, events unmasked, with the values that every word of a frame is told apart by.
static void start(bool in_kernel)
{
    memset(&domain, 0, sizeof(domain));
    memset(&v, 0, sizeof(v));
    memset(&info, 0, sizeof(info));
    memset(stack, 0xee, sizeof(stack));
    v.vcpu.domain = &domain.domain;
    v.vcpu.vcpu_info = &info;
    v.in_kernel = in_kernel;
    v.cr3_kernel = KERNEL_CR3;
    v.cr3_user = USER_CR3;
    v.kernel_sp = stack_top();
    for (unsigned i = 0; i < 32; i++)
        v.traps[i] = (struct trap_info){ .address = HANDLER + 16 * i };
    regs = (struct cpu_user_regs){ .rip = USER_RIP, .cs = 0x33, .rflags = IF | MBS | 1, .rsp = USER_RSP,
                                   .ss = 0x2b, .rcx = 0xc, .r11 = 0xb };
    if (in_kernel) {
        regs.cs = FLAT_KERNEL_CS;
        regs.ss = FLAT_KERNEL_SS;
        regs.rsp = stack_top() - 5;
    }
    fake_current[0] = &v.vcpu;
    fake_guest_regs[0] = &regs;
    fake_cr3 = 0;
    fake_swaps = 0;
    crashes = 0;
    softirqs = 0;
}

static const uint64_t *frame(void)
{
    return (const uint64_t *)(uintptr_t)regs.rsp;
}

static void check_entry(uint64_t address)
{
    CU_ASSERT_EQUAL(crashes, 0);
    CU_ASSERT_EQUAL(regs.rip, address);
    CU_ASSERT_EQUAL(regs.cs, FLAT_KERNEL_CS);
    CU_ASSERT_EQUAL(regs.ss, FLAT_KERNEL_SS);
    CU_ASSERT_EQUAL(regs.entry_vector, ENTRY_SYSCALL);
    CU_ASSERT_EQUAL(v.in_kernel, 1);
}

static void from_user_without_error(void)
{
    start(false);
    pv_inject_trap(&regs, TRAP_UD, 0x77, 0);
    check_entry(HANDLER + 16 * TRAP_UD);
    CU_ASSERT_EQUAL(regs.rsp, stack_top() - 7 * 8);
    CU_ASSERT_EQUAL(frame()[0], 0xc);
    CU_ASSERT_EQUAL(frame()[1], 0xb);
    CU_ASSERT_EQUAL(frame()[2], USER_RIP);
    CU_ASSERT_EQUAL(frame()[3], 0x33);
    CU_ASSERT_EQUAL(frame()[4], IF | MBS | 1);
    CU_ASSERT_EQUAL(frame()[5], USER_RSP);
    CU_ASSERT_EQUAL(frame()[6], 0x2b);
    CU_ASSERT_EQUAL(fake_cr3, KERNEL_CR3);
    CU_ASSERT_EQUAL(fake_swaps, 1);
    CU_ASSERT_EQUAL(info.evtchn_upcall_mask, 0);
}

static void from_kernel_with_error(void)
{
    start(true);
    info.evtchn_upcall_mask = 1;
    pv_inject_trap(&regs, TRAP_GP, 0x1234, BOUNCE_ERROR_CODE);
    check_entry(HANDLER + 16 * TRAP_GP);
    CU_ASSERT_EQUAL(regs.rsp, stack_top() - 16 - 8 * 8);
    CU_ASSERT_EQUAL(frame()[0], 0xc);
    CU_ASSERT_EQUAL(frame()[1], 0xb);
    CU_ASSERT_EQUAL(frame()[2], 0x1234);
    CU_ASSERT_EQUAL(frame()[3], USER_RIP);
    CU_ASSERT_EQUAL(frame()[4], (FLAT_KERNEL_CS & ~3u) | UINT64_C(1) << 32);
    CU_ASSERT_EQUAL(frame()[5], MBS | 1);
    CU_ASSERT_EQUAL(frame()[6], stack_top() - 5);
    CU_ASSERT_EQUAL(frame()[7], FLAT_KERNEL_SS);
    CU_ASSERT_EQUAL(fake_swaps, 0);
}

static void flags(void)
{
    start(false);
    domain.domain.vm_assist = 1u << VMASST_TYPE_architectural_iopl;
    v.iopl = 1;
    regs.rflags = 0x254fd7 | IF;
    v.traps[TRAP_DB].flags = TI_MASK_EVENTS;
    pv_inject_trap(&regs, TRAP_DB, 0, 0);
    CU_ASSERT_EQUAL(frame()[4], 0x255fd7);
    CU_ASSERT_EQUAL(regs.rflags, 0x254fd7 & ~UINT64_C(0x54500));
    CU_ASSERT_EQUAL(info.evtchn_upcall_mask, 1);
    start(false);
    v.iopl = 1;
    pv_inject_trap(&regs, TRAP_DB, 0, 0);
    CU_ASSERT_EQUAL(frame()[4] & X86_RFLAGS_IOPL, 0);
}

static void page_faults(void)
{
    start(false);
    pv_inject_page_fault(&regs, 0xabc123, PFEC_USER | PFEC_WRITE);
    check_entry(HANDLER + 16 * TRAP_PF);
    CU_ASSERT_EQUAL(info.arch.cr2, 0xabc123);
    CU_ASSERT_EQUAL(frame()[2], PFEC_USER | PFEC_WRITE);
    start(true);
    pv_inject_page_fault(&regs, 0xabc123, PFEC_USER | PFEC_WRITE);
    CU_ASSERT_EQUAL(frame()[2], PFEC_WRITE);
}

static void impossible(void)
{
    start(false);
    v.traps[TRAP_UD].address = 0;
    pv_inject_trap(&regs, TRAP_UD, 0, 0);
    CU_ASSERT_EQUAL(crashes, 1);

    static const uint64_t bad[] = { 0, 64, 0x8000, HYP_VIRT_START + 0x1000, HYP_VIRT_END - 8, HYP_VIRT_END + 8,
                                    0x0000900000000000 };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        start(false);
        v.kernel_sp = bad[i];
        pv_inject_trap(&regs, TRAP_PF, 0, BOUNCE_ERROR_CODE);
        CU_ASSERT_EQUAL(crashes, 1);
        CU_ASSERT_EQUAL(regs.rip, USER_RIP);
    }
}

static void system_calls(void)
{
    start(false);
    v.syscall_cb = pv_entry(HANDLER, true);
    regs.entry_vector = ENTRY_SYSCALL;
    upcall_guest_syscall(&regs);
    check_entry(HANDLER);
    CU_ASSERT_EQUAL(info.evtchn_upcall_mask, 1);
    CU_ASSERT_EQUAL(frame()[2], USER_RIP);

    start(false);
    v.syscall32_cb.address = HANDLER + 1;
    regs.entry_vector = ENTRY_CSTAR;
    upcall_guest_syscall(&regs);
    check_entry(HANDLER + 1);

    start(false);
    v.sysenter_cb.address = HANDLER + 2;
    regs.entry_vector = ENTRY_SYSENTER;
    upcall_guest_syscall(&regs);
    check_entry(HANDLER + 2);
    CU_ASSERT_EQUAL(info.evtchn_upcall_mask, 0);
}

static void system_calls_refused(void)
{
    start(false);
    regs.entry_vector = ENTRY_SYSCALL;
    upcall_guest_syscall(&regs);
    check_entry(HANDLER + 16 * TRAP_UD);
    CU_ASSERT_EQUAL(frame()[2], USER_RIP - 2);
    start(false);
    regs.entry_vector = ENTRY_SYSENTER;
    upcall_guest_syscall(&regs);
    check_entry(HANDLER + 16 * TRAP_GP);
    CU_ASSERT_EQUAL(frame()[2], 0);
}

static void events(void)
{
    start(false);
    v.event_cb.address = HANDLER;
    pv_deliver_pending(&v, &regs);
    CU_ASSERT_EQUAL(regs.rip, USER_RIP);
    info.evtchn_upcall_pending = 1;
    info.evtchn_upcall_mask = 1;
    pv_deliver_pending(&v, &regs);
    CU_ASSERT_EQUAL(regs.rip, USER_RIP);
    info.evtchn_upcall_mask = 0;
    pv_deliver_pending(&v, &regs);
    check_entry(HANDLER);
    CU_ASSERT_EQUAL(info.evtchn_upcall_mask, 1);
    CU_ASSERT_EQUAL(frame()[3] >> 32, 0);
    v.event_cb.address = 0;
    info.evtchn_upcall_mask = 0;
    pv_deliver_pending(&v, &regs);
    CU_ASSERT_EQUAL(info.evtchn_upcall_mask, 0);
}

// The NMI's handler runs before the event's, and only one NMI at a time.
static void nmi(void)
{
    start(false);
    v.event_cb.address = HANDLER;
    v.nmi_cb.address = HANDLER + 3;
    info.evtchn_upcall_pending = 1;
    v.nmi_pending = 1;
    pv_deliver_pending(&v, &regs);
    check_entry(HANDLER + 3);
    CU_ASSERT_EQUAL(frame()[2], HANDLER);
    CU_ASSERT_EQUAL(v.nmi_masked, 1);
    v.nmi_pending = 1;
    regs.rip = 5;
    pv_deliver_pending(&v, &regs);
    CU_ASSERT_EQUAL(regs.rip, 5);
    CU_ASSERT_EQUAL(v.nmi_pending, 1);
}

static void failsafe(void)
{
    start(false);
    v.failsafe_cb.address = HANDLER;
    upcall_bad_iret(&regs);
    check_entry(HANDLER);
    CU_ASSERT_EQUAL(regs.rsp, stack_top() - 11 * 8);
    CU_ASSERT_EQUAL(frame()[0], 0xc);
    CU_ASSERT_EQUAL(frame()[1], 0xb);
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(frame()[2 + i], fake_selectors[i]);
    CU_ASSERT_EQUAL(frame()[6], USER_RIP);
    CU_ASSERT_EQUAL(frame()[10], 0x2b);
    start(false);
    upcall_bad_iret(&regs);
    CU_ASSERT_EQUAL(crashes, 1);
    start(false);
    v.failsafe_cb.address = HANDLER;
    v.kernel_sp = 0x4000;
    upcall_bad_iret(&regs);
    CU_ASSERT_EQUAL(crashes, 1);
}

static struct iret_context *iret_frame(void)
{
    struct iret_context *c = (struct iret_context *)(stack + 8);

    *c = (struct iret_context){ .rax = 0xa, .r11 = 0x11, .rcx = 0x12, .rip = USER_RIP, .cs = 0x33,
                                .rflags = IF | MBS, .rsp = USER_RSP, .ss = 0x2b };
    regs.rsp = (uint64_t)(uintptr_t)c;
    regs.entry_vector = ENTRY_SYSCALL;
    return c;
}

static void iret_to_user(void)
{
    start(true);
    info.evtchn_upcall_mask = 1;
    (void)iret_frame();
    CU_ASSERT_EQUAL(do_iret(0, 0, 0, 0, 0), 0xa);
    CU_ASSERT_EQUAL(crashes, 0);
    CU_ASSERT_EQUAL(v.in_kernel, 0);
    CU_ASSERT_EQUAL(fake_cr3, USER_CR3);
    CU_ASSERT_EQUAL(fake_swaps, 1);
    CU_ASSERT_EQUAL(regs.entry_vector & ENTRY_SYSCALL, 0);
    CU_ASSERT_EQUAL(regs.rip, USER_RIP);
    CU_ASSERT_EQUAL(regs.cs, 0x33);
    CU_ASSERT_EQUAL(regs.ss, 0x2b);
    CU_ASSERT_EQUAL(regs.rsp, USER_RSP);
    CU_ASSERT_EQUAL(regs.rcx, 0x12);
    CU_ASSERT_EQUAL(regs.r11, 0x11);
    CU_ASSERT_EQUAL(info.evtchn_upcall_mask, 0);
}

static void iret_to_kernel(void)
{
    start(true);
    struct iret_context *c = iret_frame();
    c->cs = 0xe030;
    c->ss = 0;
    c->rflags = MBS;
    CU_ASSERT_EQUAL(do_iret(0, 0, 0, 0, 0), 0xa);
    CU_ASSERT_EQUAL(v.in_kernel, 1);
    CU_ASSERT_EQUAL(fake_swaps, 0);
    CU_ASSERT_EQUAL(regs.cs, FLAT_KERNEL_CS);
    CU_ASSERT_EQUAL(regs.ss, FLAT_KERNEL_SS);
    CU_ASSERT(regs.rflags & IF);
    CU_ASSERT_EQUAL(info.evtchn_upcall_mask, 1);
}

// Whatever flags and selectors the frame has, the real ones have IF, IOPL 0, no virtual-8086 mode, RPL 3.
static void iret_hostile(void)
{
    for (unsigned i = 0; i < 64; i++) {
        start(true);
        domain.domain.vm_assist = 1u << VMASST_TYPE_architectural_iopl;
        struct iret_context *c = iret_frame();
        c->rflags = UINT64_C(1) << i;
        c->cs = i;
        (void)do_iret(0, 0, 0, 0, 0);
        CU_ASSERT_EQUAL(regs.rflags & (IF | MBS), IF | MBS);
        CU_ASSERT_EQUAL(regs.rflags & ~UINT64_C(0x254dd5) & ~(IF | MBS), 0);
        CU_ASSERT_EQUAL(regs.cs & 3, 3);
        CU_ASSERT_EQUAL(v.iopl, i == 12 ? 1 : i == 13 ? 2 : 0);
    }
}

static void iret_by_sysret(void)
{
    start(true);
    struct iret_context *c = iret_frame();
    c->flags = VGCF_in_syscall;
    (void)do_iret(0, 0, 0, 0, 0);
    CU_ASSERT_EQUAL(regs.entry_vector, ENTRY_SYSCALL);
    CU_ASSERT_EQUAL(regs.cs, FLAT_USER_CS);
    // The value that asks entry.S for a restart must not be taken for one.
    start(true);
    c = iret_frame();
    c->flags = VGCF_in_syscall;
    c->rax = (uint64_t)HYPERCALL_RESTART;
    CU_ASSERT_EQUAL(do_iret(0, 0, 0, 0, 0), HYPERCALL_RESTART);
    CU_ASSERT_EQUAL(regs.entry_vector & ENTRY_SYSCALL, 0);
}

static void iret_refused(void)
{
    start(true);
    regs.rsp = 0x100;
    (void)do_iret(0, 0, 0, 0, 0);
    CU_ASSERT_EQUAL(crashes, 1);
    start(true);
    regs.rsp = HYP_VIRT_START - 8;
    (void)do_iret(0, 0, 0, 0, 0);
    CU_ASSERT_EQUAL(crashes, 1);
    start(true);
    (void)iret_frame();
    v.cr3_user = 0;
    (void)do_iret(0, 0, 0, 0, 0);
    CU_ASSERT_EQUAL(crashes, 1);
    CU_ASSERT_EQUAL(v.in_kernel, 1);
}

static void iret_ends_nmi(void)
{
    start(true);
    (void)iret_frame();
    v.nmi_masked = 1;
    (void)do_iret(0, 0, 0, 0, 0);
    CU_ASSERT_EQUAL(v.nmi_masked, 0);
    CU_ASSERT_EQUAL(softirqs, 0);
    start(true);
    (void)iret_frame();
    v.nmi_masked = 1;
    v.nmi_pending = 1;
    (void)do_iret(0, 0, 0, 0, 0);
    CU_ASSERT_EQUAL(softirqs, 1);
}

static const struct unit_test tests[] = {
    { "from_user_without_error", from_user_without_error },
    { "from_kernel_with_error", from_kernel_with_error },
    { "flags", flags },
    { "page_faults", page_faults },
    { "impossible", impossible },
    { "system_calls", system_calls },
    { "system_calls_refused", system_calls_refused },
    { "events", events },
    { "nmi", nmi },
    { "failsafe", failsafe },
    { "iret_to_user", iret_to_user },
    { "iret_to_kernel", iret_to_kernel },
    { "iret_hostile", iret_hostile },
    { "iret_by_sysret", iret_by_sysret },
    { "iret_refused", iret_refused },
    { "iret_ends_nmi", iret_ends_nmi },
    { NULL, NULL },
};

int main(void)
{
    return unit_main("trap_bounce", tests);
}
