// SPDX-License-Identifier: MIT
// Event channels, two levels: what each operation does and refuses, delivery, polling, reset, running out
// of memory at every point; then random operations of four domains against a model of their ports.
#include "unit_main.h"

#include <stdlib.h>
#include <string.h>

#include "core/event_internal.h"
#include "core/hypercall.h"
#include "fake_domain.h"
#include "fake_machine.h"
#include "lib/bitmap.h"
#include "public/errno.h"

static void start(void)
{
    fake_domains_create();
    for (unsigned i = 0; i < FAKE_DOMAINS; i++)
        CU_ASSERT_EQUAL(evtchn_domain_init(fake_domains[i]), 0);
}

// Everything is given back, no lock is held and interrupts are as they were.
static void stop(void)
{
    for (unsigned i = 0; i < FAKE_DOMAINS; i++) {
        evtchn_domain_destroy(fake_domains[i]);
        CU_ASSERT_PTR_NULL(fake_domains[i]->evtchn.fifo);
        CU_ASSERT_EQUAL(fake_domains[i]->refs, 1);
        CU_ASSERT(!spin_is_locked(&fake_domains[i]->evtchn.lock));
    }
    CU_ASSERT_EQUAL(fake_heap_objects, 0);
    CU_ASSERT(!fake_irqs_off[0]);
    fake_domains_destroy();
}

static long op(unsigned cmd, void *arg)
{
    return do_event_channel_op(cmd, (uint64_t)(uintptr_t)arg, 0, 0, 0);
}

static long alloc_unbound(domid_t dom, domid_t remote, uint32_t *port)
{
    struct evtchn_alloc_unbound a = { .dom = dom, .remote_dom = remote };
    long rc = op(EVTCHNOP_alloc_unbound, &a);
    *port = a.port;
    return rc;
}

static long bind_interdomain(domid_t dom, uint32_t remote, uint32_t *port)
{
    struct evtchn_bind_interdomain b = { .remote_dom = dom, .remote_port = remote };
    long rc = op(EVTCHNOP_bind_interdomain, &b);
    *port = b.local_port;
    return rc;
}

static long bind_virq(uint32_t virq, uint32_t vcpu, uint32_t *port)
{
    struct evtchn_bind_virq b = { .virq = virq, .vcpu = vcpu };
    long rc = op(EVTCHNOP_bind_virq, &b);
    *port = b.port;
    return rc;
}

static long bind_ipi(uint32_t vcpu, uint32_t *port)
{
    struct evtchn_bind_ipi b = { .vcpu = vcpu };
    long rc = op(EVTCHNOP_bind_ipi, &b);
    *port = b.port;
    return rc;
}

static long port_op(unsigned cmd, uint32_t port)
{
    return op(cmd, &port);
}

static long status(domid_t dom, uint32_t port, struct evtchn_status *s)
{
    memset(s, 0xa5, sizeof(*s));
    s->dom = dom;
    s->port = port;
    return op(EVTCHNOP_status, s);
}

static bool take_pending(struct domain *d, uint32_t port)
{
    return bitmap_test_and_clear_atomic(d->shared_info->evtchn_pending, port);
}

