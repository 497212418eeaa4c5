// SPDX-License-Identifier: MIT
/*
 * Interrupt lines, vectors and their way to handlers. See irq.h.
 *
 * Level-triggered lines are masked and ended at the APIC at once, and unmasked when the handler's
 * owner says so: a guest that never does holds back its own line only. Edge-triggered ones and MSIs
 * are ended at once and stay open.
 *
 * An interrupt that moves to another CPU keeps its old vector there until it moves again, because
 * one may still be on its way. Locks: each line's own; vector_lock, within it, for the maps of all
 * CPUs. No lock is held in a handler.
 */
#include "cpu/irq.h"

#include "cpu/ioapic.h"
#include "cpu/lapic.h"
#include "cpu/percpu.h"
#include "cpu/smp.h"
#include "cpu/upcall.h"
#include "cpu/vector.h"
#include "lib/console.h"
#include "lib/spinlock.h"
#include "lib/string.h"
#include "public/errno.h"

#define NR_ISA_IRQS        16u
#define NO_IRQ             0u       /* entries of vector_irq are irq + 1 */
#define MSI_ADDRESS        UINT64_C(0xfee00000)
#define MSI_DEST_SHIFT     12
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
    irq_handler_fn handler;         /* NULL: not requested */
    void *arg;
    struct irq_place now, before;
    bool is_level, is_active_low;
    bool is_masked;                 /* by the owner's wish */
    bool waits_for_eoi;             /* level: masked by us since it fired */
    bool is_msi;                    /* allocated */
    void (*write_message)(void *arg, const struct irq_msi_message *m);
    void (*set_mask)(void *arg, bool masked);
    void *msi_arg;
};

static struct irq_line lines[NR_IRQS];
static unsigned isa_gsi[NR_ISA_IRQS];
static uint16_t isa_flags[NR_ISA_IRQS];
static bool isa_overridden[NR_ISA_IRQS];

/* Guards: vectors, writing vector_irq. */
static struct spinlock vector_lock = SPINLOCK_INIT(LOCK_VECTOR);
static DEFINE_PER_CPU(struct vector_map, vectors);
static DEFINE_PER_CPU(uint16_t[NR_VECTORS], vector_irq);

/* The vectors of a CPU: lines in the table of that CPU, maps usable from its first use on. */
static void place_free(struct irq_place *place)
{
    if (place->vector) {
        per_cpu(vector_irq, place->cpu)[place->vector] = NO_IRQ;
        vector_give(&per_cpu(vectors, place->cpu), place->vector);
    }
    place->vector = 0;
}

static bool place_take(unsigned irq, unsigned cpu, unsigned wanted, struct irq_place *place)
{
    place->cpu = cpu;
    place->vector = vector_take(&per_cpu(vectors, cpu), wanted);
    if (place->vector)
        per_cpu(vector_irq, cpu)[place->vector] = (uint16_t)(irq + 1);
    return place->vector != 0;
}

/* Give the line a vector on `cpu`, the same number as before if it is free there. */
static int line_move(struct irq_line *line, unsigned irq, unsigned cpu)
{
    unsigned long flags = spin_lock_irqsave(&vector_lock);
    struct irq_place place;
    int rc = -XEN_ENOSPC;

    place_free(&line->before);
    if (place_take(irq, cpu, line->now.vector, &place)) {
        line->before = line->now;
        line->now = place;
        rc = 0;
    }
    spin_unlock_irqrestore(&vector_lock, flags);
    return rc;
}

static void line_free_places(struct irq_line *line)
{
    unsigned long flags = spin_lock_irqsave(&vector_lock);

    place_free(&line->before);
    place_free(&line->now);
    spin_unlock_irqrestore(&vector_lock, flags);
}

/*
 * Tell the chip what the line says. A pin that keeps its vector while it moves is never masked: no
 * edge gets lost.
 */
