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
                 MAY_FAULT("movq %%rax, 32(%[tail])")
                 "movq %c[rsp](%[regs]), %%rax\n"
                 MAY_FAULT("movq %%rax, 24(%[tail])")
                 MAY_FAULT("movq %[rflags], 16(%[tail])")
                 MAY_FAULT("movq %[cs], 8(%[tail])")
                 "movq %c[rip](%[regs]), %%rax\n"
                 MAY_FAULT("movq %%rax, (%[tail])")
                 "movq %c[r11](%[regs]), %%rax\n"
                 MAY_FAULT("movq %%rax, 8(%[head])")
                 "movq %c[rcx](%[regs]), %%rax\n"
                 MAY_FAULT("movq %%rax, (%[head])")
                 : : [tail] "r"(tail), [head] "r"(head), [regs] "r"(regs), [cs] "r"(cs),
                     [rflags] "r"(rflags),
                   FRAME_REG(ss), FRAME_REG(rsp), FRAME_REG(rip), FRAME_REG(r11), FRAME_REG(rcx)
                 : "rax", "memory" : fault);
    if (has_error)
        __asm__ goto(MAY_FAULT("movq %[error], -8(%[tail])")
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
                 MAY_FAULT("movq 8(%[from]), %[rax]")
                 "movq %[rax], %c[r11](%[regs])\n"
                 MAY_FAULT("movq 16(%[from]), %[rax]")
                 "movq %[rax], %c[rcx](%[regs])\n"
                 MAY_FAULT("movq 32(%[from]), %[rax]")
                 "movq %[rax], %c[rip](%[regs])\n"
                 MAY_FAULT("movq 56(%[from]), %[rax]")
                 "movq %[rax], %c[rsp](%[regs])\n"
                 MAY_FAULT("movq (%[from]), %[rax]")
                 MAY_FAULT("movq 24(%[from]), %[flags]")
                 MAY_FAULT("movq 40(%[from]), %[cs]")
                 MAY_FAULT("movq 48(%[from]), %[rflags]")
                 MAY_FAULT("movq 64(%[from]), %[ss]")
                 FORBID_GUEST_ACCESS
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
