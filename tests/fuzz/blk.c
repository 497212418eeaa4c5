// SPDX-License-Identifier: MIT
// blk/blk_queue.c: the input is a byte of circumstances, then requests as they lie in the ring, then
// what the pages of segments hold. Every request must be answered once, nothing may be kept, and the
// image aborts on anything outside the disk or against its being read-only.
#include <stdlib.h>
#include <string.h>

#include "blk/blk_queue.h"
#include "drivers/guest.h"
#include "drivers/image_mem.h"
#include "mini.h"

#define NR_SECTORS 2048u
#define NR_ENTRIES 32u
#define PAGES 16u
#define ENTRY ((uint32_t)sizeof(struct blkif_request))

static struct os os;
static struct image_mem mem;
static struct blk_disk disk;
static struct blk_queue queue;
static struct blk_journal journal;
static struct blk_stats stats;
static struct blk_connection connection = { .nr_pages = 1 };
static uint8_t *ring, *pages;

static void set_up(void)
{
    struct transport *transport;
    struct blk_lane *lane;
    uint32_t ref;

    guest_create(&os, 32, 1);
    image_mem_init(&mem, NR_SECTORS * 512, false);
    disk = (struct blk_disk){ .image = &mem.image, .nr_sectors = NR_SECTORS };
    limit_init(&disk.limit, 0, 0);
    ring = os_pages_alloc(&os, 1);
    pages = os_pages_alloc(&os, PAGES);
    os_grant(&os, ring, false, &connection.refs[0]);    // grant 8
    for (unsigned i = 0; i < PAGES; i++) {
        os_grant(&os, pages + i * 4096u, i >= 12, &ref);    // grants 9 to 24, some read-only
    }
    if (transport_shm_open(&transport, &os.area, 0) < 0 ||
        mem.image.ops->lane_open(&mem.image, transport, 0, &lane) < 0 ||
        blk_queue_init(&queue, &disk, transport, lane, &journal, &stats) < 0) {
        abort();
    }
}

static void check_answers(struct ring *front, unsigned nr)
{
    struct blkif_response response;
    bool seen[NR_ENTRIES] = { false };

    if (ring_poll(front) != (int)nr) {
        abort();
    }
    while (ring_take(front, &response, sizeof(response))) {
        if (response.id >= NR_ENTRIES || seen[response.id] || response.status > 0 ||
            response.status < BLKIF_RSP_EOPNOTSUPP) {
            abort();
        }
        seen[response.id] = true;
    }
    if (queue.nr_in_flight || queue.waiting || queue.nr_free != BLK_MAX_REQUESTS ||
        queue.nr_free_pages != BLK_POOL_PAGES) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ring front;
    unsigned nr = 0;

    if (size == 0) {
        return 0;
    }
    if (!ring) {
        set_up();
    }
    disk.is_read_only = mem.is_write_forbidden = data[0] & 1;
    disk.can_discard_securely = data[0] & 2;
    mem.image.can_discard = data[0] & 4;
    mem.fail_rc = data[0] & 8 ? -5 : 0;
    mem.fail_after = data[0] >> 5;
    mem.nr_ops = 0;
    ring_front_init(&front, ring, RING_PAGE_SIZE, ENTRY);
    struct shm_grant *grant = &os.area.grants[connection.refs[0]];
    uint64_t granted = grant->entry;
    if (blk_queue_open(&queue, &connection, data[0] & 16, false) < 0) {
        abort();
    }
    grant->entry = 0;    // or a guest may have the disk read over its ring, which only hurts itself
    for (data++, size--; size >= ENTRY && nr < NR_ENTRIES; data += ENTRY, size -= ENTRY) {
        struct blkif_request r;
        memcpy(&r, data, ENTRY);
        r.id = nr++;
        ring_put(&front, &r, ENTRY);
    }
    memcpy(pages, data, size < 4096 ? size : 4096);
    ring_publish(&front);
    while (blk_queue_work(&queue)) {
    }
    check_answers(&front, nr);
    blk_queue_close(&queue);
    grant->entry = granted;
    return 0;
}
