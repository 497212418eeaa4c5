// SPDX-License-Identifier: MIT
// Physical interrupts of a domain, through PHYSDEVOP: mapping, binding, end of interrupt, and the page
// that tells the guest what needs one; with the interrupt chips played by counters.
#include "core/domain.h"
#include "core/hypercall.h"
#include "core/event_channel.h"
#include "cpu/irq.h"
#include "cpu/msi.h"
#include "mm/heap.h"
#include "public/physdev.h"
#include "unit_main.h"

#include <stdlib.h>
#include <string.h>

#define NR_GSIS     24u
#define TAKEN_GSI   4u          // the console's: irq_request() refuses it
#define LEVEL_GSI   11u
#define EDGE_GSI    14u
#define MSI_BUS     3

static struct { irq_handler_fn fn; void *arg; unsigned eois, reprograms; } line[NR_IRQS];
static bool is_level[NR_IRQS];
static unsigned nr_msis, last_port, sent, iopl;
static uint64_t eoi_page[512];
static int page_refs;

int irq_request(unsigned irq, irq_handler_fn fn, void *arg)
{
    if (irq == TAKEN_GSI || line[irq].fn)
        return -XEN_EBUSY;
    line[irq].fn = fn;
    line[irq].arg = arg;
    fn(irq, arg);               // one may come at once
    return 0;
}

void irq_free(unsigned irq)
{
    line[irq].fn = NULL;
}

void irq_eoi(unsigned irq)
{
    line[irq].eois++;
}

void irq_reprogram(unsigned irq)
{
    line[irq].reprograms++;
}

int irq_set_affinity(unsigned irq UNUSED, const struct cpumask *cpus UNUSED)
{
    return 0;
}

int irq_setup_gsi(unsigned gsi, bool level, bool active_low UNUSED)
{
    if (gsi >= NR_GSIS)
        return -XEN_EINVAL;
    is_level[gsi] = level;
    return 0;
}

bool irq_is_level(unsigned irq)
{
    return is_level[irq];
}

unsigned ioapic_nr_gsis = NR_GSIS;

int ioapic_read_register(paddr_t address, uint32_t reg, uint32_t *value)
{
    *value = 0x170020;
    return address == 0xfec00000 && reg == 1 ? 0 : -XEN_EINVAL;
}

int msi_create(struct msi *m, struct pci_address device)
{
    if (device.bus != MSI_BUS)
        return -XEN_ENODEV;
    *m = (struct msi){ .device = device, .irq = NR_GSIS + nr_msis++ };
    return 0;
}

int msix_create(struct msi *m, struct pci_address device, unsigned nr, paddr_t bar UNUSED)
{
    return nr > 7 ? -XEN_EINVAL : msi_create(m, device);
}

void irq_free_msi(unsigned irq)
{
    irq_free(irq);
    nr_msis--;
}

void *heap_alloc(size_t size)
{
    return calloc(1, size);
}

void heap_free(void *object)
{
    free(object);
}

void evtchn_send_pirq(struct domain *d UNUSED, uint32_t port)
{
    last_port = port;
    sent++;
}

uint64_t max_mfn = 8;

void *direct_map(paddr_t pa UNUSED)
{
    return eoi_page;
}

paddr_t direct_map_paddr(const void *va UNUSED)
{
    return 5 * PAGE_SIZE;
}

bool guest_get_data(struct domain *d UNUSED, mfn_t m, bool writable)
{
    if (m.n != 5 || !writable)
        return false;
    page_refs++;
    return true;
}

void guest_put_data(mfn_t m, bool writable UNUSED)
{
    page_refs -= m.n == 5;
}

void guest_set_iopl(struct vcpu *v UNUSED, unsigned level)
{
    iopl = level;
}

void guest_set_iobitmap(struct vcpu *v UNUSED, uint64_t bitmap UNUSED, uint32_t nr_ports UNUSED)
{
}

static struct domain dom0, other = { .id = 1 };
static struct vcpu vcpu0 = { .domain = &dom0 };
_Thread_local unsigned fake_cpu;
struct vcpu *fake_current[MAX_CPUS] = { &vcpu0 };

