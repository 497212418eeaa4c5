// SPDX-License-Identifier: MIT
//
// The back end of one disk: negotiation, connecting its queues, running them, its size.
#include "blk/blk_back.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus/text.h"
#include "host/back.h"

static struct blk_back *back_of(struct xenbus_device *dev)
{
    return (struct blk_back *)(void *)((char *)dev - offsetof(struct blk_back, bus));
}

static void serve(struct worker *w)
{
    struct blk_queue *q = &((struct blk_worker *)(void *)((char *)w - offsetof(struct blk_worker, worker)))->queue;
    bool is_stopping = false;

    while (!is_stopping || q->nr_in_flight) {
        bool is_busy = !is_stopping && blk_queue_work(q);
        int64_t timeout = is_busy ? 0 : q->wait_ns && !is_stopping ? (int64_t)q->wait_ns : -1;
        is_stopping |= (blk_queue_wait(q, timeout) & BLK_WAKE_STOP) != 0;
    }
}

// ------------------------------------------------------------------------------------------------
// Negotiation.

// Discards count in whole sectors, aligned to nothing.
static int publish_features(struct blk_back *b)
{
    const struct blk_image *image = b->disk.image;
    bool can_discard = __atomic_load_n(&image->can_discard, __ATOMIC_RELAXED);
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
        { "multi-queue-max-queues", b->max_queues },
    };

    return xenbus_write_nodes(&b->bus, nodes, sizeof(nodes) / sizeof(nodes[0]));
}

static int publish_properties(struct blk_back *b)
{
    const struct xenbus_node nodes[] = {
        { "sector-size", BLK_SECTOR },
        { "physical-sector-size", b->disk.image->physical_sector },
        { "info", b->disk.is_read_only ? VDISK_READONLY : 0 },
        { "sectors", b->disk.nr_sectors },
    };

    return xenbus_write_nodes(&b->bus, nodes, sizeof(nodes) / sizeof(nodes[0]));
}

static int on_prepare(struct xenbus_device *dev)
{
    struct blk_back *b = back_of(dev);
    int rc = publish_features(b);

    return rc < 0 ? rc : publish_properties(b);
}

struct choice {
    uint64_t nr_queues;
    uint64_t ring_order;
    uint64_t is_persistent;
};

// Two names for the size of the ring, from two histories of the protocol.
static int read_ring_order(struct blk_back *b, uint64_t *order)
{
    uint64_t nr_pages = 1;
    int rc = back_read_choice(&b->bus, "num-ring-pages", RING_MAX_PAGES, &nr_pages);

    if (rc < 0) {
        return rc;
    }
    if (nr_pages == 0 || (nr_pages & (nr_pages - 1))) {
        return back_refuse(&b->bus, "num-ring-pages of the other end must be a power of two");
    }
    *order = (uint64_t)__builtin_ctzll(nr_pages);
    return back_read_choice(&b->bus, "ring-page-order", RING_MAX_PAGE_ORDER, order);
}

static int read_choices(struct blk_back *b, struct choice *c)
{
    char protocol[STORE_MAX_VALUE];
    int rc = xenbus_read_peer(&b->bus, "protocol", protocol, sizeof(protocol));

    *c = (struct choice){ .nr_queues = 1 };
    if (rc != -ENOENT && (rc < 0 || strcmp(protocol, "x86_64-abi") != 0)) {
        return back_refuse(&b->bus, "protocol of the other end must be x86_64-abi or absent: start a 64-bit kernel");
    }
    rc = back_read_choice(&b->bus, "multi-queue-num-queues", b->max_queues, &c->nr_queues);
    if (rc == 0 && c->nr_queues == 0) {
        rc = back_refuse(&b->bus, "multi-queue-num-queues of the other end must be at least 1");
    }
    if (rc == 0) {
        rc = back_read_choice(&b->bus, "feature-persistent", 1, &c->is_persistent);
    }
    return rc < 0 ? rc : read_ring_order(b, &c->ring_order);
}

static int read_connection(struct blk_back *b, const struct choice *c, unsigned queue,
                           struct blk_connection *connection)
{
    *connection = (struct blk_connection){ .nr_pages = 1u << c->ring_order };
    unsigned nr_queues = (unsigned)c->nr_queues;
    int rc = back_read_queue_node(&b->bus, queue, nr_queues, "event-channel", -1, &connection->port);

    for (uint32_t i = 0; i < connection->nr_pages && rc == 0; i++) {
        rc = back_read_queue_node(&b->bus, queue, nr_queues, "ring-ref",
                                  connection->nr_pages > 1 ? (int)i : -1, &connection->refs[i]);
    }
    return rc;
}

