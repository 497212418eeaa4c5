// SPDX-License-Identifier: MIT
/*
 * The local APIC of each CPU: end of interrupt, messages to other CPUs, the local timer. x2APIC
 * where the CPU has it, else memory-mapped. Every function acts on the CPU that calls it.
 */
#pragma once
#include "lib/base.h"

/*
 * Boot CPU: silence the 8259s, choose the mode and map the registers at `address`. Then
 * lapic_cpu_init().
 */
void lapic_init(paddr_t address);
/* Each CPU: enable it, route LINT0 nowhere and LINT1 to NMI, the timer standing. */
void lapic_cpu_init(void);
uint32_t lapic_id(void);
void lapic_eoi(void);

#define LAPIC_NMI      0x400u   /* stops a CPU that may not answer interrupts */
#define LAPIC_INIT     0x500u
#define LAPIC_STARTUP  0x600u   /* | number of the 4 KiB page below 1 MiB where it starts in real mode */
/* To another CPU: a vector, or one of these. */
void lapic_send(uint32_t apic_id, uint32_t message);

/* VECTOR_ERROR: log and clear the error status. */
void lapic_error_interrupt(void);

/* The timer raises VECTOR_TIMER once, after so many bus ticks (0: never). */
void lapic_timer_set(uint32_t ticks);
uint32_t lapic_timer_read(void);
