// SPDX-License-Identifier: MIT
/*
 * Physical IRQs of a domain. See irq_guest.h. A number below that of the machine's GSIs means the
 * GSI of that number, as Linux' dom0 expects; MSIs get numbers above.
 *
 * A table's rows are never freed while the domain lives, because an interrupt may still be on its
 * way to one. The table's lock guards all rows; an interrupt reads `port` without it.
 */
#include "core/irq_guest.h"

#include "core/domain.h"
#include "core/event_channel.h"
#include "cpu/irq.h"
#include "cpu/msi.h"
#include "lib/bitmap.h"
#include "mm/heap.h"
#include "public/errno.h"

#define NR_PIRQS NR_IRQS

enum pirq_kind { PIRQ_FREE, PIRQ_GSI, PIRQ_MSI };

struct pirq {
    struct domain *domain;
    uint32_t port;                  /* 0: not bound */
    uint16_t irq;
    uint8_t kind;
    struct msi *msi;                /* PIRQ_MSI */
};

struct pirq_table {
    struct spinlock lock;
    uint64_t *eoi_map;              /* a page of the guest's, held; NULL: none */
    struct pirq row[NR_PIRQS];
};
_Static_assert(NR_PIRQS / 8 <= PAGE_SIZE, "a bit for each in one page");

static struct pirq *pirq_row(struct domain *d, unsigned pirq)
{
    return d->pirqs && pirq < NR_PIRQS ? &d->pirqs->row[pirq] : NULL;
}

static struct pirq *pirq_mapped(struct domain *d, unsigned pirq)
{
    struct pirq *p = pirq_row(d, pirq);

    return p && p->kind != PIRQ_FREE ? p : NULL;
}

/* The row of a mapped one, with the table's lock held; NULL, and no lock held, if there is none. */
static struct pirq *pirq_lock(struct domain *d, unsigned pirq)
{
    struct pirq *p;

    if (!d->pirqs)
        return NULL;
    spin_lock(&d->pirqs->lock);
    p = pirq_mapped(d, pirq);
    if (!p)
        spin_unlock(&d->pirqs->lock);
    return p;
}

int pirq_domain_init(struct domain *d)
{
    struct pirq_table *table = heap_new(struct pirq_table);

    if (!table)
        return -XEN_ENOMEM;
    spin_lock_init(&table->lock, LOCK_PIRQ);
    for (unsigned i = 0; i < NR_PIRQS; i++)
        table->row[i].domain = d;
    d->pirqs = table;
    return 0;
}

static void pirq_interrupt(unsigned irq UNUSED, void *arg)
{
    struct pirq *p = arg;
    uint32_t port = READ_ONCE(p->port);

    if (port)
        evtchn_send_pirq(p->domain, port);
}

/* Tell the guest by its page whether the pirq wants an EOI. */
static void pirq_note_eoi(struct pirq_table *table, const struct pirq *p)
{
    size_t bit = (size_t)(p - table->row);

    if (!table->eoi_map)
        return;
    if (p->kind == PIRQ_GSI && irq_is_level(p->irq))
        bitmap_set_atomic(table->eoi_map, bit);
    else
        bitmap_clear_atomic(table->eoi_map, bit);
}

int pirq_bind(struct domain *d, unsigned pirq, uint32_t port)
{
    struct pirq *p = pirq_lock(d, pirq);
    int rc;

    if (!p)
        return -XEN_EINVAL;
    rc = p->port ? -XEN_EEXIST : irq_request(p->irq, pirq_interrupt, p);
    if (!rc) {
        WRITE_ONCE(p->port, port);
        pirq_note_eoi(d->pirqs, p);
        irq_unmask(p->irq);
    }
    spin_unlock(&d->pirqs->lock);
    return rc;
}

static void pirq_stop(struct pirq *p)
{
    if (!p->port)
        return;
    irq_free(p->irq);
    WRITE_ONCE(p->port, 0);
}

void pirq_unbind(struct domain *d, unsigned pirq)
{
    struct pirq *p = pirq_lock(d, pirq);

    if (!p)
        return;
    pirq_stop(p);
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
        (void)irq_set_affinity(p->irq, &cpus);
    spin_unlock(&d->pirqs->lock);
}

/*
 * No lock: rows stay, and a mapped row's irq does not change while the guest uses it; irq_eoi()
 * checks its own state.
 */
int pirq_eoi(struct domain *d, unsigned pirq)
{
    struct pirq *p = pirq_mapped(d, pirq);

    if (!p)
        return -XEN_EINVAL;
    irq_eoi(p->irq);
    return 0;
}

int pirq_needs_eoi(struct domain *d, unsigned pirq)
{
    struct pirq *p = pirq_mapped(d, pirq);

    if (!p)
        return -XEN_EINVAL;
    return p->kind == PIRQ_GSI && irq_is_level(p->irq);
}