static void line_program(struct irq_line *line, unsigned irq, bool is_move)
{
    uint32_t apic_id = cpu_apic_id[line->now.cpu];
    struct ioapic_route route = {
        .apic_id = apic_id, .vector = (uint8_t)line->now.vector, .is_level = line->is_level,
        .is_active_low = line->is_active_low, .is_masked = line->is_masked || line->waits_for_eoi,
    };
    struct irq_msi_message message = { MSI_ADDRESS | apic_id << MSI_DEST_SHIFT, line->now.vector };

    if (line->is_msi)
        line->write_message(line->msi_arg, &message);
    else if (is_move && line->before.vector == line->now.vector)
        ioapic_write_destination(irq, apic_id);
    else
        ioapic_write_route(irq, &route);
}

static void line_apply_mask(struct irq_line *line, unsigned irq)
{
    bool masked = line->is_masked || line->waits_for_eoi;

    if (line->is_msi)
        line->set_mask(line->msi_arg, masked);
    else
        ioapic_set_mask(irq, masked);
}

static bool irq_exists(unsigned irq)
{
    return irq < NR_IRQS && (lines[irq].is_msi || ioapic_has_gsi(irq));
}

int irq_request(unsigned irq, irq_handler_fn fn, void *arg)
{
    struct irq_line *line = &lines[irq < NR_IRQS ? irq : 0];
    unsigned long flags;
    int rc = 0;

    if (!irq_exists(irq))
        return -XEN_EINVAL;
    flags = spin_lock_irqsave(&line->lock);
    if (line->handler)
        rc = -XEN_EBUSY;
    if (!rc)
        rc = line_move(line, irq, 0);
    if (!rc) {
        line->arg = arg;
        line->handler = fn;
        line->is_masked = true;
        line->waits_for_eoi = false;
        line_program(line, irq, false);
        line_apply_mask(line, irq);
    }
    spin_unlock_irqrestore(&line->lock, flags);
    return rc;
}

void irq_free(unsigned irq)
{
    struct irq_line *line = &lines[irq];
    unsigned long flags = spin_lock_irqsave(&line->lock);

    if (line->handler) {
        line->is_masked = true;
        line_apply_mask(line, irq);
        line->handler = NULL;
        line_free_places(line);
    }
    spin_unlock_irqrestore(&line->lock, flags);
}

void irq_unmask(unsigned irq)
{
    struct irq_line *line = &lines[irq];
    unsigned long flags = spin_lock_irqsave(&line->lock);

    if (line->handler && line->is_masked) {
        line->is_masked = false;
        line_apply_mask(line, irq);
    }
    spin_unlock_irqrestore(&line->lock, flags);
}

void irq_eoi(unsigned irq)
{
    struct irq_line *line = &lines[irq];
    unsigned long flags = spin_lock_irqsave(&line->lock);

    if (line->handler && line->waits_for_eoi) {
        line->waits_for_eoi = false;
        line_apply_mask(line, irq);
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
            line_program(line, irq, true);
    }
    spin_unlock_irqrestore(&line->lock, flags);
    return rc;
}

void irq_reprogram(unsigned irq)
{
    struct irq_line *line = &lines[irq];
    unsigned long flags = spin_lock_irqsave(&line->lock);

    if (line->handler) {
        line_program(line, irq, false);
        line_apply_mask(line, irq);
    }
    spin_unlock_irqrestore(&line->lock, flags);
}

int irq_setup_gsi(unsigned gsi, bool level, bool active_low)
{
    struct irq_line *line = &lines[gsi < NR_IRQS ? gsi : 0];
    unsigned long flags;

    if (!ioapic_has_gsi(gsi))
        return -XEN_EINVAL;
    flags = spin_lock_irqsave(&line->lock);
    if (line->is_level != level || line->is_active_low != active_low) {
        line->is_level = level;
        line->is_active_low = active_low;
        if (line->handler)
            line_program(line, gsi, false);
    }
    spin_unlock_irqrestore(&line->lock, flags);
    return 0;
}

bool irq_is_level(unsigned irq)
{
    return READ_ONCE(lines[irq].is_level);
}

