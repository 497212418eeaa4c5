// SPDX-License-Identifier: MIT
/*
 * PCI configuration space. See pci_config.h.
 */
#include "cpu/pci_config.h"

#include "cpu/regs.h"
#include "lib/compiler.h"
#include "lib/spinlock.h"
#include "mm/page_table.h"
#include "public/errno.h"

#define MAX_MMCFGS      8u
#define ADDRESS_ENABLE  0x80000000u

struct mmcfg {
    volatile uint8_t *base;         /* of first_bus */
    uint16_t segment;
    uint8_t first_bus, last_bus;
};

/* Guards: the two ports, which are used as a pair. */
static struct spinlock port_lock = SPINLOCK_INIT(LOCK_DEVICE);
static struct mmcfg mmcfgs[MAX_MMCFGS];
static unsigned nr_mmcfgs;

uint32_t pci_port_read(uint32_t address, unsigned port, unsigned size)
{
    unsigned long flags = spin_lock_irqsave(&port_lock);
    uint32_t value;

    outl(PCI_PORT_ADDRESS, address);
    value = port_read(port, size);
    spin_unlock_irqrestore(&port_lock, flags);
    return value;
}

void pci_port_write(uint32_t address, unsigned port, unsigned size, uint32_t value)
{
    unsigned long flags = spin_lock_irqsave(&port_lock);

    outl(PCI_PORT_ADDRESS, address);
    port_write(port, size, value);
    spin_unlock_irqrestore(&port_lock, flags);
}

/* Where a device's registers lie in memory; NULL: in no known range. */
static volatile uint8_t *mmcfg_of(struct pci_address device)
{
    for (unsigned i = 0; i < load_acquire(&nr_mmcfgs); i++) {
        const struct mmcfg *m = &mmcfgs[i];

        if (m->segment == device.segment && device.bus >= m->first_bus && device.bus <= m->last_bus)
            return m->base + ((uint64_t)(device.bus - m->first_bus) << 20) +
                   ((uint64_t)device.devfn << 12);
    }
    return NULL;
}

static uint32_t port_address(struct pci_address device, unsigned reg)
{
    return ADDRESS_ENABLE | (uint32_t)device.bus << 16 | (uint32_t)device.devfn << 8 |
           (reg & 0xfcu);
}

static uint32_t memory_read(volatile uint8_t *at, unsigned size)
{
    if (size == 1)
        return *at;
    return size == 2 ? *(volatile uint16_t *)at : *(volatile uint32_t *)at;
}

static void memory_write(volatile uint8_t *at, unsigned size, uint32_t value)
{
    if (size == 1)
        *at = (uint8_t)value;
    else if (size == 2)
        *(volatile uint16_t *)at = (uint16_t)value;
    else
        *(volatile uint32_t *)at = value;
}

uint32_t pci_config_read(struct pci_address device, unsigned reg, unsigned size)
{
    volatile uint8_t *base;

    if (device.segment == 0)
        return pci_port_read(port_address(device, reg), PCI_PORT_DATA + (reg & 3), size);
    base = mmcfg_of(device);
    return base ? memory_read(base + reg, size) : UINT32_MAX;
}

void pci_config_write(struct pci_address device, unsigned reg, unsigned size, uint32_t value)
{
    volatile uint8_t *base;

    if (device.segment == 0) {
        pci_port_write(port_address(device, reg), PCI_PORT_DATA + (reg & 3), size, value);
        return;
    }
    base = mmcfg_of(device);
    if (base)
        memory_write(base + reg, size, value);
}

int pci_add_mmcfg(paddr_t address, uint16_t segment, uint8_t first_bus, uint8_t last_bus)
{
    uint64_t first = (uint64_t)first_bus << 20;
    struct mmcfg m = { NULL, segment, first_bus, last_bus };

    if (segment == 0 || mmcfg_of((struct pci_address){ segment, first_bus, 0 }))
        return 0;                   /* not needed, or known */
    if (first_bus > last_bus || address & ((1u << 20) - 1))
        return -XEN_EINVAL;
    if (nr_mmcfgs == MAX_MMCFGS)
        return -XEN_ENOSPC;
    m.base = ioremap(address + first, (uint64_t)(last_bus - first_bus + 1) << 20);
    if (!m.base)
        return -XEN_ENOMEM;
    mmcfgs[nr_mmcfgs] = m;
    store_release(&nr_mmcfgs, nr_mmcfgs + 1);
    return 0;
}