static void pairs(void)
{
    struct evtchn_status s;
    uint32_t a, b, c;

    start();
    CU_ASSERT_EQUAL(alloc_unbound(DOMID_SELF, 1, &a), 0);
    CU_ASSERT_EQUAL(status(DOMID_SELF, a, &s), 0);
    CU_ASSERT(s.status == EVTCHNSTAT_unbound && s.u.unbound.dom == 1);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, a), 0);
    fake_become(fake_domains[2], 0);
    CU_ASSERT_EQUAL(bind_interdomain(0, a, &b), -XEN_EINVAL); // kept for domain 1
    fake_become(fake_domains[1], 2);
    CU_ASSERT_EQUAL(bind_interdomain(0, a + 1, &b), -XEN_EINVAL);
    CU_ASSERT_EQUAL(bind_interdomain(9, a, &b), -XEN_ESRCH);
    CU_ASSERT_EQUAL(bind_interdomain(0, a, &b), 0);
    CU_ASSERT(take_pending(fake_domains[1], b)); // what may have been sent before
    CU_ASSERT_EQUAL(bind_interdomain(0, a, &c), -XEN_EINVAL);
    CU_ASSERT_EQUAL(status(DOMID_SELF, b, &s), 0);
    CU_ASSERT(s.status == EVTCHNSTAT_interdomain && s.u.interdomain.dom == 0 && s.u.interdomain.port == a);
    fake_kicked = 0;
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, b), 0);
    CU_ASSERT_EQUAL(fake_kicked, 1);
    CU_ASSERT_PTR_EQUAL(fake_last_kicked, fake_domains[0]->vcpu[0]);
    CU_ASSERT_EQUAL(fake_domains[0]->vcpu[0]->vcpu_info->evtchn_pending_sel, 1);
    CU_ASSERT(take_pending(fake_domains[0], a));
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_close, b), 0);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, b), -XEN_EINVAL);
    fake_become(fake_domains[0], 0);
    CU_ASSERT_EQUAL(status(0, a, &s), 0);
    CU_ASSERT(s.status == EVTCHNSTAT_unbound && s.u.unbound.dom == 1);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_close, a), 0);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_close, a), -XEN_EINVAL);
    stop();
}

static void own_pair(void)
{
    uint32_t a, b;

    start();
    CU_ASSERT_EQUAL(alloc_unbound(DOMID_SELF, DOMID_SELF, &a), 0);
    CU_ASSERT_EQUAL(bind_interdomain(DOMID_SELF, a, &b), 0);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, b), 0);
    CU_ASSERT_EQUAL(fake_kicked, 0); // the current vCPU sees it on its way out
    CU_ASSERT_EQUAL(fake_domains[0]->vcpu[0]->vcpu_info->evtchn_upcall_pending, 1);
    CU_ASSERT(evtchn_vcpu_pending(fake_domains[0]->vcpu[0]));
    fake_domains[0]->vcpu[0]->vcpu_info->evtchn_upcall_mask = 1;
    CU_ASSERT(!evtchn_vcpu_pending(fake_domains[0]->vcpu[0]));
    // ... unless it is about to sleep.
    fake_domains[0]->vcpu[0]->vcpu_info->evtchn_upcall_pending = 0;
    fake_domains[0]->vcpu[0]->pause_flags = VPF_BLOCKED;
    evtchn_mark_upcall(fake_domains[0]->vcpu[0]);
    CU_ASSERT_EQUAL(fake_kicked, 1);
    stop();
}

static void others_ports_are_for_the_control_domain(void)
{
    struct evtchn_status s;
    struct evtchn_reset r = { .dom = 2 };
    uint32_t port;

    start();
    CU_ASSERT_EQUAL(alloc_unbound(2, 0, &port), 0);
    CU_ASSERT_EQUAL(status(2, port, &s), 0);
    CU_ASSERT_EQUAL(op(EVTCHNOP_reset, &r), -XEN_EINVAL); // it runs
    fake_become(fake_domains[1], 0);
    CU_ASSERT_EQUAL(alloc_unbound(2, 1, &port), -XEN_EPERM);
    CU_ASSERT_EQUAL(status(2, 1, &s), -XEN_EPERM);
    CU_ASSERT_EQUAL(op(EVTCHNOP_reset, &r), -XEN_EPERM);
    r.dom = 77;
    CU_ASSERT_EQUAL(op(EVTCHNOP_reset, &r), -XEN_ESRCH);
    CU_ASSERT_EQUAL(alloc_unbound(77, 1, &port), -XEN_ESRCH);
    CU_ASSERT_EQUAL(status(77, 1, &s), -XEN_ESRCH);
    stop();
}

