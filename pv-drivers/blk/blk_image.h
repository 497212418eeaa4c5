// SPDX-License-Identifier: MIT
//
// Where a disk's bytes are. A queue hands an image one struct blk_io at a time and is called back
// when it is done, possibly before submit returns.
//
// Threads: an image is shared by all queues of a disk; each queue has a lane of its own, used by its
// thread alone. Lanes are opened before the process is sandboxed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define BLK_SECTOR 512u
#define BLK_MAX_IN_FLIGHT 256u   // operations of one lane
#define BLK_MAX_RETRIES 16u      // of one operation that was interrupted

struct blk_image;
struct blk_lane;

enum blk_io_op { BLK_IO_READ, BLK_IO_WRITE, BLK_IO_SYNC, BLK_IO_DISCARD };

struct blk_io {
    enum blk_io_op op;
    uint64_t offset;             // bytes; these four change while a short transfer goes on
    uint64_t size;
    struct iovec *iov;
    unsigned nr_iov;
    unsigned nr_retries;
    struct blk_lane *lane;       // these three the image's own: commands under way, and what one of them said
    unsigned nr_parts;
    int rc;
    void (*done)(struct blk_io *io, int rc);    // 0 or a negative errno
};

struct transport;

struct blk_image_ops {
    // Two files end a wait: the transport's and stop_fd.
    int (*lane_open)(struct blk_image *image, struct transport *transport, int stop_fd, struct blk_lane **lane);
    void (*submit)(struct blk_lane *lane, struct blk_io *io);
    // Completes what is ready. If nothing is, waits at most timeout_ns, for ever if that is
    // negative, and takes the transport's events. True if stop_fd is readable.
    bool (*wait)(struct blk_lane *lane, int64_t timeout_ns);
    // The size in bytes as it is now; 0 if it cannot be told.
    uint64_t (*size)(struct blk_image *image);
    // For who goes on when the image is done with; a program ends instead, and needs neither.
    void (*lane_close)(struct blk_lane *lane);
    void (*close)(struct blk_image *image);
};

struct blk_image {
    const struct blk_image_ops *ops;
    bool is_read_only;
    bool can_discard;
    uint32_t physical_sector;
};

// What came back for an operation: 0 it is complete, -EAGAIN the rest is to be submitted, or an error.
int blk_io_advance(struct blk_io *io, int result);

struct blk_image_options {
    bool is_read_only;
    bool is_buffered;            // never past the page cache; of a file
    unsigned lock_seconds;       // how long to wait for a predecessor to let go of a file
    unsigned nr_lanes;           // that will be opened
};
// A file or block device. An error leaves a sentence in `why`.
int blk_raw_open(struct blk_image **image, const char *path, const struct blk_image_options *options, char *why, size_t why_size);

// nbd://, nbds:// and the same with +unix (the NBD project's URI specification).
bool blk_is_nbd(const char *name);
// An export. `uri` is kept. An error leaves a sentence in `why`.
int blk_nbd_open(struct blk_image **image, const char *uri, const struct blk_image_options *options, char *why, size_t why_size);
