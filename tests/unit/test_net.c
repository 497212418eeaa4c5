// SPDX-License-Identifier: MIT
// One queue pair of the network back end without a thread: chains of slots, offloads, refusals, both
// directions, and going on after a kill.
#include <errno.h>
#include <string.h>

#include "drivers/frames.h"
#include "drivers/guest.h"
#include "drivers/port_mem.h"
#include "fuzz/mini.h"
#include "net/net_queue.h"
#include "unit_main.h"

#define PAGE 4096u
#define DATA_PAGES 64u
#define TX_ENTRY ((uint32_t)sizeof(struct netif_tx_request))
#define RX_ENTRY ((uint32_t)sizeof(struct netif_rx_request))
#define HEADER sizeof(struct virtio_net_hdr)

static struct os os;
static struct port_mem port;
static struct net_interface interface;
static struct net_queue queue;
static struct transport *transports[2];
static struct net_journal journal;
static struct net_stats stats;
static struct net_learnt learnt;
static struct net_connection connection;
static uint8_t *tx_page, *rx_page, *data, *buffers;
static uint32_t data_refs[DATA_PAGES], buffer_refs[DATA_PAGES];
static struct ring tx, rx;
static uint8_t frame[NET_MAX_FRAME];

static void connect_queue(bool is_split)
{
    connection = (struct net_connection){ .tx_port = 0, .rx_port = is_split, .is_split = is_split };
    os_grant(&os, tx_page, false, &connection.tx_ref);
    os_grant(&os, rx_page, false, &connection.rx_ref);
    ring_front_init(&tx, tx_page, PAGE, TX_ENTRY);
    ring_front_init(&rx, rx_page, PAGE, RX_ENTRY);
    CU_ASSERT_EQUAL_FATAL(net_queue_open(&queue, &connection, false), 0);
}

static void set_up(bool is_split)
{
    guest_create(&os, 256, 2);
    port_mem_init(&port);
    interface = (struct net_interface){ .front = { true, true, true, true, true } };
    limit_init(&interface.limit, 0, 0);
    memset(&stats, 0, sizeof(stats));
    memset(&learnt, 0, sizeof(learnt));
    memset(&journal, 0, sizeof(journal));
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(transport_shm_open_any(&transports[i], &os.area, i), 0);
    }
    CU_ASSERT_EQUAL_FATAL(net_queue_init(&queue, &interface, &port.port, transports[0], transports[1], &journal,
                                         &stats, &learnt), 0);
    tx_page = os_pages_alloc(&os, 1);
    rx_page = os_pages_alloc(&os, 1);
    data = os_pages_alloc(&os, DATA_PAGES);
    buffers = os_pages_alloc(&os, DATA_PAGES);
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        os_grant(&os, data + i * PAGE, true, &data_refs[i]);
        os_grant(&os, buffers + i * PAGE, false, &buffer_refs[i]);
    }
    connect_queue(is_split);
}

static void tear_down(void)
{
    net_queue_close(&queue);
    CU_ASSERT_EQUAL(guest_nr_mapped(&os), 0);
    net_queue_fini(&queue);
    transport_shm_close(transports[0]);
    transport_shm_close(transports[1]);
    port_mem_fini(&port);
    guest_destroy(&os);
}

static void work(void)
{
    ring_publish(&tx);
    ring_publish(&rx);
    while (net_queue_work(&queue)) {
    }
}

static void put_tx(uint32_t ref, unsigned offset, unsigned flags, unsigned id, unsigned size)
{
    struct netif_tx_request r = { .gref = ref, .offset = (uint16_t)offset, .flags = (uint16_t)flags,
                                  .id = (uint16_t)id, .size = (uint16_t)size };

    ring_put(&tx, &r, sizeof(r));
}

static void put_extra(unsigned type, unsigned flags, unsigned gso_type, unsigned size)
{
    union {
        struct netif_extra_info extra;
        struct netif_tx_request request;
    } r = { .extra = { .type = (uint8_t)type, .flags = (uint8_t)flags,
                       .u.gso = { .size = (uint16_t)size, .type = (uint8_t)gso_type } } };

    r.request.id = 0x7777;    // nobody's
    ring_put(&tx, &r, sizeof(r));
}

