// SPDX-License-Identifier: MIT
/*
 * Mapping and unmapping of granted frames, and the handles that name mappings. Page tables are written by the guest's type
 * (guest_ops), which takes and drops the references of a mapping; no lock of ours is held meanwhile. Whoever maps or unmaps
 * owns the handle by MAPTRACK_BUSY. A pin is dropped only after a TLB flush: until then the frame may still be written.
 */
#include "core/grant_internal.h"

#include "core/preempt.h"
#include "cpu/smp.h"
#include "lib/assert.h"
#include "mm/heap.h"
#include "public/errno.h"

#define MAPS_PER_PAGE   ((uint32_t)(PAGE_SIZE / sizeof(struct grant_maptrack)))
#define KNOWN_FLAGS     (GNTMAP_device_map | GNTMAP_host_map | GNTMAP_readonly | GNTMAP_application_map |  \
                         GNTMAP_contains_pte)

_Static_assert(PAGE_SIZE % sizeof(struct grant_maptrack) == 0, "handles fill pages");

/* ---- handles ---- */

static struct grant_maptrack *maptrack(struct grant_table *gt, uint32_t handle)
{
    return &gt->maps[handle / MAPS_PER_PAGE][handle % MAPS_PER_PAGE];
}

static bool add_maps(struct grant_table *gt)
{
    struct grant_maptrack *page;

    ASSERT_LOCKED(&gt->maps_lock);
    if (gt->nr_maps >= gt->max_maps)
        return false;
    page = heap_alloc(PAGE_SIZE, 0);
    if (!page)
        return false;
    gt->maps[gt->nr_maps / MAPS_PER_PAGE] = page;
    for (uint32_t i = 0; i < MAPS_PER_PAGE; i++)
        page[i].next_free = i + 1 < MAPS_PER_PAGE ? gt->nr_maps + i + 1 : NO_HANDLE;
    gt->first_free = gt->nr_maps;
    gt->nr_maps += MAPS_PER_PAGE;
    return true;
}

static uint32_t alloc_handle(struct grant_table *gt)
{
    uint32_t handle = NO_HANDLE;

    spin_lock(&gt->maps_lock);
    if (gt->first_free != NO_HANDLE || add_maps(gt)) {
        handle = gt->first_free;
        gt->first_free = maptrack(gt, handle)->next_free;
        maptrack(gt, handle)->flags = MAPTRACK_BUSY;
    }
    spin_unlock(&gt->maps_lock);
    return handle;
}

/* Become the owner of a handle that maps something; false if there is no such. */
static bool claim_handle(struct grant_table *gt, uint32_t handle, struct grant_maptrack *copy)
{
    struct grant_maptrack *m;
    bool found = false;

    spin_lock(&gt->maps_lock);
    if (handle < gt->nr_maps) {
        m = maptrack(gt, handle);
        found = (m->flags & MAPTRACK_MAPPED) && !(m->flags & MAPTRACK_BUSY);
        *copy = *m;
        if (found)
            m->flags |= MAPTRACK_BUSY;
    }
    spin_unlock(&gt->maps_lock);
    return found;
}

/* Give a handle back to all with new contents; one that maps nothing is free. */
static void release_handle(struct grant_table *gt, uint32_t handle, const struct grant_maptrack *now)
{
    struct grant_maptrack *m;

    spin_lock(&gt->maps_lock);
    m = maptrack(gt, handle);
    ASSERT(m->flags & MAPTRACK_BUSY);
    *m = *now;
    if (!(m->flags & MAPTRACK_MAPPED)) {
        m->flags = 0;
        m->next_free = gt->first_free;
        gt->first_free = handle;
    }
    spin_unlock(&gt->maps_lock);
}

/* ---- map ---- */

static int16_t check_map(const struct gnttab_map_grant_ref *op)
{
    if (!(op->flags & (GNTMAP_host_map | GNTMAP_device_map)))
        return GNTST_bad_gntref;
    if ((op->flags & GNTMAP_contains_pte) && op->host_addr % 8)
        return GNTST_general_error;
    return GNTST_okay;
}

/* References for the device, then the leaf with its own: both or nothing. */
static int16_t map_frame(struct grant_batch *b, struct domain *far, const struct gnttab_map_grant_ref *op, mfn_t m)
{
    bool device = op->flags & GNTMAP_device_map;
    bool writable = !(op->flags & GNTMAP_readonly);
    int rc = GNTST_okay;

    if (!mfn_valid(m))
        return GNTST_general_error;
    if (device && !b->d->ops->get_data(far, m, writable))
        return GNTST_general_error;
    if (op->flags & GNTMAP_host_map)
        rc = b->d->ops->grant_map(b->d, op->host_addr, m, far->id, op->flags);
    if (rc != GNTST_okay && device)
        b->d->ops->put_data(m, writable);
    return (int16_t)rc;
}

