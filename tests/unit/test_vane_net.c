// SPDX-License-Identifier: MIT
// vane-net as a process: negotiation, packets in both directions, limits, what a guest may send, its
// sandbox, kill -9 under traffic, and a real TAP device on a bridge with VLANs.
#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "drivers/frames.h"
#include "drivers/process.h"
#include "net/net_back.h"
#include "net/net_front.h"
#include "unit_main.h"

#define VIF_BACK "backend/vif/1/0"
#define VIF_FRONT "device/vif/0"
#define FIRST_SOCKET 200             // the back end's, as it inherits them
#define PATIENCE_MS 10000
#define HEADER sizeof(struct virtio_net_hdr)
#define ROOM (HEADER + NET_MAX_FRAME)

static struct os os;
static struct store_shm store;
static struct net_front front;
static int wire[NET_MAX_QUEUES];     // our ends
static char state_file[64], stats_file[64], log_file[64];
static char *arguments[32];
static pid_t pid;

static const struct net_front_config plain = { .nr_queues = 1, .nr_buffers = 32 };
static const struct net_front_config full = { .nr_queues = 2, .nr_buffers = 64, .is_split = true, .has_offloads = true };

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

// ------------------------------------------------------------------------------------------------

static void start(void)
{
    pid = process_start("vane-net", &os, &store, arguments, log_file);
}

static void write_node(const char *folder, const char *leaf, const char *value)
{
    char path[STORE_MAX_PATH];

    snprintf(path, sizeof(path), "%s/%s", folder, leaf);
    store.store.ops->write(&store.store, path, value);
}

static void make_wires(void)
{
    for (int i = 0; i < 2; i++) {
        int pair[2], size = 1 << 20;
        CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
        for (int end = 0; end < 2; end++) {
            setsockopt(pair[end], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        }
        CU_ASSERT_EQUAL_FATAL(dup2(pair[0], FIRST_SOCKET + i), FIRST_SOCKET + i);
        close(pair[0]);
        wire[i] = pair[1];
    }
}

// A guest, a wire and a folder of files; further arguments for the program, NULL at the end.
static void set_up(char *const *more)
{
    static char sockets[16];
    unsigned nr = 0;

    snprintf(state_file, sizeof(state_file), "/dev/shm/vane-net-%d.state", (int)getpid());
    snprintf(stats_file, sizeof(stats_file), "/dev/shm/vane-net-%d.stats", (int)getpid());
    snprintf(log_file, sizeof(log_file), "vane-net-%d.log", (int)getpid());
    snprintf(sockets, sizeof(sockets), "sockets:%d", FIRST_SOCKET);
    char *const usual[] = { "--back", VIF_BACK, "--front", VIF_FRONT, "--state", state_file, "--stats", stats_file };
    for (; nr < sizeof(usual) / sizeof(usual[0]); nr++) {
        arguments[nr] = usual[nr];
    }
    if (!*more || strcmp(*more, "--tap") != 0) {
        arguments[nr++] = "--tap";
        arguments[nr++] = sockets;
    }
    while (*more) {
        arguments[nr++] = *more++;
    }
    arguments[nr] = NULL;
    make_wires();
    front = (struct net_front){ 0 };
    guest_create(&os, 2048, 4);
    CU_ASSERT_EQUAL_FATAL(store_shm_create(&store), 0);
    write_node(VIF_FRONT, "state", "1");
    write_node(VIF_BACK, "state", "1");
    write_node(VIF_BACK, "online", "1");
}

static bool is_connected(void)
{
    return xenbus_read_states(&front.bus) == 0 && front.bus.own_state == XenbusStateConnected &&
           front.bus.peer_state == XenbusStateConnected;
}

static void connect_front(const struct net_front_config *config)
{
    CU_ASSERT_EQUAL_FATAL(net_front_init(&front, &os, &store.store, VIF_FRONT, VIF_BACK, config), 0);
    for (uint64_t end = now_ms() + PATIENCE_MS; now_ms() < end;) {
        CU_ASSERT_EQUAL_FATAL(xenbus_run(&front.bus), 0);
        if (is_connected()) {
            CU_ASSERT_EQUAL_FATAL(xenbus_run(&front.bus), 0);
            return;
        }
        store.store.ops->wait(&store.store, 100);
    }
    CU_FAIL_FATAL("the back end does not connect");
}

// The toolstack takes the interface away: the front end closes, the back end ends by itself.
static void unplug(void)
{
    int status = -1;

    write_node(VIF_BACK, "online", "0");
    write_node(VIF_BACK, "state", "5");
    xenbus_run(&front.bus);
    CU_ASSERT_EQUAL(xenbus_own_state(&front.bus), XenbusStateClosed);
    for (unsigned i = 0; i < 100 && waitpid(pid, &status, WNOHANG) == 0; i++) {
        usleep(50000);
    }
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CU_ASSERT(xenbus_read_states(&front.bus) == 0 && front.bus.peer_state == XenbusStateClosed);
    CU_ASSERT_EQUAL(guest_nr_mapped(&os), 0);
}

static void tear_down(void)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    net_front_fini(&front);
    guest_destroy(&os);
    store_shm_destroy(&store);
    for (int i = 0; i < 2; i++) {
        close(wire[i]);
        close(FIRST_SOCKET + i);
    }
    unlink(state_file);
    unlink(stats_file);
    unlink(log_file);
}

