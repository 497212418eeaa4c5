// SPDX-License-Identifier: MIT
// What a PV kernel may ask to be entered by, and may put into registers of ring 0: every refusal, and
// that what is refused changes nothing.
#include "unit_main.h"

#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "cpu/guest_state.h"
#include "fake_machine.h"
#include "public/callback.h"
#include "pv/pv_domain.h"

#define BAD_ADDRESS   0x10000u
#define NOT_CANONICAL UINT64_C(0x800000000000)
#define ADDRESS       UINT64_C(0xffffffff81000000)

struct fake_guest_state fake_state;

static struct pv_domain domain;
static struct pv_vcpu v;
static struct vcpu_info info;
static unsigned softirqs, debug_loads;

void softirq_raise(enum softirq nr)
{
    CU_ASSERT_EQUAL(nr, SOFTIRQ_VCPU);
    softirqs++;
}

void pv_load_debug_registers(const struct pv_vcpu *of)
{
    CU_ASSERT_PTR_EQUAL(of, &v);
    debug_loads++;
}

size_t guest_copy_raw(void *to, const void *from, size_t size)
{
    if ((uintptr_t)from < BAD_ADDRESS)
        return size;
    memcpy(to, from, size);
    return 0;
}

static void start(void)
{
    memset(&v, 0, sizeof(v));
    memset(&fake_state, 0, sizeof(fake_state));
    v.vcpu.domain = &domain.domain;
    v.vcpu.vcpu_info = &info;
    fake_current[0] = &v.vcpu;
    softirqs = 0;
    debug_loads = 0;
}

static long set_traps(const struct trap_info *t)
{
    return do_set_trap_table((uint64_t)(uintptr_t)t, 0, 0, 0, 0);
}

