// SPDX-License-Identifier: MIT
/*
 * Message-signalled interrupts of a PCI device: the message and mask bits in its MSI capability or
 * MSI-X table are written here only. Whether the function uses MSI or MSI-X at all, its driver in
 * dom0 decides by the enable bits. The irq's line lock guards a struct msi once it has an irq.
 */
#pragma once
#include "cpu/pci_config.h"

struct msi {
    struct pci_address device;
    uint16_t capability;            /* offset in configuration space */
    bool is_64bit, has_mask;        /* MSI */
    volatile uint32_t *entry;       /* MSI-X: four words of the table */
    unsigned irq;
};

/*
 * Find the device's MSI capability and get an irq for it, until irq_free_msi(). -XEN_ENODEV,
 * -XEN_ENOSPC.
 */
int msi_create(struct msi *m, struct pci_address device);
/*
 * The same for entry `nr` of the MSI-X table, which lies in the memory BAR at `bar`. Also
 * -XEN_EINVAL, -XEN_ENXIO, -XEN_ENOMEM.
 */
int msix_create(struct msi *m, struct pci_address device, unsigned nr, paddr_t bar);