static uint64_t back_value(const char *leaf)
{
    uint64_t value = UINT64_MAX;

    xenbus_read_peer_u64(&front.bus, leaf, UINT64_MAX, &value);
    return value;
}

static uint64_t stat_of(enum net_stat stat)
{
    static struct net_stats_file f;
    uint64_t sum = 0;
    int fd = open(stats_file, O_RDONLY);

    CU_ASSERT_EQUAL(read(fd, &f, sizeof(f)), (ssize_t)sizeof(f));
    close(fd);
    for (unsigned i = 0; i < NET_MAX_QUEUES; i++) {
        sum += f.queue[i].count[stat];
    }
    return sum;
}

static bool wait_for(int fd, int timeout_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, timeout_ms) == 1;
}

// ------------------------------------------------------------------------------------------------

static void send_packet(unsigned queue, uint8_t *data, uint32_t size, bool is_blank, uint8_t gso_type)
{
    struct net_front_packet p = { .data = data, .size = size, .is_blank = is_blank, .gso_type = gso_type,
                                  .gso_size = gso_type ? 1448 : 0 };
    int rc = -1;

    for (uint64_t end = now_ms() + PATIENCE_MS; rc < 0 && now_ms() < end;) {
        rc = net_front_send(&front, queue, &p);
        net_front_kick(&front, queue);
        if (rc < 0) {
            usleep(100);
        }
    }
    CU_ASSERT_EQUAL_FATAL(rc, 0);
}

static int receive_packet(unsigned queue, struct net_front_packet *p, uint8_t *data, int timeout_ms)
{
    uint32_t port = front.is_split ? front.queues[queue].rx.ring.port : front.queues[queue].tx.ring.port;
    int rc = 0;

    for (uint64_t end = now_ms() + (uint64_t)timeout_ms; rc == 0 && now_ms() < end;) {
        *p = (struct net_front_packet){ .data = data, .size = NET_MAX_FRAME };
        rc = net_front_receive(&front, queue, p);
        net_front_kick(&front, queue);
        if (rc == 0 && wait_for(os.area.to_front[port], 50)) {
            uint64_t nr;
            (void)!read(os.area.to_front[port], &nr, sizeof(nr));
        }
    }
    return rc;
}

