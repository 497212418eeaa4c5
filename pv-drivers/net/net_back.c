// SPDX-License-Identifier: MIT
//
// The back end of one network interface: negotiation, opening its queues, running them, its link.
#include "net/net_back.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert(NET_MAX_QUEUES <= BACK_MAX_QUEUES, "a thread each");

static void serve(struct worker *w)
{
    struct net_queue *q = w->queue;
    bool is_stopped = false;

    while (!is_stopped) {
        bool is_busy = net_queue_work(q);
        if (q->port_error) {
            fprintf(stderr, "%s: frames of the TAP device cannot be read (%s): is it gone? Start me again, and I "
                    "make it anew\n", q->name, strerror(-q->port_error));
            _exit(1);
        }
        is_stopped = net_queue_wait(q, is_busy);
    }
}

// ------------------------------------------------------------------------------------------------
// Negotiation.

static int publish_link(struct net_back *b)
{
    b->is_up = tap_is_up(&b->tap);
    return xenbus_write_u64(&b->back.bus, "carrier", b->is_up);
}

static int publish(struct back *back)
{
    static const struct xenbus_node nodes[] = {
        { "feature-sg", 1 },
        { "feature-gso-tcpv4", 1 },
        { "feature-gso-tcpv6", 1 },
        { "feature-ipv6-csum-offload", 1 },
        { "feature-rx-copy", 1 },
        { "feature-rx-flip", 0 },
        { "feature-split-event-channels", 1 },
    };
    int rc = xenbus_write_nodes(&back->bus, nodes, sizeof(nodes) / sizeof(nodes[0]));

    // Toolstacks wait for this: the TAP stands where it shall.
    rc = rc < 0 ? rc : xenbus_write(&back->bus, "hotplug-status", "connected");
    return rc < 0 ? rc : publish_link(CONTAINER(back, struct net_back, back));
}

// The front end's nodes, all of them numbers up to 1 and by default 0.
enum choice { RX_COPY, RX_NOTIFY, SG, GSO4, GSO6, NO_CHECKSUMS, CHECKSUMS6, NR_CHOICES };
static const char *const choice_names[NR_CHOICES] = {
    [RX_COPY] = "request-rx-copy", [RX_NOTIFY] = "feature-rx-notify", [SG] = "feature-sg",
    [GSO4] = "feature-gso-tcpv4", [GSO6] = "feature-gso-tcpv6",
    [NO_CHECKSUMS] = "feature-no-csum-offload", [CHECKSUMS6] = "feature-ipv6-csum-offload",
};

// A TAP leaves checksums to us for both families or for none.
static int read_choices(struct back *back)
{
    uint64_t value[NR_CHOICES] = { 0 };
    int rc = 0;

    for (unsigned i = 0; i < NR_CHOICES && rc == 0; i++)
        rc = back_read_choice(back, choice_names[i], 1, &value[i]);
    if (rc == 0 && !value[RX_COPY])
        return back_refuse(back, "request-rx-copy of the other end must be 1: pages are not exchanged any more");
    bool has_checksums = !value[NO_CHECKSUMS] && value[CHECKSUMS6];
    CONTAINER(back, struct net_back, back)->interface.front = (struct net_abilities){ .has_sg = value[SG], .has_checksums = has_checksums,
        .has_gso4 = value[GSO4] && value[SG] && has_checksums,
        .has_gso6 = value[GSO6] && value[SG] && has_checksums, .sends_rx_events = value[RX_NOTIFY] };
    return rc;
}

// Two event channels, or one for both rings.
static int read_ports(struct back *back, unsigned queue, unsigned nr_queues, struct net_connection *c)
{
    c->is_split = back_read_queue_node(back, queue, nr_queues, "event-channel-tx", -1, &c->tx_port) == 0 &&
                  back_read_queue_node(back, queue, nr_queues, "event-channel-rx", -1, &c->rx_port) == 0;
    back->bus.why[0] = '\0';             // that there are not two is no fault
    return c->is_split ? 0 : back_read_queue_node(back, queue, nr_queues, "event-channel", -1, &c->tx_port);
}

static int open_queue(struct back *back, unsigned i, unsigned nr_queues)
{
    struct net_connection c = { 0 };
    int rc = read_ports(back, i, nr_queues, &c);

    if (rc == 0)
        rc = back_read_queue_node(back, i, nr_queues, "tx-ring-ref", -1, &c.tx_ref);
    if (rc == 0)
        rc = back_read_queue_node(back, i, nr_queues, "rx-ring-ref", -1, &c.rx_ref);
    if (rc < 0)
        return rc;
    rc = net_queue_open(&CONTAINER(back, struct net_back, back)->queues[i], &c, back->is_resuming);
    if (rc < 0)
        (void)back_refuse(back, "queue %u: the rings at grants %u and %u with port %u cannot be opened: %s", i, c.tx_ref,
                          c.rx_ref, c.tx_port, strerror(-rc));
    return rc;
}

static int connect_tap(struct back *back)
{
    struct net_back *b = CONTAINER(back, struct net_back, back);
    int rc = tap_connect(&b->tap, &b->interface.front, back->nr_queues);

    if (rc < 0)
        (void)back_refuse(back, "TAP device %s does not take %u queues: %s", b->tap.name, back->nr_queues, strerror(-rc));
    return rc;
}

static void disconnect(struct back *back)
{
    tap_disconnect(&CONTAINER(back, struct net_back, back)->tap);
}

static void close_queue(struct back *back, unsigned i)
{
    net_queue_close(&CONTAINER(back, struct net_back, back)->queues[i]);
}

// ------------------------------------------------------------------------------------------------

static int follow_link(struct back *back)
{
    struct net_back *b = CONTAINER(back, struct net_back, back);

    return tap_is_up(&b->tap) == b->is_up ? 0 : publish_link(b);
}

static int init_queue(struct back *back, unsigned i)
{
    struct net_back *b = CONTAINER(back, struct net_back, back);
    struct net_queue *q = &b->queues[i];
    struct transport *tx = b->transports[i][0], *rx = b->transports[i][1];
    int rc = port_fd_open(&b->ports[i], b->tap.fds[i], back->workers[i].stop_fd, tx, rx);

    if (rc == 0)
        rc = net_queue_init(q, &b->interface, &b->ports[i].port, tx, rx, &b->journal->queue[i], &b->stats->queue[i],
                            &b->stats->learnt[i]);

    snprintf(q->name, sizeof(q->name), "%s, queue %u", b->tap.name, i);
    back->workers[i].queue = q;
    return rc;
}

// Linux' front end publishes its rings and says Connected at once, and does not start over when its
// back end does: the rings are as good as ever.
const struct back_ops net_back_ops = {
    .has_early_fronts = true, .serve = serve, .init_queue = init_queue, .publish = publish,
    .read_choices = read_choices, .open_queue = open_queue, .connect = connect_tap, .disconnect = disconnect,
    .close_queue = close_queue, .follow = follow_link,
};
