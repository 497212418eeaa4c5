// SPDX-License-Identifier: MIT
// A front end that wants to break the block back end, with two threads: one puts requests that are
// nearly right, the other changes bytes of the ring, of the segment lists and of the grant table all
// the time. The image aborts on anything outside the disk or against its being read-only. Built twice:
// with ASan and UBSan, and with TSan, for which each read of shared memory that does not go through
// the ring's copies is a race.
//
// HOSTILE_SLOTS in the environment says how many requests (default 200,000).
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blk/blk_queue.h"
#include "drivers/guest.h"
#include "drivers/image_mem.h"
#include "unit_main.h"

#define NR_SECTORS 2048u
#define ORDER 2u
#define NR_ENTRIES 128u
#define DATA_PAGES 64u
#define ENTRY_WORDS (sizeof(struct blkif_request) / 4)

struct hostile {
    struct os os;
    struct image_mem mem;
    struct blk_disk disk;
    struct blk_queue queue;
    struct blk_lane *lane;
    struct transport *transport;
    struct blk_journal journal;
    struct blk_stats stats;
    struct blk_connection connection;
    uint8_t *ring;
    uint8_t *data;
    uint32_t first_ref;
    bool is_over;
};

typedef uint32_t __attribute__((may_alias)) word;

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void store(void *at, uint32_t value)
{
    __atomic_store_n((word *)at, value, __ATOMIC_RELAXED);
}

static uint32_t load(const void *at)
{
    return __atomic_load_n((const word *)at, __ATOMIC_RELAXED);
}

// A request of any kind, right in most of its fields most of the time.
static struct blkif_request make_request(const struct hostile *h, uint64_t *seed)
{
    union {
        struct blkif_request rw;
        struct blkif_request_discard discard;
        struct blkif_request_indirect indirect;
    } r = { .rw = { .operation = (uint8_t)(next(seed) % 8), .id = next(seed),
                    .sector_number = next(seed) % (NR_SECTORS - 40) } };

    if (r.rw.operation == BLKIF_OP_DISCARD) {
        r.discard.flag = (uint8_t)(next(seed) % 3);
        r.discard.nr_sectors = next(seed) % 64;
    } else if (r.rw.operation == BLKIF_OP_INDIRECT) {
        r.indirect.indirect_op = (uint8_t)(next(seed) % 3);
        r.indirect.nr_segments = (uint16_t)(next(seed) % 260);
        r.indirect.sector_number = next(seed) % NR_SECTORS;
        r.indirect.indirect_grefs[0] = h->first_ref + (uint32_t)(next(seed) % DATA_PAGES);
    } else {
        r.rw.nr_segments = (uint8_t)(next(seed) % 12);
        for (unsigned i = 0; i < 11; i++) {
            r.rw.seg[i] = (struct blkif_request_segment){
                .gref = h->first_ref + (uint32_t)(next(seed) % DATA_PAGES),
                .first_sect = (uint8_t)(next(seed) % 3), .last_sect = (uint8_t)(2 + next(seed) % 6) };
        }
        r.rw.seg[next(seed) % 11].last_sect = (uint8_t)(next(seed) % 9);
    }
    return r.rw;
}

static void *front_main(void *argument)
{
    struct hostile *h = argument;
    struct ring_shared *shared = (struct ring_shared *)(void *)h->ring;
    uint64_t seed = 88172645463325252u;

    while (!__atomic_load_n(&h->is_over, __ATOMIC_RELAXED)) {
        uint32_t produced = load(&shared->req_prod);
        uint32_t room = NR_ENTRIES - (produced - load(&shared->rsp_prod));
        uint32_t nr = room <= NR_ENTRIES ? (uint32_t)next(&seed) % (room + 1) : 0;
        for (uint32_t i = 0; i < nr; i++) {
            struct blkif_request r = make_request(h, &seed);
            word *at = (word *)(void *)(h->ring + 64 + (produced + i) % NR_ENTRIES * sizeof(r));
            for (unsigned w = 0; w < ENTRY_WORDS; w++) {
                store(&at[w], ((const word *)(const void *)&r)[w]);
            }
        }
        store(&shared->req_prod, produced + nr + (next(&seed) % 1024 == 0 ? 1000 : 0));
        if (nr == 0) {
            sched_yield();
        }
    }
    return NULL;
}

