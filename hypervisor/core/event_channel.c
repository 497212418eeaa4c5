// SPDX-License-Identifier: MIT
/*
 * Event channels: the life of ports, sending, and hypercall 32. How a pending port reaches the guest is the business of
 * event_2l.c and event_fifo.c.
 *
 * Sending takes no lock but that of the sender's port, with interrupts off, and may happen anywhere. Everything that binds
 * or closes takes the domain's event lock (both domains' for a pair) and then the port's; see event_internal.h. Nothing
 * here may trust what a guest wrote: a port number is checked by evtchn_lookup() and nowhere else.
 */
#include "core/event_channel.h"

#include "core/event_internal.h"
#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "core/irq_guest.h"
#include "core/preempt.h"
#include "cpu/guest_word.h"
#include "cpu/percpu.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/heap.h"

#define NO_PORT         0u                  /* of virq_port: port 0 is never bound */
#define POLLS_SEVERAL   UINT32_MAX

static bool virq_is_global(uint32_t virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

/* ---- delivery ---- */

void evtchn_mark_upcall(struct vcpu *v)
{
    if (xchg8(&READ_ONCE(v->vcpu_info)->evtchn_upcall_pending, 1))
        return;
    /* The current vCPU looks at it on its way out, unless it is on its way to sleep. */
    if (v != current_vcpu() || READ_ONCE(v->pause_flags))
        vcpu_kick(v);
}

static void deliver(struct domain *d, struct evtchn *chn)
{
    load_acquire(&d->evtchn.ops)->set_pending(d, chn);
}

/* From a hypercall: interrupts are on, and need not be asked for. */
static int evtchn_send(struct domain *d, uint32_t port)
{
    struct evtchn *chn = evtchn_lookup(d, port);
    int rc = 0;

    if (unlikely(!chn))
        return -XEN_EINVAL;
    irq_disable();
    spin_lock(&chn->lock);
    if (likely(chn->state == EVTCHNSTAT_interdomain))
        deliver(chn->u.remote.domain, chn->u.remote.peer);
    else if (chn->state == EVTCHNSTAT_ipi)
        deliver(d, chn);
    else if (chn->state != EVTCHNSTAT_unbound)
        rc = -XEN_EINVAL;
    spin_unlock(&chn->lock);
    irq_enable();
    return rc;
}

/* `port` was read without a lock: deliver only if it is still bound so. */
static void send_if_bound(struct domain *d, uint32_t port, unsigned state, uint32_t virq)
{
    struct evtchn *chn = port == NO_PORT ? NULL : evtchn_lookup(d, port);
    unsigned long flags;

    if (!chn)
        return;
    flags = spin_lock_irqsave(&chn->lock);
    if (chn->state == state && (state != EVTCHNSTAT_virq || chn->u.virq == virq))
        deliver(d, chn);
    spin_unlock_irqrestore(&chn->lock, flags);
}

void evtchn_send_virq(struct vcpu *v, unsigned virq)
{
    if (virq_is_global(virq))
        evtchn_send_global_virq(v->domain, virq);
    else
        send_if_bound(v->domain, READ_ONCE(v->evtchn.virq_port[virq]), EVTCHNSTAT_virq, virq);
}

/* Where a global one is bound is kept with vCPU 0, whichever it notifies. */
void evtchn_send_global_virq(struct domain *d, unsigned virq)
{
    if (d->vcpu[0])
        send_if_bound(d, READ_ONCE(d->vcpu[0]->evtchn.virq_port[virq]), EVTCHNSTAT_virq, virq);
}

void evtchn_send_pirq(struct domain *d, uint32_t port)
{
    send_if_bound(d, port, EVTCHNSTAT_pirq, 0);
}

/* The new vcpu_info shows nothing of what was pending: have the guest look at all. */
void evtchn_vcpu_info_moved(struct vcpu *v)
{
    (void)fetch_or64(&v->vcpu_info->evtchn_pending_sel, ~UINT64_C(0));
    evtchn_mark_upcall(v);
}

/* ---- polling ---- */

static bool is_polling(const struct vcpu *v, uint32_t port)
{
    uint32_t polled = READ_ONCE(v->evtchn.poll_port);

    return polled == POLLS_SEVERAL || (polled && polled == port);
}

void evtchn_wake_pollers(struct domain *d, uint32_t port)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        uint64_t *word = &d->evtchn.pollers[i / 64];
        uint64_t bit = UINT64_C(1) << (i % 64);
        struct vcpu *v = d->vcpu[i];

        if (!(READ_ONCE(*word) & bit) || !v)
            continue;
        if (is_polling(v, port))
            vcpu_kick(v);
        /* One that has ended its poll meanwhile; it sets the bit anew before it looks at its ports again. */
        if (!READ_ONCE(v->evtchn.poll_port))
            (void)fetch_and64(word, ~bit);
    }
}

