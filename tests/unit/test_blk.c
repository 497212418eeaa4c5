// SPDX-License-Identifier: MIT
// One queue of the block back end without a thread: every operation, every refusal, barriers,
// limits, failures, and going on after a kill at any point.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "blk/blk_queue.h"
#include "drivers/guest.h"
#include "drivers/image_mem.h"
#include "fuzz/mini.h"
#include "unit_main.h"

#define NR_SECTORS 4096u
#define ENTRY ((uint32_t)sizeof(union blkif_sring_entry))
#define DATA_PAGES 300u

static struct os os;
static struct image_mem mem;
static struct blk_disk disk;
static struct blk_queue queue;
static struct blk_lane *lane;
static struct transport *transport;
static struct blk_journal *journal;
static struct blk_stats stats;
static struct blk_connection connection;
static struct ring front;
static uint8_t *data;                // DATA_PAGES of the guest
static uint32_t refs[DATA_PAGES];

static void connect_queue(unsigned order, bool is_persistent)
{
    uint8_t *ring = os_pages_alloc(&os, 1u << order);

    connection = (struct blk_connection){ .port = 0, .nr_pages = 1u << order };
    for (unsigned i = 0; i < 1u << order; i++) {
        os_grant(&os, ring + i * 4096u, false, &connection.refs[i]);
    }
    ring_front_init(&front, ring, 4096u << order, ENTRY);
    CU_ASSERT_EQUAL_FATAL(blk_queue_open(&queue, &connection, is_persistent, false), 0);
}

static void set_up(unsigned order, bool is_persistent)
{
    guest_create(&os, 4096, 1);
    image_mem_init(&mem, NR_SECTORS * 512, false);
    disk = (struct blk_disk){ .image = &mem.image, .nr_sectors = NR_SECTORS };
    limit_init(&disk.limit, 0, 0);
    memset(&stats, 0, sizeof(stats));
    journal = calloc(1, sizeof(*journal));
    CU_ASSERT_EQUAL_FATAL(transport_shm_open(&transport, &os.area, 0), 0);
    mem.image.ops->lane_open(&mem.image, transport, transport->event_fd, &lane);
    CU_ASSERT_EQUAL_FATAL(blk_queue_init(&queue, &disk, transport, lane, journal, &stats), 0);
    data = os_pages_alloc(&os, DATA_PAGES);
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        os_grant(&os, data + i * 4096u, false, &refs[i]);
    }
    connect_queue(order, is_persistent);
}

static void tear_down(void)
{
    blk_queue_close(&queue);
    CU_ASSERT_EQUAL(guest_nr_mapped(&os), 0);
    blk_queue_fini(&queue);
    mem.image.ops->lane_close(lane);
    transport_shm_close(transport);
    free(journal);
    image_mem_fini(&mem);
    guest_destroy(&os);
}

static struct blkif_request request(uint8_t operation, uint64_t id, uint64_t sector, unsigned nr_pages)
{
    struct blkif_request r = { .operation = operation, .id = id, .sector_number = sector,
                               .nr_segments = (uint8_t)nr_pages };

    for (unsigned i = 0; i < nr_pages && i < 11; i++) {
        r.seg[i] = (struct blkif_request_segment){ .gref = refs[i], .last_sect = 7 };
    }
    return r;
}

static void put(const void *r)
{
    ring_put(&front, r, ENTRY);
}

static void work(void)
{
    ring_publish(&front);
    while (blk_queue_work(&queue)) {
    }
}

// The status of the one response, which must be for this request.
static int answer_of(uint64_t id, uint8_t operation)
{
    struct blkif_response response = { .status = -77 };

    CU_ASSERT_EQUAL(ring_poll(&front), 1);
    CU_ASSERT(ring_take(&front, &response, sizeof(response)));
    CU_ASSERT_EQUAL(response.id, id);
    CU_ASSERT_EQUAL(response.operation, operation);
    return response.status;
}

static int perform(const void *r)
{
    const struct blkif_request *rw = r;

    put(r);
    work();
    return answer_of(rw->id, rw->operation);
}

static struct blkif_request whole(const struct blkif_request_indirect *r)
{
    struct blkif_request whole_entry = { 0 };

    memcpy(&whole_entry, r, sizeof(*r));
    return whole_entry;
}

static int perform_indirect(const struct blkif_request_indirect *r)
{
    struct blkif_request entry = whole(r);

    put(&entry);
    work();
    return answer_of(r->id, r->indirect_op);      // Linux disables a disk whose answer says "indirect"
}

static void fill(uint8_t *at, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1103515245 + 12345;
        at[i] = (uint8_t)(seed >> 16);
    }
}

