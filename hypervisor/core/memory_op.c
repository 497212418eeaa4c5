// SPDX-License-Identifier: MIT
/*
 * MEMORY_OP. Reservations are lists of extents: as many as can be are done, the result counts them, and a list restarts
 * between extents with the number done in the command's upper bits. A frame given back stays until its last use is gone;
 * a new one has no type and no use but being allocated.
 */
#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "core/machine.h"
#include "core/preempt.h"
#include "lib/console.h"
#include "lib/string.h"
#include "mm/layout.h"
#include "mm/m2p.h"
#include "mm/page_alloc.h"
#include "public/memory.h"

#define CMD_BITS       6
#define CMD_MASK       ((1u << CMD_BITS) - 1)
#define MAX_EXTENT_ORDER_GUEST 9u
#define MAX_EXTENT_ORDER_DOM0  18u

/* One operation on a list, resolved: `done` extents are finished. */
struct reservation {
    struct domain *d;
    uint64_t extents;               /* guest address of frame numbers */
    uint64_t nr, done;
    unsigned order;
    unsigned alloc_flags;
};

static bool is_self(domid_t domid)
{
    return domid == DOMID_SELF || domid == current_domain()->id;
}

static unsigned alloc_flags_of(uint32_t mem_flags)
{
    unsigned bits = XENMEMF_get_address_bits(mem_flags);

    return bits && bits < 64 ? ALLOC_BITS(MAX(bits, 24u)) : 0;
}

