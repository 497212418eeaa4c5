// SPDX-License-Identifier: MIT
//
// The back end of one disk: negotiation, opening its queues, running them, its size.
#include "blk/blk_back.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

_Static_assert(BLK_MAX_QUEUES <= BACK_MAX_QUEUES, "a thread each");

static void serve(struct worker *w)
{
    struct blk_queue *q = w->queue;
    bool is_stopping = false;

    while (!is_stopping || q->nr_in_flight) {
        bool is_busy = !is_stopping && blk_queue_work(q);
        int64_t timeout = is_busy ? 0 : q->wait_ns && !is_stopping ? (int64_t)q->wait_ns : -1;
        is_stopping |= q->disk->image->ops->wait(q->lane, timeout);
    }
}

// ------------------------------------------------------------------------------------------------
// Negotiation.

static int publish_properties(struct back *back)
{
    struct blk_back *b = CONTAINER(back, struct blk_back, back);
    const struct xenbus_node nodes[] = {
        { "sector-size", BLK_SECTOR },
        { "physical-sector-size", b->disk.image->physical_sector },
        { "info", b->disk.is_read_only ? VDISK_READONLY : 0 },
        { "sectors", b->disk.nr_sectors },
    };

    return xenbus_write_nodes(&back->bus, nodes, sizeof(nodes) / sizeof(nodes[0]));
}

// Discards count in whole sectors, aligned to nothing.
static int publish(struct back *back)
{
    struct blk_back *b = CONTAINER(back, struct blk_back, back);
    bool can_discard = __atomic_load_n(&b->disk.image->can_discard, __ATOMIC_RELAXED);
    const struct xenbus_node nodes[] = {
        { "feature-barrier", 1 },
        { "feature-flush-cache", 1 },
        { "feature-discard", can_discard },
        { "discard-granularity", BLK_SECTOR },
        { "discard-alignment", 0 },
        { "discard-secure", b->disk.can_discard_securely },
        { "feature-persistent", 1 },
        { "feature-max-indirect-segments", BLK_MAX_SEGMENTS },
        { "max-ring-page-order", RING_MAX_PAGE_ORDER },
        { "max-ring-pages", RING_MAX_PAGES },
    };
    int rc = xenbus_write_nodes(&back->bus, nodes, sizeof(nodes) / sizeof(nodes[0]));

    return rc < 0 ? rc : publish_properties(back);
}

// Two names for the size of the ring, from two histories of the protocol.
static int read_ring_order(struct back *back, uint64_t *order)
{
    uint64_t nr_pages = 1;
    int rc = back_read_choice(back, "num-ring-pages", RING_MAX_PAGES, &nr_pages);

    if (rc < 0)
        return rc;
    if (nr_pages == 0 || (nr_pages & (nr_pages - 1)))
        return back_refuse(back, "num-ring-pages of the other end must be a power of two");
    *order = (uint64_t)__builtin_ctzll(nr_pages);
    return back_read_choice(back, "ring-page-order", RING_MAX_PAGE_ORDER, order);
}

static int read_choices(struct back *back)
{
    struct blk_back *b = CONTAINER(back, struct blk_back, back);
    char protocol[STORE_MAX_VALUE];
    int rc = xenbus_read_peer(&back->bus, "protocol", protocol, sizeof(protocol));

    if (rc != -ENOENT && (rc < 0 || strcmp(protocol, "x86_64-abi") != 0))
        return back_refuse(back, "protocol of the other end must be x86_64-abi or absent: start a 64-bit kernel");
    b->is_persistent = 0;
    rc = back_read_choice(back, "feature-persistent", 1, &b->is_persistent);
    return rc < 0 ? rc : read_ring_order(back, &b->ring_order);
}

static int open_queue(struct back *back, unsigned i, unsigned nr_queues)
{
    struct blk_back *b = CONTAINER(back, struct blk_back, back);
    struct blk_connection c = { .nr_pages = 1u << b->ring_order };
    int rc = back_read_queue_node(back, i, nr_queues, "event-channel", -1, &c.port);

    for (uint32_t page = 0; page < c.nr_pages && rc == 0; page++)
        rc = back_read_queue_node(back, i, nr_queues, "ring-ref", c.nr_pages > 1 ? (int)page : -1, &c.refs[page]);
    if (rc < 0)
        return rc;
    rc = blk_queue_open(&b->queues[i], &c, b->is_persistent, back->is_resuming);
    if (rc < 0)
        (void)back_refuse(back, "queue %u: the ring of %u pages at grant %u with port %u cannot be opened: %s", i,
                          c.nr_pages, c.refs[0], c.port, strerror(-rc));
    return rc;
}

static void close_queue(struct back *back, unsigned i)
{
    blk_queue_close(&CONTAINER(back, struct blk_back, back)->queues[i]);
}

// ------------------------------------------------------------------------------------------------

// A front end learns of a new size when our state is written again, though it is the same.
static int follow_size(struct back *back)
{
    struct blk_back *b = CONTAINER(back, struct blk_back, back);
    uint64_t nr_sectors = b->disk.image->ops->size(b->disk.image) / BLK_SECTOR;

    if (nr_sectors == 0 || nr_sectors == b->disk.nr_sectors)
        return 0;
    __atomic_store_n(&b->disk.nr_sectors, nr_sectors, __ATOMIC_RELAXED);
    int rc = xenbus_write_u64(&back->bus, "sectors", nr_sectors);
    if (rc == 0 && xenbus_own_state(&back->bus) == XenbusStateConnected)
        rc = xenbus_set_state(&back->bus, XenbusStateConnected);
    return rc;
}

static int init_queue(struct back *back, unsigned i)
{
    struct blk_back *b = CONTAINER(back, struct blk_back, back);
    struct blk_queue *q = &b->queues[i];
    struct transport *t = b->transports[i];
    struct blk_lane *lane;
    int rc = b->disk.image->ops->lane_open(b->disk.image, t, back->workers[i].stop_fd, &lane);

    if (rc == 0) {
        rc = blk_queue_init(q, &b->disk, t, lane, &b->journal->queue[i], &b->stats->queue[i]);
        snprintf(q->name, sizeof(q->name), "%.*s, queue %u", (int)sizeof(q->name) - 20, back->bus.own, i);
        back->workers[i].queue = q;
    }
    return rc;
}

const struct back_ops blk_back_ops = {
    .serve = serve, .init_queue = init_queue, .publish = publish, .read_choices = read_choices,
    .open_queue = open_queue, .close_queue = close_queue, .follow = follow_size,
    .connect = publish_properties,       // the size may have changed since
};