static void write_and_read(bool is_persistent)
{
    set_up(0, is_persistent);
    fill(data, 11 * 4096, 1);
    struct blkif_request r = request(BLKIF_OP_WRITE, 5, 100, 11);
    CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(memcmp(mem.bytes + 100 * 512, data, 11 * 4096), 0);
    // Parts of pages, in another order.
    memset(data, 0, 11 * 4096);
    r = request(BLKIF_OP_READ, 6, 101, 2);
    r.seg[0] = (struct blkif_request_segment){ .gref = refs[3], .first_sect = 2, .last_sect = 2 };
    r.seg[1] = (struct blkif_request_segment){ .gref = refs[1], .first_sect = 5, .last_sect = 7 };
    CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(memcmp(mem.bytes + 101 * 512, data + 3 * 4096 + 2 * 512, 512), 0);
    CU_ASSERT_EQUAL(memcmp(mem.bytes + 102 * 512, data + 1 * 4096 + 5 * 512, 3 * 512), 0);
    CU_ASSERT_EQUAL(data[3 * 4096 + 3 * 512], 0);
    CU_ASSERT_EQUAL(data[3 * 4096 + 2 * 512 - 1], 0);
    CU_ASSERT_EQUAL(stats.count[BLK_STAT_READ_BYTES], 4 * 512);
    CU_ASSERT_EQUAL(stats.count[BLK_STAT_WRITTEN_BYTES], 11 * 4096);
    // 11 data pages and, in either case, the ring.
    CU_ASSERT_EQUAL(guest_nr_mapped(&os), is_persistent ? 12 : 1);
    tear_down();
}

static void test_write_and_read(void)
{
    write_and_read(false);
    write_and_read(true);
}

static void test_indirect(void)
{
    set_up(4, false);
    struct blkif_request_segment *list = (void *)(data + 299 * 4096);
    struct blkif_request_indirect r = { .operation = BLKIF_OP_INDIRECT, .nr_segments = 256,
        .indirect_op = BLKIF_OP_WRITE, .id = 9, .sector_number = 8, .indirect_grefs = { refs[299] } };

    fill(data, 256 * 4096, 2);
    for (unsigned i = 0; i < 256; i++) {
        list[i] = (struct blkif_request_segment){ .gref = refs[i], .last_sect = 7 };
    }
    CU_ASSERT_EQUAL(perform_indirect(&r), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(memcmp(mem.bytes + 8 * 512, data, 256 * 4096), 0);
    CU_ASSERT_EQUAL(queue.nr_free_pages, BLK_POOL_PAGES);

    struct blkif_request_indirect bad = r;
    bad.nr_segments = 257;
    CU_ASSERT_EQUAL(perform_indirect(&bad), BLKIF_RSP_ERROR);
    bad.nr_segments = 0;
    CU_ASSERT_EQUAL(perform_indirect(&bad), BLKIF_RSP_ERROR);
    bad = r;
    bad.indirect_op = BLKIF_OP_INDIRECT;
    CU_ASSERT_EQUAL(perform_indirect(&bad), BLKIF_RSP_ERROR);
    bad = r;
    bad.indirect_op = BLKIF_OP_DISCARD;
    CU_ASSERT_EQUAL(perform_indirect(&bad), BLKIF_RSP_ERROR);
    bad = r;
    bad.indirect_grefs[0] = 0;
    CU_ASSERT_EQUAL(perform_indirect(&bad), BLKIF_RSP_ERROR);
    bad = r;
    bad.sector_number = NR_SECTORS - 256 * 8 + 1;
    CU_ASSERT_EQUAL(perform_indirect(&bad), BLKIF_RSP_ERROR);
    list[255].last_sect = 8;
    CU_ASSERT_EQUAL(perform_indirect(&r), BLKIF_RSP_ERROR);
    tear_down();
}

// What is wrong in one place of a request, and what must come back.
static int perform_wrong(void (*spoil)(struct blkif_request *r))
{
    struct blkif_request r = request(BLKIF_OP_WRITE, 1234567890123456789u, 0, 2);

    memset(data, 0xee, 2 * 4096);
    spoil(&r);
    int status = perform(&r);
    for (size_t i = 0; i < mem.size; i++) {
        CU_ASSERT_EQUAL_FATAL(mem.bytes[i], 0);
    }
    return status;
}

static void no_segments(struct blkif_request *r) { r->nr_segments = 0; }
static void many_segments(struct blkif_request *r) { r->nr_segments = 12; }
static void first_after_last(struct blkif_request *r) { r->seg[1].first_sect = 3, r->seg[1].last_sect = 2; }
static void last_outside(struct blkif_request *r) { r->seg[0].last_sect = 8; }
static void last_far_outside(struct blkif_request *r) { r->seg[0].last_sect = 255; }
static void over_the_end(struct blkif_request *r) { r->sector_number = NR_SECTORS - 15; }
static void at_the_end(struct blkif_request *r) { r->sector_number = NR_SECTORS; }
static void sector_wraps(struct blkif_request *r) { r->sector_number = UINT64_MAX - 7; }
static void bytes_wrap(struct blkif_request *r) { r->sector_number = 1ull << 55; }
static void bad_grant(struct blkif_request *r) { r->seg[1].gref = 4000000000u; }
static void no_grant(struct blkif_request *r) { r->seg[1].gref = 0; }
static void reserved_op(struct blkif_request *r) { r->operation = BLKIF_OP_RESERVED_1; }
static void unknown_op(struct blkif_request *r) { r->operation = 7; }
static void unknown_op_high(struct blkif_request *r) { r->operation = 255; }

static void test_refusals(void)
{
    static const struct {
        void (*spoil)(struct blkif_request *r);
        int status;
    } rows[] = {
        { no_segments, BLKIF_RSP_ERROR }, { many_segments, BLKIF_RSP_ERROR },
        { first_after_last, BLKIF_RSP_ERROR }, { last_outside, BLKIF_RSP_ERROR },
        { last_far_outside, BLKIF_RSP_ERROR }, { over_the_end, BLKIF_RSP_ERROR },
        { at_the_end, BLKIF_RSP_ERROR }, { sector_wraps, BLKIF_RSP_ERROR },
        { bytes_wrap, BLKIF_RSP_ERROR }, { bad_grant, BLKIF_RSP_ERROR },
        { no_grant, BLKIF_RSP_ERROR }, { reserved_op, BLKIF_RSP_EOPNOTSUPP },
        { unknown_op, BLKIF_RSP_EOPNOTSUPP }, { unknown_op_high, BLKIF_RSP_EOPNOTSUPP },
    };

    for (unsigned persistent = 0; persistent < 2; persistent++) {
        set_up(0, persistent);
        for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            CU_ASSERT_EQUAL(perform_wrong(rows[i].spoil), rows[i].status);
        }
        CU_ASSERT_EQUAL(queue.nr_free_pages, BLK_POOL_PAGES);
        CU_ASSERT_EQUAL(queue.nr_free, BLK_MAX_REQUESTS);
        tear_down();
    }
}

