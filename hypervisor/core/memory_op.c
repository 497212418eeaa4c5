// SPDX-License-Identifier: MIT
/*
 * MEMORY_OP. Reservations are lists of extents: as many as can be are done, the result counts them, and a list restarts
 * between extents with the number done in the command's upper bits. A frame given back stays until its last use is gone;
 * a new one has no type and no use but being allocated.
 */
#include "core/hypercall.h"
#include "core/machine.h"
#include "public/memory.h"

#define CMD_BITS       6
#define CMD_MASK       ((1u << CMD_BITS) - 1)
#define MAX_EXTENT_ORDER_GUEST 9u
#define MAX_EXTENT_ORDER_DOM0  18u
#define FRAMES_PER_LOOK 64u
#define MAX_MAP_ENTRIES 128u

/* What a toolstack told a domain that its memory is. */
struct memory_map {
    uint32_t nr;
    struct machine_range range[MAX_MAP_ENTRIES];
};

struct machine_range machine_ranges[MACHINE_MAX_RANGES];
unsigned machine_nr_ranges;

void machine_add_range(uint64_t start, uint64_t size, uint32_t type)
{
    if (machine_nr_ranges < MACHINE_MAX_RANGES)
        machine_ranges[machine_nr_ranges++] = (struct machine_range){ start, size, type };
}

/* One operation on a list, resolved: `done` extents are finished. */
struct reservation {
    struct domain *d;
    unsigned cmd;
    uint64_t extents;               /* guest address of frame numbers */
    uint64_t given;                 /* XENMEM_exchange: of those given for them, one frame each */
    uint64_t nr, done;
    unsigned order;
    unsigned alloc_flags;
};

static int get_frame_number(uint64_t list, uint64_t i, uint64_t *n)
{
    return copy_from_guest(n, list + i * sizeof(*n), sizeof(*n));
}

static int put_frame_number(const struct reservation *r, mfn_t m)
{
    return copy_to_guest(r->extents + r->done * sizeof(m.n), &m.n, sizeof(m.n));
}

/* Give `m` back: true if it was the domain's and allocated. */
static bool give_back(struct domain *d, mfn_t m)
{
    struct frame *f = frame_of(m);
    bool had;

    if (!mfn_valid(m) || !frame_get(f, d->id))
        return false;
    had = frame_clear_allocated(f);
    if (had) {
        m2p_set(m, M2P_INVALID);
        frame_put(f);
    }
    frame_put(f);
    return had;
}

static int give_back_extent(struct domain *d, uint64_t first, unsigned order)
{
    for (uint64_t i = 0; i < UINT64_C(1) << order; i++)
        if (!give_back(d, mfn(first + i)))
            return -XEN_EINVAL;
    return 0;
}

static int decrease_one(struct reservation *r)
{
    uint64_t n;

    if (get_frame_number(r->extents, r->done, &n))
        return -XEN_EFAULT;
    return give_back_extent(r->d, n, r->order);
}

/* To populate is to increase, and the list first holds the pseudo-physical numbers that the frames get. */
static int increase_one(struct reservation *r)
{
    bool populates = r->cmd == XENMEM_populate_physmap;
    uint64_t gpfn;
    mfn_t m;
    int rc;

    if (populates && get_frame_number(r->extents, r->done, &gpfn))
        return -XEN_EFAULT;
    rc = domain_alloc_frames(r->d, r->order, r->alloc_flags, &m);
    if (rc)
        return rc;
    for (uint64_t i = 0; populates && i < UINT64_C(1) << r->order; i++)
        m2p_set(mfn_add(m, i), gpfn + i);
    return populates || r->extents ? put_frame_number(r, m) : 0;
}

static void lend(struct domain *d, uint64_t nr)
{
    spin_lock(&d->page_list_lock);
    d->lent_pages += nr;
    spin_unlock(&d->page_list_lock);
}

