// SPDX-License-Identifier: MIT
/*
 * Event channels, two-level ABI: each operation, each state of a port, limits.
 * Why: ports are the only thing a domain can say to another; a port number is checked in one place or
 * in none (XSA-317, -338, -342).
 */
#include "kit/kit.h"

#define LIMIT (64u * 64)

static unsigned int bind_interdomain(unsigned int remote, int *rc)
{
    struct evtchn_bind_interdomain b = { .remote_dom = DOMID_SELF, .remote_port = remote };

    *rc = event_op(EVTCHNOP_bind_interdomain, &b);
    return b.local_port;
}

static int status(unsigned int port, struct evtchn_status *s)
{
    memset(s, 0, sizeof(*s));
    s->dom = DOMID_SELF;
    s->port = port;
    return event_op(EVTCHNOP_status, s);
}

static void settle(void)
{
    shared_info->vcpu_info[0].evtchn_pending_sel = 0;
    shared_info->vcpu_info[0].evtchn_upcall_pending = 0;
}

static void alloc_unbound(void)
{
    struct evtchn_status s;
    int a = event_alloc_unbound(DOMID_SELF, DOMID_SELF);
    int b = event_alloc_unbound(DOMID_SELF, 5);

    CHECK(a > 0 && b > 0 && a != b);
    CHECK_EQ(status((unsigned int)a, &s), 0);
    CHECK_EQ(s.status, EVTCHNSTAT_unbound);
    CHECK_EQ(s.u.unbound.dom, 0);
    CHECK_EQ(status((unsigned int)b, &s), 0);
    CHECK_EQ(s.u.unbound.dom, 5);
    CHECK_EQ(event_close((unsigned int)a), 0);
    CHECK_EQ(event_close((unsigned int)b), 0);
    CHECK_EQ(event_close((unsigned int)b), -XEN_EINVAL);
    CHECK_EQ(status((unsigned int)a, &s), 0);
    CHECK_EQ(s.status, EVTCHNSTAT_closed);
    CHECK_EQ(event_alloc_unbound(1000, DOMID_SELF), -XEN_ESRCH);
}

static void interdomain(void)
{
    struct evtchn_status s;
    int rc, a = event_alloc_unbound(DOMID_SELF, DOMID_SELF);
    unsigned int b = bind_interdomain((unsigned int)a, &rc);

    CHECK_EQ(rc, 0);
    CHECK_EQ(status(b, &s), 0);
    CHECK_EQ(s.status, EVTCHNSTAT_interdomain);
    CHECK_EQ(s.u.interdomain.port, a);
    CHECK_EQ(s.u.interdomain.dom, 0);
    event_clear((unsigned int)a);
    event_clear(b);
    event_masked((unsigned int)a, true);
    event_masked(b, true);
    CHECK_EQ(event_send(b), 0);
    CHECK(event_pending((unsigned int)a));
    CHECK(!event_pending(b));
    event_clear((unsigned int)a);
    CHECK_EQ(event_send((unsigned int)a), 0);
    CHECK(event_pending(b));
    /* A bound pair takes no third. */
    bind_interdomain((unsigned int)a, &rc);
    CHECK_EQ(rc, -XEN_EINVAL);
    CHECK_EQ(event_close(b), 0);
    CHECK_EQ(status((unsigned int)a, &s), 0);
    CHECK_EQ(s.status, EVTCHNSTAT_unbound);
    CHECK_EQ(event_close((unsigned int)a), 0);
    event_clear((unsigned int)a);
    event_clear(b);
    settle();
}

static void interdomain_refused(void)
{
    struct evtchn_bind_interdomain b = { .remote_dom = 1000, .remote_port = 1 };
    int rc, a = event_alloc_unbound(DOMID_SELF, 5);

    CHECK_EQ(event_op(EVTCHNOP_bind_interdomain, &b), -XEN_ESRCH);
    bind_interdomain(0, &rc);
    CHECK_EQ(rc, -XEN_EINVAL);
    bind_interdomain((unsigned int)a, &rc);             /* kept for another */
    CHECK_EQ(rc, -XEN_EINVAL);
    bind_interdomain(LIMIT, &rc);
    CHECK_EQ(rc, -XEN_EINVAL);
    bind_interdomain(~0u, &rc);
    CHECK_EQ(rc, -XEN_EINVAL);
    event_close((unsigned int)a);
}

static void virqs(void)
{
    struct evtchn_status s;
    int t = event_bind_virq(VIRQ_TIMER, 0);

    CHECK(t > 0);
    CHECK_EQ(event_bind_virq(VIRQ_TIMER, 0), -XEN_EEXIST);
    CHECK_EQ(status((unsigned int)t, &s), 0);
    CHECK_EQ(s.status, EVTCHNSTAT_virq);
    CHECK_EQ(s.u.virq, VIRQ_TIMER);
    CHECK_EQ(event_close((unsigned int)t), 0);
    CHECK_EQ(event_bind_virq(NR_VIRQS, 0), -XEN_EINVAL);
    CHECK_EQ(event_bind_virq(~0u, 0), -XEN_EINVAL);
    CHECK_EQ(event_bind_virq(VIRQ_TIMER, 1000), -XEN_ENOENT);
    CHECK_EQ(event_bind_virq(VIRQ_TIMER, ~0u), -XEN_ENOENT);
    CHECK_EQ(event_bind_virq(VIRQ_DOM_EXC, 1), -XEN_EINVAL);
    t = event_bind_virq(VIRQ_DOM_EXC, 0);
    CHECK(t > 0);
    CHECK_EQ(event_close((unsigned int)t), 0);
}

