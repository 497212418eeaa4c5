// SPDX-License-Identifier: MIT
#include "host/back.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bus/text.h"

int back_refuse(struct back *b, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(b->bus.why, sizeof(b->bus.why), format, list);
    va_end(list);
    return -EINVAL;
}

int back_read_choice(struct back *b, const char *leaf, uint64_t limit, uint64_t *value)
{
    int rc = xenbus_read_peer_u64(&b->bus, leaf, limit, value);

    return rc == -ENOENT ? 0 : rc;
}

int back_read_queue_node(struct back *b, unsigned queue, unsigned nr_queues, const char *name, int number, uint32_t *value)
{
    char leaf[TEXT_QUEUE_LEAF];
    uint64_t v = 0;

    text_queue_leaf(leaf, queue, nr_queues, name, number);
    int rc = xenbus_read_peer_u64(&b->bus, leaf, UINT32_MAX, &v);
    if (rc == -ENOENT)
        return back_refuse(b, "%s of the other end is missing", leaf);
    *value = (uint32_t)v;
    return rc;
}

// ------------------------------------------------------------------------------------------------
// The handshake's actions.

static int on_prepare(struct xenbus_device *dev)
{
    struct back *b = CONTAINER(dev, struct back, bus);
    int rc = xenbus_write_u64(dev, "multi-queue-max-queues", b->max_queues);

    return rc < 0 ? rc : b->ops->publish(b);
}

static int open_queues(struct back *b)
{
    uint64_t nr_queues = 1;
    int rc = back_read_choice(b, "multi-queue-num-queues", b->max_queues, &nr_queues);

    if (rc == 0 && nr_queues == 0)
        rc = back_refuse(b, "multi-queue-num-queues of the other end must be at least 1");
    while (rc == 0 && b->nr_queues < nr_queues) {
        rc = b->ops->open_queue(b, b->nr_queues, (unsigned)nr_queues);
        b->nr_queues += rc == 0;
    }
    return rc;
}

static int on_connect(struct xenbus_device *dev)
{
    struct back *b = CONTAINER(dev, struct back, bus);
    int rc = b->ops->read_choices(b);

    if (rc == 0)
        rc = open_queues(b);
    if (rc == 0)
        rc = b->ops->connect(b);
    for (unsigned i = 0; i < b->nr_queues && rc == 0; i++)
        worker_start(&b->workers[i]);
    return rc;
}

static int on_disconnect(struct xenbus_device *dev)
{
    struct back *b = CONTAINER(dev, struct back, bus);

    if (b->ops->disconnect)
        b->ops->disconnect(b);
    for (unsigned i = 0; i < b->nr_queues; i++) {
        worker_stop(&b->workers[i]);
        b->ops->close_queue(b, i);
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

// Connecting anew gives up what the last process left, and not all front ends take part in it. So a store that went away in the
// midst of it is no reason: the next process finds all as this one has.
static int take_over(struct back *b)
{
    b->is_resuming = true;
    int rc = on_connect(&b->bus);
    b->is_resuming = false;
    if (rc == 0)
        return 0;
    rc = xenbus_read_states(&b->bus);
    if (rc < 0)
        return rc;
    fprintf(stderr, "%s: cannot go on where the last process was (%s); connecting anew\n", b->bus.own, b->bus.why);
    on_disconnect(&b->bus);
    return xenbus_set_state(&b->bus, XenbusStateInitialising);
}

int back_start(struct back *b)
{
    int rc = xenbus_read_states(&b->bus);
    enum xenbus_state own = b->bus.own_state, peer = b->bus.peer_state;

    if (rc == 0)
        rc = b->bus.store->ops->watch(b->bus.store, b->bus.peer);
    if (rc == 0 && (own == XenbusStateConnected || own == XenbusStateClosing) &&
        peer >= XenbusStateInitialised && peer <= XenbusStateClosing)
        rc = take_over(b);
    else if (rc == 0 && own == XenbusStateInitWait)
        rc = xenbus_set_state(&b->bus, XenbusStateInitialising);
    return rc < 0 ? rc : back_update(b);
}

int back_update(struct back *b)
{
    int rc = xenbus_run(&b->bus);

    return rc < 0 ? rc : b->ops->follow(b);
}

bool back_is_gone(struct back *b)
{
    char online[STORE_MAX_VALUE];
    char path[STORE_MAX_PATH];

    snprintf(path, sizeof(path), "%.*s/online", (int)sizeof(path) - 8, b->bus.own);
    return xenbus_own_state(&b->bus) == XenbusStateClosed &&
           b->bus.store->ops->read(b->bus.store, path, online, sizeof(online)) == 0 &&
           strcmp(online, "0") == 0;
}

int back_init(struct back *b, struct store *store, const char *own, const char *peer, unsigned nr_queues)
{
    int rc = 0;

    b->table = xenbus_back_table;
    if (b->ops->has_early_fronts)
        b->table.step[XenbusStateInitWait][XenbusStateConnected] =
            xenbus_back_table.step[XenbusStateInitWait][XenbusStateInitialised];
    xenbus_init(&b->bus, &b->table, actions, store, own, peer);
    while (rc == 0 && b->max_queues < nr_queues) {
        rc = worker_init(&b->workers[b->max_queues], b->ops->serve);
        rc = rc < 0 ? rc : b->ops->init_queue(b, b->max_queues);
        b->max_queues += rc == 0;
    }
    return rc;
}