// Puts a frame into the guest's pages from a page and an offset on, as a chain of slots with ids from
// the page's number on.
static void put_frame(uint32_t size, unsigned page, unsigned offset, unsigned flags, unsigned gso_type)
{
    uint32_t first = size < PAGE - offset ? size : PAGE - offset;

    memcpy(data + page * PAGE + offset, frame, size);
    for (uint32_t done = 0; done < size || done == 0;) {
        uint32_t part = done == 0 ? first : size - done < PAGE ? size - done : PAGE;
        unsigned more = done + part < size ? NETTXF_more_data : 0;
        if (done == 0) {
            put_tx(data_refs[page], offset, flags | more | (gso_type ? NETTXF_extra_info : 0), page, size);
            if (gso_type) {
                put_extra(XEN_NETIF_EXTRA_TYPE_GSO, 0, gso_type, 1448);
            }
        } else {
            put_tx(data_refs[page], 0, more, page, part);
        }
        done += part;
        page++;
    }
}

// The next response must have this status and, unless it is of extra info, this id.
static void expect_tx(int id, int status)
{
    struct netif_tx_response r = { .status = -77 };

    CU_ASSERT(ring_poll(&tx) > 0);
    CU_ASSERT(ring_take(&tx, &r, sizeof(r)));
    CU_ASSERT_EQUAL(r.status, status);
    if (status != NETIF_RSP_NULL) {
        CU_ASSERT_EQUAL(r.id, id);
    }
}

static void expect_no_tx(void)
{
    CU_ASSERT_EQUAL(ring_poll(&tx), 0);
}

// What the port was sent must be `frame`, but for the checksum at an offset, if that is not 0.
static struct virtio_net_hdr expect_sent(uint32_t size, uint32_t checksum)
{
    struct virtio_net_hdr h;

    CU_ASSERT_FATAL(port.nr > 0);
    uint8_t *sent = port.frames[port.first];
    CU_ASSERT_EQUAL(port.size[port.first], HEADER + size);
    memcpy(&h, sent, sizeof(h));
    if (checksum) {
        memcpy(frame + checksum, sent + HEADER + checksum, 2);
    }
    CU_ASSERT_EQUAL(memcmp(sent + HEADER, frame, size), 0);
    port.first = (port.first + 1) % PORT_MEM_FRAMES;
    port.nr--;
    return h;
}

static void test_send(void)
{
    static const struct { uint32_t size, offset; } rows[] = {
        { 60, 0 }, { 60, 4036 }, { 1514, 2000 }, { 4096, 0 }, { 4097, 0 }, { 9014, 300 }, { 65535, 0 }, { 65535, 4000 },
    };

    set_up(false);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t nr = (rows[i].offset + rows[i].size + PAGE - 1) / PAGE;
        frame_make(frame, false, true, rows[i].size - 42, i);
        put_frame(rows[i].size, 3, rows[i].offset, 0, 0);
        work();
        for (unsigned n = 0; n < nr; n++) {
            expect_tx(3 + (int)n, NETIF_RSP_OKAY);
        }
        expect_no_tx();
        struct virtio_net_hdr h = expect_sent(rows[i].size, 0);
        CU_ASSERT(h.flags == 0 && h.gso_type == VIRTIO_NET_HDR_GSO_NONE);
    }
    CU_ASSERT_EQUAL(stats.count[NET_STAT_TX_PACKETS], 8);
    CU_ASSERT_EQUAL(stats.count[NET_STAT_TX_BYTES], 60 + 60 + 1514 + 4096 + 4097 + 9014 + 65535 + 65535);
    tear_down();
}