static void test_packets(void)
{
    static const struct { const char *leaf; uint64_t value; } expected[] = {
        { "feature-sg", 1 }, { "feature-gso-tcpv4", 1 }, { "feature-gso-tcpv6", 1 }, { "feature-rx-copy", 1 },
        { "feature-ipv6-csum-offload", 1 }, { "feature-split-event-channels", 1 }, { "multi-queue-max-queues", 2 },
        { "carrier", 1 },
    };
    static const struct net_front_config half = { .nr_queues = 2, .nr_buffers = 32, .has_offloads = true };
    static const struct net_front_config *const configs[] = { &plain, &half, &full };
    static uint8_t data[ROOM], got[ROOM];
    struct net_front_packet p;
    char text[STORE_MAX_VALUE];

    for (unsigned i = 0; i < 3; i++) {
        set_up((char *const[]){ "--queues", "2", NULL });
        start();
        connect_front(configs[i]);
        CU_ASSERT_EQUAL(front.nr_queues, configs[i]->nr_queues);
        CU_ASSERT_EQUAL(front.is_split, configs[i]->is_split);
        for (unsigned n = 0; n < sizeof(expected) / sizeof(expected[0]); n++) {
            CU_ASSERT_EQUAL(back_value(expected[n].leaf), expected[n].value);
        }
        CU_ASSERT_EQUAL(xenbus_read_peer(&front.bus, "hotplug-status", text, sizeof(text)), 0);
        CU_ASSERT_STRING_EQUAL(text, "connected");
        for (unsigned queue = 0; queue < front.nr_queues; queue++) {
            bool is_large = configs[i]->has_offloads;
            uint32_t size = frame_make(data, queue & 1, false, is_large ? 30000 : 900, i);
            uint8_t gso = !is_large ? 0 : queue & 1 ? XEN_NETIF_GSO_TYPE_TCPV6 : XEN_NETIF_GSO_TYPE_TCPV4;
            send_packet(queue, data, size, is_large, gso);
            CU_ASSERT(wait_for(wire[queue], PATIENCE_MS));
            CU_ASSERT_EQUAL(read(wire[queue], got, sizeof(got)), (ssize_t)(HEADER + size));
            uint32_t checked = queue & 1 ? 70 : 50;
            memcpy(data + checked, got + HEADER + checked, 2);
            CU_ASSERT_EQUAL(memcmp(got + HEADER, data, size), 0);
            // Back as it came, with an event, since the front end waits for one.
            p = (struct net_front_packet){ .data = got + HEADER + size, .size = 0 };
            CU_ASSERT_EQUAL(net_front_receive(&front, queue, &p), 0);
            CU_ASSERT_EQUAL(write(wire[queue], got, HEADER + size), (ssize_t)(HEADER + size));
            CU_ASSERT_EQUAL_FATAL(receive_packet(queue, &p, got, PATIENCE_MS), 1);
            CU_ASSERT_EQUAL(p.size, size);
            CU_ASSERT_EQUAL(memcmp(got, data, size), 0);
            CU_ASSERT_EQUAL(p.gso_type, gso);
            CU_ASSERT_EQUAL(p.gso_size, gso ? 1448 : 0);
            CU_ASSERT_EQUAL(p.is_blank, is_large);
        }
        CU_ASSERT_EQUAL(stat_of(NET_STAT_TX_PACKETS), front.nr_queues);
        CU_ASSERT_EQUAL(stat_of(NET_STAT_RX_PACKETS), front.nr_queues);
        for (uint64_t end = now_ms() + PATIENCE_MS; now_ms() < end && !stat_of(NET_STAT_EVENTS_SENT);) {
            usleep(1000);    // it is counted when it has been sent
        }
        CU_ASSERT(stat_of(NET_STAT_EVENTS_SENT) > 0);
        unplug();
        tear_down();
    }
}

