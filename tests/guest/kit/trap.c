// SPDX-License-Identifier: MIT
/*
 * Traps and callbacks of a test kernel. Every bounce frame comes to frame_dispatch, which asks in
 * this order: a test's hook, an expected fault (TRY), user mode's end, the event upcall. What is left
 * is unexpected and fails the running test.
 */
#include "kit/kit.h"

struct fault fault = { .vector = -1 };
uint64_t fault_resume, entry_rflags;
int (*frame_hook)(struct frame *f);
void (*event_hook)(void);
volatile unsigned long nr_upcalls;
struct user_exit user_exit;

extern uint8_t trap_stubs[], event_stub[], syscall_stub[], syscall32_stub[], failsafe_stub[];
void frame_dispatch(struct frame *f, uint64_t rflags);

unsigned long read_cr2(void)
{
    return vcpu0_info->arch.cr2;
}

void fault_arm(void)
{
    fault = (struct fault){ .vector = -1 };
}

static void fault_take(struct frame *f)
{
    fault = (struct fault){ (int)f->vector, f->error, read_cr2(), f->rip, f->rflags, fault.count + 1 };
    f->rip = fault_resume;
    f->rflags &= ~0x100ul;              /* a single step is one step */
    fault_resume = 0;
}

static void upcall(void)
{
    nr_upcalls++;
    vcpu0_info->evtchn_upcall_pending = 0;
    if (event_hook)
        event_hook();
}

void frame_dispatch(struct frame *f, uint64_t rflags)
{
    entry_rflags = rflags;
    if (frame_hook && frame_hook(f))
        return;
    if (f->vector == VEC_EVENT) {
        upcall();
        return;
    }
    if ((f->cs & 3) == 3) {
        user_exit.f = *f;
        user_exit.cr2 = read_cr2();
        user_leave((long)f->vector);
    }
    if (fault_resume) {
        fault_take(f);
        return;
    }
    unexpected(f);
}

static struct trap_info trap_info(int vector, int dpl, bool mask_events)
{
    return (struct trap_info){ (uint8_t)vector, (uint8_t)(dpl | (mask_events ? 4 : 0)), FLAT_KERNEL_CS,
                               (unsigned long)trap_stubs + 16ul * (unsigned long)vector };
}

int trap_table_set(int vector, int dpl, bool mask_events)
{
    struct trap_info t[2] = { trap_info(vector, dpl, mask_events) };

    return hyp_set_trap_table(t);
}

/* The processor's own vectors, int3 and into for user mode too, and four software interrupts. */
void trap_restore(void)
{
    static const int soft[] = { 0x80, 0x81, 0x82, 0xf0 };
    struct trap_info t[40];
    int n = 0;

    memset(t, 0, sizeof(t));
    for (int i = 0; i < 32; i++)
        if (i != 2 && i != 9 && i != 15)
            t[n++] = trap_info(i, i == 3 || i == 4 ? 3 : 0, i == 14);
    for (int i = 0; i < 4; i++)
        t[n++] = trap_info(soft[i], soft[i] == 0x81 ? 0 : 3, false);
    hyp_set_trap_table(t);
    hyp_set_callbacks((uint64_t)event_stub, (uint64_t)failsafe_stub, (uint64_t)syscall_stub);
}

void trap_init(void)
{
    trap_restore();
}
