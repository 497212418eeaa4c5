// SPDX-License-Identifier: MIT
/* One inline function per hypercall, beside those of the drivers' kit. */
#pragma once

#include "guest/hypercall.h"

/* By the number in rax, as a guest may also do: reaches numbers that have no slot in the page. */
static inline long hypercall_raw(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t r10 __asm__("r10") = 0;
    register uint64_t r8 __asm__("r8") = 0;
    long rc;

    __asm__ volatile("syscall"
                     : "=a"(rc), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8) : "0"(nr)
                     : "rcx", "r11", "memory");
    return rc;
}

static inline long hyp_xen_version(int cmd, void *arg)
{
    return hypercall(__HYPERVISOR_xen_version, U64(cmd), U64(arg), 0, 0, 0);
}
static inline int hyp_mmuext_op(struct mmuext_op *o, unsigned int n, unsigned int *done, uint64_t dom)
{
    return (int)hypercall(__HYPERVISOR_mmuext_op, U64(o), n, U64(done), dom, 0);
}
static inline int hyp_set_gdt(unsigned long *frames, unsigned int entries)
{
    return (int)hypercall(__HYPERVISOR_set_gdt, U64(frames), entries, 0, 0, 0);
}
static inline int hyp_update_descriptor(uint64_t machine, uint64_t desc)
{
    return (int)hypercall(__HYPERVISOR_update_descriptor, machine, desc, 0, 0, 0);
}
static inline int hyp_stack_switch(uint64_t ss, uint64_t sp)
{
    return (int)hypercall(__HYPERVISOR_stack_switch, ss, sp, 0, 0, 0);
}
static inline int hyp_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall)
{
    return (int)hypercall(__HYPERVISOR_set_callbacks, event, failsafe, syscall, 0, 0);
}
static inline int hyp_fpu_taskswitch(int set)
{
    return (int)hypercall(__HYPERVISOR_fpu_taskswitch, U64(set), 0, 0, 0, 0);
}
static inline long hyp_set_debugreg(int reg, uint64_t v)
{
    return hypercall(__HYPERVISOR_set_debugreg, U64(reg), v, 0, 0, 0);
}
static inline long hyp_get_debugreg(int reg)
{
    return hypercall(__HYPERVISOR_get_debugreg, U64(reg), 0, 0, 0, 0);
}
static inline long hyp_set_segment_base(int which, uint64_t base)
{
    return hypercall(__HYPERVISOR_set_segment_base, U64(which), base, 0, 0, 0);
}
static inline long hyp_memory_op(unsigned int cmd, void *arg)
{
    return hypercall(__HYPERVISOR_memory_op, cmd, U64(arg), 0, 0, 0);
}
static inline int hyp_multicall(struct multicall_entry *m, unsigned int n)
{
    return (int)hypercall(__HYPERVISOR_multicall, U64(m), n, 0, 0, 0);
}
static inline long hyp_set_timer_op(uint64_t ns)
{
    return hypercall(__HYPERVISOR_set_timer_op, ns, 0, 0, 0, 0);
}
static inline int hyp_console_io(int cmd, unsigned int n, const char *s)
{
    return (int)hypercall(__HYPERVISOR_console_io, U64(cmd), n, U64(s), 0, 0);
}
static inline int hyp_vm_assist(unsigned int cmd, unsigned int type)
{
    return (int)hypercall(__HYPERVISOR_vm_assist, cmd, type, 0, 0, 0);
}
static inline int hyp_vcpu_op(int cmd, unsigned int vcpu, void *arg)
{
    return (int)hypercall(__HYPERVISOR_vcpu_op, U64(cmd), vcpu, U64(arg), 0, 0);
}
static inline int hyp_callback_op(int cmd, const void *arg)
{
    return (int)hypercall(__HYPERVISOR_callback_op, U64(cmd), U64(arg), 0, 0, 0);
}
static inline int hyp_physdev_op(int cmd, void *arg)
{
    return (int)hypercall(__HYPERVISOR_physdev_op, U64(cmd), U64(arg), 0, 0, 0);
}
static inline int hyp_platform_op(struct xen_platform_op *op)
{
    return (int)hypercall(__HYPERVISOR_platform_op, U64(op), 0, 0, 0, 0);
}
static inline int hyp_nmi_op(unsigned int cmd, void *arg)
{
    return (int)hypercall(__HYPERVISOR_nmi_op, cmd, U64(arg), 0, 0, 0);
}
