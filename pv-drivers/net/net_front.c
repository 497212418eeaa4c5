// SPDX-License-Identifier: MIT
//
// The front end of a network interface; net_front.h says what it promises.
#include "net/net_front.h"

#include "public/errno.h"

#define PAGE RING_PAGE_SIZE
#define TX_ENTRY ((uint32_t)sizeof(struct netif_tx_request))
#define RX_ENTRY ((uint32_t)sizeof(struct netif_rx_request))

_Static_assert(NET_FRONT_MAX_BUFFERS <= (PAGE - sizeof(struct ring_shared)) / sizeof(struct netif_tx_request), "slots");

void *memcpy(void *to, const void *from, size_t size);    // a compiler needs it anyway

// ------------------------------------------------------------------------------------------------
// Sending.

// A response without a meaning of its own answers extra info.
static void collect(struct net_front *f, struct net_front_queue *q)
{
    struct net_front_side *r = &q->tx;
    struct netif_tx_response response;

    q->is_broken |= ring_poll(&r->ring.ring) < 0;
    while (!q->is_broken && ring_take(&r->ring.ring, &response, sizeof(response))) {
        if (response.status == NETIF_RSP_NULL)
            continue;
        q->is_broken = response.id >= f->want.nr_buffers || r->nr_free == f->want.nr_buffers;
        if (!q->is_broken)
            r->ids[r->nr_free++] = response.id;
    }
}

static uint32_t pages_of(uint32_t size)
{
    return (size + PAGE - 1) / PAGE;
}

static void put_fragment(struct net_front_side *r, const struct net_front_packet *p, uint32_t done)
{
    uint16_t id = r->ids[--r->nr_free];
    uint32_t part = at_most(p->size - done, PAGE);
    struct netif_tx_request slot = { .gref = r->buffers.refs[id], .id = id,
        .size = (uint16_t)(done ? part : p->size), .flags = done + part < p->size ? NETTXF_more_data : 0 };

    if (done == 0)
        slot.flags |= (uint16_t)((p->is_blank ? NETTXF_csum_blank : 0) |
                                 (p->is_blank || p->is_validated ? NETTXF_data_validated : 0) |
                                 (p->gso_type ? NETTXF_extra_info : 0));
    memcpy(front_page(&r->buffers, id), p->data + done, part);
    ring_put(&r->ring.ring, &slot, sizeof(slot));
}

static void put_extra(struct net_front_side *r, const struct net_front_packet *p)
{
    union {
        struct netif_extra_info extra;
        struct netif_tx_request slot;
    } u = { .slot = { 0 } };

    u.extra = (struct netif_extra_info){ .type = XEN_NETIF_EXTRA_TYPE_GSO,
                                         .u.gso = { .size = p->gso_size, .type = p->gso_type } };
    ring_put(&r->ring.ring, &u.slot, sizeof(u.slot));
}

int net_front_send(struct net_front *f, unsigned queue, const struct net_front_packet *p)
{
    struct net_front_queue *q = &f->queues[queue];
    struct net_front_side *r = &q->tx;
    uint32_t nr = pages_of(p->size);
    bool can_gso = p->gso_type == XEN_NETIF_GSO_TYPE_TCPV4 ? f->can_gso4 : f->can_gso6;

    if (p->size == 0 || p->size > NET_FRONT_MAX_SIZE || (nr > 1 && !f->can_fragment) || (p->gso_type && !can_gso))
        return -XEN_EINVAL;
    if (r->nr_free < nr)
        collect(f, q);
    if (q->is_broken || r->nr_free < nr || ring_front_free(&r->ring.ring) < nr + 1)
        return -XEN_EAGAIN;
    for (uint32_t i = 0; i < nr; i++) {
        put_fragment(r, p, i * PAGE);
        if (i == 0 && p->gso_type)
            put_extra(r, p);
    }
    return 0;
}

void net_front_kick(struct net_front *f, unsigned queue)
{
    struct net_front_queue *q = &f->queues[queue];
    bool tells_tx = ring_publish(&q->tx.ring.ring);
    bool tells_rx = ring_publish(&q->rx.ring.ring);

    if (tells_tx || (tells_rx && !f->is_split))
        os_event_send(f->os, q->tx.ring.port);
    if (tells_rx && f->is_split)
        os_event_send(f->os, q->rx.ring.port);
}

// ------------------------------------------------------------------------------------------------
// Receiving. A response lies in its request's slot.

