// SPDX-License-Identifier: MIT
// The dispatcher of sub-operations, restarting, and multicall: each entry's result, the one that restarts, the
// ones that have no place in a list.
#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "core/preempt.h"
#include "fake_machine.h"
#include "lib/string.h"
#include "unit_main.h"

#define OP_SUM     1
#define OP_AGAIN   2
#define OP_PREEMPT 3
#define LIST       20u

static struct domain domain;
static struct vcpu vcpu = { .domain = &domain };
static struct multicall_entry list[LIST];
static const void *read_only;
static bool preempt;
static unsigned calls;

static long sum(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    calls++;
    return (long)(a1 + 10 * a2 + 100 * a3 + 1000 * a4 + 10000 * a5);
}

static long again(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    calls++;
    return a1 ? hypercall_restart(a1 - 1, a2 + 1, a3, a4, a5) : (long)a2;
}

static long want_preemption(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    preempt = true;
    return 7;
}

hypercall_fn *const hypercall_table[NR_HYPERCALLS] = {
    [OP_SUM] = sum, [OP_AGAIN] = again, [OP_PREEMPT] = want_preemption,
    [__HYPERVISOR_multicall] = do_multicall, [__HYPERVISOR_iret] = sum,
};

bool preempt_wanted(void)
{
    return preempt;
}

size_t guest_copy_raw(void *to, const void *from, size_t size)
{
    if ((uintptr_t)to < 0x10000 || (uintptr_t)from < 0x10000 || to == read_only)
        return size;
    memcpy(to, from, size);
    return 0;
}

static void start(unsigned nr)
{
    memset(list, 0xee, sizeof(list));
    for (unsigned i = 0; i < nr; i++)
        list[i] = (struct multicall_entry){ .op = OP_SUM, .result = 99, .args = { i, 2, 3, 4, 5 } };
    fake_current[0] = &vcpu;
    domain.is_control = false;
    read_only = NULL;
    preempt = false;
    calls = 0;
}

