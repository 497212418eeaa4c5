// SPDX-License-Identifier: MIT
/*
 * The machine's part of entering and leaving a PV kernel: frames on guest stacks, written and read with faults caught, and
 * the switch between the two address spaces of a guest. The caller has checked addresses against our hole. Host tests
 * have a fake of this header.
 */
#pragma once
#include "cpu/asm_macros.h"
#include "cpu/percpu.h"
#include "cpu/regs.h"
#include "lib/compiler.h"
#include "lib/types.h"
#include "public/xen.h"

/* The upper five words of a bounce frame, lowest address first. */
struct guest_frame_tail {
    uint64_t rip, cs, rflags, rsp, ss;
};

/*
 * Write a bounce frame: `tail` at its address, the error code below it, then r11 and rcx at `head`. Without an error code
 * head is tail - 16, and r11 covers its place. False if the guest's stack faulted.
 */
static ALWAYS_INLINE bool guest_frame_store(uint64_t tail, uint64_t head, const struct guest_frame_tail *f,
                                            uint64_t error, uint64_t r11, uint64_t rcx)
{
    __asm__ goto(ALLOW_GUEST_ACCESS
                 "1: movq %[ss], 32(%[tail])\n"
                 "2: movq %[rsp], 24(%[tail])\n"
                 "3: movq %[rflags], 16(%[tail])\n"
                 "4: movq %[cs], 8(%[tail])\n"
                 "5: movq %[rip], (%[tail])\n"
                 "6: movq %[error], -8(%[tail])\n"
                 "7: movq %[r11], 8(%[head])\n"
                 "8: movq %[rcx], (%[head])\n"
                 FORBID_GUEST_ACCESS
                 EXTABLE("1b", "%l[fault]") EXTABLE("2b", "%l[fault]") EXTABLE("3b", "%l[fault]")
                 EXTABLE("4b", "%l[fault]") EXTABLE("5b", "%l[fault]") EXTABLE("6b", "%l[fault]")
                 EXTABLE("7b", "%l[fault]") EXTABLE("8b", "%l[fault]")
                 : : [tail] "r"(tail), [head] "r"(head), [ss] "r"(f->ss), [rsp] "r"(f->rsp),
                   [rflags] "r"(f->rflags), [cs] "r"(f->cs), [rip] "r"(f->rip), [error] "r"(error),
                   [r11] "r"(r11), [rcx] "r"(rcx)
                 : "memory" : fault);
    return true;
fault:
    __asm__ volatile(FORBID_GUEST_ACCESS : : : "memory");
    return false;
}

/* Read the frame of the iret hypercall. False if the guest's stack faulted. */
static ALWAYS_INLINE bool guest_iret_load(struct iret_context *c, uint64_t from)
{
    uint64_t rax, r11, rcx, flags, rip, cs, rflags, rsp, ss;

    __asm__ goto(ALLOW_GUEST_ACCESS
                 "1: movq (%[from]), %[rax]\n"
                 "2: movq 8(%[from]), %[r11]\n"
                 "3: movq 16(%[from]), %[rcx]\n"
                 "4: movq 24(%[from]), %[flags]\n"
                 "5: movq 32(%[from]), %[rip]\n"
                 "6: movq 40(%[from]), %[cs]\n"
                 "7: movq 48(%[from]), %[rflags]\n"
                 "8: movq 56(%[from]), %[rsp]\n"
                 "9: movq 64(%[from]), %[ss]\n"
                 FORBID_GUEST_ACCESS
                 EXTABLE("1b", "%l[fault]") EXTABLE("2b", "%l[fault]") EXTABLE("3b", "%l[fault]")
                 EXTABLE("4b", "%l[fault]") EXTABLE("5b", "%l[fault]") EXTABLE("6b", "%l[fault]")
                 EXTABLE("7b", "%l[fault]") EXTABLE("8b", "%l[fault]") EXTABLE("9b", "%l[fault]")
                 : [rax] "=&r"(rax), [r11] "=&r"(r11), [rcx] "=&r"(rcx), [flags] "=&r"(flags), [rip] "=&r"(rip),
                   [cs] "=&r"(cs), [rflags] "=&r"(rflags), [rsp] "=&r"(rsp), [ss] "=&r"(ss)
                 : [from] "r"(from)
                 : "memory" : fault);
    *c = (struct iret_context){ rax, r11, rcx, flags, rip, cs, rflags, rsp, ss };
    return true;
fault:
    __asm__ volatile(FORBID_GUEST_ACCESS : : : "memory");
    return false;
}

/*
 * Load one of the current vCPU's address spaces. The TLB clock is not told of this flush: a stamp too old only costs a
 * needless flush later. cpu_info()->cr3 goes first, so that an interrupt in between that reloads it loads what comes anyway.
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
