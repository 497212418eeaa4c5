// SPDX-License-Identifier: MIT
// A front end that wants to break the network back end, with two threads: one puts chains of slots
// that are nearly right, the other changes bytes of both rings, of the frames and of the grant table all
// the time. What is sent comes back. Built twice: with ASan and UBSan, and with TSan, for which each
// read of shared memory that does not go through the ring's copies is a race.
//
// HOSTILE_SLOTS in the environment says how many requests (default 200,000).
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/frames.h"
#include "drivers/guest.h"
#include "drivers/port_mem.h"
#include "net/net_queue.h"
#include "unit_main.h"

#define NR_ENTRIES 256u
#define DATA_PAGES 64u

struct hostile {
    struct os os;
    struct port_mem port;
    struct net_interface interface;
    struct net_queue queue;
    struct transport *transport;
    struct net_journal journal;
    struct net_stats stats;
    struct net_learnt learnt;
    struct net_connection connection;
    uint8_t *tx, *rx, *data;
    uint32_t first_ref;
    bool is_over;
};

typedef uint32_t __attribute__((may_alias)) word;

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void store(void *at, uint32_t value)
{
    __atomic_store_n((word *)at, value, __ATOMIC_RELAXED);
}

static uint32_t load(const void *at)
{
    return __atomic_load_n((const word *)at, __ATOMIC_RELAXED);
}

static void put(uint8_t *ring, uint32_t index, const void *slot, uint32_t size)
{
    for (uint32_t i = 0; i < size; i += 4) {
        store(ring + 64 + index % NR_ENTRIES * size + i, *(const word *)(const void *)((const char *)slot + i));
    }
}

// A chain, right in most of its fields most of the time. Returns how many slots.
static uint32_t put_chain(struct hostile *h, uint32_t at, uint64_t *seed)
{
    uint32_t nr = 1 + (next(seed) % 4 ? 0 : (uint32_t)next(seed) % 18);
    bool has_extra = next(seed) % 4 == 0;
    uint32_t sizes[18], total = 0, index = at;

    for (uint32_t i = 0; i < nr; i++) {
        sizes[i] = (uint32_t)(next(seed) % (nr > 1 ? 3500 : 400));
        total += sizes[i];
    }
    for (uint32_t i = 0; i < nr; i++) {
        struct netif_tx_request r = { .gref = h->first_ref + (uint32_t)(next(seed) % DATA_PAGES),
            .offset = (uint16_t)(next(seed) % 64 ? next(seed) % 500 : next(seed)), .id = (uint16_t)next(seed),
            .size = (uint16_t)(i ? sizes[i] : total),
            .flags = (uint16_t)((i + 1 < nr ? NETTXF_more_data : 0) | (i == 0 && has_extra ? NETTXF_extra_info : 0) |
                                (next(seed) % 2 ? NETTXF_csum_blank : 0)) };
        put(h->tx, index++, &r, sizeof(r));
        if (i == 0 && has_extra) {
            union {
                struct netif_extra_info extra;
                struct netif_tx_request r;
            } e = { .extra = { .type = (uint8_t)(1 + (next(seed) % 8 == 0)), .flags = next(seed) % 64 == 0,
                               .u.gso = { .size = (uint16_t)next(seed), .type = (uint8_t)(next(seed) % 4) } } };
            put(h->tx, index++, &e, sizeof(e));
        }
    }
    return index - at;
}

static void *front_main(void *argument)
{
    struct hostile *h = argument;
    struct ring_shared *tx = (struct ring_shared *)(void *)h->tx, *rx = (struct ring_shared *)(void *)h->rx;
    uint64_t seed = 88172645463325252u;

    while (!__atomic_load_n(&h->is_over, __ATOMIC_RELAXED)) {
        uint32_t produced = load(&tx->req_prod);
        uint32_t room = NR_ENTRIES - (produced - load(&tx->rsp_prod));
        uint32_t nr = 0;
        while (room <= NR_ENTRIES && nr + 24 < room) {
            nr += put_chain(h, produced + nr, &seed);
        }
        store(&tx->req_prod, produced + nr + (next(&seed) % 1024 == 0 ? 1000 : 0));
        uint32_t offered = load(&rx->req_prod);
        while (offered - load(&rx->rsp_prod) < NR_ENTRIES) {
            struct netif_rx_request r = { .id = (uint16_t)offered, .gref = h->first_ref + offered % DATA_PAGES };
            put(h->rx, offered++, &r, sizeof(r));
        }
        store(&rx->req_prod, offered);
        if (nr == 0) {
            sched_yield();
        }
    }
    return NULL;
}