static void test_read_only(void)
{
    set_up(0, false);
    disk.is_read_only = true;
    struct blkif_request r = request(BLKIF_OP_WRITE, 1, 0, 1);
    CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_ERROR);
    r.operation = BLKIF_OP_WRITE_BARRIER;
    CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_ERROR);
    r.operation = BLKIF_OP_FLUSH_DISKCACHE;
    CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_ERROR);
    r.nr_segments = 0;
    CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_OKAY);
    struct blkif_request_discard d = { .operation = BLKIF_OP_DISCARD, .id = 2, .nr_sectors = 8 };
    struct blkif_request entry = { 0 };
    memcpy(&entry, &d, sizeof(d));
    CU_ASSERT_EQUAL(perform(&entry), BLKIF_RSP_ERROR);
    r = request(BLKIF_OP_READ, 3, 0, 1);
    CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_OKAY);
    // A page that the guest lends for reading only cannot be read into.
    os.area.grants[refs[0]].entry |= SHM_GRANT_READONLY;
    CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_ERROR);
    tear_down();
}

static int discard(uint64_t sector, uint64_t nr, uint8_t flag)
{
    union {
        struct blkif_request_discard d;
        uint8_t room[sizeof(struct blkif_request)];
    } u = { .d = { .operation = BLKIF_OP_DISCARD, .id = 44, .sector_number = sector,
                   .nr_sectors = nr, .flag = flag } };

    return perform(&u);
}

