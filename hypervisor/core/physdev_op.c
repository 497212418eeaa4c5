// SPDX-License-Identifier: MIT
/*
 * PHYSDEVOP: how the control domain sets up interrupts, I/O rights and PCI devices. Each row
 * decodes its argument and calls pirq.c, the chips, or the guest type; nothing is kept here.
 */
#include "core/domain.h"
#include "core/hypercall.h"
#include "core/irq_guest.h"
#include "cpu/ioapic.h"
#include "cpu/irq.h"
#include "cpu/pci_config.h"
#include "public/physdev.h"

#define MAX_IOPL       3u
#define MAX_IO_PORTS   65536u

static int physdev_eoi(struct vcpu *v, void *arg)
{
    const struct physdev_eoi *op = arg;

    return pirq_eoi(v->domain, op->irq);
}

static int physdev_irq_status_query(struct vcpu *v, void *arg)
{
    struct physdev_irq_status_query *op = arg;
    int needs_eoi = pirq_needs_eoi(v->domain, op->irq);

    if (needs_eoi < 0)
        return needs_eoi;
    op->flags = needs_eoi ? XENIRQSTAT_needs_eoi | XENIRQSTAT_shared : 0;
    return 0;
}

static int physdev_set_iopl(struct vcpu *v, void *arg)
{
    const struct physdev_set_iopl *op = arg;

    return op->iopl > MAX_IOPL ? -XEN_EINVAL : v->domain->ops->set_iopl(v, op->iopl);
}

static int physdev_set_iobitmap(struct vcpu *v, void *arg)
{
    const struct physdev_set_iobitmap *op = arg;
    uint64_t bitmap;

    _Static_assert(sizeof(op->bitmap) == sizeof(bitmap), "a guest address");
    __builtin_memcpy(&bitmap, &op->bitmap, sizeof(bitmap));
    if (op->nr_ports > MAX_IO_PORTS || (bitmap && !guest_range_ok(bitmap, MAX_IO_PORTS / 8)))
        return -XEN_EINVAL;
    return v->domain->ops->set_iobitmap(v, bitmap, op->nr_ports);
}

static int physdev_apic_read(struct vcpu *v UNUSED, void *arg)
{
    struct physdev_apic *op = arg;

    return ioapic_read_register(op->apic_physbase, op->reg, &op->value);
}

static int physdev_alloc_irq_vector(struct vcpu *v UNUSED, void *arg)
{
    struct physdev_irq *op = arg;

    if (op->irq >= irq_nr_gsis())
        return -XEN_EINVAL;
    op->vector = op->irq;           /* dom0 only hands it back; the real one is ours */
    return 0;
}

static int map_msi(struct domain *d, const struct physdev_map_pirq *op, uint16_t segment)
{
    const struct pirq_msi_request request = {
        .segment = segment, .bus = (uint8_t)op->bus, .devfn = (uint8_t)op->devfn,
        .entry = (unsigned)op->entry_nr, .table_base = op->table_base,
    };

    if (op->devfn < 0 || op->devfn > UINT8_MAX || (op->table_base && op->entry_nr < 0))
        return -XEN_EINVAL;
    return pirq_map_msi(d, &request, op->pirq);
}

/* MULTI_MSI wants several consecutive vectors: refused, and Linux' drivers go on with one. */
static int physdev_map_pirq(struct vcpu *v, void *arg)
{
    struct physdev_map_pirq *op = arg;
    int rc = -XEN_EINVAL;

    if (op->domid != DOMID_SELF && op->domid != v->domain->id)
        return -XEN_ESRCH;
    if (op->type == MAP_PIRQ_TYPE_GSI && op->index >= 0)
        rc = pirq_map_gsi(v->domain, (unsigned)op->index, op->pirq);
    else if (op->type == MAP_PIRQ_TYPE_MSI)
        rc = map_msi(v->domain, op, 0);
    else if (op->type == MAP_PIRQ_TYPE_MSI_SEG)
        rc = map_msi(v->domain, op, (uint16_t)((uint32_t)op->bus >> 16));
    else if (op->type == MAP_PIRQ_TYPE_MULTI_MSI)
        rc = -XEN_EOPNOTSUPP;
    if (rc < 0)
        return rc;
    op->pirq = rc;
    return 0;
}

