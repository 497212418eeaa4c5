// SPDX-License-Identifier: MIT
/*
 * Copying between frames that are granted, or the caller's own, by the direct map. Both sides are pinned and referenced
 * before a byte is copied; both may be the same frame. They are kept until an operation names another, or the list ends:
 * a run of copies out of one page pays for it once. No lock is held while copying.
 */
#include "core/grant_internal.h"

#include "lib/string.h"

static int16_t hold_frame(const struct grant_side *s)
{
    if (!mfn_valid(s->frame) || frame_owner(frame_of(s->frame)) != s->d->id)
        return GNTST_bad_page;
    return s->d->ops->get_data(s->d, s->frame, !s->readonly) ? GNTST_okay : GNTST_general_error;
}

static void unclaim(struct grant_side *s)
{
    if (!s->d)
        return;
    s->d->ops->put_data(s->frame, !s->readonly);
    if (s->is_grant)
        grant_unpin(s->d, (grant_ref_t)s->name, s->readonly);
    domain_put(s->d);
    s->d = NULL;
}

/* Hold what side `s` has been told to; s->d says if it worked. */
static int16_t claim_named(struct grant_batch *b, struct grant_side *s)
{
    int16_t status = GNTST_okay;
    struct domain *d;

    if (s->domid != DOMID_SELF && !s->is_grant)
        return GNTST_permission_denied;
    d = s->domid == DOMID_SELF ? b->d : grant_batch_domain(b, s->domid);
    if (!d)
        return GNTST_bad_domain;
    s->d = d;
    s->frame = mfn(s->name);
    if (s->is_grant)
        status = grant_pin(d, (grant_ref_t)s->name, b->d, s->readonly, &s->frame);
    if (status == GNTST_okay) {
        status = hold_frame(s);
        if (status != GNTST_okay && s->is_grant)
            grant_unpin(d, (grant_ref_t)s->name, s->readonly);
    }
    if (status == GNTST_okay)
        domain_get(d);
    else
        s->d = NULL;
    return status;
}

static int16_t claim(struct grant_batch *b, const struct gnttab_copy_ptr *p, struct grant_side *s, bool is_grant)
{
    uint64_t name = is_grant ? p->u.ref : p->u.gmfn;

    if (s->d && s->name == name && s->domid == p->domid && s->is_grant == is_grant)
        return GNTST_okay;
    unclaim(s);
    s->name = name;
    s->domid = p->domid;
    s->is_grant = is_grant;
    return claim_named(b, s);
}

void grant_copy(struct grant_batch *b, void *arg)
{
    struct gnttab_copy *op = arg;

    op->status = GNTST_bad_copy_arg;
    if ((uint32_t)op->source.offset + op->len > PAGE_SIZE || (uint32_t)op->dest.offset + op->len > PAGE_SIZE)
        return;
    op->status = claim(b, &op->source, &b->source, op->flags & GNTCOPY_source_gref);
    if (op->status == GNTST_okay)
        op->status = claim(b, &op->dest, &b->dest, op->flags & GNTCOPY_dest_gref);
    if (op->status == GNTST_okay)
        memcpy((uint8_t *)mfn_to_virt(b->dest.frame) + op->dest.offset,
               (const uint8_t *)mfn_to_virt(b->source.frame) + op->source.offset, op->len);
}

void grant_copy_finish(struct grant_batch *b)
{
    unclaim(&b->source);
    unclaim(&b->dest);
}
