// SPDX-License-Identifier: MIT
// The shared ring from both ends, hostile indices, notification hold-off, and the tests' transport.
#include "ring/ring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "public/io/blkif.h"
#include "drivers/transport_shm.h"
#include "unit_main.h"

#define ENTRY ((uint32_t)sizeof(union blkif_sring_entry))

_Static_assert(offsetof(struct blkif_sring, ring) == sizeof(struct ring_shared), "where entries begin");
_Static_assert(offsetof(struct blkif_sring, rsp_event) == offsetof(struct ring_shared, rsp_event), "");

static _Alignas(4096) uint8_t memory[RING_MAX_PAGES * RING_PAGE_SIZE];
static struct ring back, front;

static void set_up(unsigned order)
{
    size_t bytes = (size_t)RING_PAGE_SIZE << order;

    memset(memory, 0xa5, sizeof(memory));
    ring_front_init(&front, memory, bytes, ENTRY);
    ring_back_init(&back, memory, bytes, ENTRY, 0, 0);
}

static struct ring_shared *shared(void)
{
    return (struct ring_shared *)(void *)memory;
}

static void put_request(uint64_t id)
{
    struct blkif_request request = { .operation = BLKIF_OP_READ, .id = id };

    ring_put(&front, &request, sizeof(request));
}

static void test_sizes(void)
{
    static const uint32_t expected[] = { 32, 64, 128, 256, 512 };

    for (unsigned order = 0; order <= RING_MAX_PAGE_ORDER; order++) {
        CU_ASSERT_EQUAL(ring_nr_entries((size_t)RING_PAGE_SIZE << order, ENTRY), expected[order]);
    }
}

// Many times around, also over the wrap of the index, answered out of order.
static void run_order(unsigned order, uint32_t first)
{
    set_up(order);
    front.produced = front.published = front.consumed = front.seen = first;
    shared()->req_prod = shared()->rsp_prod = first;
    ring_back_init(&back, memory, (size_t)RING_PAGE_SIZE << order, ENTRY, first, first);

    uint64_t put = 0;
    uint64_t taken = 0;
    uint64_t sum = 0;
    for (unsigned round = 0; round < 40; round++) {
        for (uint32_t n = (uint32_t)rand() % (ring_front_free(&front) + 1); n; n--) {
            put_request(put++);
        }
        ring_publish(&front);
        int nr = ring_poll(&back);
        CU_ASSERT_FATAL(nr >= 0);
        uint64_t ids[512];
        int got = 0;
        struct blkif_request request;
        while (ring_take(&back, &request, sizeof(request))) {
            CU_ASSERT_EQUAL(request.id, taken++);
            ids[got++] = request.id;
        }
        CU_ASSERT_EQUAL(got, nr);
        while (got--) {
            struct blkif_response response = { .id = ids[got] };
            ring_put(&back, &response, sizeof(response));
        }
        ring_publish(&back);
        CU_ASSERT_EQUAL(ring_poll(&front), nr);
        struct blkif_response response;
        while (ring_take(&front, &response, sizeof(response))) {
            sum += response.id;
        }
        CU_ASSERT_EQUAL(ring_front_free(&front), ring_nr_entries((size_t)RING_PAGE_SIZE << order, ENTRY));
    }
    CU_ASSERT(put > 40);
    CU_ASSERT_EQUAL(taken, put);
    CU_ASSERT_EQUAL(sum, put * (put - 1) / 2);
}

static void test_round_trips(void)
{
    for (unsigned order = 0; order <= RING_MAX_PAGE_ORDER; order++) {
        run_order(order, 0);
        run_order(order, UINT32_MAX - 100);
    }
}

// Whatever the front end writes as its index, the back end sees at most what fits, or nothing.
static void test_hostile_request_index(void)
{
    struct blkif_request request;

    for (uint32_t offset = 0; offset < 80; offset++) {
        set_up(0);
        shared()->req_prod = offset;
        CU_ASSERT_EQUAL(ring_poll(&back), offset <= 32 ? (int)offset : RING_EPROTO);
        shared()->req_prod = 0u - 1 - offset;
        CU_ASSERT_EQUAL(ring_poll(&back), RING_EPROTO);
    }
    // With 10 requests unanswered, 22 more fit.
    set_up(0);
    shared()->req_prod = 10;
    CU_ASSERT_EQUAL(ring_poll(&back), 10);
    while (ring_take(&back, &request, sizeof(request))) {
    }
    shared()->req_prod = 32;
    CU_ASSERT_EQUAL(ring_poll(&back), 22);
    shared()->req_prod = 33;
    CU_ASSERT_EQUAL(ring_poll(&back), RING_EPROTO);
    // It cannot take back what it has shown.
    shared()->req_prod = 9;
    CU_ASSERT_EQUAL(ring_poll(&back), RING_EPROTO);
}