/* Room for what comes before what goes has gone. Not in max_pages, which the toolstack may set anew meanwhile. */
static int alloc_beyond_limit(const struct reservation *r, mfn_t *m)
{
    uint64_t nr = UINT64_C(1) << r->order;
    int rc;

    lend(r->d, nr);
    rc = domain_alloc_frames(r->d, r->order, r->alloc_flags, m);
    lend(r->d, -nr);
    return rc;
}

/* Single frames for one extent, all or none: a guest that lists what it does not have gets nothing for it. */
static int exchange_one(struct reservation *r)
{
    uint64_t given[1u << MAX_EXTENT_ORDER_GUEST], gpfn, nr = UINT64_C(1) << r->order, n = 0;
    size_t size = nr * sizeof(given[0]);
    mfn_t m;
    int rc;

    if (copy_from_guest(given, r->given + r->done * size, size) || get_frame_number(r->extents, r->done, &gpfn))
        return -XEN_EFAULT;
    for (uint64_t i = 0; i < nr; i++)
        if (!mfn_valid(mfn(given[i])) || frame_owner(frame_of(mfn(given[i]))) != r->d->id)
            return -XEN_EINVAL;
    rc = alloc_beyond_limit(r, &m);
    if (rc)
        return rc;
    for (; n < nr && give_back(r->d, mfn(given[n])); n++)
        m2p_set(mfn_add(m, n), gpfn + n);
    if (n == nr)
        return put_frame_number(r, m);
    (void)give_back_extent(r->d, m.n, r->order);
    return -XEN_EINVAL;
}

static int (*const extent_ops[])(struct reservation *r) = {
    [XENMEM_increase_reservation] = increase_one,
    [XENMEM_decrease_reservation] = decrease_one,
    [XENMEM_populate_physmap] = increase_one,
    [XENMEM_exchange] = exchange_one,
};

/* 0 when all are done, what the first that failed said, or a restart. */
static long run_reservation(struct reservation *r, uint64_t arg)
{
    for (uint64_t start = r->done; r->done < r->nr; r->done++) {
        int rc;

        if (r->done > start && !((r->done << r->order) % FRAMES_PER_LOOK) && preempt_wanted())
            return hypercall_restart(r->cmd | r->done << CMD_BITS, arg, 0, 0, 0);
        rc = extent_ops[r->cmd](r);
        if (rc)
            return rc;
    }
    return 0;
}

static bool reservation_is_valid(const struct reservation *r)
{
    bool is_dom0 = current_domain()->is_control && r->cmd != XENMEM_exchange;

    return r->done <= r->nr && r->nr <= UINT32_MAX &&
           r->order <= (is_dom0 ? MAX_EXTENT_ORDER_DOM0 : MAX_EXTENT_ORDER_GUEST) &&
           guest_range_ok(r->extents, r->nr * sizeof(uint64_t));
}

/* An exchange begins with what is given; single frames for extents of any order. */
static bool exchange_is_valid(const struct xen_memory_exchange *x)
{
    return x->in.domid == x->out.domid && !x->in.extent_order && !x->nr_exchanged &&
           x->in.nr_extents == x->out.nr_extents << x->out.extent_order &&
           guest_range_ok(x->in.extent_start, x->in.nr_extents * sizeof(uint64_t));
}