static void trap_table(void)
{
    struct trap_info t[] = { { 14, 4, 0xe030, ADDRESS }, { 0x80, 3, 0xe033, ADDRESS + 16 }, { 0, 0, 0, 0 },
                             { 3, 0, 0, ADDRESS } };

    start();
    CU_ASSERT_EQUAL(set_traps(t), 0);
    CU_ASSERT_EQUAL(v.traps[14].address, ADDRESS);
    CU_ASSERT(TI_GET_IF(&v.traps[14]));
    CU_ASSERT_EQUAL(TI_GET_DPL(&v.traps[14]), 0);
    CU_ASSERT(!TI_GET_IF(&v.traps[0x80]));
    CU_ASSERT_EQUAL(TI_GET_DPL(&v.traps[0x80]), 3);
    CU_ASSERT_EQUAL(v.traps[3].address, 0);
    t[0].address = NOT_CANONICAL;
    CU_ASSERT_EQUAL(set_traps(t), -XEN_EINVAL);
    CU_ASSERT_EQUAL(v.traps[14].address, ADDRESS);
    CU_ASSERT_EQUAL(do_set_trap_table(0x100, 0, 0, 0, 0), -XEN_EFAULT);
    CU_ASSERT_EQUAL(do_set_trap_table(0, 0, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(v.traps[14].address, 0);
}

static void trap_table_without_end(void)
{
    static struct trap_info t[600];

    start();
    for (unsigned i = 0; i < 600; i++)
        t[i] = (struct trap_info){ (uint8_t)i, 0, 0xe033, ADDRESS + i };
    CU_ASSERT(set_traps(t) < 0);
    CU_ASSERT(v.traps[1].address <= ADDRESS + 257);
}

static void callbacks(void)
{
    start();
    CU_ASSERT_EQUAL(do_set_callbacks(ADDRESS, ADDRESS + 1, ADDRESS + 2, 0, 0), 0);
    CU_ASSERT_EQUAL(v.event_cb.address, ADDRESS);
    CU_ASSERT_EQUAL(v.failsafe_cb.address, ADDRESS + 1);
    CU_ASSERT_EQUAL(v.syscall_cb.address, ADDRESS + 2);
    CU_ASSERT_EQUAL(do_set_callbacks(5, 5, NOT_CANONICAL, 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(do_set_callbacks(5, NOT_CANONICAL, 5, 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(do_set_callbacks(NOT_CANONICAL, 5, 5, 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(v.event_cb.address, ADDRESS);
}

static long callback(uint64_t cmd, uint16_t type, uint16_t flags, uint64_t address)
{
    struct callback_register r = { type, flags, address };

    return do_callback_op(cmd, (uint64_t)(uintptr_t)&r, 0, 0, 0);
}

static void callback_ops(void)
{
    start();
    CU_ASSERT_EQUAL(callback(CALLBACKOP_register, CALLBACKTYPE_syscall32, CALLBACKF_mask_events, ADDRESS), 0);
    CU_ASSERT_EQUAL(v.syscall32_cb.address, ADDRESS);
    CU_ASSERT(TI_GET_IF(&v.syscall32_cb));
    CU_ASSERT_EQUAL(callback(CALLBACKOP_unregister, CALLBACKTYPE_syscall32, 0, 0), 0);
    CU_ASSERT_EQUAL(v.syscall32_cb.address, 0);
    CU_ASSERT_EQUAL(callback(CALLBACKOP_register, CALLBACKTYPE_event, 0, NOT_CANONICAL), -XEN_EINVAL);
    CU_ASSERT_EQUAL(callback(CALLBACKOP_unregister, CALLBACKTYPE_event, 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(callback(2, CALLBACKTYPE_event, 0, ADDRESS), -XEN_ENOSYS);
    for (unsigned type = 6; type < 0x10000; type += type == 6 ? 2 : 1) {
        CU_ASSERT_EQUAL(callback(CALLBACKOP_register, (uint16_t)type, 0, ADDRESS), -XEN_ENOSYS);
        CU_ASSERT_EQUAL(callback(CALLBACKOP_unregister, (uint16_t)type, 0, 0), -XEN_ENOSYS);
    }
    CU_ASSERT_EQUAL(do_callback_op(CALLBACKOP_register, 0x100, 0, 0, 0), -XEN_EFAULT);
}

// An NMI that came before there was a handler is delivered when there is one.
static void nmi_callback(void)
{
    start();
    v.nmi_pending = 1;
    CU_ASSERT_EQUAL(callback(CALLBACKOP_register, CALLBACKTYPE_nmi, 0, ADDRESS), 0);
    CU_ASSERT_EQUAL(softirqs, 1);
}

static void debug_addresses(void)
{
    static const struct { uint64_t address; long rc; } rows[] = {
        { 0, 0 }, { 0x7fffffffffff, 0 }, { NOT_CANONICAL, -XEN_EPERM }, { 0xffff7fffffffffff, -XEN_EPERM },
        { HYP_VIRT_START, -XEN_EPERM }, { HYP_VIRT_END - 1, -XEN_EPERM }, { HYP_VIRT_END, 0 }, { UINT64_MAX, 0 },
    };

    start();
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned reg = 0; reg < 4; reg++)
            CU_ASSERT_EQUAL(do_set_debugreg(reg, rows[i].address, 0, 0, 0), rows[i].rc);
    }
    CU_ASSERT_EQUAL(do_get_debugreg(2, 0, 0, 0, 0), -1);
}

static void debug_control(void)
{
    start();
    CU_ASSERT_EQUAL(do_set_debugreg(7, 0x1 | 0x20000, 0, 0, 0), -XEN_EPERM);       // breakpoint on I/O
    CU_ASSERT_EQUAL(do_set_debugreg(7, 0x4 | 0x400000, 0, 0, 0), -XEN_EPERM);      // execution, 2 bytes
    CU_ASSERT_EQUAL(do_set_debugreg(7, 0x2000, 0, 0, 0), -XEN_EPERM);              // general detect
    CU_ASSERT_EQUAL(do_set_debugreg(7, UINT64_C(1) << 32, 0, 0, 0), -XEN_EPERM);
    CU_ASSERT_EQUAL(do_set_debugreg(6, UINT64_C(1) << 32, 0, 0, 0), -XEN_EPERM);
    CU_ASSERT_EQUAL(debug_loads, 0);
    CU_ASSERT_EQUAL(do_set_debugreg(7, 0x20000, 0, 0, 0), 0);                      // I/O, but switched off
    CU_ASSERT_EQUAL(do_set_debugreg(7, 0xd801 | 0x90000, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(do_get_debugreg(7, 0, 0, 0, 0), 0x90401);
    CU_ASSERT_EQUAL(debug_loads, 2);
    CU_ASSERT_EQUAL(do_set_debugreg(6, 0, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(do_get_debugreg(6, 0, 0, 0, 0), 0xffff0ff0);
    static const uint64_t missing[] = { 4, 5, 8, UINT64_MAX };
    for (unsigned i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(do_set_debugreg(missing[i], 0, 0, 0, 0), -XEN_EINVAL);
        CU_ASSERT_EQUAL(do_get_debugreg(missing[i], 0, 0, 0, 0), -XEN_EINVAL);
    }
}

static void segment_bases(void)
{
    start();
    CU_ASSERT_EQUAL(do_set_segment_base(SEGBASE_FS, ADDRESS, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(do_set_segment_base(SEGBASE_GS_KERNEL, ADDRESS + 1, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(do_set_segment_base(SEGBASE_GS_USER, ADDRESS + 2, 0, 0, 0), 0);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(fake_state.msr[i], ADDRESS + i);
    for (unsigned which = 0; which < 3; which++)
        CU_ASSERT_EQUAL(do_set_segment_base(which, NOT_CANONICAL, 0, 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(do_set_segment_base(4, 0, 0, 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(do_set_segment_base(UINT64_MAX, 0, 0, 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(fake_state.msr[0], ADDRESS);
}

// A selector that a guest names is one of ring 3, or null.
static void gs_selector(void)
{
    start();
    CU_ASSERT_EQUAL(do_set_segment_base(SEGBASE_GS_USER_SEL, 0xe010, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(fake_state.gs, 0xe013);
    CU_ASSERT_EQUAL(fake_state.swaps, 2);
    CU_ASSERT_EQUAL(do_set_segment_base(SEGBASE_GS_USER_SEL, 3, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(fake_state.gs, 0);
}

static void small_ones(void)
{
    start();
    CU_ASSERT_EQUAL(do_stack_switch(0xe028, ADDRESS, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(v.kernel_sp, ADDRESS);
    CU_ASSERT_EQUAL(do_fpu_taskswitch(7, 0, 0, 0, 0), 0);
    CU_ASSERT(fake_state.ts && v.fpu_ts);
    CU_ASSERT_EQUAL(do_fpu_taskswitch(0, 0, 0, 0, 0), 0);
    CU_ASSERT(!fake_state.ts && !v.fpu_ts);
}

static const struct unit_test tests[] = {
    { "trap_table", trap_table },
    { "trap_table_without_end", trap_table_without_end },
    { "callbacks", callbacks },
    { "callback_ops", callback_ops },
    { "nmi_callback", nmi_callback },
    { "debug_addresses", debug_addresses },
    { "debug_control", debug_control },
    { "segment_bases", segment_bases },
    { "gs_selector", gs_selector },
    { "small_ones", small_ones },
    { NULL, NULL },
};

int main(void)
{
    return unit_main("callbacks", tests);
}
