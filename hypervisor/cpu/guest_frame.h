// SPDX-License-Identifier: MIT
/*
 * The machine's part of entering and leaving a PV kernel: frames on guest stacks, written and read
 * with faults caught, and the switch between the two address spaces of a guest. The caller has
 * checked addresses against our hole. Host tests have a fake of this header.
 */
#pragma once
#include "cpu/asm_macros.h"
#include "cpu/percpu.h"
#include "cpu/regs.h"
#include "lib/compiler.h"
#include "lib/types.h"
#include "public/xen.h"

#define FRAME_REG(reg) [reg] "i"(offsetof(struct cpu_user_regs, reg))

/*
 * Write a bounce frame of `regs`, its five upper words at `tail`, the error code below them if
 * there is one, then r11 and rcx at `head`. Words go by way of one register: more would have to be
 * saved first. False if the guest's stack faulted.
 */
static ALWAYS_INLINE bool guest_frame_store(uint64_t tail, uint64_t head,
                                            const struct cpu_user_regs *regs, uint64_t cs,
                                            uint64_t rflags, bool has_error, uint64_t error)
{
    __asm__ goto(ALLOW_GUEST_ACCESS
                 "movzwl %c[ss](%[regs]), %%eax\n"
                 "1: movq %%rax, 32(%[tail])\n"
                 "movq %c[rsp](%[regs]), %%rax\n"
                 "2: movq %%rax, 24(%[tail])\n"
                 "3: movq %[rflags], 16(%[tail])\n"
                 "4: movq %[cs], 8(%[tail])\n"
                 "movq %c[rip](%[regs]), %%rax\n"
                 "5: movq %%rax, (%[tail])\n"
                 "movq %c[r11](%[regs]), %%rax\n"
                 "6: movq %%rax, 8(%[head])\n"
                 "movq %c[rcx](%[regs]), %%rax\n"
                 "7: movq %%rax, (%[head])\n"
                 EXTABLE("1b", "%l[fault]") EXTABLE("2b", "%l[fault]") EXTABLE("3b", "%l[fault]")
                 EXTABLE("4b", "%l[fault]") EXTABLE("5b", "%l[fault]") EXTABLE("6b", "%l[fault]")
                 EXTABLE("7b", "%l[fault]")
                 : : [tail] "r"(tail), [head] "r"(head), [regs] "r"(regs), [cs] "r"(cs),
                     [rflags] "r"(rflags),
                   FRAME_REG(ss), FRAME_REG(rsp), FRAME_REG(rip), FRAME_REG(r11), FRAME_REG(rcx)
                 : "rax", "memory" : fault);
    if (has_error)
        __asm__ goto("1: movq %[error], -8(%[tail])\n" EXTABLE("1b", "%l[fault]")
                     : : [tail] "r"(tail), [error] "r"(error) : "memory" : fault);
    __asm__ volatile(FORBID_GUEST_ACCESS : : : "memory");
    return true;
fault:
    __asm__ volatile(FORBID_GUEST_ACCESS : : : "memory");
    return false;
}

/*
 * Read the frame of the iret hypercall: what needs no look goes straight to `regs`, the rest to
 * `c`. False if the guest's stack faulted; regs is spoilt then.
 */
static ALWAYS_INLINE bool guest_iret_load(struct iret_context *c, struct cpu_user_regs *regs,
                                          uint64_t from)
{
    uint64_t rax, flags, cs, rflags, ss;

    __asm__ goto(ALLOW_GUEST_ACCESS
                 "1: movq 8(%[from]), %[rax]\n"
                 "movq %[rax], %c[r11](%[regs])\n"
                 "2: movq 16(%[from]), %[rax]\n"
                 "movq %[rax], %c[rcx](%[regs])\n"
                 "3: movq 32(%[from]), %[rax]\n"
                 "movq %[rax], %c[rip](%[regs])\n"
                 "4: movq 56(%[from]), %[rax]\n"
                 "movq %[rax], %c[rsp](%[regs])\n"
                 "5: movq (%[from]), %[rax]\n"
                 "6: movq 24(%[from]), %[flags]\n"
                 "7: movq 40(%[from]), %[cs]\n"
                 "8: movq 48(%[from]), %[rflags]\n"
                 "9: movq 64(%[from]), %[ss]\n"
                 FORBID_GUEST_ACCESS
                 EXTABLE("1b", "%l[fault]") EXTABLE("2b", "%l[fault]") EXTABLE("3b", "%l[fault]")
                 EXTABLE("4b", "%l[fault]") EXTABLE("5b", "%l[fault]") EXTABLE("6b", "%l[fault]")
                 EXTABLE("7b", "%l[fault]") EXTABLE("8b", "%l[fault]") EXTABLE("9b", "%l[fault]")
                 : [rax] "=&r"(rax), [flags] "=&r"(flags), [cs] "=&r"(cs), [rflags] "=&r"(rflags),
                     [ss] "=&r"(ss)
                 : [from] "r"(from), [regs] "r"(regs), FRAME_REG(rsp), FRAME_REG(rip),
                     FRAME_REG(r11), FRAME_REG(rcx)
                 : "memory" : fault);
    c->rax = rax;
    c->flags = flags;
    c->cs = cs;
    c->rflags = rflags;
    c->ss = ss;
    return true;
fault:
    __asm__ volatile(FORBID_GUEST_ACCESS : : : "memory");
    return false;
}

/*
 * Load one of the current vCPU's address spaces. The TLB clock is not told of this flush: a stamp
 * too old only costs a needless flush later. cpu_info()->cr3 goes first, so that an interrupt in
 * between that reloads it loads what comes anyway.
 */
static ALWAYS_INLINE void guest_space_load(uint64_t cr3)
{
    cpu_info()->cr3 = cr3;
    write_cr3(cr3);
}

/* From user to kernel or back. */
static ALWAYS_INLINE void guest_space_switch(uint64_t cr3)
{
    __asm__ volatile("swapgs" : : : "memory");
    guest_space_load(cr3);
}

/* ds, es, fs, gs as the CPU holds them. */
static inline void guest_selectors_read(uint16_t out[4])
{
    __asm__ volatile("movw %%ds, %0" : "=rm"(out[0]));
    __asm__ volatile("movw %%es, %0" : "=rm"(out[1]));
    __asm__ volatile("movw %%fs, %0" : "=rm"(out[2]));
    __asm__ volatile("movw %%gs, %0" : "=rm"(out[3]));
}
