// SPDX-License-Identifier: MIT
/*
 * The hypercall door itself: numbers there are not, both ways in, registers kept, and every call with
 * every kind of pointer.
 * Why: this is the widest surface there is; an argument nobody thought of comes through here.
 */
#include "kit/kit.h"

static void unknown_numbers(void)
{
    static const uint64_t nrs[] = { 11, 43, 44, 45, 46, 47, 56, 60, 62, 63, 64, 65, 255, 256, 0x7fffffff,
                                    0x80000000, 0xffffffff, 0x100000000, 0x1000000000000011, ~0ul };

    for (unsigned int i = 0; i < sizeof(nrs) / sizeof(nrs[0]); i++)
        check_eq(hypercall_raw(nrs[i], 0, 0, 0), -XEN_ENOSYS, "a number there is not");
}

static void privileged_or_absent(void)
{
    static const uint64_t nrs[] = { __HYPERVISOR_hvm_op, __HYPERVISOR_tmem_op,
                                    __HYPERVISOR_argo_op, __HYPERVISOR_xenpmu_op, __HYPERVISOR_dm_op,
                                    __HYPERVISOR_hypfs_op, __HYPERVISOR_xenoprof_op, __HYPERVISOR_domctl,
                                    __HYPERVISOR_sysctl, __HYPERVISOR_xsm_op };

    for (unsigned int i = 0; i < sizeof(nrs) / sizeof(nrs[0]); i++)
        CHECK(hypercall_raw(nrs[i], ~0ul, 0xffff830000000000, 0xffff830000000000) < 0);
}

/* The upper half of the number's register counts or does not; it may not pass for another call. */
static void both_doors(void)
{
    CHECK_EQ(hypercall_raw(__HYPERVISOR_xen_version, XENVER_version, 0, 0), 4 << 16 | 17);
    CHECK_EQ(hypercall(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0, 0), 4 << 16 | 17);
}

static void registers_kept(void)
{
    uint64_t rbx = 0x1111, rbp, r12, r13, r14, r15, r9;
    long rc;

    __asm__ volatile("push %%rbp\n\tmov $0x2222, %%rbp\n\tmov $0x3333, %%r12\n\tmov $0x4444, %%r13\n\t"
                     "mov $0x5555, %%r14\n\tmov $0x6666, %%r15\n\tmov $0x7777, %%r9\n\txor %%edi, %%edi\n\t"
                     "mov $17, %%eax\n\tsyscall\n\t"
                     "mov %%rbp, %%rdx\n\tpop %%rbp\n\tmov %%r12, %%rsi\n\tmov %%r13, %%rcx"
                     : "=a"(rc), "+b"(rbx), "=d"(rbp), "=S"(r12), "=c"(r13) : : "r12", "r13", "r14", "r15", "r9",
                     "r10", "r8", "r11", "rdi", "memory");
    __asm__ volatile("mov %%r14, %0\n\tmov %%r15, %1\n\tmov %%r9, %2" : "=r"(r14), "=r"(r15), "=r"(r9));
    CHECK_EQ(rc, 4 << 16 | 17);
    CHECK_EQ(rbx, 0x1111);
    CHECK_EQ(rbp, 0x2222);
    CHECK_EQ(r12, 0x3333);
    CHECK_EQ(r13, 0x4444);
}

static void flags_kept(void)
{
    uint64_t flags = 0;

    /* DF, NT, AC set across a call: neither acts in the hypervisor, and all come back. */
    __asm__ volatile("pushf\n\torl $0x44400, (%%rsp)\n\tpopf\n\t"
                     "xor %%edi, %%edi\n\tmov $17, %%eax\n\tsyscall\n\t"
                     "pushf\n\tpop %0\n\tpushf\n\tandl $~0x44400, (%%rsp)\n\tpopf"
                     : "=r"(flags) : : "rax", "rcx", "r11", "rdi", "rdx", "rsi", "r8", "r9", "r10", "memory", "cc");
    CHECK_EQ(flags & 0x44400, 0x44400);
}

/* Single-stepping across a call: the trap belongs after it, once. */
static void single_step(void)
{
    TRY("pushf\n\torl $0x100, (%%rsp)\n\tmov $17, %%eax\n\txor %%edi, %%edi\n\tpopf\n\tsyscall\n\tnop\n\tnop",
        : : "rax", "rcx", "r11", "rdi", "rdx", "rsi", "r8", "r9", "r10", "memory", "cc");
    CHECK_EQ(fault.vector, 1);
    hyp_set_debugreg(6, 0xffff0ff0);
}

