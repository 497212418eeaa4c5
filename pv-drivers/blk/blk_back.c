// SPDX-License-Identifier: MIT
//
// The back end of one disk: negotiation, connecting its queues, running them, its size.
#include "blk/blk_back.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bus/text.h"

#define STACK_SIZE (256u * 1024)

static struct blk_back *back_of(struct xenbus_device *dev)
{
    return (struct blk_back *)(void *)((char *)dev - offsetof(struct blk_back, bus));
}

// ------------------------------------------------------------------------------------------------
// A queue's thread.

static void serve(struct blk_worker *w)
{
    struct blk_queue *q = &w->queue;
    bool is_stopping = false;

    while (!is_stopping || q->nr_in_flight) {
        bool is_busy = !is_stopping && blk_queue_work(q);
        int64_t timeout = is_busy ? 0 : q->wait_ns && !is_stopping ? (int64_t)q->wait_ns : -1;
        is_stopping |= (blk_queue_wait(q, timeout) & BLK_WAKE_STOP) != 0;
    }
}

static void *worker_main(void *argument)
{
    struct blk_worker *w = argument;

    pthread_mutex_lock(&w->lock);
    while (w->state != BLK_WORKER_QUIT) {
        if (w->state == BLK_WORKER_RUNNING) {
            w->is_idle = false;
            pthread_mutex_unlock(&w->lock);
            serve(w);
            pthread_mutex_lock(&w->lock);
            w->state = w->state == BLK_WORKER_RUNNING ? BLK_WORKER_IDLE : w->state;
            w->is_idle = true;
            pthread_cond_broadcast(&w->changed);
        } else {
            pthread_cond_wait(&w->changed, &w->lock);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void worker_set(struct blk_worker *w, enum blk_worker_state state)
{
    pthread_mutex_lock(&w->lock);
    w->state = state;
    w->is_idle = state != BLK_WORKER_RUNNING;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

// Returns when the thread has answered for all that is in flight.
static void worker_stop(struct blk_worker *w)
{
    eventfd_t nr;

    pthread_mutex_lock(&w->lock);
    if (!w->is_idle) {
        eventfd_write(w->stop_fd, 1);
    }
    while (!w->is_idle) {
        pthread_cond_wait(&w->changed, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    eventfd_read(w->stop_fd, &nr);
}

// ------------------------------------------------------------------------------------------------
// Negotiation.

struct node {
    const char *name;
    uint64_t value;
};

static int write_nodes(struct xenbus_device *dev, const struct node *nodes, unsigned nr)
{
    int rc = 0;

    for (unsigned i = 0; i < nr && rc == 0; i++) {
        rc = xenbus_write_u64(dev, nodes[i].name, nodes[i].value);
    }
    return rc;
}

// Discards count in whole sectors, aligned to nothing.
static int publish_features(struct blk_back *b)
{
    const struct blk_image *image = b->disk.image;
    bool can_discard = __atomic_load_n(&image->can_discard, __ATOMIC_RELAXED);
    const struct node nodes[] = {
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

    return write_nodes(&b->bus, nodes, sizeof(nodes) / sizeof(nodes[0]));
}

static int publish_properties(struct blk_back *b)
{
    const struct node nodes[] = {
        { "sector-size", BLK_SECTOR },
        { "physical-sector-size", b->disk.image->physical_sector },
        { "info", b->disk.is_read_only ? VDISK_READONLY : 0 },
        { "sectors", b->disk.nr_sectors },
    };

    return write_nodes(&b->bus, nodes, sizeof(nodes) / sizeof(nodes[0]));
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

static int refuse(struct blk_back *b, const char *why)
{
    snprintf(b->bus.why, sizeof(b->bus.why), "%s", why);
    return -EINVAL;
}

// Absent nodes leave the value they had.
static int read_choice(struct blk_back *b, const char *leaf, uint64_t limit, uint64_t *value)
{
    int rc = xenbus_read_peer_u64(&b->bus, leaf, limit, value);

    return rc == -ENOENT ? 0 : rc;
}

// Two names for the size of the ring, from two histories of the protocol.
static int read_ring_order(struct blk_back *b, uint64_t *order)
{
    uint64_t nr_pages = 1;
    int rc = read_choice(b, "num-ring-pages", RING_MAX_PAGES, &nr_pages);

    if (rc < 0) {
        return rc;
    }
    if (nr_pages == 0 || (nr_pages & (nr_pages - 1))) {
        return refuse(b, "num-ring-pages of the other end must be a power of two");
    }
    *order = (uint64_t)__builtin_ctzll(nr_pages);
    return read_choice(b, "ring-page-order", RING_MAX_PAGE_ORDER, order);
}

static int read_choices(struct blk_back *b, struct choice *c)
{
    char protocol[STORE_MAX_VALUE];
    int rc = xenbus_read_peer(&b->bus, "protocol", protocol, sizeof(protocol));

    *c = (struct choice){ .nr_queues = 1 };
    if (rc != -ENOENT && (rc < 0 || strcmp(protocol, "x86_64-abi") != 0)) {
        return refuse(b, "protocol of the other end must be x86_64-abi or absent: start a 64-bit kernel");
    }
    rc = read_choice(b, "multi-queue-num-queues", b->max_queues, &c->nr_queues);
    if (rc == 0 && c->nr_queues == 0) {
        rc = refuse(b, "multi-queue-num-queues of the other end must be at least 1");
    }
    if (rc == 0) {
        rc = read_choice(b, "feature-persistent", 1, &c->is_persistent);
    }
    return rc < 0 ? rc : read_ring_order(b, &c->ring_order);
}

// "ring-ref", or with several pages "ring-ref0" and so on; with several queues below "queue-N".
static int read_queue_node(struct blk_back *b, const struct choice *c, unsigned queue,
                           const char *name, int number, uint32_t *value)
{
    char leaf[64] = "";
    uint64_t v;

    if (c->nr_queues > 1) {
        text_add(leaf, sizeof(leaf), "queue-");
        text_add_u64(leaf, sizeof(leaf), queue);
        text_add(leaf, sizeof(leaf), "/");
    }
    text_add(leaf, sizeof(leaf), name);
    if (number >= 0) {
        text_add_u64(leaf, sizeof(leaf), (uint64_t)number);
    }
    int rc = xenbus_read_peer_u64(&b->bus, leaf, UINT32_MAX, &v);
    if (rc == -ENOENT) {
        snprintf(b->bus.why, sizeof(b->bus.why), "%s of the other end is missing", leaf);
        return -EINVAL;
    }
    *value = rc == 0 ? (uint32_t)v : 0;
    return rc;
}

static int read_connection(struct blk_back *b, const struct choice *c, unsigned queue,
                           struct blk_connection *connection)
{
    *connection = (struct blk_connection){ .nr_pages = 1u << c->ring_order };
    int rc = read_queue_node(b, c, queue, "event-channel", -1, &connection->port);

    for (uint32_t i = 0; i < connection->nr_pages && rc == 0; i++) {
        rc = read_queue_node(b, c, queue, "ring-ref", connection->nr_pages > 1 ? (int)i : -1,
                             &connection->refs[i]);
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
        worker_set(&b->workers[i], BLK_WORKER_RUNNING);
    }
    return rc;
}

static int on_disconnect(struct xenbus_device *dev)
{
    struct blk_back *b = back_of(dev);

    for (unsigned i = 0; i < b->nr_queues; i++) {
        worker_stop(&b->workers[i]);
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

// A predecessor that was killed left its state in the store. Without its journal its requests are
// lost, and the front end must start over.
static int take_over(struct blk_back *b)
{
    b->is_resuming = true;
    int rc = on_connect(&b->bus);
    b->is_resuming = false;
    if (rc < 0) {
        fprintf(stderr, "%s: cannot go on where the last process was (%s); connecting anew\n",
                b->bus.own, b->bus.why);
        on_disconnect(&b->bus);
        rc = xenbus_set_state(&b->bus, XenbusStateInitialising);
    }
    return rc;
}

int blk_back_start(struct blk_back *b)
{
    enum xenbus_state own = xenbus_own_state(&b->bus);
    enum xenbus_state peer = xenbus_peer_state(&b->bus);
    int rc = b->bus.store->ops->watch(b->bus.store, b->bus.peer);

    if (rc == 0 && (own == XenbusStateConnected || own == XenbusStateClosing) &&
        peer >= XenbusStateInitialised && peer <= XenbusStateClosing) {
        rc = take_over(b);
    } else if (rc == 0 && own == XenbusStateInitWait) {
        rc = xenbus_set_state(&b->bus, XenbusStateInitialising);
    }
    return rc < 0 ? rc : blk_back_update(b);
}

int blk_back_update(struct blk_back *b)
{
    int rc = xenbus_run(&b->bus);

    return rc < 0 ? rc : follow_size(b);
}

bool blk_back_is_gone(struct blk_back *b)
{
    char online[STORE_MAX_VALUE];
    char path[STORE_MAX_PATH];

    snprintf(path, sizeof(path), "%.*s/online", (int)sizeof(path) - 8, b->bus.own);
    return xenbus_own_state(&b->bus) == XenbusStateClosed &&
           b->bus.store->ops->read(b->bus.store, path, online, sizeof(online)) == 0 &&
           strcmp(online, "0") == 0;
}

static int worker_init(struct blk_back *b, unsigned i, const struct blk_back_config *config)
{
    struct blk_worker *w = &b->workers[i];
    struct transport *t = config->transports[i];
    struct blk_lane *lane;
    pthread_attr_t attributes;

    w->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->stop_fd < 0) {
        return -errno;
    }
    int rc = config->image->ops->lane_open(config->image, t->event_fd, w->stop_fd, &lane);
    if (rc == 0) {
        rc = blk_queue_init(&w->queue, &b->disk, t, lane, &config->journal->queue[i],
                            &config->stats->queue[i]);
    }
    if (rc < 0) {
        return rc;
    }
    w->is_idle = true;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    return -pthread_create(&w->thread, &attributes, worker_main, w);
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
    blk_limit_init(&b->disk.limit, config->limit_operations, config->limit_bytes);
    while (rc == 0 && b->max_queues < config->nr_queues && b->max_queues < BLK_MAX_QUEUES) {
        rc = worker_init(b, b->max_queues, config);
        b->max_queues += rc == 0;
    }
    return rc;
}

void blk_back_fini(struct blk_back *b)
{
    on_disconnect(&b->bus);
    for (unsigned i = 0; i < b->max_queues; i++) {
        struct blk_worker *w = &b->workers[i];
        worker_set(w, BLK_WORKER_QUIT);
        pthread_join(w->thread, NULL);
        b->disk.image->ops->lane_close(w->queue.lane);
        blk_queue_fini(&w->queue);
        close(w->stop_fd);
    }
}
