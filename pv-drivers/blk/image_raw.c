// SPDX-License-Identifier: MIT
//
// Raw files and block devices over io_uring. The image is locked with flock(2): the lock lives as
// long as the open file, which the kernel keeps until the last request in flight is over. So a
// successor of a killed process never meets one of its writes.
#include "blk/blk_image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bus/container.h"
#include "host/uring.h"
#include "ring/transport.h"

#define QUEUE_DEPTH 512u
#define LOCK_STEP_NS 5000000

struct raw {
    struct blk_image image;
    int fd;
    bool is_device;
};

// The registered files of a lane, by index.
enum { FILE_IMAGE, FILE_EVENT, FILE_STOP, NR_FILES };

struct blk_lane {
    struct io_uring ring;
    struct raw *raw;
    struct uring_event event;
    int stop;                    // result of polling
};

int blk_io_advance(struct blk_io *io, int result)
{
    if (result == -EINTR || result == -EAGAIN)
        return io->nr_retries++ < BLK_MAX_RETRIES ? -EAGAIN : -EIO;
    if (result < 0 || io->op == BLK_IO_SYNC || io->op == BLK_IO_DISCARD)
        return result < 0 ? result : 0;
    if (result == 0 || (uint64_t)result > io->size)
        return io->size == 0 ? 0 : -EIO;        // the image ends before its size
    io->offset += (uint64_t)result;
    io->size -= (uint64_t)result;
    for (size_t left = (size_t)result; left;) {
        size_t part = left < io->iov->iov_len ? left : io->iov->iov_len;
        io->iov->iov_base = (uint8_t *)io->iov->iov_base + part;
        io->iov->iov_len -= part;
        left -= part;
        if (io->iov->iov_len == 0) {
            io->iov++;
            io->nr_iov--;
        }
    }
    return io->size ? -EAGAIN : 0;
}

// Never full: of each request at most one entry is unsubmitted.
_Static_assert(QUEUE_DEPTH >= BLK_MAX_IN_FLIGHT + 2 + 1, "room for all that may be in flight");

static void raw_submit(struct blk_lane *lane, struct blk_io *io)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&lane->ring);

    switch (io->op) {
    case BLK_IO_READ:
        io_uring_prep_readv(sqe, FILE_IMAGE, io->iov, io->nr_iov, io->offset);
        break;
    case BLK_IO_WRITE:
        io_uring_prep_writev(sqe, FILE_IMAGE, io->iov, io->nr_iov, io->offset);
        break;
    case BLK_IO_SYNC:
        io_uring_prep_fsync(sqe, FILE_IMAGE, IORING_FSYNC_DATASYNC);
        break;
    case BLK_IO_DISCARD:
        io_uring_prep_fallocate(sqe, FILE_IMAGE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)io->offset, (off_t)io->size);
        break;
    }
    uring_tag(sqe, 0, io);
}

static void complete(struct blk_lane *lane, struct blk_io *io, int result)
{
    int rc = blk_io_advance(io, result);

    if (rc == -EAGAIN) {
        raw_submit(lane, io);
        return;
    }
    if (rc == -EOPNOTSUPP && io->op == BLK_IO_DISCARD)
        __atomic_store_n(&lane->raw->image.can_discard, false, __ATOMIC_RELAXED);
    io->done(io, rc);
}

// Events are told from operations by their address: that of their result.
static void reap(struct blk_lane *lane)
{
    void *data;
    int result;

    while (uring_next(&lane->ring, &data, &result)) {
        if (data == &lane->event.result || data == &lane->stop)
            *(int *)data = result;
        else
            complete(lane, data, result);
    }
}

static bool raw_wait(struct blk_lane *lane, int64_t timeout_ns)
{
    uring_event(&lane->ring, FILE_EVENT, &lane->event);
    uring_poll(&lane->ring, FILE_STOP, &lane->stop);
    uring_wait(&lane->ring, timeout_ns);
    reap(lane);
    return lane->stop != URING_PENDING;
}

static int raw_lane_open(struct blk_image *image, struct transport *transport, int stop_fd, struct blk_lane **lane)
{
    static const uint8_t operations[] = { IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE,
                                          IORING_OP_READ, IORING_OP_WRITE, IORING_OP_POLL_ADD };
    struct raw *raw = CONTAINER(image, struct raw, image);
    const int files[NR_FILES] = { raw->fd, transport->event_fd, stop_fd };
    struct blk_lane *l = calloc(1, sizeof(*l));

    if (!l)
        return -ENOMEM;
    l->raw = raw;
    l->event.is_echoed = transport->is_echoed;
    int rc = uring_open(&l->ring, QUEUE_DEPTH, files, NR_FILES, operations, sizeof(operations));
    if (rc < 0) {
        free(l);
        return rc;
    }
    *lane = l;
    return 0;
}