static void offer(struct net_front_side *r, uint16_t id)
{
    struct netif_rx_request request = { .id = id, .gref = r->buffers.refs[id] };

    r->ids[r->ring.ring.produced % NET_FRONT_MAX_BUFFERS] = id;
    ring_put(&r->ring.ring, &request, sizeof(request));
}

// Takes a slot; its buffer is offered again when it was copied from.
static bool take_slot(struct net_front_queue *q, void *response, uint16_t *id)
{
    struct net_front_side *r = &q->rx;

    *id = r->ids[r->ring.ring.consumed % NET_FRONT_MAX_BUFFERS];
    return ring_take(&r->ring.ring, response, sizeof(struct netif_rx_response));
}

static bool read_extra(struct net_front_queue *q, struct net_front_packet *p)
{
    struct netif_extra_info extra;
    uint16_t id;

    do {
        if (!take_slot(q, &extra, &id))
            return false;
        if (extra.type == XEN_NETIF_EXTRA_TYPE_GSO) {
            p->gso_type = extra.u.gso.type;
            p->gso_size = extra.u.gso.size;
        }
        offer(&q->rx, id);
    } while (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE);
    return true;
}

// One packet, whole or not to be had. False: what is there is no packet.
static bool read_packet(struct net_front_queue *q, struct net_front_packet *p, bool *is_good)
{
    uint32_t room = p->size, size = 0;
    struct netif_rx_response response;
    uint16_t id;
    bool is_first = true;

    *is_good = true;
    do {
        if (!take_slot(q, &response, &id))
            return false;
        uint32_t part = response.status > 0 ? (uint32_t)response.status : 0;
        if (part && response.offset + part > PAGE)
            return false;
        *is_good &= part && part <= room - size;
        if (*is_good) {
            memcpy(p->data + size, front_page(&q->rx.buffers, id) + response.offset, part);
            size += part;
        }
        offer(&q->rx, id);
        if (is_first) {
            *p = (struct net_front_packet){ .data = p->data, .is_blank = (response.flags & NETRXF_csum_blank) != 0,
                                            .is_validated = (response.flags & NETRXF_data_validated) != 0 };
            if ((response.flags & NETRXF_extra_info) && !read_extra(q, p))
                return false;
        }
        is_first = false;
    } while (response.flags & NETRXF_more_data);
    p->size = size;
    return true;
}

int net_front_receive(struct net_front *f, unsigned queue, struct net_front_packet *p)
{
    struct net_front_queue *q = &f->queues[queue];
    uint32_t room = p->size;
    bool is_good = false;

    collect(f, q);
    while (!q->is_broken) {
        int nr = ring_sleep(&q->rx.ring.ring);
        if (nr == 0)
            return 0;
        p->size = room;
        q->is_broken = nr < 0 || !read_packet(q, p, &is_good);
        if (!q->is_broken && is_good)
            return 1;
    }
    return RING_EPROTO;
}

// ------------------------------------------------------------------------------------------------
// The handshake.

static int publish(struct net_front *f, unsigned queue, const char *name, uint64_t value)
{
    return xenbus_write_queue_u64(&f->bus, queue, f->nr_queues, name, -1, value);
}

static int make_ports(struct net_front *f, unsigned queue)
{
    struct net_front_queue *q = &f->queues[queue];
    int rc = q->has_ports ? 0 : os_event_open(f->os, &q->tx.ring.port);

    if (rc == 0 && f->is_split && !q->has_ports)
        rc = os_event_open(f->os, &q->rx.ring.port);
    q->has_ports |= rc == 0;
    if (rc == 0)
        rc = publish(f, queue, f->is_split ? "event-channel-tx" : "event-channel", q->tx.ring.port);
    return rc || !f->is_split ? rc : publish(f, queue, "event-channel-rx", q->rx.ring.port);
}

static int make_queue(struct net_front *f, unsigned i)
{
    struct net_front_queue *q = &f->queues[i];
    int rc = make_ports(f, i);

    rc = rc < 0 ? rc : front_ring_make(&q->tx.ring, f->os, &f->bus, i, f->nr_queues, "tx-ring-ref", 1, TX_ENTRY);
    rc = rc < 0 ? rc : front_ring_make(&q->rx.ring, f->os, &f->bus, i, f->nr_queues, "rx-ring-ref", 1, RX_ENTRY);
    if (rc < 0)
        return rc;
    q->is_broken = false;
    q->tx.nr_free = 0;
    for (uint16_t id = 0; id < f->want.nr_buffers; id++) {
        q->tx.ids[q->tx.nr_free++] = id;
        offer(&q->rx, id);
    }
    (void)ring_publish(&q->rx.ring.ring);      // nobody to tell yet
    return 0;
}