static void virqs(void)
{
    uint32_t timer, exc, again;
    struct evtchn_bind_vcpu b;

    start();
    CU_ASSERT_EQUAL(bind_virq(VIRQ_TIMER, 3, &timer), 0);
    CU_ASSERT_EQUAL(bind_virq(VIRQ_TIMER, 3, &again), -XEN_EEXIST);
    CU_ASSERT_EQUAL(bind_virq(VIRQ_TIMER, 4, &again), -XEN_ENOENT);
    CU_ASSERT_EQUAL(bind_virq(NR_VIRQS, 0, &again), -XEN_EINVAL);
    CU_ASSERT_EQUAL(bind_virq(VIRQ_DOM_EXC, 1, &again), -XEN_EINVAL);
    CU_ASSERT_EQUAL(bind_virq(VIRQ_DOM_EXC, 0, &exc), 0);
    evtchn_send_virq(fake_domains[0]->vcpu[3], VIRQ_TIMER);
    CU_ASSERT_PTR_EQUAL(fake_last_kicked, fake_domains[0]->vcpu[3]);
    CU_ASSERT(take_pending(fake_domains[0], timer));
    evtchn_send_virq(fake_domains[0]->vcpu[0], VIRQ_TIMER); // not bound there
    CU_ASSERT(!take_pending(fake_domains[0], timer));
    b = (struct evtchn_bind_vcpu){ exc, 2 };
    CU_ASSERT_EQUAL(op(EVTCHNOP_bind_vcpu, &b), 0);
    evtchn_send_virq(fake_domains[0]->vcpu[3], VIRQ_DOM_EXC);
    CU_ASSERT_PTR_EQUAL(fake_last_kicked, fake_domains[0]->vcpu[2]);
    CU_ASSERT(take_pending(fake_domains[0], exc));
    b = (struct evtchn_bind_vcpu){ timer, 0 };
    CU_ASSERT_EQUAL(op(EVTCHNOP_bind_vcpu, &b), -XEN_EINVAL);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, timer), -XEN_EINVAL);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_close, timer), 0);
    evtchn_send_virq(fake_domains[0]->vcpu[3], VIRQ_TIMER);
    CU_ASSERT(!take_pending(fake_domains[0], timer));
    CU_ASSERT_EQUAL(bind_virq(VIRQ_TIMER, 3, &again), 0);
    stop();
}

static void pirqs(void)
{
    struct evtchn_bind_pirq b = { .pirq = 9 };
    struct evtchn_status s;

    start();
    fake_pirq_result = -XEN_EEXIST;
    CU_ASSERT_EQUAL(op(EVTCHNOP_bind_pirq, &b), -XEN_EEXIST);
    CU_ASSERT_EQUAL(fake_domains[0]->evtchn.nr_used, 0);
    fake_pirq_result = 0;
    CU_ASSERT_EQUAL(op(EVTCHNOP_bind_pirq, &b), 0);
    CU_ASSERT_EQUAL(status(0, b.port, &s), 0);
    CU_ASSERT(s.status == EVTCHNSTAT_pirq && s.u.pirq == 9);
    evtchn_send_pirq(fake_domains[0], b.port);
    CU_ASSERT(take_pending(fake_domains[0], b.port));
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_close, b.port), 0);
    CU_ASSERT_EQUAL(fake_pirqs_bound, 0);
    evtchn_send_pirq(fake_domains[0], b.port);
    CU_ASSERT(!take_pending(fake_domains[0], b.port));
    stop();
}

static void masks(void)
{
    struct vcpu_info *info;
    uint32_t p;

    start();
    info = fake_domains[0]->vcpu[1]->vcpu_info;
    CU_ASSERT_EQUAL(bind_ipi(1, &p), 0);
    CU_ASSERT_EQUAL(bind_ipi(4, &p), -XEN_ENOENT);
    CU_ASSERT_EQUAL(bind_ipi(1, &p), 0);
    bitmap_set(fake_domains[0]->shared_info->evtchn_mask, p);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, p), 0);
    CU_ASSERT_EQUAL(info->evtchn_upcall_pending, 0);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_unmask, p), 0);
    CU_ASSERT_EQUAL(info->evtchn_upcall_pending, 1);
    CU_ASSERT(!bitmap_test(fake_domains[0]->shared_info->evtchn_mask, p));
    CU_ASSERT_PTR_EQUAL(fake_last_kicked, fake_domains[0]->vcpu[1]);
    // A second one while the first is pending says nothing new.
    fake_kicked = 0;
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, p), 0);
    CU_ASSERT_EQUAL(fake_kicked, 0);
    stop();
}

