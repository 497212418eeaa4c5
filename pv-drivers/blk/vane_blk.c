// SPDX-License-Identifier: MIT
//
// vane-blk: the block back end, one process for each device. It opens what it needs, gives up every other
// right, and serves until the toolstack takes its disks away. Killed and started again with the same
// arguments it goes on where it was.
#include <linux/fs.h>
#include <stddef.h>

#include "blk/blk_back.h"
#include "host/program.h"
#include "host/spin.h"

#define MAX_DISKS 8u
#define MEMORY_PER_QUEUE ((size_t)8 << 20)    // requests, buffers, table of grants, stack

struct disk {
    struct program_device device;
    const char *image;
    uint64_t is_read_only, is_buffered, can_discard_securely;
    uint64_t iops, bytes_per_second;
    struct blk_back driver;
};

static struct disk disks[MAX_DISKS];

#define OF(member) offsetof(struct disk, member)
static const struct program_option options[] = {
    { "image", 's', OF(image), 0, "NAME  a raw file, a block device or an NBD URI (nbd+unix:///?socket=PATH)" },
    { "iops", 'n', OF(iops), 1000000000, "N      operations a second" },
    { "bytes", 'n', OF(bytes_per_second), 1ull << 50, "N     bytes a second" },
    { "read-only", 'b', OF(is_read_only), 0, "" },
    { "buffered", 'b', OF(is_buffered), 0, "    through the page cache" },
    { "secure-discard", 'b', OF(can_discard_securely), 0, "overwriting in place destroys" },
};

static int open_image(const struct disk *disk, struct blk_image **image, char *why, size_t why_size)
{
    struct blk_image_options want = { .is_read_only = disk->is_read_only, .is_buffered = disk->is_buffered,
                                         .lock_seconds = 2, .nr_lanes = (unsigned)disk->device.nr_queues };

    return (blk_is_nbd(disk->image) ? blk_nbd_open : blk_raw_open)(image, disk->image, &want, why, why_size);
}

static struct back *open_disk(void *device)
{
    struct disk *disk = device;
    const struct program_device *d = &disk->device;
    struct blk_back *b = &disk->driver;
    struct blk_image *image;
    char why[PROGRAM_MAX_WHY];

    if (open_image(disk, &image, why, sizeof(why)) < 0)
        program_stop("--image", why);
    b->disk = (struct blk_disk){ .image = image, .is_read_only = image->is_read_only,
        .can_discard_securely = disk->can_discard_securely && !disk->is_read_only,
        .nr_sectors = image->ops->size(image) / BLK_SECTOR };
    limit_init(&b->disk.limit, disk->iops, disk->bytes_per_second);
    b->journal = program_map_file(d->state, sizeof(*b->journal));
    b->stats = program_map_file(d->stats, sizeof(*b->stats));
    for (unsigned i = 0; i < d->nr_queues; i++)
        b->transports[i] = program_open_transport();
    b->back.ops = &blk_back_ops;
    return &b->back;
}

static const unsigned long controls[] = { BLKGETSIZE64 };

static const struct program program = {
    .name = "vane-blk", .usage = "--image FILE", .options = options,
    .nr_options = sizeof(options) / sizeof(options[0]), .devices = disks, .device_size = sizeof(disks[0]),
    .max_devices = MAX_DISKS, .max_queues = BLK_MAX_QUEUES, .memory_per_queue = MEMORY_PER_QUEUE,
    .required = OF(image), .open = open_disk,
    .controls = controls, .nr_controls = sizeof(controls) / sizeof(controls[0]),
};

int main(int argc, char **argv)
{
    spin_measure();
    return program_main(&program, argc, argv);
}