/* The number done; for an exchange it goes to its argument, counted in frames given. */
static long reservation_op(unsigned cmd, uint64_t start, uint64_t arg)
{
    bool exchanges = cmd == XENMEM_exchange;
    struct xen_memory_exchange x;
    const struct xen_memory_reservation *req = exchanges ? &x.out : &x.in;
    struct reservation r;
    unsigned bits;
    long rc;

    if (copy_from_guest(&x, arg, exchanges ? sizeof(x) : sizeof(x.in)))
        return -XEN_EFAULT;
    bits = XENMEMF_get_address_bits(req->mem_flags);
    r = (struct reservation){
        .cmd = cmd, .extents = req->extent_start, .given = x.in.extent_start,
        .nr = req->nr_extents, .done = start, .order = req->extent_order,
        .alloc_flags = ALLOC_ZERO | (bits && bits < 64 ? ALLOC_BITS(MAX(bits, 24u)) : 0),
    };
    if (!reservation_is_valid(&r) || (exchanges && !exchange_is_valid(&x)))
        return exchanges ? -XEN_EINVAL : (long)MIN(r.done, r.nr);
    rc = domain_target(req->domid, &r.d);
    if (rc)
        return rc;
    rc = run_reservation(&r, arg);
    domain_untarget(r.d);
    if (rc == HYPERCALL_RESTART)
        return rc;
    if (!exchanges)
        return (long)r.done;
    r.done <<= r.order;
    arg += offsetof(struct xen_memory_exchange, nr_exchanged);
    return copy_to_guest(arg, &r.done, sizeof(r.done)) ? -XEN_EFAULT : rc;
}

/* --- About memory: rows of subop_dispatch() ----------------------------------------------------------------------- */

static long maximum_ram_page(struct vcpu *v UNUSED, void *arg UNUSED)
{
    return (long)(max_mfn - 1);
}

static long current_reservation(struct vcpu *v, void *arg UNUSED)
{
    return (long)v->domain->tot_pages;
}

static long maximum_reservation(struct vcpu *v, void *arg UNUSED)
{
    return (long)v->domain->max_pages;
}

/* The guest itself says so, in its shared_info. */
static long maximum_gpfn(struct vcpu *v, void *arg UNUSED)
{
    uint64_t max_pfn = READ_ONCE(v->domain->shared_info->arch.max_pfn);

    return max_pfn && max_pfn <= INT64_MAX ? (long)max_pfn - 1 : 0;
}

static long machphys_mapping(struct vcpu *v UNUSED, void *arg)
{
    *(struct xen_machphys_mapping *)arg = (struct xen_machphys_mapping){
        .v_start = M2P_VIRT_START, .v_end = FRAME_TABLE_START, .max_mfn = max_mfn - 1,
    };
    return 0;
}

static long machphys_mfn_list(struct vcpu *v UNUSED, void *arg)
{
    struct xen_machphys_mfn_list *list = arg;
    mfn_t m;

    for (list->nr_extents = 0; list->nr_extents < list->max_extents; list->nr_extents++) {
        m = m2p_chunk_mfn(list->nr_extents);
        if (mfn_eq(m, INVALID_MFN))
            break;
        if (copy_to_guest(list->extent_start + list->nr_extents * sizeof(m.n), &m.n, sizeof(m.n)))
            return -XEN_EFAULT;
    }
    return 0;
}

static long machine_memory_map(struct vcpu *v UNUSED, void *arg)
{
    struct xen_memory_map *map = arg;

    if (map->nr_entries < machine_nr_ranges)
        return -XEN_EINVAL;
    map->nr_entries = machine_nr_ranges;
    return copy_to_guest(map->buffer, machine_ranges, machine_nr_ranges * sizeof(machine_ranges[0]));
}

/* Without a map of its own the ABI's answer is -ENOSYS, and guests assume one range. */
static long memory_map(struct vcpu *v, void *arg)
{
    const struct memory_map *own = v->domain->memory_map;
    struct xen_memory_map *map = arg;

    if (!own)
        return -XEN_ENOSYS;
    map->nr_entries = MIN(map->nr_entries, own->nr);
    return copy_to_guest(map->buffer, own->range, map->nr_entries * sizeof(own->range[0]));
}

/* --- For toolstacks ------------------------------------------------------------------------------------------------ */