static void raw_lane_close(struct blk_lane *lane)
{
    io_uring_queue_exit(&lane->ring);
    free(lane);
}

static uint64_t raw_size(struct blk_image *image)
{
    struct raw *raw = CONTAINER(image, struct raw, image);
    struct stat st;
    uint64_t size = 0;

    if (raw->is_device)
        return ioctl(raw->fd, BLKGETSIZE64, &size) == 0 ? size : 0;
    return fstat(raw->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void raw_close(struct blk_image *image)
{
    struct raw *raw = CONTAINER(image, struct raw, image);

    close(raw->fd);
    free(raw);
}

static const struct blk_image_ops raw_ops = {
    .lane_open = raw_lane_open,
    .lane_close = raw_lane_close,
    .submit = raw_submit,
    .wait = raw_wait,
    .size = raw_size,
    .close = raw_close,
};

static int lock_image(int fd, const struct blk_image_options *options)
{
    int how = (options->is_read_only ? LOCK_SH : LOCK_EX) | LOCK_NB;
    struct timespec step = { .tv_nsec = LOCK_STEP_NS };
    uint64_t tries = 1 + options->lock_seconds * (1000000000ull / LOCK_STEP_NS);

    while (flock(fd, how) < 0) {
        if (errno != EWOULDBLOCK || --tries == 0)
            return -errno;
        nanosleep(&step, NULL);
    }
    return 0;
}

// Guests address sectors of 512 bytes; where direct I/O cannot do those, the page cache must.
static bool takes_direct_io(int fd)
{
    void *page;
    bool is_direct = false;

    if (posix_memalign(&page, 4096, 4096) == 0) {
        is_direct = pread(fd, (uint8_t *)page + BLK_SECTOR, BLK_SECTOR, BLK_SECTOR) >= 0;
        free(page);
    }
    return is_direct;
}

static int open_image(const char *path, const struct blk_image_options *options)
{
    int flags = (options->is_read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
    int fd = options->is_buffered ? -1 : open(path, flags | O_DIRECT);

    if (fd >= 0 && !takes_direct_io(fd)) {
        close(fd);
        fd = -1;
    }
    return fd >= 0 ? fd : open(path, flags);
}

static int check_image(struct raw *raw, const char *path, const struct blk_image_options *options, char *why, size_t why_size)
{
    struct stat st;

    if (raw->fd < 0) {
        int rc = -errno;
        snprintf(why, why_size, "%s cannot be opened: %s", path, strerror(-rc));
        return rc;
    }
    if (fstat(raw->fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))) {
        snprintf(why, why_size, "%s is neither a file nor a block device", path);
        return -EINVAL;
    }
    raw->is_device = S_ISBLK(st.st_mode);
    int rc = lock_image(raw->fd, options);
    if (rc < 0) {
        snprintf(why, why_size, "%s is in use by another process (%s): detach it there first", path, strerror(-rc));
        return rc;
    }
    if (raw_size(&raw->image) < BLK_SECTOR) {
        snprintf(why, why_size, "%s is smaller than a sector of %u bytes", path, BLK_SECTOR);
        return -EINVAL;
    }
    return 0;
}

int blk_raw_open(struct blk_image **image, const char *path, const struct blk_image_options *options, char *why, size_t why_size)
{
    struct raw *raw = calloc(1, sizeof(*raw));

    if (!raw)
        return -ENOMEM;
    raw->image = (struct blk_image){ .ops = &raw_ops, .is_read_only = options->is_read_only,
                                     .can_discard = !options->is_read_only,
                                     .physical_sector = BLK_SECTOR };
    raw->fd = open_image(path, options);
    int rc = check_image(raw, path, options, why, why_size);
    if (rc < 0) {
        if (raw->fd >= 0)
            close(raw->fd);
        free(raw);
        return rc;
    }
    if (raw->is_device)
        (void)ioctl(raw->fd, BLKPBSZGET, &raw->image.physical_sector);    // else a sector
    *image = &raw->image;
    return 0;
}