// The kernel adds what is behind csum_start, the field included, and puts the complement there.
static void finish_checksum(uint32_t start, uint32_t at, uint32_t size)
{
    uint32_t sum = 0;

    for (uint32_t i = start; i < size; i++) {
        sum += (i - start) % 2 ? frame[i] : (uint32_t)frame[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[at] = (uint8_t)(~sum >> 8);
    frame[at + 1] = (uint8_t)~sum;
}

static void test_offloads(void)
{
    set_up(false);
    for (unsigned i = 0; i < 8; i++) {
        bool is_v6 = i & 1, is_udp = i & 2, is_gso = !is_udp && (i & 4);
        uint32_t l4 = is_v6 ? 54 : 34;
        uint32_t size = frame_make(frame, is_v6, is_udp, is_gso ? 20000 : 999, i);
        put_frame(size, 0, 10, NETTXF_csum_blank | NETTXF_data_validated, is_gso ? 1u + is_v6 : 0);
        work();
        expect_tx(0, NETIF_RSP_OKAY);
        if (is_gso) {
            expect_tx(0, NETIF_RSP_NULL);
            for (int n = 1; n < 5; n++) {
                expect_tx(n, NETIF_RSP_OKAY);
            }
        }
        expect_no_tx();
        struct virtio_net_hdr h = expect_sent(size, l4 + (is_udp ? 6 : 16));
        CU_ASSERT_EQUAL(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
        CU_ASSERT_EQUAL(h.csum_start, l4);
        CU_ASSERT_EQUAL(h.csum_offset, is_udp ? 6 : 16);
        CU_ASSERT_EQUAL(h.gso_type, !is_gso ? 0 : is_v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
        CU_ASSERT_EQUAL(h.gso_size, is_gso ? 1448 : 0);
        CU_ASSERT_EQUAL(h.hdr_len, is_gso ? l4 + 20 : 0);
        finish_checksum(h.csum_start, h.csum_start + h.csum_offset, size);
        CU_ASSERT(frame_is_right(frame, is_v6, size));
    }
    // Segments need a checksum, whatever the flag says.
    uint32_t size = frame_make(frame, false, false, 3000, 1);
    put_frame(size, 0, 0, 0, XEN_NETIF_GSO_TYPE_TCPV4);
    work();
    CU_ASSERT_EQUAL(expect_sent(size, 50).flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
    tear_down();
}

// Nothing that a front end may get wrong is sent; each slot is answered, and what follows goes on.
static void test_refusals(void)
{
    static const struct {
        const char *what;
        struct { uint32_t ref; uint16_t offset, flags, size; } slots[3];    // ref: a page's number
        uint8_t extra, extra_type, gso_type, gso_size;
        unsigned nr;
    } rows[] = {
        { "shorter than a header", { { 0, 0, 0, 13 } }, .nr = 1 },
        { "empty", { { 0, 0, 0, 0 } }, .nr = 1 },
        { "over the page's end", { { 0, 4000, 0, 97 } }, .nr = 1 },
        { "offset outside", { { 0, 65535, 0, 60 } }, .nr = 1 },
        { "no such grant", { { 5000, 0, 0, 60 } }, .nr = 1 },
        { "fragments larger than the packet", { { 0, 0, NETTXF_more_data, 100 }, { 1, 0, 0, 101 } }, .nr = 2 },
        { "nothing left for the first", { { 0, 0, NETTXF_more_data, 100 }, { 1, 0, 0, 100 } }, .nr = 2 },
        { "fragment over the end", { { 0, 0, NETTXF_more_data, 200 }, { 1, 4090, 0, 100 } }, .nr = 2 },
        { "first too large for a page", { { 0, 0, NETTXF_more_data, 4200 }, { 1, 0, 0, 60 } }, .nr = 2 },
        { "second grant missing", { { 0, 0, NETTXF_more_data, 200 }, { 5000, 0, 0, 100 } }, .nr = 2 },
        { "last fragment bad", { { 0, 0, NETTXF_more_data, 200 }, { 1, 0, NETTXF_more_data, 100 }, { 2, 0, 0, 100 } },
          .nr = 3 },
        { "unknown extra", { { 0, 0, NETTXF_extra_info, 60 } }, 1, 9, 1, 100, 1 },
        { "multicast", { { 0, 0, NETTXF_extra_info, 60 } }, 1, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 0, 0, 1 },
        { "segments of nothing", { { 0, 0, NETTXF_extra_info, 600 } }, 1, XEN_NETIF_EXTRA_TYPE_GSO, 1, 0, 1 },
        { "unknown segments", { { 0, 0, NETTXF_extra_info, 600 } }, 1, XEN_NETIF_EXTRA_TYPE_GSO, 3, 100, 1 },
        { "IPv6 segments of IPv4", { { 0, 0, NETTXF_extra_info, 600 } }, 1, XEN_NETIF_EXTRA_TYPE_GSO, 2, 100, 1 },
        { "headers cut off", { { 0, 0, NETTXF_csum_blank, 40 } }, .nr = 1 },
    };

    set_up(false);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        frame_make(frame, false, false, 546, i);
        memcpy(data, frame, 600);
        for (unsigned n = 0; n < rows[i].nr; n++) {
            uint32_t page = rows[i].slots[n].ref;
            put_tx(page < DATA_PAGES ? data_refs[page] : page, rows[i].slots[n].offset, rows[i].slots[n].flags, 10 + n,
                   rows[i].slots[n].size);
            if (n == 0 && rows[i].extra) {
                put_extra(rows[i].extra_type, 0, rows[i].gso_type, rows[i].gso_size);
            }
        }
        put_frame(600, 20, 0, 0, 0);
        work();
        for (unsigned n = 0; n < rows[i].nr; n++) {
            expect_tx(10 + (int)n, NETIF_RSP_ERROR);
            if (n == 0 && rows[i].extra) {
                expect_tx(0, NETIF_RSP_NULL);
            }
        }
        expect_tx(20, NETIF_RSP_OKAY);
        expect_no_tx();
        expect_sent(600, 0);
        CU_ASSERT_EQUAL(port.nr, 0);
        CU_ASSERT_EQUAL(stats.count[NET_STAT_TX_INVALID], i + 1);
        if (queue.is_broken) {
            printf("broken by: %s\n", rows[i].what);
        }
        CU_ASSERT_FATAL(!queue.is_broken);
    }
    port.is_full = true;
    put_frame(600, 20, 0, 0, 0);
    work();
    expect_tx(20, NETIF_RSP_DROPPED);
    CU_ASSERT_EQUAL(stats.count[NET_STAT_TX_LOST], 1);
    tear_down();
}

// A packet is waited for until it is whole.
static void test_parts(void)
{
    set_up(false);
    frame_make(frame, false, false, 5000, 1);
    memcpy(data, frame, 5054);
    put_tx(data_refs[0], 0, NETTXF_more_data | NETTXF_extra_info, 0, 5054);
    work();
    put_extra(XEN_NETIF_EXTRA_TYPE_GSO, 0, 1, 1448);
    work();
    expect_no_tx();
    CU_ASSERT_EQUAL(port.nr, 0);
    put_tx(data_refs[1], 0, 0, 1, 958);
    CU_ASSERT(ring_publish(&tx));    // it asked for an event
    work();
    expect_tx(0, NETIF_RSP_OKAY);
    expect_tx(0, NETIF_RSP_NULL);
    expect_tx(1, NETIF_RSP_OKAY);
    expect_sent(5054, 50);
    tear_down();
}

// What makes no sense of a ring ends the reading of it, also for packets that came before.
static void test_broken(void)
{
    for (unsigned i = 0; i < 4; i++) {
        set_up(false);
        if (i == 0) {
            for (unsigned n = 0; n < NET_MAX_SLOTS + 1; n++) {
                put_tx(data_refs[n], 0, NETTXF_more_data, n, 100);
            }
        } else if (i == 1) {
            put_tx(data_refs[0], 0, NETTXF_extra_info, 0, 100);
            for (unsigned n = 0; n < NET_MAX_EXTRAS + 1; n++) {
                put_extra(XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_EXTRA_FLAG_MORE, 1, 100);
            }
        }
        work();
        if (i >= 2) {
            (i == 2 ? tx : rx).shared->req_prod = NET_RING_ENTRIES + 1;
            while (net_queue_work(&queue)) {
            }
        }
        CU_ASSERT(queue.is_broken);
        CU_ASSERT_EQUAL(port.nr, 0);
        expect_no_tx();
        net_queue_close(&queue);
        connect_queue(false);
        frame_make(frame, false, true, 100, 1);
        put_frame(142, 0, 0, 0, 0);
        work();
        expect_tx(0, NETIF_RSP_OKAY);
        tear_down();
    }
}

// Many packets in one round, each of them whole; the ring goes around.
static void test_batches(void)
{
    unsigned nr_sent = 0;

    set_up(true);
    for (unsigned round = 0; round < 40; round++) {
        uint32_t sizes[20];
        for (unsigned i = 0; i < 20; i++) {
            sizes[i] = 42 + (round * 397 + i * 1033) % 7000;
            frame_make(frame, false, true, sizes[i] - 42, nr_sent + i);
            put_frame(sizes[i], i * 3, 0, 0, 0);
        }
        work();
        for (unsigned i = 0; i < 20; i++) {
            frame_make(frame, false, true, sizes[i] - 42, nr_sent + i);
            expect_sent(sizes[i], 0);
            expect_tx((int)i * 3, NETIF_RSP_OKAY);
            if (sizes[i] > PAGE) {
                expect_tx((int)i * 3 + 1, NETIF_RSP_OKAY);
            }
        }
        expect_no_tx();
        nr_sent += 20;
    }
    // More fragments than are copied at once.
    frame_make(frame, false, true, 5000, 1);
    for (unsigned i = 0; i < 50; i++) {
        put_frame(5042, i, 0, 0, 0);
    }
    for (unsigned i = 0; i < 51; i++) {
        memcpy(data + i * PAGE, frame, PAGE);      // all begin alike
    }
    work();
    for (int i = 0; i < 50; i++) {
        expect_tx(i, NETIF_RSP_OKAY);
        expect_tx(i + 1, NETIF_RSP_OKAY);
        CU_ASSERT_EQUAL(port.size[port.first], HEADER + 5042);
        CU_ASSERT_EQUAL(memcmp(port.frames[port.first] + HEADER, frame, PAGE), 0);
        port.first = (port.first + 1) % PORT_MEM_FRAMES;
        port.nr--;
    }
    CU_ASSERT_EQUAL(stats.count[NET_STAT_TX_PACKETS], nr_sent + 50);
    tear_down();
}

// ------------------------------------------------------------------------------------------------
// To the guest.

static void offer_buffers(unsigned first, unsigned nr)
{
    for (unsigned i = first; i < first + nr; i++) {
        struct netif_rx_request r = { .id = (uint16_t)(100 + i), .gref = buffer_refs[i % DATA_PAGES] };
        ring_put(&rx, &r, sizeof(r));
    }
}

static void arrive(uint32_t size, const struct virtio_net_hdr *h)
{
    uint8_t whole[HEADER + NET_MAX_FRAME];

    memcpy(whole, h, HEADER);
    memcpy(whole + HEADER, frame, size);
    CU_ASSERT_EQUAL(port_mem_put(&port, whole, HEADER + size), 0);
}

// Takes one packet from the rx ring; buffers were offered in order from this one on. Returns its size,
// or the error.
static int take_packet(unsigned buffer, uint8_t *to, unsigned *flags, struct netif_extra_info *extra)
{
    struct netif_rx_response r;
    int size = 0;
    bool has_more = true;

    *extra = (struct netif_extra_info){ 0 };
    for (unsigned i = 0; has_more; i++) {
        CU_ASSERT_FATAL(ring_poll(&rx) > 0 && ring_take(&rx, &r, sizeof(r)));
        CU_ASSERT_EQUAL(r.id, 100 + buffer);
        if (r.status < 0) {
            CU_ASSERT_EQUAL(r.flags, 0);
            return r.status;
        }
        memcpy(to + size, buffers + buffer % DATA_PAGES * PAGE + r.offset, (size_t)r.status);
        size += r.status;
        buffer++;
        has_more = r.flags & NETRXF_more_data;
        if (i == 0) {
            *flags = r.flags;
            if (r.flags & NETRXF_extra_info) {
                CU_ASSERT_FATAL(ring_poll(&rx) > 0 && ring_take(&rx, extra, sizeof(*extra)));
                buffer++;
            }
        }
    }
    return size;
}

static void test_receive(void)
{
    static const struct {
        uint32_t size;
        struct virtio_net_hdr h;
        unsigned flags, gso_type;
    } rows[] = {
        { 60, { 0 }, 0, 0 },
        { 60, { .flags = VIRTIO_NET_HDR_F_DATA_VALID }, NETRXF_data_validated, 0 },
        { 1514, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM }, NETRXF_data_validated | NETRXF_csum_blank, 0 },
        { 4096, { 0 }, 0, 0 },
        { 9014, { 0 }, NETRXF_more_data, 0 },
        { 40000, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1400 },
          NETRXF_data_validated | NETRXF_csum_blank | NETRXF_more_data | NETRXF_extra_info, XEN_NETIF_GSO_TYPE_TCPV4 },
        { 65549, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV6, .gso_size = 1400 },
          NETRXF_data_validated | NETRXF_csum_blank | NETRXF_more_data | NETRXF_extra_info, XEN_NETIF_GSO_TYPE_TCPV6 },
    };
    static uint8_t got[NET_MAX_FRAME];
    struct netif_extra_info extra;
    unsigned flags;

    set_up(true);
    unsigned buffer = 0, offered = 0;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        offer_buffers(offered, buffer + 40 - offered);
        offered = buffer + 40;
        frame_make(frame, false, true, rows[i].size - 42, i);
        arrive(rows[i].size, &rows[i].h);
        work();
        CU_ASSERT_EQUAL(take_packet(buffer, got, &flags, &extra), (int)rows[i].size);
        CU_ASSERT_EQUAL(memcmp(got, frame, rows[i].size), 0);
        CU_ASSERT_EQUAL(flags, rows[i].flags);
        CU_ASSERT_EQUAL(extra.u.gso.type, rows[i].gso_type);
        CU_ASSERT_EQUAL(extra.u.gso.size, rows[i].h.gso_size);
        CU_ASSERT_EQUAL(extra.type, rows[i].gso_type ? XEN_NETIF_EXTRA_TYPE_GSO : 0);
        CU_ASSERT_EQUAL(ring_poll(&rx), 0);
        buffer += (rows[i].size + PAGE - 1) / PAGE + (rows[i].gso_type != 0);
    }
    CU_ASSERT_EQUAL(stats.count[NET_STAT_RX_PACKETS], 7);
    CU_ASSERT_EQUAL(stats.count[NET_STAT_RX_LOST], 0);
    tear_down();
}

