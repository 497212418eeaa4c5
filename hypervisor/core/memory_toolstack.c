// SPDX-License-Identifier: MIT
/* MEMORY_OP for toolstacks: claims, memory maps of domains, frames of ours that belong to a domain. */
#include "core/memory_toolstack.h"

#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "core/machine.h"
#include "mm/heap.h"
#include "public/memory.h"

#define MAX_MAP_ENTRIES  128u

struct memory_map {
    uint32_t nr;
    struct machine_range range[MAX_MAP_ENTRIES];
};

static int copy_map(struct memory_map *map, const struct xen_memory_map *from)
{
    if (from->nr_entries > MAX_MAP_ENTRIES)
        return -XEN_EINVAL;
    map->nr = from->nr_entries;
    return copy_from_guest(map->range, from->buffer, map->nr * sizeof(map->range[0]));
}

/* The old map, if there was one, is freed here: its readers hold the domain's lock. */
static struct memory_map *exchange_map(struct domain *d, struct memory_map *map)
{
    struct memory_map *old;

    spin_lock(&d->lock);
    old = d->memory_map;
    d->memory_map = map;
    spin_unlock(&d->lock);
    return old;
}

long memory_set_map(uint64_t arg)
{
    struct xen_foreign_memory_map req;
    struct memory_map *map;
    struct domain *d;
    int rc;

    if (copy_from_guest(&req, arg, sizeof(req)))
        return -XEN_EFAULT;
    rc = domain_target(req.domid, &d);
    if (rc)
        return rc;
    map = heap_new(struct memory_map);
    rc = map ? copy_map(map, &req.map) : -XEN_ENOMEM;
    heap_free(rc ? map : exchange_map(d, map));
    domain_untarget(d);
    return rc;
}

/* Without a map of its own the ABI's answer is -ENOSYS, and guests assume one range. */
long memory_map_of_caller(uint64_t arg)
{
    struct domain *d = current_domain();
    struct xen_memory_map req;
    struct memory_map *map;
    int rc = -XEN_ENOSYS;

    if (copy_from_guest(&req, arg, sizeof(req)))
        return -XEN_EFAULT;
    spin_lock(&d->lock);
    map = d->memory_map;
    if (map) {
        req.nr_entries = MIN(req.nr_entries, map->nr);
        rc = copy_to_guest(req.buffer, map->range, req.nr_entries * sizeof(map->range[0]));
    }
    spin_unlock(&d->lock);
    return rc ? rc : copy_to_guest(arg, &req, sizeof(req));
}

/* The guest itself says so, in its shared_info. */
long memory_maximum_gpfn(uint64_t arg)
{
    struct xen_memory_domain req;
    struct domain *d;
    uint64_t max_pfn;
    int rc;

    if (copy_from_guest(&req, arg, sizeof(req)))
        return -XEN_EFAULT;
    rc = domain_target(req.domid, &d);
    if (rc)
        return rc;
    max_pfn = READ_ONCE(d->shared_info->arch.max_pfn);
    domain_untarget(d);
    return max_pfn && max_pfn <= INT64_MAX ? (long)max_pfn - 1 : 0;
}

long memory_claim_pages(uint64_t arg)
{
    struct xen_memory_reservation req;
    struct domain *d;
    int rc;

    if (!current_domain()->is_control)
        return -XEN_EPERM;
    if (copy_from_guest(&req, arg, sizeof(req)))
        return -XEN_EFAULT;
    if (req.extent_start || req.extent_order || req.mem_flags)
        return -XEN_EINVAL;
    rc = domain_target(req.domid, &d);
    if (rc)
        return rc;
    rc = domain_claim_pages(d, req.nr_extents);
    domain_untarget(d);
    return rc;
}

/* No domain has virtual nodes: this is how one is told. */
long memory_vnuma(uint64_t arg UNUSED)
{
    return -XEN_EOPNOTSUPP;
}

static int put_grant_frames(struct domain *d, const struct xen_mem_acquire_resource *req)
{
    int rc = 0;

    if (req->frame >= MAX_GRANT_FRAMES || req->nr_frames > MAX_GRANT_FRAMES)
        return -XEN_EINVAL;
    for (uint32_t i = 0; i < req->nr_frames && !rc; i++) {
        mfn_t m;
        rc = grant_table_frame(d, (unsigned)req->frame + i, &m);
        if (!rc)
            rc = copy_to_guest(req->frame_list + i * sizeof(xen_pfn_t), &m.n, sizeof(m.n));
    }
    return rc;
}

long memory_acquire_resource(uint64_t arg)
{
    struct xen_mem_acquire_resource req;
    struct domain *d;
    int rc;

    if (!current_domain()->is_control)
        return -XEN_EPERM;
    if (copy_from_guest(&req, arg, sizeof(req)))
        return -XEN_EFAULT;
    if (req.pad)
        return -XEN_EINVAL;
    if (req.type != XENMEM_resource_grant_table || req.id != XENMEM_resource_grant_table_id_shared)
        return -XEN_EOPNOTSUPP;
    rc = domain_target(req.domid, &d);
    if (rc)
        return rc;
    if (req.nr_frames) {
        rc = put_grant_frames(d, &req);
    } else {
        req.nr_frames = grant_table_max_frames(d);
        rc = copy_to_guest(arg, &req, sizeof(req));
    }
    domain_untarget(d);
    return rc;
}
