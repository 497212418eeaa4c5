// SPDX-License-Identifier: MIT
#include "drivers/image_mem.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "drivers/copy_bytes.h"
#include "ring/transport.h"

struct blk_lane {
    struct image_mem *mem;
    struct transport *transport;
    int stop_fd;
};

static struct image_mem *mem_of(struct blk_image *image)
{
    return (struct image_mem *)(void *)((char *)image - offsetof(struct image_mem, image));
}

static int lane_open(struct blk_image *image, struct transport *transport, int stop_fd, struct blk_lane **lane)
{
    struct blk_lane *l = calloc(1, sizeof(*l));

    if (!l) {
        return -ENOMEM;
    }
    *l = (struct blk_lane){ mem_of(image), transport, stop_fd };
    *lane = l;
    return 0;
}

static void lane_close(struct blk_lane *lane)
{
    free(lane);
}

static void transfer(struct image_mem *m, const struct blk_io *io)
{
    uint8_t *at = m->bytes + io->offset;

    for (unsigned i = 0; i < io->nr_iov; i++) {
        if (io->op == BLK_IO_READ) {
            copy_bytes(io->iov[i].iov_base, at, io->iov[i].iov_len);
        } else {
            copy_bytes(at, io->iov[i].iov_base, io->iov[i].iov_len);
        }
        at += io->iov[i].iov_len;
    }
}

static void perform(struct image_mem *m, struct blk_io *io)
{
    if (io->op != BLK_IO_SYNC && (io->offset > m->size || io->size > m->size - io->offset)) {
        abort();                 // the back end let a request past the end of the disk
    }
    if (m->is_write_forbidden && (io->op == BLK_IO_WRITE || io->op == BLK_IO_DISCARD)) {
        abort();
    }
    if (m->fail_rc && m->nr_ops++ >= m->fail_after) {
        io->done(io, m->fail_rc);
        return;
    }
    if (io->op == BLK_IO_SYNC) {
        m->nr_syncs++;
    } else if (m->bytes && io->op == BLK_IO_DISCARD) {
        memset(m->bytes + io->offset, 0, io->size);
    } else if (m->bytes) {
        transfer(m, io);
    }
    io->done(io, 0);
}

static void submit(struct blk_lane *lane, struct blk_io *io)
{
    struct image_mem *m = lane->mem;

    if (m->is_stalled) {
        if (m->nr_stalled == BLK_MAX_IN_FLIGHT) {
            abort();
        }
        m->stalled[m->nr_stalled++] = io;
    } else {
        perform(m, io);
    }
}

void image_mem_release(struct image_mem *m)
{
    unsigned nr = m->nr_stalled;

    m->is_stalled = false;
    m->nr_stalled = 0;
    while (nr--) {
        perform(m, m->stalled[nr]);
    }
}

static bool wait_for(struct blk_lane *lane, int64_t timeout_ns)
{
    struct pollfd p[2] = { { .fd = lane->transport->event_fd, .events = POLLIN },
                           { .fd = lane->stop_fd, .events = POLLIN } };
    struct timespec ts = { .tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000 };

    ppoll(p, 2, timeout_ns < 0 ? NULL : &ts, NULL);
    if (p[0].revents) {
        transport_ack(lane->transport);
    }
    return p[1].revents != 0;
}

static uint64_t size_of(struct blk_image *image)
{
    return mem_of(image)->size;
}

static void no_close(struct blk_image *image)
{
    (void)image;
}

static const struct blk_image_ops mem_ops = {
    .lane_open = lane_open,
    .lane_close = lane_close,
    .submit = submit,
    .wait = wait_for,
    .size = size_of,
    .close = no_close,
};

void image_mem_init(struct image_mem *m, uint64_t size, bool is_null)
{
    *m = (struct image_mem){ .size = size, .image = { .ops = &mem_ops, .can_discard = true,
                                                      .physical_sector = BLK_SECTOR } };
    if (!is_null) {
        m->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (m->bytes == MAP_FAILED) {
            abort();
        }
    }
}

void image_mem_fini(struct image_mem *m)
{
    if (m->bytes) {
        munmap(m->bytes, m->size);
    }
}