static int on_prepare(struct xenbus_device *dev)
{
    struct net_front *f = CONTAINER(dev, struct net_front, bus);

    f->nr_queues = at_most(f->want.nr_queues, xenbus_peer_value(&f->bus, "multi-queue-max-queues", 1));
    f->nr_queues += f->nr_queues == 0;
    f->is_split = f->want.is_split && xenbus_peer_value(&f->bus, "feature-split-event-channels", 0) == 1;
    const struct xenbus_node nodes[] = {
        { "request-rx-copy", 1 },
        { "feature-rx-notify", 1 },
        { "feature-sg", f->want.has_offloads },
        { "feature-gso-tcpv4", f->want.has_offloads },
        { "feature-gso-tcpv6", f->want.has_offloads },
        { "feature-no-csum-offload", !f->want.has_offloads },
        { "feature-ipv6-csum-offload", f->want.has_offloads },
        { "multi-queue-num-queues", f->nr_queues },
    };
    int rc = xenbus_write_nodes(dev, nodes, sizeof(nodes) / sizeof(nodes[0]));
    for (unsigned i = 0; i < f->nr_queues && rc == 0; i++)
        rc = make_queue(f, i);
    return rc;
}

static int on_update(struct xenbus_device *dev)
{
    struct net_front *f = CONTAINER(dev, struct net_front, bus);

    f->can_fragment = xenbus_peer_value(&f->bus, "feature-sg", 0) == 1;
    f->can_gso4 = xenbus_peer_value(&f->bus, "feature-gso-tcpv4", 0) == 1;
    f->can_gso6 = xenbus_peer_value(&f->bus, "feature-gso-tcpv6", 0) == 1;
    f->has_link = xenbus_peer_value(&f->bus, "carrier", 1) == 1;
    return 0;
}

static int on_disconnect(struct xenbus_device *dev)
{
    struct net_front *f = CONTAINER(dev, struct net_front, bus);

    for (unsigned i = 0; i < f->nr_queues; i++) {
        front_pages_free(&f->queues[i].tx.ring.pages, f->os);
        front_pages_free(&f->queues[i].rx.ring.pages, f->os);
    }
    return 0;
}

static xenbus_action_fn *const actions[XENBUS_NR_ACTIONS] = {
    [XENBUS_PREPARE] = on_prepare,
    [XENBUS_UPDATE] = on_update,
    [XENBUS_DISCONNECT] = on_disconnect,
};

// As Linux' back end wants it: Connected as soon as our rings are there, and the rings stay when the
// back end goes and comes again.
#define S(name) XenbusState##name
static void connect_early(struct xenbus_table *t)
{
    t->step[S(Initialising)][S(InitWait)].next = t->step[S(Initialising)][S(Initialised)].next = S(Connected);
    t->step[S(Connected)][S(Unknown)].action = t->step[S(Connected)][S(InitWait)].action = XENBUS_WAIT;
}

static int make_buffers(struct net_front *f, struct front_pages *buffers, bool is_read_only)
{
    int rc = front_pages_alloc(buffers, f->os, f->want.nr_buffers);

    return rc < 0 ? rc : front_pages_grant(buffers, f->os, is_read_only);
}

int net_front_init(struct net_front *f, struct os *os, struct store *store, const char *own, const char *peer,
                   const struct net_front_config *want)
{
    int rc = 0;

    *f = (struct net_front){ .os = os, .want = *want, .table = xenbus_front_table };
    connect_early(&f->table);
    if (want->nr_queues == 0 || want->nr_queues > NET_FRONT_MAX_QUEUES || want->nr_buffers < NET_FRONT_MIN_BUFFERS ||
        want->nr_buffers > NET_FRONT_MAX_BUFFERS)
        return -XEN_EINVAL;
    xenbus_init(&f->bus, &f->table, actions, store, own, peer);
    for (unsigned i = 0; i < want->nr_queues && rc == 0; i++) {
        rc = make_buffers(f, &f->queues[i].tx.buffers, true);
        rc = rc < 0 ? rc : make_buffers(f, &f->queues[i].rx.buffers, false);
    }
    if (rc < 0)
        net_front_fini(f);
    return rc;
}

void net_front_fini(struct net_front *f)
{
    for (unsigned i = 0; i < f->want.nr_queues; i++) {
        front_pages_free(&f->queues[i].tx.buffers, f->os);
        front_pages_free(&f->queues[i].rx.buffers, f->os);
    }
}