int evtchn_poll_check(struct vcpu *v, const uint32_t *ports, unsigned nr)
{
    struct domain *d = v->domain;
    int rc = 1;

    if (!nr)
        return 1;
    WRITE_ONCE(v->evtchn.poll_port, nr == 1 && ports[0] ? ports[0] : POLLS_SEVERAL);
    (void)fetch_or64(&d->evtchn.pollers[v->id / 64], UINT64_C(1) << (v->id % 64));
    spin_lock(&d->evtchn.lock);
    for (unsigned i = 0; i < nr && rc == 1; i++) {
        if (!evtchn_lookup(d, ports[i]))
            rc = -XEN_EINVAL;
        else if (d->evtchn.ops->is_pending(d, ports[i]))
            rc = 0;
    }
    spin_unlock(&d->evtchn.lock);
    return rc;
}

bool evtchn_vcpu_pending(const struct vcpu *v)
{
    const struct vcpu_info *info = READ_ONCE(v->vcpu_info);

    return READ_ONCE(info->evtchn_upcall_pending) && !READ_ONCE(info->evtchn_upcall_mask);
}

/* ---- ports ---- */

/* How many ports the domain may have: the only place that knows. */
static uint32_t port_limit(const struct domain *d)
{
    uint32_t abi = d->evtchn.ops->nr_ports;

    return d->evtchn.max_port < abi - 1 ? d->evtchn.max_port + 1 : abi;
}

static int add_bucket(struct domain *d)
{
    uint32_t first = d->evtchn.nr_ports;
    struct evtchn *bucket = heap_alloc(PORTS_PER_BUCKET * sizeof(*bucket), 0);

    if (!bucket)
        return -XEN_ENOMEM;
    for (uint32_t i = 0; i < PORTS_PER_BUCKET; i++) {
        spin_lock_init(&bucket[i].lock, LOCK_EVENT_PORT);
        bucket[i].port = first + i;
        bucket[i].priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    }
    d->evtchn.bucket[first / PORTS_PER_BUCKET] = bucket;
    store_release(&d->evtchn.nr_ports, first + PORTS_PER_BUCKET);
    return 0;
}

/* A closed port, fit to be bound. 0, -XEN_ENOSPC or -XEN_ENOMEM. */
static int find_port(struct domain *d, struct evtchn **out)
{
    uint32_t limit = port_limit(d);
    bool all_used = true;
    int rc;

    ASSERT_LOCKED(&d->evtchn.lock);
    for (uint32_t port = d->evtchn.first_free; port < limit; port++) {
        struct evtchn *chn;
        if (port >= d->evtchn.nr_ports && (rc = add_bucket(d)))
            return rc;
        chn = evtchn_lookup(d, port);
        if (chn->state != EVTCHNSTAT_closed)
            continue;
        if (d->evtchn.ops->is_busy(d, port)) {
            all_used = false;
            continue;
        }
        if (all_used)
            d->evtchn.first_free = port;
        *out = chn;
        return 0;
    }
    if (all_used)
        d->evtchn.first_free = limit;
    return -XEN_ENOSPC;
}