int irq_alloc_msi(void (*write_message)(void *arg, const struct irq_msi_message *m),
                  void (*set_mask)(void *arg, bool masked), void *arg)
{
    for (unsigned irq = ioapic_nr_gsis(); irq < NR_IRQS; irq++) {
        struct irq_line *line = &lines[irq];
        unsigned long flags = spin_lock_irqsave(&line->lock);
        bool is_free = !line->is_msi;

        if (is_free) {
            line->is_msi = true;
            line->is_level = false;
            line->write_message = write_message;
            line->set_mask = set_mask;
            line->msi_arg = arg;
        }
        spin_unlock_irqrestore(&line->lock, flags);
        if (is_free)
            return (int)irq;
    }
    return -XEN_ENOSPC;
}

void irq_free_msi(unsigned irq)
{
    struct irq_line *line = &lines[irq];
    unsigned long flags;

    irq_free(irq);
    flags = spin_lock_irqsave(&line->lock);
    line->is_msi = false;
    spin_unlock_irqrestore(&line->lock, flags);
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
            line_apply_mask(line, irq);
        }
        spin_unlock(&line->lock);
    }
    lapic_eoi();
    if (handler)
        handler(irq, arg);
}

/* The sender has set softirq_pending: the way out of this interrupt looks at it. */
static void check_interrupt(void)
{
}

/* VECTOR_SPURIOUS has no row, is not ended: the APIC does not count it as in service. */
#define FIRST_SYSTEM_VECTOR 0xf0u
static void (*const system_interrupt[NR_VECTORS - FIRST_SYSTEM_VECTOR])(void) = {
    [VECTOR_TIMER - FIRST_SYSTEM_VECTOR] = upcall_timer_interrupt,
    [VECTOR_CALL - FIRST_SYSTEM_VECTOR] = smp_answer_call,
    [VECTOR_CHECK - FIRST_SYSTEM_VECTOR] = check_interrupt,
    [VECTOR_ERROR - FIRST_SYSTEM_VECTOR] = lapic_error_interrupt,
};

void irq_dispatch(unsigned vector)
{
    unsigned system = vector - FIRST_SYSTEM_VECTOR;

    if (system < ARRAY_SIZE(system_interrupt) && system_interrupt[system]) {
        lapic_eoi();
        system_interrupt[system]();
    } else if (vector >= FIRST_DYNAMIC_VECTOR && vector <= LAST_DYNAMIC_VECTOR) {
        irq_device_interrupt(vector);
    }
}

void irq_override(unsigned isa, unsigned gsi, uint16_t flags)
{
    if (isa >= NR_ISA_IRQS)
        return;
    isa_gsi[isa] = gsi;
    isa_flags[isa] = flags;
    isa_overridden[isa] = true;
}

unsigned irq_isa_to_gsi(unsigned isa)
{
    return isa < NR_ISA_IRQS && isa_overridden[isa] ? isa_gsi[isa] : isa;
}

unsigned irq_nr_gsis(void)
{
    return ioapic_nr_gsis();
}

void irq_cpu_init(unsigned cpu)
{
    vector_map_init(&per_cpu(vectors, cpu));
    memset(per_cpu(vector_irq, cpu), 0, sizeof(per_cpu(vector_irq, cpu)));
}

void irq_init(void)
{
    for (unsigned irq = 0; irq < NR_IRQS; irq++) {
        spin_lock_init(&lines[irq].lock, LOCK_IRQ);
        lines[irq].is_level = irq >= NR_ISA_IRQS && irq < ioapic_nr_gsis();
        lines[irq].is_active_low = lines[irq].is_level;
    }
    for (unsigned isa = 0; isa < NR_ISA_IRQS; isa++) {
        struct irq_line *line = &lines[irq_isa_to_gsi(isa) < NR_IRQS ? irq_isa_to_gsi(isa) : isa];

        if (!isa_overridden[isa])
            continue;
        line->is_level = (isa_flags[isa] & MADT_TRIGGER_MASK) == MADT_TRIGGER_LEVEL;
        line->is_active_low = (isa_flags[isa] & MADT_POLARITY_MASK) == MADT_POLARITY_LOW;
    }
    irq_cpu_init(0);
}
