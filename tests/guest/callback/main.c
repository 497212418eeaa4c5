// SPDX-License-Identifier: MIT
/*
 * Entry points of the guest kernel: set_trap_table, set_callbacks, callback_op, stack_switch.
 * Why: the hypervisor jumps where these say, so an address is checked when it is given.
 */
#include "kit/kit.h"

#include "public/nmi.h"

extern uint8_t trap_stubs[], event_stub[], syscall_stub[], syscall32_stub[], failsafe_stub[];

static void trap_table_null(void)
{
    CHECK_EQ(hyp_set_trap_table(NULL), 0);      /* all entries away */
    trap_restore();
    TRY0("ud2");
    CHECK_EQ(fault.vector, 6);
}

static void trap_table_refused(void)
{
    struct trap_info t[2] = { { 6, 0, FLAT_KERNEL_CS, 0x800000000000 } };

    CHECK_EQ(hyp_set_trap_table((void *)0xffff830000000000), -XEN_EFAULT);
    CHECK_EQ(hyp_set_trap_table((void *)0x800000000000), -XEN_EFAULT);
    hyp_set_trap_table(t);                      /* refused now, or the guest's fault later */
    trap_restore();
    TRY0("ud2");
    CHECK_EQ(fault.vector, 6);
}

/* A table without end stops at some number of entries. */
static void trap_table_endless(void)
{
    struct trap_info *t = page_alloc();

    for (unsigned int i = 0; i < PAGE_SIZE / sizeof(*t); i++)
        t[i] = (struct trap_info){ 6, 0, FLAT_KERNEL_CS, (unsigned long)trap_stubs + 6 * 16 };
    hyp_set_trap_table(t);
    trap_restore();
    TRY0("ud2");
    CHECK_EQ(fault.vector, 6);
    page_free(t);
}

static void trap_selector_fixed(void)
{
    struct trap_info t[2] = { { 6, 0, FLAT_KERNEL_CS & ~3u, (unsigned long)trap_stubs + 6 * 16 } };

    CHECK_EQ(hyp_set_trap_table(t), 0);         /* a selector of ring 0 is taken for ring 3 */
    TRY0("ud2");
    CHECK_EQ(fault.vector, 6);
}

/* A fault without a handler, while no other is there, ends the domain. */
static void alone_no_handler(void)
{
    hyp_set_trap_table(NULL);
    __asm__ volatile("ud2");
}

static void alone_handler_nowhere(void)
{
    struct trap_info t[2] = { { 6, 0, FLAT_KERNEL_CS, 0x1000 } };

    hyp_set_trap_table(NULL);
    hyp_set_trap_table(t);
    __asm__ volatile("ud2");
}

static void alone_stack_nowhere(void)
{
    __asm__ volatile("mov $0x1000, %%rsp\n\tud2" : : : "memory");
}

/* No handler address leads into the hypervisor. */
static void alone_handler_in_hypervisor(void)
{
    struct trap_info t[2] = { { 6, 0, FLAT_KERNEL_CS, 0xffff830000000000 } };

    hyp_set_trap_table(NULL);
    hyp_set_trap_table(t);
    __asm__ volatile("ud2");
}

static int reg(unsigned int type, const void *address, unsigned int flags)
{
    struct callback_register c = { (uint16_t)type, (uint16_t)flags, (uint64_t)address };

    return hyp_callback_op(CALLBACKOP_register, &c);
}

static int unreg(unsigned int type)
{
    struct callback_unregister c = { .type = (uint16_t)type };

    return hyp_callback_op(CALLBACKOP_unregister, &c);
}

static void callbacks(void)
{
    CHECK_EQ(reg(CALLBACKTYPE_event, event_stub, 0), 0);
    CHECK_EQ(reg(CALLBACKTYPE_failsafe, failsafe_stub, CALLBACKF_mask_events), 0);
    CHECK_EQ(reg(CALLBACKTYPE_failsafe, failsafe_stub, 0), 0);
    CHECK_EQ(reg(CALLBACKTYPE_syscall, syscall_stub, CALLBACKF_mask_events), 0);
    CHECK_EQ(reg(CALLBACKTYPE_syscall, syscall_stub, 0), 0);
    CHECK_EQ(reg(CALLBACKTYPE_syscall32, syscall32_stub, 0), 0);
    CHECK_EQ(reg(CALLBACKTYPE_sysenter, syscall32_stub, 0), 0);
    CHECK_EQ(reg(CALLBACKTYPE_nmi, trap_stubs + 32, 0), 0);
    CHECK_EQ(unreg(CALLBACKTYPE_nmi), 0);
}

