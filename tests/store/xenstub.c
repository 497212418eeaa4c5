// SPDX-License-Identifier: MIT
// Lets Debian's xenstored and oxenstored run on a host without a hypervisor, as an oracle and as a
// reference of speed: preloaded, it answers their calls into libxenevtchn, libxengnttab and libxenctrl
// from a folder, $XENSTUB_DIR, laid out like vane-stored's own simulated host
// (xenstore-like/daemon/xen_sim.c):
//
//   evtchn        FIFO: 4-byte port numbers, written by guests, read by the daemon
//   ring.N        the ring page of domain N; the domain lives as long as this file exists
//   xsd_port      dom0's port as text, "0"
//   dom.N         FIFO: one byte each time the daemon notifies domain N
//
// A port of domain N is the number N. Nothing here may allocate per event.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <xenctrl.h>

#define MAX_DOMAINS 20000
#define PAGE 4096

typedef int evtchn_port_or_error_t;
// The libraries' own headers declare handles that are opaque to callers; here they are this pointer.
void *xenevtchn_open(void *logger, unsigned flags);
void *xenevtchn_fdopen(void *logger, int fd, unsigned flags);
int xenevtchn_close(void *handle);
int xenevtchn_fd(void *handle);
evtchn_port_or_error_t xenevtchn_bind_interdomain(void *handle, uint32_t domid, uint32_t port);
evtchn_port_or_error_t xenevtchn_bind_virq(void *handle, unsigned virq);
int xenevtchn_notify(void *handle, uint32_t port);
evtchn_port_or_error_t xenevtchn_pending(void *handle);
int xenevtchn_unbind(void *handle, uint32_t port);
int xenevtchn_unmask(void *handle, uint32_t port);
void *xengnttab_open(void *logger, unsigned flags);
int xengnttab_close(void *handle);
int xengnttab_set_max_grants(void *handle, uint32_t count);
void *xengnttab_map_grant_ref(void *handle, uint32_t domid, uint32_t ref, int prot);
int xengnttab_unmap(void *handle, void *address, uint32_t count);
void *xc_map_foreign_range(xc_interface *handle, uint32_t domid, int size, int prot, unsigned long mfn);

static int event_fd = -1;
static int notify_fds[MAX_DOMAINS];

static const char *path_of(const char *kind, int domid)
{
    static char path[512];
    const char *dir = getenv("XENSTUB_DIR");

    if (domid < 0)
        snprintf(path, sizeof(path), "%s/%s", dir ? dir : "/tmp", kind);
    else
        snprintf(path, sizeof(path), "%s/%s.%d", dir ? dir : "/tmp", kind, domid);
    return path;
}

// dom0's ring, which the kernel's xenbus offers in these files, is ring.0 and port 0.
static const char *replaced(const char *name)
{
    static const char *const rings[] = { "/dev/xen/xsd_kva", "/proc/xen/xsd_kva", "/dev/xen/xenbus_backend" };

    for (unsigned i = 0; i < sizeof(rings) / sizeof(rings[0]); i++)
        if (strcmp(name, rings[i]) == 0)
            return path_of("ring", 0);
    if (strcmp(name, "/proc/xen/xsd_port") == 0 || strcmp(name, "/dev/xen/xsd_port") == 0)
        return path_of("xsd_port", -1);
    return name;
}

int open(const char *name, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);
    return openat(AT_FDCWD, replaced(name), flags, mode);
}

// oxenstored has one place for its socket; it goes where xenstored can be told to have it.
int bind(int fd, const struct sockaddr *address, socklen_t size)
{
    struct sockaddr_un where = { .sun_family = AF_UNIX };
    const char *folder = getenv("XENSTORED_RUNDIR");

    if (address->sa_family != AF_UNIX || !folder)
        return (int)syscall(SYS_bind, fd, address, size);
    snprintf(where.sun_path, sizeof(where.sun_path), "%s/socket", folder);
    return (int)syscall(SYS_bind, fd, &where, sizeof(where));
}

// oxenstored wants more open files than this machine may allow, and ends if it cannot have them.
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    (void)resource;
    (void)limit;
    return 0;
}

static bool domain_lives(uint32_t domid)
{
    return domid == 0 || access(path_of("ring", (int)domid), F_OK) == 0;
}

