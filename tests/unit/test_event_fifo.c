// SPDX-License-Identifier: MIT
// FIFO event channels: setting up and refusals, queues and priorities, ports beyond the array, going over
// from two levels and back; a guest that takes events as the ABI says gets each exactly once, whatever the
// order; a hostile one that scribbles over all it shares harms nobody.
#include "unit_main.h"

#include <stdlib.h>
#include <string.h>

#include "core/event_internal.h"
#include "core/hypercall.h"
#include "fake_domain.h"
#include "fake_machine.h"
#include "lib/bitmap.h"
#include "public/errno.h"

#define PENDING (UINT32_C(1) << EVTCHN_FIFO_PENDING)
#define MASKED  (UINT32_C(1) << EVTCHN_FIFO_MASKED)
#define LINKED  (UINT32_C(1) << EVTCHN_FIFO_LINKED)
#define BUSY    (UINT32_C(1) << EVTCHN_FIFO_BUSY)

static struct domain *d;
static struct evtchn_fifo_control_block *control[4];
static uint32_t *words[2];

static long op(unsigned cmd, void *arg)
{
    return do_event_channel_op(cmd, (uint64_t)(uintptr_t)arg, 0, 0, 0);
}

static long init_control(uint64_t frame, uint32_t offset, uint32_t vcpu)
{
    struct evtchn_init_control c = { .control_gfn = frame, .offset = offset, .vcpu = vcpu };
    long rc = op(EVTCHNOP_init_control, &c);
    if (!rc)
        CU_ASSERT_EQUAL(c.link_bits, EVTCHN_FIFO_LINK_BITS);
    return rc;
}

static long expand(uint64_t frame)
{
    struct evtchn_expand_array e = { .array_gfn = frame };
    return op(EVTCHNOP_expand_array, &e);
}

static uint32_t bind_ipi(uint32_t vcpu)
{
    struct evtchn_bind_ipi b = { .vcpu = vcpu };
    CU_ASSERT_EQUAL(op(EVTCHNOP_bind_ipi, &b), 0);
    return b.port;
}

static long port_op(unsigned cmd, uint32_t port)
{
    return op(cmd, &port);
}

static long set_priority(uint32_t port, uint32_t priority)
{
    struct evtchn_set_priority p = { port, priority };
    return op(EVTCHNOP_set_priority, &p);
}

static void begin(void)
{
    fake_domains_create();
    d = fake_domains[0];
    CU_ASSERT_EQUAL(evtchn_domain_init(d), 0);
}

static void start(void)
{
    uint64_t frame;

    begin();
    for (unsigned i = 0; i < 4; i++) {
        control[i] = (struct evtchn_fifo_control_block *)(void *)((uint8_t *)fake_frame(d, &frame) + 64 * i);
        CU_ASSERT_EQUAL(init_control(frame, 64 * i, i), 0);
    }
    words[0] = fake_frame(d, &frame);
    CU_ASSERT_EQUAL(expand(frame), 0);
}

static void stop(void)
{
    evtchn_domain_destroy(d);
    CU_ASSERT(fake_frames_are_quiet());
    CU_ASSERT_EQUAL(fake_heap_objects, 0);
    CU_ASSERT(!fake_irqs_off[0]);
    fake_domains_destroy();
}

// What a guest does in its upcall: the port at the head of the first ready queue, taken off; 0 if none.
static uint32_t take(unsigned vcpu, uint32_t heads[16])
{
    uint32_t ready = control[vcpu]->ready;

    while (ready) {
        unsigned q = (unsigned)__builtin_ctz(ready);
        uint32_t port = heads[q] ? heads[q] : control[vcpu]->head[q];
        uint32_t *word = &words[0][port % 1024];

        heads[q] = *word & EVTCHN_FIFO_LINK_MASK;
        *word &= ~(LINKED | (uint32_t)EVTCHN_FIFO_LINK_MASK);
        if (!heads[q])
            control[vcpu]->ready &= ~(1u << q);
        if (*word & PENDING && !(*word & MASKED)) {
            *word &= ~PENDING;
            return port;
        }
        ready = control[vcpu]->ready;
    }
    return 0;
}

