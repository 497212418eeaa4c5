// SPDX-License-Identifier: MIT
/*
 * Interrupt lines, vectors and their way to handlers. See irq.h.
 *
 * Level-triggered lines are masked and ended at the APIC at once, and unmasked when the handler's
 * owner says so: a guest that never does holds back its own line only. Edge-triggered ones and MSIs
 * are ended at once and stay open.
 *
 * An interrupt that moves to another CPU keeps its old vector there until it moves again, because
 * one may still be on its way. Locks: each line's own; vector_lock, within it, for the vectors of all
 * CPUs. No lock is held in a handler.
 */
#include "cpu/irq.h"

#include "cpu/lapic.h"
#include "cpu/percpu.h"
#include "cpu/upcall.h"

#define NR_VECTORS         256u
#define NR_ISA_IRQS        16u
#define NO_IRQ             0u       /* entries of vector_irq are irq + 1 */
#define MADT_POLARITY_MASK 0x3u
#define MADT_POLARITY_LOW  0x3u
#define MADT_TRIGGER_MASK  0xcu
#define MADT_TRIGGER_LEVEL 0xcu

struct irq_place {
    unsigned cpu;
    unsigned vector;                /* 0: none */
};

struct irq_line {
    struct spinlock lock;           /* guards all of this struct */
    irq_handler_fn handler;         /* NULL: not requested, and masked */
    void *arg;
    struct irq_place now, before;
    bool is_level, is_active_low;
    bool waits_for_eoi;             /* level: masked since it fired */
    irq_write_fn write_msi;         /* NULL: no MSI, or not allocated */
    void *msi_arg;
};

static struct irq_line lines[NR_IRQS];
static unsigned isa_gsi[NR_ISA_IRQS];

/* Guards: writing vector_irq. Taken with a line's lock held, so with interrupts off. */
static struct spinlock vector_lock = SPINLOCK_INIT(LOCK_VECTOR);
static DEFINE_PER_CPU(uint16_t[NR_VECTORS], vector_irq);

static void place_free(struct irq_place *place)
{
    if (place->vector)
        per_cpu(vector_irq, place->cpu)[place->vector] = NO_IRQ;
    place->vector = 0;
}

/* A free vector of `cpu`: `wanted` (0: any) if it is one. 0: none is left. */
static unsigned vector_find(unsigned cpu, unsigned wanted)
{
    const uint16_t *taken = per_cpu(vector_irq, cpu);

    if (wanted && taken[wanted] == NO_IRQ)
        return wanted;
    for (unsigned v = FIRST_DYNAMIC_VECTOR; v <= LAST_DYNAMIC_VECTOR; v++) {
        if (taken[v] == NO_IRQ && v != VECTOR_LEGACY_SYSCALL)
            return v;
    }
    return 0;
}

/* Give the line a vector on `cpu`, the same number as before if it is free there. */
static int line_move(struct irq_line *line, unsigned irq, unsigned cpu)
{
    struct irq_place place = { cpu, 0 };

    spin_lock(&vector_lock);
    place_free(&line->before);
    place.vector = vector_find(cpu, line->now.vector);
    if (place.vector) {
        per_cpu(vector_irq, cpu)[place.vector] = (uint16_t)(irq + 1);
        line->before = line->now;
        line->now = place;
    }
    spin_unlock(&vector_lock);
    return place.vector ? 0 : -XEN_ENOSPC;
}

/* Tell the chip what the line says. */
static void line_program(struct irq_line *line, unsigned irq)
{
    struct irq_route route = {
        .apic_id = cpu_apic_id[line->now.cpu], .vector = (uint8_t)line->now.vector,
        .is_level = line->is_level, .is_active_low = line->is_active_low,
        .is_masked = !line->handler || line->waits_for_eoi,
    };

    if (line->write_msi)
        line->write_msi(line->msi_arg, &route);
    else
        ioapic_write_route(irq, &route);
}

int irq_request(unsigned irq, irq_handler_fn fn, void *arg)
{
    struct irq_line *line = &lines[irq < NR_IRQS ? irq : 0];
    unsigned long flags;
    int rc = -XEN_EBUSY;

    if (irq >= NR_IRQS || !(line->write_msi || ioapic_has_gsi(irq)))
        return -XEN_EINVAL;
    flags = spin_lock_irqsave(&line->lock);
    if (!line->handler)
        rc = line_move(line, irq, 0);
    if (!rc) {
        line->arg = arg;
        line->handler = fn;
        line->waits_for_eoi = false;
        line_program(line, irq);
    }
    spin_unlock_irqrestore(&line->lock, flags);
    return rc;
}

void irq_free(unsigned irq)
{
    struct irq_line *line = &lines[irq];
    unsigned long flags = spin_lock_irqsave(&line->lock);

    if (line->handler) {
        line->handler = NULL;
        line_program(line, irq);
        spin_lock(&vector_lock);
        place_free(&line->before);
        place_free(&line->now);
        spin_unlock(&vector_lock);
    }
    spin_unlock_irqrestore(&line->lock, flags);
}

void irq_eoi(unsigned irq)
{
    struct irq_line *line = &lines[irq];
    unsigned long flags = spin_lock_irqsave(&line->lock);

    if (line->handler && line->waits_for_eoi) {
        line->waits_for_eoi = false;
        line_program(line, irq);
    }
    spin_unlock_irqrestore(&line->lock, flags);
}

