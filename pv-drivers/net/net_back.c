// SPDX-License-Identifier: MIT
//
// The back end of one network interface: negotiation, connecting its queues, running them, its link.
#include "net/net_back.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bus/text.h"
#include "host/back.h"

static struct net_back *back_of(struct xenbus_device *dev)
{
    return (struct net_back *)(void *)((char *)dev - offsetof(struct net_back, bus));
}

static void serve(struct worker *w)
{
    struct net_queue *q =
        &((struct net_worker *)(void *)((char *)w - offsetof(struct net_worker, worker)))->queue;

    bool is_stopped = false;

    while (!is_stopped) {
        bool is_busy = net_queue_work(q);
        if (q->port_error) {
            fprintf(stderr, "%s: frames of the TAP device cannot be read (%s): is it gone? Start me again, and I "
                    "make it anew\n", q->name, strerror(-q->port_error));
            _exit(1);
        }
        is_stopped = net_queue_wait(q, w->stop_fd, is_busy);
    }
}

// ------------------------------------------------------------------------------------------------
// Negotiation.

static int publish_link(struct net_back *b)
{
    b->is_up = tap_is_up(b->tap);
    return xenbus_write_u64(&b->bus, "carrier", b->is_up);
}

static int on_prepare(struct xenbus_device *dev)
{
    struct net_back *b = back_of(dev);
    const struct xenbus_node nodes[] = {
        { "feature-sg", 1 },
        { "feature-gso-tcpv4", 1 },
        { "feature-gso-tcpv6", 1 },
        { "feature-ipv6-csum-offload", 1 },
        { "feature-rx-copy", 1 },
        { "feature-rx-flip", 0 },
        { "feature-split-event-channels", 1 },
        { "multi-queue-max-queues", b->max_queues },
    };
    int rc = xenbus_write_nodes(dev, nodes, sizeof(nodes) / sizeof(nodes[0]));

    // Toolstacks wait for this: the TAP stands where it shall.
    rc = rc < 0 ? rc : xenbus_write(dev, "hotplug-status", "connected");
    return rc < 0 ? rc : publish_link(b);
}

// The front end's nodes, all of them numbers up to 1 and by default 0.
enum choice { RX_COPY, RX_NOTIFY, SG, GSO4, GSO6, NO_CHECKSUMS, CHECKSUMS6, NR_CHOICES };
static const char *const choice_names[NR_CHOICES] = {
    [RX_COPY] = "request-rx-copy", [RX_NOTIFY] = "feature-rx-notify", [SG] = "feature-sg",
    [GSO4] = "feature-gso-tcpv4", [GSO6] = "feature-gso-tcpv6",
    [NO_CHECKSUMS] = "feature-no-csum-offload", [CHECKSUMS6] = "feature-ipv6-csum-offload",
};

// A TAP leaves checksums to us for both families or for none.
static int read_abilities(struct net_back *b, struct net_abilities *front)
{
    uint64_t value[NR_CHOICES] = { 0 };
    int rc = 0;

    for (unsigned i = 0; i < NR_CHOICES && rc == 0; i++) {
        rc = back_read_choice(&b->bus, choice_names[i], 1, &value[i]);
    }
    if (rc == 0 && !value[RX_COPY]) {
        return back_refuse(&b->bus, "request-rx-copy of the other end must be 1: pages are not exchanged any more");
    }
    bool has_checksums = !value[NO_CHECKSUMS] && value[CHECKSUMS6];
    *front = (struct net_abilities){ .has_sg = value[SG], .has_checksums = has_checksums,
        .has_gso4 = value[GSO4] && value[SG] && has_checksums,
        .has_gso6 = value[GSO6] && value[SG] && has_checksums, .sends_rx_events = value[RX_NOTIFY] };
    return rc;
}

// Two event channels, or one for both rings.
static int read_ports(struct net_back *b, unsigned queue, unsigned nr_queues, struct net_connection *c)
{
    c->is_split = back_read_queue_node(&b->bus, queue, nr_queues, "event-channel-tx", -1, &c->tx_port) == 0 &&
                  back_read_queue_node(&b->bus, queue, nr_queues, "event-channel-rx", -1, &c->rx_port) == 0;
    b->bus.why[0] = '\0';               // that there are not two is no fault
    return c->is_split ? 0 : back_read_queue_node(&b->bus, queue, nr_queues, "event-channel", -1, &c->tx_port);
}

