// SPDX-License-Identifier: MIT
// The hypervisor through Linux' /dev/xen: evtchn, gntdev, privcmd, hypercall and xenbus_backend. The
// layouts are those of the kernel's user interface and of the control ABI at version 0x15.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "buf.h"
#include "host.h"
#include "log.h"
#include "public/grant_table.h"
#include "public/xen.h"

enum { PAGE = 4096 };

struct evtchn_virq { unsigned virq; };
struct evtchn_interdomain { unsigned domid, port; };
struct evtchn_port { unsigned port; };
struct gntdev_map { uint32_t count, pad; uint64_t index; uint32_t domid, reference; };
struct gntdev_unmap { uint64_t index; uint32_t count, pad; };
struct gntdev_offset { uint64_t address, offset; uint32_t count, pad; };
struct privcmd_hypercall { uint64_t op, arg[5]; };

#define EVTCHN_BIND_VIRQ _IOC(_IOC_NONE, 'E', 0, sizeof(struct evtchn_virq))
#define EVTCHN_BIND_INTERDOMAIN _IOC(_IOC_NONE, 'E', 1, sizeof(struct evtchn_interdomain))
#define EVTCHN_UNBIND _IOC(_IOC_NONE, 'E', 3, sizeof(struct evtchn_port))
#define EVTCHN_NOTIFY _IOC(_IOC_NONE, 'E', 4, sizeof(struct evtchn_port))
#define GNTDEV_MAP_GRANT_REF _IOC(_IOC_NONE, 'G', 0, sizeof(struct gntdev_map))
#define GNTDEV_UNMAP_GRANT_REF _IOC(_IOC_NONE, 'G', 1, sizeof(struct gntdev_unmap))
#define GNTDEV_GET_OFFSET _IOC(_IOC_NONE, 'G', 2, sizeof(struct gntdev_offset))
#define PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))
#define XENBUS_BACKEND_EVTCHN _IOC(_IOC_NONE, 'B', 0, 0)

enum { DOMCTL_GETDOMAININFO = 5, DOMCTL_VERSION = 0x15, INFO_DYING = 1, INFO_SHUTDOWN = 4 };

struct domctl_getdomaininfo {
    uint32_t cmd, interface_version;
    uint16_t domain, pad[3];
    struct {
        uint16_t domain, pad;
        uint32_t flags;
        uint64_t tot_pages, max_pages, outstanding_pages, shr_pages, paged_pages, shared_info_frame;
        uint64_t cpu_time;
        uint32_t nr_online_vcpus, max_vcpu_id, ssidref;
        uint8_t handle[HANDLE_SIZE];
    } info;
    uint8_t rest[256];
};

_Static_assert(offsetof(struct domctl_getdomaininfo, info) == 16, "the union of a domctl");
_Static_assert(offsetof(struct domctl_getdomaininfo, info.handle) == 16 + 76, "the handle");

struct xen {
    struct host host;
    int evtchn, gntdev, privcmd, backend;
    unsigned virq_port;
    struct xenstore_domain_interface *dom0_page;
    struct domctl_getdomaininfo *buffer;        // that a hypercall may use: it stays in memory
};

static struct xen *xen_of(struct host *host)
{
    return (struct xen *)host;
}

static struct xenstore_domain_interface *map_dom0(struct xen *xen)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, xen->backend, 0);

    xen->dom0_page = page == MAP_FAILED ? NULL : page;
    return xen->dom0_page;
}

static struct xenstore_domain_interface *xen_map(struct host *host, uint16_t domid)
{
    struct xen *xen = xen_of(host);
    struct gntdev_map map = { .count = 1, .domid = domid, .reference = GNTTAB_RESERVED_XENSTORE };
    struct gntdev_unmap unmap = { .count = 1 };
    void *page;

    if (domid == 0)
        return map_dom0(xen);
    if (ioctl(xen->gntdev, GNTDEV_MAP_GRANT_REF, &map))
        return NULL;
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, xen->gntdev, (off_t)map.index);
    if (page != MAP_FAILED)
        return page;
    unmap.index = map.index;
    (void)ioctl(xen->gntdev, GNTDEV_UNMAP_GRANT_REF, &unmap);
    return NULL;
}

static void xen_unmap(struct host *host, struct xenstore_domain_interface *page)
{
    struct xen *xen = xen_of(host);
    struct gntdev_offset where = { .address = (uintptr_t)page };
    struct gntdev_unmap unmap = { .count = 1 };
    bool granted = page != xen->dom0_page && ioctl(xen->gntdev, GNTDEV_GET_OFFSET, &where) == 0;

    munmap(page, PAGE);
    unmap.index = where.offset;
    if (granted && ioctl(xen->gntdev, GNTDEV_UNMAP_GRANT_REF, &unmap))
        log_line("a ring page could not be given back: %s", strerror(errno));
}

