// SPDX-License-Identifier: MIT
/*
 * Grant tables, version 1: the table that a domain shares with us, pins on its entries, and hypercall 20. Its frames are
 * pages of ours that the guest maps and writes at any time: an entry's flags and domain are read and changed as one 32-bit
 * word, a bounded number of times. Mapping and copying are in grant_map.c and grant_copy.c.
 */
#include "core/hypercall.h"

#define PIN_TRIES           8u           /* a guest that keeps changing an entry gets it refused */
#define MAX_ELEMENT_SIZE    64u
#define ELEMENTS_PER_LOOK   16u          /* each may be a page copied */

/* ---- the table ---- */

int grant_table_create(struct domain *d)
{
    struct grant_table *gt = heap_new(struct grant_table);

    if (!gt)
        return -XEN_ENOMEM;
    spin_lock_init(&gt->lock, LOCK_GRANT_TABLE);
    gt->max_frames = MAX_GRANT_FRAMES;
    d->grant_table = gt;
    return grant_maps_create(gt);
}

int grant_table_limit(struct domain *d, int32_t max_frames, int32_t max_maptrack_frames)
{
    struct grant_table *gt = d->grant_table;

    if (max_frames > MAX_GRANT_FRAMES || max_maptrack_frames > MAX_MAPTRACK_FRAMES)
        return -XEN_EINVAL;
    if (max_frames >= 0)
        gt->max_frames = (uint32_t)max_frames;
    if (max_maptrack_frames >= 0)
        gt->max_maps = (uint32_t)max_maptrack_frames * MAPS_PER_FRAME;
    return 0;
}

static int add_frame(struct domain *d, struct grant_table *gt)
{
    struct grant_active *active;
    mfn_t m;

    ASSERT_LOCKED(&gt->lock);
    active = heap_alloc(GRANTS_PER_FRAME * sizeof(*active));
    if (!active)
        return -XEN_ENOMEM;
    m = page_alloc(0, ALLOC_ZERO);
    if (mfn_eq(m, INVALID_MFN)) {
        heap_free(active);
        return -XEN_ENOMEM;
    }
    domain_share_frame(d, m);
    gt->active[gt->nr_frames] = active;
    gt->frame[gt->nr_frames] = mfn_to_virt(m);
    gt->nr_frames++;
    return 0;
}

static int get_frame(struct domain *d, uint64_t index, mfn_t *out)
{
    struct grant_table *gt = d->grant_table;
    int rc = 0;

    spin_lock(&gt->lock);
    if (d->is_dying || index >= gt->max_frames)
        rc = -XEN_EINVAL;
    while (!rc && gt->nr_frames <= index)
        rc = add_frame(d, gt);
    if (!rc)
        *out = virt_to_mfn(gt->frame[index]);
    spin_unlock(&gt->lock);
    return rc;
}

int grant_table_put_frames(struct domain *d, uint64_t first, uint32_t nr, uint64_t list)
{
    uint32_t max = d->grant_table->max_frames;
    int rc = first > max || nr > max - first ? -XEN_EINVAL : 0;
    mfn_t m;

    for (uint32_t i = 0; i < nr && !rc; i++) {
        rc = get_frame(d, first + i, &m);
        if (!rc)
            rc = copy_to_guest(list + i * sizeof(m.n), &m.n, sizeof(m.n));
    }
    return rc;
}

/* What we share goes back; whoever still has grants of this domain mapped unpins entries without a frame. */
int grant_table_relinquish(struct domain *d)
{
    struct grant_table *gt = d->grant_table;
    int rc = grant_maps_relinquish(d);

    for (unsigned i = 0; !rc && i < MAX_GRANT_FRAMES; i++) {
        struct grant_entry_v1 *entries;
        spin_lock(&gt->lock);
        entries = gt->frame[i];
        gt->frame[i] = NULL;
        spin_unlock(&gt->lock);
        if (entries)
            frame_put(frame_of(virt_to_mfn(entries)));
    }
    return rc;
}

void grant_table_destroy(struct domain *d)
{
    struct grant_table *gt = d->grant_table;

    if (!gt)
        return;
    while (grant_table_relinquish(d) == -XEN_ERESTART)
        ;
    for (unsigned i = 0; i < gt->nr_frames; i++)
        heap_free(gt->active[i]);
    grant_maps_destroy(gt);
    heap_free(gt);
    d->grant_table = NULL;
}

/* ---- pins ---- */

