// SPDX-License-Identifier: MIT
//
// The front end of a disk; blk_front.h says what it promises.
#include "blk/blk_front.h"

#include "public/errno.h"

#define SECTOR 512u
#define SECTORS_PER_PAGE (RING_PAGE_SIZE / SECTOR)
#define ENTRY_SIZE ((uint32_t)sizeof(union blkif_sring_entry))

_Static_assert(BLK_FRONT_MAX_SEGMENTS + 1 <= FRONT_MAX_PAGES, "pages of a slot");

void *memcpy(void *to, const void *from, size_t size);    // a compiler needs it anyway

// ------------------------------------------------------------------------------------------------
// Requests.

static uint32_t pages_of(const struct blk_front_io *io)
{
    bool has_data = io->operation != BLKIF_OP_DISCARD;

    return has_data ? (uint32_t)((io->nr_sectors + SECTORS_PER_PAGE - 1) / SECTORS_PER_PAGE) : 0;
}

static struct blkif_request_segment segment(const struct blk_front_slot *slot, const struct blk_front_io *io, uint32_t i)
{
    uint64_t left = io->nr_sectors - (uint64_t)i * SECTORS_PER_PAGE;

    return (struct blkif_request_segment){ .gref = slot->pages.refs[i], .first_sect = 0,
        .last_sect = (uint8_t)((left < SECTORS_PER_PAGE ? left : SECTORS_PER_PAGE) - 1) };
}

static void put(struct blk_front_queue *q, struct blk_front_slot *slot, uint32_t max_segments)
{
    const struct blk_front_io *io = slot->io;
    uint32_t nr = pages_of(io);
    uint64_t id = (uint64_t)(slot - q->slots);
    union {
        struct blkif_request rw;
        struct blkif_request_discard discard;
        struct blkif_request_indirect indirect;
    } r = { .rw = { .operation = io->operation, .id = id, .sector_number = io->sector } };

    if (io->operation == BLKIF_OP_DISCARD) {
        r.discard.flag = io->is_secure ? BLKIF_DISCARD_SECURE : 0;
        r.discard.nr_sectors = io->nr_sectors;
    } else if (nr <= BLKIF_MAX_SEGMENTS_PER_REQUEST) {
        r.rw.nr_segments = (uint8_t)nr;
        for (uint32_t i = 0; i < nr; i++)
            r.rw.seg[i] = segment(slot, io, i);
    } else {
        struct blkif_request_segment *list = (void *)front_page(&slot->pages, max_segments);
        r.indirect = (struct blkif_request_indirect){ .operation = BLKIF_OP_INDIRECT,
            .indirect_op = io->operation, .nr_segments = (uint16_t)nr, .id = id,
            .sector_number = io->sector };
        r.indirect.indirect_grefs[0] = slot->pages.refs[max_segments];
        for (uint32_t i = 0; i < nr; i++)
            list[i] = segment(slot, io, i);
    }
    ring_put(&q->ring.ring, &r.rw, sizeof(r.rw));
}

static bool is_possible(const struct blk_front *f, const struct blk_front_io *io)
{
    if (io->operation == BLKIF_OP_DISCARD)
        return true;
    if (io->nr_sectors > (uint64_t)f->max_segments * SECTORS_PER_PAGE)
        return false;
    return pages_of(io) <= BLKIF_MAX_SEGMENTS_PER_REQUEST || io->operation == BLKIF_OP_READ ||
           io->operation == BLKIF_OP_WRITE;
}

static struct blk_front_slot *free_slot(struct blk_front *f, struct blk_front_queue *q)
{
    for (unsigned i = 0; i < f->want.nr_requests && ring_front_free(&q->ring.ring); i++)
        if (!q->slots[i].io)
            return &q->slots[i];
    return NULL;
}