long subop_dispatch(const struct subop *table, unsigned rows, struct vcpu *v, uint64_t cmd, uint64_t arg)
{
    if (cmd >= rows || !table[cmd].handler)
        return -XEN_ENOSYS;
    return table[cmd].handler(v, (void *)(uintptr_t)arg);
}

static long op(unsigned cmd, void *arg)
{
    return do_physdev_op(cmd, (uintptr_t)arg, 0, 0, 0);
}

static void begin(void)
{
    memset(line, 0, sizeof(line));
    memset(is_level, 0, sizeof(is_level));
    memset(eoi_page, 0xff, sizeof(eoi_page));
    page_refs = 0;
    is_level[LEVEL_GSI] = true;
    CU_ASSERT_FATAL(pirq_domain_init(&dom0) == 0);
}

static void end(void)
{
    for (int pirq = -1; pirq <= NR_IRQS; pirq++) {
        struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF, .pirq = pirq };
        (void)op(PHYSDEVOP_unmap_pirq, &unmap);
    }
    free(dom0.pirqs);
    dom0.pirqs = NULL;
    CU_ASSERT(nr_msis == 0);
    for (unsigned irq = 0; irq < NR_IRQS; irq++)
        CU_ASSERT(line[irq].fn == NULL);
}

static long map(int type, int index, int bus, int *pirq)
{
    struct physdev_map_pirq m = { .domid = DOMID_SELF, .type = type, .index = index, .pirq = *pirq, .bus = bus };
    long rc = op(PHYSDEVOP_map_pirq, &m);

    *pirq = m.pirq;
    return rc;
}

static void gsi_from_map_to_eoi(void)
{
    struct physdev_eoi eoi = { LEVEL_GSI };
    struct physdev_irq_status_query query = { .irq = LEVEL_GSI };
    int pirq = LEVEL_GSI;

    begin();
    CU_ASSERT(pirq_bind(&dom0, LEVEL_GSI, 7) == -XEN_EINVAL);
    CU_ASSERT(op(PHYSDEVOP_eoi, &eoi) == -XEN_EINVAL);
    CU_ASSERT(map(MAP_PIRQ_TYPE_GSI, LEVEL_GSI, 0, &pirq) == 0 && pirq == LEVEL_GSI);
    CU_ASSERT(map(MAP_PIRQ_TYPE_GSI, LEVEL_GSI, 0, &pirq) == 0);
    last_port = 0;
    CU_ASSERT(pirq_bind(&dom0, LEVEL_GSI, 7) == 0 && last_port == 7);
    CU_ASSERT(pirq_bind(&dom0, LEVEL_GSI, 8) == -XEN_EEXIST);
    line[LEVEL_GSI].fn(LEVEL_GSI, line[LEVEL_GSI].arg);
    CU_ASSERT(last_port == 7);
    CU_ASSERT(op(PHYSDEVOP_irq_status_query, &query) == 0 && (query.flags & XENIRQSTAT_needs_eoi));
    CU_ASSERT(op(PHYSDEVOP_eoi, &eoi) == 0 && line[LEVEL_GSI].eois == 1);
    pirq_unbind(&dom0, LEVEL_GSI);
    CU_ASSERT(line[LEVEL_GSI].fn == NULL);
    CU_ASSERT(pirq_bind(&dom0, LEVEL_GSI, 9) == 0);
    end();
}

// An interrupt that was under way when its port was closed must not reach a port that is not its own.
static void late_interrupt_is_dropped(void)
{
    int pirq = EDGE_GSI;
    irq_handler_fn fn;
    void *arg;

    begin();
    CU_ASSERT(map(MAP_PIRQ_TYPE_GSI, EDGE_GSI, 0, &pirq) == 0);
    CU_ASSERT_FATAL(pirq_bind(&dom0, EDGE_GSI, 7) == 0);
    fn = line[EDGE_GSI].fn;
    arg = line[EDGE_GSI].arg;
    pirq_unbind(&dom0, EDGE_GSI);
    sent = 0;
    fn(EDGE_GSI, arg);
    CU_ASSERT(sent == 0);
    end();
}

