// SPDX-License-Identifier: MIT
/*
 * Two-level delivery: a pending bit and a mask bit for each port in shared_info, and in each vcpu_info one selector bit for
 * each word of them. The guest writes all of these as it likes: every access here is one atomic operation whose result is
 * used at once and never as an index. No locks.
 */
#include "core/event_internal.h"

#include "lib/bitmap.h"

_Static_assert(sizeof(((struct shared_info *)0)->evtchn_pending) * 8 == EVTCHN_2L_NR_CHANNELS, "a bit for each port");

static void mark_selector(struct domain *d, struct evtchn *chn)
{
    struct vcpu *v = evtchn_target(d, chn);
    uint64_t bit = UINT64_C(1) << (chn->port / BITMAP_WORD_BITS);

    if (!(fetch_or64(&READ_ONCE(v->vcpu_info)->evtchn_pending_sel, bit) & bit))
        evtchn_mark_upcall(v);
}

/* A port is delivered once: while its bit is set, whoever set it has told the guest, or unmasking will. */
static NOINLINE void tell(struct domain *d, struct evtchn *chn)
{
    mark_selector(d, chn);
    evtchn_check_pollers(d, chn->port);
}

static void event_2l_set_pending(struct domain *d, struct evtchn *chn)
{
    struct shared_info *shared = d->shared_info;
    uint32_t port = chn->port;

    if (bitmap_test_and_set_atomic(shared->evtchn_pending, port))
        return;
    if (bitmap_test(shared->evtchn_mask, port))
        evtchn_check_pollers(d, port);
    else
        tell(d, chn);
}

static void event_2l_clear_pending(struct domain *d, struct evtchn *chn)
{
    bitmap_clear_atomic(d->shared_info->evtchn_pending, chn->port);
}

static void event_2l_unmask(struct domain *d, struct evtchn *chn)
{
    if (bitmap_test_and_clear_atomic(d->shared_info->evtchn_mask, chn->port) &&
        bitmap_test(d->shared_info->evtchn_pending, chn->port))
        mark_selector(d, chn);
}

static bool event_2l_is_pending(struct domain *d, uint32_t port)
{
    return bitmap_test(d->shared_info->evtchn_pending, port);
}

static bool event_2l_is_busy(struct domain *d UNUSED, uint32_t port UNUSED)
{
    return false;
}

const struct evtchn_port_ops evtchn_2l_ops = {
    .nr_ports = EVTCHN_2L_NR_CHANNELS,
    .set_pending = event_2l_set_pending,
    .clear_pending = event_2l_clear_pending,
    .unmask = event_2l_unmask,
    .is_pending = event_2l_is_pending,
    .is_busy = event_2l_is_busy,
};
