// SPDX-License-Identifier: MIT
/* What the control domain's builder (boot/dom0.c) needs of pv/. */
#pragma once
#include "pv/pv_domain.h"

/* Fill a page with the ABI's hypercall stubs, 32 bytes each (hypercall_page.c). */
void pv_write_hypercall_page(void *page);
/* Give vCPU 0 its first context: kernel mode, events masked, tables at `l4`. 0 or why the table is refused. */
int pv_boot_vcpu(struct pv_domain *d, mfn_t l4, uint64_t entry, uint64_t stack, uint64_t start_info);
