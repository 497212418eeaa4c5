// SPDX-License-Identifier: MIT
/*
 * The entry points that assembly, traps and interrupts need in the layers above: declared here, defined in core/
 * and pv/. Nothing else in cpu/ may call upward.
 */
#pragma once
#include "lib/base.h"
#include "public/xen.h"

/*
 * A fault, trap or software interrupt raised by guest code; interrupts on. `detail`: CR2 for #PF, DR6 for #DB. Must leave
 * the guest runnable or crashed.
 */
void upcall_guest_trap(struct cpu_user_regs *regs, uint64_t detail);
/* A SYSCALL from guest user mode; interrupts off. Bounces it to the guest kernel. */
void upcall_guest_syscall(struct cpu_user_regs *regs);
/* Before returning to a guest, while work is pending: softirqs, events, NMI. Called with interrupts off, returns so. */
void upcall_guest_exit(struct cpu_user_regs *regs);
/* An NMI that the platform raised (not ours): tell dom0. */
void upcall_platform_nmi(void);
/* The saved frame could not be loaded by IRET: hand the guest its fault. */
void upcall_bad_iret(struct cpu_user_regs *regs);
/* The console's device has new input; from interrupt or timer context. */
void upcall_console_input(void);
/* The local timer fired (interrupts off). */
void upcall_timer_interrupt(void);
