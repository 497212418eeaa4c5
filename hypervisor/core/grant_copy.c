// SPDX-License-Identifier: MIT
/*
 * Copying between frames that are granted, or the caller's own, by the direct map. Both sides are pinned and referenced
 * before a byte is copied, and given up after it; both may be the same frame. No lock is held while copying.
 */
#include "core/grant_internal.h"

#include "lib/string.h"

struct copy_side {
    struct domain *d;                    /* whose frame; NULL: this side holds nothing. Referenced */
    grant_ref_t ref;
    bool is_grant;
    bool readonly;
    mfn_t frame;
};

static int16_t find_owner(struct grant_batch *b, const struct gnttab_copy_ptr *p, struct copy_side *s)
{
    if (p->domid != DOMID_SELF && !s->is_grant)
        return GNTST_permission_denied;
    s->d = p->domid == DOMID_SELF ? b->d : grant_batch_domain(b, p->domid);
    if (!s->d)
        return GNTST_bad_domain;
    domain_get(s->d);
    return GNTST_okay;
}

static int16_t hold_frame(struct copy_side *s)
{
    if (!mfn_valid(s->frame) || frame_owner(frame_of(s->frame)) != s->d->id)
        return GNTST_bad_page;
    return s->d->ops->get_data(s->d, s->frame, !s->readonly) ? GNTST_okay : GNTST_general_error;
}

static int16_t claim(struct grant_batch *b, const struct gnttab_copy_ptr *p, struct copy_side *s)
{
    int16_t status = find_owner(b, p, s);

    if (status != GNTST_okay)
        return status;
    s->ref = p->u.ref;
    s->frame = mfn(p->u.gmfn);
    if (s->is_grant)
        status = grant_pin(s->d, s->ref, b->d, s->readonly, &s->frame);
    if (status == GNTST_okay) {
        status = hold_frame(s);
        if (status != GNTST_okay && s->is_grant)
            grant_unpin(s->d, s->ref, s->readonly);
    }
    if (status != GNTST_okay)
        domain_put(s->d);
    return status;
}

static void unclaim(struct copy_side *s)
{
    s->d->ops->put_data(s->frame, !s->readonly);
    if (s->is_grant)
        grant_unpin(s->d, s->ref, s->readonly);
    domain_put(s->d);
}

static int16_t copy_claimed(const struct gnttab_copy *op, const struct copy_side *from, const struct copy_side *to)
{
    const uint8_t *source = mfn_to_virt(from->frame);
    uint8_t *dest = mfn_to_virt(to->frame);

    memcpy(dest + op->dest.offset, source + op->source.offset, op->len);
    return GNTST_okay;
}

void grant_copy(struct grant_batch *b, void *arg)
{
    struct gnttab_copy *op = arg;
    struct copy_side from = { .is_grant = op->flags & GNTCOPY_source_gref, .readonly = true };
    struct copy_side to = { .is_grant = op->flags & GNTCOPY_dest_gref };

    op->status = GNTST_bad_copy_arg;
    if ((uint32_t)op->source.offset + op->len > PAGE_SIZE || (uint32_t)op->dest.offset + op->len > PAGE_SIZE)
        return;
    op->status = claim(b, &op->source, &from);
    if (op->status != GNTST_okay)
        return;
    op->status = claim(b, &op->dest, &to);
    if (op->status == GNTST_okay) {
        op->status = copy_claimed(op, &from, &to);
        unclaim(&to);
    }
    unclaim(&from);
}