static int open_queue(struct net_back *b, unsigned i, unsigned nr_queues)
{
    struct net_connection c = { 0 };
    int rc = read_ports(b, i, nr_queues, &c);

    if (rc == 0) {
        rc = back_read_queue_node(&b->bus, i, nr_queues, "tx-ring-ref", -1, &c.tx_ref);
    }
    if (rc == 0) {
        rc = back_read_queue_node(&b->bus, i, nr_queues, "rx-ring-ref", -1, &c.rx_ref);
    }
    if (rc < 0) {
        return rc;
    }
    rc = net_queue_open(&b->workers[i].queue, &c, b->is_resuming);
    if (rc < 0) {
        snprintf(b->bus.why, sizeof(b->bus.why), "queue %u: the rings at grants %u and %u with port %u cannot be "
                 "opened: %s", i, c.tx_ref, c.rx_ref, c.tx_port, strerror(-rc));
    }
    return rc;
}

static int open_queues(struct net_back *b)
{
    uint64_t nr_queues = 1;
    int rc = back_read_choice(&b->bus, "multi-queue-num-queues", b->max_queues, &nr_queues);

    if (rc == 0 && nr_queues == 0) {
        rc = back_refuse(&b->bus, "multi-queue-num-queues of the other end must be at least 1");
    }
    while (rc == 0 && b->nr_queues < nr_queues) {
        rc = open_queue(b, b->nr_queues, (unsigned)nr_queues);
        b->nr_queues += rc == 0;
    }
    return rc;
}

static int on_connect(struct xenbus_device *dev)
{
    struct net_back *b = back_of(dev);
    int rc = read_abilities(b, &b->interface.front);

    if (rc == 0) {
        rc = open_queues(b);
    }
    if (rc < 0) {
        return rc;
    }
    rc = tap_connect(b->tap, &b->interface.front, b->nr_queues);
    if (rc < 0) {
        snprintf(dev->why, sizeof(dev->why), "TAP device %s does not take %u queues: %s", b->tap->name, b->nr_queues,
                 strerror(-rc));
    }
    for (unsigned i = 0; i < b->nr_queues && rc == 0; i++) {
        worker_start(&b->workers[i].worker);
    }
    return rc;
}

static int on_disconnect(struct xenbus_device *dev)
{
    struct net_back *b = back_of(dev);

    tap_disconnect(b->tap);
    for (unsigned i = 0; i < b->nr_queues; i++) {
        worker_stop(&b->workers[i].worker);
        net_queue_close(&b->workers[i].queue);
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

static int on_resume(struct xenbus_device *dev)
{
    struct net_back *b = back_of(dev);

    b->is_resuming = true;
    int rc = on_connect(dev);
    b->is_resuming = false;
    return rc;
}

int net_back_start(struct net_back *b)
{
    int rc = back_start(&b->bus, on_resume, on_disconnect);

    return rc < 0 ? rc : net_back_update(b);
}

int net_back_update(struct net_back *b)
{
    int rc = xenbus_run(&b->bus);

    return rc < 0 || tap_is_up(b->tap) == b->is_up ? rc : publish_link(b);
}

static int queue_init(struct net_back *b, unsigned i, const struct net_back_config *config)
{
    struct net_worker *w = &b->workers[i];
    int rc = worker_init(&w->worker, serve);

    if (rc == 0) {
        rc = net_queue_init(&w->queue, &b->interface, &b->tap->ports[i], config->transports[i][0],
                            config->transports[i][1], &config->journal->queue[i], &config->stats->queue[i]);
        snprintf(w->queue.name, sizeof(w->queue.name), "%s, queue %u", b->tap->name, i);
    }
    return rc;
}

// Linux' front end publishes its rings and says Connected at once, and does not start over when its
// back end does: the rings are as good as ever.
int net_back_init(struct net_back *b, const struct net_back_config *config)
{
    int rc = 0;

    *b = (struct net_back){ .bus = { .table = &b->table, .actions = actions, .store = config->store },
                            .table = xenbus_back_table, .tap = config->tap,
                            .interface = { .filter = config->filter } };
    b->table.step[XenbusStateInitWait][XenbusStateConnected] =
        xenbus_back_table.step[XenbusStateInitWait][XenbusStateInitialised];
    text_add(b->bus.own, sizeof(b->bus.own), config->own);
    text_add(b->bus.peer, sizeof(b->bus.peer), config->peer);
    limit_init(&b->interface.limit, config->limit_packets, config->limit_bytes);
    while (rc == 0 && b->max_queues < config->tap->nr_queues) {
        rc = queue_init(b, b->max_queues, config);
        b->max_queues += rc == 0;
    }
    return rc;
}

void net_back_fini(struct net_back *b)
{
    on_disconnect(&b->bus);
    for (unsigned i = 0; i < b->max_queues; i++) {
        worker_fini(&b->workers[i].worker);
        net_queue_fini(&b->workers[i].queue);
    }
}
