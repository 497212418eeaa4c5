// SPDX-License-Identifier: MIT
/*
 * Interrupt lines and vectors. An irq is a number in a fixed table: GSIs first, then MSIs as they
 * are allocated. Each has a chip (IO-APIC pin or MSI message), a vector on one CPU at a time, and a
 * handler.
 */
#pragma once
#include "lib/cpumask.h"
#include "lib/types.h"

#define NR_IRQS            1024
#define FIRST_DYNAMIC_VECTOR 0x30
#define LAST_DYNAMIC_VECTOR  0xdf
#define VECTOR_SPURIOUS    0xff
#define VECTOR_ERROR       0xfe
#define VECTOR_TIMER       0xf9
#define VECTOR_CALL        0xfb       /* cross-CPU function call */
#define VECTOR_CHECK       0xfc       /* look at softirq_pending */
#define VECTOR_LEGACY_SYSCALL 0x80
#define VECTOR_LEGACY_CMD  0x82

struct irq_msi_message { uint64_t address; uint32_t data; };

/* Called with interrupts off and no lock held; a level-triggered line is masked until irq_eoi(). */
typedef void (*irq_handler_fn)(unsigned irq, void *arg);

/*
 * Boot CPU, after ioapic_add() and irq_override(): let GSIs below 16 be ISA interrupts (edge,
 * active high), those above PCI interrupts (level, active low), as far as no override says
 * otherwise.
 */
void irq_init(void);
/*
 * The MADT says that ISA interrupt `isa` arrives at `gsi`; `flags` as there (polarity in bits 0-1,
 * trigger in bits 2-3).
 */
void irq_override(unsigned isa, unsigned gsi, uint16_t flags);
/* The GSI of an ISA interrupt. */
unsigned irq_isa_to_gsi(unsigned isa);
unsigned irq_nr_gsis(void);
/* Before `cpu` is started, once its per-CPU data exist (smp_boot() calls it). */
void irq_cpu_init(unsigned cpu);
/* From entry.S's common interrupt stub, interrupts off. */
void irq_dispatch(unsigned vector);
/* Hand `irq` to a handler. Flags per chip; the line starts masked. */
int irq_request(unsigned irq, irq_handler_fn fn, void *arg);
/*
 * The line is masked and loses its vector. The handler may still run, once, on another CPU: `arg`
 * must stay valid.
 */
void irq_free(unsigned irq);
void irq_unmask(unsigned irq);
/* Level-triggered lines: acknowledge after the guest is done. */
void irq_eoi(unsigned irq);
int irq_set_affinity(unsigned irq, const struct cpumask *cpus);
/* GSI: program trigger and polarity (once the firmware's or the guest's word is known). */
/* Write what the chip should hold once more: a device that was reset has lost it. */
void irq_reprogram(unsigned irq);
int irq_setup_gsi(unsigned gsi, bool level, bool active_low);
bool irq_is_level(unsigned irq);
/*
 * An irq number for an MSI of a device; -XEN_ENOSPC. The message is written by the chip whenever
 * the vector moves.
 */
int irq_alloc_msi(void (*write_message)(void *arg, const struct irq_msi_message *m),
                  void (*set_mask)(void *arg, bool masked), void *arg);
void irq_free_msi(unsigned irq);
