// SPDX-License-Identifier: MIT
/*
 * User mode: into it by HYPERVISOR_iret, out of it by system call, fault, software interrupt.
 * Why: kernel and user mode are both ring 3 here, so only the hypervisor keeps them apart. Frames
 * that no processor would load must come back as a fault of the guest and of nobody else.
 */
#include "kit/kit.h"

USER_CODE_BEGIN(call)
    "syscall\n"
    "ud2\n"
USER_CODE_END(call)

USER_CODE_BEGIN(probe)      /* reads or writes (rsi odd) where rdi points */
    "test $1, %sil\n"
    "jnz 1f\n"
    "movb (%rdi), %al\n"
    "syscall\n"
    "1: movb $1, (%rdi)\n"
    "syscall\n"
USER_CODE_END(probe)

USER_CODE_BEGIN(undefined)
    "ud2\n"
USER_CODE_END(undefined)

USER_CODE_BEGIN(soft)
    "cmp $0x80, %edi\n"
    "jne 1f\n"
    "int $0x80\n"
    "1: cmp $3, %edi\n"
    "jne 2f\n"
    "int3\n"
    "2: int $0x90\n"
USER_CODE_END(soft)

USER_CODE_BEGIN(privileged)
    "cmp $1, %edi\n"
    "je 1f\n"
    "cmp $2, %edi\n"
    "je 2f\n"
    "cmp $3, %edi\n"
    "je 3f\n"
    "cmp $4, %edi\n"
    "je 4f\n"
    "hlt\n"
    "1: cli\n"
    "2: inb $0x80, %al\n syscall\n"
    "3: mov %cr0, %rax\n"
    "4: mov $0xc0000080, %ecx\n rdmsr\n syscall\n"
USER_CODE_END(privileged)

USER_CODE_BEGIN(flags)      /* the flags in rdi, then a system call or (rsi) an undefined instruction */
    "push %rdi\n"
    "popf\n"
    "test %esi, %esi\n"
    "jnz 1f\n"
    "syscall\n"
    "1: ud2\n"
USER_CODE_END(flags)

USER_CODE_BEGIN(loop)
    "1: pause\n"
    "jmp 1b\n"
USER_CODE_END(loop)

static void syscall(void)
{
    struct frame f = user_frame();

    user_load_code(call);
    f.rax = 1234;
    f.rbx = 0x1111;
    f.r15 = 0xffff;
    f.rcx = 0xcccc;
    CHECK_EQ(user_run_frame(&f), VEC_SYSCALL);
    CHECK_EQ(user_exit.f.rip, USER_CODE + 2);
    CHECK_EQ(user_exit.f.rax, 1234);
    CHECK_EQ(user_exit.f.rbx, 0x1111);
    CHECK_EQ(user_exit.f.r15, 0xffff);
    CHECK_EQ(user_exit.f.rsp, USER_STACK_TOP);
    CHECK_EQ(user_exit.f.rflags & 0x200, 0x200);
    CHECK_EQ(user_exit.f.cs & 3, 3);
    CHECK_EQ(user_exit.f.ss & 3, 3);
}

/* A hypercall number in rax makes no hypercall of it: user mode has none. */
static void hypercall_refused(void)
{
    struct frame f = user_frame();

    user_load_code(call);
    for (uint64_t nr = 0; nr < 64; nr++) {
        f.rax = nr;
        f.rdi = 0;
        if (user_run_frame(&f) != VEC_SYSCALL || user_exit.f.rax != nr)
            CHECK_EQ(nr, -1);
    }
}

static void page_fault(void)
{
    user_load_code(probe);
    CHECK_EQ(user_run(0x600000, 0, 0x202), 14);
    CHECK_EQ(user_exit.f.error, 4);
    CHECK_EQ(user_exit.cr2, 0x600000);
    CHECK_EQ(user_run(0x600123, 1, 0x202), 14);
    CHECK_EQ(user_exit.f.error, 6);
    CHECK_EQ(user_exit.cr2, 0x600123);
    CHECK_EQ(user_run(USER_DATA, 1, 0x202), VEC_SYSCALL);
    CHECK_EQ(user_data[0], 1);
}