static void setup_refused(void)
{
    uint64_t frame, table, theirs;

    begin();
    fake_frame(d, &frame);
    fake_frame(d, &table);
    fake_frame(fake_domains[1], &theirs);
    frame_table[table].type = UINT64_C(1) << 63;
    CU_ASSERT_EQUAL(expand(frame), -XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(set_priority(1, 0), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(init_control(frame, 0, 4), -XEN_ENOENT);
    CU_ASSERT_EQUAL(init_control(frame, 4, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(init_control(frame, 4096 - 64, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(init_control(frame, UINT32_MAX - 7, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(init_control(table, 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(init_control(theirs, 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(init_control(UINT64_MAX, 0, 0), -XEN_EINVAL);
    fake_heap_left = 0;
    CU_ASSERT_EQUAL(init_control(frame, 0, 0), -XEN_ENOMEM);
    CU_ASSERT(fake_frames_are_quiet());
    CU_ASSERT_PTR_NULL(d->evtchn.fifo);
    fake_heap_left = -1;
    CU_ASSERT_EQUAL(init_control(frame, 4096 - 72, 0), 0);
    CU_ASSERT_EQUAL(init_control(frame, 0, 0), -XEN_EINVAL); // once
    CU_ASSERT_EQUAL(expand(table), -XEN_EINVAL);
    CU_ASSERT_EQUAL(expand(theirs), -XEN_EINVAL);
    CU_ASSERT_EQUAL(expand(UINT64_MAX), -XEN_EINVAL);
    for (unsigned i = 0; i < 128; i++) {
        fake_frame(d, &frame);
        CU_ASSERT_EQUAL(expand(frame), 0);
    }
    CU_ASSERT_EQUAL(expand(frame), -XEN_ENOSPC);
    stop();
}

static void queues(void)
{
    uint32_t a, b, heads[16] = { 0 };

    start();
    a = bind_ipi(1);
    b = bind_ipi(1);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, a), 0);
    CU_ASSERT_EQUAL(words[0][a], PENDING | LINKED);
    CU_ASSERT(control[1]->head[7] == a && control[1]->ready == 1u << 7);
    CU_ASSERT_PTR_EQUAL(fake_last_kicked, d->vcpu[1]);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, b), 0);
    CU_ASSERT_EQUAL(words[0][a], PENDING | LINKED | b);
    CU_ASSERT_EQUAL(fake_kicked, 1);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, a), 0);
    CU_ASSERT_EQUAL(words[0][a], PENDING | LINKED | b);
    CU_ASSERT_EQUAL(take(1, heads), a);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, a), 0); // behind b now
    CU_ASSERT_EQUAL(take(1, heads), b);
    CU_ASSERT_EQUAL(take(1, heads), a);
    CU_ASSERT_EQUAL(take(1, heads), 0);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, a), 0); // alone, and it was the last one before
    CU_ASSERT_EQUAL(words[0][a], PENDING | LINKED);
    CU_ASSERT_EQUAL(take(1, heads), a);
    stop();
}

static void masks_and_priorities(void)
{
    uint32_t a, b, heads[16] = { 0 };

    start();
    a = bind_ipi(0);
    b = bind_ipi(0);
    CU_ASSERT_EQUAL(set_priority(a, 16), -XEN_EINVAL);
    CU_ASSERT_EQUAL(set_priority(5000, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(set_priority(b, 2), 0);
    words[0][b] = MASKED;
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, b), 0);
    CU_ASSERT_EQUAL(words[0][b], MASKED | PENDING);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, a), 0);
    CU_ASSERT_EQUAL(control[0]->ready, 1u << 7);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_unmask, b), 0);
    CU_ASSERT_EQUAL(control[0]->ready, 1u << 7 | 1u << 2);
    CU_ASSERT_EQUAL(take(0, heads), b);
    CU_ASSERT_EQUAL(take(0, heads), a);
    stop();
}

