// SPDX-License-Identifier: MIT
//
// The transport over Linux' /dev/xen/gntdev and /dev/xen/evtchn (uapi xen/gntdev.h, xen/evtchn.h).
// The event-channel file is restricted to the guest's domain before anything else is done with it.
// gntdev knows no such restriction, so here is the only place that names a domain to it.
#include "ring/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bus/container.h"
#include "public/grant_table.h"

// The uapi headers take these names from the including program.
#include <xen/evtchn.h>
#include <xen/gntdev.h>

#include "ring/ring.h"

_Static_assert(RING_MAX_PAGES <= TRANSPORT_MAX_PAGES, "a ring is mapped at once");

struct xen {
    struct transport transport;
    int gntdev;
    uint16_t domid;
    bool is_bound;
    uint32_t port;                  // our end of the channel
};

static int control(int fd, unsigned long request, void *argument)
{
    int r = ioctl(fd, request, argument);

    return r < 0 ? -errno : r;
}

static void forget(struct xen *x, uint64_t index, uint32_t count)
{
    struct ioctl_gntdev_unmap_grant_ref unmap = { .index = index, .count = count };

    // Fails only for an index that was never handed out.
    (void)control(x->gntdev, IOCTL_GNTDEV_UNMAP_GRANT_REF, &unmap);
}

int transport_map(struct transport *t, const uint32_t *refs, unsigned nr, void **va)
{
    struct xen *x = CONTAINER(t, struct xen, transport);
    union {
        struct ioctl_gntdev_map_grant_ref map;
        char room[sizeof(struct ioctl_gntdev_map_grant_ref) +
                  TRANSPORT_MAX_PAGES * sizeof(struct ioctl_gntdev_grant_ref)];
    } u = { .map = { .count = nr } };
    struct ioctl_gntdev_grant_ref *list = u.map.refs;

    if (nr == 0 || nr > TRANSPORT_MAX_PAGES)
        return -EINVAL;
    for (unsigned i = 0; i < nr; i++)
        list[i] = (struct ioctl_gntdev_grant_ref){ .domid = x->domid, .ref = refs[i] };
    int rc = control(x->gntdev, IOCTL_GNTDEV_MAP_GRANT_REF, &u.map);
    if (rc < 0)
        return rc;
    *va = mmap(NULL, (size_t)nr * RING_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, x->gntdev, (off_t)u.map.index);
    if (*va == MAP_FAILED) {
        rc = -errno;
        forget(x, u.map.index, nr);
        return rc;
    }
    return 0;
}

void transport_unmap(struct transport *t, void *va, unsigned nr)
{
    struct xen *x = CONTAINER(t, struct xen, transport);
    struct ioctl_gntdev_get_offset_for_vaddr where = { .vaddr = (uintptr_t)va };
    int rc = control(x->gntdev, IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR, &where);

    munmap(va, (size_t)nr * RING_PAGE_SIZE);
    if (rc == 0)
        forget(x, where.offset, nr);
}

static struct gntdev_grant_copy_segment segment(const struct xen *x, bool to_guest, const struct transport_copy *c)
{
    struct gntdev_grant_copy_segment s = { .len = c->size };

    if (to_guest) {
        s.source.virt = c->local;
        s.dest.foreign.ref = c->ref;
        s.dest.foreign.offset = c->offset;
        s.dest.foreign.domid = x->domid;
        s.flags = GNTCOPY_dest_gref;
    } else {
        s.source.foreign.ref = c->ref;
        s.source.foreign.offset = c->offset;
        s.source.foreign.domid = x->domid;
        s.dest.virt = c->local;
        s.flags = GNTCOPY_source_gref;
    }
    return s;
}

int transport_copy(struct transport *t, enum transport_direction direction, const struct transport_copy *list, unsigned nr)
{
    struct xen *x = CONTAINER(t, struct xen, transport);
    struct gntdev_grant_copy_segment segments[TRANSPORT_MAX_COPIES];
    struct ioctl_gntdev_grant_copy copy = { .count = nr, .segments = segments };

    if (nr > TRANSPORT_MAX_COPIES)
        return -EINVAL;
    for (unsigned i = 0; i < nr; i++)
        segments[i] = segment(x, direction == TRANSPORT_TO_GUEST, &list[i]);
    int rc = control(x->gntdev, IOCTL_GNTDEV_GRANT_COPY, &copy);
    for (unsigned i = 0; rc == 0 && i < nr; i++)
        rc = segments[i].status == GNTST_okay ? 0 : -EFAULT;
    return rc;
}

int transport_bind(struct transport *t, uint32_t port)
{
    struct xen *x = CONTAINER(t, struct xen, transport);
    struct ioctl_evtchn_bind_interdomain bind = { .remote_domain = x->domid, .remote_port = port };
    int rc = control(t->event_fd, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind);

    if (rc < 0)
        return rc;
    x->port = (uint32_t)rc;
    x->is_bound = true;
    return 0;
}

void transport_unbind(struct transport *t)
{
    struct xen *x = CONTAINER(t, struct xen, transport);
    struct ioctl_evtchn_unbind unbind = { .port = x->port };

    if (x->is_bound)
        (void)control(t->event_fd, IOCTL_EVTCHN_UNBIND, &unbind);    // ours, so it cannot fail
    x->is_bound = false;
}

void transport_notify(struct transport *t)
{
    struct xen *x = CONTAINER(t, struct xen, transport);
    struct ioctl_evtchn_notify notify = { .port = x->port };

    if (x->is_bound)
        (void)control(t->event_fd, IOCTL_EVTCHN_NOTIFY, &notify);
}

// Linux masks a port when it shows it; writing the port back unmasks it.
void transport_ack(struct transport *t)
{
    uint32_t ports[16];
    ssize_t r = read(t->event_fd, ports, sizeof(ports));

    if (r > 0 && write(t->event_fd, ports, (size_t)r) != r)
        fprintf(stderr, "/dev/xen/evtchn does not take a port back: %s\n", strerror(errno));
}

static int open_device(const char *path, char *why, size_t why_size)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        int rc = -errno;
        snprintf(why, why_size, "%s cannot be opened (%s): back ends run in a Xen control or "
                 "driver domain as root, with the modules xen-gntdev and xen-evtchn loaded",
                 path, strerror(errno));
        return rc;
    }
    return fd;
}

int transport_xen_open(struct transport **t, unsigned domid, char *why, size_t why_size)
{
    struct ioctl_evtchn_restrict_domid restrict_to = { .domid = (uint16_t)domid };
    int gntdev = open_device("/dev/xen/gntdev", why, why_size);
    int evtchn = gntdev < 0 ? gntdev : open_device("/dev/xen/evtchn", why, why_size);
    int rc = evtchn;

    if (rc >= 0) {
        rc = control(evtchn, IOCTL_EVTCHN_RESTRICT_DOMID, &restrict_to);
        if (rc < 0)
            snprintf(why, why_size, "/dev/xen/evtchn refuses to be restricted to domain %u: %s", domid, strerror(-rc));
    }
    struct xen *x = rc < 0 ? NULL : calloc(1, sizeof(*x));
    if (!x) {
        if (evtchn >= 0)
            close(evtchn);
        if (gntdev >= 0)
            close(gntdev);
        return rc < 0 ? rc : -ENOMEM;
    }
    *x = (struct xen){ .transport = { .event_fd = evtchn, .is_echoed = true }, .gntdev = gntdev, .domid = (uint16_t)domid };
    *t = &x->transport;
    return 0;
}
