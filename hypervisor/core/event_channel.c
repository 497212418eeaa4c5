// SPDX-License-Identifier: MIT
/*
 * Event channels: the life of ports, sending, and hypercall 32; two-level delivery, which a domain begins with, is here
 * too, that by FIFO is in event_fifo.c.
 *
 * Sending takes no lock but that of the sender's port, with interrupts off, and may happen anywhere. Everything that binds
 * or closes takes the domain's event lock (both domains' for a pair) and then the port's; see event_internal.h. Nothing
 * here may trust what a guest wrote: a port number is checked by evtchn_lookup() and nowhere else.
 */
#include "core/event_channel.h"

#include "core/event_internal.h"
#include "core/hypercall.h"
#include "cpu/guest_word.h"

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

/*
 * Two levels: a pending bit and a mask bit for each port in shared_info, and in each vcpu_info one selector bit for each
 * word of them. The guest writes all of these as it likes: every access is one atomic operation whose result is used at
 * once and never as an index. A port that FIFO delivery left behind may have a number too high for them.
 */
_Static_assert(sizeof(((struct shared_info *)0)->evtchn_pending) * 8 == EVTCHN_2L_NR_CHANNELS, "a bit for each port");

/* A port is delivered once: while its bit is set, whoever set it has told the guest, or unmasking will. */
static NOINLINE void tell(struct domain *d, struct evtchn *chn)
{
    struct vcpu *v = evtchn_target(d, chn);

    if (!bitmap_test_and_set_atomic(&READ_ONCE(v->vcpu_info)->evtchn_pending_sel, chn->port / BITMAP_WORD_BITS))
        evtchn_mark_upcall(v);
    evtchn_check_pollers(d, chn->port);
}

static void deliver(struct domain *d, struct evtchn *chn)
{
    struct shared_info *shared = d->shared_info;
    uint32_t port = chn->port;

    if (load_acquire(&d->evtchn.fifo))
        evtchn_fifo_deliver(d, chn);
    else if (bitmap_test_and_set_atomic(shared->evtchn_pending, port))
        return;
    else if (bitmap_test(shared->evtchn_mask, port))
        evtchn_check_pollers(d, port);
    else
        tell(d, chn);
}

static void clear_pending(struct domain *d, struct evtchn *chn)
{
    if (d->evtchn.fifo)
        evtchn_fifo_clear_pending(d, chn);
    else
        bitmap_clear_atomic(d->shared_info->evtchn_pending, chn->port);
}

/* Masked or not. */
static bool is_pending(struct domain *d, uint32_t port)
{
    if (d->evtchn.fifo)
        return evtchn_fifo_read(d, port) >> EVTCHN_FIFO_PENDING & 1;
    return port < EVTCHN_2L_NR_CHANNELS && bitmap_test(d->shared_info->evtchn_pending, port);
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

/* Where it is noted which port a virtual IRQ is bound to: a global one's with vCPU 0, whichever it notifies. */
static uint32_t *virq_port(struct domain *d, uint32_t virq, unsigned vcpu)
{
    return &d->vcpu[virq_is_global(virq) ? 0 : vcpu]->evtchn.virq_port[virq];
}

void evtchn_send_virq(struct vcpu *v, unsigned virq)
{
    send_if_bound(v->domain, READ_ONCE(*virq_port(v->domain, virq, v->id)), EVTCHNSTAT_virq, virq);
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

NOINLINE void evtchn_wake_pollers(struct domain *d, uint32_t port)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        uint32_t polled = d->vcpu[i] ? READ_ONCE(d->vcpu[i]->evtchn.poll_port) : 0;
        if (polled && (polled == port || polled == POLLS_SEVERAL))
            vcpu_kick(d->vcpu[i]);
    }
}

