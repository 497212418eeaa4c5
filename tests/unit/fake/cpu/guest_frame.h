// SPDX-License-Identifier: MIT
// Host stand-in for the machine's part of entering a PV kernel: guest addresses are the test's own, those
// below FAKE_BAD_STACK or not of the lower half fault; address spaces are only counted.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cpu/percpu.h"
#include "cpu/regs.h"
#include "lib/string.h"
#include "public/xen.h"

#define FAKE_BAD_STACK 0x10000u

extern uint64_t fake_cr3;       // what guest_space_load() loaded last
extern unsigned fake_swaps;     // of GS
extern uint16_t fake_selectors[4];

static inline bool fake_faults(uint64_t address)
{
    return address < FAKE_BAD_STACK || address >> 47;
}

static inline bool guest_frame_store(uint64_t tail, uint64_t head, const struct cpu_user_regs *regs,
                                     uint64_t cs, uint64_t rflags, bool has_error, uint64_t error)
{
    uint64_t upper[5] = { regs->rip, cs, rflags, regs->rsp, regs->ss };
    uint64_t lower[2] = { regs->rcx, regs->r11 };

    if (fake_faults(head) || fake_faults(tail))
        return false;
    memcpy((void *)(uintptr_t)tail, upper, sizeof(upper));
    memcpy((void *)(uintptr_t)head, lower, sizeof(lower));
    if (has_error)
        memcpy((void *)(uintptr_t)(tail - 8), &error, sizeof(error));
    return true;
}

static inline bool guest_iret_load(struct iret_context *c, struct cpu_user_regs *regs, uint64_t from)
{
    if (fake_faults(from))
        return false;
    memcpy(c, (const void *)(uintptr_t)from, sizeof(*c));
    regs->r11 = c->r11;
    regs->rcx = c->rcx;
    regs->rip = c->rip;
    regs->rsp = c->rsp;
    return true;
}

static inline void guest_space_load(uint64_t cr3)
{
    fake_cr3 = cr3;
}

static inline void guest_space_switch(uint64_t cr3)
{
    fake_swaps++;
    guest_space_load(cr3);
}

static inline void guest_selectors_read(uint16_t out[4])
{
    memcpy(out, fake_selectors, sizeof(fake_selectors));
}
