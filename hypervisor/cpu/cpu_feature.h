// SPDX-License-Identifier: MIT
/*
 * What the CPU can do and what we use of it: probed once on the boot CPU, checked on the others. `used` bits gate code
 * paths.
 */
#pragma once
#include "cpu/regs.h"

struct cpu_features {
    char vendor[13];
    char hypervisor[13];        /* CPUID 0x40000000 name when running under one, "" otherwise */
    uint32_t family, model, stepping;
    uint32_t max_leaf, max_ext_leaf;
    uint8_t phys_bits;
    bool amd, intel;
    bool page1gb, nx, smep, smap, fsgsbase, umip, xsave;
    bool x2apic, invariant_tsc, rdtscp;
    uint64_t xcr0;              /* state components that we enable */
    uint32_t xsave_size;        /* bytes of the save area for xcr0 */
};

extern struct cpu_features cpu_features;

void cpu_features_init(void);            /* boot CPU: probe; panics on a missing requirement */
void cpu_features_enable(void);          /* each CPU: CR0, CR4, EFER, PAT, XCR0 by the table */
extern uint64_t cr4_base;                /* CR4 of every CPU when a guest runs, but for bits a vCPU owns */

/*
 * Speculation (mitigation.c), boot CPU: detect, report. All actions are in how code is built or laid
 * out, so nobody asks for more.
 */
void mitigation_init(void);
