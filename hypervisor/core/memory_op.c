// SPDX-License-Identifier: MIT
/*
 * MEMORY_OP. Reservations are lists of extents: as many as can be are done, the result counts them, and a list restarts
 * between extents with the number done in the command's upper bits. A frame given back stays until its last use is gone;
 * a new one has no type and no use but being allocated.
 */
#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "core/machine.h"
#include "core/memory_toolstack.h"
#include "core/preempt.h"
#include "mm/page_alloc.h"
#include "mm/page_table.h"
#include "public/memory.h"

#define CMD_BITS       6
#define CMD_MASK       ((1u << CMD_BITS) - 1)
#define MAX_EXTENT_ORDER_GUEST 9u
#define MAX_EXTENT_ORDER_DOM0  18u
#define FRAMES_PER_LOOK 64u

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

static unsigned alloc_flags_of(uint32_t mem_flags)
{
    unsigned bits = XENMEMF_get_address_bits(mem_flags);

    return bits && bits < 64 ? ALLOC_BITS(MAX(bits, 24u)) : 0;
}

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

/* Room for what comes before what goes has gone; by the lock, since vCPUs exchange at the same time. */
static int alloc_beyond_limit(const struct reservation *r, mfn_t *m)
{
    int rc;

    spin_lock(&r->d->page_list_lock);
    r->d->max_pages += UINT64_C(1) << r->order;
    spin_unlock(&r->d->page_list_lock);
    rc = domain_alloc_frames(r->d, r->order, r->alloc_flags, m);
    spin_lock(&r->d->page_list_lock);
    r->d->max_pages -= UINT64_C(1) << r->order;
    spin_unlock(&r->d->page_list_lock);
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
    long rc;

    if (copy_from_guest(&x, arg, exchanges ? sizeof(x) : sizeof(x.in)))
        return -XEN_EFAULT;
    r = (struct reservation){
        .cmd = cmd, .extents = req->extent_start, .given = x.in.extent_start,
        .nr = req->nr_extents, .done = start, .order = req->extent_order,
        .alloc_flags = alloc_flags_of(req->mem_flags) | ALLOC_ZERO,
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

/* --- Questions ------------------------------------------------------------------------------------------------- */

static long domain_pages(uint64_t arg, bool most)
{
    struct xen_memory_domain req;
    struct domain *d;
    long rc;

    if (copy_from_guest(&req, arg, sizeof(req)))
        return -XEN_EFAULT;
    rc = domain_target(req.domid, &d);
    if (rc)
        return rc;
    rc = (long)(most ? d->max_pages : d->tot_pages);
    domain_untarget(d);
    return rc;
}

static long current_reservation(uint64_t arg)
{
    return domain_pages(arg, false);
}

static long maximum_reservation(uint64_t arg)
{
    return domain_pages(arg, true);
}

static long maximum_ram_page(uint64_t arg UNUSED)
{
    return (long)(max_mfn - 1);
}

static long machphys_mapping(uint64_t arg)
{
    const struct xen_machphys_mapping answer = {
        .v_start = M2P_VIRT_START, .v_end = FRAME_TABLE_START, .max_mfn = max_mfn - 1,
    };

    return copy_to_guest(arg, &answer, sizeof(answer));
}

static long machphys_mfn_list(uint64_t arg)
{
    struct xen_machphys_mfn_list req;
    mfn_t m;

    if (copy_from_guest(&req, arg, sizeof(req)))
        return -XEN_EFAULT;
    for (req.nr_extents = 0; req.nr_extents < req.max_extents; req.nr_extents++) {
        m = m2p_chunk_mfn(req.nr_extents);
        if (mfn_eq(m, INVALID_MFN))
            break;
        if (copy_to_guest(req.extent_start + req.nr_extents * sizeof(m.n), &m.n, sizeof(m.n)))
            return -XEN_EFAULT;
    }
    return copy_to_guest(arg, &req, sizeof(req));
}

static long machine_memory_map(uint64_t arg)
{
    struct xen_memory_map req;

    if (!current_domain()->is_control)
        return -XEN_EPERM;
    if (copy_from_guest(&req, arg, sizeof(req)))
        return -XEN_EFAULT;
    if (req.nr_entries < machine_nr_ranges)
        return -XEN_EINVAL;
    if (copy_to_guest(req.buffer, machine_ranges, machine_nr_ranges * sizeof(machine_ranges[0])))
        return -XEN_EFAULT;
    req.nr_entries = machine_nr_ranges;
    return copy_to_guest(arg, &req, sizeof(req));
}

static long (*const other_ops[])(uint64_t arg) = {
    [XENMEM_maximum_ram_page] = maximum_ram_page,
    [XENMEM_current_reservation] = current_reservation,
    [XENMEM_maximum_reservation] = maximum_reservation,
    [XENMEM_machphys_mfn_list] = machphys_mfn_list,
    [XENMEM_machphys_mapping] = machphys_mapping,
    [XENMEM_machine_memory_map] = machine_memory_map,
    [XENMEM_memory_map] = memory_map_of_caller,
    [XENMEM_set_memory_map] = memory_set_map,
    [XENMEM_maximum_gpfn] = memory_maximum_gpfn,
    [XENMEM_claim_pages] = memory_claim_pages,
    [XENMEM_get_vnumainfo] = memory_vnuma,
    [XENMEM_acquire_resource] = memory_acquire_resource,
};

long do_memory_op(uint64_t cmd, uint64_t arg, uint64_t a3 UNUSED, uint64_t a4 UNUSED, uint64_t a5 UNUSED)
{
    unsigned op = cmd & CMD_MASK;

    if (op < ARRAY_SIZE(extent_ops) && extent_ops[op])
        return reservation_op(op, (uint32_t)cmd >> CMD_BITS, arg);
    return op < ARRAY_SIZE(other_ops) && other_ops[op] ? other_ops[op](arg) : -XEN_ENOSYS;
}