static void msi_gets_numbers_above_gsis(void)
{
    int one = -1, two = -1, none = -1, wanted = LEVEL_GSI, chosen = NR_GSIS + 9;
    struct physdev_irq_status_query query;
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF };
    struct physdev_pci_device restore = { .bus = MSI_BUS };

    begin();
    CU_ASSERT(map(MAP_PIRQ_TYPE_MSI_SEG, -1, MSI_BUS, &one) == 0 && one == (int)NR_GSIS);
    CU_ASSERT(map(MAP_PIRQ_TYPE_MSI, -1, MSI_BUS, &two) == 0 && two == (int)NR_GSIS + 1);
    CU_ASSERT(map(MAP_PIRQ_TYPE_MSI, -1, MSI_BUS + 1, &none) == -XEN_ENODEV);
    CU_ASSERT(map(MAP_PIRQ_TYPE_MSI_SEG, -1, 1 << 16 | MSI_BUS, &none) == -XEN_ENODEV);
    CU_ASSERT(map(MAP_PIRQ_TYPE_MULTI_MSI, -1, MSI_BUS, &none) == -XEN_EOPNOTSUPP);
    CU_ASSERT(map(MAP_PIRQ_TYPE_MSI, -1, MSI_BUS, &chosen) == -XEN_EINVAL && nr_msis == 2);
    CU_ASSERT(map(MAP_PIRQ_TYPE_GSI, LEVEL_GSI, 0, &wanted) == 0);
    CU_ASSERT(pirq_bind(&dom0, (unsigned)one, 3) == 0);
    query = (struct physdev_irq_status_query){ .irq = (uint32_t)one, .flags = ~0u };
    CU_ASSERT(op(PHYSDEVOP_irq_status_query, &query) == 0 && query.flags == 0);
    CU_ASSERT(op(PHYSDEVOP_restore_msi_ext, &restore) == 0 && line[NR_GSIS].reprograms == 1);
    unmap.pirq = one;
    CU_ASSERT(op(PHYSDEVOP_unmap_pirq, &unmap) == 0 && nr_msis == 1 && line[NR_GSIS].fn == NULL);
    CU_ASSERT(op(PHYSDEVOP_unmap_pirq, &unmap) == -XEN_EINVAL);
    end();
}

static void eoi_page_follows(void)
{
    struct physdev_pirq_eoi_gmfn bad = { 6 }, beyond = { 8 }, good = { 5 };
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF, .pirq = EDGE_GSI };
    int level = LEVEL_GSI, edge = EDGE_GSI;

    begin();
    (void)map(MAP_PIRQ_TYPE_GSI, LEVEL_GSI, 0, &level);
    (void)map(MAP_PIRQ_TYPE_GSI, EDGE_GSI, 0, &edge);
    CU_ASSERT(op(PHYSDEVOP_pirq_eoi_gmfn_v2, &bad) == -XEN_EINVAL);
    CU_ASSERT(op(PHYSDEVOP_pirq_eoi_gmfn_v2, &beyond) == -XEN_EINVAL);
    CU_ASSERT(op(PHYSDEVOP_pirq_eoi_gmfn_v2, &good) == 0);
    CU_ASSERT(op(PHYSDEVOP_pirq_eoi_gmfn_v2, &good) == -XEN_EBUSY && page_refs == 1);
    CU_ASSERT(eoi_page[0] == 1u << LEVEL_GSI);
    is_level[EDGE_GSI] = true;
    CU_ASSERT(pirq_bind(&dom0, EDGE_GSI, 2) == 0);
    CU_ASSERT(eoi_page[0] == (1u << LEVEL_GSI | 1u << EDGE_GSI));
    CU_ASSERT(op(PHYSDEVOP_unmap_pirq, &unmap) == 0);
    CU_ASSERT(eoi_page[0] == 1u << LEVEL_GSI);
    end();
}