int blk_front_submit(struct blk_front *f, unsigned queue, struct blk_front_io *io)
{
    struct blk_front_queue *q = &f->queues[queue];
    struct blk_front_slot *slot = free_slot(f, q);

    if (!is_possible(f, io))
        return -XEN_EINVAL;
    if (!slot || q->is_broken)
        return -XEN_EAGAIN;
    // Also the page of the indirect list, which comes last.
    int rc = front_pages_grant(&slot->pages, f->os, false);
    if (rc < 0)
        return rc;
    slot->io = io;
    if (io->operation != BLKIF_OP_READ && pages_of(io))
        memcpy(slot->pages.at, io->data, (size_t)io->nr_sectors * SECTOR);
    put(q, slot, f->want.max_segments);
    return 0;
}

void blk_front_kick(struct blk_front *f, unsigned queue)
{
    struct blk_front_queue *q = &f->queues[queue];

    if (ring_publish(&q->ring.ring))
        os_event_send(f->os, q->ring.port);
}

static bool complete(struct blk_front *f, struct blk_front_queue *q, const struct blkif_response *response)
{
    struct blk_front_slot *slot = &q->slots[response->id % BLK_FRONT_MAX_REQUESTS];
    struct blk_front_io *io = slot->io;

    if (response->id >= BLK_FRONT_MAX_REQUESTS || !io || response->operation != io->operation) {
        q->is_broken = true;
        return false;
    }
    slot->io = NULL;
    if (!f->is_persistent)
        front_pages_revoke(&slot->pages, f->os);
    if (response->status == BLKIF_RSP_OKAY && io->operation == BLKIF_OP_READ)
        memcpy(io->data, slot->pages.at, (size_t)io->nr_sectors * SECTOR);
    io->done(io, response->status > 0 ? BLKIF_RSP_ERROR : response->status);
    return true;
}

int blk_front_poll(struct blk_front *f, unsigned queue)
{
    struct blk_front_queue *q = &f->queues[queue];
    struct blkif_response response;
    int nr = 0;

    while (!q->is_broken) {
        int seen = ring_sleep(&q->ring.ring);
        q->is_broken = seen < 0;
        if (seen <= 0)
            break;
        while (ring_take(&q->ring.ring, &response, sizeof(response)) && complete(f, q, &response))
            nr++;
    }
    return q->is_broken ? RING_EPROTO : nr;
}

// ------------------------------------------------------------------------------------------------
// The handshake.

static void agree(struct blk_front *f)
{
    uint64_t indirect = xenbus_peer_value(&f->bus, "feature-max-indirect-segments", 0);
    uint64_t segments = indirect > BLKIF_MAX_SEGMENTS_PER_REQUEST ? indirect :
                        BLKIF_MAX_SEGMENTS_PER_REQUEST;

    f->nr_queues = at_most(f->want.nr_queues, xenbus_peer_value(&f->bus, "multi-queue-max-queues", 1));
    f->ring_order = at_most(f->want.ring_order, xenbus_peer_value(&f->bus, "max-ring-page-order", 0));
    f->max_segments = at_most(f->want.max_segments, segments);
    f->is_persistent = f->want.is_persistent && xenbus_peer_value(&f->bus, "feature-persistent", 0) == 1;
}

static int make_queue(struct blk_front *f, unsigned i)
{
    struct blk_front_queue *q = &f->queues[i];
    int rc = q->has_port ? 0 : os_event_open(f->os, &q->ring.port);

    q->has_port |= rc == 0;
    q->is_broken = false;
    rc = rc < 0 ? rc : front_ring_make(&q->ring, f->os, &f->bus, i, f->nr_queues, "ring-ref", 1u << f->ring_order, ENTRY_SIZE);
    return rc < 0 ? rc : xenbus_write_queue_u64(&f->bus, i, f->nr_queues, "event-channel", -1, q->ring.port);
}

