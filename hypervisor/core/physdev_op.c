// SPDX-License-Identifier: MIT
/*
 * PHYSDEVOP: how the control domain sets up interrupts, I/O rights and PCI devices; and the physical IRQs of a domain. A
 * pirq has the number of the machine's IRQ: that of a GSI, as Linux' dom0 expects, or the one above them that its MSI got.
 *
 * A table's rows are never freed while the domain lives, because an interrupt may still be on its way to one. The table's
 * lock guards all rows; an interrupt reads `port` without it.
 */
#include "core/hypercall.h"
#include "cpu/irq.h"
#include "cpu/msi.h"
#include "public/physdev.h"

#define MAX_IOPL       3u
#define MAX_IO_PORTS   65536u

struct pirq {
    uint32_t port;                  /* 0: not bound */
    bool is_mapped;
    struct msi *msi;                /* NULL: a GSI */
};

struct pirq_table {
    struct spinlock lock;
    uint64_t *eoi_map;              /* a page of the guest's, held; NULL: none */
    struct pirq row[NR_IRQS];
};
_Static_assert(NR_IRQS / 8 <= PAGE_SIZE, "a bit for each in one page");

int pirq_domain_init(struct domain *d)
{
    d->pirqs = heap_new(struct pirq_table);
    if (!d->pirqs)
        return -XEN_ENOMEM;
    spin_lock_init(&d->pirqs->lock, LOCK_PIRQ);
    return 0;
}

static bool pirq_is_mapped(const struct domain *d, unsigned pirq)
{
    return d->pirqs && pirq < NR_IRQS && READ_ONCE(d->pirqs->row[pirq].is_mapped);
}

/* The row of a mapped one, with the table's lock held; NULL, and no lock held, if there is none. */
static struct pirq *pirq_lock(struct domain *d, unsigned pirq)
{
    if (!d->pirqs)
        return NULL;
    spin_lock(&d->pirqs->lock);
    if (pirq_is_mapped(d, pirq))
        return &d->pirqs->row[pirq];
    spin_unlock(&d->pirqs->lock);
    return NULL;
}

static bool pirq_needs_eoi(const struct pirq_table *table, unsigned pirq)
{
    return table->row[pirq].is_mapped && irq_is_level(pirq);
}

/* Tell the guest by its page whether the pirq wants an EOI. */
static void pirq_note_eoi(struct pirq_table *table, unsigned pirq)
{
    if (table->eoi_map && pirq_needs_eoi(table, pirq))
        bitmap_set_atomic(table->eoi_map, pirq);
    else if (table->eoi_map)
        bitmap_clear_atomic(table->eoi_map, pirq);
}

static void pirq_interrupt(unsigned irq, void *arg)
{
    struct domain *d = arg;
    uint32_t port = READ_ONCE(d->pirqs->row[irq].port);

    if (port)
        evtchn_send_pirq(d, port);
}

int pirq_bind(struct domain *d, unsigned pirq, uint32_t port)
{
    struct pirq *p = pirq_lock(d, pirq);
    int rc;

    if (!p)
        return -XEN_EINVAL;
    rc = p->port ? -XEN_EEXIST : 0;
    if (!rc) {
        WRITE_ONCE(p->port, port);
        pirq_note_eoi(d->pirqs, pirq);
        rc = irq_request(pirq, pirq_interrupt, d);
        if (rc)
            WRITE_ONCE(p->port, 0);
    }
    spin_unlock(&d->pirqs->lock);
    return rc;
}

static void pirq_stop(struct pirq *p, unsigned pirq)
{
    if (p->port)
        irq_free(pirq);
    WRITE_ONCE(p->port, 0);
}

void pirq_unbind(struct domain *d, unsigned pirq)
{
    struct pirq *p = pirq_lock(d, pirq);

    if (!p)
        return;
    pirq_stop(p, pirq);
    spin_unlock(&d->pirqs->lock);
}

void pirq_set_affinity(struct domain *d, unsigned pirq, struct vcpu *v)
{
    struct pirq *p = pirq_lock(d, pirq);
    struct cpumask cpus;

    if (!p)
        return;
    cpumask_zero(&cpus);
    cpumask_set(&cpus, v->sched.cpu);
    /* Without a free vector there it stays where it is: it works from there as well. */
    if (p->port)
        (void)irq_set_affinity(pirq, &cpus);
    spin_unlock(&d->pirqs->lock);
}

