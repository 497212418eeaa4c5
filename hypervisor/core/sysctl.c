// SPDX-License-Identifier: MIT
/*
 * SYSCTL: what a toolstack sees of the machine. There is one NUMA node, one pool of CPUs, and each CPU is a core of its own.
 */
#include "core/domctl.h"
#include "core/hypercall.h"
#include "core/machine.h"

#define RAM                1u            /* machine_range.type */
#define MAX_KEYS           64u
#define READ_CHUNK         256u
#define MAX_PCI_DEVICES    0x10000u      /* of one segment */
#define LOCAL_DISTANCE     10u
#define POOL_0             0u

/* ---- the log ---- */

static long op_readconsole(struct vcpu *v UNUSED, void *arg)
{
    struct xen_sysctl_readconsole *r = arg;
    uint32_t at = r->incremental ? r->index : 0, done = 0;
    char chunk[READ_CHUNK];
    size_t n;

    while (done < MIN(r->count, CONSOLE_RING_SIZE) &&
           (n = console_read(&at, chunk, MIN(r->count - done, READ_CHUNK)))) {
        if (copy_to_guest(r->buffer + done, chunk, n))
            return -XEN_EFAULT;
        done += (uint32_t)n;
    }
    if (r->clear)
        console_forget(at);
    r->index = at;
    r->count = done;
    return 0;
}

static void log_domains(void)
{
    struct xen_domctl_getdomaininfo info;
    struct domain *d;

    for (unsigned id = 0; (d = domain_get_from(id)); domain_put(d)) {
        domain_describe(d, &info);
        log_info("domain %u: flags %x refs %u pages %lu of %lu vcpus %u of %u", d->id, info.flags, d->refs,
                 (unsigned long)info.tot_pages, (unsigned long)info.max_pages, info.nr_online_vcpus, d->max_vcpus);
        for (unsigned i = 0; i < d->max_vcpus; i++)
            log_info("  vcpu %u: cpu %u running %u pauses %x events %u masked %u", i, d->vcpu[i]->sched.cpu,
                     d->vcpu[i]->sched.running, d->vcpu[i]->pause_flags, d->vcpu[i]->vcpu_info->evtchn_upcall_pending,
                     d->vcpu[i]->vcpu_info->evtchn_upcall_mask);
        id = d->id + 1;
    }
}

static void log_memory(void)
{
    log_info("memory: %lu pages free, %lu of them claimed", (unsigned long)page_alloc_free_pages(),
             (unsigned long)domains_claimed_pages());
}

static const struct { char key; void (*log)(void); } debug_keys[] = { {'q', log_domains}, {'m', log_memory} };

static long op_debug_keys(struct vcpu *v UNUSED, void *arg)
{
    const struct xen_sysctl_debug_keys *k = arg;
    char keys[MAX_KEYS];
    uint32_t nr = MIN(k->nr_keys, MAX_KEYS);

    if (copy_from_guest(keys, k->keys, nr))
        return -XEN_EFAULT;
    for (uint32_t i = 0; i < nr; i++)
        for (unsigned row = 0; row < ARRAY_SIZE(debug_keys); row++)
            if (debug_keys[row].key == keys[i])
                debug_keys[row].log();
    return 0;
}

/* ---- the machine ---- */

static uint64_t total_pages(void)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < machine_nr_ranges; i++)
        if (machine_ranges[i].type == RAM)
            bytes += machine_ranges[i].size;
    return bytes >> PAGE_SHIFT;
}

static long op_physinfo(struct vcpu *v UNUSED, void *arg)
{
    struct xen_sysctl_physinfo *p = arg;

    *p = (struct xen_sysctl_physinfo){
        .threads_per_core = 1, .cores_per_socket = nr_cpus, .nr_cpus = cpumask_weight(&online_cpus),
        .max_cpu_id = nr_cpus - 1, .nr_nodes = 1, .cpu_khz = (uint32_t)clock_tsc_khz(),
        .capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1,
        .total_pages = total_pages(), .free_pages = page_alloc_free_pages(),
        .outstanding_pages = domains_claimed_pages(), .max_mfn = max_mfn - 1,
    };
    guest_cpu_features(p->hw_cap, ARRAY_SIZE(p->hw_cap));
    return 0;
}

static long op_sched_id(struct vcpu *v UNUSED, void *arg)
{
    *(struct xen_sysctl_sched_id *)arg = (struct xen_sysctl_sched_id){XEN_SCHEDULER_CREDIT2};
    return 0;
}