static void test_discard(void)
{
    set_up(0, false);
    memset(mem.bytes, 0xaa, mem.size);
    CU_ASSERT_EQUAL(discard(8, 16, 0), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(mem.bytes[8 * 512 - 1], 0xaa);
    CU_ASSERT_EQUAL(mem.bytes[8 * 512], 0);
    CU_ASSERT_EQUAL(mem.bytes[24 * 512], 0xaa);
    CU_ASSERT_EQUAL(discard(0, 0, 0), BLKIF_RSP_ERROR);
    CU_ASSERT_EQUAL(discard(NR_SECTORS - 1, 2, 0), BLKIF_RSP_ERROR);
    CU_ASSERT_EQUAL(discard(1, UINT64_MAX, 0), BLKIF_RSP_ERROR);
    CU_ASSERT_EQUAL(discard(UINT64_MAX, 1, 0), BLKIF_RSP_ERROR);
    // Secure only where overwriting destroys; then it is written, in pieces, and on the disk.
    CU_ASSERT_EQUAL(discard(0, 8, BLKIF_DISCARD_SECURE), BLKIF_RSP_EOPNOTSUPP);
    disk.can_discard_securely = true;
    CU_ASSERT_EQUAL(mem.nr_syncs, 0);
    CU_ASSERT_EQUAL(discard(0, NR_SECTORS - 1, BLKIF_DISCARD_SECURE), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(mem.nr_syncs, 1);
    for (size_t i = 0; i < mem.size - 512; i++) {
        CU_ASSERT_EQUAL_FATAL(mem.bytes[i], 0);
    }
    CU_ASSERT_EQUAL(mem.bytes[mem.size - 512], 0xaa);
    mem.image.can_discard = false;
    CU_ASSERT_EQUAL(discard(8, 16, 0), BLKIF_RSP_EOPNOTSUPP);
    tear_down();
}

static void test_flush_and_barrier(void)
{
    set_up(0, false);
    struct blkif_request flush = request(BLKIF_OP_FLUSH_DISKCACHE, 1, UINT64_MAX, 0);
    CU_ASSERT_EQUAL(perform(&flush), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(mem.nr_syncs, 1);
    struct blkif_request barrier = request(BLKIF_OP_WRITE_BARRIER, 2, 0, 1);
    CU_ASSERT_EQUAL(perform(&barrier), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(mem.nr_syncs, 3);
    // Two writes in flight, a barrier, a write behind it: nothing passes the barrier.
    mem.is_stalled = true;
    for (uint64_t id = 10; id < 14; id++) {
        struct blkif_request r = request(id == 12 ? BLKIF_OP_WRITE_BARRIER : BLKIF_OP_WRITE, id, id * 8, 1);
        put(&r);
    }
    work();
    CU_ASSERT_EQUAL(mem.nr_stalled, 2);
    CU_ASSERT_EQUAL(queue.nr_in_flight, 2);
    image_mem_release(&mem);
    mem.is_stalled = true;
    work();
    CU_ASSERT_EQUAL(mem.nr_stalled, 1);      // the sync before the barrier's data
    CU_ASSERT(queue.is_draining);
    image_mem_release(&mem);
    work();
    CU_ASSERT_EQUAL(mem.nr_syncs, 5);
    static const uint64_t order[] = { 11, 10, 12, 13 };
    struct blkif_response response;
    CU_ASSERT_EQUAL(ring_poll(&front), 4);
    for (unsigned i = 0; i < 4; i++) {
        CU_ASSERT(ring_take(&front, &response, sizeof(response)));
        CU_ASSERT_EQUAL(response.id, order[i]);
    }
    CU_ASSERT(!queue.is_draining);
    tear_down();
}

// More in flight than there are buffers: the rest waits in the ring, and comes.
static void test_buffers_run_short(void)
{
    set_up(4, false);
    struct blkif_request_segment *list = (void *)(data + 299 * 4096);
    for (unsigned i = 0; i < 256; i++) {
        list[i] = (struct blkif_request_segment){ .gref = refs[i], .last_sect = 7 };
    }
    mem.is_stalled = true;
    for (uint64_t id = 0; id < 10; id++) {
        struct blkif_request_indirect r = { .operation = BLKIF_OP_INDIRECT, .nr_segments = 256,
            .indirect_op = BLKIF_OP_READ, .id = id, .indirect_grefs = { refs[299] } };
        struct blkif_request entry = whole(&r);
        put(&entry);
    }
    work();
    CU_ASSERT_EQUAL(queue.nr_in_flight, BLK_POOL_PAGES / 256);
    CU_ASSERT_EQUAL(queue.nr_free_pages, 0);
    image_mem_release(&mem);
    work();
    CU_ASSERT_EQUAL(ring_poll(&front), 10);
    CU_ASSERT_EQUAL(queue.nr_free_pages, BLK_POOL_PAGES);
    tear_down();
}

static void test_requests_run_short(void)
{
    set_up(4, false);
    mem.is_stalled = true;
    for (uint64_t id = 0; id < 512; id++) {
        struct blkif_request r = request(BLKIF_OP_READ, id, 0, 1);
        put(&r);
    }
    work();
    CU_ASSERT_EQUAL(queue.nr_in_flight, BLK_MAX_REQUESTS);
    image_mem_release(&mem);
    work();
    CU_ASSERT_EQUAL(ring_poll(&front), 512);
    tear_down();
}

static void test_failures(void)
{
    static const int errors[] = { -EIO, -ENOSPC, -EROFS };

    set_up(0, false);
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned after = 0; after < 3; after++) {
            mem.fail_rc = errors[i];
            mem.fail_after = after;
            mem.nr_ops = 0;
            struct blkif_request r = request(BLKIF_OP_WRITE_BARRIER, 3, 0, 1);
            CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_ERROR);
            mem.fail_rc = 0;
            r = request(BLKIF_OP_READ, 4, 0, 1);
            CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_OKAY);
        }
    }
    mem.fail_rc = -EOPNOTSUPP;
    CU_ASSERT_EQUAL(discard(0, 8, 0), BLKIF_RSP_EOPNOTSUPP);
    CU_ASSERT_EQUAL(stats.count[BLK_STAT_ERRORS], 10);
    tear_down();
}