// A random byte of what the guest shares. Indices are left to the other thread, or nothing else
// would ever happen.
static void *mutator_main(void *argument)
{
    struct hostile *h = argument;
    uint64_t seed = 1234567;

    while (!__atomic_load_n(&h->is_over, __ATOMIC_RELAXED)) {
        uint64_t where = next(&seed);
        uint32_t value = (uint32_t)next(&seed);
        switch (where % 8) {
        case 0:      // an entry of either ring
            store((value & 1 ? h->tx : h->rx) + 64 + (where >> 8) % 900 * 4, value >> 8 & 0xff0f);
            break;
        case 1: {    // a grant comes, goes, or turns read-only
            uint64_t entry = (where >> 8) % DATA_PAGES + 2;
            entry |= value % 8 ? SHM_GRANT_VALID : 0;
            entry |= value % 5 ? 0 : SHM_GRANT_READONLY;
            __atomic_store_n(&h->os.area.grants[h->first_ref + (value >> 8) % DATA_PAGES].entry, entry,
                             __ATOMIC_RELEASE);
            break;
        }
        default:     // a frame's headers
            store(h->data + (where >> 8) % DATA_PAGES * 4096 + (where >> 20) % 30 * 4, value);
            break;
        case 7: {    // and one that is right again
            _Alignas(4) uint8_t frame[200];
            frame_make(frame, value & 1, value & 2, 100, value);
            for (uint32_t i = 0; i < 150; i += 4) {
                store(h->data + (where >> 8) % DATA_PAGES * 4096 + i, *(const word *)(const void *)(frame + i));
            }
            break;
        }
        }
        if (where % 64 == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static void set_up(struct hostile *h)
{
    memset(h, 0, sizeof(*h));
    guest_create(&h->os, 128, 1);
    port_mem_init(&h->port);
    h->interface = (struct net_interface){ .front = { true, true, true, true, true } };
    limit_init(&h->interface.limit, 0, 0);
    transport_shm_open(&h->transport, &h->os.area, 0);
    CU_ASSERT_EQUAL_FATAL(net_queue_init(&h->queue, &h->interface, &h->port.port, h->transport, h->transport,
                                         &h->journal, &h->stats, &h->learnt), 0);
    h->tx = os_pages_alloc(&h->os, 1);
    h->rx = os_pages_alloc(&h->os, 1);
    h->data = os_pages_alloc(&h->os, DATA_PAGES);
    os_grant(&h->os, h->tx, false, &h->connection.tx_ref);
    os_grant(&h->os, h->rx, false, &h->connection.rx_ref);
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        uint32_t ref;
        os_grant(&h->os, h->data + i * 4096u, false, &ref);
        h->first_ref = i ? h->first_ref : ref;
    }
}

static void reconnect(struct hostile *h, unsigned round)
{
    static const struct net_filter strict = { .has_mac = true, .mac = FRAME_MAC, .nr_ipv4 = 1, .nr_ipv6 = 1,
        .ipv4 = { { 10, 0, 0, 1 } }, .ipv6 = { { 0xfd, [15] = 1 } } };
    struct ring_shared *tx = (struct ring_shared *)(void *)h->tx, *rx = (struct ring_shared *)(void *)h->rx;

    net_queue_close(&h->queue);
    store(&tx->rsp_prod, 0);
    store(&tx->req_prod, 0);
    store(&rx->rsp_prod, 0);
    store(&rx->req_prod, 0);
    h->interface.filter = round % 4 == 3 ? strict : (struct net_filter){ 0 };
    h->interface.front = (struct net_abilities){ round % 3, round % 5, round % 2, round % 7, round % 2 };
    CU_ASSERT_EQUAL_FATAL(net_queue_open(&h->queue, &h->connection, false), 0);
}

static void test_hostile(void)
{
    static struct hostile h;
    const char *wanted = getenv("HOSTILE_SLOTS");
    uint64_t goal = wanted ? strtoull(wanted, NULL, 10) : 200000;
    uint64_t slots = 0;
    unsigned rounds = 0;
    pthread_t front, mutator;

    set_up(&h);
    CU_ASSERT_EQUAL_FATAL(net_queue_open(&h.queue, &h.connection, false), 0);
    pthread_create(&front, NULL, front_main, &h);
    pthread_create(&mutator, NULL, mutator_main, &h);
    while (slots < goal || rounds < 8) {
        uint32_t before = h.queue.tx.ring.produced + h.queue.rx.ring.produced;
        net_queue_work(&h.queue);
        uint32_t nr = h.queue.tx.ring.produced + h.queue.rx.ring.produced - before;
        slots += nr;
        // What is left is one packet that is not whole.
        CU_ASSERT_FATAL(h.queue.is_broken || h.queue.tx.ring.published == h.queue.tx.ring.produced);
        CU_ASSERT_FATAL(h.queue.tx.ring.consumed - h.queue.tx.ring.produced <= NR_ENTRIES);
        if (h.queue.is_broken) {
            reconnect(&h, ++rounds);
        } else if (nr == 0) {
            sched_yield();
        }
    }
    __atomic_store_n(&h.is_over, true, __ATOMIC_RELAXED);
    pthread_join(front, NULL);
    pthread_join(mutator, NULL);
    printf("%llu slots, %u reconnections", (unsigned long long)slots, rounds);
    for (unsigned stat = 0; stat <= NET_STAT_RX_LOST; stat++) {
        printf(", %llu", (unsigned long long)h.stats.count[stat]);
        // All ways through were walked. The port is full only if frames come back too slowly.
        CU_ASSERT(h.stats.count[stat] > 20 || stat == NET_STAT_TX_LOST);
    }
    printf("\n");
    net_queue_close(&h.queue);
    net_queue_fini(&h.queue);
    transport_shm_close(h.transport);
    port_mem_fini(&h.port);
    guest_destroy(&h.os);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "hostile", test_hostile },
        { 0 },
    };

    return unit_main("net", tests);
}
