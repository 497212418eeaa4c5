// SPDX-License-Identifier: MIT
/*
 * Mapping and unmapping of granted frames, and the handles that name mappings. Page tables are written by the guest's type
 * (guest_grant_leaf), which takes and drops the references of a mapping; no lock of ours is held meanwhile. A pin is dropped
 * only after a TLB flush: until then the frame may still be written.
 */
#include "core/domain.h"

#define MAPS_PER_PAGE   ((uint32_t)(PAGE_SIZE / sizeof(struct grant_maptrack)))
#define PARTS           ((uint32_t)(GNTMAP_host_map | GNTMAP_device_map))

_Static_assert(PAGE_SIZE % sizeof(struct grant_maptrack) == 0, "handles fill pages");

/* ---- handles ---- */

static struct grant_maptrack *maptrack(struct grant_table *gt, uint32_t handle)
{
    return &gt->maps[handle / MAPS_PER_PAGE][handle % MAPS_PER_PAGE];
}

/* A handle that has not existed before. */
static uint32_t new_handle(struct grant_table *gt)
{
    uint32_t handle = gt->nr_maps;
    struct grant_maptrack **page = &gt->maps[handle / MAPS_PER_PAGE];

    if (handle >= gt->max_maps)
        return NO_HANDLE;
    if (!*page)
        *page = heap_alloc(PAGE_SIZE);
    if (!*page)
        return NO_HANDLE;
    store_release(&gt->nr_maps, handle + 1);
    return handle;
}

static uint32_t alloc_handle(struct grant_table *gt)
{
    uint32_t handle;

    spin_lock(&gt->maps_lock);
    handle = gt->first_free;
    if (handle != NO_HANDLE)
        gt->first_free = maptrack(gt, handle)->ref;
    else
        handle = new_handle(gt);
    spin_unlock(&gt->maps_lock);
    return handle;
}

static void free_handle(struct grant_table *gt, uint32_t handle)
{
    spin_lock(&gt->maps_lock);
    maptrack(gt, handle)->ref = gt->first_free;
    gt->first_free = handle;
    spin_unlock(&gt->maps_lock);
}

/* The handle keeps the domain, so that its number is nobody else's: a guest may have lost the frame long ago. */
static void drop_pin(struct grant_batch *b, const struct grant_maptrack *m)
{
    struct domain *far = grant_batch_domain(b, m->domid);

    grant_unpin(far, m->ref, m->flags & GNTMAP_readonly);
    domain_put(far);
}

/* ---- map ---- */

/* References for the device, then the leaf with its own: both or nothing. */
static int16_t map_frame(struct grant_batch *b, struct domain *far, const struct gnttab_map_grant_ref *op, mfn_t m)
{
    bool device = op->flags & GNTMAP_device_map;
    bool writable = !(op->flags & GNTMAP_readonly);
    int rc = GNTST_okay;

    if (!mfn_valid(m) || (device && !guest_get_data(far, m, writable)))
        return GNTST_general_error;
    if (op->flags & GNTMAP_host_map)
        rc = guest_grant_leaf(b->d, op->host_addr, m, far->id, op->flags, true);
    if (rc != GNTST_okay && device)
        guest_put_data(m, writable);
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
    domain_get(far);
    map->ref = op->ref;
    map->frame = (uint32_t)m.n;
    map->domid = op->dom;
    map->flags = (uint16_t)op->flags;
    store_release(&map->parts, op->flags & PARTS);
    op->dev_bus_addr = mfn_to_paddr(m);
    return GNTST_okay;
}

int16_t grant_map_ref(struct grant_batch *b, void *arg)
{
    struct gnttab_map_grant_ref *op = arg;
    struct grant_table *gt = b->d->grant_table;
    uint32_t handle;
    int16_t status;

    if (!(op->flags & PARTS))
        return GNTST_bad_gntref;
    if (op->flags & GNTMAP_contains_pte && op->host_addr % 8)
        return GNTST_general_error;
    handle = alloc_handle(gt);
    if (handle == NO_HANDLE)
        return GNTST_no_device_space;
    status = map_pinned(b, op, maptrack(gt, handle));
    if (status == GNTST_okay)
        op->handle = handle;
    else
        free_handle(gt, handle);
    return status;
}