static void refuses_nonsense(void)
{
    struct physdev_map_pirq foreign = { .domid = 9, .type = MAP_PIRQ_TYPE_GSI };
    struct physdev_setup_gsi setup = { .gsi = 24, .triggering = 1 }, odd = { .gsi = 3, .triggering = 2 };
    struct physdev_apic apic = { .apic_physbase = 0xfec00000, .reg = 1 }, far = { .apic_physbase = 1 };
    struct physdev_set_iopl high = { 4 }, fine = { 3 };
    struct physdev_set_iobitmap ports = { .nr_ports = 65537 };
    int beyond = 24, negative = -1, taken = TAKEN_GSI, elsewhere = LEVEL_GSI + 1;

    begin();
    CU_ASSERT(op(PHYSDEVOP_map_pirq, &foreign) == -XEN_ESRCH);
    CU_ASSERT(map(MAP_PIRQ_TYPE_GSI, 24, 0, &beyond) == -XEN_EINVAL);
    CU_ASSERT(map(MAP_PIRQ_TYPE_GSI, -5, 0, &negative) == -XEN_EINVAL);
    CU_ASSERT(map(MAP_PIRQ_TYPE_GSI, LEVEL_GSI, 0, &elsewhere) == -XEN_EINVAL);
    CU_ASSERT(map(MAP_PIRQ_TYPE_UNKNOWN, 0, 0, &negative) == -XEN_EINVAL);
    CU_ASSERT(map(MAP_PIRQ_TYPE_GSI, TAKEN_GSI, 0, &taken) == 0);
    CU_ASSERT(pirq_bind(&dom0, TAKEN_GSI, 3) == -XEN_EBUSY);
    CU_ASSERT(pirq_bind(&dom0, TAKEN_GSI, 3) == -XEN_EBUSY);
    CU_ASSERT(pirq_bind(&dom0, 0xffffffff, 3) == -XEN_EINVAL);
    CU_ASSERT(op(PHYSDEVOP_setup_gsi, &setup) == -XEN_EINVAL);
    CU_ASSERT(op(PHYSDEVOP_setup_gsi, &odd) == -XEN_EINVAL);
    CU_ASSERT(op(PHYSDEVOP_apic_read, &apic) == 0 && apic.value == 0x170020);
    CU_ASSERT(op(PHYSDEVOP_apic_read, &far) == -XEN_EINVAL);
    CU_ASSERT(op(PHYSDEVOP_set_iopl, &high) == -XEN_EINVAL && iopl == 0);
    CU_ASSERT(op(PHYSDEVOP_set_iopl, &fine) == 0 && iopl == 3);
    CU_ASSERT(op(PHYSDEVOP_set_iobitmap, &ports) == -XEN_EINVAL);
    CU_ASSERT(op(PHYSDEVOP_dbgp_op, &ports) == -XEN_ENOSYS);
    end();
}

static void other_domains_have_none(void)
{
    struct vcpu v = { .domain = &other };
    struct physdev_eoi eoi = { LEVEL_GSI };
    struct physdev_irq_status_query query = { .irq = LEVEL_GSI };
    struct physdev_pirq_eoi_gmfn page = { 5 };
    int pirq = LEVEL_GSI, any = -1;

    begin();
    fake_current[0] = &v;
    CU_ASSERT(op(PHYSDEVOP_eoi, &eoi) == -XEN_EINVAL);
    CU_ASSERT(op(PHYSDEVOP_irq_status_query, &query) == -XEN_EINVAL);
    CU_ASSERT(op(PHYSDEVOP_pirq_eoi_gmfn_v2, &page) == -XEN_EINVAL);
    CU_ASSERT(map(MAP_PIRQ_TYPE_GSI, LEVEL_GSI, 0, &pirq) == -XEN_EINVAL);
    CU_ASSERT(map(MAP_PIRQ_TYPE_MSI, -1, MSI_BUS, &any) == -XEN_EINVAL && nr_msis == 0);
    CU_ASSERT(pirq_bind(&other, LEVEL_GSI, 1) == -XEN_EINVAL);
    pirq_unbind(&other, LEVEL_GSI);
    fake_current[0] = &vcpu0;
    end();
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "gsi_from_map_to_eoi", gsi_from_map_to_eoi },
        { "late_interrupt_is_dropped", late_interrupt_is_dropped },
        { "msi_gets_numbers_above_gsis", msi_gets_numbers_above_gsis },
        { "eoi_page_follows", eoi_page_follows },
        { "refuses_nonsense", refuses_nonsense },
        { "other_domains_have_none", other_domains_have_none },
        { NULL, NULL },
    };

    return unit_main("physdev", tests);
}