/* Neither the kernel nor the hypervisor is in reach. */
static void isolation(void)
{
    static const uint64_t where[] = { 0xffff820000000000, 0xffff830000000000, 0xffff83ffffffffff, 0 };

    user_load_code(probe);
    CHECK_EQ(user_run((uint64_t)&nr_pages, 0, 0x202), 14);
    CHECK_EQ(user_run((uint64_t)&nr_pages, 1, 0x202), 14);
    for (int i = 0; where[i]; i++) {
        CHECK_EQ(user_run(where[i], 0, 0x202), 14);
        CHECK_EQ(user_exit.cr2, where[i]);
        CHECK_EQ(user_run(where[i], 1, 0x202), 14);
    }
    CHECK_EQ(user_run(MACH2PHYS_VIRT_START, 1, 0x202), 14);
    CHECK_EQ(user_run(0x800000000000, 0, 0x202), 13);
}

static void exceptions(void)
{
    user_load_code(undefined);
    CHECK_EQ(user_run(0, 0, 0x202), 6);
    CHECK_EQ(user_exit.f.rip, USER_CODE);
    user_load_code(soft);
    CHECK_EQ(user_run(0x80, 0, 0x202), 0x80);
    CHECK_EQ(user_run(3, 0, 0x202), 3);
    CHECK_EQ(user_run(0, 0, 0x202), 13);
    check_eq_xen((long)user_exit.f.error, 0x90 * 8 + 2, 0x90 * 16 + 2, "int 0x90", "QEMU 7.2's error code");
}

static void int80_dpl(void)
{
    user_load_code(soft);
    trap_table_set(0x80, 0, false);
    check_eq_xen(user_run(0x80, 0, 0x202), 13, 0x80, "int 0x80 through a gate of DPL 0",
                 "Xen's short cut for this number leaves the gate's DPL out");
    check_eq_xen((long)user_exit.f.error, 0x80 * 8 + 2, 0, "its error code", "the same");
    check_eq_xen((long)user_exit.f.rip, USER_CODE + 8, USER_CODE + 10, "its address", "the same");
    trap_table_set(0x80, 3, false);
    CHECK_EQ(user_run(0x80, 0, 0x202), 0x80);
    CHECK_EQ(user_exit.f.rip, USER_CODE + 10);
}

static void privileged_refused(void)
{
    user_load_code(privileged);
    for (uint64_t i = 0; i < 5; i++) {
        CHECK_EQ(user_run(i, 0, 0x202), 13);
        CHECK_EQ(user_exit.f.error, 0);
    }
}

static void ports_by_iopl(void)
{
    struct physdev_set_iopl iopl = { 3 };

    user_load_code(privileged);
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    CHECK_EQ(user_run(2, 0, 0x202), VEC_SYSCALL);
    iopl.iopl = 1;
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    CHECK_EQ(user_run(2, 0, 0x202), 13);
    iopl.iopl = 4;
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_set_iopl, &iopl), -XEN_EINVAL);
    iopl.iopl = 0;
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
}

static void ports_by_bitmap(void)
{
    static uint8_t bitmap[8192];
    struct physdev_set_iobitmap b = { U64(bitmap), 65536 };

    user_load_code(privileged);
    memset(bitmap, 0xff, sizeof(bitmap));
    bitmap[0x80 / 8] &= (uint8_t)~(1u << 0x80 % 8);
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_set_iobitmap, &b), 0);
    CHECK_EQ(user_run(2, 0, 0x202), VEC_SYSCALL);
    b.nr_ports = 0x80;
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_set_iobitmap, &b), 0);
    CHECK_EQ(user_run(2, 0, 0x202), 13);
    b.nr_ports = 65537;
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_set_iobitmap, &b), -XEN_EINVAL);
    b.nr_ports = 0;
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_set_iobitmap, &b), 0);
}

