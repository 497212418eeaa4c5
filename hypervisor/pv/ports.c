// SPDX-License-Identifier: MIT
/* I/O ports as the control domain sees them. PCI's configuration ports are shared with cpu/msi.c: the address that dom0 wrote is kept per domain. */
#include "cpu/pci_config.h"
#include "cpu/uart.h"
#include "pv/pv_domain.h"

/* Interrupt controllers and the interval timer. */
static const struct { uint16_t first, last; } ours[] = { { 0x20, 0x21 }, { 0xa0, 0xa1 }, { 0x40, 0x43 }, { 0x4d0, 0x4d1 } };

static bool overlaps(unsigned port, unsigned size, unsigned first, unsigned last)
{
    return port <= last && port + size > first;
}

static bool is_ours(unsigned port, unsigned size)
{
    uint16_t first, last;

    for (unsigned i = 0; i < ARRAY_SIZE(ours); i++)
        if (overlaps(port, size, ours[i].first, ours[i].last))
            return true;
    return uart_ports(&first, &last) && overlaps(port, size, first, last);
}

/* The bitmap is the kernel's memory: looked at in its address space. */
static bool bitmap_allows(const struct pv_vcpu *v, unsigned port, unsigned size)
{
    uint8_t bits[2] = { 0xff, 0xff };

    if (!v->iobmp || port + size > v->iobmp_limit)
        return false;
    if (pv_copy_from_kernel(v, bits, v->iobmp + port / 8, port / 8 + 1 < (v->iobmp_limit + 7) / 8 ? 2 : 1))
        return false;
    return !(((unsigned)bits[1] << 8 | bits[0]) >> (port & 7) & ((1u << size) - 1));
}

bool pv_ports_allowed(const struct pv_vcpu *v, unsigned port, unsigned size)
{
    if (port + size > 0x10000)
        return false;
    return pv_iopl_allows(v) || (!v->in_kernel && bitmap_allows(v, port, size));
}

static bool is_real(const struct pv_vcpu *v, unsigned port, unsigned size)
{
    return v->vcpu.domain->is_control && !is_ours(port, size);
}

uint32_t pv_port_read(struct pv_vcpu *v, unsigned port, unsigned size)
{
    struct pv_domain *d = pv_domain(v->vcpu.domain);

    if (!is_real(v, port, size))
        return UINT32_MAX;
    if (port == PCI_PORT_ADDRESS && size == 4)
        return d->pci_address;
    if (overlaps(port, size, PCI_PORT_DATA, PCI_PORT_DATA + 3))
        return pci_port_read(d->pci_address, port, size);
    return port_read(port, size);
}

void pv_port_write(struct pv_vcpu *v, unsigned port, unsigned size, uint32_t value)
{
    struct pv_domain *d = pv_domain(v->vcpu.domain);

    if (!is_real(v, port, size))
        return;
    if (port == PCI_PORT_ADDRESS && size == 4)
        d->pci_address = value;
    else if (overlaps(port, size, PCI_PORT_DATA, PCI_PORT_DATA + 3))
        pci_port_write(d->pci_address, port, size, value);
    else
        port_write(port, size, value);
}
