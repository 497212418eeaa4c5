// SPDX-License-Identifier: MIT
/*
 * DOMCTL: what a toolstack does with domains. One operation at a time: domctl_lock, the outermost lock, which is only tried,
 * since its holder may wait for the vCPU that wants it. The interface version that the caller states chooses the table.
 */
#include "core/domctl.h"

#include "core/hypercall.h"

#define TSC_MODE_ALWAYS_EMULATE 1u
#define MAX_BITMAP_BYTES        PAGE_SIZE

static struct spinlock domctl_lock = SPINLOCK_INIT(LOCK_DOMCTL);

/* ---- sets ---- */

int domctl_get_bitmap(const struct xenctl_bitmap *from, uint64_t *bits, unsigned nr)
{
    unsigned given = MIN(from->nr_bits, nr);

    memset(bits, 0, (nr + 63) / 64 * sizeof(*bits));
    if (copy_from_guest(bits, from->bitmap, (given + 7) / 8))
        return -XEN_EFAULT;
    if (given % 64)
        bits[given / 64] &= (UINT64_C(1) << given % 64) - 1;
    return 0;
}

int domctl_put_bitmap(const struct xenctl_bitmap *to, const uint64_t *bits, unsigned nr)
{
    size_t room = ((size_t)to->nr_bits + 7) / 8;

    if (room > MAX_BITMAP_BYTES)
        return -XEN_EINVAL;
    for (size_t i = 0; i < room; i += sizeof(*bits)) {
        uint64_t word = i * 8 < nr ? bits[i / sizeof(*bits)] : 0;
        if (copy_to_guest(to->bitmap + i, &word, MIN(room - i, sizeof(word))))
            return -XEN_EFAULT;
    }
    return 0;
}

/* ---- what a domain is ---- */

static uint64_t vcpu_cpu_time(struct vcpu *v)
{
    struct vcpu_runstate_info state;

    sched_get_runstate(v, &state);
    return state.time[RUNSTATE_running];
}

/* The flags of a domain are those of its vCPUs that are up: running if one runs, blocked if all wait. */
static void describe_vcpus(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    uint32_t flags = XEN_DOMINF_blocked;

    for (unsigned i = 0; i < d->max_vcpus; i++) {
        uint32_t pause_flags = READ_ONCE(d->vcpu[i]->pause_flags);

        info->cpu_time += vcpu_cpu_time(d->vcpu[i]);
        if (pause_flags & VPF_DOWN)
            continue;
        info->nr_online_vcpus++;
        if (!(pause_flags & (VPF_BLOCKED | VPF_POLL)))
            flags &= ~(uint32_t)XEN_DOMINF_blocked;
        if (READ_ONCE(d->vcpu[i]->sched.running))
            flags |= XEN_DOMINF_running;
    }
    info->flags |= flags;
}

void domain_describe(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    const struct frame *shared_info = READ_ONCE(d->shared_info_frame);

    *info = (struct xen_domctl_getdomaininfo){
        .domain = (domid_t)d->id,
        .flags = (d->is_dying ? XEN_DOMINF_dying : 0) | (d->nr_control_pauses ? XEN_DOMINF_paused : 0) |
                 (domain_has_stopped(d) ? XEN_DOMINF_shutdown | (uint32_t)d->shutdown_code << XEN_DOMINF_shutdownshift : 0),
        .tot_pages = READ_ONCE(d->tot_pages),
        .max_pages = READ_ONCE(d->max_pages),
        .outstanding_pages = READ_ONCE(d->claimed_pages),
        .shared_info_frame = shared_info ? frame_mfn(shared_info).n : 0,
        .max_vcpu_id = d->max_vcpus - 1,
    };
    memcpy(info->handle, d->handle, sizeof(info->handle));
    describe_vcpus(d, info);
}

/* The domain asked for, or the next one. */
static int op_getdomaininfo(struct domain *unused UNUSED, struct xen_domctl *op)
{
    struct domain *d = domain_get_from(op->domain);

    if (!d)
        return -XEN_ESRCH;
    domain_describe(d, &op->u.getdomaininfo);
    op->domain = (domid_t)d->id;
    domain_put(d);
    return 0;
}

/* ---- its life ---- */

/* The next id that nobody has; ids come again only after all others did. */
static unsigned choose_id(void)
{
    static unsigned last;

    for (unsigned n = 0; n < DOMID_FIRST_RESERVED; n++) {
        last = last + 1 < DOMID_FIRST_RESERVED ? last + 1 : 1;
        if (!domain_id_is_taken(last))
            return last;
    }
    return DOMID_INVALID;
}