/* XSA-44, -339: no flag that user mode sets may act in the hypervisor or in the kernel's handler. */
static void hostile_flags(void)
{
    static const uint64_t flags[] = { 0x4000, 0x40000, 0x400, 0x4400, 0x44400, 0x3000, 0x200000, 0x10000 };

    user_load_code(flags);
    for (unsigned int i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        for (uint64_t how = 0; how < 2; how++) {
            user_load_code(flags);
            CHECK_EQ(user_run(flags[i] | 0x202, how, 0x202), how ? 6 : VEC_SYSCALL);
            CHECK_EQ(entry_rflags & 0x14100, 0);        /* RF, NT, TF */
            CHECK_EQ(user_exit.f.rflags & 0x3000, 0);
            /* The frame tells what user mode had. */
            CHECK_EQ(user_exit.f.rflags & 0x44400, flags[i] & 0x44400);
        }
}

/* NT in the frame that iret loads must not make anybody's IRET a task switch. */
static void nt_through_iret(void)
{
    user_load_code(call);
    CHECK_EQ(user_run(0, 0, 0x4202), VEC_SYSCALL);
    CHECK_EQ(entry_rflags & 0x4000, 0);
    CHECK_EQ(user_exit.f.rflags & 0x4000, 0x4000);
}

/* The frame's IF is the vCPU's event mask turned round; the processor's own stays set. */
static void interrupt_flag_is_event_mask(void)
{
    struct frame f = user_frame();

    user_load_code(call);
    f.rflags = 2;
    CHECK_EQ(user_run_frame(&f), VEC_SYSCALL);
    CHECK_EQ(user_exit.f.rflags & 0x200, 0);
    CHECK_EQ(user_exit.f.cs >> 32 & 0xff, 1);
    CHECK_EQ(vcpu0_info->evtchn_upcall_mask, 1);
    f.rflags = 0x202;
    CHECK_EQ(user_run_frame(&f), VEC_SYSCALL);
    CHECK_EQ(user_exit.f.rflags & 0x200, 0x200);
    CHECK_EQ(user_exit.f.cs >> 32 & 0xff, 0);
    CHECK_EQ(vcpu0_info->evtchn_upcall_mask, 0);
    f.rflags = 0x3202;
    CHECK_EQ(user_run_frame(&f), VEC_SYSCALL);
    CHECK_EQ(user_exit.f.rflags & 0x3000, 0);
    f.rflags = 0x20202;         /* VM */
    CHECK_EQ(user_run_frame(&f), VEC_SYSCALL);
}

/* Single-stepping over the system call traps once, in user mode or in none, never in the hypervisor. */
static void single_step_syscall(void)
{
    int v;

    user_load_code(call);
    v = user_run(0, 0, 0x302);
    CHECK(v == VEC_SYSCALL || v == 1);
    CHECK_EQ(entry_rflags & 0x100, 0);
    hyp_set_debugreg(6, 0xffff0ff0);
}

static int frame_vector(struct frame f)
{
    user_load_code(call);
    return user_run_frame(&f);
}

/* XSA-7: a RIP that SYSRET would choke on. */
static void iret_noncanonical_rip(void)
{
    struct frame f = user_frame();

    f.rip = 0x800000000000;
    CHECK_EQ(frame_vector(f), 13);
    f.rip = 0xffff7fffffffffff;
    CHECK_EQ(frame_vector(f), 13);
    f.rip = 0x7fffffffffff;
    CHECK_EQ(frame_vector(f), 14);
}

/* The system call as the last instruction below the hole: the return address is not canonical. */
static void syscall_at_the_edge(void)
{
    uint64_t top = 0x7ffffffff000;
    uint64_t *l3 = page_alloc(), *l2 = page_alloc(), *l1 = page_alloc();
    uint8_t *code = page_alloc();
    struct frame f = user_frame();

    user_init();
    code[4094] = 0x0f;
    code[4095] = 0x05;
    l1[511] = va_to_machine(code) | PTE_RW | PTE_U;
    page_protect(l1, false);
    l2[511] = va_to_machine(l1) | PTE_RW | PTE_U;
    page_protect(l2, false);
    l3[511] = va_to_machine(l2) | PTE_RW | PTE_U;
    page_protect(l3, false);
    CHECK_EQ(mmu_write(va_to_machine(&l4_user[255]), va_to_machine(l3) | PTE_RW | PTE_U), 0);
    f.rip = top + 4094;
    CHECK_EQ(user_run_frame(&f), VEC_SYSCALL);
    CHECK_EQ(user_exit.f.rip, 0x800000000000);
    f.rip = user_exit.f.rip;
    CHECK_EQ(user_run_frame(&f), 13);
    CHECK_EQ(mmu_write(va_to_machine(&l4_user[255]), 0), 0);
}

static void iret_noncanonical_rsp(void)
{
    struct frame f = user_frame();
    int v;

    f.rsp = 0x800000000000;
    v = frame_vector(f);        /* the stack is not used before the system call */
    CHECK(v == VEC_SYSCALL || v == 13 || v == 12);
}

static void iret_bad_selectors(void)
{
    static const uint64_t cs[] = { 3, 0xe02b, 0xffff, 0xe007, 0x0b, 0xe00b };
    struct frame f = user_frame();
    int v;

    for (unsigned int i = 0; i < sizeof(cs) / sizeof(cs[0]); i++) {
        f.cs = cs[i];
        v = frame_vector(f);
        CHECK(v == 13 || v == VEC_FAILSAFE);
    }
    f = user_frame();
    f.ss = 0xe033;
    v = frame_vector(f);
    CHECK(v == 13 || v == VEC_FAILSAFE);
    f.ss = 0xffff;
    v = frame_vector(f);
    CHECK(v == 13 || v == VEC_FAILSAFE);
    f = user_frame();
    CHECK_EQ(frame_vector(f), VEC_SYSCALL);
}

/* A frame on a stack that cannot be read ends the domain: nothing else can be told to it. */
static void alone_iret_bad_stack(void)
{
    __asm__ volatile("mov %0, %%rsp\n\tmov $23, %%eax\n\tsyscall" : : "r"(0xffff830000000000ul));
}

static void alone_stack_switch_bad(void)
{
    user_load_code(call);
    hyp_stack_switch(FLAT_KERNEL_SS, 0xffff830000001000ul);
    user_run(0, 0, 0x202);
}

static void without_user_root(void)
{
    CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    user_load_code(call);
    CHECK_EQ(user_run(0, 0, 0x202), VEC_SYSCALL);
}

/* Segment bases: the user's GS is swapped away while the kernel runs, and FS is everybody's. */
USER_CODE_BEGIN(bases)
    "mov %fs:0, %rdi\n"
    "mov %gs:0, %rsi\n"
    "syscall\n"
USER_CODE_END(bases)

static void segment_bases(void)
{
    static uint64_t kernel_gs = 0x6b;
    uint64_t v;

    user_load_code(bases);
    ((uint64_t *)user_data)[0] = 0xf5;
    ((uint64_t *)user_data)[1] = 0x65;
    CHECK_EQ(hyp_set_segment_base(SEGBASE_FS, USER_DATA), 0);
    CHECK_EQ(hyp_set_segment_base(SEGBASE_GS_USER, USER_DATA + 8), 0);
    CHECK_EQ(hyp_set_segment_base(SEGBASE_GS_KERNEL, (uint64_t)&kernel_gs), 0);
    CHECK_EQ(user_run(0, 0, 0x202), VEC_SYSCALL);
    CHECK_EQ(user_exit.f.rdi, 0xf5);
    CHECK_EQ(user_exit.f.rsi, 0x65);
    __asm__ volatile("movq %%gs:0, %0" : "=r"(v));
    CHECK_EQ(v, 0x6b);
}

static void segment_base_refused(void)
{
    /* XSA-193: bases that are not canonical. */
    CHECK_EQ(hyp_set_segment_base(SEGBASE_FS, 0x800000000000), -XEN_EINVAL);
    CHECK_EQ(hyp_set_segment_base(SEGBASE_GS_USER, 0xffff7fffffffffff), -XEN_EINVAL);
    CHECK_EQ(hyp_set_segment_base(SEGBASE_GS_KERNEL, 0x8000000000000000), -XEN_EINVAL);
    CHECK_EQ(hyp_set_segment_base(4, 0), -XEN_EINVAL);
    CHECK_EQ(hyp_set_segment_base(-1, 0), -XEN_EINVAL);
    CHECK_EQ(hyp_set_segment_base(SEGBASE_GS_USER_SEL, 0), 0);
}

/* An event arrives in user mode: the kernel's handler runs, and user mode goes on. */
static void on_timer(void)
{
    frame_hook = NULL;
    user_leave(777);
}

static void upcall_from_user(void)
{
    int timer = event_bind_virq(VIRQ_TIMER, 0);
    struct frame f = user_frame();

    CHECK(timer > 0);
    event_masked((unsigned int)timer, false);
    user_load_code(loop);
    hyp_set_timer_op(now_ns() + 5000000);
    event_hook = on_timer;
    vcpu0_info->evtchn_upcall_mask = 0;
    CHECK_EQ(user_run_frame(&f), 777);
    events_mask();
    CHECK(event_pending((unsigned int)timer));
    event_clear((unsigned int)timer);
    shared_info->vcpu_info[0].evtchn_pending_sel = 0;
    event_close((unsigned int)timer);
}

TESTS("user", TEST(syscall), TEST(hypercall_refused), TEST(page_fault), TEST(isolation), TEST(exceptions),
      TEST(int80_dpl), TEST(privileged_refused), TEST(ports_by_iopl), TEST(ports_by_bitmap),
      TEST(hostile_flags), TEST(nt_through_iret), TEST(interrupt_flag_is_event_mask), TEST(single_step_syscall),
      TEST(iret_noncanonical_rip), TEST(syscall_at_the_edge), TEST(iret_noncanonical_rsp),
      TEST(iret_bad_selectors), TEST(alone_iret_bad_stack), TEST(alone_stack_switch_bad),
      TEST(without_user_root), TEST(segment_bases), TEST(segment_base_refused), TEST(upcall_from_user));
