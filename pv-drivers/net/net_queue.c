// SPDX-License-Identifier: MIT
//
// The life of a packet, in both directions; net_queue.h has the picture. Slots are looked at in the
// journal's copy only, frames in ours.
#include "net/net_queue.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "host/stats.h"
#include "net/net_port.h"

#define PAGE RING_PAGE_SIZE
#define HEADER 16u                   // room for the port's header before each frame
#define PORT_HEADER ((uint32_t)sizeof(struct virtio_net_hdr))
#define FRAMES_SIZE (((size_t)2 * NET_MAX_BATCH + 1) * PAGE)    // each may use a page more than it has slots
#define TX_ENTRY ((uint32_t)sizeof(struct netif_tx_request))
#define RX_ENTRY ((uint32_t)sizeof(struct netif_rx_request))
#define RX_MAX_SLOTS ((NET_MAX_FRAME + PAGE - 1) / PAGE + 1)    // and one that says how to cut it up
#define GSO_HEADERS (NET_ETHERNET + 20u + 20u)                  // Ethernet, IPv4, TCP
#define NO_EVENT_NS 10000000u        // how soon a front end is looked at that tells nothing

_Static_assert(sizeof(struct virtio_net_hdr) <= HEADER, "a header fits");
_Static_assert(NET_MAX_SLOTS <= TRANSPORT_MAX_COPIES && RX_MAX_SLOTS <= TRANSPORT_MAX_COPIES, "one packet fits");
_Static_assert(sizeof(struct netif_extra_info) <= sizeof(struct netif_rx_response), "extras fit in both rings");

static void break_off(struct net_queue *q, const char *why)
{
    if (!q->is_broken)
        limit_say(&q->lines, "%s: the front end's ring %s: nothing is taken from it until it reconnects\n", q->name, why);
    q->is_broken = true;
}

// ------------------------------------------------------------------------------------------------
// Taking, and copying a batch.

// Takes all there is, and begins a batch; the ring holds no more than the journal has room for.
static void take(struct net_queue *q, struct net_side *side, void *slots, uint32_t size, uint32_t *taken)
{
    struct ring *r = &side->ring;

    q->nr_copies = 0;
    q->nr_packets = 0;
    if (ring_poll(r) < 0) {
        break_off(q, "claims more requests than fit");
        return;
    }
    while (ring_take(r, (uint8_t *)slots + (size_t)(r->consumed % NET_RING_ENTRIES) * size, size)) {
    }
    __atomic_store_n(taken, r->consumed, __ATOMIC_RELEASE);
}

// Together, and if that fails one by one, so that none suffers from another's bad grant.
static void copy_batch(struct net_queue *q, struct net_side *side, enum transport_direction way)
{
    struct transport *t = side->transport;

    if (q->nr_copies == 0 || transport_copy(t, way, q->copies, q->nr_copies) == 0)
        return;
    for (unsigned i = 0; i < q->nr_packets; i++) {
        struct net_packet *p = &q->packets[i];
        if (p->nr_copies && transport_copy(t, way, q->copies + p->first_copy, p->nr_copies) < 0)
            p->status = NETIF_RSP_ERROR;
    }
}

static void add_copy(struct net_queue *q, uint32_t ref, uint32_t offset, uint32_t size, uint8_t *local)
{
    q->copies[q->nr_copies++] = (struct transport_copy){ .ref = ref, .offset = (uint16_t)offset,
                                                         .size = (uint16_t)size, .local = local };
}

// ------------------------------------------------------------------------------------------------
// From the guest.

static const struct netif_tx_request *tx_slot(const struct net_queue *q, uint32_t index)
{
    return &q->journal->tx[index % NET_RING_ENTRIES];
}

static int16_t read_extra(const struct netif_extra_info *extra, struct net_offload *o)
{
    if (extra->type != XEN_NETIF_EXTRA_TYPE_GSO ||
        (extra->u.gso.type != XEN_NETIF_GSO_TYPE_TCPV4 && extra->u.gso.type != XEN_NETIF_GSO_TYPE_TCPV6))
        return NETIF_RSP_ERROR;
    o->gso_type = extra->u.gso.type;
    o->gso_size = extra->u.gso.size;
    return NETIF_RSP_OKAY;
}

