// SPDX-License-Identifier: MIT
// The layouts here are those of the kernel's user interface, and of the control ABI at version 0x15.
#include "xen_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "public/xen.h"

struct evtchn_virq { unsigned virq; };
struct evtchn_interdomain { unsigned domid, port; };
struct evtchn_port { unsigned port; };
struct gntdev_map { uint32_t count, pad; uint64_t index; uint32_t domid, reference; };
struct gntdev_unmap { uint64_t index; uint32_t count, pad; };
struct gntdev_offset { uint64_t address, offset; uint32_t count, pad; };
struct privcmd_hypercall { uint64_t op, arg[5]; };
struct privcmd_mmapbatch { uint32_t num; uint16_t dom; uint64_t addr, frames, errors; };
struct privcmd_mmap_resource { uint16_t dom; uint32_t type, id, idx; uint64_t num, addr; };

#define EVTCHN_BIND_VIRQ _IOC(_IOC_NONE, 'E', 0, sizeof(struct evtchn_virq))
#define EVTCHN_BIND_INTERDOMAIN _IOC(_IOC_NONE, 'E', 1, sizeof(struct evtchn_interdomain))
#define EVTCHN_UNBIND _IOC(_IOC_NONE, 'E', 3, sizeof(struct evtchn_port))
#define EVTCHN_NOTIFY _IOC(_IOC_NONE, 'E', 4, sizeof(struct evtchn_port))
#define GNTDEV_MAP_GRANT_REF _IOC(_IOC_NONE, 'G', 0, sizeof(struct gntdev_map))
#define GNTDEV_UNMAP_GRANT_REF _IOC(_IOC_NONE, 'G', 1, sizeof(struct gntdev_unmap))
#define GNTDEV_GET_OFFSET _IOC(_IOC_NONE, 'G', 2, sizeof(struct gntdev_offset))
#define PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))
#define PRIVCMD_MMAPBATCH_V2 _IOC(_IOC_NONE, 'P', 4, sizeof(struct privcmd_mmapbatch))
#define PRIVCMD_MMAP_RESOURCE _IOC(_IOC_NONE, 'P', 7, sizeof(struct privcmd_mmap_resource))
#define XENBUS_BACKEND_EVTCHN _IOC(_IOC_NONE, 'B', 0, 0)

const unsigned long xen_requests[XEN_NR_REQUESTS] = {
    EVTCHN_BIND_INTERDOMAIN, EVTCHN_UNBIND, EVTCHN_NOTIFY, GNTDEV_MAP_GRANT_REF, GNTDEV_UNMAP_GRANT_REF,
    GNTDEV_GET_OFFSET, PRIVCMD_HYPERCALL,
};

enum { DOMCTL_GETDOMAININFO = 5, DOMCTL_VERSION = 0x15 };

struct domctl_getdomaininfo {
    uint32_t cmd, interface_version;
    uint16_t domain, pad[3];
    struct {
        uint16_t domain, pad;
        uint32_t flags;
        uint64_t tot_pages, max_pages, outstanding_pages, shr_pages, paged_pages, shared_info_frame;
        uint64_t cpu_time;
        uint32_t nr_online_vcpus, max_vcpu_id, ssidref;
        uint8_t handle[XEN_HANDLE_SIZE];
    } info;
    uint8_t rest[256];
};

_Static_assert(offsetof(struct domctl_getdomaininfo, info) == 16, "the union of a domctl");
_Static_assert(offsetof(struct domctl_getdomaininfo, info.handle) == 16 + 76, "the handle");

static int result_of(int r)
{
    return r < 0 ? -errno : r;
}

static int open_device(const char *folder, const char *name, int flags, const char **failed)
{
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_RDWR | O_CLOEXEC | flags);
    if (fd < 0)
        *failed = name;
    return fd;
}

// Kernels before 4.18 have no device for such memory: locked memory does, but for page migration.
void *xen_hypercall_buffer(const char *folder, size_t size)
{
    const char *failed;
    int fd = open_device(folder, "hypercall", 0, &failed);
    void *buffer = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE : MAP_SHARED, fd, 0);

    if (fd >= 0)
        close(fd);
    return buffer == MAP_FAILED ? NULL : buffer;
}

int xen_open_privcmd(const char *folder)
{
    const char *failed;
    int fd = open_device(folder, "privcmd", 0, &failed);

    return fd < 0 ? -errno : fd;
}

int xen_hypercall(int privcmd, uint64_t op, const uint64_t args[5])
{
    struct privcmd_hypercall call = { op, { args[0], args[1], args[2], args[3], args[4] } };

    return result_of(ioctl(privcmd, PRIVCMD_HYPERCALL, &call));
}

static void *unmap_failed(void *at, size_t size, int error)
{
    munmap(at, size);
    errno = error;
    return NULL;
}

void *xen_map_frames(int privcmd, unsigned domid, const uint64_t *frames, size_t count, bool writable)
{
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ, error = 0;
    int *errors = calloc(count, sizeof(*errors));
    void *at = errors ? mmap(NULL, count * XEN_PAGE_SIZE, protection, MAP_SHARED, privcmd, 0) : MAP_FAILED;
    struct privcmd_mmapbatch map = {
        .num = (uint32_t)count,
        .dom = (uint16_t)domid,
        .addr = (uintptr_t)at,
        .frames = (uintptr_t)frames,
        .errors = (uintptr_t)errors,
    };

    if (at == MAP_FAILED) {
        free(errors);
        return NULL;
    }
    if (ioctl(privcmd, PRIVCMD_MMAPBATCH_V2, &map))
        error = errno;
    for (size_t i = 0; i < count && !error; i++)
        error = -errors[i];
    free(errors);
    return error ? unmap_failed(at, count * XEN_PAGE_SIZE, error) : at;
}

