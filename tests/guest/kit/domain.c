// SPDX-License-Identifier: MIT
/*
 * Domains made by the control domain, as a toolstack makes them: this kernel's own image once more, its direct map, page
 * tables, start_info and first context. The new kernel begins at _start like this one and learns from start_info's flags
 * that it does not control anything; so .data must not hold what this one changed (mem.c and test.c set theirs anew).
 *
 *     page 0 ... | image | p2m | start_info | tables: L1s, L2, L3, L4 | stack | free, mapped
 */
#include "kit/kit.h"

#define L1_PAGES 512u
#define PFN_OF(va) ((unsigned int)(((uint64_t)(va) - VIRT_BASE) / PAGE_SIZE))
#define VA_OF(pfn) (VIRT_BASE + (pfn) * PAGE_SIZE)

extern uint8_t _start[], bss_start[], image_end[];

/* ---- control calls ---- */

struct xen_domctl domctl_request(uint32_t cmd, unsigned int domid)
{
    return (struct xen_domctl){
        .cmd = cmd, .interface_version = XEN_DOMCTL_INTERFACE_VERSION, .domain = (domid_t)domid,
    };
}

long domctl(struct xen_domctl *op)
{
    return hypercall(__HYPERVISOR_domctl, U64(op), 0, 0, 0, 0);
}

long domctl_simple(uint32_t cmd, unsigned int domid)
{
    struct xen_domctl op = domctl_request(cmd, domid);

    return domctl(&op);
}

long sysctl(struct xen_sysctl *op, uint32_t cmd)
{
    op->cmd = cmd;
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return hypercall(__HYPERVISOR_sysctl, U64(op), 0, 0, 0, 0);
}

uint64_t machine_free_pages(void)
{
    struct xen_sysctl op = { .cmd = 0 };

    CHECK_EQ(sysctl(&op, XEN_SYSCTL_physinfo), 0);
    return op.u.physinfo.free_pages;
}

/* Frames go back when no TLB has them, which may be a moment later. */
bool free_pages_come_back(uint64_t pages)
{
    for (int i = 0; i < 1000 && machine_free_pages() != pages; i++)
        delay_ns(100000);
    return machine_free_pages() == pages;
}

bool domain_exists(unsigned int domid)
{
    struct xen_domctl op = domctl_request(XEN_DOMCTL_getdomaininfo, domid);

    return !domctl(&op) && op.domain == domid;
}

uint32_t domain_flags(unsigned int domid)
{
    struct xen_domctl op = domctl_request(XEN_DOMCTL_getdomaininfo, domid);

    return domctl(&op) || op.domain != domid ? 0 : op.u.getdomaininfo.flags;
}

int foreign_map(void *va, unsigned int domid, uint64_t pte)
{
    return (int)hypercall(__HYPERVISOR_update_va_mapping_otherdomain, U64(va), pte, UVMF_INVLPG, domid, 0);
}

/* ---- the builder ---- */

/* A page of the guest, seen here until the next one is asked for. */
static void *look_at(const struct guest *g, unsigned int pfn)
{
    static void *va;

    if (!va)
        va = window();
    CHECK_EQ(foreign_map(va, g->id, g->frame[pfn] << 12 | PTE_RW), 0);
    return va;
}

static void create(const struct guest *g)
{
    struct xen_domctl op = domctl_request(XEN_DOMCTL_createdomain, g->id);

    op.u.createdomain = (struct xen_domctl_createdomain){
        .max_vcpus = g->nr_vcpus, .max_evtchn_port = 1023, .max_grant_frames = 4, .max_maptrack_frames = 4, .grant_opts = 1,
    };
    CHECK_EQ(domctl(&op), 0);
    op = domctl_request(XEN_DOMCTL_max_vcpus, g->id);
    op.u.max_vcpus.max = g->nr_vcpus;
    CHECK_EQ(domctl(&op), 0);
}

static void give_memory(struct guest *g)
{
    struct xen_domctl op = domctl_request(XEN_DOMCTL_max_mem, g->id);
    struct xen_memory_reservation r = { .extent_start = U64(g->frame), .nr_extents = g->nr_pages, .domid = (domid_t)g->id };

    op.u.max_mem.max_memkb = g->nr_pages * 4;
    CHECK_EQ(domctl(&op), 0);
    for (unsigned int pfn = 0; pfn < g->nr_pages; pfn++)
        g->frame[pfn] = pfn;
    CHECK_EQ(hyp_memory_op(XENMEM_populate_physmap, &r), g->nr_pages);
}

