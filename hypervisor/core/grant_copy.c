// SPDX-License-Identifier: MIT
/*
 * Copying between frames that are granted, or the caller's own, by the direct map. Both sides are pinned and referenced
 * before a byte is copied; both may be the same frame. They are kept until an operation names another, or the list ends:
 * a run of copies out of one page pays for it once. No lock is held while copying.
 */
#include "core/domain.h"

static void unclaim(struct grant_side *s)
{
    if (!s->d)
        return;
    guest_put_data(s->frame, !s->readonly);
    if (s->is_grant)
        grant_unpin(s->d, (grant_ref_t)s->name, s->readonly);
    domain_put(s->d);
    s->d = NULL;
}

static int16_t claim(struct grant_batch *b, const struct gnttab_copy_ptr *p, struct grant_side *s, bool is_grant)
{
    uint64_t name = is_grant ? p->u.ref : p->u.gmfn;
    int16_t status = GNTST_okay;
    struct domain *d;

    if (s->d && s->name == name && s->domid == p->domid && s->is_grant == is_grant)
        return GNTST_okay;
    unclaim(s);
    if (p->domid != DOMID_SELF && !is_grant)
        return GNTST_permission_denied;
    d = p->domid == DOMID_SELF ? b->d : grant_batch_domain(b, p->domid);
    if (!d)
        return GNTST_bad_domain;
    s->name = name;
    s->domid = p->domid;
    s->is_grant = is_grant;
    s->frame = mfn(name);
    if (is_grant)
        status = grant_pin(d, p->u.ref, b->d, s->readonly, &s->frame);
    if (status != GNTST_okay)
        return status;
    if (!guest_get_data(d, s->frame, !s->readonly)) {
        if (is_grant)
            grant_unpin(d, p->u.ref, s->readonly);
        return GNTST_bad_page;
    }
    domain_get(d);
    s->d = d;
    return GNTST_okay;
}

int16_t grant_copy(struct grant_batch *b, void *arg)
{
    const struct gnttab_copy *op = arg;
    int16_t status;

    if ((uint32_t)op->source.offset + op->len > PAGE_SIZE || (uint32_t)op->dest.offset + op->len > PAGE_SIZE)
        return GNTST_bad_copy_arg;
    status = claim(b, &op->source, &b->source, op->flags & GNTCOPY_source_gref);
    if (status == GNTST_okay)
        status = claim(b, &op->dest, &b->dest, op->flags & GNTCOPY_dest_gref);
    if (status == GNTST_okay)
        memcpy((uint8_t *)mfn_to_virt(b->dest.frame) + op->dest.offset,
               (const uint8_t *)mfn_to_virt(b->source.frame) + op->source.offset, op->len);
    return status;
}

void grant_copy_finish(struct grant_batch *b)
{
    unclaim(&b->source);
    unclaim(&b->dest);
}