/*
 * Bind a port that find_port() gave, to notify `vcpu`; what `chn->u` says is set by the caller before. Senders that have
 * its lock now find it closed, or all of it: so we need not have the lock.
 */
static void open_port(struct domain *d, struct evtchn *chn, unsigned state, unsigned vcpu)
{
    chn->vcpu = (uint16_t)vcpu;
    store_release(&chn->state, (uint8_t)state);
    d->evtchn.nr_used++;
}

static void free_port(struct domain *d, struct evtchn *chn)
{
    unsigned long flags = spin_lock_irqsave(&chn->lock);

    chn->state = EVTCHNSTAT_closed;
    chn->vcpu = 0;
    chn->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    d->evtchn.ops->clear_pending(d, chn);
    spin_unlock_irqrestore(&chn->lock, flags);
    d->evtchn.nr_used--;
    if (chn->port < d->evtchn.first_free)
        d->evtchn.first_free = chn->port;
}

/* ---- closing ---- */

/* The far end goes back to waiting for us. Both domains' event locks are held. */
static void unpair(struct domain *d, struct evtchn *chn)
{
    struct evtchn *peer = chn->u.remote.peer;
    unsigned long flags;

    flags = spin_lock_irqsave(&peer->lock);
    peer->state = EVTCHNSTAT_unbound;
    peer->u.remote_dom = (domid_t)d->id;
    spin_unlock_irqrestore(&peer->lock, flags);
}

static void unbind_virq(struct domain *d, const struct evtchn *chn)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        struct vcpu *v = d->vcpu[i];
        if (v && v->evtchn.virq_port[chn->u.virq] == chn->port)
            WRITE_ONCE(v->evtchn.virq_port[chn->u.virq], NO_PORT);
    }
}

/*
 * Take the event lock of d, and of the far end's domain if its port `chn` has one. The far end can not go away while our lock is
 * held, and may be another one each time: so the second lock is only tried, and all done again if that fails.
 */
static struct domain *lock_both_ends(struct domain *d, const struct evtchn *chn)
{
    for (;;) {
        struct domain *far;

        spin_lock(&d->evtchn.lock);
        far = chn->state == EVTCHNSTAT_interdomain ? chn->u.remote.domain : d;
        if (far == d || spin_trylock(&far->evtchn.lock))
            return far;
        spin_unlock(&d->evtchn.lock);
        cpu_relax();
    }
}

static NOINLINE int evtchn_close(struct domain *d, uint32_t port)
{
    struct evtchn *chn = evtchn_lookup(d, port);
    struct domain *far;
    int rc = 0;

    if (!chn)
        return -XEN_EINVAL;
    far = lock_both_ends(d, chn);
    if (chn->state == EVTCHNSTAT_closed || chn->state == PORT_RESERVED) {
        rc = -XEN_EINVAL;
    } else {
        if (chn->state == EVTCHNSTAT_interdomain)
            unpair(d, chn);
        else if (chn->state == EVTCHNSTAT_virq)
            unbind_virq(d, chn);
        else if (chn->state == EVTCHNSTAT_pirq)
            pirq_unbind(d, chn->u.pirq);
        free_port(d, chn);
    }
    if (far != d)
        spin_unlock(&far->evtchn.lock);
    spin_unlock(&d->evtchn.lock);
    return rc;
}

/* Close all ports from reset_next on. */
static int close_all(struct domain *d, bool may_stop)
{
    unsigned steps = 0;
    uint32_t port;

    for (port = READ_ONCE(d->evtchn.reset_next); port < READ_ONCE(d->evtchn.nr_ports); port++) {
        if (READ_ONCE(evtchn_lookup(d, port)->state) != EVTCHNSTAT_closed)
            (void)evtchn_close(d, port);
        if (may_stop && preempt_check(&steps)) {
            WRITE_ONCE(d->evtchn.reset_next, port + 1);
            return -XEN_ERESTART;
        }
    }
    WRITE_ONCE(d->evtchn.reset_next, 0);
    return 0;
}