static void test_hostile_response_index(void)
{
    set_up(0);
    put_request(1);
    put_request(2);
    ring_publish(&front);
    put_request(3);    // not shown yet, so it cannot be answered
    shared()->rsp_prod = 2;
    CU_ASSERT_EQUAL(ring_poll(&front), 2);
    shared()->rsp_prod = 3;
    CU_ASSERT_EQUAL(ring_poll(&front), RING_EPROTO);
    shared()->rsp_prod = UINT32_MAX;
    CU_ASSERT_EQUAL(ring_poll(&front), RING_EPROTO);
}

// What was seen before the index went bad may still be taken, but never more.
static void test_take_is_bounded(void)
{
    struct blkif_request request;
    unsigned nr = 0;

    set_up(0);
    shared()->req_prod = 5;
    CU_ASSERT_EQUAL(ring_poll(&back), 5);
    shared()->req_prod = 0x80000000;
    CU_ASSERT_EQUAL(ring_poll(&back), RING_EPROTO);
    while (ring_take(&back, &request, sizeof(request))) {
        nr++;
    }
    CU_ASSERT_EQUAL(nr, 5);
}

static void test_hold_off(void)
{
    struct blkif_request request;

    set_up(0);
    put_request(1);
    CU_ASSERT(ring_publish(&front));     // the first is announced
    put_request(2);
    CU_ASSERT(!ring_publish(&front));    // the back end is awake
    CU_ASSERT(!ring_publish(&front));    // nothing new
    CU_ASSERT_EQUAL(ring_sleep(&back), 2);
    CU_ASSERT(ring_take(&back, &request, sizeof(request)));
    CU_ASSERT(ring_take(&back, &request, sizeof(request)));
    CU_ASSERT_EQUAL(ring_sleep(&back), 0);
    put_request(3);
    CU_ASSERT(ring_publish(&front));     // it asked
    CU_ASSERT_EQUAL(ring_sleep(&back), 1);
    // The same the other way.
    struct blkif_response response = { .id = 1 };
    CU_ASSERT_EQUAL(ring_sleep(&front), 0);
    ring_put(&back, &response, sizeof(response));
    CU_ASSERT(ring_publish(&back));
    ring_put(&back, &response, sizeof(response));
    CU_ASSERT(!ring_publish(&back));
    CU_ASSERT_EQUAL(ring_sleep(&front), 2);
}

// The entry is copied: what the front end writes later is not seen.
static void test_copies_once(void)
{
    struct blkif_request request;

    set_up(0);
    put_request(7);
    ring_publish(&front);
    CU_ASSERT_EQUAL(ring_poll(&back), 1);
    CU_ASSERT(ring_take(&back, &request, sizeof(request)));
    memset(memory + sizeof(struct ring_shared), 0xff, ENTRY);
    CU_ASSERT_EQUAL(request.id, 7);
    CU_ASSERT_EQUAL(request.operation, BLKIF_OP_READ);
}

static void test_narrow_entries(void)
{
    uint32_t words[3] = { 1, 2, 3 };
    uint32_t out[3] = { 0 };

    ring_front_init(&front, memory, RING_PAGE_SIZE, sizeof(words));
    ring_back_init(&back, memory, RING_PAGE_SIZE, sizeof(words), 0, 0);
    for (unsigned i = 0; i < 3; i++) {
        ring_put(&front, words, sizeof(words));
    }
    ring_publish(&front);
    CU_ASSERT_EQUAL(ring_poll(&back), 3);
    while (ring_take(&back, out, sizeof(out))) {
        CU_ASSERT_EQUAL(memcmp(out, words, sizeof(out)), 0);
    }
}

