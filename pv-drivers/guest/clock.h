// SPDX-License-Identifier: MIT
//
// System time of a vCPU, from the record that the hypervisor keeps for it.
#pragma once

#include "public/xen.h"

static inline uint64_t rdtsc(void)
{
    uint32_t lo;
    uint32_t hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return (uint64_t)hi << 32 | lo;
}

// Nanoseconds since the host booted.
static inline uint64_t clock_read(const volatile struct vcpu_time_info *t)
{
    uint32_t version;
    uint64_t ns;

    do {
        version = t->version;
        __asm__ volatile("" : : : "memory");
        uint64_t delta = rdtsc() - t->tsc_timestamp;
        delta = t->tsc_shift < 0 ? delta >> -t->tsc_shift : delta << t->tsc_shift;
        ns = t->system_time + (uint64_t)((unsigned __int128)delta * t->tsc_to_system_mul >> 32);
        __asm__ volatile("" : : : "memory");
    } while ((version & 1) || version != t->version);
    return ns;
}