// Ports past the array's end are raised when it grows, those that are open and no other.
static void array_grows(void)
{
    uint64_t frame;
    uint32_t port;

    start();
    do
        port = bind_ipi(0);
    while (port < 1030);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, port), 0);
    CU_ASSERT_EQUAL(control[0]->ready, 0);
    for (uint32_t other = 1024; other < port; other++)
        CU_ASSERT_EQUAL(port_op(EVTCHNOP_close, other), 0);
    words[1] = fake_frame(d, &frame);
    CU_ASSERT_EQUAL(expand(frame), 0);
    CU_ASSERT_EQUAL(words[1][port - 1024], PENDING | LINKED);
    CU_ASSERT_EQUAL(control[0]->head[7], port);
    CU_ASSERT_EQUAL(words[1][port - 1025], 0);
    CU_ASSERT_EQUAL(words[1][port - 1023], 0);
    stop();
}

static void over_from_two_levels_and_back(void)
{
    struct evtchn_reset r = { .dom = DOMID_SELF };
    uint64_t frame;
    uint32_t port;

    begin();
    port = bind_ipi(0);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, port), 0);
    control[0] = fake_frame(d, &frame);
    CU_ASSERT_EQUAL(init_control(frame, 0, 0), 0);
    words[0] = fake_frame(d, &frame);
    CU_ASSERT_EQUAL(expand(frame), 0);
    CU_ASSERT_EQUAL(words[0][port], PENDING | LINKED);
    CU_ASSERT(!fake_frames_are_quiet());
    CU_ASSERT_EQUAL(op(EVTCHNOP_reset, &r), 0);
    CU_ASSERT(fake_frames_are_quiet());
    CU_ASSERT_PTR_NULL(d->evtchn.fifo);
    memset(d->shared_info->evtchn_pending, 0, 512);
    port = bind_ipi(0);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, port), 0);
    CU_ASSERT(bitmap_test(d->shared_info->evtchn_pending, port));
    stop();
}

// FIFO leaves ports that two levels have no bits for: what the guest says of them reaches nothing.
static void ports_beyond_the_bitmaps(void)
{
    struct evtchn_reset r = { .dom = DOMID_SELF };
    uint64_t frame;
    uint32_t port;

    start();
    fake_frame(d, &frame);
    do
        port = bind_ipi(0);
    while (port < EVTCHN_2L_NR_CHANNELS + 100);
    CU_ASSERT_EQUAL(op(EVTCHNOP_reset, &r), 0);
    memset(d->shared_info, 0xff, PAGE_SIZE);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_unmask, port), 0);
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        CU_ASSERT_EQUAL(((uint8_t *)d->shared_info)[i], 0xff);
    CU_ASSERT_EQUAL(evtchn_poll_check(d->vcpu[0], &port, 1), 1);
    vcpu_end_poll(d->vcpu[0]);
    stop();
}

// A closed port that still stands in a queue is not handed out again.
static void closed_while_linked(void)
{
    uint32_t a, b, heads[16] = { 0 };

    start();
    a = bind_ipi(0);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, a), 0);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_close, a), 0);
    CU_ASSERT_EQUAL(words[0][a], LINKED);
    b = bind_ipi(0);
    CU_ASSERT_NOT_EQUAL(a, b);
    CU_ASSERT_EQUAL(take(0, heads), 0); // takes it off
    CU_ASSERT_EQUAL(bind_ipi(0), a);
    stop();
}

#define NR_PORTS 60u
#define ROUNDS   200000u

