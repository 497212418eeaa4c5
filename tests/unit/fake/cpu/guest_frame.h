// SPDX-License-Identifier: MIT
// Host stand-in for the machine's part of entering a PV kernel: guest addresses are the test's own, those
// below FAKE_BAD_STACK fault; address spaces are only counted.
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

struct guest_frame_tail {
    uint64_t rip, cs, rflags, rsp, ss;
};

static inline bool guest_frame_store(uint64_t tail, uint64_t head, const struct guest_frame_tail *f,
                                     uint64_t error, uint64_t r11, uint64_t rcx)
{
    if (head < FAKE_BAD_STACK)
        return false;
    memcpy((void *)(uintptr_t)tail, f, sizeof(*f));
    *(uint64_t *)(uintptr_t)(tail - 8) = error;
    *(uint64_t *)(uintptr_t)(head + 8) = r11;
    *(uint64_t *)(uintptr_t)head = rcx;
    return true;
}

static inline bool guest_iret_load(struct iret_context *c, uint64_t from)
{
    if (from < FAKE_BAD_STACK)
        return false;
    memcpy(c, (const void *)(uintptr_t)from, sizeof(*c));
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