static bool config_is_ours(const struct xen_domctl_createdomain *c)
{
    return !c->flags && !c->iommu_opts && !c->vmtrace_size && !c->cpupool_id && !c->arch.emulation_flags &&
           !c->arch.misc_flags && (c->grant_opts & XEN_DOMCTL_GRANT_version_mask) == 1 && c->max_vcpus &&
           c->max_vcpus <= MAX_VCPUS;
}

static int op_createdomain(struct domain *unused UNUSED, struct xen_domctl *op)
{
    const struct xen_domctl_createdomain *c = &op->u.createdomain;
    bool chosen = !op->domain || op->domain >= DOMID_FIRST_RESERVED;
    unsigned id = chosen ? choose_id() : op->domain;
    struct domain *d;

    if (!config_is_ours(c))
        return -XEN_EINVAL;
    if (domain_id_is_taken(id))
        return -XEN_EEXIST;
    d = domain_create(id, c->max_vcpus);
    if (!d)
        return -XEN_ENOMEM;
    memcpy(d->handle, c->handle, sizeof(d->handle));
    d->evtchn.max_port = MIN(d->evtchn.max_port, c->max_evtchn_port);
    if (grant_table_limit(d, c->max_grant_frames, c->max_maptrack_frames)) {
        (void)domain_kill(d);       /* owns nothing yet, so this does it */
        return -XEN_EINVAL;
    }
    d->nr_control_pauses = 1;
    domain_pause(d);
    op->domain = (domid_t)id;
    return 0;
}

static int op_destroydomain(struct domain *d, struct xen_domctl *op UNUSED)
{
    return d->is_control ? -XEN_EINVAL : domain_kill(d);
}

static int op_pausedomain(struct domain *d, struct xen_domctl *op UNUSED)
{
    if (d->nr_control_pauses == UINT8_MAX)
        return -XEN_E2BIG;
    d->nr_control_pauses++;
    domain_pause(d);
    return 0;
}

static int op_unpausedomain(struct domain *d, struct xen_domctl *op UNUSED)
{
    if (!d->nr_control_pauses)
        return -XEN_EINVAL;
    d->nr_control_pauses--;
    domain_unpause(d);
    return 0;
}

static int op_resumedomain(struct domain *d, struct xen_domctl *op UNUSED)
{
    domain_resume(d);
    return 0;
}

static int op_max_vcpus(struct domain *d, struct xen_domctl *op)
{
    return op->u.max_vcpus.max == d->max_vcpus ? 0 : -XEN_EINVAL;
}

static int op_max_mem(struct domain *d, struct xen_domctl *op)
{
    spin_lock(&d->page_list_lock);
    d->max_pages = op->u.max_mem.max_memkb >> (PAGE_SHIFT - 10);
    spin_unlock(&d->page_list_lock);
    return 0;
}

static int op_setdomainhandle(struct domain *d, struct xen_domctl *op)
{
    memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
    return 0;
}

/* ---- its vCPUs ---- */

static int op_getvcpuinfo(struct vcpu *v, struct xen_domctl *op)
{
    struct xen_domctl_getvcpuinfo *info = &op->u.getvcpuinfo;

    info->online = !(READ_ONCE(v->pause_flags) & VPF_DOWN);
    info->blocked = (READ_ONCE(v->pause_flags) & (VPF_BLOCKED | VPF_POLL)) != 0;
    info->running = READ_ONCE(v->sched.running);
    info->cpu_time = vcpu_cpu_time(v);
    info->cpu = READ_ONCE(v->sched.cpu);
    return 0;
}

/* The first one, or other registers for a vCPU that has page tables already. */
static int op_setvcpucontext(struct domain *d, struct xen_domctl *op)
{
    struct vcpu *v = vcpu_of(d, op->u.vcpucontext.vcpu);
    int rc;

    if (!v || d->is_dying)
        return -XEN_EINVAL;
    if (!op->u.vcpucontext.ctxt)
        return -XEN_EOPNOTSUPP;
    spin_lock(&d->lock);
    rc = guest_vcpu_initialise(v, op->u.vcpucontext.ctxt);
    if (!rc)
        v->initialised = true;
    spin_unlock(&d->lock);
    return rc;
}

static int op_sendtrigger(struct domain *d, struct xen_domctl *op)
{
    struct vcpu *v = vcpu_of(d, op->u.sendtrigger.vcpu);

    if (!v)
        return -XEN_ESRCH;
    if (op->u.sendtrigger.trigger != XEN_DOMCTL_SENDTRIGGER_NMI)
        return -XEN_ENOSYS;
    guest_inject_nmi(v);
    return 0;
}

static void unpinned_affinity(const struct vcpu *v, struct cpumask *hard)
{
    *hard = v->sched.is_pinned ? v->sched.pinned_from : v->sched.hard_affinity;
}