int evtchn_domain_init(struct domain *d)
{
    int rc;

    spin_lock_init(&d->evtchn.lock, LOCK_EVENT_CHANNEL);
    d->evtchn.ops = &evtchn_2l_ops;
    d->evtchn.max_port = EVTCHN_FIFO_NR_CHANNELS - 1;
    d->evtchn.bucket = heap_alloc(MAX_BUCKETS * sizeof(*d->evtchn.bucket), 0);
    if (!d->evtchn.bucket)
        return -XEN_ENOMEM;
    rc = add_bucket(d);
    if (!rc)
        d->evtchn.bucket[0][0].state = PORT_RESERVED;
    return rc;
}

int evtchn_domain_relinquish(struct domain *d)
{
    return close_all(d, true);
}

void evtchn_domain_destroy(struct domain *d)
{
    if (!d->evtchn.bucket)
        return;
    (void)close_all(d, false);
    evtchn_fifo_destroy(d);
    for (uint32_t i = 0; i < d->evtchn.nr_ports / PORTS_PER_BUCKET; i++)
        heap_free(d->evtchn.bucket[i]);
    heap_free(d->evtchn.bucket);
    d->evtchn.bucket = NULL;
    d->evtchn.nr_ports = 0;
}

/* ---- hypercall: binding ---- */

static domid_t resolve_self(const struct vcpu *v, domid_t id)
{
    return id == DOMID_SELF ? (domid_t)v->domain->id : id;
}

static int op_alloc_unbound(struct vcpu *v, void *arg)
{
    struct evtchn_alloc_unbound *op = arg;
    struct evtchn *chn;
    struct domain *d;
    int rc = domain_target(op->dom, &d);

    if (rc)
        return rc;
    spin_lock(&d->evtchn.lock);
    rc = find_port(d, &chn);
    if (!rc) {
        chn->u.remote_dom = resolve_self(v, op->remote_dom);
        open_port(d, chn, EVTCHNSTAT_unbound, 0);
        op->port = chn->port;
    }
    spin_unlock(&d->evtchn.lock);
    domain_untarget(d);
    return rc;
}

static int bind_pair(struct domain *d, struct domain *far, struct evtchn_bind_interdomain *op)
{
    struct evtchn *chn, *peer;
    unsigned long flags;
    int rc = find_port(d, &chn);

    if (rc)
        return rc;
    peer = evtchn_lookup(far, op->remote_port);
    if (!peer || peer->state != EVTCHNSTAT_unbound || peer->u.remote_dom != d->id)
        return -XEN_EINVAL;
    chn->u.remote.domain = far;
    chn->u.remote.peer = peer;
    open_port(d, chn, EVTCHNSTAT_interdomain, 0);
    flags = spin_lock_irqsave(&peer->lock);
    peer->u.remote.domain = d;
    peer->u.remote.peer = chn;
    peer->state = EVTCHNSTAT_interdomain;
    spin_unlock_irqrestore(&peer->lock, flags);
    /* What the far end sent before there was anybody to get it. */
    deliver(d, chn);
    op->local_port = chn->port;
    return 0;
}

static int op_bind_interdomain(struct vcpu *v, void *arg)
{
    struct evtchn_bind_interdomain *op = arg;
    struct domain *d = v->domain;
    struct domain *far = domain_get_by_id(resolve_self(v, op->remote_dom));
    int rc;

    if (!far)
        return -XEN_ESRCH;
    spin_lock_pair(&d->evtchn.lock, &far->evtchn.lock);
    rc = bind_pair(d, far, op);
    spin_unlock_pair(&d->evtchn.lock, &far->evtchn.lock);
    domain_put(far);
    return rc;
}

