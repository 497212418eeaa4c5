// SPDX-License-Identifier: MIT
/*
 * IO-APICs. See ioapic.h; Intel 82093AA data sheet. The low half of each entry is remembered, so
 * that masking is one write and no read.
 */
#include "cpu/ioapic.h"

#include "cpu/irq.h"
#include "lib/console.h"
#include "lib/spinlock.h"
#include "mm/page_table.h"
#include "public/errno.h"

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
    struct spinlock lock;
};

static struct ioapic ioapics[MAX_IOAPICS];
static unsigned nr_ioapics;
static unsigned nr_gsis;
static uint32_t route_low[NR_IRQS];     /* by GSI; under the chip's lock */

static uint32_t ioapic_read(struct ioapic *chip, unsigned reg)
{
    chip->registers[IOAPIC_INDEX / 4] = reg;
    return chip->registers[IOAPIC_DATA / 4];
}

static void ioapic_write(struct ioapic *chip, unsigned reg, uint32_t value)
{
    chip->registers[IOAPIC_INDEX / 4] = reg;
    chip->registers[IOAPIC_DATA / 4] = value;
}

static struct ioapic *ioapic_of(unsigned gsi)
{
    for (unsigned i = 0; i < nr_ioapics; i++) {
        if (gsi - ioapics[i].gsi_base < ioapics[i].nr_pins)
            return &ioapics[i];
    }
    return NULL;
}

static unsigned route_reg(const struct ioapic *chip, unsigned gsi)
{
    return IOAPIC_REG_ROUTE + 2 * (gsi - chip->gsi_base);
}

static void ioapic_write_low(struct ioapic *chip, unsigned gsi, uint32_t low)
{
    route_low[gsi] = low;
    ioapic_write(chip, route_reg(chip, gsi), low);
}

int ioapic_add(unsigned id, paddr_t address, unsigned gsi_base)
{
    struct ioapic *chip = &ioapics[nr_ioapics];

    if (nr_ioapics == MAX_IOAPICS)
        return -XEN_ENOSPC;
    chip->registers = ioremap(address, PAGE_SIZE);
    if (!chip->registers)
        return -XEN_ENOMEM;
    spin_lock_init(&chip->lock, LOCK_DEVICE);
    chip->address = address;
    chip->gsi_base = gsi_base;
    chip->nr_pins = MIN((ioapic_read(chip, IOAPIC_REG_VERSION) >> 16 & 0xff) + 1, MAX_PINS);
    if (gsi_base > NR_IRQS || chip->nr_pins > NR_IRQS - gsi_base)
        return -XEN_ENOSPC;
    for (unsigned gsi = gsi_base; gsi < gsi_base + chip->nr_pins; gsi++)
        ioapic_write_low(chip, gsi, ROUTE_MASKED);
    nr_ioapics++;
    nr_gsis = MAX(nr_gsis, gsi_base + chip->nr_pins);
    log_debug("IO-APIC %u: GSIs %u to %u", id, gsi_base, gsi_base + chip->nr_pins - 1);
    return 0;
}

unsigned ioapic_nr_gsis(void)
{
    return nr_gsis;
}

bool ioapic_has_gsi(unsigned gsi)
{
    return ioapic_of(gsi) != NULL;
}

static uint32_t route_encode(const struct ioapic_route *route)
{
    return route->vector | (route->is_level ? ROUTE_LEVEL : 0) |
           (route->is_active_low ? ROUTE_ACTIVE_LOW : 0) | (route->is_masked ? ROUTE_MASKED : 0);
}

void ioapic_write_route(unsigned gsi, const struct ioapic_route *route)
{
    struct ioapic *chip = ioapic_of(gsi);
    unsigned long flags = spin_lock_irqsave(&chip->lock);

    ioapic_write_low(chip, gsi, route_low[gsi] | ROUTE_MASKED);
    ioapic_write(chip, route_reg(chip, gsi) + 1, route->apic_id << ROUTE_DEST_SHIFT);
    ioapic_write_low(chip, gsi, route_encode(route));
    spin_unlock_irqrestore(&chip->lock, flags);
}

void ioapic_write_destination(unsigned gsi, uint32_t apic_id)
{
    struct ioapic *chip = ioapic_of(gsi);
    unsigned long flags = spin_lock_irqsave(&chip->lock);

    ioapic_write(chip, route_reg(chip, gsi) + 1, apic_id << ROUTE_DEST_SHIFT);
    spin_unlock_irqrestore(&chip->lock, flags);
}

void ioapic_set_mask(unsigned gsi, bool masked)
{
    struct ioapic *chip = ioapic_of(gsi);
    unsigned long flags = spin_lock_irqsave(&chip->lock);

    ioapic_write_low(chip, gsi, (route_low[gsi] & ~ROUTE_MASKED) | (masked ? ROUTE_MASKED : 0));
    spin_unlock_irqrestore(&chip->lock, flags);
}

static bool ioapic_has_register(const struct ioapic *chip, uint32_t reg)
{
    return reg <= IOAPIC_REG_ARB ||
           (reg >= IOAPIC_REG_ROUTE && reg < IOAPIC_REG_ROUTE + 2 * chip->nr_pins);
}

int ioapic_read_register(paddr_t address, uint32_t reg, uint32_t *value)
{
    for (unsigned i = 0; i < nr_ioapics; i++) {
        struct ioapic *chip = &ioapics[i];
        unsigned long flags;

        if (chip->address != address)
            continue;
        if (!ioapic_has_register(chip, reg))
            return -XEN_EINVAL;
        flags = spin_lock_irqsave(&chip->lock);
        *value = ioapic_read(chip, reg);
        spin_unlock_irqrestore(&chip->lock, flags);
        return 0;
    }
    return -XEN_EINVAL;
}
