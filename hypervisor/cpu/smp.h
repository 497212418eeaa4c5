// SPDX-License-Identifier: MIT
/* Other CPUs: bringing them up, calling functions on them, flushing their TLBs. */
#pragma once
#include "lib/base.h"

extern struct cpumask online_cpus;
extern unsigned nr_cpus;                      /* present; ids 0 .. nr_cpus - 1 */
extern uint32_t cpu_apic_id[MAX_CPUS];

/* A free page below 1 MiB, set by boot before smp_boot(): where other CPUs start. */
extern paddr_t smp_trampoline_page;

/* Start all CPUs that `apic_ids` names, at most max_cpus; nr_cpus tells how many did. */
void smp_boot(const uint32_t *apic_ids, unsigned nr, unsigned max_cpus);
/*
 * boot/main.c: where a started CPU goes, on its own stack in the idle address space, interrupts
 * off. Calls smp_mark_online().
 */
void smp_secondary_main(void) __attribute__((noreturn));
/*
 * A started CPU is ready: agree on the time with the boot CPU, become one of online_cpus.
 * Interrupts off.
 */
void smp_mark_online(void);
/* Answer a call to this CPU, if there is one (VECTOR_CALL). Interrupts off, or in a loop that waits. */
void smp_answer_call(void);
/* Make `cpu` look at its softirqs; cheap when it is this one. */
void smp_kick(unsigned cpu);
/*
 * Run fn(arg) on all of `cpus`, this one included if set, with interrupts off there; wait until
 * done. Interrupts on here.
 */
void smp_call(const struct cpumask *cpus, void (*fn)(void *), void *arg);
/* A step of waiting for another CPU, with interrupts on or off: what that one asks of us meanwhile is answered. */
void smp_relax(void);
/* Stop all other CPUs for good (panic, reboot). */
void smp_stop_others(void);
/* First thing in the NMI handler: does not return if another CPU stops this one. */
void smp_stop_if_asked(void);

#define FLUSH_TLB_ALL_VA   UINT64_MAX          /* what is not global: a guest's leaves never are */
#define FLUSH_TLB_GLOBAL   (UINT64_MAX - 1)    /* ours too */
/* Flush `va`, or one of these, from the TLBs of `cpus`; wait until done. */
void tlb_flush_mask(const struct cpumask *cpus, uint64_t va);
/* Load CR3 and stamp this CPU. Interrupts off. */
void tlb_load_cr3(uint64_t cr3);
void tlb_flush_local(void);                    /* non-global entries: reload CR3 */

/*
 * The TLB clock. A CPU stamps itself with it at each whole flush; a frame is stamped when its type
 * count goes to zero or it is freed. tlb_filter() clears from `cpus` those that have flushed since
 * `stamp`, so that only the rest need an interrupt.
 */
uint32_t tlb_clock(void);
void tlb_filter(struct cpumask *cpus, uint32_t stamp);