static int get_frame_number(uint64_t list, uint64_t i, uint64_t *n)
{
    return copy_from_guest(n, list + i * sizeof(*n), sizeof(*n));
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

static bool decrease_one(struct reservation *r)
{
    uint64_t n;

    if (get_frame_number(r->extents, r->done, &n) || n + (UINT64_C(1) << r->order) < n)
        return false;
    for (uint64_t i = 0; i < UINT64_C(1) << r->order; i++)
        if (!give_back(r->d, mfn(n + i)))
            return false;
    return true;
}

static bool increase_one(struct reservation *r)
{
    mfn_t m;

    if (domain_alloc_frames(r->d, r->order, r->alloc_flags | ALLOC_ZERO, &m))
        return false;
    return !r->extents || !copy_to_guest(r->extents + r->done * sizeof(m.n), &m.n, sizeof(m.n));
}

/* As increase, and the list first holds the pseudo-physical numbers that the frames get. */
static bool populate_one(struct reservation *r)
{
    uint64_t gpfn;
    mfn_t m;

    if (get_frame_number(r->extents, r->done, &gpfn) ||
        domain_alloc_frames(r->d, r->order, r->alloc_flags | ALLOC_ZERO, &m))
        return false;
    for (uint64_t i = 0; i < UINT64_C(1) << r->order; i++)
        m2p_set(mfn_add(m, i), gpfn + i);
    return !copy_to_guest(r->extents + r->done * sizeof(m.n), &m.n, sizeof(m.n));
}

static bool (*const extent_ops[])(struct reservation *r) = {
    [XENMEM_increase_reservation] = increase_one,
    [XENMEM_decrease_reservation] = decrease_one,
    [XENMEM_populate_physmap] = populate_one,
};

/* The number done, or a restart. */
static long run_reservation(struct reservation *r, unsigned cmd, uint64_t arg)
{
    unsigned batch = 0;

    while (r->done < r->nr && extent_ops[cmd](r)) {
        r->done++;
        if (r->done < r->nr && (++batch << r->order) >= 64) {
            batch = 0;
            if (preempt_wanted())
                return hypercall_restart(cmd | r->done << CMD_BITS, arg, 0, 0, 0);
        }
    }
    return (long)r->done;
}

static long reservation_op(unsigned cmd, uint64_t start, uint64_t arg)
{
    struct xen_memory_reservation req;
    struct reservation r;
    unsigned max_order;
    long rc;

    if (copy_from_guest(&req, arg, sizeof(req)))
        return -XEN_EFAULT;
    max_order = current_domain()->is_control ? MAX_EXTENT_ORDER_DOM0 : MAX_EXTENT_ORDER_GUEST;
    if (start >= req.nr_extents || req.nr_extents > UINT32_MAX || req.extent_order > max_order ||
        !guest_range_ok(req.extent_start, req.nr_extents * sizeof(uint64_t)))
        return (long)MIN(start, (uint64_t)req.nr_extents);
    r = (struct reservation){ .extents = req.extent_start, .nr = req.nr_extents, .done = start,
                              .order = req.extent_order, .alloc_flags = alloc_flags_of(req.mem_flags) };
    rc = domain_target(req.domid, &r.d);
    if (rc)
        return rc;
    rc = run_reservation(&r, cmd, arg);
    domain_untarget(r.d);
    return rc;
}

/* --- Exchange -------------------------------------------------------------------------------------------------- */

struct exchange {
    struct xen_memory_exchange req;
    struct domain *d;
    unsigned in_per_out;            /* log2 of how many extents given make one taken */
};

/*
 * Frames to be given for one frame block to be taken, all or none. They must be plain: their only reference is the one
 * of being allocated, which clearing it proves.
 */
static int take_given(const struct exchange *x, uint64_t out_index, uint64_t *numbers, unsigned nr)
{
    uint64_t first = out_index << x->in_per_out;

    if (copy_from_guest(numbers, x->req.in.extent_start + first * sizeof(*numbers), nr * sizeof(*numbers)))
        return -XEN_EFAULT;
    for (unsigned i = 0; i < nr; i++)
        if (!mfn_valid(mfn(numbers[i])) || frame_owner(frame_of(mfn(numbers[i]))) != x->d->id)
            return -XEN_EINVAL;
    return 0;
}

#define EXCHANGE_MAX_ORDER 9u

/* Room for what comes before what goes has gone; by the lock, since vCPUs exchange at the same time. */
static int alloc_beyond_limit(struct domain *d, unsigned order, unsigned alloc_flags, mfn_t *m)
{
    int rc;

    spin_lock(&d->page_list_lock);
    d->max_pages += UINT64_C(1) << order;
    spin_unlock(&d->page_list_lock);
    rc = domain_alloc_frames(d, order, alloc_flags, m);
    spin_lock(&d->page_list_lock);
    d->max_pages -= UINT64_C(1) << order;
    spin_unlock(&d->page_list_lock);
    return rc;
}

static int exchange_one(const struct exchange *x, uint64_t i)
{
    uint64_t numbers[1u << EXCHANGE_MAX_ORDER], gpfn;
    unsigned nr = 1u << x->req.out.extent_order;
    mfn_t m;
    int rc = take_given(x, i, numbers, nr);

    if (rc || get_frame_number(x->req.out.extent_start, i, &gpfn))
        return rc ? rc : -XEN_EFAULT;
    rc = alloc_beyond_limit(x->d, x->req.out.extent_order, alloc_flags_of(x->req.out.mem_flags) | ALLOC_ZERO, &m);
    if (rc)
        return rc;
    for (unsigned k = 0; k < nr; k++)
        if (!give_back(x->d, mfn(numbers[k]))) {
            for (unsigned n = 0; n < nr; n++)
                give_back(x->d, mfn_add(m, n));
            return -XEN_EINVAL;
        }
    for (unsigned k = 0; k < nr; k++)
        m2p_set(mfn_add(m, k), gpfn + k);
    return copy_to_guest(x->req.out.extent_start + i * sizeof(m.n), &m.n, sizeof(m.n));
}

static bool exchange_is_valid(const struct xen_memory_exchange *req)
{
    return is_self(req->in.domid) && is_self(req->out.domid) && !req->in.extent_order &&
           req->out.extent_order <= EXCHANGE_MAX_ORDER && req->in.nr_extents <= UINT32_MAX &&
           req->in.nr_extents == req->out.nr_extents << req->out.extent_order &&
           req->nr_exchanged <= req->in.nr_extents &&
           !(req->nr_exchanged & ((1u << req->out.extent_order) - 1)) &&
           guest_range_ok(req->in.extent_start, req->in.nr_extents * sizeof(uint64_t)) &&
           guest_range_ok(req->out.extent_start, req->out.nr_extents * sizeof(uint64_t));
}

static int put_exchanged(uint64_t arg, uint64_t nr)
{
    return copy_to_guest(arg + offsetof(struct xen_memory_exchange, nr_exchanged), &nr, sizeof(nr));
}

static long exchange_op(uint64_t arg)
{
    struct exchange x = { .d = current_domain() };
    uint64_t i;
    int rc = 0;

    if (copy_from_guest(&x.req, arg, sizeof(x.req)))
        return -XEN_EFAULT;
    if (!exchange_is_valid(&x.req))
        return -XEN_EINVAL;
    x.in_per_out = x.req.out.extent_order;
    for (i = x.req.nr_exchanged >> x.in_per_out; !rc && i < x.req.out.nr_extents; i += !rc) {
        rc = exchange_one(&x, i);
        if (!rc && i + 1 < x.req.out.nr_extents && preempt_wanted()) {
            if (put_exchanged(arg, (i + 1) << x.in_per_out))
                return -XEN_EFAULT;
            return hypercall_restart(XENMEM_exchange, arg, 0, 0, 0);
        }
    }
    return put_exchanged(arg, i << x.in_per_out) ? -XEN_EFAULT : rc;
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

/*
 * XENMEM_memory_map is not among them: only a toolstack gives a domain a map of its own; without one the ABI's answer is
 * -ENOSYS, and guests assume one range.
 */
static long (*const other_ops[])(uint64_t arg) = {
    [XENMEM_exchange] = exchange_op,
    [XENMEM_maximum_ram_page] = maximum_ram_page,
    [XENMEM_current_reservation] = current_reservation,
    [XENMEM_maximum_reservation] = maximum_reservation,
    [XENMEM_machphys_mfn_list] = machphys_mfn_list,
    [XENMEM_machphys_mapping] = machphys_mapping,
    [XENMEM_machine_memory_map] = machine_memory_map,
};

long do_memory_op(uint64_t cmd, uint64_t arg, uint64_t a3 UNUSED, uint64_t a4 UNUSED, uint64_t a5 UNUSED)
{
    unsigned op = cmd & CMD_MASK;

    if (op < ARRAY_SIZE(extent_ops) && extent_ops[op])
        return reservation_op(op, (uint32_t)cmd >> CMD_BITS, arg);
    return op < ARRAY_SIZE(other_ops) && other_ops[op] ? other_ops[op](arg) : -XEN_ENOSYS;
}