static uint64_t address(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

static long run(unsigned nr)
{
    return do_multicall(address(list), nr, 0, 0, 0);
}

static struct cpu_user_regs written_back(void)
{
    struct cpu_user_regs regs = { .rip = 0x1002, .rax = 5 };

    hypercall_write_back(&regs);
    return regs;
}

static void restart_goes_to_the_registers(void)
{
    struct cpu_user_regs regs;

    start(0);
    CU_ASSERT_EQUAL(hypercall_restart(1, 2, 3, 4, 5), HYPERCALL_RESTART);
    regs = written_back();
    CU_ASSERT(regs.rdi == 1 && regs.rsi == 2 && regs.rdx == 3 && regs.r10 == 4 && regs.r8 == 5);
    CU_ASSERT_EQUAL(regs.rip, 0x1000);
    CU_ASSERT_EQUAL(regs.rax, 5);
}

static void a_list_runs(void)
{
    start(LIST);
    CU_ASSERT_EQUAL(run(LIST), 0);
    for (unsigned i = 0; i < LIST; i++)
        CU_ASSERT_EQUAL(list[i].result, 54320 + i);
    start(1);
    CU_ASSERT_EQUAL(do_multicall(0, 0, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(do_multicall(0, 1, 0, 0, 0), -XEN_EFAULT);
    CU_ASSERT_EQUAL(do_multicall(HYP_VIRT_START, 1, 0, 0, 0), -XEN_EFAULT);
    CU_ASSERT_EQUAL(do_multicall(-(uint64_t)8, 1, 0, 0, 0), -XEN_EFAULT);
    CU_ASSERT_EQUAL(calls, 0);
    read_only = &list[0].result;
    CU_ASSERT_EQUAL(run(1), -XEN_EFAULT);
}

static void no_place_in_a_list(void)
{
    start(4);
    list[0].op = __HYPERVISOR_multicall;
    list[1].op = __HYPERVISOR_iret;
    list[2].op = NR_HYPERCALLS;
    list[3].op = UINT64_MAX;
    CU_ASSERT_EQUAL(run(4), 0);
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL((long)list[i].result, -XEN_ENOSYS);
    CU_ASSERT_EQUAL(calls, 0);
}

static void an_entry_restarts(void)
{
    struct cpu_user_regs regs;

    start(3);
    list[1] = (struct multicall_entry){ .op = OP_AGAIN, .result = 99, .args = { 2, 0, 3, 4, 5 } };
    CU_ASSERT_EQUAL(run(3), HYPERCALL_RESTART);
    for (unsigned left = 1; left < 2; left--) {
        regs = written_back();
        CU_ASSERT_EQUAL(regs.rdi, address(&list[1]));
        CU_ASSERT_EQUAL(regs.rsi, 2);
        CU_ASSERT_EQUAL(list[1].args[0], left);
        CU_ASSERT_EQUAL(list[1].result, 99);
        CU_ASSERT_EQUAL(do_multicall(regs.rdi, regs.rsi, 0, 0, 0), left ? HYPERCALL_RESTART : 0);
    }
    CU_ASSERT_EQUAL(list[1].result, 2);
    CU_ASSERT_EQUAL(list[2].result, 54322);
    CU_ASSERT_EQUAL(calls, 5);                  // the first entry once, the second three times

    start(1);
    list[0].op = OP_AGAIN;
    list[0].args[0] = 1;
    read_only = list[0].args;
    CU_ASSERT_EQUAL(run(1), -XEN_EFAULT);
}

static void a_list_is_preempted(void)
{
    struct cpu_user_regs regs;
    unsigned done;

    start(LIST);
    list[0].op = OP_PREEMPT;
    CU_ASSERT_EQUAL(run(LIST), HYPERCALL_RESTART);
    regs = written_back();
    done = LIST - (unsigned)regs.rsi;
    CU_ASSERT(done >= 1 && done <= 8);
    CU_ASSERT_EQUAL(regs.rdi, address(&list[done]));
    CU_ASSERT_EQUAL(list[done - 1].result, done == 1 ? 7 : 54320 + done - 1);
    CU_ASSERT_EQUAL(list[done].result, 99);
    preempt = false;
    CU_ASSERT_EQUAL(do_multicall(regs.rdi, regs.rsi, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(calls, LIST - 1);
    start(1);
    list[0].op = OP_PREEMPT;
    CU_ASSERT_EQUAL(run(1), 0);                 // nothing is left to be issued anew
}

/* --- Sub-operations ------------------------------------------------------------------------------------------------ */

static int answer;
static struct vcpu far_vcpu;
static struct domain far_domain = { .id = 7, .vcpu = { &far_vcpu } };
static unsigned far_held;

int domain_target(domid_t id, struct domain **out)
{
    *out = &far_domain;
    far_held += id == far_domain.id;
    return id == far_domain.id ? 0 : -XEN_ESRCH;
}

void domain_put(struct domain *d)
{
    far_held -= d == &far_domain;
}

static long increment(struct vcpu *v, void *arg)
{
    CU_ASSERT_PTR_EQUAL(v, &vcpu);
    calls++;
    ++*(uint64_t *)arg;
    return answer;
}

static long look_at_lock(struct vcpu *v, void *arg)
{
    (void)arg;
    return spin_is_locked(&v->domain->lock);
}

static long whose(struct vcpu *v, void *arg)
{
    (void)arg;
    CU_ASSERT_EQUAL(far_held, 1);
    return v == &far_vcpu ? INT64_MAX : -1;
}

static const struct subop rows[] = {
    [1] = { increment, 8, SUBOP_IN | SUBOP_OUT },
    [2] = { increment, 8, SUBOP_IN },
    [3] = { increment, 8, SUBOP_IN | SUBOP_OUT | SUBOP_DOM0 },
    [5] = { look_at_lock, 0, SUBOP_LOCKED },
    [6] = { look_at_lock, 0, 0 },
    [7] = { whose, 8, SUBOP_IN | SUBOP_TARGET },
};

static long sub(uint64_t cmd, const void *arg)
{
    return subop_dispatch(rows, ARRAY_SIZE(rows), &vcpu, cmd, address(arg));
}

static void sub_operations(void)
{
    uint64_t value = 5;

    start(0);
    answer = 3;
    CU_ASSERT_EQUAL(sub(0, &value), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(sub(4, &value), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(sub(UINT64_MAX, &value), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(sub(1, NULL), -XEN_EFAULT);
    CU_ASSERT_EQUAL(sub(3, &value), -XEN_EPERM);
    CU_ASSERT_EQUAL(calls, 0);
    CU_ASSERT_EQUAL(sub(1, &value), 3);
    CU_ASSERT_EQUAL(value, 6);
    CU_ASSERT_EQUAL(sub(2, &value), 3);
    CU_ASSERT_EQUAL(value, 6);
    domain.is_control = true;
    CU_ASSERT_EQUAL(sub(3, &value), 3);
    CU_ASSERT_EQUAL(value, 7);
    read_only = &value;
    CU_ASSERT_EQUAL(sub(1, &value), -XEN_EFAULT);
    read_only = NULL;
    answer = -XEN_EBUSY;
    CU_ASSERT_EQUAL(sub(1, &value), -XEN_EBUSY);
    CU_ASSERT_EQUAL(value, 7);                  // an error copies nothing out
    CU_ASSERT_EQUAL(sub(5, NULL), 1);
    CU_ASSERT_EQUAL(sub(6, NULL), 0);
    value = far_domain.id;
    CU_ASSERT_EQUAL(sub(7, &value), INT64_MAX);
    CU_ASSERT_EQUAL(far_held, 0);
    value = 8;
    CU_ASSERT_EQUAL(sub(7, &value), -XEN_ESRCH);
}

static void control_operations(void)
{
    struct { uint32_t cmd, version; uint64_t value; } op = { 1, 17, 5 };

    start(0);
    answer = 0;
    CU_ASSERT_EQUAL(control_dispatch(rows, ARRAY_SIZE(rows), 17, address(&op)), -XEN_EPERM);
    domain.is_control = true;
    CU_ASSERT_EQUAL(control_dispatch(rows, ARRAY_SIZE(rows), 17, 0), -XEN_EFAULT);
    CU_ASSERT_EQUAL(control_dispatch(rows, ARRAY_SIZE(rows), 18, address(&op)), -XEN_EACCES);
    CU_ASSERT(calls == 0 && op.value == 5);
    CU_ASSERT_EQUAL(control_dispatch(rows, ARRAY_SIZE(rows), 17, address(&op)), 0);
    CU_ASSERT(calls == 1 && op.cmd == 1 && op.version == 17 && op.value == 6);
    op.cmd = UINT32_MAX;
    CU_ASSERT_EQUAL(control_dispatch(rows, ARRAY_SIZE(rows), 17, address(&op)), -XEN_ENOSYS);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "restart_goes_to_the_registers", restart_goes_to_the_registers },
        { "a_list_runs", a_list_runs },
        { "no_place_in_a_list", no_place_in_a_list },
        { "an_entry_restarts", an_entry_restarts },
        { "a_list_is_preempted", a_list_is_preempted },
        { "sub_operations", sub_operations },
        { "control_operations", control_operations },
        { NULL, NULL },
    };

    return unit_main("hypercall", tests);
}