/* Tell of each set asked for, with only the CPUs in `of` if that is given. */
static int put_affinity(const struct xen_domctl_vcpuaffinity *a, const struct vcpu *v, const struct cpumask *of)
{
    struct cpumask hard, soft = v->sched.soft_affinity;
    int rc = 0;

    unpinned_affinity(v, &hard);
    if (of) {
        cpumask_and(&hard, &hard, of);
        cpumask_and(&soft, &soft, &hard);
    }
    if (a->flags & XEN_VCPUAFFINITY_HARD)
        rc = domctl_put_bitmap(&a->cpumap_hard, hard.bits, MAX_CPUS);
    if (!rc && a->flags & XEN_VCPUAFFINITY_SOFT)
        rc = domctl_put_bitmap(&a->cpumap_soft, soft.bits, MAX_CPUS);
    return rc;
}

static int op_setvcpuaffinity(struct vcpu *v, struct xen_domctl *op)
{
    const struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    struct cpumask hard, soft;
    int rc = 0;

    if (!(a->flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)))
        return -XEN_EINVAL;
    unpinned_affinity(v, &hard);
    soft = v->sched.soft_affinity;
    if (a->flags & XEN_VCPUAFFINITY_HARD)
        rc = domctl_get_bitmap(&a->cpumap_hard, hard.bits, MAX_CPUS);
    if (!rc && a->flags & XEN_VCPUAFFINITY_SOFT)
        rc = domctl_get_bitmap(&a->cpumap_soft, soft.bits, MAX_CPUS);
    if (rc)
        return rc;
    spin_lock(&v->domain->lock);
    if (a->flags & XEN_VCPUAFFINITY_FORCE && v->sched.is_pinned)
        (void)sched_pin_override(v, -1);
    rc = sched_set_affinity(v, &hard, &soft);
    spin_unlock(&v->domain->lock);
    return rc ? rc : put_affinity(a, v, &online_cpus);
}

static int op_getvcpuaffinity(struct vcpu *v, struct xen_domctl *op)
{
    return put_affinity(&op->u.vcpuaffinity, v, NULL);
}

static int op_scheduler_op(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_sched_credit2 *params = &op->u.scheduler_op.u.credit2;

    if (op->u.scheduler_op.sched_id != XEN_SCHEDULER_CREDIT2)
        return -XEN_EINVAL;
    switch (op->u.scheduler_op.cmd) {
    case XEN_DOMCTL_SCHEDOP_putinfo:
        return sched_set_weight_cap(d, params->weight ? params->weight : d->sched.weight, params->cap);
    case XEN_DOMCTL_SCHEDOP_getinfo:
        params->weight = (uint16_t)d->sched.weight;
        params->cap = (uint16_t)d->sched.cap;
        return 0;
    default:
        return -XEN_EINVAL;             /* there are no parameters of single vCPUs */
    }
}

/* ---- its time and place ---- */

static int op_settimeoffset(struct domain *d, struct xen_domctl *op)
{
    spin_lock(&d->lock);
    d->time_offset_s = op->u.settimeoffset.time_offset_seconds;
    guest_update_wallclock(d);
    spin_unlock(&d->lock);
    return 0;
}

/* A guest always reads the CPU's TSC, so what it was saved with is kept for the next save only. */
static int op_settscinfo(struct domain *d, struct xen_domctl *op)
{
    if (op->u.tsc_info.tsc_mode == TSC_MODE_ALWAYS_EMULATE)
        return -XEN_EOPNOTSUPP;
    d->tsc_mode = op->u.tsc_info.tsc_mode;
    d->tsc_incarnation = op->u.tsc_info.incarnation;
    return 0;
}

static int op_gettscinfo(struct domain *d, struct xen_domctl *op)
{
    op->u.tsc_info = (struct xen_domctl_tsc_info){
        .tsc_mode = d->tsc_mode, .gtsc_khz = (uint32_t)clock_tsc_khz(), .incarnation = d->tsc_incarnation,
        .elapsed_nsec = clock_now(),
    };
    return 0;
}

/* There is one node, 0. */
static int op_setnodeaffinity(struct domain *d UNUSED, struct xen_domctl *op)
{
    uint64_t nodes;
    int rc = domctl_get_bitmap(&op->u.nodeaffinity.nodemap, &nodes, 64);

    return rc ? rc : nodes & 1 ? 0 : -XEN_EINVAL;
}

static int op_getnodeaffinity(struct domain *d UNUSED, struct xen_domctl *op)
{
    const uint64_t nodes = 1;

    return domctl_put_bitmap(&op->u.nodeaffinity.nodemap, &nodes, 64);
}