// When there is nothing one waits; a port that is gone, no event tells of.
static void test_port_gone(void)
{
    static const struct { int error, told; } rows[] = {
        { 0, 0 }, { -EINTR, 0 }, { -EBADFD, -EBADFD }, { -EAGAIN, 0 }, { -EIO, -EIO },
    };

    set_up(false);
    offer_buffers(0, 40);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        port.error = rows[i].error;
        work();
        CU_ASSERT_EQUAL(queue.port_error, rows[i].told);
    }
    tear_down();
}

static void test_receive_bad(void)
{
    static const struct virtio_net_hdr plain, blank = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM },
        large = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1400 },
        udp = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 1400 };
    static uint8_t got[NET_MAX_FRAME];
    struct netif_extra_info extra;
    unsigned flags;

    set_up(true);
    frame_make(frame, false, true, 5000 - 42, 1);
    // A buffer that is none costs its own packet alone.
    uint32_t good = buffer_refs[2];
    buffer_refs[2] = 5000;
    offer_buffers(0, 60);
    buffer_refs[2] = good;
    for (unsigned i = 0; i < 3; i++) {
        arrive(5000, &plain);
    }
    work();
    CU_ASSERT_EQUAL(take_packet(0, got, &flags, &extra), 5000);
    CU_ASSERT_EQUAL(take_packet(2, got, &flags, &extra), NETIF_RSP_ERROR);
    CU_ASSERT_EQUAL(take_packet(3, got, &flags, &extra), NETIF_RSP_ERROR);
    CU_ASSERT_EQUAL(take_packet(4, got, &flags, &extra), 5000);
    CU_ASSERT_EQUAL(stats.count[NET_STAT_RX_LOST], 1);
    // So is a page that may only be read.
    os.area.grants[buffer_refs[6]].entry |= SHM_GRANT_READONLY;
    arrive(600, &plain);
    work();
    CU_ASSERT_EQUAL(take_packet(6, got, &flags, &extra), NETIF_RSP_ERROR);

    // What the front end cannot take is lost; what it can is not.
    interface.front = (struct net_abilities){ .sends_rx_events = true };
    arrive(5000, &plain);
    arrive(600, &blank);
    arrive(600, &large);
    arrive(600, &udp);
    arrive(600, &plain);
    work();
    CU_ASSERT_EQUAL(take_packet(7, got, &flags, &extra), 600);
    CU_ASSERT_EQUAL(ring_poll(&rx), 0);
    CU_ASSERT_EQUAL(stats.count[NET_STAT_RX_LOST], 6);
    interface.front = (struct net_abilities){ .has_sg = true, .has_checksums = true, .has_gso6 = true };
    arrive(600, &large);
    arrive(600, &udp);
    work();
    CU_ASSERT_EQUAL(ring_poll(&rx), 0);
    CU_ASSERT_EQUAL(stats.count[NET_STAT_RX_LOST], 8);
    tear_down();
}