// Grants over shared memory: what was not granted is neither mapped nor copied.
static void test_shm_grants(void)
{
    struct shm_area area;
    struct transport *t;
    char local[4096] = "from the back end";
    void *va;

    CU_ASSERT_EQUAL_FATAL(shm_area_create(&area, 8, 300, 2), 0);
    CU_ASSERT_EQUAL_FATAL(transport_shm_open(&t, &area, 1), 0);
    area.grants[10].entry = SHM_GRANT_VALID | 3;
    area.grants[11].entry = SHM_GRANT_VALID | SHM_GRANT_READONLY | 4;
    area.grants[12].entry = SHM_GRANT_VALID | 8;    // beyond the area
    struct transport_copy c = { .ref = 10, .size = 20, .local = local };
    CU_ASSERT_EQUAL(transport_copy(t, TRANSPORT_TO_GUEST, &c, 1), 0);
    CU_ASSERT_STRING_EQUAL(area.pages + 3 * 4096, local);
    for (uint32_t ref = 11; ref < 14; ref++) {
        c.ref = ref;
        CU_ASSERT_EQUAL(transport_copy(t, TRANSPORT_TO_GUEST, &c, 1), -EFAULT);
        CU_ASSERT_EQUAL(transport_map(t, &ref, 1, &va), -EFAULT);
    }
    c = (struct transport_copy){ .ref = 10, .offset = 4000, .size = 97, .local = local };
    CU_ASSERT_EQUAL(transport_copy(t, TRANSPORT_FROM_GUEST, &c, 1), -EFAULT);
    c.ref = UINT32_MAX;
    CU_ASSERT_EQUAL(transport_copy(t, TRANSPORT_FROM_GUEST, &c, 1), -EFAULT);
    // Pages in any order become neighbours.
    area.grants[299].entry = SHM_GRANT_VALID | 1;
    uint32_t refs[2] = { 10, 299 };
    CU_ASSERT_EQUAL_FATAL(transport_map(t, refs, 2, &va), 0);
    strcpy((char *)area.pages + 1 * 4096, "second");
    CU_ASSERT_STRING_EQUAL((char *)va, "from the back end");
    CU_ASSERT_STRING_EQUAL((char *)va + 4096, "second");
    CU_ASSERT_EQUAL(area.grants[10].nr_mapped, 1);
    transport_unmap(t, va, 2);
    CU_ASSERT_EQUAL(area.grants[10].nr_mapped, 0);
    CU_ASSERT_EQUAL_FATAL(transport_map(t, refs, 1, &va), 0);
    CU_ASSERT_EQUAL(area.grants[10].nr_mapped, 1);
    transport_unmap(t, va, 1);
    CU_ASSERT_EQUAL(area.grants[10].nr_mapped, 0);
    transport_shm_close(t);
    shm_area_destroy(&area);
}

static void test_shm_events(void)
{
    struct shm_area area;
    struct transport *t;

    CU_ASSERT_EQUAL_FATAL(shm_area_create(&area, 1, 1, 2), 0);
    CU_ASSERT_EQUAL(transport_shm_open(&t, &area, 2), -EINVAL);
    CU_ASSERT_EQUAL_FATAL(transport_shm_open(&t, &area, 1), 0);
    CU_ASSERT_EQUAL(transport_bind(t, 0), -EINVAL);
    CU_ASSERT_EQUAL(transport_bind(t, 1), 0);
    struct pollfd p = { .fd = area.to_front[1], .events = POLLIN };
    CU_ASSERT_EQUAL(poll(&p, 1, 0), 0);
    transport_notify(t);
    CU_ASSERT_EQUAL(poll(&p, 1, 0), 1);
    p.fd = t->event_fd;
    CU_ASSERT_EQUAL(poll(&p, 1, 0), 0);
    CU_ASSERT_EQUAL(write(area.to_back[1], &(uint64_t){ 1 }, 8), 8);
    CU_ASSERT_EQUAL(poll(&p, 1, 0), 1);
    transport_ack(t);
    CU_ASSERT_EQUAL(poll(&p, 1, 0), 0);
    transport_shm_close(t);
    shm_area_destroy(&area);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "sizes", test_sizes },
        { "round_trips", test_round_trips },
        { "hostile_request_index", test_hostile_request_index },
        { "hostile_response_index", test_hostile_response_index },
        { "take_is_bounded", test_take_is_bounded },
        { "hold_off", test_hold_off },
        { "copies_once", test_copies_once },
        { "narrow_entries", test_narrow_entries },
        { "shm_grants", test_shm_grants },
        { "shm_events", test_shm_events },
        { 0 },
    };

    return unit_main("ring", tests);
}
