// SPDX-License-Identifier: MIT
/*
 * MSI and MSI-X (PCI Local Bus 3.0, 6.8). See msi.h. An entry of an MSI-X table stays mapped when its
 * irq is given back: eight bytes of a page table, and of addresses there are millions of pages.
 */
#include "cpu/msi.h"

#include "cpu/irq.h"
#include "mm/page_table.h"

enum {
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_CAPABILITIES = 0x34,
    MSI_CONTROL = 2,
    MSI_ADDRESS_LOW = 4,
    MSI_ADDRESS_HIGH = 8,
    MSI_DATA_32 = 8,
    MSI_DATA_64 = 12,
    MSI_MASK_32 = 12,
    MSI_MASK_64 = 16,
    MSIX_TABLE = 4,
};

#define COMMAND_MEMORY        0x2u
#define STATUS_CAPABILITIES   0x10u
#define CAPABILITY_MSI        0x05u
#define CAPABILITY_MSIX       0x11u
#define MAX_CAPABILITIES      48u
#define MSI_CONTROL_64BIT     0x80u
#define MSI_CONTROL_MASK      0x100u
#define MSIX_CONTROL_SIZE     0x7ffu
#define MSIX_TABLE_OFFSET     (~7u)
#define MSIX_ENTRY_SIZE       16u
#define MSIX_ENTRY_MASKED     1u
#define MESSAGE_ADDRESS       0xfee00000u     /* the data is the vector (SDM vol. 3, 11.11) */
#define MESSAGE_DEST_SHIFT    12

static uint32_t msi_read(const struct msi *m, unsigned offset, unsigned size)
{
    return pci_config_read(m->device, m->capability + offset, size);
}

static void msi_write(const struct msi *m, unsigned offset, unsigned size, uint32_t value)
{
    pci_config_write(m->device, m->capability + offset, size, value);
}

static uint32_t message_address(const struct irq_route *route)
{
    return MESSAGE_ADDRESS | route->apic_id << MESSAGE_DEST_SHIFT;
}

/*
 * Offset of a capability, 0 if the device has none. A chain that loops is left after as many steps
 * as fit in there.
 */
static uint16_t find_capability(struct pci_address device, unsigned wanted)
{
    unsigned at;

    if (!(pci_config_read(device, PCI_STATUS, 2) & STATUS_CAPABILITIES))
        return 0;
    at = pci_config_read(device, PCI_CAPABILITIES, 1) & 0xfcu;
    for (unsigned i = 0; i < MAX_CAPABILITIES && at >= 0x40; i++) {
        uint32_t header = pci_config_read(device, at, 2);

        if ((header & 0xff) == 0xff)
            return 0;
        if ((header & 0xff) == wanted)
            return (uint16_t)at;
        at = header >> 8 & 0xfcu;
    }
    return 0;
}

/* A function that cannot mask its interrupt is told the message alone. */
static void msi_write_route(void *arg, const struct irq_route *route)
{
    const struct msi *m = arg;
    unsigned mask = m->is_64bit ? MSI_MASK_64 : MSI_MASK_32;

    msi_write(m, MSI_ADDRESS_LOW, 4, message_address(route));
    if (m->is_64bit)
        msi_write(m, MSI_ADDRESS_HIGH, 4, 0);
    msi_write(m, m->is_64bit ? MSI_DATA_64 : MSI_DATA_32, 2, route->vector);
    if (m->has_mask)
        msi_write(m, mask, 4, (msi_read(m, mask, 4) & ~1u) | route->is_masked);
}

/* An entry may change only while it is masked (PCI 3.0, 6.8.2). */
static void msix_write_route(void *arg, const struct irq_route *route)
{
    const struct msi *m = arg;
    uint32_t control = m->entry[3] & ~MSIX_ENTRY_MASKED;

    m->entry[3] = control | MSIX_ENTRY_MASKED;
    m->entry[0] = message_address(route);
    m->entry[1] = 0;
    m->entry[2] = route->vector;
    m->entry[3] = control | (route->is_masked ? MSIX_ENTRY_MASKED : 0);
    (void)m->entry[3];              /* the writes have arrived when this read is answered */
}

int msi_create(struct msi *m, struct pci_address device)
{
    uint32_t control;

    *m = (struct msi){ .device = device, .capability = find_capability(device, CAPABILITY_MSI) };
    if (!m->capability)
        return -XEN_ENODEV;
    control = msi_read(m, MSI_CONTROL, 2);
    m->is_64bit = control & MSI_CONTROL_64BIT;
    m->has_mask = control & MSI_CONTROL_MASK;
    return irq_alloc_msi(msi_write_route, m, &m->irq);
}

int msix_create(struct msi *m, struct pci_address device, unsigned nr, paddr_t bar)
{
    paddr_t entry;

    *m = (struct msi){ .device = device };
    m->capability = find_capability(device, CAPABILITY_MSIX);
    if (!m->capability)
        return -XEN_ENODEV;
    if (nr > (msi_read(m, MSI_CONTROL, 2) & MSIX_CONTROL_SIZE))
        return -XEN_EINVAL;
    if (!(pci_config_read(device, PCI_COMMAND, 2) & COMMAND_MEMORY))
        return -XEN_ENXIO;
    entry = bar + (msi_read(m, MSIX_TABLE, 4) & MSIX_TABLE_OFFSET) + (paddr_t)nr * MSIX_ENTRY_SIZE;
    m->entry = ioremap(entry, MSIX_ENTRY_SIZE);
    if (!m->entry)
        return -XEN_ENOMEM;
    return irq_alloc_msi(msix_write_route, m, &m->irq);
}