/* No lock here: an IRQ's number does not change, and irq_eoi() checks its own state. */
static long physdev_eoi(struct vcpu *v, void *arg)
{
    const struct physdev_eoi *op = arg;

    if (!pirq_is_mapped(v->domain, op->irq))
        return -XEN_EINVAL;
    irq_eoi(op->irq);
    return 0;
}

static long physdev_irq_status_query(struct vcpu *v, void *arg)
{
    struct physdev_irq_status_query *op = arg;

    if (!pirq_is_mapped(v->domain, op->irq))
        return -XEN_EINVAL;
    op->flags = pirq_needs_eoi(v->domain->pirqs, op->irq) ? XENIRQSTAT_needs_eoi | XENIRQSTAT_shared : 0;
    return 0;
}

/* Keep the answers to irq_status_query in a page of the guest's too, a bit for each. */
static long physdev_pirq_eoi_gmfn(struct vcpu *v, void *arg)
{
    const struct physdev_pirq_eoi_gmfn *op = arg;
    struct pirq_table *table = v->domain->pirqs;
    uint64_t *page = table ? domain_hold_page(v->domain, op->gmfn) : NULL;
    bool is_first;

    if (!page)
        return -XEN_EINVAL;
    spin_lock(&table->lock);
    is_first = !table->eoi_map;
    if (is_first)
        table->eoi_map = page;
    for (unsigned irq = 0; irq < NR_IRQS; irq++)
        pirq_note_eoi(table, irq);
    spin_unlock(&table->lock);
    if (!is_first)
        domain_drop_page(page);
    return is_first ? 0 : -XEN_EBUSY;
}

static long physdev_set_iopl(struct vcpu *v, void *arg)
{
    const struct physdev_set_iopl *op = arg;

    if (op->iopl > MAX_IOPL)
        return -XEN_EINVAL;
    guest_set_iopl(v, op->iopl);
    return 0;
}

static long physdev_set_iobitmap(struct vcpu *v, void *arg)
{
    const struct physdev_set_iobitmap *op = arg;
    uint64_t bitmap;

    _Static_assert(sizeof(op->bitmap) == sizeof(bitmap), "a guest address");
    __builtin_memcpy(&bitmap, &op->bitmap, sizeof(bitmap));
    if (op->nr_ports > MAX_IO_PORTS || (bitmap && !guest_range_ok(bitmap, MAX_IO_PORTS / 8)))
        return -XEN_EINVAL;
    guest_set_iobitmap(v, bitmap, op->nr_ports);
    return 0;
}

static long physdev_apic_read(struct vcpu *v UNUSED, void *arg)
{
    struct physdev_apic *op = arg;

    return ioapic_read_register(op->apic_physbase, op->reg, &op->value);
}

static long physdev_alloc_irq_vector(struct vcpu *v UNUSED, void *arg)
{
    struct physdev_irq *op = arg;

    if (op->irq >= ioapic_nr_gsis)
        return -XEN_EINVAL;
    op->vector = op->irq;           /* dom0 only hands it back; the real one is ours */
    return 0;
}

/* The irq of a new MSI or MSI-X, whose number nobody can choose. `bus` has the segment above bit 15: MSIs are for 0. */
static int make_msi(const struct physdev_map_pirq *op, struct msi **out)
{
    struct pci_address device = { (uint8_t)op->bus, (uint8_t)op->devfn };
    struct msi *m;
    int rc;

    if (op->pirq >= 0 || op->devfn < 0 || op->devfn > UINT8_MAX || (op->table_base && op->entry_nr < 0))
        return -XEN_EINVAL;
    if (op->type == MAP_PIRQ_TYPE_MSI_SEG && (uint32_t)op->bus >> 16)
        return -XEN_ENODEV;
    m = heap_new(struct msi);
    if (!m)
        return -XEN_ENOMEM;
    rc = op->table_base ? msix_create(m, device, (unsigned)op->entry_nr, op->table_base) : msi_create(m, device);
    if (rc) {
        heap_free(m);
        return rc;
    }
    *out = m;
    return (int)m->irq;
}