/* Readers of the old map hold the domain's lock. */
static long set_memory_map(struct vcpu *v, void *arg)
{
    const struct xen_foreign_memory_map *from = arg;
    struct memory_map *map, *old;

    if (from->map.nr_entries > MAX_MAP_ENTRIES)
        return -XEN_EINVAL;
    map = heap_new(struct memory_map);
    if (!map)
        return -XEN_ENOMEM;
    map->nr = from->map.nr_entries;
    if (copy_from_guest(map->range, from->map.buffer, map->nr * sizeof(map->range[0]))) {
        heap_free(map);
        return -XEN_EFAULT;
    }
    spin_lock(&v->domain->lock);
    old = v->domain->memory_map;
    v->domain->memory_map = map;
    spin_unlock(&v->domain->lock);
    heap_free(old);
    return 0;
}

static long claim_pages(struct vcpu *v UNUSED, void *arg)
{
    const struct xen_memory_reservation *claim = arg;
    struct domain *d;
    int rc;

    if (claim->extent_start || claim->extent_order || claim->mem_flags)
        return -XEN_EINVAL;
    rc = domain_target(claim->domid, &d);
    if (rc)
        return rc;
    rc = domain_claim_pages(d, claim->nr_extents);
    domain_untarget(d);
    return rc;
}

/* No domain has virtual nodes: this is how one is told. */
static long get_vnumainfo(struct vcpu *v UNUSED, void *arg UNUSED)
{
    return -XEN_EOPNOTSUPP;
}

/* Frames of ours that belong to a domain; without room for any: how many there may be. */
static long acquire_resource(struct vcpu *v, void *arg)
{
    struct xen_mem_acquire_resource *r = arg;

    if (r->pad)
        return -XEN_EINVAL;
    if (r->type != XENMEM_resource_grant_table || r->id != XENMEM_resource_grant_table_id_shared)
        return -XEN_EOPNOTSUPP;
    if (r->nr_frames)
        return grant_table_put_frames(v->domain, r->frame, r->nr_frames, r->frame_list);
    r->nr_frames = v->domain->grant_table->max_frames;
    return 0;
}

static const struct subop other_ops[] = {
    [XENMEM_maximum_ram_page] = {maximum_ram_page, 0, 0},
    [XENMEM_current_reservation] = {current_reservation, IN(xen_memory_domain) | SUBOP_TARGET},
    [XENMEM_maximum_reservation] = {maximum_reservation, IN(xen_memory_domain) | SUBOP_TARGET},
    [XENMEM_maximum_gpfn] = {maximum_gpfn, IN(xen_memory_domain) | SUBOP_TARGET},
    [XENMEM_machphys_mfn_list] = {machphys_mfn_list, IN_OUT(xen_machphys_mfn_list)},
    [XENMEM_machphys_mapping] = {machphys_mapping, OUT(xen_machphys_mapping)},
    [XENMEM_machine_memory_map] = {machine_memory_map, IN_OUT(xen_memory_map) | SUBOP_DOM0},
    [XENMEM_memory_map] = {memory_map, IN_OUT(xen_memory_map) | SUBOP_LOCKED},
    [XENMEM_set_memory_map] = {set_memory_map, IN(xen_foreign_memory_map) | SUBOP_TARGET},
    [XENMEM_claim_pages] = {claim_pages, IN(xen_memory_reservation) | SUBOP_DOM0},
    [XENMEM_get_vnumainfo] = {get_vnumainfo, 0, 0},
    [XENMEM_acquire_resource] = {acquire_resource, IN_OUT(xen_mem_acquire_resource) | SUBOP_DOM0 | SUBOP_TARGET},
};

long do_memory_op(uint64_t cmd, uint64_t arg, UNUSED_FROM_3)
{
    unsigned op = cmd & CMD_MASK;

    if (op < ARRAY_SIZE(extent_ops) && extent_ops[op])
        return reservation_op(op, (uint32_t)cmd >> CMD_BITS, arg);
    return subop_dispatch(other_ops, ARRAY_SIZE(other_ops), current_vcpu(), op, arg);
}