static const uint64_t pointers[] = {
    0, 1, 0x10, 0x1000, 0x7ffffffffff8, 0x800000000000, 0xffff7ffffffffff8, 0xffff800000000000,
    0xffff80003ffffff8, 0xffff820000000000, 0xffff82d080000000, 0xffff830000000000, 0xffff87fffffffff8,
    0xffff880000000000, 0xffffffffbff00000, 0xfffffffffffff000, 0xfffffffffffffff8, ~0ul,
};

/* Numbers whose calls neither end the domain nor change what this test stands on. */
static bool harmless(uint64_t nr, uint64_t cmd)
{
    switch (nr) {
    case __HYPERVISOR_set_trap_table:
    case __HYPERVISOR_stack_switch:
    case __HYPERVISOR_set_callbacks:
    case __HYPERVISOR_iret:
    case __HYPERVISOR_set_segment_base:
    case __HYPERVISOR_set_debugreg:
    case __HYPERVISOR_set_gdt:
    case __HYPERVISOR_sched_op_compat:
    case __HYPERVISOR_platform_op:
    case __HYPERVISOR_kexec_op:
    case __HYPERVISOR_update_va_mapping:
    case __HYPERVISOR_vm_assist:
        return false;
    case __HYPERVISOR_sched_op:
        return cmd != SCHEDOP_block && cmd != SCHEDOP_shutdown && cmd != SCHEDOP_poll;
    case __HYPERVISOR_event_channel_op:
    case __HYPERVISOR_event_channel_op_compat:
        return cmd != EVTCHNOP_reset;
    case __HYPERVISOR_vcpu_op:
        return cmd != VCPUOP_down && cmd != VCPUOP_up && cmd != VCPUOP_register_runstate_memory_area &&
               cmd != VCPUOP_register_vcpu_time_memory_area && cmd != VCPUOP_send_nmi;
    case __HYPERVISOR_console_io:
        return false;
    }
    return nr < 43;
}

/* Second argument, third and both as each kind of pointer, for all calls and small sub-operations. */
static void every_pointer(void)
{
    unsigned int n = sizeof(pointers) / sizeof(pointers[0]);

    for (uint64_t nr = 0; nr < 43; nr++)
        for (uint64_t cmd = 0; cmd < 33; cmd++) {
            if (!harmless(nr, cmd))
                continue;
            for (unsigned int p = 0; p < n; p++) {
                hypercall_raw(nr, cmd, pointers[p], 1);
                hypercall_raw(nr, cmd, 0, pointers[p]);
                if (harmless(nr, (uint32_t)pointers[p]))
                    hypercall_raw(nr, pointers[p], 1, 0);
            }
        }
    CHECK_EQ(hyp_xen_version(XENVER_version, NULL), 4 << 16 | 17);
    hyp_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
    hyp_vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL);
}

/* Random words everywhere; the seed is fixed, so a failure comes again. */
static void random_arguments(void)
{
    uint64_t x = 0x9e3779b97f4a7c15;
    uint64_t a[4];

    for (int i = 0; i < 30000; i++) {
        uint64_t nr, cmd;

        for (int j = 0; j < 4; j++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            a[j] = x >> (x & 63);
        }
        nr = a[0] % 43;
        cmd = a[1] % 40;
        if (!harmless(nr, (uint32_t)(a[1] & 1 ? cmd : a[1])))
            continue;
        hypercall_raw(nr, a[1] & 1 ? cmd : a[1], a[2], a[3]);
    }
    CHECK_EQ(hyp_xen_version(XENVER_version, NULL), 4 << 16 | 17);
}

static void vm_assists(void)
{
    CHECK_EQ(hyp_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
    CHECK_EQ(hyp_vm_assist(VMASST_CMD_enable, VMASST_TYPE_pae_extended_cr3), 0);
    CHECK_EQ(hyp_vm_assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0);
    CHECK_EQ(hyp_vm_assist(VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag), 0);
    CHECK_EQ(hyp_vm_assist(VMASST_CMD_enable, 100), -XEN_EINVAL);
    CHECK_EQ(hyp_vm_assist(VMASST_CMD_enable, ~0u), -XEN_EINVAL);
    CHECK_EQ(hyp_vm_assist(100, VMASST_TYPE_writable_pagetables), -XEN_ENOSYS);
}

static void architectural_iopl(void)
{
    CHECK_EQ(hyp_vm_assist(VMASST_CMD_enable, VMASST_TYPE_architectural_iopl), 0);
    CHECK_EQ(hyp_vm_assist(VMASST_CMD_disable, VMASST_TYPE_architectural_iopl), 0);
}

TESTS("hypercall", TEST(unknown_numbers), TEST(privileged_or_absent), TEST(both_doors), TEST(registers_kept),
      TEST(flags_kept), TEST(single_step), TEST(vm_assists), TEST(architectural_iopl), TEST(every_pointer),
      TEST(random_arguments));