/*
 * The row for a new mapping: the one asked for, or any above the GSIs. Lock held. NULL: taken, or
 * none is left.
 */
static struct pirq *pirq_choose(struct domain *d, int wanted)
{
    struct pirq *p;

    if (wanted >= 0) {
        p = pirq_row(d, (unsigned)wanted);
        return p && p->kind == PIRQ_FREE ? p : NULL;
    }
    for (unsigned i = irq_nr_gsis(); i < NR_PIRQS; i++) {
        if (d->pirqs->row[i].kind == PIRQ_FREE)
            return &d->pirqs->row[i];
    }
    return NULL;
}

int pirq_map_gsi(struct domain *d, unsigned gsi, int pirq)
{
    struct pirq *p;
    int rc = -XEN_EINVAL;

    if (!d->pirqs || gsi >= irq_nr_gsis())
        return -XEN_EINVAL;
    if (pirq < 0)
        pirq = (int)gsi;
    spin_lock(&d->pirqs->lock);
    p = pirq_row(d, (unsigned)pirq);
    if (p && p->kind == PIRQ_GSI && p->irq == gsi) {
        rc = pirq;                  /* again: harmless */
    } else if (p && p->kind == PIRQ_FREE) {
        p->kind = PIRQ_GSI;
        p->irq = (uint16_t)gsi;
        rc = pirq;
    }
    spin_unlock(&d->pirqs->lock);
    return rc;
}

static int msi_make(struct msi *m, const struct pirq_msi_request *request)
{
    struct pci_address device = { request->segment, request->bus, request->devfn };

    if (request->table_base)
        return msix_create(m, device, request->entry, request->table_base);
    return msi_create(m, device);
}

int pirq_map_msi(struct domain *d, const struct pirq_msi_request *request, int pirq)
{
    struct msi *m;
    struct pirq *p;
    int rc;

    if (!d->pirqs)
        return -XEN_EINVAL;
    m = heap_new(struct msi);
    if (!m)
        return -XEN_ENOMEM;
    rc = msi_make(m, request);
    if (rc) {
        heap_free(m);
        return rc;
    }
    spin_lock(&d->pirqs->lock);
    p = pirq_choose(d, pirq);
    if (p) {
        p->kind = PIRQ_MSI;
        p->irq = (uint16_t)m->irq;
        p->msi = m;
        rc = (int)(p - d->pirqs->row);
    }
    spin_unlock(&d->pirqs->lock);
    if (p)
        return rc;
    msi_destroy(m);
    heap_free(m);
    return pirq < 0 ? -XEN_ENOSPC : -XEN_EEXIST;
}

static void pirq_release(struct pirq *p)
{
    pirq_stop(p);
    if (p->kind == PIRQ_MSI) {
        msi_destroy(p->msi);
        heap_free(p->msi);
        p->msi = NULL;
    }
    p->kind = PIRQ_FREE;
}

int pirq_unmap(struct domain *d, unsigned pirq)
{
    struct pirq *p = pirq_lock(d, pirq);

    if (!p)
        return -XEN_EINVAL;
    pirq_release(p);
    pirq_note_eoi(d->pirqs, p);
    spin_unlock(&d->pirqs->lock);
    return 0;
}

int pirq_set_eoi_page(struct domain *d, uint64_t gfn)
{
    struct pirq_table *table = d->pirqs;
    uint64_t *page = table ? domain_hold_page(d, gfn) : NULL;
    bool is_first;

    if (!page)
        return -XEN_EINVAL;
    spin_lock(&table->lock);
    is_first = !table->eoi_map;
    if (is_first) {
        table->eoi_map = page;
        for (unsigned i = 0; i < NR_PIRQS; i++)
            pirq_note_eoi(table, &table->row[i]);
    }
    spin_unlock(&table->lock);
    if (!is_first)
        domain_drop_page(d, page);
    return is_first ? 0 : -XEN_EBUSY;
}

void pirq_restore_msi(struct domain *d, uint16_t segment, uint8_t bus, uint8_t devfn)
{
    if (!d->pirqs)
        return;
    spin_lock(&d->pirqs->lock);
    for (unsigned i = 0; i < NR_PIRQS; i++) {
        const struct msi *m = d->pirqs->row[i].msi;

        if (m && m->device.segment == segment && m->device.bus == bus && m->device.devfn == devfn)
            irq_reprogram(m->irq);
    }
    spin_unlock(&d->pirqs->lock);
}

void pirq_domain_destroy(struct domain *d)
{
    struct pirq_table *table = d->pirqs;

    if (!table)
        return;
    for (unsigned i = 0; i < NR_PIRQS; i++) {
        spin_lock(&table->lock);
        pirq_release(&table->row[i]);
        spin_unlock(&table->lock);
    }
    if (table->eoi_map)
        domain_drop_page(d, table->eoi_map);
    table->eoi_map = NULL;
}