int evtchn_poll_check(struct vcpu *v, const uint32_t *ports, unsigned nr)
{
    struct domain *d = v->domain;
    int rc = 1;

    if (!nr)
        return 1;
    if (!xchg32(&v->evtchn.poll_port, nr == 1 && ports[0] ? ports[0] : POLLS_SEVERAL))
        (void)fetch_add32(&d->evtchn.nr_pollers, 1);
    spin_lock(&d->evtchn.lock);
    for (unsigned i = 0; i < nr && rc == 1; i++) {
        if (!evtchn_lookup(d, ports[i]))
            rc = -XEN_EINVAL;
        else if (is_pending(d, ports[i]))
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

static int add_bucket(struct domain *d)
{
    uint32_t first = d->evtchn.nr_ports;
    struct evtchn *bucket = heap_alloc(PORTS_PER_BUCKET * sizeof(*bucket));

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
    uint64_t limit = d->evtchn.fifo ? EVTCHN_FIFO_NR_CHANNELS : EVTCHN_2L_NR_CHANNELS;

    ASSERT_LOCKED(&d->evtchn.lock);
    if (d->is_dying)
        return -XEN_EINVAL;
    limit = MIN(limit, d->evtchn.max_port + UINT64_C(1));
    for (uint32_t port = d->evtchn.first_free; port < limit; port++) {
        if (port >= d->evtchn.nr_ports && add_bucket(d))
            return -XEN_ENOMEM;
        *out = evtchn_lookup(d, port);
        if ((*out)->state != EVTCHNSTAT_closed)
            d->evtchn.first_free += port == d->evtchn.first_free;
        else if (!d->evtchn.fifo || !(evtchn_fifo_read(d, port) >> EVTCHN_FIFO_LINKED & 1))
            return 0;                   /* a port that still stands in a queue of the guest's is not to be used again */
    }
    return -XEN_ENOSPC;
}

/* Change what an open port is bound to; its senders see all of it or nothing. */
static void rebind(struct evtchn *chn, uint8_t state, union evtchn_binding u)
{
    unsigned long flags = spin_lock_irqsave(&chn->lock);

    chn->state = state;
    chn->u = u;
    spin_unlock_irqrestore(&chn->lock, flags);
}

/* ---- closing ---- */

/* With the event locks of both ends: the far one goes back to waiting for us. */
static void close_port(struct domain *d, struct evtchn *chn)
{
    unsigned long flags;

    if (chn->state == EVTCHNSTAT_interdomain)
        rebind(chn->u.remote.peer, EVTCHNSTAT_unbound, (union evtchn_binding){ .remote_dom = (domid_t)d->id });
    else if (chn->state == EVTCHNSTAT_virq)
        WRITE_ONCE(*virq_port(d, chn->u.virq, chn->vcpu), NO_PORT);
    else if (chn->state == EVTCHNSTAT_pirq)
        pirq_unbind(d, chn->u.pirq);
    flags = spin_lock_irqsave(&chn->lock);
    chn->state = EVTCHNSTAT_closed;
    chn->vcpu = 0;
    chn->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    clear_pending(d, chn);
    spin_unlock_irqrestore(&chn->lock, flags);
    d->evtchn.nr_used--;
    d->evtchn.first_free = MIN(d->evtchn.first_free, chn->port);
}

/*
 * Close a port of d, whose event lock is held, with that of the far end's domain if it has one. The far end can not go away
 * while our lock is held, and may be another one each time: so the second lock is only tried, and all done again if that fails.
 */
static int lock_and_close(struct domain *d, struct evtchn *chn)
{
    for (;;) {
        struct domain *far = chn->state == EVTCHNSTAT_interdomain ? chn->u.remote.domain : d;

        if (!evtchn_is_open(chn))
            return -XEN_EINVAL;
        if (far == d || spin_trylock(&far->evtchn.lock)) {
            close_port(d, chn);
            if (far != d)
                spin_unlock(&far->evtchn.lock);
            return 0;
        }
        spin_unlock(&d->evtchn.lock);
        cpu_relax();
        spin_lock(&d->evtchn.lock);
    }
}

static NOINLINE int evtchn_close(struct domain *d, uint32_t port)
{
    struct evtchn *chn = evtchn_lookup(d, port);
    int rc;

    if (!chn)
        return -XEN_EINVAL;
    spin_lock(&d->evtchn.lock);
    rc = lock_and_close(d, chn);
    spin_unlock(&d->evtchn.lock);
    return rc;
}

/* Close all ports from reset_next on. The event lock is held, and may be let go of meanwhile. */
static int close_all(struct domain *d)
{
    unsigned steps = 0;

    while (d->evtchn.reset_next < d->evtchn.nr_ports) {
        (void)lock_and_close(d, evtchn_lookup(d, d->evtchn.reset_next++));
        if (preempt_check(&steps))
            return -XEN_ERESTART;
    }
    d->evtchn.reset_next = 0;
    return 0;
}

int evtchn_domain_init(struct domain *d)
{
    spin_lock_init(&d->evtchn.lock, LOCK_EVENT_CHANNEL);
    d->evtchn.max_port = EVTCHN_FIFO_NR_CHANNELS - 1;
    d->evtchn.bucket = heap_alloc(MAX_BUCKETS * sizeof(*d->evtchn.bucket));
    if (!d->evtchn.bucket || add_bucket(d))
        return -XEN_ENOMEM;
    d->evtchn.bucket[0][0].state = PORT_RESERVED;
    return 0;
}

/* No port of a dying domain is bound anew. The pages of a FIFO are the guest's, and would keep the domain. */
int evtchn_domain_relinquish(struct domain *d)
{
    int rc;

    spin_lock(&d->evtchn.lock);
    rc = close_all(d);
    if (!rc)
        evtchn_fifo_destroy(d);
    spin_unlock(&d->evtchn.lock);
    return rc;
}

void evtchn_domain_destroy(struct domain *d)
{
    while (evtchn_domain_relinquish(d) == -XEN_ERESTART)
        ;
    evtchn_fifo_destroy(d);
    for (uint32_t i = 0; i < d->evtchn.nr_ports / PORTS_PER_BUCKET; i++)
        heap_free(d->evtchn.bucket[i]);
    heap_free(d->evtchn.bucket);
}

/* ---- operations: called with the locks that the request says, before a port that they open is open ---- */

static int alloc_unbound(struct evtchn_request *r, void *arg)
{
    const struct evtchn_alloc_unbound *op = arg;

    r->chn->u.remote_dom = op->remote_dom == DOMID_SELF ? (domid_t)current_domain()->id : op->remote_dom;
    return 0;
}

static int bind_interdomain(struct evtchn_request *r, void *arg)
{
    const struct evtchn_bind_interdomain *op = arg;
    struct evtchn *peer = evtchn_lookup(r->far, op->remote_port);

    if (!peer || peer->state != EVTCHNSTAT_unbound || peer->u.remote_dom != r->d->id)
        return -XEN_EINVAL;
    r->chn->u.remote.domain = r->far;
    r->chn->u.remote.peer = peer;
    rebind(peer, EVTCHNSTAT_interdomain, (union evtchn_binding){ .remote = { r->d, r->chn } });
    deliver(r->d, r->chn);               /* what the far end sent before there was anybody to get it */
    return 0;
}

static int bind_virq(struct evtchn_request *r, void *arg)
{
    const struct evtchn_bind_virq *op = arg;
    uint32_t *slot;

    if (op->virq >= NR_VIRQS || (virq_is_global(op->virq) && op->vcpu))
        return -XEN_EINVAL;
    r->chn->u.virq = clamp_index(op->virq, NR_VIRQS);
    slot = virq_port(r->d, r->chn->u.virq, r->vcpu->id);
    if (*slot != NO_PORT)
        return -XEN_EEXIST;
    WRITE_ONCE(*slot, r->chn->port);
    return 0;
}

static int bind_ipi(struct evtchn_request *r UNUSED, void *arg UNUSED)
{
    return 0;
}

/* This port is open before the interrupt is, so that the first one finds it. */
static int bind_pirq(struct evtchn_request *r, void *arg)
{
    const struct evtchn_bind_pirq *op = arg;
    int rc;

    r->chn->u.pirq = op->pirq;
    store_release(&r->chn->state, (uint8_t)EVTCHNSTAT_pirq);
    rc = pirq_bind(r->d, op->pirq, r->chn->port);
    if (rc)
        store_release(&r->chn->state, (uint8_t)EVTCHNSTAT_closed);
    return rc;
}

static int status(struct evtchn_request *r, void *arg)
{
    struct evtchn_status *op = arg;
    const struct evtchn *chn = r->chn;

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
    return 0;
}

static int bind_vcpu(struct evtchn_request *r, void *arg UNUSED)
{
    struct evtchn *chn = r->chn;

    if (!evtchn_is_open(chn) || chn->state == EVTCHNSTAT_ipi || (chn->state == EVTCHNSTAT_virq && !virq_is_global(chn->u.virq)))
        return -XEN_EINVAL;
    WRITE_ONCE(chn->vcpu, (uint16_t)r->vcpu->id);
    if (chn->state == EVTCHNSTAT_pirq)
        pirq_set_affinity(r->d, chn->u.pirq, r->vcpu);
    return 0;
}

/* Any port that exists, as a guest may unmask one on which it waits for nothing yet. */
static int unmask(struct evtchn_request *r, void *arg UNUSED)
{
    struct shared_info *shared = r->d->shared_info;
    uint32_t port = r->chn->port;

    if (r->d->evtchn.fifo)
        evtchn_fifo_unmask(r->d, r->chn);
    else if (port < EVTCHN_2L_NR_CHANNELS && bitmap_test_and_clear_atomic(shared->evtchn_mask, port) &&
             bitmap_test(shared->evtchn_pending, port))
        tell(r->d, r->chn);
    return 0;
}

/* All ports closed, two-level delivery again. Another domain must be paused, since it would be taken by surprise. */
static int reset(struct evtchn_request *r, void *arg UNUSED)
{
    int rc;

    if (r->d != current_domain() && !READ_ONCE(r->d->pause_count))
        return -XEN_EINVAL;
    rc = close_all(r->d);
    if (rc)
        return rc;
    if (r->d->evtchn.nr_used)
        return -XEN_EAGAIN;              /* another vCPU bound one while the lock was free */
    evtchn_fifo_destroy(r->d);
    return 0;
}

static int set_priority(struct evtchn_request *r, void *arg)
{
    const struct evtchn_set_priority *op = arg;

    if (!r->d->evtchn.fifo)
        return -XEN_ENOSYS;
    if (op->priority > EVTCHN_FIFO_PRIORITY_MIN)
        return -XEN_EINVAL;
    WRITE_ONCE(r->chn->priority, (uint8_t)op->priority);
    return 0;
}

/* ---- hypercall ---- */

/* An operation and what its argument holds. Places are counted in words from 1 on; 0: it has no such thing. */
struct evtchn_op_row {
    int (*run)(struct evtchn_request *r, void *arg);
    uint8_t size;
    uint8_t opens;                       /* the state of the port to open; 0: none */
    uint8_t port;                        /* where the port to act on is, or the answer of one to open */
    uint8_t vcpu;                        /* where a vCPU is */
    bool names_domain;                   /* the first word says whose ports */
    bool answers;
};

#define MAX_OP_WORDS      6u
#define SIZE(op)          sizeof(struct evtchn_##op)
#define WORD(op, field)   (offsetof(struct evtchn_##op, field) / sizeof(uint32_t) + 1)

static const struct evtchn_op_row rows[] = {
    [EVTCHNOP_alloc_unbound] = { alloc_unbound, SIZE(alloc_unbound), EVTCHNSTAT_unbound, WORD(alloc_unbound, port),
                                 .names_domain = true, .answers = true },
    [EVTCHNOP_bind_interdomain] = { bind_interdomain, SIZE(bind_interdomain), EVTCHNSTAT_interdomain,
                                    WORD(bind_interdomain, local_port), .answers = true },
    [EVTCHNOP_bind_virq] = { bind_virq, SIZE(bind_virq), EVTCHNSTAT_virq, WORD(bind_virq, port), WORD(bind_virq, vcpu),
                             .answers = true },
    [EVTCHNOP_bind_ipi] = { bind_ipi, SIZE(bind_ipi), EVTCHNSTAT_ipi, WORD(bind_ipi, port), WORD(bind_ipi, vcpu),
                            .answers = true },
    [EVTCHNOP_bind_pirq] = { bind_pirq, SIZE(bind_pirq), EVTCHNSTAT_pirq, WORD(bind_pirq, port), .answers = true },
    [EVTCHNOP_status] = { status, SIZE(status), 0, WORD(status, port), .names_domain = true, .answers = true },
    [EVTCHNOP_bind_vcpu] = { bind_vcpu, SIZE(bind_vcpu), 0, WORD(bind_vcpu, port), WORD(bind_vcpu, vcpu) },
    [EVTCHNOP_unmask] = { unmask, SIZE(unmask), 0, WORD(unmask, port) },
    [EVTCHNOP_reset] = { reset, SIZE(reset), .names_domain = true },
    [EVTCHNOP_init_control] = { evtchn_fifo_init_control, SIZE(init_control), 0, 0, WORD(init_control, vcpu),
                                .answers = true },
    [EVTCHNOP_expand_array] = { evtchn_fifo_expand_array, SIZE(expand_array) },
    [EVTCHNOP_set_priority] = { set_priority, SIZE(set_priority), 0, WORD(set_priority, port) },
};

/*
 * With the locks. A port is bound by run() and then open. If its number can not be written to the guest it is closed
 * again: nobody would ever know of it.
 */
static int run_row(const struct evtchn_op_row *row, struct evtchn_request *r, uint32_t *words, uint64_t arg)
{
    int rc = 0;

    if (row->opens)
        rc = find_port(r->d, &r->chn);
    else if (row->port && !(r->chn = evtchn_lookup(r->d, words[row->port - 1])))
        rc = -XEN_EINVAL;
    if (!rc)
        rc = row->run(r, words);
    if (rc)
        return rc;
    if (row->opens) {
        r->chn->vcpu = (uint16_t)r->vcpu->id;
        store_release(&r->chn->state, row->opens);
        r->d->evtchn.nr_used++;
        words[row->port - 1] = r->chn->port;
    }
    if (!row->answers || !copy_to_guest(arg, words, row->size))
        return 0;
    if (row->opens)
        close_port(r->d, r->chn);
    return -XEN_EFAULT;
}

static NOINLINE long do_row(const struct evtchn_op_row *row, uint64_t cmd, uint64_t arg)
{
    struct evtchn_request r = { .d = current_domain() };
    uint32_t words[MAX_OP_WORDS] __attribute__((aligned(8)));
    int rc = 0;

    if (copy_from_guest(words, arg, row->size))
        return -XEN_EFAULT;
    if (row->names_domain)
        rc = domain_target((domid_t)words[0], &r.d);
    if (rc)
        return rc;
    r.vcpu = row->vcpu ? vcpu_of(r.d, words[row->vcpu - 1]) : r.d->vcpu[0];
    if (!r.vcpu)                         /* one of the caller's own: another domain's first is always there */
        return -XEN_ENOENT;
    r.far = row->opens == EVTCHNSTAT_interdomain ? domain_get_by_id((domid_t)words[0]) : r.d;
    if (!r.far)
        return -XEN_ESRCH;
    if (r.far == r.d)
        spin_lock(&r.d->evtchn.lock);
    else
        spin_lock_pair(&r.d->evtchn.lock, &r.far->evtchn.lock);
    rc = run_row(row, &r, words, arg);
    spin_unlock(&r.d->evtchn.lock);
    if (r.far != r.d)
        spin_unlock(&r.far->evtchn.lock);
    if (row->opens == EVTCHNSTAT_interdomain)
        domain_put(r.far);
    domain_untarget(r.d);
    return rc == -XEN_ERESTART ? hypercall_restart(cmd, arg, 0, 0, 0) : rc;
}

/* Sending comes first: it is what guests do all day. Like closing it takes nothing but a port. */
long do_event_channel_op(uint64_t cmd, uint64_t arg, UNUSED_FROM_3)
{
    evtchn_port_t port;

    if (cmd != EVTCHNOP_send && cmd != EVTCHNOP_close)
        return cmd < ARRAY_SIZE(rows) && rows[cmd].run ? do_row(&rows[cmd], cmd, arg) : -XEN_ENOSYS;
    if (unlikely(!guest_range_ok(arg, sizeof(port)) || !guest_load_u32(&port, arg)))
        return -XEN_EFAULT;
    return likely(cmd == EVTCHNOP_send) ? evtchn_send(current_domain(), port) : evtchn_close(current_domain(), port);
}
_Static_assert(sizeof(struct evtchn_send) == sizeof(evtchn_port_t) && sizeof(struct evtchn_close) == sizeof(evtchn_port_t),
               "both arguments are a port");
