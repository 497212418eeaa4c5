// SPDX-License-Identifier: MIT
/*
 * Grant tables, version 1: the table that a domain shares with us, pins on its entries, and hypercall 20. Its frames are
 * pages of ours that the guest maps and writes at any time: an entry's flags and domain are read and changed as one 32-bit
 * word, a bounded number of times. Mapping and copying are in grant_map.c and grant_copy.c.
 */
#include "core/grant_table.h"

#include "core/grant_internal.h"
#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "core/preempt.h"
#include "cpu/percpu.h"
#include "lib/assert.h"
#include "mm/heap.h"
#include "mm/page_alloc.h"

#define PIN_TRIES           8u           /* a guest that keeps changing an entry gets it refused */
#define MAX_PINS            UINT32_C(0x7fffffff)
#define MAX_ELEMENT_SIZE    64u
#define ELEMENTS_PER_LOOK   16u          /* each may be a page copied */

/* ---- the table ---- */

int grant_table_create(struct domain *d, unsigned max_frames, unsigned max_maptrack_frames)
{
    struct grant_table *gt;

    if (max_frames > MAX_GRANT_FRAMES || max_maptrack_frames > MAX_MAPTRACK_FRAMES)
        return -XEN_EINVAL;
    gt = heap_new(struct grant_table);
    if (!gt)
        return -XEN_ENOMEM;
    spin_lock_init(&gt->lock, LOCK_GRANT_TABLE);
    gt->max_frames = max_frames;
    d->grant_table = gt;
    return grant_maps_create(gt, max_maptrack_frames);
}

static int add_frame(struct domain *d, struct grant_table *gt)
{
    struct grant_active *active;
    mfn_t m;

    ASSERT_LOCKED(&gt->lock);
    active = heap_alloc(GRANTS_PER_FRAME * sizeof(*active), 0);
    if (!active)
        return -XEN_ENOMEM;
    m = page_alloc(0, ALLOC_ZERO);
    if (!mfn_is_valid_number(m)) {
        heap_free(active);
        return -XEN_ENOMEM;
    }
    domain_share_frame(d, m);
    gt->active[gt->nr_frames] = active;
    gt->frame[gt->nr_frames] = mfn_to_virt(m);
    gt->nr_frames++;
    return 0;
}

/* Have at least `nr` frames. */
static int grow(struct domain *d, struct grant_table *gt, unsigned nr)
{
    int rc = 0;

    ASSERT_LOCKED(&gt->lock);
    if (nr > gt->max_frames || d->is_dying)
        return -XEN_EINVAL;
    while (gt->nr_frames < nr && !rc)
        rc = add_frame(d, gt);
    return rc;
}

int grant_table_frame(struct domain *d, unsigned idx, mfn_t *out)
{
    struct grant_table *gt = d->grant_table;
    int rc;

    if (idx >= gt->max_frames)
        return -XEN_EINVAL;
    spin_lock(&gt->lock);
    rc = grow(d, gt, idx + 1);
    if (!rc)
        *out = virt_to_mfn(gt->frame[idx]);
    spin_unlock(&gt->lock);
    return rc;
}

/* What we share goes back; whoever still has grants of this domain mapped unpins entries without a frame. */
static void drop_frames(struct grant_table *gt)
{
    for (unsigned i = 0; i < MAX_GRANT_FRAMES; i++) {
        struct grant_entry_v1 *entries;
        spin_lock(&gt->lock);
        entries = gt->frame[i];
        gt->frame[i] = NULL;
        spin_unlock(&gt->lock);
        if (entries)
            frame_put(frame_of(virt_to_mfn(entries)));
    }
}

int grant_table_relinquish(struct domain *d)
{
    int rc = d->grant_table ? grant_maps_relinquish(d) : 0;

    if (!rc && d->grant_table)
        drop_frames(d->grant_table);
    return rc;
}

