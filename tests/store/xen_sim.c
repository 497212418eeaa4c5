// SPDX-License-Identifier: MIT
// dom0-tools/lib/xen_linux.h over a folder of files, for tests on a machine without a hypervisor (xenstub.c
// draws the folder). The files outlive the daemon as guests' pages do. Local ports are the numbers in the
// files and 1: there is no port 0.
#include "dom0-tools/lib/xen_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VIRQ = 20000 };

const unsigned long xen_requests[XEN_NR_REQUESTS];

static char folder[256];
static int notify[VIRQ];        // descriptors and 1, 0: not open

static int open_file(const char *kind, unsigned domid, int flags)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/%s.%u", folder, kind, domid);
    return open(path, flags | O_CLOEXEC);
}

int xen_open(struct xen_devices *xen, const char *devices, const char **failed)
{
    char path[300];

    snprintf(folder, sizeof(folder), "%s", devices);
    snprintf(path, sizeof(path), "%s/evtchn", folder);
    (void)mkfifo(path, 0600);
    *failed = "evtchn";
    xen->evtchn = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return xen->evtchn < 0 ? -errno : 0;
}

static void *map(unsigned domid)
{
    int fd = open_file("ring", domid, O_RDWR);
    void *page;

    if (fd < 0)
        return NULL;
    page = mmap(NULL, XEN_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return page == MAP_FAILED ? NULL : page;
}

void *xen_map_grant(struct xen_devices *xen, unsigned domid, uint32_t reference)
{
    (void)xen;
    (void)reference;
    return map(domid);
}

int xen_unmap_grant(struct xen_devices *xen, void *page)
{
    (void)xen;
    return munmap(page, XEN_PAGE_SIZE) ? -errno : 0;
}

void *xen_map_xenbus(struct xen_devices *xen)
{
    (void)xen;
    return map(0);
}

int xen_xenbus_port(struct xen_devices *xen)
{
    int fd = open_file("ring", 0, O_RDONLY);

    (void)xen;
    if (fd < 0)
        return -errno;
    close(fd);
    return 1;
}

int xen_bind_virq(struct xen_devices *xen, unsigned virq)
{
    (void)xen;
    (void)virq;
    return VIRQ + 1;
}

int xen_bind_interdomain(struct xen_devices *xen, unsigned domid, unsigned port)
{
    (void)xen;
    (void)port;
    return domid < VIRQ ? (int)domid + 1 : -EINVAL;
}

int xen_unbind(struct xen_devices *xen, unsigned port)
{
    int *fd = &notify[port - 1];

    (void)xen;
    if (*fd)
        close(*fd - 1);
    *fd = 0;
    return 0;
}

int xen_notify(struct xen_devices *xen, unsigned port)
{
    int *fd = &notify[port - 1];

    (void)xen;
    if (!*fd)
        *fd = open_file("dom", port - 1, O_RDWR | O_NONBLOCK) + 1;
    // If it is full, the guest has enough to wake it.
    return *fd && write(*fd - 1, "", 1) == 1 ? 0 : -errno;
}

size_t xen_pending(struct xen_devices *xen, uint32_t *ports, size_t max)
{
    ssize_t size = read(xen->evtchn, ports, max * sizeof(ports[0]));
    size_t count = size < 0 ? 0 : (size_t)size / sizeof(ports[0]);

    for (size_t i = 0; i < count; i++)
        ports[i]++;
    return count;
}

int xen_unmask(struct xen_devices *xen, uint32_t port)
{
    (void)xen;
    (void)port;
    return 0;
}

int xen_domain_info(struct xen_devices *xen, unsigned domid, struct xen_domain_info *info)
{
    int fd = open_file("ring", domid, O_RDONLY);
    struct stat stat;

    (void)xen;
    if (fd < 0 || fstat(fd, &stat))
        return -ESRCH;
    close(fd);
    memcpy(info->handle, &stat.st_ino, sizeof(stat.st_ino));
    info->flags = stat.st_mode & S_ISVTX ? XEN_DOMAIN_SHUT_DOWN : 0;
    return 0;
}