static void test_limits(void)
{
    struct limit l;

    limit_init(&l, 0, 0);
    CU_ASSERT_EQUAL(limit_take(&l, 1, 1 << 20, 0), 0);
    // A thousand a second: over three seconds that many, and a tenth of a second's at once.
    limit_init(&l, 1000, 0);
    uint64_t now = 1000000000;
    unsigned nr = 0;
    while (limit_take(&l, 1, 4096, now) == 0) {
        nr++;
    }
    CU_ASSERT(nr >= 100 && nr <= 102);
    for (nr = 0; now < 4000000000; nr++) {
        uint64_t wait = limit_take(&l, 1, 4096, now);
        CU_ASSERT_FATAL(wait <= 1000000);
        now += wait;
    }
    CU_ASSERT(nr / 2 >= 2990 && nr / 2 <= 3010);
    // Bytes: a large one is let through and paid for afterwards.
    limit_init(&l, 0, 1 << 20);
    CU_ASSERT_EQUAL(limit_take(&l, 1, 1 << 20, now), 0);
    CU_ASSERT_EQUAL(limit_take(&l, 1, 512, now), 900000000);

    // Lines in the log: the first ones of a minute, and how many there were besides.
    struct limit_lines lines = { 0 };
    unsigned nr_said = 0, nr_left_out = 0;
    for (unsigned i = 0; i < 1000; i++) {
        nr_said += limit_line(&lines, 5, &nr_left_out);
    }
    CU_ASSERT(nr_said == LIMIT_LINES && nr_left_out == 0);
    CU_ASSERT(!limit_line(&lines, 4 + LIMIT_MINUTE_NS, &nr_left_out));
    CU_ASSERT(limit_line(&lines, 5 + LIMIT_MINUTE_NS, &nr_left_out));
    CU_ASSERT_EQUAL(nr_left_out, 1001 - LIMIT_LINES);
    // The queue waits and says how long.
    set_up(0, false);
    limit_init(&disk.limit, 10, 0);
    for (uint64_t id = 0; id < 5; id++) {
        struct blkif_request r = request(BLKIF_OP_READ, id, 0, 1);
        put(&r);
    }
    work();
    CU_ASSERT(queue.wait_ns > 0 && queue.wait_ns <= 100000000);
    CU_ASSERT(ring_poll(&front) < 5);
    CU_ASSERT(stats.count[BLK_STAT_LIMITED] > 0);
    limit_init(&disk.limit, 0, 0);
    work();
    CU_ASSERT_EQUAL(ring_poll(&front), 5);
    tear_down();
}

// How often a thread that never finds anything looks out for work in so many sleeps.
static unsigned nr_spins(struct spin *s, unsigned nr_sleeps)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < nr_sleeps; i++) {
        if (spin_begins(s)) {
            nr++;
            while (spin_goes_on(s)) {
            }
        }
    }
    return nr;
}

static void test_spin(void)
{
    struct spin s = { 0 };

    CU_ASSERT(spin_limit == 0 && !spin_begins(&s) && !spin_goes_on(&s));
    spin_measure();
    CU_ASSERT(spin_limit > 0 && spin_limit < 1ull << 36);
    // What comes to nothing is tried after 1, 3, 7, ... sleeps; after 1023 at the latest.
    spin_limit = 1;
    s = (struct spin){ 0 };
    CU_ASSERT_EQUAL(nr_spins(&s, 1 + 2 + 4 + 8), 4);
    CU_ASSERT_EQUAL(nr_spins(&s, 1 << 20), 6 + ((1 << 20) - 2032 + 1023) / 1024);
    // Once it was worth it, it is tried each time again.
    while (!spin_begins(&s)) {
    }
    spin_ends(&s);
    CU_ASSERT(spin_begins(&s));
    spin_limit = 1ull << 60;
    s = (struct spin){ 0 };
    CU_ASSERT(spin_begins(&s) && spin_goes_on(&s) && spin_goes_on(&s));
    // A queue that has looked out in vain asks for an event before it sleeps.
    spin_limit = 100000;
    set_up(0, false);
    struct blkif_request r = request(BLKIF_OP_READ, 1, 0, 1);
    put(&r);
    work();
    CU_ASSERT(queue.front_spin.until == 0 && queue.front_spin.to_leave_out == 1);
    CU_ASSERT_EQUAL(*front.own_event, front.produced + 1);
    tear_down();
    spin_limit = 0;
}