// Nodes that no front end should write end in Closing with a sentence, not in a crash.
static void test_bad_nodes(void)
{
    static const struct { const char *leaf, *value, *why; } rows[] = {
        { "tx-ring-ref", "x", "tx-ring-ref of the other end must be a number" },
        { "rx-ring-ref", "77", "cannot be opened" },
        { "event-channel", "9", "cannot be opened" },
        { "event-channel", "4294967295", "cannot be opened" },
        { "event-channel", "-1", "event-channel of the other end must be a number" },
        { "multi-queue-num-queues", "0", "must be at least 1" },
        { "multi-queue-num-queues", "3", "must be a number up to 2" },
        { "multi-queue-num-queues", "2", "queue-0/event-channel of the other end is missing" },
        { "request-rx-copy", "0", "request-rx-copy of the other end must be 1" },
        { "feature-sg", "2", "must be a number up to 1" },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char why[STORE_MAX_VALUE] = "";
        char text[16];
        uint32_t ref = 0;

        set_up((char *const[]){ "--queues", "2", NULL });
        for (unsigned n = 0; n < 2; n++) {
            os_grant(&os, os_pages_alloc(&os, 1), false, &ref);
            snprintf(text, sizeof(text), "%u", ref);
            write_node(VIF_FRONT, n ? "tx-ring-ref" : "rx-ring-ref", text);
        }
        write_node(VIF_FRONT, "event-channel", "0");
        write_node(VIF_FRONT, "request-rx-copy", "1");
        write_node(VIF_FRONT, rows[i].leaf, rows[i].value);
        write_node(VIF_FRONT, "state", "4");
        start();
        for (unsigned n = 0; n < 200 && !why[0]; n++) {
            usleep(20000);
            store.store.ops->read(&store.store, VIF_BACK "/error", why, sizeof(why));
        }
        if (!strstr(why, rows[i].why)) {
            printf("%s = %s: %s\n", rows[i].leaf, rows[i].value, why);
        }
        CU_ASSERT_PTR_NOT_NULL(strstr(why, rows[i].why));
        CU_ASSERT_EQUAL(kill(pid, 0), 0);
        CU_ASSERT_EQUAL(guest_nr_mapped(&os), 0);
        tear_down();
    }
}

static void test_sandbox(void)
{
    set_up((char *const[]){ "--queues", "2", NULL });
    start();
    connect_front(&full);
    CU_ASSERT_EQUAL(process_status(pid, "CapEff:", 16), 0);
    CU_ASSERT_EQUAL(process_status(pid, "CapPrm:", 16), 0);
    CU_ASSERT_EQUAL(process_status(pid, "NoNewPrivs:", 10), 1);
    CU_ASSERT_EQUAL(process_status(pid, "Seccomp:", 10), 2);
    CU_ASSERT(process_status(pid, "RssAnon:", 10) < (16 + 2 * 2) * 1024);
    unplug();
    tear_down();
}

static void test_limits_and_filter(void)
{
    static uint8_t data[ROOM];
    unsigned nr = 0;

    set_up((char *const[]){ "--packets", "200", "--mac", "00:16:3e:01:02:03", "--addresses", "10.0.0.1,fd00::1", NULL });
    start();
    connect_front(&plain);
    uint64_t begin = now_ms();
    for (unsigned i = 0; i < 120; i++) {
        uint32_t size = frame_make(data, i & 1, false, 400, i);
        data[i & 1 ? 37 : 29] ^= i % 4 / 2;    // every other pair is somebody else's
        send_packet(0, data, size, false, 0);
        while (read(wire[0], data, sizeof(data)) > 0) {
            nr++;
        }
    }
    // 120 at 200 a second, of which 20 may come at once and 32 wait in the ring.
    CU_ASSERT(now_ms() - begin >= 320);
    while (wait_for(wire[0], 500) && read(wire[0], data, sizeof(data)) > 0) {
        nr++;
    }
    CU_ASSERT_EQUAL(nr, 60);
    CU_ASSERT_EQUAL(stat_of(NET_STAT_TX_FILTERED), 60);
    CU_ASSERT(stat_of(NET_STAT_LIMITED) > 0);
    unplug();
    tear_down();
}