/* ---- unmap ---- */

static int16_t unmap_parts(struct domain *d, const struct gnttab_unmap_grant_ref *op, const struct grant_maptrack *map,
                           uint32_t parts)
{
    mfn_t m = mfn(map->frame);
    int rc = GNTST_okay;

    if (parts & GNTMAP_device_map && op->dev_bus_addr != mfn_to_paddr(m))
        return GNTST_general_error;
    if (parts & GNTMAP_host_map)
        rc = guest_grant_leaf(d, op->host_addr, m, d->id, map->flags, false);
    if (rc == GNTST_okay && parts & GNTMAP_device_map)
        guest_put_data(m, !(map->flags & GNTMAP_readonly));
    return (int16_t)rc;
}

void grant_unmap_finish(struct grant_batch *b)
{
    if (b->nr_unmapped)
        tlb_flush_mask(&b->d->dirty_cpus, FLUSH_TLB_ALL_VA);
    while (b->nr_unmapped) {
        uint32_t handle = b->unmapped[--b->nr_unmapped];
        drop_pin(b, maptrack(b->d->grant_table, handle));
        free_handle(b->d->grant_table, handle);
    }
}

/* An address that is not 0 asks for the part that it names. */
int16_t grant_unmap_ref(struct grant_batch *b, void *arg)
{
    const struct gnttab_unmap_grant_ref *op = arg;
    struct grant_table *gt = b->d->grant_table;
    /* What the handle maps, which is the caller's now; 0 if there is no such, or somebody else has it. */
    uint32_t parts = op->handle < load_acquire(&gt->nr_maps) ? xchg32(&maptrack(gt, op->handle)->parts, 0) : 0;
    uint32_t wanted = (op->host_addr ? GNTMAP_host_map : 0) | (op->dev_bus_addr ? GNTMAP_device_map : 0);
    struct grant_maptrack *map;
    int16_t status;

    if (!parts)
        return GNTST_bad_handle;
    map = maptrack(gt, op->handle);
    status = unmap_parts(b->d, op, map, parts & wanted);
    if (status == GNTST_okay)
        parts &= ~wanted;
    if (parts)
        store_release(&map->parts, parts);
    else
        b->unmapped[b->nr_unmapped++] = op->handle;
    if (b->nr_unmapped == UNMAP_GROUP)
        grant_unmap_finish(b);
    return status;
}

/* ---- the end of a domain ---- */

/*
 * The leaves went with the page tables, or go with them; what remains are pins and references for devices. Handles go from
 * the last one down, so that a restart goes on where it stopped.
 */
int grant_maps_relinquish(struct domain *d)
{
    struct grant_table *gt = d->grant_table;
    struct grant_batch b = { .d = d };
    unsigned steps = 0;
    int rc = 0;

    gt->first_free = NO_HANDLE;
    while (gt->nr_maps && !rc) {
        struct grant_maptrack *m = maptrack(gt, --gt->nr_maps);
        if (m->parts & GNTMAP_device_map)
            guest_put_data(mfn(m->frame), !(m->flags & GNTMAP_readonly));
        if (m->parts)
            drop_pin(&b, m);
        m->parts = 0;
        if (preempt_check(&steps))
            rc = -XEN_ERESTART;
    }
    if (b.far)
        domain_put(b.far);
    return rc;
}

int grant_maps_create(struct grant_table *gt)
{
    spin_lock_init(&gt->maps_lock, LOCK_GRANT_MAPS);
    gt->max_maps = MAX_MAPTRACK_FRAMES * MAPS_PER_FRAME;
    gt->first_free = NO_HANDLE;
    gt->maps = heap_alloc((gt->max_maps / MAPS_PER_PAGE + 1) * sizeof(*gt->maps));
    return gt->maps ? 0 : -XEN_ENOMEM;
}

void grant_maps_destroy(struct grant_table *gt)
{
    for (uint32_t i = 0; gt->maps && i < gt->max_maps; i += MAPS_PER_PAGE)
        heap_free(gt->maps[i / MAPS_PER_PAGE]);
    heap_free(gt->maps);
}
