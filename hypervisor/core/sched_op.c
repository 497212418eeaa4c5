// SPDX-License-Identifier: MIT
/*
 * SCHEDOP: what a vCPU says about its own running, and a domain about its end. Nothing here takes effect in the middle of
 * the hypercall: a vCPU that blocks, polls or shuts down stops on its way back to the guest.
 */
#include "core/hypercall.h"
#include "public/sched.h"

#define MAX_POLL_PORTS  128u

static long op_yield(struct vcpu *v UNUSED, void *arg UNUSED)
{
    sched_yield();
    return 0;
}

static long op_block(struct vcpu *v, void *arg UNUSED)
{
    WRITE_ONCE(v->vcpu_info->evtchn_upcall_mask, 0);
    sched_block();
    return 0;
}

static long op_shutdown(struct vcpu *v, void *arg)
{
    const struct sched_shutdown *shutdown = arg;

    domain_shutdown(v->domain, shutdown->reason);
    return 0;
}

/* The flag comes before the look at the ports, as in sched_block(). */
static long poll(struct vcpu *v, const uint32_t *ports, unsigned nr, uint64_t timeout_ns)
{
    int rc;

    timer_stop(&v->poll_timer);
    (void)fetch_or32(&v->pause_flags, VPF_POLL);
    rc = evtchn_poll_check(v, ports, nr);
    if (rc <= 0 || evtchn_vcpu_pending(v) || (timeout_ns && timeout_ns <= clock_now())) {
        (void)fetch_and32(&v->pause_flags, ~VPF_POLL);
        vcpu_end_poll(v);
        return rc < 0 ? rc : 0;
    }
    if (timeout_ns)
        timer_set(&v->poll_timer, timeout_ns);
    softirq_raise(SOFTIRQ_SCHEDULE);
    return 0;
}

static long op_poll(struct vcpu *v, void *arg)
{
    const struct sched_poll *p = arg;
    uint32_t ports[MAX_POLL_PORTS];

    if (p->nr_ports > MAX_POLL_PORTS)
        return -XEN_EINVAL;
    if (copy_from_guest(ports, p->ports, p->nr_ports * sizeof(ports[0])))
        return -XEN_EFAULT;
    return poll(v, ports, p->nr_ports, p->timeout);
}

/* Those in use are those that are set. A new one: its number, counted from 1. */
static int watchdog_start(struct domain *d, uint64_t expires_ns)
{
    for (unsigned i = 0; i < MAX_WATCHDOGS; i++) {
        if (!d->watchdog[i].is_set) {
            timer_set(&d->watchdog[i], expires_ns);
            return (int)i + 1;
        }
    }
    return -XEN_ENOSPC;
}

static long op_watchdog(struct vcpu *v, void *arg)
{
    const struct sched_watchdog *w = arg;
    struct domain *d = v->domain;
    struct timer *old = w->id - 1 < MAX_WATCHDOGS ? &d->watchdog[w->id - 1] : NULL;
    uint64_t expires_ns = clock_now() + w->timeout * NS_PER_SECOND;

    if (!w->id && w->timeout)
        return watchdog_start(d, expires_ns);
    if (!old || !old->is_set)
        return -XEN_EINVAL;
    if (w->timeout)
        timer_set(old, expires_ns);
    else
        timer_stop(old);
    return 0;
}

static long op_pin_override(struct vcpu *v, void *arg)
{
    const struct sched_pin_override *pin = arg;

    return sched_pin_override(v, pin->pcpu);
}

static const struct subop sched_ops[] = {
    [SCHEDOP_yield]           = {op_yield, 0, 0},
    [SCHEDOP_block]           = {op_block, 0, 0},
    [SCHEDOP_shutdown]        = {op_shutdown, IN(sched_shutdown)},
    [SCHEDOP_poll]            = {op_poll, IN(sched_poll)},
    [SCHEDOP_watchdog]        = {op_watchdog, IN(sched_watchdog) | SUBOP_LOCKED},
    [SCHEDOP_pin_override]    = {op_pin_override, IN(sched_pin_override) | SUBOP_DOM0 | SUBOP_LOCKED},
};

long do_sched_op(uint64_t cmd, uint64_t arg, UNUSED_FROM_3)
{
    return subop_dispatch(sched_ops, ARRAY_SIZE(sched_ops), current_vcpu(), cmd, arg);
}