static void ipis(void)
{
    struct evtchn_status s;
    int p = event_bind_ipi(0);

    CHECK(p > 0);
    CHECK_EQ(status((unsigned int)p, &s), 0);
    CHECK_EQ(s.status, EVTCHNSTAT_ipi);
    CHECK_EQ(s.vcpu, 0);
    event_masked((unsigned int)p, true);
    CHECK_EQ(event_send((unsigned int)p), 0);
    CHECK(event_pending((unsigned int)p));
    event_clear((unsigned int)p);
    CHECK_EQ(event_close((unsigned int)p), 0);
    CHECK_EQ(event_bind_ipi(1000), -XEN_ENOENT);
    CHECK_EQ(event_bind_ipi(~0u), -XEN_ENOENT);
}

static unsigned int seen_port;

static void take(void)
{
    for (unsigned int i = 0; i < 64; i++)
        if (shared_info->vcpu_info[0].evtchn_pending_sel >> i & 1) {
            uint64_t word = shared_info->evtchn_pending[i] & ~shared_info->evtchn_mask[i];

            if (word)
                seen_port = i * 64 + (unsigned int)__builtin_ctzl(word);
        }
    shared_info->vcpu_info[0].evtchn_pending_sel = 0;
    if (seen_port)
        event_clear(seen_port);
}

static void upcall(void)
{
    int p = event_bind_ipi(0);
    unsigned long before = nr_upcalls;

    event_hook = take;
    seen_port = 0;
    event_clear((unsigned int)p);
    event_masked((unsigned int)p, false);
    settle();
    CHECK_EQ(event_send((unsigned int)p), 0);
    CHECK_EQ(nr_upcalls, before);                       /* masked on the vCPU */
    CHECK_EQ(vcpu0_info->evtchn_upcall_pending, 1);
    events_unmask();
    CHECK_EQ(nr_upcalls, before + 1);
    CHECK_EQ(seen_port, p);
    CHECK_EQ(vcpu0_info->evtchn_upcall_mask, 0);        /* as it was before the upcall */
    seen_port = 0;
    CHECK_EQ(event_send((unsigned int)p), 0);           /* at once */
    CHECK_EQ(seen_port, p);
    CHECK_EQ(nr_upcalls, before + 2);
    event_masked((unsigned int)p, true);
    CHECK_EQ(event_send((unsigned int)p), 0);           /* masked on the port */
    CHECK_EQ(nr_upcalls, before + 2);
    CHECK(event_pending((unsigned int)p));
    events_mask();
    event_clear((unsigned int)p);
    settle();
    event_close((unsigned int)p);
}

static void unmask(void)
{
    int p = event_bind_ipi(0);
    struct evtchn_unmask u = { (unsigned int)p };

    event_hook = take;
    seen_port = 0;
    event_masked((unsigned int)p, true);
    settle();
    CHECK_EQ(event_send((unsigned int)p), 0);
    events_unmask();
    CHECK_EQ(seen_port, 0);
    CHECK_EQ(event_op(EVTCHNOP_unmask, &u), 0);
    CHECK_EQ(seen_port, p);
    CHECK(!(shared_info->evtchn_mask[p / 64] >> p % 64 & 1));
    events_mask();
    u.port = LIMIT;
    CHECK_EQ(event_op(EVTCHNOP_unmask, &u), -XEN_EINVAL);
    u.port = ~0u;
    CHECK_EQ(event_op(EVTCHNOP_unmask, &u), -XEN_EINVAL);
    event_close((unsigned int)p);
    settle();
}

static void bind_vcpu(void)
{
    int a = event_alloc_unbound(DOMID_SELF, DOMID_SELF), t = event_bind_virq(VIRQ_TIMER, 0), i = event_bind_ipi(0);
    struct evtchn_bind_vcpu b = { (unsigned int)a, 0 };

    CHECK_EQ(event_op(EVTCHNOP_bind_vcpu, &b), 0);
    b.vcpu = 1000;
    CHECK_EQ(event_op(EVTCHNOP_bind_vcpu, &b), -XEN_ENOENT);
    b = (struct evtchn_bind_vcpu){ (unsigned int)t, 0 };
    CHECK_EQ(event_op(EVTCHNOP_bind_vcpu, &b), -XEN_EINVAL);    /* bound to its vCPU for good */
    b.port = (unsigned int)i;
    CHECK_EQ(event_op(EVTCHNOP_bind_vcpu, &b), -XEN_EINVAL);
    b.port = LIMIT;
    CHECK_EQ(event_op(EVTCHNOP_bind_vcpu, &b), -XEN_EINVAL);
    b.port = 0;
    CHECK_EQ(event_op(EVTCHNOP_bind_vcpu, &b), -XEN_EINVAL);
    event_close((unsigned int)a);
    event_close((unsigned int)t);
    event_close((unsigned int)i);
}

