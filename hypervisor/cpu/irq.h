// SPDX-License-Identifier: MIT
/*
 * Interrupt lines and vectors. An irq is a number in a fixed table: GSIs first, then MSIs as they
 * are allocated. Each has a chip (IO-APIC pin or MSI message), a vector on one CPU at a time, and a
 * handler.
 */
#pragma once
#include "lib/base.h"

#define NR_IRQS            1024
#define FIRST_DYNAMIC_VECTOR 0x30
#define LAST_DYNAMIC_VECTOR  0xdf
#define VECTOR_SPURIOUS    0xff
#define VECTOR_ERROR       0xfe
#define VECTOR_TIMER       0xf9
#define VECTOR_CALL        0xfb       /* cross-CPU function call */
#define VECTOR_CHECK       0xfc       /* look at softirq_pending */
#define VECTOR_LEGACY_SYSCALL 0x80    /* a software interrupt that guests may raise */

/* What a chip shall do with an interrupt. */
struct irq_route {
    uint32_t apic_id;           /* physical destination */
    uint8_t vector;
    bool is_level;
    bool is_active_low;
    bool is_masked;
};

/* Called with interrupts off and no lock held; a level-triggered line is masked until irq_eoi(). */
typedef void (*irq_handler_fn)(unsigned irq, void *arg);
/* Makes a device send its MSI so. */
typedef void (*irq_write_fn)(void *arg, const struct irq_route *route);

/*
 * Boot CPU, after ioapic_add(): let GSIs below 16 be ISA interrupts (edge, active high), those
 * above PCI interrupts (level, active low), as far as no override says otherwise.
 */
void irq_init(void);
/*
 * The MADT says that ISA interrupt `isa` arrives at `gsi`; `flags` as there (polarity in bits 0-1,
 * trigger in bits 2-3).
 */
void irq_override(unsigned isa, unsigned gsi, uint16_t flags);
/* The GSI of an ISA interrupt. */
unsigned irq_isa_to_gsi(unsigned isa);
/* From entry.S's common interrupt stub, interrupts off. */
void irq_dispatch(unsigned vector);
/* Hand `irq` to a handler, from now on: it may run before this returns. */
int irq_request(unsigned irq, irq_handler_fn fn, void *arg);
/*
 * The line is masked and loses its vector. The handler may still run, once, on another CPU: `arg`
 * must stay valid.
 */
void irq_free(unsigned irq);
/* Level-triggered lines: acknowledge after the guest is done. */
void irq_eoi(unsigned irq);
int irq_set_affinity(unsigned irq, const struct cpumask *cpus);
/* Write what the chip should hold once more: a device that was reset has lost it. */
void irq_reprogram(unsigned irq);
/* GSI: program trigger and polarity (once the firmware's or the guest's word is known). */
int irq_setup_gsi(unsigned gsi, bool level, bool active_low);
bool irq_is_level(unsigned irq);
/* An irq number for an MSI of a device, which `write` programs; -XEN_ENOSPC. */
int irq_alloc_msi(irq_write_fn write, void *arg, unsigned *out);
void irq_free_msi(unsigned irq);

/*
 * IO-APICs (ioapic.c): one redirection entry per global system interrupt (GSI). Only irq.c changes entries,
 * under the interrupt's lock.
 */
/* Boot: map a chip and mask all its pins. 0, -XEN_ENOSPC or -XEN_ENOMEM. */
int ioapic_add(unsigned id, paddr_t address, unsigned gsi_base);
/* GSIs that exist are below this number; there may be holes. */
extern unsigned ioapic_nr_gsis;
bool ioapic_has_gsi(unsigned gsi);
/*
 * Make a pin's entry say this. One that changes its vector is masked meanwhile; one that only moves
 * is not, so no edge gets lost.
 */
void ioapic_write_route(unsigned gsi, const struct irq_route *route);
/* A register as dom0 asks for it, of the chip at `address`. 0 or -XEN_EINVAL. */
int ioapic_read_register(paddr_t address, uint32_t reg, uint32_t *value);