void grant_table_destroy(struct domain *d)
{
    struct grant_table *gt = d->grant_table;

    if (!gt)
        return;
    drop_frames(gt);
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

/* Flags (low half) and domain of an entry as one word, as the guest may change both. */
static uint32_t *entry_word(struct grant_entry_v1 *entry)
{
    return (uint32_t *)(void *)entry;
}
_Static_assert(offsetof(struct grant_entry_v1, flags) == 0 && offsetof(struct grant_entry_v1, domid) == 2, "one word");

/* Does the guest grant this? If so tell it that the entry is in use. */
static int16_t mark_entry(struct grant_entry_v1 *entry, unsigned user, bool readonly)
{
    uint32_t set = readonly ? GTF_reading : GTF_reading | GTF_writing;
    uint32_t word = READ_ONCE(*entry_word(entry));

    for (unsigned i = 0; i < PIN_TRIES; i++) {
        if ((word & GTF_type_mask) != GTF_permit_access || word >> 16 != user)
            return GNTST_general_error;
        if (!readonly && (word & GTF_readonly))
            return GNTST_general_error;
        if (try_cmpxchg32(entry_word(entry), &word, word | set))
            return GNTST_okay;
    }
    return GNTST_general_error;
}

static void unmark_entry(struct grant_entry_v1 *entry, const struct grant_active *active)
{
    uint16_t clear = 0;

    if (!active->writers)
        clear |= GTF_writing;
    if (!active->writers && !active->readers)
        clear |= GTF_reading;
    if (entry && clear)
        (void)fetch_and16(&entry->flags, (uint16_t)~clear);
}

/* With the table's lock. What was pinned stays what it was; the guest is asked again only for more than it gave. */
static int16_t pin_entry(struct grant_entry_v1 *entry, struct grant_active *active, unsigned user, bool readonly)
{
    bool pinned = active->readers || active->writers;
    int16_t status = GNTST_okay;

    if (pinned && active->domid != user)
        return GNTST_general_error;
    if (active->readers >= MAX_PINS || active->writers >= MAX_PINS)
        return GNTST_general_error;
    if (!pinned || (!readonly && !active->writers))
        status = mark_entry(entry, user, readonly);
    if (status != GNTST_okay)
        return status;
    if (!pinned) {
        active->domid = (domid_t)user;
        active->frame = READ_ONCE(entry->frame);
    }
    if (readonly)
        active->readers++;
    else
        active->writers++;
    return GNTST_okay;
}

int16_t grant_pin(struct domain *d, grant_ref_t ref, const struct domain *user, bool readonly, mfn_t *out)
{
    struct grant_table *gt = d->grant_table;
    struct grant_entry_v1 *entry;
    int16_t status = GNTST_bad_gntref;

    spin_lock(&gt->lock);
    if (ref < gt->nr_frames * GRANTS_PER_FRAME) {
        entry = shared_entry(gt, ref);
        if (entry)
            status = pin_entry(entry, active_entry(gt, ref), user->id, readonly);
        if (status == GNTST_okay)
            *out = mfn(active_entry(gt, ref)->frame);
    }
    spin_unlock(&gt->lock);
    return status;
}

/* Only for what grant_pin() gave. */
void grant_unpin(struct domain *d, grant_ref_t ref, bool readonly)
{
    struct grant_table *gt = d->grant_table;
    struct grant_active *active;

    spin_lock(&gt->lock);
    BUG_ON(ref >= gt->nr_frames * GRANTS_PER_FRAME);
    active = active_entry(gt, ref);
    BUG_ON(!(readonly ? active->readers : active->writers));
    if (readonly)
        active->readers--;
    else
        active->writers--;
    unmark_entry(shared_entry(gt, ref), active);
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

struct grant_list_op {
    void (*run)(struct grant_batch *b, void *element);    /* sets the element's status */
    uint16_t size;
};

static const struct grant_list_op list_ops[] = {
    [GNTTABOP_map_grant_ref] = { grant_map_ref, sizeof(struct gnttab_map_grant_ref) },
    [GNTTABOP_unmap_grant_ref] = { grant_unmap_ref, sizeof(struct gnttab_unmap_grant_ref) },
    [GNTTABOP_copy] = { grant_copy, sizeof(struct gnttab_copy) },
};

/*
 * Run up to `count` elements from guest address `arg` on; *done of them are finished, with their status in guest memory.
 * 0, -XEN_EFAULT, or -XEN_ERESTART if there are more.
 */
static int run_list(const struct grant_list_op *op, struct grant_batch *b, uint64_t arg, uint64_t count, uint64_t *done)
{
    uint64_t element[MAX_ELEMENT_SIZE / sizeof(uint64_t)];

    for (*done = 0; *done < count; ++*done, arg += op->size) {
        if (*done && *done % ELEMENTS_PER_LOOK == 0 && preempt_wanted())
            return -XEN_ERESTART;
        if (copy_from_guest(element, arg, op->size))
            return -XEN_EFAULT;
        op->run(b, element);
        if (copy_to_guest(arg, element, op->size))
            return -XEN_EFAULT;
    }
    return 0;
}

static long do_list(uint64_t cmd, uint64_t arg, uint64_t count)
{
    const struct grant_list_op *op = &list_ops[cmd];
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

/* ---- operations on a table ---- */

/* A GNTST_ code; if that is okay domain_untarget() is to follow. */
static int16_t table_owner(domid_t id, struct domain **out)
{
    int rc = domain_target(id, out);

    if (rc)
        return rc == -XEN_ESRCH ? GNTST_bad_domain : GNTST_permission_denied;
    return GNTST_okay;
}

static int16_t tell_frames(struct domain *d, const struct gnttab_setup_table *op)
{
    for (unsigned i = 0; i < op->nr_frames; i++) {
        mfn_t m;
        xen_pfn_t gfn;
        if (grant_table_frame(d, i, &m))
            return GNTST_general_error;
        gfn = m.n;
        if (copy_to_guest(op->frame_list + i * sizeof(gfn), &gfn, sizeof(gfn)))
            return GNTST_bad_virt_addr;
    }
    return GNTST_okay;
}

static int op_setup_table(struct vcpu *v UNUSED, void *arg)
{
    struct gnttab_setup_table *op = arg;
    struct domain *d;

    op->status = table_owner(op->dom, &d);
    if (op->status != GNTST_okay)
        return 0;
    op->status = op->nr_frames > d->grant_table->max_frames ? GNTST_general_error : tell_frames(d, op);
    domain_untarget(d);
    return 0;
}

/* A table that nobody has asked for yet counts as one frame: it is made when somebody does. */
static int op_query_size(struct vcpu *v UNUSED, void *arg)
{
    struct gnttab_query_size *op = arg;
    struct domain *d;

    op->status = table_owner(op->dom, &d);
    if (op->status != GNTST_okay)
        return 0;
    op->nr_frames = MAX(READ_ONCE(d->grant_table->nr_frames), 1u);
    op->max_nr_frames = d->grant_table->max_frames;
    domain_untarget(d);
    return 0;
}

/* Version 2 is refused, as by a hypervisor that was told to; guests then use version 1. */
static int op_set_version(struct vcpu *v UNUSED, void *arg)
{
    const struct gnttab_set_version *op = arg;

    if (op->version != 1 && op->version != 2)
        return -XEN_EINVAL;
    return op->version == 1 ? 0 : -XEN_ENOSYS;
}

#define IN_OUT(name)   { op_##name, sizeof(struct gnttab_##name), SUBOP_IN | SUBOP_OUT }

static const struct subop table_ops[] = {
    [GNTTABOP_setup_table] = IN_OUT(setup_table),
    [GNTTABOP_query_size] = IN_OUT(query_size),
    [GNTTABOP_set_version] = IN_OUT(set_version),
};

long do_grant_table_op(uint64_t cmd, uint64_t arg, uint64_t count, uint64_t a4 UNUSED, uint64_t a5 UNUSED)
{
    if (count > INT32_MAX)
        return -XEN_EINVAL;
    if (cmd < ARRAY_SIZE(list_ops) && list_ops[cmd].run)
        return do_list(cmd, arg, count);
    if ((cmd == GNTTABOP_setup_table || cmd == GNTTABOP_query_size) && count != 1)
        return -XEN_EINVAL;
    return subop_dispatch(table_ops, ARRAY_SIZE(table_ops), current_vcpu(), cmd, arg);
}