// Follows the chain of slots that begins at an index: its length, whether it makes sense, and how much
// the first fragment holds. False if it is not complete.
static bool tx_parse(struct net_queue *q, uint32_t at, struct net_packet *p, uint32_t *first_size)
{
    uint32_t left = q->tx.ring.consumed - at;
    const struct netif_tx_request *slot = tx_slot(q, at);
    bool has_extra = (slot->flags & NETTXF_extra_info) != 0;
    uint32_t rest = slot->size;

    *p = (struct net_packet){ .size = slot->size, .nr_slots = 1, .status = NETIF_RSP_OKAY,
                              .offload.is_blank = (slot->flags & NETTXF_csum_blank) != 0 };
    while (has_extra && p->nr_slots < left && p->nr_extras < NET_MAX_EXTRAS) {
        struct netif_extra_info extra;
        memcpy(&extra, tx_slot(q, at + p->nr_slots), sizeof(extra));
        p->status = read_extra(&extra, &p->offload) < 0 ? NETIF_RSP_ERROR : p->status;
        p->nr_slots++;
        p->nr_extras++;
        has_extra = (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE) != 0;
    }
    while (!has_extra && (slot->flags & NETTXF_more_data) && p->nr_slots < left && p->nr_slots - p->nr_extras < NET_MAX_SLOTS) {
        slot = tx_slot(q, at + p->nr_slots++);
        p->status = slot->size > rest || slot->offset + slot->size > (int)PAGE ? NETIF_RSP_ERROR : p->status;
        rest -= slot->size;
    }
    if (has_extra || (slot->flags & NETTXF_more_data)) {
        if (p->nr_slots < left)
            break_off(q, "holds a packet of too many slots");
        return false;
    }
    if (rest == 0 || tx_slot(q, at)->offset + rest > PAGE || p->size < NET_ETHERNET)
        p->status = NETIF_RSP_ERROR;
    *first_size = rest;
    return true;
}

static void tx_add_copies(struct net_queue *q, uint32_t at, struct net_packet *p, uint32_t first_size)
{
    uint8_t *to = p->frame;

    p->first_copy = (uint16_t)q->nr_copies;
    for (uint32_t i = 0; i < p->nr_slots; i += i == 0 ? 1 + p->nr_extras : 1) {
        const struct netif_tx_request *slot = tx_slot(q, at + i);
        uint32_t size = i == 0 ? first_size : slot->size;
        add_copy(q, slot->gref, slot->offset, size, to);
        to += size;
    }
    p->nr_copies = (uint16_t)(q->nr_copies - p->first_copy);
}

// A packet that the kernel cuts up costs what its pieces do, each with headers of its own: a guest may ask for
// pieces of one byte. How long the headers are is not known yet; this is the least.
static bool tx_is_within_limit(struct net_queue *q, const struct net_packet *p)
{
    uint32_t payload = p->size > GSO_HEADERS ? p->size - GSO_HEADERS : 0;
    uint32_t pieces = p->offload.gso_size ? (payload + p->offload.gso_size - 1) / p->offload.gso_size : 1;
    uint32_t nr = pieces ? pieces : 1;

    q->wait_ns = limit_wait(&q->interface->limit, nr, p->size + (nr - 1) * GSO_HEADERS);
    stats_add(&q->stats->count[NET_STAT_LIMITED], q->wait_ns != 0);
    return q->wait_ns == 0;
}

// So that what the second slot and those behind it hold crosses from page to page where the guest's does: what goes to two of ours
// out of one page of the guest is two copies to the kernel.
static uint32_t tx_padding(struct net_queue *q, uint32_t at, const struct net_packet *p, const uint8_t *second)
{
    bool is_alone = p->nr_slots == 1 + p->nr_extras;

    return is_alone ? 0 : (uint32_t)(tx_slot(q, at + 1 + p->nr_extras)->offset - (uintptr_t)second) % PAGE;
}