static void copy_image(const struct guest *g)
{
    const uint8_t *from = (const uint8_t *)((uint64_t)_start & ~(PAGE_SIZE - 1));

    for (; from < bss_start; from += PAGE_SIZE) {
        size_t n = bss_start - from < (long)PAGE_SIZE ? (size_t)(bss_start - from) : PAGE_SIZE;
        memcpy(look_at(g, PFN_OF(from)), from, n);
    }
}

/* Returns the page behind the list. */
static unsigned int write_p2m(const struct guest *g, unsigned int at)
{
    for (unsigned int pfn = 0; pfn < g->nr_pages; pfn += L1_PAGES) {
        unsigned int n = g->nr_pages - pfn < L1_PAGES ? g->nr_pages - pfn : L1_PAGES;
        memcpy(look_at(g, at++), &g->frame[pfn], n * sizeof(g->frame[0]));
    }
    return at;
}

static bool is_table(const struct guest *g, unsigned int pfn)
{
    return pfn >= g->first_table && pfn < g->first_table + g->nr_tables;
}

static void write_tables(const struct guest *g)
{
    unsigned int nr_l1 = g->nr_tables - 3, l2 = g->first_table + nr_l1;
    uint64_t *table = NULL;

    for (unsigned int pfn = 0; pfn < g->nr_pages; pfn++) {
        if (pfn % L1_PAGES == 0)
            table = look_at(g, g->first_table + pfn / L1_PAGES);
        table[pfn % L1_PAGES] = g->frame[pfn] << 12 | (is_table(g, pfn) ? PTE_RO : PTE_RW);
    }
    table = look_at(g, l2);
    for (unsigned int i = 0; i < nr_l1; i++)
        table[i] = g->frame[g->first_table + i] << 12 | PTE_RW | PTE_U;
    table = look_at(g, l2 + 1);
    table[VIRT_BASE >> 30 & 511] = g->frame[l2] << 12 | PTE_RW | PTE_U;
    table = look_at(g, l2 + 2);
    table[VIRT_BASE >> 39 & 511] = g->frame[l2 + 1] << 12 | PTE_RW | PTE_U;
}

static void write_start_info(const struct guest *g, unsigned int at, unsigned int mfn_list)
{
    struct xen_domctl op = domctl_request(XEN_DOMCTL_getdomaininfo, g->id);
    struct start_info *si = look_at(g, at);

    CHECK_EQ(domctl(&op), 0);
    memcpy(si->magic, "xen-3.0-x86_64", 15);
    si->nr_pages = g->nr_pages;
    si->shared_info = op.u.getdomaininfo.shared_info_frame << 12;
    si->pt_base = VA_OF(g->first_table + g->nr_tables - 1);
    si->nr_pt_frames = g->nr_tables;
    si->mfn_list = VA_OF(mfn_list);
    memcpy(si->cmd_line, g->cmd_line, strlen(g->cmd_line) + 1);
}

static void set_context(const struct guest *g, unsigned int start_info_pfn, unsigned int stack)
{
    static struct vcpu_guest_context c;
    struct xen_domctl op = domctl_request(XEN_DOMCTL_setvcpucontext, g->id);

    memset(&c, 0, sizeof(c));
    c.flags = VGCF_in_kernel | VGCF_online;
    c.user_regs.rip = (uint64_t)_start;
    c.user_regs.rsi = VA_OF(start_info_pfn);
    c.user_regs.rsp = VA_OF(stack) + PAGE_SIZE - 16;
    c.user_regs.rflags = 0x202;
    c.user_regs.cs = FLAT_KERNEL_CS;
    c.user_regs.ss = c.kernel_ss = FLAT_KERNEL_SS;
    c.kernel_sp = c.user_regs.rsp;
    c.ctrlreg[3] = g->frame[g->first_table + g->nr_tables - 1] << 12;
    op.u.vcpucontext.ctxt = U64(&c);
    CHECK_EQ(domctl(&op), 0);
}

void guest_build(struct guest *g)
{
    unsigned int mfn_list = PFN_OF(image_end), si;
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L4_TABLE };

    create(g);
    give_memory(g);
    copy_image(g);
    si = write_p2m(g, mfn_list);
    g->first_table = si + 1;
    g->nr_tables = (g->nr_pages + L1_PAGES - 1) / L1_PAGES + 3;
    write_start_info(g, si, mfn_list);
    write_tables(g);
    pte_set(look_at(g, 0), 0);
    pin.arg1.mfn = g->frame[g->first_table + g->nr_tables - 1];
    CHECK_EQ(hyp_mmuext_op(&pin, 1, NULL, g->id), 0);
    set_context(g, si, g->first_table + g->nr_tables);
}