static void polls(void)
{
    struct vcpu *v;
    uint32_t p, q, none = 5000, both[2];

    start();
    v = fake_domains[0]->vcpu[1];
    CU_ASSERT_EQUAL(bind_ipi(0, &p), 0);
    CU_ASSERT_EQUAL(bind_ipi(0, &q), 0);
    memset(fake_domains[0]->shared_info->evtchn_mask, 0xff, sizeof(fake_domains[0]->shared_info->evtchn_mask));
    CU_ASSERT_EQUAL(evtchn_poll_check(v, &none, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(evtchn_poll_check(v, &p, 1), 1);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, q), 0); // another one
    CU_ASSERT_EQUAL(fake_kicked, 0);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, p), 0);
    CU_ASSERT_EQUAL(fake_kicked, 1);
    CU_ASSERT_PTR_EQUAL(fake_last_kicked, v);
    CU_ASSERT_EQUAL(evtchn_poll_check(v, &p, 1), 0);
    take_pending(fake_domains[0], p);
    take_pending(fake_domains[0], q);
    both[0] = p;
    both[1] = q;
    CU_ASSERT_EQUAL(evtchn_poll_check(v, both, 2), 1);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, q), 0);
    CU_ASSERT_EQUAL(fake_kicked, 2);
    // The poll has ended: nobody is kicked, and nobody is looked for next time.
    vcpu_end_poll(v);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, p), 0);
    CU_ASSERT_EQUAL(fake_kicked, 2);
    CU_ASSERT_EQUAL(fake_domains[0]->evtchn.nr_pollers, 0);
    stop();
}

static void numbers_out_of_range(void)
{
    static const uint32_t bad[] = { 0, 4095, 4096, 4097, 1u << 17, 0x80000000, ~0u };
    struct evtchn_bind_vcpu b = { .vcpu = 0 };
    struct evtchn_status s;
    uint32_t out;

    start();
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, bad[i]), -XEN_EINVAL);
        CU_ASSERT_EQUAL(port_op(EVTCHNOP_close, bad[i]), -XEN_EINVAL);
        CU_ASSERT_EQUAL(bind_interdomain(1, bad[i], &out), -XEN_EINVAL);
        b.port = bad[i];
        CU_ASSERT_EQUAL(op(EVTCHNOP_bind_vcpu, &b), -XEN_EINVAL);
        CU_ASSERT_EQUAL(status(0, bad[i], &s), bad[i] ? -XEN_EINVAL : 0);
        CU_ASSERT_EQUAL(port_op(EVTCHNOP_unmask, bad[i]), bad[i] ? -XEN_EINVAL : 0);
        evtchn_send_pirq(fake_domains[0], bad[i]);
    }
    CU_ASSERT_EQUAL(op(14, &out), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(do_event_channel_op(~UINT64_C(0), (uintptr_t)&out, 0, 0, 0), -XEN_ENOSYS);
    for (unsigned cmd = 0; cmd < 14; cmd++)
        CU_ASSERT_EQUAL(op(cmd, NULL), -XEN_EFAULT);
    stop();
}

// All ports there are, one by one; after that each comes back.
static void exhaustion(void)
{
    uint32_t port, n = 0;
    long rc;

    start();
    while (!(rc = alloc_unbound(DOMID_SELF, 1, &port)))
        CU_ASSERT_EQUAL(port, ++n);
    CU_ASSERT_EQUAL(rc, -XEN_ENOSPC);
    CU_ASSERT_EQUAL(n, EVTCHN_2L_NR_CHANNELS - 1);
    CU_ASSERT_EQUAL(bind_ipi(0, &port), -XEN_ENOSPC);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_close, 77), 0);
    CU_ASSERT_EQUAL(bind_ipi(0, &port), 0);
    CU_ASSERT_EQUAL(port, 77);
    // A domain may be allowed fewer.
    fake_domains[1]->evtchn.max_port = 5;
    fake_become(fake_domains[1], 0);
    for (n = 0; !bind_ipi(0, &port); n++)
        ;
    CU_ASSERT_EQUAL(n, 5);
    stop();
}