// The packets that are whole and fit in one batch.
static void tx_gather(struct net_queue *q)
{
    uint32_t at = q->tx.ring.produced;
    uint8_t *to = q->frames + HEADER;
    uint32_t first_size = 0;

    while (at != q->tx.ring.consumed && q->nr_packets < NET_MAX_BATCH && q->nr_copies + NET_MAX_SLOTS <= TRANSPORT_MAX_COPIES) {
        struct net_packet *p = &q->packets[q->nr_packets];
        if (!tx_parse(q, at, p, &first_size) || !tx_is_within_limit(q, p))
            return;
        q->nr_packets++;
        if (p->status == NETIF_RSP_OKAY) {
            p->frame = to + tx_padding(q, at, p, to + first_size);
            tx_add_copies(q, at, p, first_size);
            to = p->frame + (p->size + 2 * HEADER - 1) / HEADER * HEADER;
        }
        at += p->nr_slots;
    }
}

// A guest may show as many addresses as it likes: it pushes out those that it has shown before, and nothing else happens.
static void learn(struct net_learnt *l, const struct net_packet *p)
{
    struct net_address a;
    bool is_known = false;

    if (!net_frame_sender(p->frame, p->size, &a))
        return;
    for (unsigned i = 0; i < NET_MAX_LEARNT && l->begun == l->done; i++)    // else one was begun by a process that was killed
        is_known |= memcmp(&l->last[i], &a, sizeof(a)) == 0;
    if (is_known)
        return;
    __atomic_store_n(&l->begun, l->done + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    l->last[l->done % NET_MAX_LEARNT] = a;
    __atomic_store_n(&l->done, l->done + 1, __ATOMIC_RELEASE);
}

// Whether it may be sent; then its header lies before it.
static bool tx_prepare(struct net_queue *q, struct net_packet *p)
{
    struct virtio_net_hdr h;

    if (p->status != NETIF_RSP_OKAY || !net_frame_offload(p->frame, p->size, &p->offload, &h)) {
        stats_add(&q->stats->count[NET_STAT_TX_INVALID], 1);
        p->status = NETIF_RSP_ERROR;
        return false;
    }
    if (!net_filter_allows(&q->interface->filter, p->frame, p->size)) {
        stats_add(&q->stats->count[NET_STAT_TX_FILTERED], 1);
        p->status = NETIF_RSP_DROPPED;
        return false;
    }
    memcpy(p->frame - PORT_HEADER, &h, sizeof(h));
    return true;
}

static void tx_was_sent(struct net_queue *q, struct net_packet *p, const struct net_sent *sent)
{
    if (sent->result != (int)sent->size) {
        stats_add(&q->stats->count[NET_STAT_TX_LOST], 1);
        p->status = NETIF_RSP_DROPPED;
        return;
    }
    stats_add(&q->stats->count[NET_STAT_TX_PACKETS], 1);
    stats_add(&q->stats->count[NET_STAT_TX_BYTES], p->size);
    learn(q->learnt, p);
}

static void tx_send(struct net_queue *q)
{
    struct net_packet *packets[NET_MAX_BATCH];
    struct net_sent list[NET_MAX_BATCH];
    unsigned nr = 0;

    for (unsigned i = 0; i < q->nr_packets; i++) {
        struct net_packet *p = &q->packets[i];
        if (tx_prepare(q, p)) {
            packets[nr] = p;
            list[nr++] = (struct net_sent){ .frame = p->frame - PORT_HEADER, .size = PORT_HEADER + p->size };
        }
    }
    if (nr)
        q->port->ops->send(q->port, list, nr);
    for (unsigned i = 0; i < nr; i++)
        tx_was_sent(q, packets[i], &list[i]);
}

static void tx_answer(struct net_queue *q, const struct net_packet *p)
{
    for (uint32_t i = 0; i < p->nr_slots; i++) {
        bool is_extra = i && i <= p->nr_extras;
        struct netif_tx_response response = {
            .id = is_extra ? 0 : tx_slot(q, q->tx.ring.produced)->id,
            .status = is_extra ? NETIF_RSP_NULL : p->status,
        };
        ring_put(&q->tx.ring, &response, sizeof(response));
    }
}

static bool tx_work(struct net_queue *q)
{
    take(q, &q->tx, q->journal->tx, TX_ENTRY, &q->journal->tx_taken);
    if (!q->is_broken)
        tx_gather(q);
    copy_batch(q, &q->tx, TRANSPORT_FROM_GUEST);
    tx_send(q);
    for (unsigned i = 0; i < q->nr_packets; i++)
        tx_answer(q, &q->packets[i]);
    return q->nr_packets != 0;
}

// ------------------------------------------------------------------------------------------------
// To the guest.

// What the kernel left undone must be something that the front end does. False: the frame is lost.
static bool rx_parse(const struct net_queue *q, struct net_packet *p, const struct virtio_net_hdr *h)
{
    const struct net_abilities *front = &q->interface->front;
    bool is_gso = h->gso_type != VIRTIO_NET_HDR_GSO_NONE;

    if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
        p->flags = NETRXF_csum_blank | NETRXF_data_validated;
    else if (h->flags & VIRTIO_NET_HDR_F_DATA_VALID)
        p->flags = NETRXF_data_validated;
    p->offload.gso_size = h->gso_size;
    p->offload.gso_type = !is_gso ? XEN_NETIF_GSO_TYPE_NONE :
        h->gso_type == VIRTIO_NET_HDR_GSO_TCPV4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6;
    p->nr_extras = is_gso;
    p->nr_slots = (uint16_t)((p->size + PAGE - 1) / PAGE + p->nr_extras);
    return (front->has_checksums || !(p->flags & NETRXF_csum_blank)) && (front->has_sg || p->size <= PAGE) &&
           (!is_gso || (front->has_gso4 && h->gso_type == VIRTIO_NET_HDR_GSO_TCPV4) ||
            (front->has_gso6 && h->gso_type == VIRTIO_NET_HDR_GSO_TCPV6));
}

// The grants of its slots are known already: they are the next ones.
static void rx_add_copies(struct net_queue *q, uint32_t at, struct net_packet *p)
{
    uint32_t done = 0;

    p->first_copy = (uint16_t)q->nr_copies;
    for (uint32_t i = 0; i < p->nr_slots; i += i == 0 ? 1 + p->nr_extras : 1) {
        uint32_t size = p->size - done < PAGE ? p->size - done : PAGE;
        add_copy(q, q->journal->rx[(at + i) % NET_RING_ENTRIES].gref, 0, size, p->frame + done);
        done += size;
    }
    p->nr_copies = (uint16_t)(q->nr_copies - p->first_copy);
}

// A frame is read when whatever may come has room.
static bool rx_has_room(const struct net_queue *q, uint32_t nr_used)
{
    return q->rx.ring.consumed - q->rx.ring.produced - nr_used >= (q->interface->front.has_sg ? RX_MAX_SLOTS : 1);
}

// Frames of one batch, those that are lost too. True if there may be more.
static bool rx_gather(struct net_queue *q)
{
    uint32_t nr_used = 0;

    for (unsigned i = 0; i < NET_MAX_BATCH && q->nr_copies + RX_MAX_SLOTS <= TRANSPORT_MAX_COPIES; i++) {
        struct net_packet *p = &q->packets[q->nr_packets];
        struct virtio_net_hdr h;
        uint8_t *frame;
        q->is_rx_short = !rx_has_room(q, nr_used);
        ssize_t size = q->is_rx_short ? -EAGAIN : q->port->ops->receive(q->port, &frame);
        if (size < 0) {
            q->port_error = size == -EAGAIN || size == -EINTR ? 0 : (int)size;
            return false;
        }
        *p = (struct net_packet){ .frame = frame, .size = (uint32_t)size - PORT_HEADER, .status = NETIF_RSP_OKAY };
        memcpy(&h, frame - PORT_HEADER, sizeof(h));
        if (size <= (ssize_t)PORT_HEADER || !rx_parse(q, p, &h)) {
            stats_add(&q->stats->count[NET_STAT_RX_LOST], 1);
            continue;
        }
        rx_add_copies(q, q->rx.ring.produced + nr_used, p);
        nr_used += p->nr_slots;
        q->nr_packets++;
    }
    return true;
}

static void rx_answer(struct net_queue *q, const struct net_packet *p)
{
    uint32_t done = 0;

    for (uint32_t i = 0; i < p->nr_slots; i++) {
        uint32_t size = p->size - done < PAGE ? p->size - done : PAGE;
        bool is_bad = p->status != NETIF_RSP_OKAY;
        union {
            struct netif_rx_response response;
            struct netif_extra_info extra;
        } out = { .response = { .id = q->journal->rx[q->rx.ring.produced % NET_RING_ENTRIES].id } };
        if (is_bad) {
            out.response.status = p->status;
        } else if (i && i <= p->nr_extras) {
            out.extra = (struct netif_extra_info){ .type = XEN_NETIF_EXTRA_TYPE_GSO,
                .u.gso = { .size = p->offload.gso_size, .type = p->offload.gso_type } };
        } else {
            done += size;
            out.response.status = (int16_t)size;
            out.response.flags = (uint16_t)((i == 0 ? p->flags : 0) | (done < p->size ? NETRXF_more_data : 0) |
                                            (i == 0 && p->nr_extras ? NETRXF_extra_info : 0));
        }
        ring_put(&q->rx.ring, &out, sizeof(out));
    }
    stats_add(&q->stats->count[p->status == NETIF_RSP_OKAY ? NET_STAT_RX_PACKETS : NET_STAT_RX_LOST], 1);
    stats_add(&q->stats->count[NET_STAT_RX_BYTES], p->status == NETIF_RSP_OKAY ? p->size : 0);
}

static bool rx_work(struct net_queue *q)
{
    take(q, &q->rx, q->journal->rx, RX_ENTRY, &q->journal->rx_taken);
    bool has_more = !q->is_broken && rx_gather(q);
    copy_batch(q, &q->rx, TRANSPORT_TO_GUEST);
    for (unsigned i = 0; i < q->nr_packets; i++)
        rx_answer(q, &q->packets[i]);
    return has_more;
}

// ------------------------------------------------------------------------------------------------

static void notify(struct net_queue *q, struct net_side *side)
{
    transport_notify(side->transport);
    stats_add(&q->stats->count[NET_STAT_EVENTS_SENT], 1);
}

static void publish(struct net_queue *q)
{
    bool tells_tx = ring_publish(&q->tx.ring);
    bool tells_rx = ring_publish(&q->rx.ring);

    if (tells_tx || (tells_rx && !q->is_split))
        notify(q, &q->tx);
    if (tells_rx && q->is_split)
        notify(q, &q->rx);
}

// Asks for an event and looks again. True if something has come.
static bool sleep_on(struct net_queue *q, struct net_side *side)
{
    int nr = ring_sleep(&side->ring);

    if (nr < 0)
        break_off(q, "claims more requests than fit");
    return nr > 0;
}

bool net_queue_work(struct net_queue *q)
{
    q->wait_ns = 0;
    if (q->is_broken)
        return false;
    bool is_busy = tx_work(q);
    uint64_t wait_ns = q->wait_ns;
    is_busy |= rx_work(q);
    publish(q);
    if (!is_busy && q->is_rx_short && !q->interface->front.sends_rx_events)
        wait_ns = wait_ns && wait_ns < NO_EVENT_NS ? wait_ns : NO_EVENT_NS;
    q->wait_ns = wait_ns;
    if (!is_busy)
        is_busy = sleep_on(q, &q->tx) | (q->is_rx_short && sleep_on(q, &q->rx));
    return is_busy && !q->is_broken;
}

bool net_queue_wait(struct net_queue *q, bool is_busy)
{
    int64_t timeout_ns = is_busy ? 0 : q->wait_ns ? (int64_t)q->wait_ns : -1;

    return q->port->ops->wait(q->port, !q->is_broken && !q->is_rx_short, timeout_ns);
}

// ------------------------------------------------------------------------------------------------
// Connecting, also to rings that a predecessor was killed over.

// The front end alone could have changed what it was shown; then the numbers do not fit.
static int recover(struct net_side *side, uint32_t taken, uint32_t entry)
{
    uint32_t shown = side->ring.produced;

    if (taken - shown > NET_RING_ENTRIES)
        return -ESTALE;
    ring_back_init(&side->ring, side->ring.shared, PAGE, entry, taken, shown);
    return 0;
}

// New rings begin at 0. Those of a front end that did not start over, though no journal tells of them,
// are gone on with where the answers end.
static int side_open(struct net_side *side, uint32_t ref, uint32_t entry)
{
    void *page;
    int rc = transport_map(side->transport, &ref, 1, &page);

    if (rc == 0) {
        uint32_t shown = __atomic_load_n(&((struct ring_shared *)page)->rsp_prod, __ATOMIC_RELAXED);
        ring_back_init(&side->ring, page, PAGE, entry, shown, shown);
    }
    return rc;
}

static void side_close(struct net_side *side)
{
    if (side->ring.shared) {
        transport_unbind(side->transport);
        transport_unmap(side->transport, side->ring.shared, 1);
    }
    side->ring.shared = NULL;
}

static void write_journal(struct net_queue *q, const struct net_connection *c)
{
    __atomic_store_n(&q->journal->magic, 0, __ATOMIC_RELEASE);
    q->journal->connection = *c;
    q->journal->tx_taken = q->tx.ring.consumed;
    q->journal->rx_taken = q->rx.ring.consumed;
    __atomic_store_n(&q->journal->magic, NET_JOURNAL_MAGIC, __ATOMIC_RELEASE);
}

static int read_journal(struct net_queue *q, const struct net_connection *c)
{
    if (q->journal->magic != NET_JOURNAL_MAGIC || memcmp(&q->journal->connection, c, sizeof(*c)) != 0)
        return -ESTALE;
    int rc = recover(&q->tx, q->journal->tx_taken, TX_ENTRY);
    return rc < 0 ? rc : recover(&q->rx, q->journal->rx_taken, RX_ENTRY);
}

static int open_all(struct net_queue *q, const struct net_connection *c, bool resume)
{
    int rc = side_open(&q->tx, c->tx_ref, TX_ENTRY);

    if (rc == 0)
        rc = side_open(&q->rx, c->rx_ref, RX_ENTRY);
    if (rc == 0 && resume)
        rc = read_journal(q, c);
    if (rc == 0)
        rc = transport_bind(q->tx.transport, c->tx_port);
    return rc || !c->is_split ? rc : transport_bind(q->rx.transport, c->rx_port);
}

int net_queue_open(struct net_queue *q, const struct net_connection *connection, bool resume)
{
    int rc = open_all(q, connection, resume);

    if (rc < 0) {
        side_close(&q->tx);
        side_close(&q->rx);
        return rc;
    }
    q->is_split = connection->is_split;
    q->is_broken = false;
    q->is_rx_short = false;
    if (resume) {
        notify(q, &q->tx);           // of what was shown and then not said
        if (q->is_split)
            notify(q, &q->rx);
    } else {
        write_journal(q, connection);
    }
    return 0;
}

void net_queue_close(struct net_queue *q)
{
    if (q->tx.ring.shared) {
        side_close(&q->tx);
        side_close(&q->rx);
        __atomic_store_n(&q->journal->magic, 0, __ATOMIC_RELEASE);
    }
}

int net_queue_init(struct net_queue *q, struct net_interface *interface, struct net_port *port,
                   struct transport *tx, struct transport *rx, struct net_journal *journal,
                   struct net_stats *stats, struct net_learnt *learnt)
{
    // Page-aligned, zeroed, and counted by RLIMIT_DATA.
    uint8_t *frames = mmap(NULL, FRAMES_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    *q = (struct net_queue){ .interface = interface, .port = port, .journal = journal, .stats = stats,
                             .learnt = learnt, .tx = { .transport = tx }, .rx = { .transport = rx },
                             .frames = frames };
    return frames == MAP_FAILED ? -ENOMEM : 0;
}

void net_queue_fini(struct net_queue *q)
{
    munmap(q->frames, FRAMES_SIZE);
}