// Without buffers frames stay where they are; with them they come at once.
static void test_short(void)
{
    static const struct virtio_net_hdr plain;
    static uint8_t got[NET_MAX_FRAME];
    struct netif_extra_info extra;
    unsigned flags;

    set_up(false);
    frame_make(frame, false, true, 600 - 42, 1);
    arrive(600, &plain);
    offer_buffers(0, 17);
    work();
    CU_ASSERT(queue.is_rx_short);
    CU_ASSERT_EQUAL(queue.wait_ns, 0);
    CU_ASSERT_EQUAL(ring_poll(&rx), 0);
    offer_buffers(17, 1);
    CU_ASSERT(ring_publish(&rx));    // it asked
    work();
    CU_ASSERT_EQUAL(take_packet(0, got, &flags, &extra), 600);
    CU_ASSERT_EQUAL(memcmp(got, frame, 600), 0);
    // A front end that says nothing of new buffers is looked at again.
    interface.front.sends_rx_events = false;
    arrive(600, &plain);
    work();
    CU_ASSERT(queue.is_rx_short && queue.wait_ns > 0 && queue.wait_ns < 1000000000);
    // One that takes no fragments needs one buffer only.
    interface.front.has_sg = false;
    work();
    CU_ASSERT_EQUAL(take_packet(1, got, &flags, &extra), 600);
    tear_down();
}