// Pages of one request are mapped side by side, wherever they lie; one that comes twice is mapped once.
static void test_persistent_is_one_range(void)
{
    static const unsigned pages[] = { 7, 2, 9, 2, 4 };

    set_up(0, true);
    fill(data, 11 * 4096, 1);
    for (unsigned round = 0; round < 2; round++) {
        struct blkif_request r = request(BLKIF_OP_WRITE, round, 8, 5);
        for (unsigned i = 0; i < 5; i++) {
            r.seg[i].gref = refs[pages[i]];
        }
        mem.is_stalled = true;
        put(&r);
        work();
        CU_ASSERT_EQUAL_FATAL(mem.nr_stalled, 1);
        const struct blk_io *io = mem.stalled[0];
        CU_ASSERT_EQUAL(io->nr_iov, 3);
        CU_ASSERT_EQUAL(io->iov[0].iov_len, 3 * 4096);
        CU_ASSERT_EQUAL((uint8_t *)io->iov[1].iov_base, (uint8_t *)io->iov[0].iov_base + 4096);
        image_mem_release(&mem);
        work();
        CU_ASSERT_EQUAL(answer_of(round, BLKIF_OP_WRITE), BLKIF_RSP_OKAY);
        CU_ASSERT_EQUAL(queue.nr_grants, 4);
        for (unsigned i = 0; i < 5; i++) {
            CU_ASSERT_EQUAL(memcmp(mem.bytes + (1 + i) * 4096, data + pages[i] * 4096, 4096), 0);
        }
    }
    CU_ASSERT_EQUAL(guest_nr_mapped(&os), 4 + 1);
    // One that cannot be mapped: nothing of the request is, and its neighbours can be later.
    struct blkif_request r = request(BLKIF_OP_WRITE, 7, 8, 3);
    r.seg[0].gref = refs[5];
    r.seg[1].gref = os.area.nr_grants + 1;
    r.seg[2].gref = refs[6];
    CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_ERROR);
    CU_ASSERT_EQUAL(guest_nr_mapped(&os), 4 + 1);
    r.seg[1].gref = refs[8];
    CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(guest_nr_mapped(&os), 7 + 1);
    tear_down();
}

static void test_persistent_is_bounded(void)
{
    set_up(0, true);
    // Grants of one page under many references: more than may stay mapped.
    for (unsigned round = 0; round < BLK_MAX_PERSISTENT + 500; round++) {
        struct blkif_request r = request(BLKIF_OP_WRITE, round, 0, 1);
        uint32_t ref = 9 + DATA_PAGES + 5 + round % (os.area.nr_grants - DATA_PAGES - 20);
        os.area.grants[ref].entry = SHM_GRANT_VALID | 7;
        r.seg[0].gref = ref;
        CU_ASSERT_EQUAL_FATAL(perform(&r), BLKIF_RSP_OKAY);
        CU_ASSERT(queue.nr_grants <= BLK_MAX_PERSISTENT);
    }
    CU_ASSERT_EQUAL(queue.nr_grants, BLK_MAX_PERSISTENT);
    blk_queue_close(&queue);
    for (unsigned i = 0; i < os.area.nr_grants; i++) {
        os.area.grants[i].nr_mapped = 0;     // the shm transport counts one reference per page
    }
    connect_queue(0, true);
    tear_down();
}

static void test_broken_ring(void)
{
    set_up(0, false);
    struct blkif_request r = request(BLKIF_OP_READ, 1, 0, 1);
    CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_OKAY);
    front.shared->req_prod += 1000;
    CU_ASSERT(!blk_queue_work(&queue));
    CU_ASSERT(queue.is_broken);
    front.shared->req_prod -= 1000;
    put(&r);
    work();
    CU_ASSERT_EQUAL(ring_poll(&front), 0);
    blk_queue_close(&queue);
    connect_queue(0, false);
    CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_OKAY);
    tear_down();
}

// ------------------------------------------------------------------------------------------------
// A killed process: its journal and the ring are all that is left.

// A second queue takes over while the first is forgotten as it is.
static void take_over(bool is_persistent, int expected)
{
    struct blk_journal copy = *journal;

    blk_queue_close(&queue);                 // gives grants back, as a kernel would
    *journal = copy;
    blk_queue_fini(&queue);
    CU_ASSERT_EQUAL_FATAL(blk_queue_init(&queue, &disk, transport, lane, journal, &stats), 0);
    CU_ASSERT_EQUAL_FATAL(blk_queue_open(&queue, &connection, is_persistent, true), expected);
}

static void expect_all_once(unsigned nr, const char *what)
{
    bool seen[512] = { false };
    struct blkif_response response;

    CU_ASSERT_EQUAL(ring_poll(&front), (int)nr);
    while (ring_take(&front, &response, sizeof(response))) {
        CU_ASSERT_FATAL(response.id < 512);
        if (seen[response.id] || response.status != BLKIF_RSP_OKAY) {
            printf("%s: request %u, status %d\n", what, (unsigned)response.id, response.status);
        }
        CU_ASSERT(!seen[response.id]);
        seen[response.id] = true;
        CU_ASSERT_EQUAL(response.status, BLKIF_RSP_OKAY);
    }
}

