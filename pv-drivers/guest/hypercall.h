// SPDX-License-Identifier: MIT
//
// Hypercalls through the page that notes.inc sets aside: the number is a slot in it, arguments are in
// registers. Those that the kit needs; tests/guest/kit/hypercall.h adds the others.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "public/xen.h"

extern uint8_t hypercall_page[];

static inline long hypercall(unsigned nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    long rc;

    __asm__ volatile("call *%[page]" : "=a"(rc), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8)
                     : [page] "r"(hypercall_page + nr * 32)
                     : "rcx", "r11", "memory");
    return rc;
}

#define U64(x) ((uint64_t)(x))

static inline int hyp_set_trap_table(const struct trap_info *table)
{
    return (int)hypercall(__HYPERVISOR_set_trap_table, U64(table), 0, 0, 0, 0);
}

static inline int hyp_mmu_update(struct mmu_update *u, unsigned nr, unsigned *done, uint64_t dom)
{
    return (int)hypercall(__HYPERVISOR_mmu_update, U64(u), nr, U64(done), dom, 0);
}

static inline int hyp_update_va_mapping(uint64_t va, uint64_t pte, uint64_t flags)
{
    return (int)hypercall(__HYPERVISOR_update_va_mapping, va, pte, flags, 0, 0);
}

static inline int hyp_grant_op(unsigned cmd, void *arg, unsigned nr)
{
    return (int)hypercall(__HYPERVISOR_grant_table_op, cmd, U64(arg), nr, 0, 0);
}

static inline long hyp_sched_op(int cmd, void *arg)
{
    return hypercall(__HYPERVISOR_sched_op, U64(cmd), U64(arg), 0, 0, 0);
}

static inline int hyp_event_channel_op(int cmd, void *arg)
{
    return (int)hypercall(__HYPERVISOR_event_channel_op, U64(cmd), U64(arg), 0, 0, 0);
}