// Sends, takes, masks and moves in any order: what was sent comes once, on the vCPU that it was last put for.
static void honest_guest(void)
{
    static uint32_t heads[4][16];
    uint32_t port[NR_PORTS];
    bool sent[1024] = { false };
    unsigned taken = 0;

    start();
    srand(2);
    memset(heads, 0, sizeof(heads));
    for (unsigned i = 0; i < NR_PORTS; i++) {
        struct evtchn_alloc_unbound a = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
        struct evtchn_bind_interdomain b = { .remote_dom = DOMID_SELF };
        CU_ASSERT_EQUAL(op(EVTCHNOP_alloc_unbound, &a), 0);
        b.remote_port = a.port;
        CU_ASSERT_EQUAL(op(EVTCHNOP_bind_interdomain, &b), 0);
        while (take(0, heads[0]))
            ;
        port[i] = b.local_port; // sending here raises a.port = b.local_port - 1
        CU_ASSERT_EQUAL(a.port + 1, b.local_port);
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t p = port[(unsigned)rand() % NR_PORTS], got;
        unsigned vcpu = (unsigned)rand() % 4;
        struct evtchn_bind_vcpu move = { p - 1, vcpu };
        switch (rand() % 8) {
        case 0:
            CU_ASSERT_EQUAL(op(EVTCHNOP_bind_vcpu, &move), 0);
            break;
        case 1:
            CU_ASSERT_EQUAL(set_priority(p - 1, (unsigned)rand() % 16), 0);
            break;
        case 2:
        case 3:
        case 4:
            CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, p), 0);
            sent[p - 1] = true;
            break;
        default:
            got = take(vcpu, heads[vcpu]);
            CU_ASSERT(!got || sent[got]);
            taken += got != 0;
            sent[got] = false;
        }
    }
    for (unsigned vcpu = 0; vcpu < 4; vcpu++)
        for (uint32_t got; (got = take(vcpu, heads[vcpu]));)
            sent[got] = false;
    for (uint32_t p = 0; p < 1024; p++)
        CU_ASSERT(!sent[p]);
    CU_ASSERT(taken > ROUNDS / 8);
    stop();
}

static void hostile_guest(void)
{
    uint32_t port[NR_PORTS];

    start();
    srand(3);
    for (unsigned i = 0; i < NR_PORTS; i++)
        port[i] = bind_ipi(i % 4);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t p = port[(unsigned)rand() % NR_PORTS];
        uint32_t junk = (uint32_t)rand() << 1 ^ (uint32_t)rand() << 17;
        switch (rand() % 6) {
        case 0:
            words[0][p] = rand() % 2 ? junk : junk | LINKED | BUSY;
            break;
        case 1:
            control[p % 4]->ready = junk;
            control[p % 4]->head[p % 16] = junk;
            break;
        case 2:
            CU_ASSERT_EQUAL(set_priority(p, junk % 16), 0);
            break;
        case 3:
            CU_ASSERT_EQUAL(port_op(EVTCHNOP_unmask, p), 0);
            break;
        default:
            CU_ASSERT_EQUAL(port_op(EVTCHNOP_send, p), 0);
            CU_ASSERT(words[0][p] >= PENDING);
        }
    }
    memset(words[0], 0xff, PAGE_SIZE);
    CU_ASSERT_EQUAL(port_op(EVTCHNOP_close, port[0]), 0);
    CU_ASSERT_NOT_EQUAL(bind_ipi(0), port[0]); // it says that it is still linked
    stop();
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "setup-refused", setup_refused },
        { "queues", queues },
        { "masks-and-priorities", masks_and_priorities },
        { "array-grows", array_grows },
        { "two-levels-and-back", over_from_two_levels_and_back },
        { "ports-beyond-the-bitmaps", ports_beyond_the_bitmaps },
        { "closed-while-linked", closed_while_linked },
        { "honest-guest", honest_guest },
        { "hostile-guest", hostile_guest },
        { NULL, NULL },
    };

    return unit_main("event_fifo", tests);
}