static int op_bind_virq(struct vcpu *v, void *arg)
{
    struct evtchn_bind_virq *op = arg;
    struct domain *d = v->domain;
    struct evtchn *chn;
    struct vcpu *target;
    int rc;

    if (op->virq >= NR_VIRQS || (virq_is_global(op->virq) && op->vcpu))
        return -XEN_EINVAL;
    op->virq = clamp_index(op->virq, NR_VIRQS);
    target = vcpu_of(d, op->vcpu);
    if (!target)
        return -XEN_ENOENT;
    spin_lock(&d->evtchn.lock);
    rc = target->evtchn.virq_port[op->virq] ? -XEN_EEXIST : find_port(d, &chn);
    if (!rc) {
        chn->u.virq = op->virq;
        open_port(d, chn, EVTCHNSTAT_virq, target->id);
        WRITE_ONCE(target->evtchn.virq_port[op->virq], chn->port);
        op->port = chn->port;
    }
    spin_unlock(&d->evtchn.lock);
    return rc;
}

static int op_bind_ipi(struct vcpu *v, void *arg)
{
    struct evtchn_bind_ipi *op = arg;
    struct domain *d = v->domain;
    struct vcpu *target = vcpu_of(d, op->vcpu);
    struct evtchn *chn;
    int rc;

    if (!target)
        return -XEN_ENOENT;
    spin_lock(&d->evtchn.lock);
    rc = find_port(d, &chn);
    if (!rc) {
        open_port(d, chn, EVTCHNSTAT_ipi, target->id);
        op->port = chn->port;
    }
    spin_unlock(&d->evtchn.lock);
    return rc;
}

/* The port is open before the interrupt is, so that the first one finds it. */
static int op_bind_pirq(struct vcpu *v, void *arg)
{
    struct evtchn_bind_pirq *op = arg;
    struct domain *d = v->domain;
    struct evtchn *chn;
    int rc;

    spin_lock(&d->evtchn.lock);
    rc = find_port(d, &chn);
    if (!rc) {
        chn->u.pirq = op->pirq;
        open_port(d, chn, EVTCHNSTAT_pirq, 0);
        op->port = chn->port;
        rc = pirq_bind(d, op->pirq, chn->port);
        if (rc)
            free_port(d, chn);
    }
    spin_unlock(&d->evtchn.lock);
    return rc;
}

/* ---- hypercall: the rest ---- */

static void describe(const struct evtchn *chn, struct evtchn_status *op)
{
    memset(&op->u, 0, sizeof(op->u));
    op->status = chn->state == PORT_RESERVED ? EVTCHNSTAT_closed : chn->state;
    op->vcpu = chn->vcpu;
    if (chn->state == EVTCHNSTAT_unbound) {
        op->u.unbound.dom = chn->u.remote_dom;
    } else if (chn->state == EVTCHNSTAT_interdomain) {
        op->u.interdomain.dom = (domid_t)chn->u.remote.domain->id;
        op->u.interdomain.port = chn->u.remote.peer->port;
    } else if (chn->state == EVTCHNSTAT_pirq) {
        op->u.pirq = chn->u.pirq;
    } else if (chn->state == EVTCHNSTAT_virq) {
        op->u.virq = chn->u.virq;
    }
}

static int op_status(struct vcpu *v UNUSED, void *arg)
{
    struct evtchn_status *op = arg;
    struct evtchn *chn;
    struct domain *d;
    int rc = domain_target(op->dom, &d);

    if (rc)
        return rc;
    spin_lock(&d->evtchn.lock);
    chn = evtchn_lookup(d, op->port);
    if (chn)
        describe(chn, op);
    spin_unlock(&d->evtchn.lock);
    domain_untarget(d);
    return chn ? 0 : -XEN_EINVAL;
}

static bool may_change_vcpu(const struct evtchn *chn)
{
    switch (chn->state) {
    case EVTCHNSTAT_virq:
        return virq_is_global(chn->u.virq);
    case EVTCHNSTAT_unbound:
    case EVTCHNSTAT_interdomain:
    case EVTCHNSTAT_pirq:
        return true;
    default:
        return false;
    }
}