static int physdev_unmap_pirq(struct vcpu *v, void *arg)
{
    const struct physdev_unmap_pirq *op = arg;

    if (op->domid != DOMID_SELF && op->domid != v->domain->id)
        return -XEN_ESRCH;
    return op->pirq < 0 ? -XEN_EINVAL : pirq_unmap(v->domain, (unsigned)op->pirq);
}

static int physdev_setup_gsi(struct vcpu *v UNUSED, void *arg)
{
    const struct physdev_setup_gsi *op = arg;

    if (op->gsi < 0 || op->triggering > 1 || op->polarity > 1)
        return -XEN_EINVAL;
    return irq_setup_gsi((unsigned)op->gsi, op->triggering, op->polarity);
}

static int physdev_pirq_eoi_gmfn(struct vcpu *v, void *arg)
{
    const struct physdev_pirq_eoi_gmfn *op = arg;

    return pirq_set_eoi_page(v->domain, op->gmfn);
}

static int physdev_pci_mmcfg_reserved(struct vcpu *v UNUSED, void *arg)
{
    const struct physdev_pci_mmcfg_reserved *op = arg;

    if (op->flags & ~(uint32_t)XEN_PCI_MMCFG_RESERVED)
        return -XEN_EINVAL;
    if (!(op->flags & XEN_PCI_MMCFG_RESERVED))
        return 0;
    return pci_add_mmcfg(op->address, op->segment, op->start_bus, op->end_bus);
}

/*
 * Devices come and go without anything to keep about them: there is no IOMMU, and MSIs are set up
 * as they are mapped.
 */
static int physdev_note_device(struct vcpu *v UNUSED, void *arg UNUSED)
{
    return 0;
}

static int physdev_restore_msi_ext(struct vcpu *v, void *arg)
{
    const struct physdev_pci_device *op = arg;

    pirq_restore_msi(v->domain, op->seg, op->bus, op->devfn);
    return 0;
}

#define IN_DOM0      (SUBOP_IN | SUBOP_DOM0)
#define IN_OUT_DOM0  (SUBOP_IN | SUBOP_OUT | SUBOP_DOM0)
#define ROW(name, fn, type, how) [PHYSDEVOP_##name] = { fn, sizeof(struct type), how }

static const struct subop physdev_table[] = {
    ROW(eoi, physdev_eoi, physdev_eoi, SUBOP_IN),
    ROW(irq_status_query, physdev_irq_status_query, physdev_irq_status_query, SUBOP_IN | SUBOP_OUT),
    ROW(set_iopl, physdev_set_iopl, physdev_set_iopl, SUBOP_IN),
    ROW(set_iobitmap, physdev_set_iobitmap, physdev_set_iobitmap, SUBOP_IN),
    ROW(apic_read, physdev_apic_read, physdev_apic, IN_OUT_DOM0),
    ROW(alloc_irq_vector, physdev_alloc_irq_vector, physdev_irq, IN_OUT_DOM0),
    ROW(map_pirq, physdev_map_pirq, physdev_map_pirq, IN_OUT_DOM0),
    ROW(unmap_pirq, physdev_unmap_pirq, physdev_unmap_pirq, IN_DOM0),
    ROW(setup_gsi, physdev_setup_gsi, physdev_setup_gsi, IN_DOM0),
    ROW(pci_mmcfg_reserved, physdev_pci_mmcfg_reserved, physdev_pci_mmcfg_reserved, IN_DOM0),
    ROW(pci_device_add, physdev_note_device, physdev_pci_device_add, IN_DOM0),
    ROW(pci_device_remove, physdev_note_device, physdev_pci_device, IN_DOM0),
    ROW(restore_msi_ext, physdev_restore_msi_ext, physdev_pci_device, IN_DOM0),
    ROW(pirq_eoi_gmfn_v2, physdev_pirq_eoi_gmfn, physdev_pirq_eoi_gmfn, SUBOP_IN),
    ROW(prepare_msix, physdev_note_device, physdev_pci_device, IN_DOM0),
    ROW(release_msix, physdev_note_device, physdev_pci_device, IN_DOM0),
};

long do_physdev_op(uint64_t cmd, uint64_t arg, uint64_t a3 UNUSED, uint64_t a4 UNUSED, uint64_t a5 UNUSED)
{
    return subop_dispatch(physdev_table, ARRAY_SIZE(physdev_table), current_vcpu(), cmd, arg);
}