// What the guest says of its addresses stands in the file, in the row of the queue that carried it, and outlives the process; so does
// what an earlier release has counted in its shorter one.
static void test_addresses(void)
{
    static struct net_stats_file before, f;
    static uint8_t data[ROOM];

    set_up((char *const[]){ "--queues", "2", NULL });
    before.queue[0].count[NET_STAT_TX_PACKETS] = 5;
    int fd = open(stats_file, O_RDWR | O_CREAT | O_EXCL, 0600);
    CU_ASSERT_EQUAL(write(fd, &before.queue, sizeof(before.queue)), (ssize_t)sizeof(before.queue));
    start();
    connect_front(&full);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t size = frame_make_arp(data);
        data[31] = (uint8_t)(1 + i);
        if (i) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            start();
        }
        send_packet(i, data, size, false, 0);
        CU_ASSERT(wait_for(wire[i], PATIENCE_MS));
        for (uint64_t end = now_ms() + PATIENCE_MS; now_ms() < end && !f.learnt[i].done;) {
            CU_ASSERT_EQUAL(pread(fd, &f, sizeof(f), 0), (ssize_t)sizeof(f));    // it is learnt when it has been sent
        }
    }
    close(fd);
    CU_ASSERT_EQUAL(stat_of(NET_STAT_TX_PACKETS), 7);
    for (unsigned i = 0; i < 2; i++) {
        const struct net_address expected = { 4, { 10, 0, 0, (uint8_t)(1 + i) } };
        CU_ASSERT(f.learnt[i].begun == 1 && f.learnt[i].done == 1);
        CU_ASSERT_EQUAL(memcmp(&f.learnt[i].last[0], &expected, sizeof(expected)), 0);
    }
    CU_ASSERT_EQUAL(f.learnt[2].begun, 0);
    unplug();
    tear_down();
}

// What cannot be ends in a sentence and a status.
static void test_usage(void)
{
    static char *const rows[][5] = {
        { "--mac", "01:16:3e:01:02:03", NULL, NULL, "the first one even" },
        { "--mac", "00:16:3e:01:02", NULL, NULL, "six hexadecimal bytes" },
        { "--addresses", "10.0.0.1,10.0.0", NULL, NULL, "IPv4 and IPv6 addresses" },
        { "--queues", "5", NULL, NULL, "--queues 5 must be a number up to 4" },
        { "--vlan", "4095", NULL, NULL, "--vlan 4095 must be a number up to 4094" },
        { "--tap", "x", NULL, NULL, "usage: vane-net" },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[4096] = "";
        int status = 0;

        set_up(&rows[i][0]);
        if (strcmp(rows[i][0], "--tap") == 0) {
            arguments[8] = "--bridge";     // and neither a TAP nor sockets
        }
        start();
        waitpid(pid, &status, 0);
        CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) > 0);
        int fd = open(log_file, O_RDONLY);
        CU_ASSERT(read(fd, text, sizeof(text) - 1) > 0);
        close(fd);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, rows[i][4]));
        tear_down();
    }
}

// ------------------------------------------------------------------------------------------------
// Killed again and again under traffic that comes back from the wire. Packets may be lost or come
// twice; those that come are whole, and they come within a second of the start of a new process.

#define MAX_PAYLOAD 12000u

static bool is_echo_over;

static void *echo_main(void *argument)
{
    static uint8_t data[ROOM];

    (void)argument;
    while (!__atomic_load_n(&is_echo_over, __ATOMIC_RELAXED)) {
        for (unsigned i = 0; i < 2; i++) {
            ssize_t size = read(wire[i], data, sizeof(data));
            if (size > 0) {
                (void)!write(wire[i], data, (size_t)size);
            }
        }
        struct pollfd p[2] = { { .fd = wire[0], .events = POLLIN }, { .fd = wire[1], .events = POLLIN } };
        poll(p, 2, 20);
    }
    return NULL;
}

static uint32_t make_numbered(uint8_t *data, uint32_t number)
{
    return frame_make(data, number & 1, true, 4 + number * 7919u % MAX_PAYLOAD, number);
}

// Whether a packet is one that was sent, as the number in its ports says.
static bool is_whole(const uint8_t *data, uint32_t size)
{
    static uint8_t expected[ROOM];
    uint32_t number;
    uint32_t l4 = data[12] == 0x86 ? 54 : 34;

    memcpy(&number, data + l4, 4);
    uint32_t wanted = make_numbered(expected, number);
    memcpy(expected + l4, &number, 4);
    memcpy(expected + l4 + 6, data + l4 + 6, 2);
    return wanted == size && memcmp(expected, data, size) == 0;
}