static void reset_goes_on_where_it_stopped(void)
{
    struct evtchn_reset r = { .dom = DOMID_SELF };
    struct cpu_user_regs regs = { .rip = 100 };
    uint32_t port, peer;
    unsigned calls = 0;
    long rc;

    start();
    for (unsigned i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL(alloc_unbound(DOMID_SELF, DOMID_SELF, &port), 0);
    CU_ASSERT_EQUAL(bind_interdomain(DOMID_SELF, port, &peer), 0);
    fake_preempt = true;
    while ((rc = op(EVTCHNOP_reset, &r)) == HYPERCALL_RESTART) {
        hypercall_write_back(&regs);
        CU_ASSERT(regs.rdi == EVTCHNOP_reset && regs.rsi == (uintptr_t)&r);
        calls++;
    }
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT(calls > 10);
    CU_ASSERT_EQUAL(fake_domains[0]->evtchn.nr_used, 0);
    stop();
}

// A port whose number can not be told is not kept.
static void answers_that_fault(void)
{
    union {
        struct evtchn_alloc_unbound alloc;
        struct evtchn_bind_interdomain pair;
        struct evtchn_bind_virq virq;
        struct evtchn_bind_ipi ipi;
        struct evtchn_bind_pirq pirq;
    } arg;
    uint32_t port, used;

    start();
    CU_ASSERT_EQUAL(alloc_unbound(1, 0, &port), 0);
    fake_read_only = &arg;
    arg.alloc = (struct evtchn_alloc_unbound){ .dom = 2, .remote_dom = 0 };
    CU_ASSERT_EQUAL(op(EVTCHNOP_alloc_unbound, &arg), -XEN_EFAULT);
    CU_ASSERT_EQUAL(fake_domains[2]->evtchn.nr_used, 0);
    arg.pair = (struct evtchn_bind_interdomain){ .remote_dom = 1, .remote_port = port };
    CU_ASSERT_EQUAL(op(EVTCHNOP_bind_interdomain, &arg), -XEN_EFAULT);
    arg.virq = (struct evtchn_bind_virq){ .virq = VIRQ_TIMER };
    CU_ASSERT_EQUAL(op(EVTCHNOP_bind_virq, &arg), -XEN_EFAULT);
    arg.ipi = (struct evtchn_bind_ipi){ .vcpu = 1 };
    CU_ASSERT_EQUAL(op(EVTCHNOP_bind_ipi, &arg), -XEN_EFAULT);
    arg.pirq = (struct evtchn_bind_pirq){ .pirq = 4 };
    CU_ASSERT_EQUAL(op(EVTCHNOP_bind_pirq, &arg), -XEN_EFAULT);
    used = fake_domains[0]->evtchn.nr_used;
    CU_ASSERT_EQUAL(used, 0);
    CU_ASSERT_EQUAL(fake_pirqs_bound, 0);
    fake_read_only = NULL;
    CU_ASSERT_EQUAL(bind_interdomain(1, port, &port), 0);
    stop();
}

static void allocations_that_fail(void)
{
    uint32_t port;
    long rc;

    fake_domains_create();
    for (int left = 0; left < 2; left++) {
        fake_heap_left = left;
        CU_ASSERT_EQUAL(evtchn_domain_init(fake_domains[0]), -XEN_ENOMEM);
        evtchn_domain_destroy(fake_domains[0]);
        CU_ASSERT_EQUAL(fake_heap_objects, 0);
    }
    fake_domains_destroy();
    start();
    fake_heap_left = 3;
    while (!(rc = bind_ipi(0, &port)))
        ;
    CU_ASSERT_EQUAL(rc, -XEN_ENOMEM);
    CU_ASSERT_EQUAL(fake_domains[0]->evtchn.nr_used, 4 * PORTS_PER_BUCKET - 1);
    fake_heap_left = -1;
    CU_ASSERT_EQUAL(bind_ipi(0, &port), 0);
    stop();
}

// ---- random operations against a model ----

#define MODEL_PORTS 40u
#define ROUNDS 60000u

static struct model {
    unsigned state;
    domid_t dom; // unbound: for whom; interdomain: whose
    uint32_t port, virq;
    unsigned vcpu;
    bool pending;
} model[FAKE_DOMAINS][MODEL_PORTS];

static unsigned dom;

static uint32_t some_port(void)
{
    return (uint32_t)rand() % (MODEL_PORTS + 2);
}

static struct model *port_model(unsigned d, uint32_t port)
{
    static struct model closed;
    return port < MODEL_PORTS ? &model[d][port] : &closed;
}

static uint32_t lowest_closed(unsigned d)
{
    for (uint32_t p = 1; p < MODEL_PORTS; p++)
        if (model[d][p].state == EVTCHNSTAT_closed)
            return p;
    return 0;
}

static void check_opened(long rc, uint32_t port, uint32_t want, struct model now)
{
    CU_ASSERT_EQUAL(rc, want ? 0 : -XEN_ENOSPC);
    if (!want)
        return;
    CU_ASSERT_EQUAL(port, want);
    model[dom][want] = now;
}

static void try_alloc(void)
{
    domid_t remote = (domid_t)((unsigned)rand() % FAKE_DOMAINS);
    uint32_t port, want = lowest_closed(dom);
    long rc = alloc_unbound(DOMID_SELF, remote, &port);
    check_opened(rc, port, want, (struct model){ .state = EVTCHNSTAT_unbound, .dom = remote });
}

static void try_bind(void)
{
    domid_t remote = (domid_t)((unsigned)rand() % FAKE_DOMAINS);
    uint32_t there = some_port(), port, want = lowest_closed(dom);
    struct model *far = port_model(remote, there);
    long rc = bind_interdomain(remote, there, &port);

    if (!want || (far->state == EVTCHNSTAT_unbound && far->dom == dom)) {
        check_opened(rc, port, want, (struct model){ .state = EVTCHNSTAT_interdomain, .dom = remote, .port = there,
                                                     .pending = true });
        if (want)
            *far = (struct model){ .state = EVTCHNSTAT_interdomain, .dom = (domid_t)dom, .port = want,
                                   .vcpu = far->vcpu, .pending = far->pending };
    } else {
        CU_ASSERT_EQUAL(rc, -XEN_EINVAL);
    }
}

static void try_ipi(void)
{
    unsigned vcpu = (unsigned)rand() % 4;
    uint32_t port, want = lowest_closed(dom);
    long rc = bind_ipi(vcpu, &port);
    check_opened(rc, port, want, (struct model){ .state = EVTCHNSTAT_ipi, .vcpu = vcpu });
}

static void try_virq(void)
{
    unsigned vcpu = (unsigned)rand() % 4;
    uint32_t port, want = lowest_closed(dom);
    long rc;
    bool bound = false;

    for (uint32_t p = 0; p < MODEL_PORTS; p++)
        bound |= model[dom][p].state == EVTCHNSTAT_virq && model[dom][p].vcpu == vcpu;
    rc = bind_virq(VIRQ_DEBUG, vcpu, &port);
    if (bound)
        CU_ASSERT_EQUAL(rc, want ? -XEN_EEXIST : -XEN_ENOSPC)
    else
        check_opened(rc, port, want, (struct model){ .state = EVTCHNSTAT_virq, .virq = VIRQ_DEBUG, .vcpu = vcpu });
    for (uint32_t p = 0; p < MODEL_PORTS; p++)
        if (model[dom][p].state == EVTCHNSTAT_virq && model[dom][p].vcpu == vcpu)
            model[dom][p].pending = true;
    evtchn_send_virq(fake_domains[dom]->vcpu[vcpu], VIRQ_DEBUG);
}

static void try_close(void)
{
    uint32_t port = some_port();
    struct model *m = port_model(dom, port);
    long rc = port_op(EVTCHNOP_close, port);

    CU_ASSERT_EQUAL(rc, m->state == EVTCHNSTAT_closed ? -XEN_EINVAL : 0);
    if (m->state == EVTCHNSTAT_interdomain) {
        struct model *far = &model[m->dom][m->port];
        far->state = EVTCHNSTAT_unbound;
        far->dom = (domid_t)dom;
    }
    *m = (struct model){ .state = EVTCHNSTAT_closed };
}

static void try_send(void)
{
    uint32_t port = some_port();
    struct model *m = port_model(dom, port);
    long rc = port_op(EVTCHNOP_send, port);
    bool can = m->state == EVTCHNSTAT_unbound || m->state == EVTCHNSTAT_ipi || m->state == EVTCHNSTAT_interdomain;

    CU_ASSERT_EQUAL(rc, can ? 0 : -XEN_EINVAL);
    if (m->state == EVTCHNSTAT_ipi)
        m->pending = true;
    if (m->state == EVTCHNSTAT_interdomain)
        model[m->dom][m->port].pending = true;
}

static void try_bind_vcpu(void)
{
    struct evtchn_bind_vcpu b = { some_port(), (unsigned)rand() % 5 };
    struct model *m = port_model(dom, b.port);
    bool can = m->state == EVTCHNSTAT_unbound || m->state == EVTCHNSTAT_interdomain;
    long rc = op(EVTCHNOP_bind_vcpu, &b);

    CU_ASSERT_EQUAL(rc, b.vcpu == 4 ? -XEN_ENOENT : can ? 0 : -XEN_EINVAL);
    if (!rc)
        m->vcpu = b.vcpu;
}

static void check_model(void)
{
    for (uint32_t p = 1; p < MODEL_PORTS; p++) {
        const struct model *m = &model[dom][p];
        struct evtchn_status s;
        CU_ASSERT_EQUAL(status(DOMID_SELF, p, &s), 0);
        CU_ASSERT_EQUAL(s.status, m->state);
        CU_ASSERT_EQUAL(s.vcpu, m->vcpu);
        if (m->state == EVTCHNSTAT_unbound)
            CU_ASSERT_EQUAL(s.u.unbound.dom, m->dom);
        if (m->state == EVTCHNSTAT_interdomain)
            CU_ASSERT(s.u.interdomain.dom == m->dom && s.u.interdomain.port == m->port);
        CU_ASSERT_EQUAL(take_pending(fake_domains[dom], p), m->pending);
        model[dom][p].pending = false;
    }
}

static void random_operations(void)
{
    static void (*const tries[])(void) = { try_alloc, try_bind, try_bind, try_ipi, try_virq, try_close, try_close,
                                           try_send, try_send, try_bind_vcpu };

    start();
    srand(1);
    memset(model, 0, sizeof(model));
    for (unsigned d = 0; d < FAKE_DOMAINS; d++)
        fake_domains[d]->evtchn.max_port = MODEL_PORTS - 1;
    for (unsigned i = 0; i < ROUNDS; i++) {
        dom = (unsigned)rand() % FAKE_DOMAINS;
        fake_become(fake_domains[dom], (unsigned)rand() % 4);
        tries[(unsigned)rand() % ARRAY_SIZE(tries)]();
        if (i % 16 == 0)
            check_model();
    }
    stop();
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "pairs", pairs },
        { "own-pair", own_pair },
        { "others-ports", others_ports_are_for_the_control_domain },
        { "virqs", virqs },
        { "pirqs", pirqs },
        { "masks", masks },
        { "polls", polls },
        { "numbers-out-of-range", numbers_out_of_range },
        { "exhaustion", exhaustion },
        { "reset-restarts", reset_goes_on_where_it_stopped },
        { "answers-that-fault", answers_that_fault },
        { "allocations-that-fail", allocations_that_fail },
        { "random-operations", random_operations },
        { NULL, NULL },
    };

    return unit_main("event_channel", tests);
}