void *xenevtchn_open(void *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    (void)mkfifo(path_of("evtchn", -1), 0600);
    event_fd = open(path_of("evtchn", -1), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return event_fd < 0 ? NULL : &event_fd;
}

void *xenevtchn_fdopen(void *logger, int fd, unsigned flags)
{
    (void)fd;
    return xenevtchn_open(logger, flags);
}

int xenevtchn_close(void *handle)
{
    (void)handle;
    return 0;
}

int xenevtchn_fd(void *handle)
{
    (void)handle;
    return event_fd;
}

evtchn_port_or_error_t xenevtchn_bind_interdomain(void *handle, uint32_t domid, uint32_t port)
{
    (void)handle;
    (void)port;
    if (domid >= MAX_DOMAINS) {
        errno = EINVAL;
        return -1;
    }
    return (int)domid;
}

evtchn_port_or_error_t xenevtchn_bind_virq(void *handle, unsigned virq)
{
    (void)handle;
    (void)virq;
    return MAX_DOMAINS;
}

int xenevtchn_notify(void *handle, uint32_t port)
{
    (void)handle;
    if (port >= MAX_DOMAINS)
        return -1;
    if (notify_fds[port] <= 0) {
        (void)mkfifo(path_of("dom", (int)port), 0600);
        notify_fds[port] = open(path_of("dom", (int)port), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    }
    if (notify_fds[port] > 0 && write(notify_fds[port], "", 1) < 0 && errno != EAGAIN)
        return -1;
    return 0;
}

evtchn_port_or_error_t xenevtchn_pending(void *handle)
{
    uint32_t port;

    (void)handle;
    return read(event_fd, &port, sizeof(port)) == sizeof(port) ? (int)port : -1;
}

int xenevtchn_unbind(void *handle, uint32_t port)
{
    (void)handle;
    if (port < MAX_DOMAINS && notify_fds[port] > 0) {
        close(notify_fds[port]);
        notify_fds[port] = 0;
    }
    return 0;
}

int xenevtchn_unmask(void *handle, uint32_t port)
{
    (void)handle;
    (void)port;
    return 0;
}

void *xengnttab_open(void *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    return &event_fd;
}

int xengnttab_close(void *handle)
{
    (void)handle;
    return 0;
}

int xengnttab_set_max_grants(void *handle, uint32_t count)
{
    (void)handle;
    (void)count;
    return 0;
}

void *xengnttab_map_grant_ref(void *handle, uint32_t domid, uint32_t ref, int prot)
{
    int fd = open(path_of("ring", (int)domid), O_RDWR | O_CLOEXEC);
    void *page;

    (void)handle;
    (void)ref;
    if (fd < 0)
        return NULL;
    page = mmap(NULL, PAGE, prot, MAP_SHARED, fd, 0);
    close(fd);
    return page == MAP_FAILED ? NULL : page;
}

int xengnttab_unmap(void *handle, void *address, uint32_t count)
{
    (void)handle;
    return munmap(address, (size_t)count * PAGE);
}

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild_logger,
                                unsigned flags)
{
    (void)logger;
    (void)dombuild_logger;
    (void)flags;
    return (xc_interface *)&event_fd;
}

int xc_interface_close(xc_interface *handle)
{
    (void)handle;
    return 0;
}

void *xc_map_foreign_range(xc_interface *handle, uint32_t domid, int size, int prot,
                           unsigned long mfn)
{
    (void)handle;
    (void)size;
    (void)mfn;
    return xengnttab_map_grant_ref(NULL, domid, 0, prot);
}

// Both answer for one domain: the first that lives, from the one asked for upwards.
int xc_domain_getinfo(xc_interface *handle, uint32_t first, unsigned max, xc_dominfo_t *info)
{
    (void)handle;
    for (; max && first < MAX_DOMAINS; first++)
        if (domain_lives(first)) {
            memset(info, 0, sizeof(*info));
            info->domid = first;
            info->running = 1;
            return 1;
        }
    return 0;
}

int xc_domain_getinfolist(xc_interface *handle, uint32_t first, unsigned max, xc_domaininfo_t *info)
{
    (void)handle;
    for (; max && first < MAX_DOMAINS; first++)
        if (domain_lives(first)) {
            memset(info, 0, sizeof(*info));
            info->domain = (domid_t)first;
            info->flags = XEN_DOMINF_running;
            return 1;
        }
    return 0;
}
