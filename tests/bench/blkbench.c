// SPDX-License-Identifier: MIT
//
// The block back end's engine, natively: one thread plays a front end that only fills its ring and
// drains it, and runs the queue in turn, so all of it is one core. Beside it, in the same run, what
// memcpy does with the same pages: that is the bound.
//
//     null      requests to an image that does nothing: the cost of a request itself
//     4k        reads and writes of a page to an image in memory
//     1m        the same with indirect requests of 256 pages
//
// Rounds are short, memcpy and engine in turn, since the machine is shared: rates are the best of
// them, the ratio is the median of the pairs'. Output: "name value unit".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blk/blk_queue.h"
#include "drivers/guest.h"
#include "drivers/image_mem.h"

#define IMAGE_BYTES (256ull << 20)
#define RING_ORDER 1u                // 64 entries
#define ROUNDS 41u
#define ROUND_NS 15000000ull
#define DATA_PAGES 2048u             // the guest's buffers: 8 MiB
#define ENTRY ((uint32_t)sizeof(union blkif_sring_entry))

struct engine {
    struct os os;
    struct image_mem mem;
    struct blk_disk disk;
    struct blk_queue queue;
    struct blk_lane *lane;
    struct transport *transport;
    struct blk_journal journal;
    struct blk_stats stats;
    struct ring front;
    uint8_t *data;
    uint32_t refs[DATA_PAGES];
    uint64_t sector;
    uint32_t page;
};

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void check(int rc, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "blkbench: %s: %s\n", what, strerror(-rc));
        exit(1);
    }
}

static void engine_open(struct engine *e, bool is_null, bool is_persistent)
{
    struct blk_connection connection = { .nr_pages = 1u << RING_ORDER };

    memset(e, 0, sizeof(*e));
    guest_create(&e->os, DATA_PAGES + 64, 1);
    image_mem_init(&e->mem, IMAGE_BYTES, is_null);
    if (e->mem.bytes) {
        memset(e->mem.bytes, 1, IMAGE_BYTES);
    }
    e->disk = (struct blk_disk){ .image = &e->mem.image, .nr_sectors = IMAGE_BYTES / 512 };
    limit_init(&e->disk.limit, 0, 0);
    check(transport_shm_open(&e->transport, &e->os.area, 0), "transport");
    e->mem.image.ops->lane_open(&e->mem.image, e->transport, e->transport->event_fd, &e->lane);
    check(blk_queue_init(&e->queue, &e->disk, e->transport, e->lane, &e->journal, &e->stats), "queue");
    e->data = os_pages_alloc(&e->os, DATA_PAGES);
    for (uint32_t i = 0; i < DATA_PAGES; i++) {
        check(os_grant(&e->os, e->data + i * 4096u, false, &e->refs[i]), "grant");
        memset(e->data + i * 4096u, 2, 4096);
    }
    uint8_t *ring = os_pages_alloc(&e->os, 1u << RING_ORDER);
    for (uint32_t i = 0; i < 1u << RING_ORDER; i++) {
        check(os_grant(&e->os, ring + i * 4096u, false, &connection.refs[i]), "grant");
    }
    ring_front_init(&e->front, ring, 4096u << RING_ORDER, ENTRY);
    check(blk_queue_open(&e->queue, &connection, is_persistent, false), "open");
}

static void engine_close(struct engine *e)
{
    blk_queue_close(&e->queue);
    blk_queue_fini(&e->queue);
    e->mem.image.ops->lane_close(e->lane);
    transport_shm_close(e->transport);
    image_mem_fini(&e->mem);
    guest_destroy(&e->os);
}

// The next place on the image, and the next buffer, spread as a guest's would be.
static uint64_t next_sector(struct engine *e, uint64_t nr)
{
    e->sector = (e->sector * 6364136223846793005u + 1442695040888963407u);
    return (e->sector >> 20) % (IMAGE_BYTES / 512 / nr) * nr;
}

static void put_page(struct engine *e, uint64_t id, bool is_write)
{
    struct blkif_request r = { .operation = is_write ? BLKIF_OP_WRITE : BLKIF_OP_READ,
        .nr_segments = 1, .id = id, .sector_number = next_sector(e, 8) };

    e->page = (e->page + 1) % DATA_PAGES;
    r.seg[0] = (struct blkif_request_segment){ .gref = e->refs[e->page], .last_sect = 7 };
    ring_put(&e->front, &r, sizeof(r));
}