static int16_t map_pinned(struct grant_batch *b, struct gnttab_map_grant_ref *op, struct grant_maptrack *map)
{
    struct domain *far = grant_batch_domain(b, op->dom);
    bool readonly = op->flags & GNTMAP_readonly;
    int16_t status;
    mfn_t m;

    if (!far)
        return GNTST_bad_domain;
    status = grant_pin(far, op->ref, b->d, readonly, &m);
    if (status != GNTST_okay)
        return status;
    status = map_frame(b, far, op, m);
    if (status != GNTST_okay) {
        grant_unpin(far, op->ref, readonly);
        return status;
    }
    *map = (struct grant_maptrack){ .ref = op->ref, .frame = (uint32_t)m.n, .domid = op->dom,
                                    .flags = (uint16_t)(op->flags & KNOWN_FLAGS) };
    op->dev_bus_addr = mfn_to_paddr(m);
    return GNTST_okay;
}

void grant_map_ref(struct grant_batch *b, void *arg)
{
    struct gnttab_map_grant_ref *op = arg;
    struct grant_maptrack map = { .flags = 0 };
    uint32_t handle;

    op->status = check_map(op);
    if (op->status != GNTST_okay)
        return;
    handle = alloc_handle(b->d->grant_table);
    if (handle == NO_HANDLE) {
        op->status = GNTST_no_device_space;
        return;
    }
    op->status = map_pinned(b, op, &map);
    release_handle(b->d->grant_table, handle, &map);
    if (op->status == GNTST_okay)
        op->handle = handle;
}

/* ---- unmap ---- */

/* The part of `map` that was asked for, by an address that is not 0; its flags become those of what is left. */
static int16_t unmap_parts(struct grant_batch *b, const struct gnttab_unmap_grant_ref *r, struct grant_maptrack *map)
{
    bool host = r->host_addr && (map->flags & GNTMAP_host_map);
    bool device = r->dev_bus_addr && (map->flags & GNTMAP_device_map);
    mfn_t m = mfn(map->frame);
    int rc = GNTST_okay;

    if (device && r->dev_bus_addr != mfn_to_paddr(m))
        return GNTST_general_error;
    if (host)
        rc = b->d->ops->grant_unmap(b->d, r->host_addr, m, map->flags);
    if (rc != GNTST_okay)
        return (int16_t)rc;
    if (device)
        b->d->ops->put_data(m, !(map->flags & GNTMAP_readonly));
    if (host)
        map->flags &= (uint16_t)~GNTMAP_host_map;
    if (device)
        map->flags &= (uint16_t)~GNTMAP_device_map;
    return GNTST_okay;
}

void grant_unmap_finish(struct grant_batch *b)
{
    if (!b->nr_unmapped)
        return;
    tlb_flush_mask(&b->d->dirty_cpus, FLUSH_TLB_ALL_VA);
    for (unsigned i = 0; i < b->nr_unmapped; i++) {
        const struct grant_maptrack *map = &b->unmapped[i];
        struct domain *far = grant_batch_domain(b, map->domid);
        /* A domain whose last frame we had mapped may be gone by now, and its table with it. */
        if (far)
            grant_unpin(far, map->ref, map->flags & GNTMAP_readonly);
    }
    b->nr_unmapped = 0;
}

void grant_unmap_ref(struct grant_batch *b, void *arg)
{
    struct gnttab_unmap_grant_ref *op = arg;
    struct grant_table *gt = b->d->grant_table;
    struct grant_maptrack map;

    if (!claim_handle(gt, op->handle, &map)) {
        op->status = GNTST_bad_handle;
        return;
    }
    op->status = unmap_parts(b, op, &map);
    if (!(map.flags & MAPTRACK_MAPPED)) {
        b->unmapped[b->nr_unmapped++] = map;
        if (b->nr_unmapped == UNMAP_GROUP)
            grant_unmap_finish(b);
    }
    release_handle(gt, op->handle, &map);
}

/* ---- the end of a domain ---- */

/* The leaves went with the page tables, or go with them; what remains are pins and references for devices. */
static void drop_map(struct domain *d, struct grant_maptrack *map)
{
    struct domain *far = domain_get_by_id(map->domid);
    bool readonly = map->flags & GNTMAP_readonly;

    if (map->flags & GNTMAP_device_map)
        d->ops->put_data(mfn(map->frame), !readonly);
    if (far) {
        grant_unpin(far, map->ref, readonly);
        domain_put(far);
    }
    map->flags = 0;
}

int grant_maps_relinquish(struct domain *d)
{
    struct grant_table *gt = d->grant_table;
    unsigned steps = 0;

    for (uint32_t handle = 0; handle < gt->nr_maps; handle++) {
        struct grant_maptrack map;
        if (claim_handle(gt, handle, &map)) {
            drop_map(d, &map);
            release_handle(gt, handle, &map);
        }
        if (preempt_check(&steps))
            return -XEN_ERESTART;
    }
    return 0;
}

int grant_maps_create(struct grant_table *gt, unsigned max_frames)
{
    spin_lock_init(&gt->maps_lock, LOCK_GRANT_MAPS);
    gt->max_maps = max_frames * MAPS_PER_FRAME;
    gt->first_free = NO_HANDLE;
    gt->maps = heap_alloc((gt->max_maps / MAPS_PER_PAGE + 1) * sizeof(*gt->maps), 0);
    return gt->maps ? 0 : -XEN_ENOMEM;
}

void grant_maps_destroy(struct grant_table *gt)
{
    for (uint32_t i = 0; i < gt->nr_maps / MAPS_PER_PAGE; i++)
        heap_free(gt->maps[i]);
    heap_free(gt->maps);
}
