// SPDX-License-Identifier: MIT
/*
 * IO-APICs. See irq.h; Intel 82093AA data sheet. What each entry holds is remembered, so that only
 * the half that changes is written, and none is read.
 */
#include "cpu/irq.h"

#include "mm/page_table.h"

#define MAX_IOAPICS         16u
#define MAX_PINS            240u

#define IOAPIC_REG_VERSION  0x01u
#define IOAPIC_REG_ARB      0x02u
#define IOAPIC_REG_ROUTE    0x10u   /* two registers a pin */
#define IOAPIC_INDEX        0x00u
#define IOAPIC_DATA         0x10u

#define ROUTE_ACTIVE_LOW    (1u << 13)
#define ROUTE_LEVEL         (1u << 15)
#define ROUTE_MASKED        (1u << 16)
#define ROUTE_DEST_SHIFT    24

struct ioapic {
    volatile uint32_t *registers;
    paddr_t address;
    unsigned gsi_base, nr_pins;
};

static struct ioapic ioapics[MAX_IOAPICS];
static unsigned nr_ioapics;
unsigned ioapic_nr_gsis;
/* Guards: the index and data registers of all chips, entries. */
static struct spinlock ioapic_lock = SPINLOCK_INIT(LOCK_DEVICE);
static uint32_t entries[NR_IRQS][2];    /* by GSI */

static uint32_t ioapic_read(struct ioapic *chip, unsigned reg)
{
    chip->registers[IOAPIC_INDEX / 4] = reg;
    return chip->registers[IOAPIC_DATA / 4];
}

static struct ioapic *ioapic_of(unsigned gsi)
{
    for (unsigned i = 0; i < nr_ioapics; i++) {
        if (gsi - ioapics[i].gsi_base < ioapics[i].nr_pins)
            return &ioapics[i];
    }
    return NULL;
}

/* Half 0 is the low one. */
static void entry_write(struct ioapic *chip, unsigned gsi, unsigned half, uint32_t value)
{
    entries[gsi][half] = value;
    chip->registers[IOAPIC_INDEX / 4] = IOAPIC_REG_ROUTE + 2 * (gsi - chip->gsi_base) + half;
    chip->registers[IOAPIC_DATA / 4] = value;
}

int ioapic_add(unsigned id, paddr_t address, unsigned gsi_base)
{
    struct ioapic *chip = &ioapics[nr_ioapics];

    if (nr_ioapics == MAX_IOAPICS)
        return -XEN_ENOSPC;
    chip->registers = ioremap(address, PAGE_SIZE);
    if (!chip->registers)
        return -XEN_ENOMEM;
    chip->address = address;
    chip->gsi_base = gsi_base;
    chip->nr_pins = MIN((ioapic_read(chip, IOAPIC_REG_VERSION) >> 16 & 0xff) + 1, MAX_PINS);
    if (gsi_base > NR_IRQS || chip->nr_pins > NR_IRQS - gsi_base)
        return -XEN_ENOSPC;
    for (unsigned gsi = gsi_base; gsi < gsi_base + chip->nr_pins; gsi++) {
        entry_write(chip, gsi, 0, ROUTE_MASKED);
        entry_write(chip, gsi, 1, 0);
    }
    nr_ioapics++;
    ioapic_nr_gsis = MAX(ioapic_nr_gsis, gsi_base + chip->nr_pins);
    log_debug("IO-APIC %u: GSIs %u to %u", id, gsi_base, gsi_base + chip->nr_pins - 1);
    return 0;
}

bool ioapic_has_gsi(unsigned gsi)
{
    return ioapic_of(gsi) != NULL;
}

void ioapic_write_route(unsigned gsi, const struct irq_route *route)
{
    struct ioapic *chip = ioapic_of(gsi);
    uint32_t high = route->apic_id << ROUTE_DEST_SHIFT;
    uint32_t low = route->vector | (route->is_level ? ROUTE_LEVEL : 0) |
                   (route->is_active_low ? ROUTE_ACTIVE_LOW : 0) |
                   (route->is_masked ? ROUTE_MASKED : 0);
    unsigned long flags = spin_lock_irqsave(&ioapic_lock);

    if ((entries[gsi][0] ^ low) & ~ROUTE_MASKED)
        entry_write(chip, gsi, 0, entries[gsi][0] | ROUTE_MASKED);
    if (entries[gsi][1] != high)
        entry_write(chip, gsi, 1, high);
    if (entries[gsi][0] != low)
        entry_write(chip, gsi, 0, low);
    spin_unlock_irqrestore(&ioapic_lock, flags);
}

int ioapic_read_register(paddr_t address, uint32_t reg, uint32_t *value)
{
    for (unsigned i = 0; i < nr_ioapics; i++) {
        uint32_t end = IOAPIC_REG_ROUTE + 2 * ioapics[i].nr_pins;
        unsigned long flags;

        if (ioapics[i].address != address || (reg > IOAPIC_REG_ARB && reg < IOAPIC_REG_ROUTE) || reg >= end)
            continue;
        flags = spin_lock_irqsave(&ioapic_lock);
        *value = ioapic_read(&ioapics[i], reg);
        spin_unlock_irqrestore(&ioapic_lock, flags);
        return 0;
    }
    return -XEN_EINVAL;
}
