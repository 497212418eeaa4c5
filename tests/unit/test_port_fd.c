// SPDX-License-Identifier: MIT
//
// The port over a file, with sockets for the TAP device, the events and the end.
#include "net/port_fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_queue.h"
#include "unit_main.h"

#define HEADER sizeof(struct virtio_net_hdr)
#define MOST_FRAMES 9u               // that a socket keeps by default
#define LONG_NS 10000000000
#define STRIDE ((size_t)(1 + (NET_MAX_FRAME + 4095) / 4096) * 4096)    // of frames that are read ahead

static struct port_fd p;
static int wire, stop, guest;        // the ends that a test holds
static struct transport tx, rx;

static void pair(int *ours, int *theirs)
{
    int fds[2];

    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
    *ours = fds[0];
    *theirs = fds[1];
}

// With `device` in place of a socket, if it is one.
static void set_up(int device)
{
    int far_end = device;

    wire = -1;
    if (device < 0) {
        pair(&wire, &far_end);
    }
    pair(&guest, &tx.event_fd);
    tx.is_echoed = true;             // as Linux' evtchn has it
    rx = (struct transport){ .event_fd = eventfd(0, EFD_NONBLOCK) };
    stop = eventfd(0, EFD_NONBLOCK);
    CU_ASSERT_EQUAL_FATAL(port_fd_open(&p, far_end, stop, &tx, &rx), 0);
}

static void tear_down(void)
{
    const int fds[] = { p.fd, wire, stop, guest, tx.event_fd, rx.event_fd };

    io_uring_queue_exit(&p.ring);
    munmap(p.frames, PORT_FD_MAX_AHEAD * STRIDE);
    for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

static bool waits(bool wants_frames, int64_t timeout_ns)
{
    return p.port.ops->wait(&p.port, wants_frames, timeout_ns);
}

static void arrives(uint32_t number, size_t size)
{
    static uint8_t frame[HEADER + NET_MAX_FRAME];

    memcpy(frame + HEADER, &number, sizeof(number));
    CU_ASSERT_EQUAL(write(wire, frame, HEADER + size), (ssize_t)(HEADER + size));
}

// How many frames are taken; they must be numbered from this one on.
static uint32_t take(uint32_t first, size_t size)
{
    uint32_t nr = 0;
    uint8_t *frame;
    ssize_t r;

    while ((r = p.port.ops->receive(&p.port, &frame)) >= 0) {
        CU_ASSERT_EQUAL(r, (ssize_t)(HEADER + size));
        CU_ASSERT_EQUAL((uintptr_t)frame % 4096, 0);
        CU_ASSERT_EQUAL(memcmp(frame, &(uint32_t){ first + nr }, 4), 0);
        nr++;
    }
    CU_ASSERT_EQUAL(r, -EAGAIN);
    return nr;
}

static void test_frames(void)
{
    uint32_t sent = 0, taken = 0;

    set_up(-1);
    CU_ASSERT_EQUAL(take(0, 100), 0);
    CU_ASSERT(!waits(true, 0));
    CU_ASSERT_EQUAL(take(0, 100), 0);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i <= round % MOST_FRAMES; i++) {
            arrives(sent++, 100);
        }
        for (unsigned i = 0; i < 10 && taken < sent; i++) {
            CU_ASSERT(!waits(true, LONG_NS));
            taken += take(taken, 100);
        }
        CU_ASSERT_EQUAL_FATAL(taken, sent);
    }
    arrives(sent, NET_MAX_FRAME);
    CU_ASSERT(!waits(true, LONG_NS));
    CU_ASSERT_EQUAL(take(sent, NET_MAX_FRAME), 1);
    tear_down();
}

// What has come is kept while nobody wants it, and no more is asked for than has been.
static void test_unwanted(void)
{
    set_up(-1);
    CU_ASSERT(!waits(false, 0));
    arrives(0, 60);
    CU_ASSERT(!waits(false, 1000000));
    CU_ASSERT_EQUAL(take(0, 60), 0);
    CU_ASSERT(!waits(true, LONG_NS));
    arrives(1, 60);
    CU_ASSERT(!waits(false, 1000000));
    CU_ASSERT_EQUAL(take(0, 60), 2);
    tear_down();
}

// One that is said to have found nothing is passed over: what the next one has is not lost.
static void test_nothing_read(void)
{
    set_up(-1);
    CU_ASSERT(!waits(true, 0));
    arrives(0, 60);
    arrives(1, 60);
    CU_ASSERT(!waits(true, LONG_NS));
    CU_ASSERT_FATAL(p.results[0] > 0 && p.results[1] > 0);
    memmove(p.frames + 2 * STRIDE, p.frames + STRIDE, STRIDE);
    p.results[2] = p.results[1];
    p.results[1] = -EAGAIN;
    CU_ASSERT_EQUAL(take(0, 60), 2);
    tear_down();
}

