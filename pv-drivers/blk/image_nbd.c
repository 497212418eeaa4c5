// SPDX-License-Identifier: MIT
//
// Exports of NBD servers, over libnbd: a connection for each lane, made before the sandbox. When one is lost the process
// ends. Nothing of the guest's is answered then; a successor, started when the server is back, connects and does again
// what the journal holds, and until then the guest waits.
#include "blk/blk_image.h"

#include <errno.h>
#include <libnbd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/container.h"
#include "ring/transport.h"

#define NS_PER_MS 1000000
#define LARGEST_TRANSFER (1u << 20)           // BLK_MAX_SEGMENTS pages
#define LARGEST_TRIM (1u << 30)              // the protocol has 32 bits for it

struct nbd {
    struct blk_image image;
    const char *uri;
    struct nbd_handle *first;                // the connection that told us about the export, then the first lane's
    uint64_t size;
};

enum { FILE_SERVER, FILE_EVENT, FILE_STOP, NR_FILES };

struct blk_lane {
    struct nbd *nbd;
    struct nbd_handle *handle;
    struct transport *transport;
    struct pollfd files[NR_FILES];
    // What is over: libnbd calls back with the handle locked, and who is told submits the next step.
    struct blk_io *over[BLK_MAX_IN_FLIGHT];
    unsigned nr_over;
};

