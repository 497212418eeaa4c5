// SPDX-License-Identifier: MIT
// Host stand-in for registers that belong to a guest: what was loaded is written down.
#pragma once

#include "cpu/cpu_feature.h"

struct fake_guest_state {
    bool ts;
    uint16_t ds, es, fs, gs;
    unsigned swaps; // of GS
    uint64_t msr[4]; // FS base, GS base, kernel GS base, TSC_AUX
};
extern struct fake_guest_state fake_state;

static inline void load_gs(uint16_t selector)
{
    fake_state.gs = selector;
}

static inline void swap_gs(void)
{
    fake_state.swaps++;
}

static inline void set_ts(void)
{
    fake_state.ts = true;
}

static inline void clear_ts(void)
{
    fake_state.ts = false;
}

static inline void fake_wrmsr(uint32_t msr, uint64_t value)
{
    fake_state.msr[msr - MSR_FS_BASE] = value;
}
#define wrmsr fake_wrmsr

static inline bool is_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}