static void test_kills(void)
{
    static uint8_t data[ROOM], got[ROOM];
    unsigned nr_kills = getenv("KILLS") ? (unsigned)atoi(getenv("KILLS")) : 100;
    unsigned nr_sent = 0, nr_received = 0, nr_bad = 0;
    struct net_front_packet p;
    pthread_t echo;

    set_up((char *const[]){ "--queues", "2", NULL });
    start();
    connect_front(&full);
    is_echo_over = false;
    pthread_create(&echo, NULL, echo_main, NULL);
    for (unsigned kills = 0; kills <= nr_kills; kills++) {
        uint64_t begin = now_ms();
        unsigned before = nr_received;
        // Until packets come through again, and then for a while more.
        while ((nr_received - before < 50 && now_ms() - begin < PATIENCE_MS) || now_ms() - begin < kills % 7) {
            unsigned queue = nr_sent & 1;
            uint32_t size = make_numbered(data, nr_sent);
            memcpy(data + (data[12] == 0x86 ? 54 : 34), &nr_sent, 4);
            p = (struct net_front_packet){ .data = data, .size = size };
            nr_sent += net_front_send(&front, queue, &p) == 0;
            net_front_kick(&front, queue);
            for (unsigned i = 0; i < 2; i++) {
                p = (struct net_front_packet){ .data = got, .size = sizeof(got) };
                int rc = net_front_receive(&front, i, &p);
                CU_ASSERT_FATAL(rc >= 0);
                net_front_kick(&front, i);
                nr_received += rc == 1;
                nr_bad += rc == 1 && !is_whole(got, p.size);
            }
        }
        CU_ASSERT_FATAL(nr_received - before >= 50);
        CU_ASSERT(now_ms() - begin < 3000);    // a second, and a busy machine
        if (kills < nr_kills) {
            process_kill(pid);
            start();
        }
    }
    printf("%u kills, %u packets sent, %u received\n", nr_kills, nr_sent, nr_received);
    CU_ASSERT_EQUAL(nr_bad, 0);
    __atomic_store_n(&is_echo_over, true, __ATOMIC_RELAXED);
    pthread_join(echo, NULL);
    FILE *log = fopen(log_file, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(log);
    CU_ASSERT_EQUAL(fgetc(log), EOF);          // every successor went on
    fclose(log);
    // Without its journal one connects anew, to the same rings.
    process_kill(pid);
    unlink(state_file);
    start();
    while (receive_packet(0, &p, got, 200) == 1 || receive_packet(1, &p, got, 200) == 1) {
    }
    uint32_t size = make_numbered(data, 1);
    send_packet(0, data, size, false, 0);
    for (uint64_t end = now_ms() + PATIENCE_MS; now_ms() < end && !wait_for(wire[0], 100);) {
        xenbus_run(&front.bus);
        send_packet(0, data, size, false, 0);
    }
    CU_ASSERT(read(wire[0], got, sizeof(got)) > 0);
    CU_ASSERT(is_connected());
    unplug();
    tear_down();
}

// ------------------------------------------------------------------------------------------------
// A network of its own with a bridge, the guest's TAP and ours.

static bool enter_network(bool has_switch)
{
    int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int spaces = CLONE_NEWNET | CLONE_NEWNS;
    bool is_possible = tun >= 0 && (unshare(spaces) == 0 || unshare(CLONE_NEWUSER | spaces) == 0);

    close(tun);
    close(fd);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    is_possible = is_possible && (has_switch || ioctl(fd, SIOCBRADDBR, "br") == 0);
    close(fd);
    // A /sys that shows it.
    return is_possible && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("sysfs", "/sys", "sysfs", 0, NULL) == 0;
}

static void set_bridge_up(void)
{
    struct ifreq request = { .ifr_name = "br", .ifr_flags = IFF_UP };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    CU_ASSERT_EQUAL(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    close(fd);
}

// Whether a frame of the guest's arrives at our TAP, and one of ours at the guest.
static bool goes_through(struct tap *tap, uint8_t mark)
{
    static uint8_t data[ROOM], got[ROOM];
    struct net_front_packet p;
    bool there = false, back = false;

    uint32_t size = frame_make(data, false, true, 200, mark);
    memset(data, 0xff, 6);
    for (uint64_t end = now_ms() + 1000; now_ms() < end && !there;) {
        send_packet(0, data, size, false, 0);
        while (wait_for(tap->fds[0], 20)) {
            ssize_t r = read(tap->fds[0], got, sizeof(got));
            there |= r == (ssize_t)(HEADER + size) && memcmp(got + HEADER, data, size) == 0;
        }
    }
    memset(got, 0, HEADER);
    frame_make(got + HEADER, false, true, 200, mark + 1u);
    memset(got + HEADER, 0xff, 6);
    got[HEADER + 11] ^= 0x55;                  // not the guest's MAC
    memcpy(data, got + HEADER, size);
    for (uint64_t end = now_ms() + 1000; now_ms() < end && !back;) {
        memset(got, 0, HEADER);
        memcpy(got + HEADER, data, size);
        (void)!write(tap->fds[0], got, HEADER + size);
        while (receive_packet(0, &p, got, 20) == 1) {
            back |= p.size == size && memcmp(got, data, size) == 0;
        }
    }
    CU_ASSERT_EQUAL(there, back);
    return there && back;
}

static void open_tap(struct tap *t, const char *name, unsigned vlan)
{
    const struct tap_options options = { .name = name, .bridge = "br", .vlan = vlan, .nr_queues = 1 };
    char why[200];

    CU_ASSERT_EQUAL_FATAL(tap_open(t, &options, why, sizeof(why)), 0);
    tap_connect(t, &(struct net_abilities){ 0 }, 1);
}

static void *close_later(void *fd)
{
    usleep(100000);
    close(*(int *)fd);
    return NULL;
}

// One that its last user still has, though it was killed, is waited for.
static void take_from_another(void)
{
    struct tap last, next;
    pthread_t thread;

    for (unsigned is_persistent = 0; is_persistent < 2; is_persistent++) {
        open_tap(&last, "taken", 0);
        CU_ASSERT_EQUAL(ioctl(last.fds[0], TUNSETPERSIST, is_persistent), 0);
        pthread_create(&thread, NULL, close_later, &last.fds[0]);
        open_tap(&next, "taken", 0);
        pthread_join(thread, NULL);
        CU_ASSERT_EQUAL(ioctl(next.fds[0], TUNSETPERSIST, 0), 0);
        close(next.fds[0]);
    }
}

static void expect_link(const struct tap *ours, bool is_up)
{
    struct ifreq request = { .ifr_name = "vif1.0", .ifr_flags = is_up ? IFF_UP : 0 };

    CU_ASSERT_EQUAL(ioctl(ours->control_fd, SIOCSIFFLAGS, &request), 0);
    for (unsigned i = 0; i < 100 && front.has_link != is_up; i++) {
        usleep(50000);
        xenbus_run(&front.bus);
    }
    CU_ASSERT_EQUAL(front.has_link, is_up);
}

// The TAP device's state is the guest's link.
static void check_link(struct tap *ours)
{
    struct ifreq request = { .ifr_name = "vif1.0" };

    CU_ASSERT_EQUAL(ioctl(ours->control_fd, SIOCGIFMTU, &request), 0);
    CU_ASSERT_EQUAL(request.ifr_mtu, 9000);
    expect_link(ours, false);
    expect_link(ours, true);
    CU_ASSERT(goes_through(ours, 3));
}

static void add_vlan(void)
{
    char *more[] = { "--vlan", "7", NULL };
    unsigned nr = 0;

    while (arguments[nr]) {
        nr++;
    }
    memcpy(&arguments[nr], more, sizeof(more));
}

// Started with --vlan, the program ends, since the bridge keeps none apart; then it is told to, if this kernel's can.
static bool can_have_vlans(void)
{
    int status = 0;

    start();
    waitpid(pid, &status, 0);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    int fd = open("/sys/class/net/br/bridge/vlan_filtering", O_WRONLY);
    bool has_vlans = fd >= 0 && write(fd, "1", 1) == 1;
    close(fd);
    printf("on a bridge%s\n", has_vlans ? ", VLANs too" : "; this kernel knows no VLANs there");
    return has_vlans;
}

// On a VLAN of its own nobody hears it; with the other side on it, it does again.
static void check_vlan(struct tap *ours)
{
    static uint8_t got[ROOM];
    struct net_front_packet p;
    struct tap other;

    start();
    for (uint64_t end = now_ms() + PATIENCE_MS; now_ms() < end && !is_connected();) {
        xenbus_run(&front.bus);
        usleep(10000);
    }
    usleep(200000);
    while (receive_packet(0, &p, got, 50) == 1) {
    }
    CU_ASSERT(!goes_through(ours, 4));
    open_tap(&other, "other", 7);
    CU_ASSERT(goes_through(&other, 5));
    unplug();
}

static void run_on_bridge(bool has_switch)
{
    struct tap ours;

    set_up((char *const[]){ "--tap", "vif1.0", "--bridge", "br", "--queues", "2", "--mtu", "9000", NULL });
    set_bridge_up();
    start();
    connect_front(&full);
    take_from_another();
    open_tap(&ours, "ours", 0);
    CU_ASSERT(goes_through(&ours, 1));
    // Killed, the TAP device goes, and comes again with the next.
    process_kill(pid);
    start();
    for (unsigned i = 0; i < 100 && !if_nametoindex("vif1.0"); i++) {
        usleep(20000);
    }
    CU_ASSERT(goes_through(&ours, 2));
    check_link(&ours);
    process_kill(pid);
    unlink(state_file);
    add_vlan();
    if (has_switch || can_have_vlans()) {
        check_vlan(&ours);
    }
    tear_down();
}

// What is not made in there is not: the caller's network stays as it is.
static void in_own_network(bool has_switch, void (*run)(void))
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        if (!enter_network(has_switch)) {
            _exit(77);
        }
        run();
        for (CU_pFailureRecord f = CU_get_failure_list(); f; f = f->pNext) {
            printf("line %u: %s\n", f->uiLineNumber, f->strCondition);
        }
        fflush(stdout);
        _exit(CU_get_number_of_failure_records() ? 1 : 0);
    }
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        printf("no TAP devices or bridges here; tests/system/run vane-net has them\n");
        return;
    }
    CU_ASSERT_EQUAL(status, 0);
}

