// SPDX-License-Identifier: MIT
// net/net_queue.c: the input is a byte of circumstances, then requests as they lie in the tx ring, up
// to one whose size is 0, then what the pages hold. Every slot must be answered once, in order, unless
// the ring is broken or its last packet not whole; what is sent comes back through the rx ring.
#include <stdlib.h>
#include <string.h>

#include "drivers/guest.h"
#include "drivers/port_mem.h"
#include "mini.h"
#include "net/net_queue.h"

#define NR_ENTRIES 64u
#define PAGES 16u
#define ENTRY ((uint32_t)sizeof(struct netif_tx_request))

static struct os os;
static struct port_mem port;
static struct net_interface interface;
static struct net_queue queue;
static struct net_journal journal;
static struct net_stats stats;
static struct net_learnt learnt;
static struct net_connection connection;
static uint8_t *tx_page, *rx_page, *pages;
static uint32_t buffer_refs[NR_ENTRIES];

static void set_up(void)
{
    struct transport *transport;
    uint32_t ref;

    guest_create(&os, 128, 1);
    port_mem_init(&port);
    limit_init(&interface.limit, 0, 0);
    tx_page = os_pages_alloc(&os, 1);
    rx_page = os_pages_alloc(&os, 1);
    pages = os_pages_alloc(&os, PAGES);
    os_grant(&os, tx_page, false, &connection.tx_ref);     // grant 8
    os_grant(&os, rx_page, false, &connection.rx_ref);     // grant 9
    for (unsigned i = 0; i < PAGES; i++) {
        os_grant(&os, pages + i * 4096u, i & 1, &ref);     // grants 10 to 25
    }
    for (unsigned i = 0; i < NR_ENTRIES; i++) {
        os_grant(&os, os_pages_alloc(&os, 1), i % 8 == 7, &buffer_refs[i]);
    }
    if (transport_shm_open(&transport, &os.area, 0) < 0 ||
        net_queue_init(&queue, &interface, &port.port, transport, transport, &journal, &stats, &learnt) < 0) {
        abort();
    }
}

static void check_answers(struct ring *tx, const uint16_t *ids, unsigned nr)
{
    struct netif_tx_response r;
    unsigned nr_answers = 0;

    if (ring_poll(tx) < 0) {
        abort();
    }
    for (; ring_take(tx, &r, sizeof(r)); nr_answers++) {
        if (r.status < NETIF_RSP_DROPPED || r.status > NETIF_RSP_NULL ||
            (r.status != NETIF_RSP_NULL && r.id != ids[nr_answers])) {
            abort();
        }
    }
    if (nr - nr_answers > (queue.is_broken ? NR_ENTRIES : NET_MAX_SLOTS + NET_MAX_EXTRAS)) {
        abort();
    }
}

static void check_packets(struct ring *rx)
{
    struct netif_rx_response r;
    bool is_extra = false;

    if (ring_poll(rx) < 0) {
        abort();
    }
    for (uint16_t id = 0; ring_take(rx, &r, sizeof(r)); id++) {
        if (!is_extra && (r.id != id || r.status == 0 || (r.status > 0 && r.offset + r.status > 4096))) {
            abort();
        }
        is_extra = !is_extra && (r.flags & NETRXF_extra_info);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint16_t ids[NR_ENTRIES];
    struct ring tx, rx;
    unsigned nr = 0;

    if (size == 0) {
        return 0;
    }
    if (!tx_page) {
        set_up();
    }
    interface.front = (struct net_abilities){ data[0] & 1, data[0] & 2, data[0] & 4, data[0] & 8, data[0] & 16 };
    interface.filter = (struct net_filter){ .has_mac = data[0] & 32, .mac = { 0, 0x16, 0x3e, 1, 2, 3 },
        .nr_ipv4 = data[0] >> 6 & 1, .nr_ipv6 = data[0] >> 7, .ipv4 = { { 10, 0, 0, 1 } } };
    port.nr = 0;
    ring_front_init(&tx, tx_page, RING_PAGE_SIZE, ENTRY);
    ring_front_init(&rx, rx_page, RING_PAGE_SIZE, sizeof(struct netif_rx_request));
    if (net_queue_open(&queue, &connection, false) < 0) {
        abort();
    }
    uint64_t granted[2] = { os.area.grants[8].entry, os.area.grants[9].entry };
    os.area.grants[8].entry = os.area.grants[9].entry = 0;     // or its frames could be the ring itself
    for (data++, size--; size >= ENTRY && nr < NR_ENTRIES; data += ENTRY, size -= ENTRY) {
        struct netif_tx_request r;
        memcpy(&r, data, ENTRY);
        if (r.size == 0 && r.gref == 0) {
            data += ENTRY;
            size -= ENTRY;
            break;
        }
        ids[nr++] = r.id;
        ring_put(&tx, &r, ENTRY);
    }
    for (uint16_t i = 0; i < NR_ENTRIES; i++) {
        struct netif_rx_request r = { .id = i, .gref = buffer_refs[i] };
        ring_put(&rx, &r, sizeof(r));
    }
    memcpy(pages, data, size < 4096 ? size : 4096);
    ring_publish(&tx);
    ring_publish(&rx);
    while (net_queue_work(&queue)) {
    }
    check_answers(&tx, ids, nr);
    check_packets(&rx);
    net_queue_close(&queue);
    os.area.grants[8].entry = granted[0];
    os.area.grants[9].entry = granted[1];
    return 0;
}