static int open_queue(struct blk_back *b, const struct choice *c, unsigned i)
{
    struct blk_connection connection;
    int rc = read_connection(b, c, i, &connection);

    if (rc < 0) {
        return rc;
    }
    rc = blk_queue_open(&b->workers[i].queue, &connection, c->is_persistent, b->is_resuming);
    if (rc < 0) {
        snprintf(b->bus.why, sizeof(b->bus.why), "queue %u: the ring of %u pages at grant %u with "
                 "port %u cannot be opened: %s", i, connection.nr_pages, connection.refs[0],
                 connection.port, strerror(-rc));
    }
    return rc;
}

static int on_connect(struct xenbus_device *dev)
{
    struct blk_back *b = back_of(dev);
    struct choice choice;
    int rc = read_choices(b, &choice);

    while (rc == 0 && b->nr_queues < choice.nr_queues) {
        rc = open_queue(b, &choice, b->nr_queues);
        b->nr_queues += rc == 0;
    }
    if (rc == 0) {
        rc = publish_properties(b);
    }
    for (unsigned i = 0; i < b->nr_queues && rc == 0; i++) {
        worker_start(&b->workers[i].worker);
    }
    return rc;
}

static int on_disconnect(struct xenbus_device *dev)
{
    struct blk_back *b = back_of(dev);

    for (unsigned i = 0; i < b->nr_queues; i++) {
        worker_stop(&b->workers[i].worker);
        blk_queue_close(&b->workers[i].queue);
    }
    b->nr_queues = 0;
    return 0;
}

static xenbus_action_fn *const actions[XENBUS_NR_ACTIONS] = {
    [XENBUS_PREPARE] = on_prepare,
    [XENBUS_CONNECT] = on_connect,
    [XENBUS_DISCONNECT] = on_disconnect,
};

// ------------------------------------------------------------------------------------------------

// A front end learns of a new size when our state is written again, though it is the same.
static int follow_size(struct blk_back *b)
{
    uint64_t nr_sectors = b->disk.image->ops->size(b->disk.image) / BLK_SECTOR;

    if (nr_sectors == 0 || nr_sectors == b->disk.nr_sectors) {
        return 0;
    }
    __atomic_store_n(&b->disk.nr_sectors, nr_sectors, __ATOMIC_RELAXED);
    int rc = xenbus_write_u64(&b->bus, "sectors", nr_sectors);
    if (rc == 0 && xenbus_own_state(&b->bus) == XenbusStateConnected) {
        rc = xenbus_set_state(&b->bus, XenbusStateConnected);
    }
    return rc;
}

// Without the journal of the killed process its requests are lost.
static int on_resume(struct xenbus_device *dev)
{
    struct blk_back *b = back_of(dev);

    b->is_resuming = true;
    int rc = on_connect(dev);
    b->is_resuming = false;
    return rc;
}

int blk_back_start(struct blk_back *b)
{
    int rc = back_start(&b->bus, on_resume, on_disconnect);

    return rc < 0 ? rc : blk_back_update(b);
}

int blk_back_update(struct blk_back *b)
{
    int rc = xenbus_run(&b->bus);

    return rc < 0 ? rc : follow_size(b);
}

static int queue_init(struct blk_back *b, unsigned i, const struct blk_back_config *config)
{
    struct blk_worker *w = &b->workers[i];
    struct transport *t = config->transports[i];
    struct blk_lane *lane;
    int rc = worker_init(&w->worker, serve);

    if (rc == 0) {
        rc = config->image->ops->lane_open(config->image, t->event_fd, w->worker.stop_fd, &lane);
    }
    if (rc == 0) {
        rc = blk_queue_init(&w->queue, &b->disk, t, lane, &config->journal->queue[i], &config->stats->queue[i]);
        snprintf(w->queue.name, sizeof(w->queue.name), "%.*s, queue %u", (int)sizeof(w->queue.name) - 20, config->own, i);
    }
    return rc;
}

int blk_back_init(struct blk_back *b, const struct blk_back_config *config)
{
    int rc = 0;

    *b = (struct blk_back){
        .bus = { .table = &xenbus_back_table, .actions = actions, .store = config->store },
        .disk = { .image = config->image, .is_read_only = config->image->is_read_only,
                  .can_discard_securely = config->can_discard_securely,
                  .nr_sectors = config->image->ops->size(config->image) / BLK_SECTOR },
    };
    text_add(b->bus.own, sizeof(b->bus.own), config->own);
    text_add(b->bus.peer, sizeof(b->bus.peer), config->peer);
    limit_init(&b->disk.limit, config->limit_operations, config->limit_bytes);
    while (rc == 0 && b->max_queues < config->nr_queues && b->max_queues < BLK_MAX_QUEUES) {
        rc = queue_init(b, b->max_queues, config);
        b->max_queues += rc == 0;
    }
    return rc;
}

void blk_back_fini(struct blk_back *b)
{
    on_disconnect(&b->bus);
    for (unsigned i = 0; i < b->max_queues; i++) {
        struct blk_worker *w = &b->workers[i];
        worker_fini(&w->worker);
        b->disk.image->ops->lane_close(w->queue.lane);
        blk_queue_fini(&w->queue);
    }
}