static void resume_in_flight(bool is_persistent)
{
    set_up(0, is_persistent);
    fill(data, 11 * 4096, 3);
    // Answer some out of order, so that responses overwrite requests still in flight.
    mem.is_stalled = true;
    for (uint64_t id = 0; id < 20; id++) {
        struct blkif_request r = request(BLKIF_OP_WRITE, id, id * 8, 1);
        r.seg[0].gref = refs[id % 11];
        put(&r);
    }
    work();
    CU_ASSERT_EQUAL(mem.nr_stalled, 20);
    struct blk_io *last = mem.stalled[19];
    mem.nr_stalled = 19;
    last->done(last, 0);
    blk_queue_work(&queue);
    mem.nr_stalled = 0;                      // the rest never comes back
    mem.is_stalled = false;
    take_over(is_persistent, 0);
    CU_ASSERT_EQUAL(queue.nr_free, BLK_MAX_REQUESTS - 19);
    work();
    expect_all_once(20, "in flight");
    for (unsigned id = 0; id < 19; id++) {
        CU_ASSERT_EQUAL(memcmp(mem.bytes + id * 4096, data + id % 11 * 4096, 4096), 0);
    }
    // And it goes on as ever.
    for (uint64_t id = 0; id < 32; id++) {
        struct blkif_request r = request(BLKIF_OP_READ, id, 0, 1);
        put(&r);
    }
    work();
    expect_all_once(32, "afterwards");
    tear_down();
}

static void test_resume_in_flight(void)
{
    resume_in_flight(false);
    resume_in_flight(true);
}

