// SPDX-License-Identifier: MIT
/*
 * The hypervisor's virtual memory map, as constants. Everything of ours lies in the hole that the
 * PV ABI reserves (L4 slots 256-271); the L3 tables below these slots are the same in every address
 * space, so a guest's L4 table only ever receives the sixteen template entries.
 *
 *   slot  address              what                                             access
 *   256   ffff800000000000     machine-to-phys table, 8 bytes a frame       guests read
 *   257   ffff808000000000     frame table, 24 bytes a frame                    ours
 *   258   ffff810000000000     descriptor windows: GDT, LDT per vCPU slot          ours (CPU reads)
 *   259   ffff818000000000     device registers (ioremap)                       ours, uncached
 *   260   ffff820000000000     per-CPU areas, 64 KiB each; image at +1 GiB      ours
 *   261   ffff828000000000     empty
 *   262   ffff830000000000     direct map of all RAM, up to slot 271 (5 TiB)    ours
 */
#pragma once

#define L4_SLOT_SIZE           0x0000008000000000
#define HYP_L4_FIRST           256
#define HYP_L4_LAST            271
#define HYP_L4_SLOTS           (HYP_L4_LAST - HYP_L4_FIRST + 1)

#define HYP_VIRT_START         0xffff800000000000
#define HYP_VIRT_END           0xffff880000000000
#define M2P_VIRT_START         0xffff800000000000
#define FRAME_TABLE_START      0xffff808000000000
#define DESC_WINDOW_START      0xffff810000000000
#define DESC_WINDOW_SIZE       0x20000              /* per vCPU slot: GDT at 0, LDT at 64 KiB */
#define DESC_WINDOW_LDT        0x10000
#define DESC_WINDOW_SLOTS      65536
#define IOREMAP_START          0xffff818000000000
#define IOREMAP_SIZE           L4_SLOT_SIZE
#define PERCPU_AREA_START      0xffff820000000000
#define PERCPU_AREA_SIZE       0x10000
#define IMAGE_VIRT_START       0xffff820040000000
#define IMAGE_PHYS_START       0x200000
#define DIRECT_MAP_START       0xffff830000000000

/*
 * One CPU's area: the LSTAR stub page, a hole, then a stack block aligned to its size. The lowest
 * pages are the IST stacks, each above an unmapped guard page where there is room; its top holds
 * struct cpu_info, found from any rsp within.
 */
#define CPU_STACK_SIZE         0x8000
#define CPU_STACK_OFFSET       0x8000
#define CPU_STUB_OFFSET        0x0
#define IST_STACK_SIZE         0x1000

#ifndef __ASSEMBLY__
#include "lib/base.h"

_Static_assert(HYP_VIRT_START + HYP_L4_SLOTS * L4_SLOT_SIZE == HYP_VIRT_END, "slots fill the hole");
_Static_assert(DIRECT_MAP_START == HYP_VIRT_START + 6 * L4_SLOT_SIZE, "direct map at slot 262");

/* A guest may name any canonical address outside our hole; `size` must not wrap into it. */
static inline bool guest_range_ok(uint64_t va, uint64_t size)
{
    uint64_t end = va + size;

    if (end < va)
        return false;
    return end <= 0x0000800000000000 || va >= HYP_VIRT_END;
}

/* The same in fewer instructions, for less than a page, which may wrap at the top of memory. */
static inline bool guest_frame_ok(uint64_t va, uint64_t size)
{
    return va + size - HYP_VIRT_START >= HYP_VIRT_END - HYP_VIRT_START + size;
}

/* Of what lies in the image. */
static inline paddr_t image_paddr(const void *va)
{
    return (uintptr_t)va - IMAGE_VIRT_START + IMAGE_PHYS_START;
}

#ifdef HOST_TEST
void *direct_map(paddr_t pa);
paddr_t direct_map_paddr(const void *va);
#else
static inline void *direct_map(paddr_t pa)
{
    return (void *)(DIRECT_MAP_START + pa);
}

static inline paddr_t direct_map_paddr(const void *va)
{
    return (uintptr_t)va - DIRECT_MAP_START;
}
#endif

static inline void *mfn_to_virt(mfn_t m)
{
    return direct_map(mfn_to_paddr(m));
}

static inline mfn_t virt_to_mfn(const void *va)
{
    return paddr_to_mfn(direct_map_paddr(va));
}
#endif