static struct grant_active *active_entry(struct grant_table *gt, grant_ref_t ref)
{
    return &gt->active[ref / GRANTS_PER_FRAME][ref % GRANTS_PER_FRAME];
}

/* NULL once the table is gone. */
static struct grant_entry_v1 *shared_entry(struct grant_table *gt, grant_ref_t ref)
{
    struct grant_entry_v1 *entries = gt->frame[ref / GRANTS_PER_FRAME];

    return entries ? &entries[ref % GRANTS_PER_FRAME] : NULL;
}

/*
 * Does the guest grant this? If so tell it that the entry is in use. Flags (low half) and domain of an entry are one word
 * here, as the guest may change both.
 */
static bool mark_entry(struct grant_entry_v1 *entry, unsigned user, bool readonly)
{
    uint32_t *at = (uint32_t *)(void *)entry;
    uint32_t set = readonly ? GTF_reading : GTF_reading | GTF_writing;
    uint32_t word = READ_ONCE(*at);

    for (unsigned i = 0; i < PIN_TRIES; i++) {
        if ((word & GTF_type_mask) != GTF_permit_access || word >> 16 != user || (!readonly && word & GTF_readonly))
            return false;
        if (try_cmpxchg32(at, &word, word | set))
            return true;
    }
    return false;
}
_Static_assert(offsetof(struct grant_entry_v1, flags) == 0 && offsetof(struct grant_entry_v1, domid) == 2, "one word");

/* With the table's lock. What was pinned stays what it was; the guest is asked again only for more than it gave. */
static bool pin_entry(struct grant_entry_v1 *entry, struct grant_active *active, unsigned user, bool readonly)
{
    bool pinned = active->pins[0] || active->pins[1];

    if (pinned && active->domid != user)
        return false;
    if ((!pinned || (!readonly && !active->pins[1])) && !mark_entry(entry, user, readonly))
        return false;
    if (!pinned) {
        active->domid = (domid_t)user;
        active->frame = READ_ONCE(entry->frame);
    }
    active->pins[!readonly]++;
    return true;
}

int16_t grant_pin(struct domain *d, grant_ref_t ref, const struct domain *user, bool readonly, mfn_t *out)
{
    struct grant_table *gt = d->grant_table;
    struct grant_entry_v1 *entry = NULL;
    int16_t status = GNTST_bad_gntref;

    spin_lock(&gt->lock);
    if (ref < gt->nr_frames * GRANTS_PER_FRAME)
        entry = shared_entry(gt, ref);
    if (entry) {
        struct grant_active *active = active_entry(gt, ref);
        status = pin_entry(entry, active, user->id, readonly) ? GNTST_okay : GNTST_general_error;
        *out = mfn(active->frame);
    }
    spin_unlock(&gt->lock);
    return status;
}

/* Only for what grant_pin() gave. */
void grant_unpin(struct domain *d, grant_ref_t ref, bool readonly)
{
    struct grant_table *gt = d->grant_table;
    struct grant_active *active;
    struct grant_entry_v1 *entry;
    uint16_t clear = GTF_reading | GTF_writing;

    spin_lock(&gt->lock);
    BUG_ON(ref >= gt->nr_frames * GRANTS_PER_FRAME);
    active = active_entry(gt, ref);
    entry = shared_entry(gt, ref);
    BUG_ON(!active->pins[!readonly]);
    active->pins[!readonly]--;
    if (active->pins[0])
        clear = GTF_writing;
    if (entry && !active->pins[1])
        (void)fetch_and16(&entry->flags, (uint16_t)~clear);
    spin_unlock(&gt->lock);
}

/* ---- lists of operations ---- */

struct domain *grant_batch_domain(struct grant_batch *b, domid_t id)
{
    if (id == b->d->id)
        return b->d;                     /* which stays without a reference */
    if (b->far && b->far->id == id)
        return b->far;
    if (b->far)
        domain_put(b->far);
    b->far = id == DOMID_SELF ? NULL : domain_get_by_id(id);
    return b->far;
}

/* A GNTST_ code; if that is okay domain_untarget() is to follow. */
static int16_t table_owner(domid_t id, struct domain **out)
{
    int rc = domain_target(id, out);

    if (rc)
        return rc == -XEN_ESRCH ? GNTST_bad_domain : GNTST_permission_denied;
    return GNTST_okay;
}