/* ---- the call ---- */

static const struct domctl_row rows[NR_DOMCTLS] = {
    [XEN_DOMCTL_createdomain]      = {op_createdomain, DOMCTL_OUT | DOMCTL_NO_DOMAIN},
    [XEN_DOMCTL_destroydomain]     = {op_destroydomain, DOMCTL_OTHERS},
    [XEN_DOMCTL_pausedomain]       = {op_pausedomain, DOMCTL_OTHERS},
    [XEN_DOMCTL_unpausedomain]     = {op_unpausedomain, 0},
    [XEN_DOMCTL_setvcpuaffinity]   = {NULL, 0, op_setvcpuaffinity},
    [XEN_DOMCTL_getdomaininfo]     = {op_getdomaininfo, DOMCTL_OUT | DOMCTL_NO_DOMAIN},
    [XEN_DOMCTL_max_mem]           = {op_max_mem, 0},
    [XEN_DOMCTL_setvcpucontext]    = {op_setvcpucontext, DOMCTL_PAUSED},
    [XEN_DOMCTL_getvcpuinfo]       = {NULL, DOMCTL_OUT, op_getvcpuinfo},
    [XEN_DOMCTL_max_vcpus]         = {op_max_vcpus, 0},
    [XEN_DOMCTL_scheduler_op]      = {op_scheduler_op, DOMCTL_OUT},
    [XEN_DOMCTL_setdomainhandle]   = {op_setdomainhandle, 0},
    [XEN_DOMCTL_settimeoffset]     = {op_settimeoffset, 0},
    [XEN_DOMCTL_getvcpuaffinity]   = {NULL, 0, op_getvcpuaffinity},
    [XEN_DOMCTL_resumedomain]      = {op_resumedomain, DOMCTL_PAUSED},
    [XEN_DOMCTL_sendtrigger]       = {op_sendtrigger, 0},
    [XEN_DOMCTL_gettscinfo]        = {op_gettscinfo, DOMCTL_OUT},
    [XEN_DOMCTL_settscinfo]        = {op_settscinfo, DOMCTL_PAUSED},
    [XEN_DOMCTL_setnodeaffinity]   = {op_setnodeaffinity, 0},
    [XEN_DOMCTL_getnodeaffinity]   = {op_getnodeaffinity, 0},
};

/* One without a handler, as that of 0 is, for what nobody has. */
static const struct domctl_row *find_row(uint32_t cmd)
{
    uint32_t nr = cmd < NR_DOMCTLS ? cmd : 0;

    return rows[nr].handler || rows[nr].vcpu_handler ? &rows[nr] : &guest_domctl[nr];
}

static int run(const struct domctl_row *row, struct domain *d, struct xen_domctl *op)
{
    struct vcpu *v = row->vcpu_handler ? vcpu_of(d, op->u.vcpucontext.vcpu) : NULL;
    bool pauses = row->flags & DOMCTL_PAUSED;
    int rc;

    if (row->flags & (DOMCTL_OTHERS | DOMCTL_PAUSED) && d == current_domain())
        return -XEN_EINVAL;
    if (!row->handler && !v)
        return row->vcpu_handler ? -XEN_ESRCH : -XEN_ENOSYS;
    if (pauses)
        domain_pause(d);
    rc = v ? row->vcpu_handler(v, op) : row->handler(d, op);
    if (pauses)
        domain_unpause(d);
    return rc;
}

static int find_domain_and_run(const struct domctl_row *row, struct xen_domctl *op)
{
    struct domain *d;
    int rc;

    if (row->flags & DOMCTL_NO_DOMAIN)
        return row->handler(NULL, op);
    d = domain_get_by_id(op->domain);
    if (!d)
        return -XEN_ESRCH;
    rc = run(row, d, op);
    domain_put(d);
    return rc;
}

long do_domctl(uint64_t arg, UNUSED_FROM_2)
{
    const struct domctl_row *row;
    struct xen_domctl op;
    int rc;

    if (!current_domain()->is_control)
        return -XEN_EPERM;
    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return -XEN_EACCES;
    if (!spin_trylock(&domctl_lock))
        return hypercall_restart(arg, 0, 0, 0, 0);
    row = find_row(op.cmd);
    rc = find_domain_and_run(row, &op);
    spin_unlock(&domctl_lock);
    if (row->flags & (rc >= 0 || rc == -XEN_ERESTART ? DOMCTL_OUT : DOMCTL_OUT_ALWAYS) &&
        copy_to_guest(arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    return rc == -XEN_ERESTART ? hypercall_restart(arg, 0, 0, 0, 0) : rc;
}