static void put_megabyte(struct engine *e, uint64_t id, bool is_write)
{
    union {
        struct blkif_request_indirect indirect;
        struct blkif_request whole;
    } r = { .indirect = { .operation = BLKIF_OP_INDIRECT, .nr_segments = 256, .id = id,
        .indirect_op = is_write ? BLKIF_OP_WRITE : BLKIF_OP_READ, .sector_number = next_sector(e, 2048) } };
    uint32_t slot = (uint32_t)(id % 7);      // seven buffers, and a page of segments behind them
    struct blkif_request_segment *list = (void *)(e->data + (7 * 256 + slot) * 4096u);

    for (uint32_t i = 0; i < 256; i++) {
        list[i] = (struct blkif_request_segment){ .gref = e->refs[slot * 256 + i], .last_sect = 7 };
    }
    r.indirect.indirect_grefs[0] = e->refs[7 * 256 + slot];
    ring_put(&e->front, &r, ENTRY);
}

typedef void put_fn(struct engine *e, uint64_t id, bool is_write);

// Requests a second over one round, `depth` at a time.
static double round_of(struct engine *e, put_fn *put, unsigned depth)
{
    struct blkif_response response;
    uint64_t done = 0;
    uint64_t begin = now_ns();
    uint64_t end = begin;

    while (end - begin < ROUND_NS) {
        for (unsigned i = 0; i < depth; i++) {
            put(e, done + i, i & 1);
        }
        ring_publish(&e->front);
        blk_queue_work(&e->queue);
        if (ring_poll(&e->front) != (int)depth) {
            check(-1, "a request was not answered");
        }
        while (ring_take(&e->front, &response, sizeof(response))) {
            if (response.status != BLKIF_RSP_OKAY) {
                check(-1, "a request failed");
            }
            done++;
        }
        end = now_ns();
    }
    return (double)done * 1e9 / (double)(end - begin);
}

// The same bytes from the same places, by nothing but memcpy.
static double copies_of(struct engine *e, size_t size)
{
    uint64_t done = 0;
    uint64_t begin = now_ns();
    uint64_t end = begin;

    while (end - begin < ROUND_NS) {
        for (unsigned i = 0; i < 32; i++) {
            uint8_t *image = e->mem.bytes + next_sector(e, size / 512) * 512;
            e->page = (e->page + (uint32_t)(size / 4096)) % (DATA_PAGES - 256);
            uint8_t *guest = e->data + e->page * 4096u;
            memcpy(i & 1 ? image : guest, i & 1 ? guest : image, size);
            done++;
        }
        end = now_ns();
    }
    return (double)done * 1e9 / (double)(end - begin);
}

static double best(double a, double b)
{
    return a > b ? a : b;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static void measure(const char *name, bool is_persistent, put_fn *put, unsigned depth, size_t size)
{
    struct engine *e = malloc(sizeof(*e));
    const char *how = is_persistent ? "persistent" : "copied";
    double ratios[ROUNDS];
    double engine = 0;
    double copies = 0;

    engine_open(e, false, is_persistent);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double c = copies_of(e, size);
        double r = round_of(e, put, depth);
        ratios[i] = r / c;
        copies = best(copies, c);
        engine = best(engine, r);
    }
    qsort(ratios, ROUNDS, sizeof(ratios[0]), compare);
    printf("%s_%s %.0f requests/s\n", name, how, engine);
    printf("%s_%s_memcpy %.0f requests/s\n", name, how, copies);
    printf("%s_%s_ratio %.0f permille\n", name, how, ratios[ROUNDS / 2] * 1000);
    engine_close(e);
    free(e);
}

static void measure_null(void)
{
    struct engine *e = malloc(sizeof(*e));
    double engine = 0;

    engine_open(e, true, true);
    for (unsigned i = 0; i < ROUNDS; i++) {
        engine = best(engine, round_of(e, put_page, 32));
    }
    printf("null %.0f requests/s\n", engine);
    engine_close(e);
    free(e);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    measure_null();
    measure("4k", true, put_page, 32, 4096);
    measure("4k", false, put_page, 32, 4096);
    measure("1m", true, put_megabyte, 4, 1 << 20);
    measure("1m", false, put_megabyte, 4, 1 << 20);
    return 0;
}