static void callbacks_refused(void)
{
    static const unsigned int types[] = { CALLBACKTYPE_event, CALLBACKTYPE_failsafe, CALLBACKTYPE_syscall,
                                          CALLBACKTYPE_syscall32, CALLBACKTYPE_sysenter, CALLBACKTYPE_nmi };

    for (unsigned int i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        CHECK(reg(types[i], (void *)0x800000000000, 0) < 0);
        CHECK(reg(types[i], (void *)0xffff7fffffffffff, 0) < 0);
    }
    CHECK_EQ(reg(100, event_stub, 0), -XEN_ENOSYS);
    CHECK_EQ(reg(6, event_stub, 0), -XEN_ENOSYS);
    CHECK_EQ(unreg(CALLBACKTYPE_event), -XEN_EINVAL);
    CHECK_EQ(unreg(CALLBACKTYPE_syscall), -XEN_EINVAL);
    CHECK_EQ(unreg(100), -XEN_ENOSYS);
    CHECK_EQ(hyp_callback_op(CALLBACKOP_register, (void *)0xffff830000000000), -XEN_EFAULT);
    CHECK_EQ(hyp_callback_op(CALLBACKOP_unregister, (void *)0xffff830000000000), -XEN_EFAULT);
    CHECK_EQ(hyp_callback_op(2, &types), -XEN_ENOSYS);
    /* the old call tells no errors, and may not harm either */
    hyp_set_callbacks(0x800000000000, (uint64_t)failsafe_stub, (uint64_t)syscall_stub);
    trap_restore();
}

USER_CODE_BEGIN(call)
    "syscall\n"
USER_CODE_END(call)

static void syscall_masks_events(void)
{
    user_load_code(call);
    vcpu0_info->evtchn_upcall_mask = 0;
    reg(CALLBACKTYPE_syscall, syscall_stub, 0);
    CHECK_EQ(user_run(0, 0, 0x202), VEC_SYSCALL);
    CHECK_EQ(vcpu0_info->evtchn_upcall_mask, 0);
    reg(CALLBACKTYPE_syscall, syscall_stub, CALLBACKF_mask_events);
    CHECK_EQ(user_run(0, 0, 0x202), VEC_SYSCALL);
    CHECK_EQ(vcpu0_info->evtchn_upcall_mask, 1);
    CHECK_EQ(user_exit.f.cs >> 32 & 0xff, 0);   /* what it was */
}

USER_CODE_BEGIN(enter)
    "sysenter\n"
USER_CODE_END(enter)

static void sysenter(void)
{
    int v;

    user_load_code(enter);
    CHECK_EQ(reg(CALLBACKTYPE_sysenter, syscall32_stub, 0), 0);
    v = user_run(0, 0, 0x202);
    CHECK(v == VEC_SYSCALL32 || v == 6);        /* AMD has none in long mode */
    CHECK(user_run(0, 0, 0x4302) >= 0);
    CHECK_EQ(entry_rflags & 0x4100, 0);
    hyp_set_debugreg(6, 0xffff0ff0);
}

static void nmi_callback(void)
{
    CHECK_EQ(reg(CALLBACKTYPE_nmi, trap_stubs + 32, 0), 0);
    CHECK_EQ(unreg(CALLBACKTYPE_nmi), 0);
    CHECK(reg(CALLBACKTYPE_nmi, (void *)0x800000000000, 0) < 0);
    CHECK_EQ(hyp_nmi_op(XENNMI_register_callback, NULL), -XEN_ENOSYS);      /* the older way */
}

static int saw_nmi;

static int nmi_hook(struct frame *f)
{
    if (f->vector != 2)
        return 0;
    saw_nmi++;
    return 1;
}

static void nmi_to_self(void)
{
    int rc;

    CHECK_EQ(reg(CALLBACKTYPE_nmi, trap_stubs + 32, 0), 0);
    frame_hook = nmi_hook;
    saw_nmi = 0;
    rc = hyp_vcpu_op(VCPUOP_send_nmi, 0, NULL);
    CHECK_EQ(rc, 0);
    hyp_xen_version(XENVER_version, NULL);
    CHECK_EQ(saw_nmi, 1);
    hyp_vcpu_op(VCPUOP_send_nmi, 0, NULL);
    hyp_xen_version(XENVER_version, NULL);
    CHECK_EQ(saw_nmi, 2);                       /* the iret ended the first */
    frame_hook = NULL;
    unreg(CALLBACKTYPE_nmi);
}

/* A selector of ring 0 is taken for one of ring 3. What a bad address does is user's alone_ test. */
static void stack_switch(void)
{
    CHECK_EQ(hyp_stack_switch(FLAT_KERNEL_SS & ~3u, (uint64_t)&saw_nmi), 0);
}

TESTS("callback", TEST(trap_table_null), TEST(trap_table_refused), TEST(trap_table_endless),
      TEST(trap_selector_fixed), TEST(callbacks), TEST(callbacks_refused), TEST(syscall_masks_events),
      TEST(sysenter), TEST(nmi_callback), TEST(nmi_to_self), TEST(stack_switch), TEST(alone_no_handler),
      TEST(alone_handler_nowhere), TEST(alone_stack_nowhere), TEST(alone_handler_in_hypervisor));