// ------------------------------------------------------------------------------------------------

static void test_limit(void)
{
    set_up(false);
    limit_init(&interface.limit, 10, 0);
    frame_make(frame, false, true, 100, 1);
    for (unsigned i = 0; i < 5; i++) {
        put_frame(142, i, 0, 0, 0);
    }
    work();
    CU_ASSERT_EQUAL(port.nr, 2);           // a tenth of a second's worth, and the one it ends with
    CU_ASSERT(queue.wait_ns > 0 && queue.wait_ns <= 200000000);
    CU_ASSERT(stats.count[NET_STAT_LIMITED] > 0);
    limit_init(&interface.limit, 0, 0);
    work();
    CU_ASSERT_EQUAL(port.nr, 5);
    for (int i = 0; i < 5; i++) {
        expect_tx(i, NETIF_RSP_OKAY);
    }
    // One packet of many pieces costs as many; here at least 5 seconds' worth.
    limit_init(&interface.limit, 8, 0);
    for (unsigned i = 0; i < 2; i++) {
        frame_make(frame, false, false, 60000 - 54, 1);
        put_frame(60000, 20 * i, 0, NETTXF_csum_blank, XEN_NETIF_GSO_TYPE_TCPV4);
    }
    work();
    CU_ASSERT(queue.wait_ns > 4000000000);
    limit_init(&interface.limit, 0, 0);
    tear_down();
}

