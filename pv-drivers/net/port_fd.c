// SPDX-License-Identifier: MIT
//
// A call to the kernel costs a paravirtual domain two changes of page tables, and that is most of what a small packet
// costs. So one call waits for events and frames, reads them and acknowledges what was read before, and one sends a batch:
//
//     wait:   write an event back > until there is one > read it                       for each transport
//             until there is a frame > read it > read another > ...                    the last of them finds none
//     send:   write a frame > write another > ...
#include "net/port_fd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
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
_Static_assert(NR_ENTRIES >= NET_MAX_BATCH && NR_ENTRIES >= 1 + PORT_FD_MAX_AHEAD + 1 + 2 * 3, "room for all");

static void reap(struct port_fd *p)
{
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&p->ring, &cqe) == 0) {
        int *result = io_uring_cqe_get_data(cqe);
        if (result)
            *result = cqe->res;
        io_uring_cqe_seen(&p->ring, cqe);
    }
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
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
        io_uring_sqe_set_data(sqe, &list[i].result);
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

    while (size == -EAGAIN && p->next < p->nr_asked && p->results[p->next] != URING_PENDING) {
        *frame = frame_at(p, p->next);
        size = p->results[p->next++];
        if (size < 0 && size != -EAGAIN) {
            size = read(p->fd, *frame - HEADER, HEADER + NET_MAX_FRAME);
            size = size < 0 ? -errno : size;
        }
    }
    return size;
}

// When all are taken: one more than came last time, or twice as many if all that were asked for came.
static void ask_for_frames(struct port_fd *p)
{
    unsigned nr = 0;

    if (p->next < p->nr_asked)
        return;
    for (unsigned i = 0; i < p->nr_asked; i++)
        nr += p->results[i] >= 0;
    nr = nr && nr == p->nr_asked ? 2 * nr : nr + 1;
    p->nr_asked = nr < PORT_FD_MAX_AHEAD ? nr : PORT_FD_MAX_AHEAD;
    p->next = 0;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&p->ring);
    io_uring_prep_poll_add(sqe, FILE_PORT, POLLIN);
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_IO_HARDLINK | IOSQE_CQE_SKIP_SUCCESS);
    io_uring_sqe_set_data(sqe, NULL);
    for (unsigned i = 0; i < p->nr_asked; i++) {
        sqe = io_uring_get_sqe(&p->ring);
        io_uring_prep_read(sqe, FILE_PORT, frame_at(p, i) - HEADER, HEADER + NET_MAX_FRAME, 0);
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | (i + 1 < p->nr_asked ? IOSQE_IO_HARDLINK : 0u));
        io_uring_sqe_set_data(sqe, &p->results[i]);
        p->results[i] = URING_PENDING;
    }
}

static bool fd_wait(struct net_port *port, bool wants_frames, int64_t timeout_ns)
{
    struct port_fd *p = CONTAINER(port, struct port_fd, port);
    struct __kernel_timespec ts = { .tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000 };
    struct io_uring_cqe *cqe;

    if (wants_frames)
        ask_for_frames(p);
    uring_event(&p->ring, FILE_TX, &p->events[0]);
    uring_event(&p->ring, FILE_RX, &p->events[1]);
    uring_poll(&p->ring, FILE_STOP, &p->stop);
    if (timeout_ns == 0)
        io_uring_submit_and_get_events(&p->ring);
    else
        io_uring_submit_and_wait_timeout(&p->ring, &cqe, 1, timeout_ns < 0 ? NULL : &ts, NULL);
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

    *p = (struct port_fd){ .port = { .ops = &ops }, .fd = fd, .frames = frames,
                           .events = { { .is_echoed = tx->is_echoed }, { .is_echoed = rx->is_echoed } } };
    return frames == MAP_FAILED ? -ENOMEM :
        uring_open(&p->ring, NR_ENTRIES, files, NR_FILES, operations, sizeof(operations));
}