static int64_t xen_bind(struct host *host, uint16_t domid, uint32_t remote_port)
{
    struct evtchn_interdomain bind = { domid, remote_port };
    int port = ioctl(xen_of(host)->evtchn, EVTCHN_BIND_INTERDOMAIN, &bind);

    return port < 0 ? -errno : port;
}

static void xen_unbind(struct host *host, uint32_t port)
{
    struct evtchn_port unbind = { port };

    if (ioctl(xen_of(host)->evtchn, EVTCHN_UNBIND, &unbind))
        log_line("port %u could not be unbound: %s", port, strerror(errno));
}

static void xen_notify(struct host *host, uint32_t port)
{
    struct evtchn_port notify = { port };

    // It fails when the domain has just ended, which is told by other means.
    (void)ioctl(xen_of(host)->evtchn, EVTCHN_NOTIFY, &notify);
}

static size_t xen_pending(struct host *host, uint32_t *ports, size_t max)
{
    struct xen *xen = xen_of(host);
    ssize_t size = read(xen->evtchn, ports, max * sizeof(ports[0]));
    size_t count = size < 0 ? 0 : (size_t)size / sizeof(ports[0]);

    for (size_t i = 0; i < count; i++)
        if (ports[i] == xen->virq_port)
            ports[i] = PORT_DOMAINS;
    return count;
}

static void xen_unmask(struct host *host, uint32_t port)
{
    struct xen *xen = xen_of(host);

    if (port == PORT_DOMAINS)
        port = xen->virq_port;
    if (write(xen->evtchn, &port, sizeof(port)) != sizeof(port))
        log_line("port %u stays masked: %s", port, strerror(errno));
}

static enum domain_life xen_life(struct host *host, uint16_t domid, uint8_t handle[HANDLE_SIZE])
{
    struct xen *xen = xen_of(host);
    struct domctl_getdomaininfo *domctl = xen->buffer;
    struct privcmd_hypercall call = { __HYPERVISOR_domctl, { (uintptr_t)domctl } };

    memset(domctl, 0, sizeof(*domctl));
    domctl->cmd = DOMCTL_GETDOMAININFO;
    domctl->interface_version = DOMCTL_VERSION;
    domctl->domain = domid;
    // The answer is of the next domain that there is.
    if (ioctl(xen->privcmd, PRIVCMD_HYPERCALL, &call) < 0 || domctl->info.domain != domid)
        return DOMAIN_GONE;
    memcpy(handle, domctl->info.handle, HANDLE_SIZE);
    if (domctl->info.flags & INFO_DYING)
        return DOMAIN_GONE;
    return domctl->info.flags & INFO_SHUTDOWN ? DOMAIN_IS_SHUT_DOWN : DOMAIN_RUNS;
}

static int64_t xen_dom0_port(struct host *host)
{
    int port = ioctl(xen_of(host)->backend, XENBUS_BACKEND_EVTCHN);

    return port < 0 ? -errno : port;
}

static int open_device(const char *folder, const char *name, int flags)
{
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_RDWR | O_CLOEXEC | flags);

    if (fd < 0)
        log_line("%s cannot be opened: %s", path, strerror(errno));
    return fd;
}

static int open_all(struct xen *xen, const char *folder)
{
    struct evtchn_virq virq = { VIRQ_DOM_EXC };
    int port, hypercall;
    void *buffer;

    xen->evtchn = open_device(folder, "evtchn", O_NONBLOCK);
    if (xen->evtchn < 0)
        return -1;
    xen->gntdev = open_device(folder, "gntdev", 0);
    xen->privcmd = open_device(folder, "privcmd", 0);
    xen->backend = open_device(folder, "xenbus_backend", 0);
    hypercall = open_device(folder, "hypercall", 0);
    // Kernels before 4.18 have no device for such memory: locked memory does, but for page migration.
    buffer = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                  hypercall < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE : MAP_SHARED,
                  hypercall, 0);
    if (hypercall >= 0)
        close(hypercall);
    if (xen->gntdev < 0 || xen->privcmd < 0 || buffer == MAP_FAILED)
        return -1;
    xen->buffer = buffer;
    port = ioctl(xen->evtchn, EVTCHN_BIND_VIRQ, &virq);
    if (port < 0) {
        log_line("the end of domains will not be told (VIRQ_DOM_EXC: %s): is another store running?",
                 strerror(errno));
        return -1;
    }
    xen->virq_port = (unsigned)port;
    return 0;
}

struct host *host_open(const char *folder)
{
    struct xen *xen = mem_zalloc(sizeof(*xen));

    xen->host = (struct host){ -1, xen_map, xen_unmap, xen_bind, xen_unbind, xen_notify, xen_pending,
                               xen_unmask, xen_life, xen_dom0_port };
    if (open_all(xen, folder)) {
        free(xen);
        return NULL;
    }
    xen->host.fd = xen->evtchn;
    return &xen->host;
}