static void unmap_rings(void)
{
    transport_unmap(transports[0], tx_page, 1);
    transport_unmap(transports[1], rx_page, 1);
}

// What was taken and not shown is done again, whatever lies in the ring by then.
static void test_resume(void)
{
    static uint8_t got[NET_MAX_FRAME];
    struct netif_extra_info extra;
    unsigned flags;

    set_up(true);
    for (unsigned round = 0; round < 200; round++) {
        unsigned nr_lost = round % 3;      // packets answered, but not shown
        struct net_queue next;
        uint32_t size = frame_make(frame, false, true, 4500, round);
        for (unsigned i = 0; i < 2; i++) {
            put_frame(size, i * 2, 0, 0, 0);
        }
        offer_buffers(round ? 26 + round * 4 : 0, round ? 4 : 30);
        work();
        CU_ASSERT_EQUAL_FATAL(port.nr, 0); // the port gave both back
        tx.shared->rsp_prod -= 2 * nr_lost;
        rx.shared->rsp_prod -= 2 * nr_lost;
        CU_ASSERT_EQUAL(net_queue_init(&next, &interface, &port.port, transports[0], transports[1], &journal,
                                       &stats, &learnt), 0);
        net_queue_fini(&queue);
        queue = next;
        CU_ASSERT_EQUAL_FATAL(net_queue_open(&queue, &connection, true), 0);
        work();
        for (int i = 0; i < 4; i++) {
            expect_tx(i, NETIF_RSP_OKAY);
        }
        expect_no_tx();
        for (unsigned i = 0; i < 2; i++) {
            CU_ASSERT_EQUAL(take_packet(round * 4 + i * 2, got, &flags, &extra), (int)size);
            CU_ASSERT_EQUAL(memcmp(got, frame, size), 0);
        }
        CU_ASSERT_EQUAL(ring_poll(&rx), 0);
        unmap_rings();                     // the dead one's
    }
    // A journal of other rings, and one that the ring's indices contradict.
    net_queue_close(&queue);
    CU_ASSERT_EQUAL(net_queue_open(&queue, &connection, true), -ESTALE);
    connect_queue(true);
    unmap_rings();
    struct net_connection other = connection;
    other.tx_port = 1;
    CU_ASSERT_EQUAL(net_queue_open(&queue, &other, true), -ESTALE);
    tx.shared->rsp_prod = 1;
    CU_ASSERT_EQUAL(net_queue_open(&queue, &connection, true), -ESTALE);
    tx.shared->rsp_prod = 0;
    CU_ASSERT_EQUAL(net_queue_open(&queue, &connection, true), 0);
    tear_down();
}

// ------------------------------------------------------------------------------------------------

static void test_filter(void)
{
    set_up(false);
    interface.filter = (struct net_filter){ .nr_ipv4 = 1, .ipv4 = { { 10, 0, 0, 1 } } };
    frame_make(frame, false, true, 100, 1);
    put_frame(142, 0, 0, 0, 0);
    frame[29] ^= 1;
    put_frame(142, 1, 0, 0, 0);
    work();
    expect_tx(0, NETIF_RSP_OKAY);
    expect_tx(1, NETIF_RSP_DROPPED);
    CU_ASSERT_EQUAL(port.nr, 1);
    CU_ASSERT_EQUAL(stats.count[NET_STAT_TX_FILTERED], 1);
    tear_down();
}