static int on_prepare(struct xenbus_device *dev)
{
    struct blk_front *f = CONTAINER(dev, struct blk_front, bus);
    int rc = xenbus_write(dev, "protocol", "x86_64-abi");

    agree(f);
    // Whoever names an order, be it 0, has numbered its pages, says Linux' back end.
    const struct xenbus_node nodes[] = {
        { "feature-persistent", f->is_persistent },
        { "multi-queue-num-queues", f->nr_queues },
        { "ring-page-order", f->ring_order },
    };
    rc = rc < 0 ? rc : xenbus_write_nodes(dev, nodes, f->ring_order ? 3 : 2);
    for (unsigned i = 0; i < f->nr_queues && rc == 0; i++)
        rc = make_queue(f, i);
    return rc;
}

static int on_update(struct xenbus_device *dev)
{
    struct blk_front *f = CONTAINER(dev, struct blk_front, bus);

    f->nr_sectors = xenbus_peer_value(&f->bus, "sectors", 0);
    f->is_read_only = (xenbus_peer_value(&f->bus, "info", 0) & VDISK_READONLY) != 0;
    f->can_flush = xenbus_peer_value(&f->bus, "feature-flush-cache", 0) == 1;
    f->can_barrier = xenbus_peer_value(&f->bus, "feature-barrier", 0) == 1;
    f->can_discard = xenbus_peer_value(&f->bus, "feature-discard", 0) == 1;
    f->can_discard_securely = xenbus_peer_value(&f->bus, "discard-secure", 0) == 1;
    return 0;
}

// What a back end before this one was asked is asked again.
static int on_connect(struct xenbus_device *dev)
{
    struct blk_front *f = CONTAINER(dev, struct blk_front, bus);

    for (unsigned i = 0; i < f->nr_queues; i++) {
        struct blk_front_queue *q = &f->queues[i];
        for (unsigned slot = 0; slot < f->want.nr_requests; slot++)
            if (q->slots[slot].io)
                put(q, &q->slots[slot], f->want.max_segments);
        blk_front_kick(f, i);
    }
    return on_update(dev);
}

static int on_disconnect(struct xenbus_device *dev)
{
    struct blk_front *f = CONTAINER(dev, struct blk_front, bus);

    for (unsigned i = 0; i < f->nr_queues; i++)
        front_pages_free(&f->queues[i].ring.pages, f->os);
    return 0;
}

static xenbus_action_fn *const actions[XENBUS_NR_ACTIONS] = {
    [XENBUS_PREPARE] = on_prepare,
    [XENBUS_CONNECT] = on_connect,
    [XENBUS_UPDATE] = on_update,
    [XENBUS_DISCONNECT] = on_disconnect,
};

static struct front_pages *slot_pages(struct blk_front *f, unsigned i)
{
    return &f->queues[i / f->want.nr_requests].slots[i % f->want.nr_requests].pages;
}

int blk_front_init(struct blk_front *f, struct os *os, struct store *store, const char *own,
                   const char *peer, const struct blk_front_config *want)
{
    int rc = 0;

    *f = (struct blk_front){ .os = os, .want = *want };
    if (want->nr_queues == 0 || want->nr_queues > BLK_FRONT_MAX_QUEUES ||
        want->ring_order > RING_MAX_PAGE_ORDER || want->nr_requests > BLK_FRONT_MAX_REQUESTS ||
        want->max_segments > BLK_FRONT_MAX_SEGMENTS)
        return -XEN_EINVAL;
    xenbus_init(&f->bus, &xenbus_front_table, actions, store, own, peer);
    for (unsigned i = 0; i < want->nr_queues * want->nr_requests && rc == 0; i++)
        rc = front_pages_alloc(slot_pages(f, i), os, want->max_segments + 1);
    if (rc < 0)
        blk_front_fini(f);
    return rc;
}

void blk_front_fini(struct blk_front *f)
{
    for (unsigned i = 0; i < f->want.nr_queues * f->want.nr_requests; i++)
        front_pages_free(slot_pages(f, i), f->os);
}
