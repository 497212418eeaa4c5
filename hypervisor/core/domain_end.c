// SPDX-License-Identifier: MIT
/*
 * Teardown. The order matters: what other domains reach us by (ports, grants) first, then what the vCPUs hold, then the
 * frames, whose pins go with them. Each step can be called again after a restart and then finds the less to do.
 */
#include "core/domain_end.h"

#include "core/domain.h"
#include "mm/page_table.h"

/* Where late writers of a dead domain's shared_info write: the frame itself has gone back. */
static struct shared_info dead_shared_info;

/* Frames that others have mapped stay on their own list until the last of them lets go. */
static int relinquish_frames(struct domain *d)
{
    unsigned steps = 0;
    struct frame *f;
    int rc;

    while ((f = domain_take_frame(d))) {
        rc = d->ops->frame_relinquish(d, f);
        if (frame_clear_allocated(f)) {
            m2p_set(frame_mfn(f), M2P_INVALID);
            frame_put(f);
        }
        frame_put(f);
        if (rc)
            return rc;
        if (preempt_check(&steps))
            return -XEN_ERESTART;
    }
    return 0;
}

static int relinquish_guest(struct domain *d)
{
    return d->ops->domain_relinquish(d);
}

static int (*const steps[])(struct domain *d) = {
    evtchn_domain_relinquish, grant_table_relinquish, relinquish_guest, relinquish_frames,
};

static void stop(struct domain *d)
{
    domain_pause(d);
    spin_lock(&d->page_list_lock);
    d->is_dying = true;
    spin_unlock(&d->page_list_lock);
    (void)domain_claim_pages(d, 0);
    for (unsigned i = 0; i < MAX_WATCHDOGS; i++)
        timer_stop(&d->watchdog[i]);
}

/* The lock keeps out who writes the wall clock to all domains. */
static void drop_shared_info(struct domain *d)
{
    struct frame *f = d->shared_info_frame;

    spin_lock(&d->lock);
    d->shared_info = &dead_shared_info;
    d->shared_info_frame = NULL;
    spin_unlock(&d->lock);
    for (unsigned i = 0; i < d->max_vcpus; i++)
        d->vcpu[i]->vcpu_info = &dummy_vcpu_info;
    frame_put(f);
}

int domain_kill(struct domain *d)
{
    int rc = 0;

    if (!d->is_dying)
        stop(d);
    if (!d->shared_info_frame)
        return 0;                       /* dead already; others still hold frames of it */
    for (unsigned i = 0; i < ARRAY_SIZE(steps) && !rc; i++)
        rc = steps[i](d);
    if (rc)
        return rc;
    drop_shared_info(d);
    domain_put(d);                      /* for existing */
    domains_changed();
    return 0;
}