// A random byte of what the guest shares. Indices are left to the other thread, or nothing else
// would ever happen.
static void *mutator_main(void *argument)
{
    struct hostile *h = argument;
    uint64_t seed = 1234567;

    while (!__atomic_load_n(&h->is_over, __ATOMIC_RELAXED)) {
        uint64_t where = next(&seed);
        uint32_t value = (uint32_t)next(&seed);
        switch (where % 8) {
        default:     // an entry
            where = 64 + (where >> 8) % ((RING_PAGE_SIZE << ORDER) - 128);
            store(h->ring + where / 4 * 4, value % 16);
            break;
        case 0:      // a segment: a page that may exist, sectors that may
            where = (where >> 8) % (DATA_PAGES * 512);
            store(h->data + where * 8, h->first_ref + value % (DATA_PAGES + 1));
            store(h->data + where * 8 + 4, value >> 8 & 0x707);
            break;
        case 1: {    // a grant comes, goes, or turns read-only
            uint64_t entry = (where >> 8) % DATA_PAGES + 4;
            entry |= value % 8 ? SHM_GRANT_VALID : 0;
            entry |= value % 5 ? 0 : SHM_GRANT_READONLY;
            __atomic_store_n(&h->os.area.grants[h->first_ref + (value >> 8) % DATA_PAGES].entry, entry,
                             __ATOMIC_RELEASE);
            break;
        }
        }
        if (where % 64 == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static void set_up(struct hostile *h)
{
    memset(h, 0, sizeof(*h));
    guest_create(&h->os, 128, 1);
    image_mem_init(&h->mem, NR_SECTORS * 512, false);
    h->disk = (struct blk_disk){ .image = &h->mem.image, .nr_sectors = NR_SECTORS,
                                 .can_discard_securely = true };
    limit_init(&h->disk.limit, 0, 0);
    transport_shm_open(&h->transport, &h->os.area, 0);
    h->mem.image.ops->lane_open(&h->mem.image, h->transport, h->transport->event_fd, &h->lane);
    CU_ASSERT_EQUAL_FATAL(blk_queue_init(&h->queue, &h->disk, h->transport, h->lane, &h->journal,
                                         &h->stats), 0);
    h->connection.nr_pages = 1u << ORDER;
    h->ring = os_pages_alloc(&h->os, 1u << ORDER);
    for (unsigned i = 0; i < 1u << ORDER; i++) {
        os_grant(&h->os, h->ring + i * 4096u, false, &h->connection.refs[i]);
    }
    h->data = os_pages_alloc(&h->os, DATA_PAGES);
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        uint32_t ref;
        os_grant(&h->os, h->data + i * 4096u, false, &ref);
        h->first_ref = i ? h->first_ref : ref;
    }
}

static void reconnect(struct hostile *h, unsigned round)
{
    struct ring_shared *shared = (struct ring_shared *)(void *)h->ring;

    blk_queue_close(&h->queue);
    store(&shared->rsp_prod, 0);
    store(&shared->req_prod, 0);
    h->disk.is_read_only = round % 4 == 3;
    h->mem.is_write_forbidden = h->disk.is_read_only;
    CU_ASSERT_EQUAL_FATAL(blk_queue_open(&h->queue, &h->connection, round & 1, false), 0);
}

static void test_hostile(void)
{
    static struct hostile h;
    const char *wanted = getenv("HOSTILE_SLOTS");
    uint64_t goal = wanted ? strtoull(wanted, NULL, 10) : 200000;
    uint64_t slots = 0;
    unsigned rounds = 0;
    pthread_t front, mutator;

    set_up(&h);
    CU_ASSERT_EQUAL_FATAL(blk_queue_open(&h.queue, &h.connection, false, false), 0);
    pthread_create(&front, NULL, front_main, &h);
    pthread_create(&mutator, NULL, mutator_main, &h);
    while (slots < goal || rounds < 4) {
        uint32_t before = h.queue.ring.consumed;
        blk_queue_work(&h.queue);
        slots += h.queue.ring.consumed - before;
        // The image completes at once, so nothing stays behind.
        CU_ASSERT_FATAL(h.queue.nr_in_flight == 0 && h.queue.waiting == NULL);
        CU_ASSERT_FATAL(h.queue.ring.produced == h.queue.ring.consumed);
        CU_ASSERT_FATAL(h.queue.nr_free == BLK_MAX_REQUESTS && h.queue.nr_free_pages == BLK_POOL_PAGES);
        if (h.queue.is_broken) {
            reconnect(&h, ++rounds);
        } else if (h.queue.ring.consumed == before) {
            sched_yield();
        }
    }
    __atomic_store_n(&h.is_over, true, __ATOMIC_RELAXED);
    pthread_join(front, NULL);
    pthread_join(mutator, NULL);
    printf("%llu requests, %u reconnections, %llu invalid, %llu errors, %llu reads, %llu writes, "
           "%llu discards\n", (unsigned long long)slots, rounds,
           (unsigned long long)h.stats.count[BLK_STAT_INVALID],
           (unsigned long long)h.stats.count[BLK_STAT_ERRORS],
           (unsigned long long)h.stats.count[BLK_STAT_READS],
           (unsigned long long)h.stats.count[BLK_STAT_WRITES],
           (unsigned long long)h.stats.count[BLK_STAT_DISCARDS]);
    // All ways through were walked.
    for (unsigned stat = BLK_STAT_READS; stat <= BLK_STAT_ERRORS; stat++) {
        CU_ASSERT(h.stats.count[stat] > 100);
    }
    CU_ASSERT(rounds >= 4);
    blk_queue_close(&h.queue);
    blk_queue_fini(&h.queue);
    h.mem.image.ops->lane_close(h.lane);
    transport_shm_close(h.transport);
    image_mem_fini(&h.mem);
    guest_destroy(&h.os);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "hostile", test_hostile },
        { 0 },
    };

    return unit_main("blk", tests);
}
