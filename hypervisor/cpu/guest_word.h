// SPDX-License-Identifier: MIT
/*
 * Guest memory word by word, for paths too short for the copy routines: each access is one instruction with a fault
 * caught. The caller has checked addresses against our hole. Host tests have a fake of this header.
 */
#pragma once
#include "cpu/asm_macros.h"
#include "lib/base.h"
#include "public/xen.h"

/* False if the guest's page is not there, or not writable. */
static ALWAYS_INLINE bool guest_store_word(uint64_t to, uint64_t value)
{
    __asm__ goto(ALLOW_GUEST_ACCESS
                 MAY_FAULT("movq %[value], %[to]")
                 FORBID_GUEST_ACCESS
                 : : [to] "m"(*(uint64_t *)to), [value] "r"(value) : "memory" : fault);
    return true;
fault:
    __asm__ volatile(FORBID_GUEST_ACCESS : : : "memory");
    return false;
}

/* False if the guest's page is not there. */
static ALWAYS_INLINE bool guest_load_u32(uint32_t *value, uint64_t from)
{
    uint32_t loaded;

    __asm__ goto(ALLOW_GUEST_ACCESS
                 MAY_FAULT("movl (%[from]), %[loaded]")
                 FORBID_GUEST_ACCESS
                 : [loaded] "=&r"(loaded) : [from] "r"(from) : "memory" : fault);
    *value = loaded;
    return true;
fault:
    __asm__ volatile(FORBID_GUEST_ACCESS : : : "memory");
    return false;
}

/* An MMU operation: three words, once each. */
static ALWAYS_INLINE bool guest_load_mmuext(struct mmuext_op *op, uint64_t from)
{
    uint64_t cmd, arg1, arg2;

    _Static_assert(sizeof(*op) == 24, "three words");
    __asm__ goto(ALLOW_GUEST_ACCESS
                 MAY_FAULT("movq (%[from]), %[cmd]")
                 MAY_FAULT("movq 8(%[from]), %[arg1]")
                 MAY_FAULT("movq 16(%[from]), %[arg2]")
                 FORBID_GUEST_ACCESS
                 : [cmd] "=&r"(cmd), [arg1] "=&r"(arg1), [arg2] "=&r"(arg2)
                 : [from] "r"(from) : "memory" : fault);
    op->cmd = (unsigned)cmd;
    op->arg1.mfn = arg1;
    op->arg2.src_mfn = arg2;
    return true;
fault:
    __asm__ volatile(FORBID_GUEST_ACCESS : : : "memory");
    return false;
}

/* What a multicall's entry calls: op and five arguments, once each. */
static ALWAYS_INLINE bool guest_load_call(struct multicall_entry *call, uint64_t from)
{
    uint64_t op, a0, a1, a2, a3, a4;

    _Static_assert(offsetof(struct multicall_entry, args) == 16, "after op and result");
    __asm__ goto(ALLOW_GUEST_ACCESS
                 MAY_FAULT("movq (%[from]), %[op]")
                 MAY_FAULT("movq 16(%[from]), %[a0]")
                 MAY_FAULT("movq 24(%[from]), %[a1]")
                 MAY_FAULT("movq 32(%[from]), %[a2]")
                 MAY_FAULT("movq 40(%[from]), %[a3]")
                 MAY_FAULT("movq 48(%[from]), %[a4]")
                 FORBID_GUEST_ACCESS
                 : [op] "=&r"(op), [a0] "=&r"(a0), [a1] "=&r"(a1), [a2] "=&r"(a2), [a3] "=&r"(a3), [a4] "=&r"(a4)
                 : [from] "r"(from) : "memory" : fault);
    call->op = op;
    call->args[0] = a0;
    call->args[1] = a1;
    call->args[2] = a2;
    call->args[3] = a3;
    call->args[4] = a4;
    return true;
fault:
    __asm__ volatile(FORBID_GUEST_ACCESS : : : "memory");
    return false;
}