static void pirqs(void)
{
    struct evtchn_bind_pirq b = { .pirq = 100000 };

    CHECK_EQ(event_op(EVTCHNOP_bind_pirq, &b), -XEN_EINVAL);
    b.pirq = ~0u;
    CHECK_EQ(event_op(EVTCHNOP_bind_pirq, &b), -XEN_EINVAL);
}

/* Each operation that takes a port meets each kind of number that is none. */
static void port_numbers(void)
{
    static const unsigned int bad[] = { LIMIT - 1, LIMIT, LIMIT + 1, 1u << 17, 0x7fffffff, 0x80000000, ~0u };
    struct evtchn_status s;

    for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ(event_send(bad[i]), -XEN_EINVAL);
        CHECK_EQ(event_close(bad[i]), -XEN_EINVAL);
        CHECK_EQ(status(bad[i], &s), -XEN_EINVAL);
    }
    CHECK_EQ(event_send(0), -XEN_EINVAL);
    CHECK_EQ(event_close(0), -XEN_EINVAL);
}

static void send_closed(void)
{
    int a = event_alloc_unbound(DOMID_SELF, DOMID_SELF);

    CHECK_EQ(event_send((unsigned int)a), 0);           /* nobody there yet: lost, not an error */
    event_close((unsigned int)a);
    CHECK_EQ(event_send((unsigned int)a), -XEN_EINVAL);
}

/* All of them: 4095 fit, one more does not, and they come back. */
static void exhaustion(void)
{
    static int ports[LIMIT + 1];
    int n = 0, rc;

    for (;;) {
        rc = event_alloc_unbound(DOMID_SELF, DOMID_SELF);
        if (rc < 0 || n >= (int)LIMIT)
            break;
        ports[n++] = rc;
    }
    CHECK_EQ(rc, -XEN_ENOSPC);
    CHECK(n > (int)LIMIT - 32 && n < (int)LIMIT);
    CHECK_EQ(event_bind_ipi(0), -XEN_ENOSPC);
    for (int i = 0; i < n; i++)
        if (event_close((unsigned int)ports[i]))
            CHECK_EQ(i, -1);
    rc = event_alloc_unbound(DOMID_SELF, DOMID_SELF);
    CHECK(rc > 0);
    event_close((unsigned int)rc);
}

static void reset(void)
{
    int a = event_alloc_unbound(DOMID_SELF, DOMID_SELF);
    struct evtchn_reset r = { .dom = DOMID_SELF };

    CHECK_EQ(event_op(EVTCHNOP_reset, &r), 0);
    CHECK_EQ(event_close((unsigned int)a), -XEN_EINVAL);
    r.dom = 1000;
    CHECK_EQ(event_op(EVTCHNOP_reset, &r), -XEN_ESRCH);
}

static void bad_pointers(void)
{
    void *hole = (void *)0xffff830000000000, *odd = (void *)0x800000000000;

    for (int cmd = 0; cmd <= 13; cmd++) {
        CHECK_EQ(event_op(cmd, hole), -XEN_EFAULT);
        CHECK_EQ(event_op(cmd, odd), -XEN_EFAULT);
    }
    CHECK_EQ(event_op(15, &hole), -XEN_ENOSYS);
    CHECK_EQ(event_op(-1, &hole), -XEN_ENOSYS);
}

/* An answer that cannot be written is an error; the port, kept or not, is no leak of another's. */
static void answer_nowhere(void)
{
    struct evtchn_alloc_unbound *a = page_alloc();
    struct evtchn_reset r = { .dom = DOMID_SELF };

    a->dom = DOMID_SELF;
    a->remote_dom = DOMID_SELF;
    page_protect(a, false);
    CHECK_EQ(event_op(EVTCHNOP_alloc_unbound, a), -XEN_EFAULT);
    CHECK_EQ(event_op(EVTCHNOP_reset, &r), 0);
    page_protect(a, true);
    page_free(a);
}

/* Compatible numbers of before 3.2 still answer, or do not exist; they must not be something else. */
static void old_hypercall(void)
{
    struct {
        uint32_t cmd, pad;
        uint64_t u[4];
    } op = { .cmd = EVTCHNOP_close, .u = { 4000 } };
    long rc = hypercall(__HYPERVISOR_event_channel_op_compat, U64(&op), 0, 0, 0, 0);

    CHECK(rc == -XEN_EINVAL || rc == -XEN_ENOSYS);
}

TESTS("event", TEST(alloc_unbound), TEST(interdomain), TEST(interdomain_refused), TEST(virqs), TEST(ipis),
      TEST(upcall), TEST(unmask), TEST(bind_vcpu), TEST(pirqs), TEST(port_numbers), TEST(send_closed),
      TEST(exhaustion), TEST(reset), TEST(bad_pointers), TEST(answer_nowhere), TEST(old_hypercall));
