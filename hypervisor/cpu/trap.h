// SPDX-License-Identifier: MIT
/* Faults of the hypervisor itself, and the way of guests' faults to the layers above. */
#pragma once
#include "public/xen.h"

void guest_trap_entry(struct cpu_user_regs *regs);     /* entry.S */
void hyp_trap(struct cpu_user_regs *regs);
void ist_trap(struct cpu_user_regs *regs);
/* Print the registers of a frame, for panics and crashes. */
void trap_dump(const struct cpu_user_regs *regs);
/* Turn the marked no-ops into STAC and CLAC. Boot CPU, before guests run. */
void smap_enable(void);
