// SPDX-License-Identifier: MIT
//
// A call to the kernel costs a paravirtual domain two changes of page tables, and that is most of what a small packet
// costs. So one call waits for events and frames, reads them and acknowledges what was read before, and one sends a batch:
//
//     wait:   write an event back > read the next, when there is one       for each transport
//             read a frame, when there is one > read another > ...
//     send:   write a frame > write another > ...
//
// In an io_uring reading and writing wait though the file does not block (io_uring_enter(2): the file is polled first).
#include "net/port_fd.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bus/container.h"
#include "net/net_queue.h"

#define NR_ENTRIES 128u
#define HEADER sizeof(struct virtio_net_hdr)
// A frame begins with a page, and its header lies before it.
#define STRIDE ((size_t)(1 + (NET_MAX_FRAME + RING_PAGE_SIZE - 1) / RING_PAGE_SIZE) * RING_PAGE_SIZE)
#define FRAMES_SIZE (PORT_FD_MAX_AHEAD * STRIDE)

enum { FILE_PORT, FILE_STOP, FILE_TX, FILE_RX, NR_FILES };

// Never full: a batch, or what is waited for.
_Static_assert(NR_ENTRIES >= NET_MAX_BATCH && NR_ENTRIES >= PORT_FD_MAX_AHEAD + 2 * 2 + 1, "room for all");

static void reap(struct port_fd *p)
{
    void *slot;
    int result;

    while (uring_next(&p->ring, &slot, &result))
        *(int *)slot = result;
}

static uint8_t *frame_at(const struct port_fd *p, unsigned i)
{
    return p->frames + i * STRIDE + RING_PAGE_SIZE;
}

static void fd_send(struct net_port *port, struct net_sent *list, unsigned nr)
{
    struct port_fd *p = CONTAINER(port, struct port_fd, port);

    for (unsigned i = 0; i < nr; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&p->ring);
        io_uring_prep_write(sqe, FILE_PORT, list[i].frame, list[i].size, 0);
        uring_tag(sqe, i + 1 < nr ? IOSQE_IO_HARDLINK : 0u, &list[i].result);
        list[i].result = URING_PENDING;
    }
    for (unsigned i = 0; i < nr; i++) {
        while (list[i].result == URING_PENDING) {
            io_uring_submit_and_wait(&p->ring, 1);
            reap(p);
        }
    }
}

// An error is asked for again before it is believed: the ring may have met with it while nobody was to read.
static ssize_t fd_receive(struct net_port *port, uint8_t **frame)
{
    struct port_fd *p = CONTAINER(port, struct port_fd, port);
    ssize_t size = -EAGAIN;

    while (size == -EAGAIN && p->next < PORT_FD_MAX_AHEAD && p->results[p->next] != URING_PENDING) {
        *frame = frame_at(p, p->next);
        size = p->results[p->next++];
        if (size < 0) {
            size = read(p->fd, *frame - HEADER, HEADER + NET_MAX_FRAME);
            size = size < 0 ? -errno : size;
        }
    }
    return size;
}

// When all that were asked for are taken. Linked, so that they come in order.
static void ask_for_frames(struct port_fd *p)
{
    if (p->next < PORT_FD_MAX_AHEAD)
        return;
    for (unsigned i = 0; i < PORT_FD_MAX_AHEAD; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&p->ring);
        io_uring_prep_read(sqe, FILE_PORT, frame_at(p, i) - HEADER, HEADER + NET_MAX_FRAME, 0);
        uring_tag(sqe, i + 1 < PORT_FD_MAX_AHEAD ? IOSQE_IO_HARDLINK : 0u, &p->results[i]);
        p->results[i] = URING_PENDING;
    }
    p->next = 0;
}

static bool fd_wait(struct net_port *port, bool wants_frames, int64_t timeout_ns)
{
    struct port_fd *p = CONTAINER(port, struct port_fd, port);

    if (wants_frames)
        ask_for_frames(p);
    uring_event(&p->ring, FILE_TX, &p->events[0]);
    uring_event(&p->ring, FILE_RX, &p->events[1]);
    uring_poll(&p->ring, FILE_STOP, &p->stop);
    uring_wait(&p->ring, timeout_ns);
    reap(p);
    return p->stop != URING_PENDING;
}

int port_fd_open(struct port_fd *p, int fd, int stop_fd, const struct transport *tx, const struct transport *rx)
{
    static const struct net_port_ops ops = { .send = fd_send, .receive = fd_receive, .wait = fd_wait };
    static const uint8_t operations[] = { IORING_OP_READ, IORING_OP_WRITE, IORING_OP_POLL_ADD };
    const int files[NR_FILES] = { [FILE_PORT] = fd, [FILE_STOP] = stop_fd, [FILE_TX] = tx->event_fd, [FILE_RX] = rx->event_fd };
    // Page-aligned, zeroed, and counted by RLIMIT_DATA.
    uint8_t *frames = mmap(NULL, FRAMES_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    *p = (struct port_fd){ .port = { .ops = &ops }, .fd = fd, .frames = frames, .next = PORT_FD_MAX_AHEAD,
                           .events = { { .is_echoed = tx->is_echoed }, { .is_echoed = rx->is_echoed } } };
    return frames == MAP_FAILED ? -ENOMEM :
        uring_open(&p->ring, NR_ENTRIES, files, NR_FILES, operations, sizeof(operations));
}
