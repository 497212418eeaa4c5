// SPDX-License-Identifier: MIT
/* The second vCPU: runs one function and goes down again. It has events masked and takes no traps. */
#include "kit/kit.h"

static uint8_t second_stack[16384] __attribute__((aligned(16)));
static struct vcpu_guest_context context;
static void (*second_fn)(void);
static volatile int second_runs;
static bool initialised;

extern uint8_t vcpu_entry[], event_stub[], syscall_stub[], failsafe_stub[];
void smp_main(void);

void smp_main(void)
{
    second_runs = 1;
    second_fn();
    second_runs = 2;
    hyp_vcpu_op(VCPUOP_down, 1, NULL);
    /* Brought up again, a vCPU goes on where it went down. */
    for (;;) {
        second_runs = 1;
        second_fn();
        second_runs = 2;
        hyp_vcpu_op(VCPUOP_down, 1, NULL);
    }
}

int smp_context(struct vcpu_guest_context *c, void *entry, void *stack_top)
{
    memset(c, 0, sizeof(*c));
    c->flags = VGCF_in_kernel;
    c->user_regs.rip = (uint64_t)entry;
    c->user_regs.rsp = (uint64_t)stack_top;
    c->user_regs.cs = FLAT_KERNEL_CS;
    c->user_regs.ss = FLAT_KERNEL_SS;
    c->user_regs.rflags = 0x1202;
    c->kernel_ss = FLAT_KERNEL_SS;
    c->kernel_sp = (uint64_t)stack_top;
    c->event_callback_eip = (uint64_t)event_stub;
    c->failsafe_callback_eip = (uint64_t)failsafe_stub;
    c->syscall_callback_eip = (uint64_t)syscall_stub;
    c->ctrlreg[3] = (uint64_t)va_to_mfn(l4_kernel) << 12;
    return 0;
}

static bool wait_for(volatile int *what, int value)
{
    uint64_t end = now_ns() + 2000000000ul;

    while (*what != value)
        if (now_ns() > end)
            return false;
    return true;
}

int smp_start(void (*fn)(void))
{
    if (hyp_vcpu_op(VCPUOP_is_up, 1, NULL) < 0)
        return -1;
    second_fn = fn;
    second_runs = 0;
    if (!initialised) {
        smp_context(&context, vcpu_entry, second_stack + sizeof(second_stack));
        CHECK_EQ(hyp_vcpu_op(VCPUOP_initialise, 1, &context), 0);
        initialised = true;
    }
    shared_info->vcpu_info[1].evtchn_upcall_mask = 1;
    CHECK_EQ(hyp_vcpu_op(VCPUOP_up, 1, NULL), 0);
    return wait_for(&second_runs, 1) || second_runs == 2 ? 0 : -1;
}

int smp_stop(void)
{
    if (!wait_for(&second_runs, 2))
        return -1;
    for (int i = 0; i < 1000 && hyp_vcpu_op(VCPUOP_is_up, 1, NULL) == 1; i++)
        delay_ns(100000);
    return hyp_vcpu_op(VCPUOP_is_up, 1, NULL) == 0 ? 0 : -1;
}
