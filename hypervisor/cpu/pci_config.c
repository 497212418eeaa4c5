// SPDX-License-Identifier: MIT
/*
 * PCI configuration space. See pci_config.h.
 */
#include "cpu/pci_config.h"

#include "cpu/regs.h"

#define ADDRESS_ENABLE  0x80000000u

/* Guards: the two ports, which are used as a pair. */
static struct spinlock port_lock = SPINLOCK_INIT(LOCK_DEVICE);

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

static uint32_t port_address(struct pci_address device, unsigned reg)
{
    return ADDRESS_ENABLE | (uint32_t)device.bus << 16 | (uint32_t)device.devfn << 8 |
           (reg & 0xfcu);
}

uint32_t pci_config_read(struct pci_address device, unsigned reg, unsigned size)
{
    return pci_port_read(port_address(device, reg), PCI_PORT_DATA + (reg & 3), size);
}

void pci_config_write(struct pci_address device, unsigned reg, unsigned size, uint32_t value)
{
    pci_port_write(port_address(device, reg), PCI_PORT_DATA + (reg & 3), size, value);
}
