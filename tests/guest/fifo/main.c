// SPDX-License-Identifier: MIT
/*
 * Event channels, FIFO ABI: control block, event array, priorities, the queues themselves.
 * Why: the queues lie in guest memory, so a guest can hand the hypervisor any list (XSA-107, -221);
 * Linux uses this ABI whenever it is offered.
 */
#include "kit/kit.h"

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED (1u << EVTCHN_FIFO_MASKED)
#define LINKED (1u << EVTCHN_FIFO_LINKED)
#define LINK_MASK ((1u << EVTCHN_FIFO_LINK_BITS) - 1)

static struct evtchn_fifo_control_block *control;
static uint32_t *words;

static int init_control(uint64_t mfn, uint32_t offset, uint32_t vcpu)
{
    struct evtchn_init_control c = { .control_gfn = mfn, .offset = offset, .vcpu = vcpu };

    return event_op(EVTCHNOP_init_control, &c);
}

static int expand_array(uint64_t mfn)
{
    struct evtchn_expand_array e = { .array_gfn = mfn };

    return event_op(EVTCHNOP_expand_array, &e);
}

static int set_priority(unsigned int port, unsigned int priority)
{
    struct evtchn_set_priority p = { port, priority };

    return event_op(EVTCHNOP_set_priority, &p);
}

/* XSA-221: before the control block is there. */
static void before_init(void)
{
    void *page = page_alloc();

    CHECK(expand_array(va_to_mfn(page)) < 0);
    CHECK(set_priority(1, 7) < 0);
    page_free(page);
}

static void init_refused(void)
{
    void *page = page_alloc(), *table = page_table_alloc();

    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(table), 0), 0);
    CHECK(init_control(0xffffff0, 0, 0) < 0);
    CHECK(init_control(~0ul, 0, 0) < 0);
    CHECK(init_control(va_to_mfn(table), 0, 0) < 0);
    CHECK(init_control(va_to_mfn(page), 4096, 0) < 0);
    CHECK(init_control(va_to_mfn(page), 4096 - 8, 0) < 0);
    CHECK(init_control(va_to_mfn(page), 4, 0) < 0);
    CHECK(init_control(va_to_mfn(page), 0xffffffff, 0) < 0);
    CHECK(init_control(va_to_mfn(page), 0, 1000) < 0);
    CHECK(init_control(va_to_mfn(page), 0, 0xffffffff) < 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(table), 0), 0);
    page_table_free(table);
    page_free(page);
}

static void ready(void)
{
    if (control)
        return;
    control = page_alloc();
    words = page_alloc();
    if (init_control(va_to_mfn(control), 0, 0) < 0 || expand_array(va_to_mfn(words)) < 0) {
        CHECK_EQ(1, 0);
        test_leave();
    }
}

static void init(void)
{
    ready();
    CHECK_EQ(control->ready, 0);
    /* once per vCPU */
    CHECK(init_control(va_to_mfn(control), 0, 0) < 0);
    /* the frame is the hypervisor's too now: no table can be made of it */
    page_protect(control, false);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(control), 0) < 0);
    page_protect(control, true);
}

static void expand_refused(void)
{
    ready();
    CHECK(expand_array(0xffffff0) < 0);
    CHECK(expand_array(~0ul) < 0);
    CHECK(expand_array(va_to_mfn(l4_kernel)) < 0);
}

static void send_and_queue(void)
{
    unsigned int a, b;

    ready();
    a = (unsigned int)event_bind_ipi(0);
    b = (unsigned int)event_bind_ipi(0);
    words[a] = words[b] = 0;
    control->ready = 0;
    memset(control->head, 0, sizeof(control->head));
    CHECK_EQ(event_send(a), 0);
    CHECK_EQ(words[a], PENDING | LINKED);
    CHECK_EQ(control->head[EVTCHN_FIFO_PRIORITY_DEFAULT], a);
    CHECK_EQ(control->ready, 1u << EVTCHN_FIFO_PRIORITY_DEFAULT);
    CHECK_EQ(event_send(b), 0);
    CHECK_EQ(words[a], PENDING | LINKED | b);
    CHECK_EQ(words[b], PENDING | LINKED);
    CHECK_EQ(control->head[EVTCHN_FIFO_PRIORITY_DEFAULT], a);
    CHECK_EQ(event_send(a), 0);                         /* already there: nothing moves */
    CHECK_EQ(words[a], PENDING | LINKED | b);
    CHECK(vcpu0_info->evtchn_upcall_pending);
    vcpu0_info->evtchn_upcall_pending = 0;
    /* taken off as a guest does it: head moves on, the words are cleared */
    control->head[EVTCHN_FIFO_PRIORITY_DEFAULT] = 0;
    control->ready = 0;
    words[a] = words[b] = 0;
    CHECK_EQ(event_send(b), 0);
    CHECK_EQ(control->head[EVTCHN_FIFO_PRIORITY_DEFAULT], b);
    control->head[EVTCHN_FIFO_PRIORITY_DEFAULT] = 0;
    control->ready = 0;
    words[b] = 0;
    vcpu0_info->evtchn_upcall_pending = 0;
    event_close(a);
    event_close(b);
}