int irq_set_affinity(unsigned irq, const struct cpumask *cpus)
{
    struct irq_line *line = &lines[irq];
    struct cpumask usable;
    unsigned long flags;
    int rc = 0;

    cpumask_and(&usable, cpus, &online_cpus);
    if (cpumask_is_empty(&usable))
        return -XEN_EINVAL;
    flags = spin_lock_irqsave(&line->lock);
    if (line->handler && !cpumask_test(&usable, line->now.cpu)) {
        rc = line_move(line, irq, cpumask_first(&usable));
        if (!rc)
            line_program(line, irq);
    }
    spin_unlock_irqrestore(&line->lock, flags);
    return rc;
}

void irq_reprogram(unsigned irq)
{
    struct irq_line *line = &lines[irq];
    unsigned long flags = spin_lock_irqsave(&line->lock);

    if (line->handler)
        line_program(line, irq);
    spin_unlock_irqrestore(&line->lock, flags);
}

static void line_set_trigger(struct irq_line *line, bool level, bool active_low)
{
    line->is_level = level;
    line->is_active_low = active_low;
}

int irq_setup_gsi(unsigned gsi, bool level, bool active_low)
{
    struct irq_line *line = &lines[gsi < NR_IRQS ? gsi : 0];
    unsigned long flags;

    if (!ioapic_has_gsi(gsi))
        return -XEN_EINVAL;
    flags = spin_lock_irqsave(&line->lock);
    line_set_trigger(line, level, active_low);
    if (line->handler)
        line_program(line, gsi);
    spin_unlock_irqrestore(&line->lock, flags);
    return 0;
}

bool irq_is_level(unsigned irq)
{
    return READ_ONCE(lines[irq].is_level);
}

int irq_alloc_msi(irq_write_fn write, void *arg, unsigned *out)
{
    for (unsigned irq = ioapic_nr_gsis; irq < NR_IRQS; irq++) {
        struct irq_line *line = &lines[irq];
        unsigned long flags = spin_lock_irqsave(&line->lock);
        bool is_free = !line->write_msi;

        if (is_free) {
            line->write_msi = write;
            line->msi_arg = arg;
        }
        spin_unlock_irqrestore(&line->lock, flags);
        if (is_free) {
            *out = irq;
            return 0;
        }
    }
    return -XEN_ENOSPC;
}

void irq_free_msi(unsigned irq)
{
    irq_free(irq);
    WRITE_ONCE(lines[irq].write_msi, NULL);     /* without a handler, only irq_alloc_msi() looks at it */
}

/* A device's interrupt: note what to call, quiet the line, call. */
static void irq_device_interrupt(unsigned vector)
{
    unsigned irq = (unsigned)READ_ONCE(this_cpu(vector_irq)[vector]) - 1;
    irq_handler_fn handler = NULL;
    struct irq_line *line;
    void *arg = NULL;

    if (irq < NR_IRQS) {
        line = &lines[irq];
        spin_lock(&line->lock);
        handler = line->handler;
        arg = line->arg;
        if (handler && line->is_level) {
            line->waits_for_eoi = true;
            line_program(line, irq);
        }
        spin_unlock(&line->lock);
    }
    lapic_eoi();
    if (handler)
        handler(irq, arg);
}

/* VECTOR_CHECK has no row: its sender has set softirq_pending, at which the way out looks. */
#define FIRST_SYSTEM_VECTOR 0xf0u
static void (*const system_interrupt[NR_VECTORS - FIRST_SYSTEM_VECTOR])(void) = {
    [VECTOR_TIMER - FIRST_SYSTEM_VECTOR] = upcall_timer_interrupt,
    [VECTOR_CALL - FIRST_SYSTEM_VECTOR] = smp_answer_call,
    [VECTOR_ERROR - FIRST_SYSTEM_VECTOR] = lapic_error_interrupt,
};

/* Spurious ones, of the APIC or the 8259s, are not ended: the APIC does not count them as in service. */
void irq_dispatch(unsigned vector)
{
    if (vector < FIRST_DYNAMIC_VECTOR || vector == VECTOR_SPURIOUS)
        return;
    if (vector < FIRST_SYSTEM_VECTOR) {
        irq_device_interrupt(vector);
    } else {
        lapic_eoi();
        if (system_interrupt[vector - FIRST_SYSTEM_VECTOR])
            system_interrupt[vector - FIRST_SYSTEM_VECTOR]();
    }
}

void irq_override(unsigned isa, unsigned gsi, uint16_t flags)
{
    if (isa >= NR_ISA_IRQS || gsi >= NR_IRQS)
        return;
    isa_gsi[isa] = gsi;
    line_set_trigger(&lines[gsi], (flags & MADT_TRIGGER_MASK) == MADT_TRIGGER_LEVEL,
                     (flags & MADT_POLARITY_MASK) == MADT_POLARITY_LOW);
}

unsigned irq_isa_to_gsi(unsigned isa)
{
    return isa < NR_ISA_IRQS ? isa_gsi[isa] : isa;
}

void irq_init(void)
{
    for (unsigned irq = 0; irq < NR_IRQS; irq++) {
        bool is_pci = irq >= NR_ISA_IRQS && irq < ioapic_nr_gsis;

        spin_lock_init(&lines[irq].lock, LOCK_IRQ);
        line_set_trigger(&lines[irq], is_pci, is_pci);
    }
    for (unsigned isa = 0; isa < NR_ISA_IRQS; isa++)
        isa_gsi[isa] = isa;
}