void *xen_map_resource(int privcmd, unsigned domid, unsigned type, unsigned id, unsigned first, size_t count)
{
    void *at = mmap(NULL, count * XEN_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, privcmd, 0);
    struct privcmd_mmap_resource map = {
        .dom = (uint16_t)domid, .type = type, .id = id, .idx = first, .num = count, .addr = (uintptr_t)at,
    };

    if (at == MAP_FAILED)
        return NULL;
    return ioctl(privcmd, PRIVCMD_MMAP_RESOURCE, &map) ? unmap_failed(at, count * XEN_PAGE_SIZE, errno) : at;
}

int xen_open_ports(struct xen_devices *xen, const char *folder, const char **failed)
{
    xen->privcmd = xen->backend = -1;
    xen->evtchn = open_device(folder, "evtchn", O_NONBLOCK, failed);
    if (xen->evtchn < 0)
        return -errno;
    xen->gntdev = open_device(folder, "gntdev", 0, failed);
    return xen->gntdev < 0 ? -errno : 0;
}

int xen_open(struct xen_devices *xen, const char *folder, const char **failed)
{
    int rc = xen_open_ports(xen, folder, failed);

    if (rc)
        return rc;
    xen->privcmd = open_device(folder, "privcmd", 0, failed);
    xen->backend = xen->privcmd < 0 ? -1 : open_device(folder, "xenbus_backend", 0, failed);
    if (xen->backend < 0)
        return -errno;
    xen->buffer = xen_hypercall_buffer(folder, XEN_PAGE_SIZE);
    *failed = "hypercall";
    return xen->buffer ? 0 : -errno;
}

int xen_bind_virq(struct xen_devices *xen, unsigned virq)
{
    struct evtchn_virq bind = { virq };

    return result_of(ioctl(xen->evtchn, EVTCHN_BIND_VIRQ, &bind));
}

int xen_bind_interdomain(struct xen_devices *xen, unsigned domid, unsigned port)
{
    struct evtchn_interdomain bind = { domid, port };

    return result_of(ioctl(xen->evtchn, EVTCHN_BIND_INTERDOMAIN, &bind));
}

int xen_unbind(struct xen_devices *xen, unsigned port)
{
    struct evtchn_port unbind = { port };

    return result_of(ioctl(xen->evtchn, EVTCHN_UNBIND, &unbind));
}

int xen_notify(struct xen_devices *xen, unsigned port)
{
    struct evtchn_port notify = { port };

    return result_of(ioctl(xen->evtchn, EVTCHN_NOTIFY, &notify));
}

size_t xen_pending(struct xen_devices *xen, uint32_t *ports, size_t max)
{
    ssize_t size = read(xen->evtchn, ports, max * sizeof(ports[0]));

    return size < 0 ? 0 : (size_t)size / sizeof(ports[0]);
}

int xen_unmask(struct xen_devices *xen, uint32_t port)
{
    return write(xen->evtchn, &port, sizeof(port)) == sizeof(port) ? 0 : -errno;
}

void *xen_map_grant(struct xen_devices *xen, unsigned domid, uint32_t reference)
{
    struct gntdev_map map = { .count = 1, .domid = domid, .reference = reference };
    struct gntdev_unmap unmap = { .count = 1 };
    void *page;
    int error;

    if (ioctl(xen->gntdev, GNTDEV_MAP_GRANT_REF, &map))
        return NULL;
    page = mmap(NULL, XEN_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, xen->gntdev, (off_t)map.index);
    if (page != MAP_FAILED)
        return page;
    error = errno;
    unmap.index = map.index;
    (void)ioctl(xen->gntdev, GNTDEV_UNMAP_GRANT_REF, &unmap);
    errno = error;
    return NULL;
}

int xen_unmap_grant(struct xen_devices *xen, void *page)
{
    struct gntdev_offset where = { .address = (uintptr_t)page };
    struct gntdev_unmap unmap = { .count = 1 };

    if (ioctl(xen->gntdev, GNTDEV_GET_OFFSET, &where))
        return -errno;
    munmap(page, XEN_PAGE_SIZE);
    unmap.index = where.offset;
    return result_of(ioctl(xen->gntdev, GNTDEV_UNMAP_GRANT_REF, &unmap));
}

void *xen_map_xenbus(struct xen_devices *xen)
{
    void *page = mmap(NULL, XEN_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, xen->backend, 0);

    return page == MAP_FAILED ? NULL : page;
}

int xen_xenbus_port(struct xen_devices *xen)
{
    return result_of(ioctl(xen->backend, XENBUS_BACKEND_EVTCHN));
}

// The hypervisor answers for the next domain that there is.
int xen_domain_info(struct xen_devices *xen, unsigned domid, struct xen_domain_info *info)
{
    struct domctl_getdomaininfo *domctl = xen->buffer;
    struct privcmd_hypercall call = { __HYPERVISOR_domctl, { (uintptr_t)domctl } };

    memset(domctl, 0, sizeof(*domctl));
    domctl->cmd = DOMCTL_GETDOMAININFO;
    domctl->interface_version = DOMCTL_VERSION;
    domctl->domain = (uint16_t)domid;
    if (ioctl(xen->privcmd, PRIVCMD_HYPERCALL, &call) < 0)
        return -errno;
    if (domctl->info.domain != domid)
        return -ESRCH;
    info->flags = domctl->info.flags;
    memcpy(info->handle, domctl->info.handle, XEN_HANDLE_SIZE);
    return 0;
}