static long op_getcpuinfo(struct vcpu *v UNUSED, void *arg)
{
    struct xen_sysctl_getcpuinfo *info = arg;
    struct vcpu_runstate_info state;
    uint32_t nr = MIN(info->max_cpus, nr_cpus);

    for (uint32_t i = 0; i < nr; i++) {
        struct xen_sysctl_cpuinfo one = {0};
        if (idle_vcpu[i]) {
            sched_get_runstate(idle_vcpu[i], &state);
            one.idletime = state.time[RUNSTATE_running];
        }
        if (copy_to_guest(info->info + i * sizeof(one), &one, sizeof(one)))
            return -XEN_EFAULT;
    }
    info->nr_cpus = nr;
    return 0;
}

/* Of all memory or of none: no other bounds are asked for by anybody. */
static long op_availheap(struct vcpu *v UNUSED, void *arg)
{
    struct xen_sysctl_availheap *a = arg;

    if (a->min_bitwidth || a->max_bitwidth || a->node > 0)
        return -XEN_EOPNOTSUPP;
    a->avail_bytes = page_alloc_free_pages() << PAGE_SHIFT;
    return 0;
}

static long op_cputopoinfo(struct vcpu *v UNUSED, void *arg)
{
    struct xen_sysctl_cputopoinfo *t = arg;
    uint32_t nr = t->cputopo ? MIN(t->num_cpus, nr_cpus) : 0;

    for (uint32_t i = 0; i < nr; i++) {
        const struct xen_sysctl_cputopo one = {.core = i};
        if (copy_to_guest(t->cputopo + i * sizeof(one), &one, sizeof(one)))
            return -XEN_EFAULT;
    }
    t->num_cpus = nr_cpus;
    return 0;
}

static long op_numainfo(struct vcpu *v UNUSED, void *arg)
{
    struct xen_sysctl_numainfo *n = arg;
    const struct xen_sysctl_meminfo memory = {max_mfn << PAGE_SHIFT, page_alloc_free_pages() << PAGE_SHIFT};
    const uint32_t distance = LOCAL_DISTANCE;

    if (n->num_nodes && n->meminfo && copy_to_guest(n->meminfo, &memory, sizeof(memory)))
        return -XEN_EFAULT;
    if (n->num_nodes && n->distance && copy_to_guest(n->distance, &distance, sizeof(distance)))
        return -XEN_EFAULT;
    n->num_nodes = 1;
    return 0;
}

/* Of no device is it known where it is. */
static long op_pcitopoinfo(struct vcpu *v UNUSED, void *arg)
{
    const struct xen_sysctl_pcitopoinfo *t = arg;
    const uint32_t unknown = XEN_INVALID_NODE_ID;

    if (!t->devs || !t->nodes || t->num_devs > MAX_PCI_DEVICES)
        return -XEN_EINVAL;
    for (uint32_t i = 0; i < t->num_devs; i++)
        if (copy_to_guest(t->nodes + i * sizeof(unknown), &unknown, sizeof(unknown)))
            return -XEN_EFAULT;
    return 0;
}

/* ---- domains, pools, the scheduler ---- */

static long op_getdomaininfolist(struct vcpu *v UNUSED, void *arg)
{
    struct xen_sysctl_getdomaininfolist *list = arg;
    struct xen_domctl_getdomaininfo info;
    unsigned id = list->first_domain;
    struct domain *d;

    for (list->num_domains = 0; list->num_domains < list->max_domains && (d = domain_get_from(id)); list->num_domains++) {
        domain_describe(d, &info);
        id = d->id + 1;
        domain_put(d);
        if (copy_to_guest(list->buffer + list->num_domains * sizeof(info), &info, sizeof(info)))
            return -XEN_EFAULT;
    }
    return 0;
}

static uint32_t count_domains(void)
{
    struct domain *d;
    uint32_t nr = 0;

    for (unsigned id = 0; (d = domain_get_from(id)); domain_put(d), nr++)
        id = d->id + 1;
    return nr;
}

/* Pool 0 has all CPUs and domains; none is free. */
static long op_cpupool_op(struct vcpu *v UNUSED, void *arg)
{
    const struct cpumask none = {{0}};
    struct xen_sysctl_cpupool_op *pool = arg;

    switch (pool->op) {
    case XEN_SYSCTL_CPUPOOL_OP_INFO:
        if (pool->cpupool_id > POOL_0)
            return -XEN_ENOENT;
        pool->cpupool_id = POOL_0;
        pool->sched_id = XEN_SCHEDULER_CREDIT2;
        pool->n_dom = count_domains();
        return domctl_put_bitmap(&pool->cpumap, online_cpus.bits, MAX_CPUS);
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
        return domctl_put_bitmap(&pool->cpumap, none.bits, MAX_CPUS);
    case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN:
        return pool->cpupool_id == POOL_0 ? 0 : -XEN_ENOENT;
    default:
        return -XEN_EOPNOTSUPP;
    }
}

