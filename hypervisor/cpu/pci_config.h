// SPDX-License-Identifier: MIT
/*
 * PCI configuration space of segment 0, by the ports 0xcf8 and 0xcfc. The two ports belong to the
 * hypervisor: dom0's use of them is carried out here too, address and data under one lock, so that
 * neither disturbs the other.
 */
#pragma once
#include "lib/base.h"

#define PCI_PORT_ADDRESS  0xcf8u
#define PCI_PORT_DATA     0xcfcu    /* .. 0xcff */

struct pci_address {
    uint8_t bus;
    uint8_t devfn;
};

/* `reg` below 256, aligned to `size` (1, 2, 4). A device that is not there reads as all ones. */
uint32_t pci_config_read(struct pci_address device, unsigned reg, unsigned size);
void pci_config_write(struct pci_address device, unsigned reg, unsigned size, uint32_t value);
/* An access to `port` (PCI_PORT_DATA + 0 .. 3) while the address port holds `address`. */
uint32_t pci_port_read(uint32_t address, unsigned port, unsigned size);
void pci_port_write(uint32_t address, unsigned port, unsigned size, uint32_t value);