static int16_t setup_table(struct grant_batch *b UNUSED, void *arg)
{
    const struct gnttab_setup_table *op = arg;
    struct domain *d;
    int16_t status = table_owner(op->dom, &d);
    int rc;

    if (status != GNTST_okay)
        return status;
    rc = grant_table_put_frames(d, 0, op->nr_frames, op->frame_list);
    domain_untarget(d);
    if (rc)
        return rc == -XEN_EFAULT ? GNTST_bad_virt_addr : GNTST_general_error;
    return GNTST_okay;
}

/* A table that nobody has asked for yet counts as one frame: it is made when somebody does. */
static int16_t query_size(struct grant_batch *b UNUSED, void *arg)
{
    struct gnttab_query_size *op = arg;
    struct domain *d;
    int16_t status = table_owner(op->dom, &d);

    if (status == GNTST_okay) {
        op->nr_frames = MAX(READ_ONCE(d->grant_table->nr_frames), 1u);
        op->max_nr_frames = d->grant_table->max_frames;
        domain_untarget(d);
    }
    return status;
}

/* ---- hypercall ---- */

struct grant_op {
    int16_t (*run)(struct grant_batch *b, void *element);    /* a GNTST_ code */
    uint16_t size;
    uint16_t status;                     /* where the code goes */
    bool is_single;                      /* takes one element only */
};

#define ROW(name, run)   run, sizeof(struct gnttab_##name), offsetof(struct gnttab_##name, status)

static const struct grant_op ops[] = {
    [GNTTABOP_map_grant_ref] = { ROW(map_grant_ref, grant_map_ref) },
    [GNTTABOP_unmap_grant_ref] = { ROW(unmap_grant_ref, grant_unmap_ref) },
    [GNTTABOP_copy] = { ROW(copy, grant_copy) },
    [GNTTABOP_setup_table] = { ROW(setup_table, setup_table), .is_single = true },
    [GNTTABOP_query_size] = { ROW(query_size, query_size), .is_single = true },
};

/*
 * Run up to `count` elements from guest address `arg` on; *done of them are finished, with their status in guest memory.
 * 0, -XEN_EFAULT, or -XEN_ERESTART if there are more.
 */
static int run_list(const struct grant_op *op, struct grant_batch *b, uint64_t arg, uint64_t count, uint64_t *done)
{
    union { uint64_t align; uint8_t bytes[MAX_ELEMENT_SIZE]; } element;

    for (*done = 0; *done < count; ++*done, arg += op->size) {
        int16_t status;
        if (*done && *done % ELEMENTS_PER_LOOK == 0 && preempt_wanted())
            return -XEN_ERESTART;
        if (copy_from_guest(&element, arg, op->size))
            return -XEN_EFAULT;
        status = op->run(b, &element);
        memcpy(&element.bytes[op->status], &status, sizeof(status));
        if (copy_to_guest(arg, &element, op->size))
            return -XEN_EFAULT;
    }
    return 0;
}

static long do_list(uint64_t cmd, uint64_t arg, uint64_t count)
{
    const struct grant_op *op = &ops[cmd];
    struct grant_batch b;
    uint64_t done;
    int rc;

    b.d = current_domain();
    b.far = NULL;
    b.source = (struct grant_side){ .readonly = true };
    b.dest = (struct grant_side){ .readonly = false };
    b.nr_unmapped = 0;
    rc = run_list(op, &b, arg, count, &done);
    grant_copy_finish(&b);
    grant_unmap_finish(&b);
    if (b.far)
        domain_put(b.far);
    if (rc == -XEN_ERESTART)
        return hypercall_restart(cmd, arg + done * op->size, count - done, 0, 0);
    return rc;
}

/* Version 2 is refused, as by a hypervisor that was told to; guests then use version 1. */
static long set_version(uint64_t arg)
{
    struct gnttab_set_version op;

    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    if (op.version != 1)
        return op.version == 2 ? -XEN_ENOSYS : -XEN_EINVAL;
    return 0;
}

long do_grant_table_op(uint64_t cmd, uint64_t arg, uint64_t count, UNUSED_FROM_4)
{
    if (count > INT32_MAX)
        return -XEN_EINVAL;
    if (cmd == GNTTABOP_set_version)
        return set_version(arg);
    if (cmd >= ARRAY_SIZE(ops) || !ops[cmd].run)
        return -XEN_ENOSYS;
    return ops[cmd].is_single && count != 1 ? -XEN_EINVAL : do_list(cmd, arg, count);
}