static long op_scheduler_op(struct vcpu *v UNUSED, void *arg)
{
    struct xen_sysctl_scheduler_op *s = arg;

    if (s->sched_id != XEN_SCHEDULER_CREDIT2 || s->cpupool_id != POOL_0 || s->cmd != XEN_SYSCTL_SCHEDOP_getinfo)
        return -XEN_EINVAL;
    s->u.sched_credit2.ratelimit_us = SCHED_MIN_SLICE_US;
    return 0;
}

/* ---- hypercalls made ---- */

/* One counter for each domain, with a value for each hypercall. */
static int put_counter(const struct xen_sysctl_perfc_op *p, uint32_t row, const struct domain *d)
{
    struct xen_sysctl_perfc_desc desc = {.nr_vals = NR_HYPERCALLS};
    uint32_t calls[NR_HYPERCALLS] = {0};

    for (unsigned i = 0; d && i < d->max_vcpus; i++)
        for (unsigned call = 0; call < NR_HYPERCALLS; call++)
            calls[call] += READ_ONCE(d->vcpu[i]->calls[call]);
    if (d)
        scnprintf(desc.name, sizeof(desc.name), "hypercalls of domain %u", d->id);
    return copy_to_guest(p->desc + row * sizeof(desc), &desc, sizeof(desc)) ||
           copy_to_guest(p->val + row * sizeof(calls), calls, sizeof(calls)) ? -XEN_EFAULT : 0;
}

/* Arrays have no length of their own: they are as long as was last told, whatever has come or gone since. */
static long op_perfc(struct vcpu *v UNUSED, void *arg)
{
    static uint32_t told;
    struct xen_sysctl_perfc_op *p = arg;
    unsigned id = 0;
    int rc = 0;

    if (p->cmd != XEN_SYSCTL_PERFCOP_query)
        return -XEN_EOPNOTSUPP;
    if (!p->desc)
        told = count_domains();
    for (uint32_t row = 0; p->desc && row < told && !rc; row++) {
        struct domain *d = domain_get_from(id);
        rc = put_counter(p, row, d);
        if (!d)
            continue;
        id = d->id + 1;
        domain_put(d);
    }
    p->nr_counters = told;
    p->nr_vals = told * NR_HYPERCALLS;
    return rc;
}

/* ---- the call ---- */

static const struct subop rows[] = {
    [XEN_SYSCTL_readconsole] = {op_readconsole, IN_OUT(xen_sysctl_readconsole)},
    [XEN_SYSCTL_physinfo] = {op_physinfo, OUT(xen_sysctl_physinfo)},
    [XEN_SYSCTL_sched_id] = {op_sched_id, OUT(xen_sysctl_sched_id)},
    [XEN_SYSCTL_perfc_op] = {op_perfc, IN_OUT(xen_sysctl_perfc_op)},
    [XEN_SYSCTL_getdomaininfolist] = {op_getdomaininfolist, IN_OUT(xen_sysctl_getdomaininfolist)},
    [XEN_SYSCTL_debug_keys] = {op_debug_keys, IN(xen_sysctl_debug_keys)},
    [XEN_SYSCTL_getcpuinfo] = {op_getcpuinfo, IN_OUT(xen_sysctl_getcpuinfo)},
    [XEN_SYSCTL_availheap] = {op_availheap, IN_OUT(xen_sysctl_availheap)},
    [XEN_SYSCTL_cputopoinfo] = {op_cputopoinfo, IN_OUT(xen_sysctl_cputopoinfo)},
    [XEN_SYSCTL_numainfo] = {op_numainfo, IN_OUT(xen_sysctl_numainfo)},
    [XEN_SYSCTL_pcitopoinfo] = {op_pcitopoinfo, IN(xen_sysctl_pcitopoinfo)},
    [XEN_SYSCTL_cpupool_op] = {op_cpupool_op, IN_OUT(xen_sysctl_cpupool_op)},
    [XEN_SYSCTL_scheduler_op] = {op_scheduler_op, IN_OUT(xen_sysctl_scheduler_op)},
    [XEN_SYSCTL_get_cpu_levelling_caps] = {pv_sysctl_cpu_levelling_caps, OUT(xen_sysctl_cpu_levelling_caps)},
    [XEN_SYSCTL_get_cpu_featureset] = {pv_sysctl_cpu_featureset, IN_OUT(xen_sysctl_cpu_featureset)},
    [XEN_SYSCTL_get_cpu_policy] = {pv_sysctl_cpu_policy, IN_OUT(xen_sysctl_cpu_policy)},
};
_Static_assert(offsetof(struct xen_sysctl, u) == 8, "as control_dispatch() expects");

long do_sysctl(uint64_t arg, UNUSED_FROM_2)
{
    return control_dispatch(rows, ARRAY_SIZE(rows), XEN_SYSCTL_INTERFACE_VERSION, arg);
}