// One request that takes longer than several rings of others.
static void test_resume_old_request(void)
{
    set_up(0, false);
    struct blkif_request r = request(BLKIF_OP_WRITE, 500, 8, 1);
    mem.is_stalled = true;
    put(&r);
    work();
    mem.is_stalled = false;
    for (unsigned i = 0; i < 150; i++) {
        r = request(BLKIF_OP_READ, i, 0, 1);
        CU_ASSERT_EQUAL(perform(&r), BLKIF_RSP_OKAY);
    }
    memset(data, 0x77, 4096);
    mem.nr_stalled = 0;
    take_over(false, 0);
    work();
    CU_ASSERT_EQUAL(answer_of(500, BLKIF_OP_WRITE), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(mem.bytes[8 * 512], 0x77);
    tear_down();
}

// Killed between any two of the stores that blk_journal.h orders.
static void test_resume_between_stores(void)
{
    for (unsigned where = 0; where < 5; where++) {
        set_up(0, false);
        mem.is_stalled = true;
        for (uint64_t id = 0; id < 4; id++) {
            struct blkif_request r = request(BLKIF_OP_READ, id, 0, 1);
            put(&r);
        }
        work();
        struct blk_entry *e = &journal->entries[queue.requests - queue.requests];
        for (unsigned i = 0; i < BLK_MAX_REQUESTS; i++) {
            e = journal->entries[i].state == BLK_ENTRY_BUSY && journal->entries[i].request_index == 3 ?
                &journal->entries[i] : e;
        }
        struct ring_shared *shared = front.shared;
        switch (where) {
        case 0:    // entry filled, not counted as consumed
            journal->consumed = 3;
            break;
        case 1:    // half filled, still free
            journal->consumed = 3;
            e->state = BLK_ENTRY_FREE;
            memset(&e->request, 0xff, 40);
            break;
        case 2:    // answered, not put
            e->state = BLK_ENTRY_ANSWERED;
            e->response_index = 0;
            break;
        case 3:    // put, not shown
            e->state = BLK_ENTRY_ANSWERED;
            e->response_index = 0;
            memset(shared + 1, 0, 16);
            break;
        case 4: {  // shown, not forgotten
            struct blkif_response response = { .id = 3, .operation = BLKIF_OP_READ };
            e->state = BLK_ENTRY_ANSWERED;
            e->response_index = 0;
            memcpy(shared + 1, &response, sizeof(response));
            shared->rsp_prod = 1;
            break;
        }
        }
        mem.nr_stalled = 0;
        mem.is_stalled = false;
        take_over(false, 0);
        work();
        expect_all_once(4, "between stores");
        tear_down();
    }
}

static void test_resume_is_refused(void)
{
    set_up(0, false);
    mem.is_stalled = true;
    struct blkif_request r = request(BLKIF_OP_READ, 1, 0, 1);
    put(&r);
    work();
    mem.nr_stalled = 0;
    mem.is_stalled = false;
    // The guest moved the index that says what it was shown.
    front.shared->rsp_prod = 5;
    take_over(false, -ESTALE);
    front.shared->rsp_prod = 0;
    // Another ring.
    connection.refs[0]++;
    CU_ASSERT_EQUAL(blk_queue_open(&queue, &connection, false, true), -ESTALE);
    connection.refs[0]--;
    CU_ASSERT_EQUAL(blk_queue_open(&queue, &connection, false, true), 0);
    work();
    expect_all_once(1, "refused before");
    // After a good-bye there is nothing to go on with.
    blk_queue_close(&queue);
    CU_ASSERT_EQUAL(blk_queue_open(&queue, &connection, false, true), -ESTALE);
    connect_queue(0, false);
    tear_down();
}

// ------------------------------------------------------------------------------------------------
// Short transfers.

static void test_short_transfers(void)
{
    char a[100];
    struct iovec iov[3] = { { a, 10 }, { a + 10, 20 }, { a + 30, 70 } };
    struct blk_io io = { .op = BLK_IO_READ, .offset = 1000, .size = 100, .iov = iov, .nr_iov = 3 };

    CU_ASSERT_EQUAL(blk_io_advance(&io, 5), -EAGAIN);
    CU_ASSERT_PTR_EQUAL(io.iov->iov_base, a + 5);
    CU_ASSERT_EQUAL(io.iov->iov_len, 5);
    CU_ASSERT_EQUAL(blk_io_advance(&io, 25), -EAGAIN);
    CU_ASSERT_EQUAL(io.nr_iov, 1);
    CU_ASSERT_EQUAL(io.offset, 1030);
    CU_ASSERT_EQUAL(io.size, 70);
    CU_ASSERT_EQUAL(blk_io_advance(&io, 0), -EIO);
    CU_ASSERT_EQUAL(blk_io_advance(&io, 71), -EIO);
    CU_ASSERT_EQUAL(blk_io_advance(&io, 70), 0);
    CU_ASSERT_EQUAL(io.nr_iov, 0);
    CU_ASSERT_EQUAL(blk_io_advance(&io, -ENOSPC), -ENOSPC);
    io = (struct blk_io){ .op = BLK_IO_SYNC };
    for (unsigned i = 0; i < BLK_MAX_RETRIES; i++) {
        CU_ASSERT_EQUAL(blk_io_advance(&io, -EINTR), -EAGAIN);
    }
    CU_ASSERT_EQUAL(blk_io_advance(&io, -EINTR), -EIO);
}

// ------------------------------------------------------------------------------------------------

// One request of each kind, then a list of segments (grants 9 and up are tests/fuzz/blk.c's pages).
static void test_fuzz(void)
{
    static uint8_t seed[1 + 7 * sizeof(struct blkif_request) + 256 * 8];
    struct blkif_request_segment segment = { .gref = 10, .last_sect = 7 };

    for (uint8_t operation = 0; operation < 7; operation++) {
        struct blkif_request r = { .operation = operation, .nr_segments = 2, .sector_number = 64,
                                   .seg = { segment, segment } };
        struct blkif_request_discard d = { .operation = operation, .nr_sectors = 16 };
        struct blkif_request_indirect i = { .operation = operation, .indirect_op = BLKIF_OP_WRITE,
            .nr_segments = 40, .sector_number = 8, .indirect_grefs = { 9 } };
        uint8_t *at = seed + 1 + operation * sizeof(r);
        memcpy(at, &r, sizeof(r));
        if (operation == BLKIF_OP_DISCARD) {
            memcpy(at, &d, sizeof(d));
        } else if (operation == BLKIF_OP_INDIRECT) {
            memcpy(at, &i, sizeof(i));
        }
    }
    for (unsigned i = 0; i < 256; i++) {
        memcpy(seed + 1 + 7 * sizeof(struct blkif_request) + i * 8, &segment, sizeof(segment));
    }
    for (unsigned circumstances = 0; circumstances < 32; circumstances++) {
        seed[0] = (uint8_t)circumstances;
        CU_ASSERT(fuzz_mini(seed, sizeof(seed), 500) > 500);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "write_and_read", test_write_and_read },
        { "indirect", test_indirect },
        { "refusals", test_refusals },
        { "read_only", test_read_only },
        { "discard", test_discard },
        { "flush_and_barrier", test_flush_and_barrier },
        { "buffers_run_short", test_buffers_run_short },
        { "requests_run_short", test_requests_run_short },
        { "failures", test_failures },
        { "limits", test_limits },
        { "spin", test_spin },
        { "persistent_is_one_range", test_persistent_is_one_range },
        { "persistent_is_bounded", test_persistent_is_bounded },
        { "broken_ring", test_broken_ring },
        { "resume_in_flight", test_resume_in_flight },
        { "resume_old_request", test_resume_old_request },
        { "resume_between_stores", test_resume_between_stores },
        { "resume_is_refused", test_resume_is_refused },
        { "short_transfers", test_short_transfers },
        { "fuzz", test_fuzz },
        { 0 },
    };

    return unit_main("blk", tests);
}
