// SPDX-License-Identifier: MIT
/*
 * multicall: many hypercalls in one, each with its own result.
 * Why: calls that change the vCPU's mode must end the batch (XSA-213), a batch within a batch must
 * not recurse, and a batch may be as long as a guest likes.
 */
#include "kit/kit.h"

static struct multicall_entry m[64];

static void call(unsigned int i, uint64_t op, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    m[i] = (struct multicall_entry){ .op = op, .result = 0x5a5a, .args = { a, b, c, d } };
}

static void results(void)
{
    struct xen_feature_info f = { 0 };

    call(0, __HYPERVISOR_xen_version, XENVER_version, 0, 0, 0);
    call(1, __HYPERVISOR_xen_version, 1000, 0, 0, 0);
    call(2, __HYPERVISOR_xen_version, XENVER_get_features, U64(&f), 0, 0);
    call(3, 63, 0, 0, 0, 0);
    CHECK_EQ(hyp_multicall(m, 4), 0);
    CHECK_EQ(m[0].result, 4 << 16 | 17);
    CHECK_EQ(m[1].result, -XEN_ENOSYS);
    CHECK_EQ(m[2].result, 0);
    CHECK_EQ(m[3].result, -XEN_ENOSYS);
    CHECK(f.submap != 0);
    CHECK_EQ(hyp_multicall(m, 0), 0);
}

static void unknown(void)
{
    static const uint64_t ops[] = { 11, 43, 47, 56, 63, 64, 1000, 0x7fffffff, 0x80000000, 0x100000011, ~0ul };
    unsigned int n = sizeof(ops) / sizeof(ops[0]);

    for (unsigned int i = 0; i < n; i++)
        call(i, ops[i], 0, 0, 0, 0);
    CHECK_EQ(hyp_multicall(m, n), 0);
    for (unsigned int i = 0; i < n; i++)
        check_eq((long)m[i].result, -XEN_ENOSYS, "an operation there is not");
}

static void nested(void)
{
    static struct multicall_entry inner[2];

    inner[0] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version };
    call(0, __HYPERVISOR_multicall, U64(inner), 1, 0, 0);
    call(1, __HYPERVISOR_multicall, U64(m), 2, 0, 0);
    call(2, __HYPERVISOR_xen_version, XENVER_version, 0, 0, 0);
    CHECK_EQ(hyp_multicall(m, 3), 0);
    CHECK((long)m[0].result < 0);
    CHECK((long)m[1].result < 0);
    CHECK_EQ(m[2].result, 4 << 16 | 17);
}

/*
 * XSA-213: iret within a batch is refused, or takes the frame that is on the stack, here one that
 * leads to the same place. Afterwards the vCPU is in the mode it says, and the next batch works.
 */
static void iret_inside(void)
{
    uint8_t *page = page_alloc(), *va = window();

    call(0, __HYPERVISOR_iret, 0, 0, 0, 0);
    call(1, __HYPERVISOR_update_va_mapping, U64(va), va_to_machine(page) | PTE_RO, 0, 0);
    __asm__ volatile("mov %%rsp, %%r12\n\t"
                     "push %[ss]\n\tpush %%r12\n\tpushf\n\tpush %[cs]\n\tpush $1f\n\t"
                     "push $0\n\tpush $0\n\tpush $0\n\tpush $0\n\t"
                     "mov $2, %%esi\n\tmov $13, %%eax\n\tsyscall\n\t"
                     "mov %%r12, %%rsp\n1:"
                     : : [ss] "i"(FLAT_KERNEL_SS), [cs] "i"(FLAT_KERNEL_CS & ~3), "D"(m)
                     : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "memory", "cc");
    CHECK((long)m[0].result <= 0 || m[0].result == 0x5a5a);
    call(0, __HYPERVISOR_update_va_mapping, U64(va), 0, UVMF_INVLPG, 0);
    CHECK_EQ(hyp_multicall(m, 1), 0);
    CHECK_EQ(m[0].result, 0);
    page_free(page);
}

