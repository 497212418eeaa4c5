// SPDX-License-Identifier: MIT
/*
 * Descriptor tables. Each CPU has a page with the descriptors of selectors 0xe000-0xe06f (the ABI's reserved entries)
 * and its TSS. While a guest is loaded, GDTR points to the vCPU's window, whose page 14 is this page.
 */
#pragma once
#include "lib/base.h"

/* Selectors; the guest's flat ones (FLAT_RING3_*) are the ABI's. */
#define SEL_HYP_CS  0xe008
#define SEL_HYP_DS  0xe010
#define SEL_TSS     0xe040
#define SEL_LDT     0xe050
#define GDT_RESERVED_BYTE 0xe000
#define GDT_LIMIT   (GDT_RESERVED_BYTE + 0xfff)

/* Load GDT, IDT, TSS and the SYSCALL registers of this CPU. Its area is made (percpu_init). */
void descriptor_cpu_init(void);
/* Machine frame of `cpu`'s descriptor page, to be mapped as page 14 of a window. */
mfn_t descriptor_page_mfn(unsigned cpu);
/* Point GDTR to a window (or back to the CPU's own page: base 0). */
void descriptor_load_gdt(uint64_t window);
/* Load an LDT of `entries` descriptors at `base`; 0 entries: none. */
void descriptor_load_ldt(uint64_t base, uint32_t entries);
