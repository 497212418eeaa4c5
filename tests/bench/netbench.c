// SPDX-License-Identifier: MIT
//
// The network back end's engine, natively: one thread plays a front end that only fills its rings and
// drains them, and runs the queue in turn; what the queue sends comes back to it. So a packet goes from
// one ring to the other, copied from the guest, into the port, out of it and to the guest: four copies.
//
//     64b       packets of 64 bytes
//     64b_full  the same with checksums to be done, and a filter of addresses
//     64k       packets of 64 KiB to be cut into segments
//
// Rates are the best of many short rounds of the thread's own time, since the machine is shared.
// Output: "name value unit".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "drivers/frames.h"
#include "drivers/guest.h"
#include "drivers/port_mem.h"
#include "net/net_queue.h"

#define ROUNDS 61u
#define ROUND_NS 15000000ull
#define PAGES 256u
#define LARGE 65226u                 // 45 segments of 1448 bytes, and headers

static struct os os;
static struct port_mem port;
static struct net_interface interface;
static struct net_queue queue;
static struct net_journal journal;
static struct net_stats stats;
static struct net_learnt learnt;
static struct ring tx, rx;
static uint32_t tx_refs[PAGES], rx_refs[PAGES];
static uint32_t next_tx, next_rx;

// Of this thread's time on a CPU.
static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void check(int rc, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "netbench: %s: %s\n", what, strerror(-rc));
        exit(1);
    }
}

static void set_up(void)
{
    static uint8_t frame[LARGE + 4096];
    struct net_connection connection = { 0 };
    struct transport *transport;
    uint8_t *pages[2];

    guest_create(&os, 2 * PAGES + 8, 1);
    port_mem_init(&port);
    interface.front = (struct net_abilities){ true, true, true, true, true };
    limit_init(&interface.limit, 0, 0);
    pages[0] = os_pages_alloc(&os, PAGES);
    pages[1] = os_pages_alloc(&os, PAGES);
    frame_make(frame, false, false, LARGE - 54, 1);
    for (uint32_t i = 0; i < PAGES; i++) {
        memcpy(pages[0] + i * 4096u, frame + i % 16 * 4096, 4096);
        check(os_grant(&os, pages[0] + i * 4096u, true, &tx_refs[i]), "grant");
        check(os_grant(&os, pages[1] + i * 4096u, false, &rx_refs[i]), "grant");
    }
    uint8_t *rings = os_pages_alloc(&os, 2);
    check(os_grant(&os, rings, false, &connection.tx_ref), "grant");
    check(os_grant(&os, rings + 4096, false, &connection.rx_ref), "grant");
    ring_front_init(&tx, rings, 4096, sizeof(struct netif_tx_request));
    ring_front_init(&rx, rings + 4096, 4096, sizeof(struct netif_rx_request));
    check(transport_shm_open(&transport, &os.area, 0), "transport");
    check(net_queue_init(&queue, &interface, &port.port, transport, transport, &journal, &stats, &learnt), "queue");
    check(net_queue_open(&queue, &connection, false), "open");
}

static void put_small(unsigned flags)
{
    // Spread over pages and within them, as the buffers of a guest's packets are.
    struct netif_tx_request r = { .gref = tx_refs[next_tx % PAGES], .offset = (uint16_t)(next_tx / 4 % 32 * 128), .size = 64,
                                  .flags = (uint16_t)flags };

    r.id = (uint16_t)(next_tx++ % PAGES);
    ring_put(&tx, &r, sizeof(r));
}

static void put_large(unsigned flags)
{
    union {
        struct netif_extra_info extra;
        struct netif_tx_request r;
    } e = { .extra = { .type = XEN_NETIF_EXTRA_TYPE_GSO, .u.gso = { .size = 1448, .type = XEN_NETIF_GSO_TYPE_TCPV4 } } };

    next_tx = (next_tx + 15) / 16 * 16;
    for (uint32_t done = 0; done < LARGE; done += 4096) {
        struct netif_tx_request r = { .gref = tx_refs[next_tx++ % PAGES],
            .size = (uint16_t)(done == 0 ? LARGE : LARGE - done < 4096 ? LARGE - done : 4096),
            .flags = (uint16_t)((LARGE - done > 4096 ? NETTXF_more_data : 0) | (done == 0 ? flags | NETTXF_extra_info : 0)) };
        ring_put(&tx, &r, sizeof(r));
        if (done == 0) {
            ring_put(&tx, &e, sizeof(e));
        }
    }
}

static void offer_all(void)
{
    while (ring_front_free(&rx)) {
        struct netif_rx_request r = { .id = (uint16_t)next_rx, .gref = rx_refs[next_rx % PAGES] };
        ring_put(&rx, &r, sizeof(r));
        next_rx++;
    }
    ring_publish(&rx);
}

// Packets a second over one round, `depth` at a time.
static double round_of(void (*put)(unsigned flags), unsigned flags, unsigned depth)
{
    struct netif_rx_response response;
    struct netif_tx_response answer;
    uint64_t done = 0;
    uint64_t begin = now_ns();
    uint64_t end = begin;

    while (end - begin < ROUND_NS) {
        for (unsigned i = 0; i < depth; i++) {
            put(flags);
        }
        ring_publish(&tx);
        offer_all();
        while (net_queue_work(&queue)) {
        }
        if (ring_poll(&tx) < (int)depth || ring_poll(&rx) < (int)depth) {
            check(-1, "a packet was lost");
        }
        while (ring_take(&tx, &answer, sizeof(answer))) {
        }
        while (ring_take(&rx, &response, sizeof(response))) {
        }
        done += depth;
        end = now_ns();
    }
    return (double)done * 1e9 / (double)(end - begin);
}

static double measure(void (*put)(unsigned flags), unsigned flags, unsigned depth)
{
    double best = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        double rate = round_of(put, flags, depth);
        best = rate > best ? rate : best;
    }
    return best;
}

int main(void)
{
    static const struct net_filter strict = { .has_mac = true, .mac = FRAME_MAC, .nr_ipv4 = 1, .ipv4 = { { 10, 0, 0, 1 } } };

    set_up();
    double large = measure(put_large, NETTXF_csum_blank, 3);
    for (uint32_t i = 0; i < PAGES * 32; i++) {
        frame_make(os.area.pages + i * 128u, false, true, 64 - 42, 1);    // where they are granted from
    }
    printf("64b %.0f packets/s\n", measure(put_small, 0, 60));
    interface.filter = strict;
    printf("64b_full %.0f packets/s\n", measure(put_small, NETTXF_csum_blank, 60));
    printf("64k %.0f packets/s\n", large);
    printf("64k_bytes %.0f MiB/s\n", large * LARGE / 1048576);
    if (stats.count[NET_STAT_TX_PACKETS] != stats.count[NET_STAT_RX_PACKETS]) {
        check(-1, "packets were lost");
    }
    return 0;
}