static int op_bind_vcpu(struct vcpu *v, void *arg)
{
    const struct evtchn_bind_vcpu *op = arg;
    struct domain *d = v->domain;
    struct vcpu *target = vcpu_of(d, op->vcpu);
    struct evtchn *chn;
    int rc = 0;

    if (!target)
        return -XEN_ENOENT;
    spin_lock(&d->evtchn.lock);
    chn = evtchn_lookup(d, op->port);
    if (!chn || !may_change_vcpu(chn)) {
        rc = -XEN_EINVAL;
    } else {
        WRITE_ONCE(chn->vcpu, (uint16_t)target->id);
        if (chn->state == EVTCHNSTAT_pirq)
            pirq_set_affinity(d, chn->u.pirq, target);
    }
    spin_unlock(&d->evtchn.lock);
    return rc;
}

/* Any port that exists, as a guest may unmask one on which it waits for nothing yet. */
static int op_unmask(struct vcpu *v, void *arg)
{
    const struct evtchn_unmask *op = arg;
    struct domain *d = v->domain;
    struct evtchn *chn;

    spin_lock(&d->evtchn.lock);
    chn = evtchn_lookup(d, op->port);
    if (chn)
        d->evtchn.ops->unmask(d, chn);
    spin_unlock(&d->evtchn.lock);
    return chn ? 0 : -XEN_EINVAL;
}

/* All ports closed, two-level delivery again. Another domain must be paused, since it would be taken by surprise. */
static int op_reset(struct vcpu *v, void *arg)
{
    const struct evtchn_reset *op = arg;
    struct domain *d;
    int rc = domain_target(op->dom, &d);

    if (rc)
        return rc;
    rc = d != v->domain && !READ_ONCE(d->pause_count) ? -XEN_EINVAL : close_all(d, true);
    if (!rc) {
        spin_lock(&d->evtchn.lock);
        if (d->evtchn.nr_used)
            rc = -XEN_EAGAIN;      /* another vCPU bound one meanwhile */
        else
            evtchn_fifo_destroy(d);
        spin_unlock(&d->evtchn.lock);
    }
    domain_untarget(d);
    return rc;
}

static int op_init_control(struct vcpu *v, void *arg)
{
    struct evtchn_init_control *op = arg;
    struct vcpu *target = vcpu_of(v->domain, op->vcpu);
    int rc;

    if (!target)
        return -XEN_ENOENT;
    spin_lock(&v->domain->evtchn.lock);
    rc = evtchn_fifo_init_control(v->domain, target, op);
    spin_unlock(&v->domain->evtchn.lock);
    return rc;
}

static int op_expand_array(struct vcpu *v, void *arg)
{
    int rc;

    spin_lock(&v->domain->evtchn.lock);
    rc = evtchn_fifo_expand_array(v->domain, arg);
    spin_unlock(&v->domain->evtchn.lock);
    return rc;
}

static int op_set_priority(struct vcpu *v, void *arg)
{
    const struct evtchn_set_priority *op = arg;
    struct domain *d = v->domain;
    struct evtchn *chn;
    int rc = 0;

    spin_lock(&d->evtchn.lock);
    chn = evtchn_lookup(d, op->port);
    if (!chn)
        rc = -XEN_EINVAL;
    else if (!d->evtchn.fifo)
        rc = -XEN_ENOSYS;
    else if (op->priority > EVTCHN_FIFO_PRIORITY_MIN)
        rc = -XEN_EINVAL;
    else
        WRITE_ONCE(chn->priority, (uint8_t)op->priority);
    spin_unlock(&d->evtchn.lock);
    return rc;
}

/*
 * Operations that open a port and answer with its number. If the answer can not be written the port is closed again: nobody
 * would ever know of it.
 */
struct opening_op {
    int (*handler)(struct vcpu *v, void *arg);
    uint8_t size;
    uint8_t port_offset;
};