static void run_on_linux(void)
{
    run_on_bridge(false);
}

static void test_bridge(void)
{
    in_own_network(false, run_on_linux);
}

// What it keeps of a device that went is the next one's, or is taken off.
static void run_on_switch(void)
{
    char folder[] = "/tmp/switch.XXXXXX";
    char command[300];

    CU_ASSERT_FATAL(mkdtemp(folder) && setenv("OVS_RUNDIR", folder, 1) == 0);
    snprintf(command, sizeof(command), "\"$PV_SRC\"/tests/drivers/open-vswitch start %s", folder);
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
    run_on_bridge(true);
    CU_ASSERT_EQUAL(system("test \"$(ovs-vsctl get Port vif1.0 tag)\" = 7"), 0);
    CU_ASSERT_EQUAL(system("ovs-vsctl --timeout=2 --no-wait --if-exists del-port br vif1.0 && ! ovs-vsctl get Port vif1.0 tag 2> /dev/null"), 0);
    snprintf(command, sizeof(command), "\"$PV_SRC\"/tests/drivers/open-vswitch stop %s; rm -rf %s", folder, folder);
    CU_ASSERT_EQUAL(system(command), 0);
}

static void test_switch(void)
{
    in_own_network(true, run_on_switch);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "packets", test_packets },
        { "bad_nodes", test_bad_nodes },
        { "sandbox", test_sandbox },
        { "limits_and_filter", test_limits_and_filter },
        { "addresses", test_addresses },
        { "usage", test_usage },
        { "kills", test_kills },
        { "bridge", test_bridge },
        { "switch", test_switch },
        { 0 },
    };

    return unit_main("vane_net", tests);
}