bool blk_is_nbd(const char *name)
{
    static const char *const schemes[] = { "nbd://", "nbds://", "nbd+unix://", "nbds+unix://" };

    for (unsigned i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strncmp(name, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

static int connect_to(const char *uri, struct nbd_handle **handle, char *why, size_t why_size)
{
    struct nbd_handle *h = nbd_create();

    if (!h) {
        snprintf(why, why_size, "%s: %s", uri, nbd_get_error());
        return -ENOMEM;
    }
    // The name comes from the administrator, so it may name his keys.
    if (nbd_set_uri_allow_local_file(h, true) < 0 ||
        nbd_set_uri_allow_transports(h, LIBNBD_ALLOW_TRANSPORT_TCP | LIBNBD_ALLOW_TRANSPORT_UNIX) < 0 ||
        nbd_connect_uri(h, uri) < 0) {
        int rc = nbd_get_errno() ? -nbd_get_errno() : -EIO;
        snprintf(why, why_size, "%s cannot be used: %s", uri, nbd_get_error());
        nbd_close(h);
        return rc;
    }
    *handle = h;
    return 0;
}

// The process ends as if it had been killed: what was not answered stays in the journal.
_Noreturn static void lost(const struct blk_lane *lane)
{
    fprintf(stderr, "vane-blk: the connection to %s is lost: start me again when the server is back\n", lane->nbd->uri);
    _exit(1);
}

static bool is_lost(const struct blk_lane *lane)
{
    return nbd_aio_is_dead(lane->handle) > 0 || nbd_aio_is_closed(lane->handle) > 0;
}

static void finish_part(struct blk_io *io, int rc)
{
    if (rc < 0)
        io->rc = rc;
    if (--io->nr_parts == 0)
        io->lane->over[io->lane->nr_over++] = io;
}

static int on_completion(void *io, int *error)
{
    finish_part(io, *error ? -*error : 0);
    return 1;       // libnbd forgets the command
}

static int64_t submit_part(struct blk_lane *lane, struct blk_io *io, void *base, size_t size, uint64_t offset)
{
    nbd_completion_callback callback = { .callback = on_completion, .user_data = io };

    switch (io->op) {
    case BLK_IO_READ:
        return nbd_aio_pread(lane->handle, base, size, offset, callback, 0);
    case BLK_IO_WRITE:
        return nbd_aio_pwrite(lane->handle, base, size, offset, callback, 0);
    case BLK_IO_SYNC:
        return nbd_aio_flush(lane->handle, callback, 0);
    default:
        return nbd_aio_trim(lane->handle, size, offset, callback, 0);
    }
}

static void add_part(struct blk_lane *lane, struct blk_io *io, void *base, size_t size)
{
    io->nr_parts++;
    if (submit_part(lane, io, base, size, io->offset) < 0) {
        if (is_lost(lane))
            lost(lane);
        finish_part(io, nbd_get_errno() ? -nbd_get_errno() : -EIO);
    }
    io->offset += size;
    io->size -= size;
}

static void nbd_submit(struct blk_lane *lane, struct blk_io *io)
{
    bool has_data = io->op == BLK_IO_READ || io->op == BLK_IO_WRITE;

    io->lane = lane;
    io->rc = 0;
    io->nr_parts = 1;        // ours, so that it is not over before all parts are on their way
    for (unsigned i = 0; has_data && i < io->nr_iov; i++)
        add_part(lane, io, io->iov[i].iov_base, io->iov[i].iov_len);
    if (!has_data)
        add_part(lane, io, NULL, io->op == BLK_IO_SYNC ? 0 : io->size < LARGEST_TRIM ? (size_t)io->size : LARGEST_TRIM);
    finish_part(io, 0);
}

static void reap(struct blk_lane *lane)
{
    if (is_lost(lane))
        lost(lane);
    while (lane->nr_over) {
        struct blk_io *io = lane->over[--lane->nr_over];
        if (io->op == BLK_IO_DISCARD && io->size && io->rc == 0)
            nbd_submit(lane, io);
        else
            io->done(io, io->rc);
    }
}

static bool nbd_wait(struct blk_lane *lane, int64_t timeout_ns)
{
    struct pollfd *server = &lane->files[FILE_SERVER];
    unsigned direction = nbd_aio_get_direction(lane->handle);
    int timeout_ms = lane->nr_over ? 0 : timeout_ns < 0 ? -1 : (int)((timeout_ns + NS_PER_MS - 1) / NS_PER_MS);

    server->events = (short)((direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
                             (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0));
    if (poll(lane->files, NR_FILES, timeout_ms) < 0)
        return false;       // interrupted: whoever waits looks again
    if (server->revents & (POLLIN | POLLHUP | POLLERR) && direction & LIBNBD_AIO_DIRECTION_READ)
        (void)nbd_aio_notify_read(lane->handle);         // an error shows as a lost connection
    else if (server->revents & POLLOUT)
        (void)nbd_aio_notify_write(lane->handle);
    reap(lane);
    if (lane->files[FILE_EVENT].revents)
        transport_ack(lane->transport);
    return lane->files[FILE_STOP].revents != 0;
}

static int nbd_lane_open(struct blk_image *image, struct transport *transport, int stop_fd, struct blk_lane **lane)
{
    struct nbd *nbd = CONTAINER(image, struct nbd, image);
    struct blk_lane *l = calloc(1, sizeof(*l));
    char why[300];

    if (!l)
        return -ENOMEM;
    l->nbd = nbd;
    l->transport = transport;
    l->handle = nbd->first;
    nbd->first = NULL;
    int rc = l->handle ? 0 : connect_to(nbd->uri, &l->handle, why, sizeof(why));
    if (rc < 0) {
        fprintf(stderr, "vane-blk: %s\n", why);
        free(l);
        return rc;
    }
    l->files[FILE_SERVER].fd = nbd_aio_get_fd(l->handle);
    l->files[FILE_EVENT] = (struct pollfd){ .fd = transport->event_fd, .events = POLLIN };
    l->files[FILE_STOP] = (struct pollfd){ .fd = stop_fd, .events = POLLIN };
    *lane = l;
    return 0;
}

static uint64_t nbd_size(struct blk_image *image)
{
    return CONTAINER(image, struct nbd, image)->size;
}

static const struct blk_image_ops nbd_ops = {
    .lane_open = nbd_lane_open,
    .submit = nbd_submit,
    .wait = nbd_wait,
    .size = nbd_size,
};

// What is wrong with the export, or NULL.
static const char *complaint(struct nbd_handle *h, const struct blk_image_options *options)
{
    int64_t least = nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM), most = nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM);

    if (nbd_get_size(h) < (int64_t)BLK_SECTOR)
        return "is smaller than a sector of 512 bytes";
    if (least > (int64_t)BLK_SECTOR)
        return "takes no blocks of 512 bytes, which guests address: serve it with a smaller minimum block size";
    if (most > 0 && most < (int64_t)LARGEST_TRANSFER)
        return "takes no transfers of 1 MiB: serve it with a larger maximum block size";
    if (options->is_read_only)
        return NULL;
    if (nbd_is_read_only(h) != 0)
        return "is read-only on the server: attach it with --read-only";
    if (nbd_can_flush(h) <= 0)
        return "cannot be flushed, so what a guest was told is on the disk might be lost: use a server that does";
    return options->nr_lanes > 1 && nbd_can_multi_conn(h) <= 0
               ? "does not promise that several connections agree: use --queues 1" : NULL;
}

int blk_nbd_open(struct blk_image **image, const char *uri, const struct blk_image_options *options, char *why, size_t why_size)
{
    struct nbd *nbd = calloc(1, sizeof(*nbd));

    if (!nbd)
        return -ENOMEM;
    int rc = connect_to(uri, &nbd->first, why, why_size);
    const char *wrong = rc < 0 ? NULL : complaint(nbd->first, options);
    if (wrong) {
        snprintf(why, why_size, "%s %s", uri, wrong);
        nbd_close(nbd->first);
        rc = -EINVAL;
    }
    if (rc < 0) {
        free(nbd);
        return rc;
    }
    int64_t preferred = nbd_get_block_size(nbd->first, LIBNBD_SIZE_PREFERRED);
    nbd->uri = uri;
    nbd->size = (uint64_t)nbd_get_size(nbd->first);
    nbd->image = (struct blk_image){ .ops = &nbd_ops, .is_read_only = options->is_read_only,
        .can_discard = !options->is_read_only && nbd_can_trim(nbd->first) > 0,
        .physical_sector = preferred == 4096 ? 4096 : BLK_SECTOR };
    *image = &nbd->image;
    return 0;
}