static void page_table_batch(void)
{
    static struct mmu_update u;
    uint8_t *page = page_alloc(), *va = window();

    page[3] = 0x33;
    u = (struct mmu_update){ va_to_machine(pte_of(l4_kernel, (uint64_t)va, 1)), va_to_machine(page) | PTE_RO };
    call(0, __HYPERVISOR_mmu_update, U64(&u), 1, 0, DOMID_SELF);
    call(1, __HYPERVISOR_update_va_mapping, U64(va), va_to_machine(page) | PTE_RW, UVMF_INVLPG, 0);
    call(2, __HYPERVISOR_update_va_mapping, U64(va), va_to_machine(l4_kernel) | PTE_RW, UVMF_INVLPG, 0);
    call(3, __HYPERVISOR_stack_switch, FLAT_KERNEL_SS, U64(&m[60]), 0, 0);
    call(4, __HYPERVISOR_fpu_taskswitch, 0, 0, 0, 0);
    CHECK_EQ(hyp_multicall(m, 5), 0);
    CHECK_EQ(m[0].result, 0);
    CHECK_EQ(m[1].result, 0);
    CHECK((long)m[2].result < 0);
    CHECK_EQ(m[3].result, 0);
    CHECK_EQ(m[4].result, 0);
    va[3] = 0x34;
    CHECK_EQ(page[3], 0x34);
    pte_set(va, 0);
    page_free(page);
}

/* The array that is being worked through is unmapped by its own first entry. */
static void pulls_its_own_array_away(void)
{
    struct multicall_entry *e = window();
    void *page = page_alloc();
    int rc;

    pte_set(e, va_to_machine(page) | PTE_RW);
    e[0] = (struct multicall_entry){ .op = __HYPERVISOR_update_va_mapping, .args = { U64(e), 0, UVMF_INVLPG } };
    e[1] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version };
    rc = hyp_multicall(e, 2);
    CHECK_EQ(rc, -XEN_EFAULT);
    pte_set(e, 0);
    page_free(page);
}

static void bad_arrays(void)
{
    CHECK_EQ(hyp_multicall((void *)0xffff830000000000, 1), -XEN_EFAULT);
    CHECK_EQ(hyp_multicall((void *)0x800000000000, 1), -XEN_EFAULT);
    CHECK_EQ(hyp_multicall((void *)0xffffffffbff00000, 1), -XEN_EFAULT);
    CHECK_EQ(hyp_multicall((void *)0xffff7ffffffffff0, 2), -XEN_EFAULT);
    CHECK_EQ(hyp_multicall((void *)0xfffffffffffffff0, 2), -XEN_EFAULT);
    CHECK(hyp_multicall((void *)0x10, ~0u) < 0);
}

/* A result that cannot be written ends the batch with an error; the call itself was made. */
static void read_only_array(void)
{
    struct multicall_entry *e = page_alloc();

    e[0] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version };
    page_protect(e, false);
    CHECK_EQ(hyp_multicall(e, 1), -XEN_EFAULT);
    page_protect(e, true);
    page_free(e);
}

/* Long enough that a timer comes in between. */
static void long_batch(void)
{
    static struct multicall_entry many[4096];

    for (unsigned int i = 0; i < 4096; i++)
        many[i] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version };
    CHECK_EQ(hyp_multicall(many, 4096), 0);
    for (unsigned int i = 0; i < 4096; i++)
        if (many[i].result != (4 << 16 | 17))
            CHECK_EQ(i, -1);
}

/* Yielding and sleeping inside a batch: it goes on afterwards. */
static void yields_inside(void)
{
    for (unsigned int i = 0; i < 20; i++)
        call(i, i & 1 ? __HYPERVISOR_sched_op : __HYPERVISOR_xen_version, i & 1 ? SCHEDOP_yield : XENVER_version,
             0, 0, 0);
    CHECK_EQ(hyp_multicall(m, 20), 0);
    for (unsigned int i = 0; i < 20; i++)
        CHECK_EQ(m[i].result, i & 1 ? 0 : 4 << 16 | 17);
}

TESTS("multicall", TEST(results), TEST(unknown), TEST(nested), TEST(page_table_batch),
      TEST(pulls_its_own_array_away), TEST(bad_arrays), TEST(read_only_array), TEST(long_batch),
      TEST(yields_inside), TEST(iret_inside));