static void masked(void)
{
    struct evtchn_unmask u;
    unsigned int a;

    ready();
    a = (unsigned int)event_bind_ipi(0);
    words[a] = MASKED;
    control->ready = 0;
    control->head[EVTCHN_FIFO_PRIORITY_DEFAULT] = 0;
    CHECK_EQ(event_send(a), 0);
    CHECK_EQ(words[a], PENDING | MASKED);
    CHECK_EQ(control->ready, 0);
    u.port = a;
    CHECK_EQ(event_op(EVTCHNOP_unmask, &u), 0);
    CHECK_EQ(words[a], PENDING | LINKED);
    CHECK_EQ(control->head[EVTCHN_FIFO_PRIORITY_DEFAULT], a);
    words[a] = 0;
    control->head[EVTCHN_FIFO_PRIORITY_DEFAULT] = 0;
    control->ready = 0;
    vcpu0_info->evtchn_upcall_pending = 0;
    event_close(a);
}

static void priorities(void)
{
    unsigned int a;

    ready();
    a = (unsigned int)event_bind_ipi(0);
    for (unsigned int p = EVTCHN_FIFO_PRIORITY_MAX; p <= EVTCHN_FIFO_PRIORITY_MIN; p++) {
        CHECK_EQ(set_priority(a, p), 0);
        words[a] = 0;
        memset(control->head, 0, sizeof(control->head));
        control->ready = 0;
        CHECK_EQ(event_send(a), 0);
        CHECK_EQ(control->head[p], a);
        CHECK_EQ(control->ready, 1u << p);
    }
    CHECK_EQ(set_priority(a, EVTCHN_FIFO_PRIORITY_MIN + 1), -XEN_EINVAL);
    CHECK_EQ(set_priority(a, ~0u), -XEN_EINVAL);
    CHECK_EQ(set_priority(200000, 7), -XEN_EINVAL);
    words[a] = 0;
    memset(control->head, 0, sizeof(control->head));
    control->ready = 0;
    vcpu0_info->evtchn_upcall_pending = 0;
    event_close(a);
}

/* Links that lead in a circle, out of the array, to a port that is not open. */
static void hostile_links(void)
{
    static const uint32_t junk[] = { LINK_MASK, PENDING | LINKED | LINK_MASK, LINKED, LINKED | 5, 0xffffffff,
                                     PENDING | MASKED | LINKED | 1, 1u << 28, PENDING };
    unsigned int a, b;

    ready();
    a = (unsigned int)event_bind_ipi(0);
    b = (unsigned int)event_bind_ipi(0);
    for (unsigned int i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
        for (unsigned int j = 0; j < sizeof(junk) / sizeof(junk[0]); j++) {
            words[a] = junk[i];
            words[b] = junk[j];
            CHECK_EQ(event_send(a), 0);
            CHECK_EQ(event_send(b), 0);
            for (int q = 0; q < 16; q++)
                control->head[q] = junk[i];
            CHECK_EQ(event_send(a), 0);
            set_priority(a, (i + j) % 16);
        }
    memset(control, 0, sizeof(*control));
    words[a] = words[b] = 0;
    event_close(a);
    event_close(b);
    vcpu0_info->evtchn_upcall_pending = 0;
}

/* Ports past the array's end exist; their events wait until it grows. */
static void array_grows(void)
{
    static uint16_t held[3000];
    unsigned int n = 0, big = 0;
    uint32_t *more = page_alloc();
    int rc;

    ready();
    while (n < 3000) {
        rc = event_bind_ipi(0);
        if (rc <= 0)
            break;
        held[n++] = (uint16_t)rc;
        if (rc >= 1024) {
            big = (unsigned int)rc;
            break;
        }
    }
    if (!big) {                         /* the array is the limit till it grows */
        CHECK_EQ(rc, -XEN_ENOSPC);
        CHECK_EQ(expand_array(va_to_mfn(more)), 0);
        rc = event_bind_ipi(0);
        CHECK(rc > 0);
        big = (unsigned int)rc;
        held[n++] = (uint16_t)rc;
    } else {
        CHECK_EQ(event_send(big), 0);
        CHECK_EQ(expand_array(va_to_mfn(more)), 0);
    }
    CHECK(big >= 1024);
    more[big - 1024] = 0;
    control->head[EVTCHN_FIFO_PRIORITY_DEFAULT] = 0;
    CHECK_EQ(event_send(big), 0);
    CHECK(more[big - 1024] & PENDING);
    for (unsigned int i = 0; i < n; i++)
        event_close(held[i]);
    vcpu0_info->evtchn_upcall_pending = 0;
}

/* Limits of this ABI are higher than the other's. */
static void beyond_two_level(void)
{
    CHECK_EQ(event_send(1u << 17), -XEN_EINVAL);
    CHECK_EQ(event_send((1u << 17) - 1), -XEN_EINVAL);
    CHECK_EQ(event_send(~0u), -XEN_EINVAL);
    CHECK_EQ(event_close(1u << 17), -XEN_EINVAL);
}

static void reset_goes_back(void)
{
    struct evtchn_reset r = { .dom = DOMID_SELF };
    int p;

    ready();
    CHECK_EQ(event_op(EVTCHNOP_reset, &r), 0);
    p = event_bind_ipi(0);
    CHECK(p > 0);
    event_masked((unsigned int)p, true);
    event_clear((unsigned int)p);
    CHECK_EQ(event_send((unsigned int)p), 0);
    CHECK(event_pending((unsigned int)p));
    event_clear((unsigned int)p);
    event_close((unsigned int)p);
    /* the pages are the guest's own again */
    page_protect(control, false);
    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(control), 0), 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(control), 0), 0);
    page_protect(control, true);
    control = NULL;
    ready();
}

TESTS("fifo", TEST(before_init), TEST(init_refused), TEST(init), TEST(expand_refused), TEST(send_and_queue),
      TEST(masked), TEST(priorities), TEST(hostile_links), TEST(array_grows), TEST(beyond_two_level),
      TEST(reset_goes_back));