static void *reader_main(void *nr)
{
    uint8_t got[HEADER + 100];
    struct pollfd at = { .fd = wire, .events = POLLIN };

    while (*(unsigned *)nr < NET_MAX_BATCH && poll(&at, 1, 5000) == 1) {
        *(unsigned *)nr += read(wire, got, sizeof(got)) > 0 && got[0] == *(unsigned *)nr;
    }
    return NULL;
}

static void test_send(void)
{
    pthread_t thread;
    static uint8_t frame[NET_MAX_BATCH][HEADER + 60];
    struct net_sent list[NET_MAX_BATCH];
    uint8_t got[HEADER + 100];
    unsigned nr = 0;

    set_up(-1);
    for (unsigned i = 0; i < NET_MAX_BATCH; i++) {
        frame[i][0] = (uint8_t)i;
        list[i] = (struct net_sent){ .frame = frame[i], .size = sizeof(frame[i]) };
    }
    p.port.ops->send(&p.port, list, MOST_FRAMES);
    for (unsigned i = 0; i < MOST_FRAMES; i++) {
        CU_ASSERT_EQUAL(list[i].result, (int)sizeof(frame[i]));
        CU_ASSERT_EQUAL(read(wire, got, sizeof(got)), (ssize_t)sizeof(frame[i]));
        CU_ASSERT_EQUAL(got[0], i);
    }
    // More than the socket takes at once is waited for; without another end they are lost, and each says so.
    CU_ASSERT_EQUAL(setsockopt(p.fd, SOL_SOCKET, SO_SNDBUF, &(int){ 1 }, sizeof(int)), 0);
    pthread_create(&thread, NULL, reader_main, &nr);
    p.port.ops->send(&p.port, list, NET_MAX_BATCH);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(nr, NET_MAX_BATCH);
    close(wire);
    wire = -1;
    p.port.ops->send(&p.port, list, NET_MAX_BATCH);
    for (nr = 0; nr < NET_MAX_BATCH; nr++) {
        CU_ASSERT(list[nr].result == -ECONNREFUSED || list[nr].result == -ENOTCONN);
    }
    tear_down();
}

// An event is taken, and acknowledged with the next wait.
static void test_events(void)
{
    static const uint32_t ports[] = { 17, 23 };
    uint32_t got[4];
    eventfd_t count;

    set_up(-1);
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(write(guest, &ports[i], 4), 4);
        CU_ASSERT(!waits(true, LONG_NS));
        CU_ASSERT(read(guest, got, sizeof(got)) < 0 && errno == EAGAIN);
        CU_ASSERT(!waits(true, 0));
        CU_ASSERT_EQUAL(read(guest, got, sizeof(got)), 4);
        CU_ASSERT_EQUAL(got[0], ports[i]);
        CU_ASSERT(!waits(true, 0));
        CU_ASSERT(read(guest, got, sizeof(got)) < 0 && errno == EAGAIN);
    }
    // The other one is not written back.
    eventfd_write(rx.event_fd, 3);
    CU_ASSERT(!waits(true, LONG_NS));
    CU_ASSERT(!waits(true, 0));
    CU_ASSERT(eventfd_read(rx.event_fd, &count) < 0 && errno == EAGAIN);
    eventfd_write(stop, 1);
    CU_ASSERT(waits(true, LONG_NS));
    eventfd_read(stop, &count);
    CU_ASSERT(!waits(true, 0));
    tear_down();
}

// A UDP socket tells once of a port where nobody is: an error that is over when it is asked for again is none.
static void test_errors(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(at);
    int device = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), peer = socket(AF_INET, SOCK_DGRAM, 0);
    uint8_t *frame;

    CU_ASSERT_EQUAL_FATAL(bind(peer, (struct sockaddr *)&at, sizeof(at)), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(peer, (struct sockaddr *)&at, &length), 0);
    CU_ASSERT_EQUAL_FATAL(connect(device, (struct sockaddr *)&at, sizeof(at)), 0);
    close(peer);
    set_up(device);
    CU_ASSERT(!waits(true, 0));
    CU_ASSERT_EQUAL(write(device, "x", 1), 1);
    CU_ASSERT(!waits(true, LONG_NS));
    CU_ASSERT_EQUAL(p.results[0], -ECONNREFUSED);
    CU_ASSERT_EQUAL(p.port.ops->receive(&p.port, &frame), -EAGAIN);
    // One that stays is told.
    p.results[0] = -EBADFD;
    p.next = 0;
    p.fd = -1;
    CU_ASSERT_EQUAL(p.port.ops->receive(&p.port, &frame), -EBADF);
    p.fd = device;
    tear_down();
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "frames", test_frames },
        { "unwanted", test_unwanted },
        { "nothing_read", test_nothing_read },
        { "send", test_send },
        { "events", test_events },
        { "errors", test_errors },
        { 0 },
    };

    return unit_main("port_fd", tests);
}