#define OPENS(name, port)   { op_##name, sizeof(struct evtchn_##name), offsetof(struct evtchn_##name, port) }
#define MAX_OPENING_SIZE    16u

static const struct opening_op opening_ops[] = {
    [EVTCHNOP_bind_interdomain] = OPENS(bind_interdomain, local_port),
    [EVTCHNOP_bind_virq] = OPENS(bind_virq, port),
    [EVTCHNOP_bind_pirq] = OPENS(bind_pirq, port),
    [EVTCHNOP_alloc_unbound] = OPENS(alloc_unbound, port),
    [EVTCHNOP_bind_ipi] = OPENS(bind_ipi, port),
};

static void close_untold(domid_t id, uint32_t port)
{
    struct domain *d;

    if (domain_target(id, &d))
        return;
    (void)evtchn_close(d, port);
    domain_untarget(d);
}

static NOINLINE long do_opening(uint64_t cmd, uint64_t arg)
{
    const struct opening_op *op = &opening_ops[cmd];
    struct vcpu *v = current_vcpu();
    union {
        struct evtchn_alloc_unbound alloc_unbound;
        uint64_t words[MAX_OPENING_SIZE / sizeof(uint64_t)];
    } copy;
    domid_t whose = DOMID_SELF;
    uint32_t port;
    int rc;

    if (copy_from_guest(&copy, arg, op->size))
        return -XEN_EFAULT;
    if (cmd == EVTCHNOP_alloc_unbound)
        whose = copy.alloc_unbound.dom;
    rc = op->handler(v, &copy);
    if (rc || !copy_to_guest(arg, &copy, op->size))
        return rc;
    memcpy(&port, (const uint8_t *)&copy + op->port_offset, sizeof(port));
    close_untold(whose, port);
    return -XEN_EFAULT;
}

#define IN(name)      { op_##name, sizeof(struct evtchn_##name), SUBOP_IN }
#define IN_OUT(name)  { op_##name, sizeof(struct evtchn_##name), SUBOP_IN | SUBOP_OUT }

static const struct subop other_ops[] = {
    [EVTCHNOP_status] = IN_OUT(status),
    [EVTCHNOP_bind_vcpu] = IN(bind_vcpu),
    [EVTCHNOP_unmask] = IN(unmask),
    [EVTCHNOP_reset] = IN(reset),
    [EVTCHNOP_init_control] = IN_OUT(init_control),
    [EVTCHNOP_expand_array] = IN(expand_array),
    [EVTCHNOP_set_priority] = IN(set_priority),
};

static NOINLINE long do_other(uint64_t cmd, uint64_t arg)
{
    long rc = subop_dispatch(other_ops, ARRAY_SIZE(other_ops), current_vcpu(), cmd, arg);

    return rc == -XEN_ERESTART ? hypercall_restart(cmd, arg, 0, 0, 0) : rc;
}

/* Sending comes first: it is what guests do all day. Like closing it takes nothing but a port. */
long do_event_channel_op(uint64_t cmd, uint64_t arg, uint64_t a3 UNUSED, uint64_t a4 UNUSED, uint64_t a5 UNUSED)
{
    evtchn_port_t port;

    if (cmd == EVTCHNOP_send || cmd == EVTCHNOP_close) {
        if (unlikely(!guest_range_ok(arg, sizeof(port)) || !guest_load_u32(&port, arg)))
            return -XEN_EFAULT;
        return likely(cmd == EVTCHNOP_send) ? evtchn_send(current_domain(), port) : evtchn_close(current_domain(), port);
    }
    if (cmd < ARRAY_SIZE(opening_ops) && opening_ops[cmd].handler)
        return do_opening(cmd, arg);
    return do_other(cmd, arg);
}
_Static_assert(sizeof(struct evtchn_send) == sizeof(evtchn_port_t) && sizeof(struct evtchn_close) == sizeof(evtchn_port_t),
               "both arguments are a port");