/* MULTI_MSI wants several consecutive vectors: refused, and Linux' drivers go on with one. */
static long physdev_map_pirq(struct vcpu *v, void *arg)
{
    struct physdev_map_pirq *op = arg;
    struct pirq_table *table = v->domain->pirqs;
    struct msi *m = NULL;
    int irq = -XEN_EINVAL;

    if (op->domid != DOMID_SELF && op->domid != v->domain->id)
        return -XEN_ESRCH;
    if (table && op->type == MAP_PIRQ_TYPE_GSI && (unsigned)op->index < ioapic_nr_gsis &&
        (op->pirq < 0 || op->pirq == op->index))
        irq = op->index;
    else if (table && (op->type == MAP_PIRQ_TYPE_MSI || op->type == MAP_PIRQ_TYPE_MSI_SEG))
        irq = make_msi(op, &m);
    else if (op->type == MAP_PIRQ_TYPE_MULTI_MSI)
        irq = -XEN_EOPNOTSUPP;
    if (irq < 0)
        return irq;
    spin_lock(&table->lock);
    table->row[irq].is_mapped = true;    /* a GSI perhaps again: harmless */
    table->row[irq].msi = m;
    spin_unlock(&table->lock);
    op->pirq = irq;
    return 0;
}

static long physdev_unmap_pirq(struct vcpu *v, void *arg)
{
    const struct physdev_unmap_pirq *op = arg;
    struct pirq *p;

    if (op->domid != DOMID_SELF && op->domid != v->domain->id)
        return -XEN_ESRCH;
    p = pirq_lock(v->domain, (unsigned)op->pirq);
    if (!p)
        return -XEN_EINVAL;
    pirq_stop(p, (unsigned)op->pirq);
    if (p->msi) {
        irq_free_msi((unsigned)op->pirq);
        heap_free(p->msi);
    }
    *p = (struct pirq){ .is_mapped = false };
    pirq_note_eoi(v->domain->pirqs, (unsigned)op->pirq);
    spin_unlock(&v->domain->pirqs->lock);
    return 0;
}

static long physdev_setup_gsi(struct vcpu *v UNUSED, void *arg)
{
    const struct physdev_setup_gsi *op = arg;

    if (op->gsi < 0 || op->triggering > 1 || op->polarity > 1)
        return -XEN_EINVAL;
    return irq_setup_gsi((unsigned)op->gsi, op->triggering, op->polarity);
}

/* Devices come and go without anything to keep about them: there is no IOMMU, and MSIs are set up as they are mapped. */
static long physdev_note_device(struct vcpu *v UNUSED, void *arg UNUSED)
{
    return 0;
}

/* Write messages and masks of a device's MSIs anew. */
static long physdev_restore_msi_ext(struct vcpu *v, void *arg)
{
    const struct physdev_pci_device *op = arg;
    struct pirq_table *table = v->domain->pirqs;

    if (op->seg)
        return -XEN_ENODEV;
    if (!table)
        return 0;
    spin_lock(&table->lock);
    for (unsigned irq = ioapic_nr_gsis; irq < NR_IRQS; irq++) {
        const struct msi *m = table->row[irq].msi;
        if (m && m->device.bus == op->bus && m->device.devfn == op->devfn)
            irq_reprogram(irq);
    }
    spin_unlock(&table->lock);
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
    ROW(pci_mmcfg_reserved, physdev_note_device, physdev_pci_mmcfg_reserved, IN_DOM0),
    ROW(pci_device_add, physdev_note_device, physdev_pci_device_add, IN_DOM0),
    ROW(pci_device_remove, physdev_note_device, physdev_pci_device, IN_DOM0),
    ROW(restore_msi_ext, physdev_restore_msi_ext, physdev_pci_device, IN_DOM0),
    ROW(pirq_eoi_gmfn_v2, physdev_pirq_eoi_gmfn, physdev_pirq_eoi_gmfn, SUBOP_IN),
    ROW(prepare_msix, physdev_note_device, physdev_pci_device, IN_DOM0),
    ROW(release_msix, physdev_note_device, physdev_pci_device, IN_DOM0),
};

long do_physdev_op(uint64_t cmd, uint64_t arg, UNUSED_FROM_3)
{
    return subop_dispatch(physdev_table, ARRAY_SIZE(physdev_table), current_vcpu(), cmd, arg);
}