// ARP from 10.0.0.`last`.
static void say_address(unsigned last, int status)
{
    uint32_t size = frame_make_arp(frame);

    frame[31] = (uint8_t)last;
    put_frame(size, 0, 0, 0, 0);
    work();
    expect_tx(0, status);
}

// Up to number `done`, the last of which is 10.0.0.`last`.
static void expect_learnt(uint64_t done, unsigned last)
{
    const struct net_address *newest = &learnt.last[(done - 1) % NET_MAX_LEARNT];

    CU_ASSERT_EQUAL(learnt.done, done);
    CU_ASSERT_EQUAL(learnt.begun, done);
    CU_ASSERT_EQUAL(newest->size, 4);
    CU_ASSERT_EQUAL(newest->bytes[3], last);
}

static void test_learning(void)
{
    set_up(false);
    interface.filter = (struct net_filter){ .nr_ipv4 = 2, .ipv4 = { { 10, 0, 0, 1 }, { 10, 0, 0, 2 } } };
    say_address(3, NETIF_RSP_DROPPED);         // not its own
    CU_ASSERT_EQUAL(learnt.begun, 0);
    port.is_full = true;
    say_address(1, NETIF_RSP_DROPPED);         // nobody has seen it
    CU_ASSERT_EQUAL(learnt.begun, 0);
    port.is_full = false;
    for (unsigned i = 0; i < 3; i++) {
        say_address(1, NETIF_RSP_OKAY);
        expect_learnt(1, 1);
    }
    say_address(2, NETIF_RSP_OKAY);
    expect_learnt(2, 2);
    say_address(1, NETIF_RSP_OKAY);
    expect_learnt(2, 2);
    // As many as a guest likes: the oldest go, and come again.
    interface.filter = (struct net_filter){ 0 };
    for (unsigned i = 1; i < 40; i++) {
        port.nr = 0;
        say_address(i, NETIF_RSP_OKAY);
        expect_learnt(i < 3 ? 2 : i, i < 3 ? 2 : i);
    }
    CU_ASSERT_EQUAL(learnt.last[32 % NET_MAX_LEARNT].bytes[3], 33);
    say_address(1, NETIF_RSP_OKAY);
    expect_learnt(40, 1);
    // Killed while it wrote: what is there may be whole or not, and is written again.
    learnt.begun = 41;
    learnt.last[40 % NET_MAX_LEARNT] = (struct net_address){ 4, { 10, 0, 0, 77 } };
    say_address(77, NETIF_RSP_OKAY);
    expect_learnt(41, 77);
    tear_down();
}

// A short run of the fuzz target.
static void test_fuzz(void)
{
    static uint8_t seed[700];
    static const uint16_t flags[] = { 0, NETTXF_csum_blank, NETTXF_more_data, 0, NETTXF_extra_info, 0, 0 };

    seed[0] = 0xff;
    for (unsigned i = 0; i < 7; i++) {
        uint8_t *r = seed + 1 + i * TX_ENTRY;
        fuzz_put(r, 10 + i, 4);
        fuzz_put(r + 6, flags[i], 2);
        fuzz_put(r + 8, i, 2);
        fuzz_put(r + 10, i == 3 ? 60 : 160, 2);
    }
    seed[1 + 5 * TX_ENTRY] = XEN_NETIF_EXTRA_TYPE_GSO;
    fuzz_put(seed + 1 + 5 * TX_ENTRY + 1, 0, 1);
    fuzz_put(seed + 1 + 5 * TX_ENTRY + 2, 100, 2);
    fuzz_put(seed + 1 + 5 * TX_ENTRY + 4, 1, 1);
    frame_make(seed + 1 + 8 * TX_ENTRY, false, false, 200, 1);
    CU_ASSERT(fuzz_mini(seed, sizeof(seed), 20000) > 20000);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "send", test_send },
        { "offloads", test_offloads },
        { "refusals", test_refusals },
        { "parts", test_parts },
        { "broken", test_broken },
        { "batches", test_batches },
        { "receive", test_receive },
        { "port_gone", test_port_gone },
        { "receive_bad", test_receive_bad },
        { "short", test_short },
        { "limit", test_limit },
        { "resume", test_resume },
        { "filter", test_filter },
        { "learning", test_learning },
        { "fuzz", test_fuzz },
        { 0 },
    };

    return unit_main("net", tests);
}
