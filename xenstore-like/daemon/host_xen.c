// SPDX-License-Identifier: MIT
// The host interface over the hypervisor's devices.
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "buf.h"
#include "dom0-tools/lib/xen_linux.h"
#include "host.h"
#include "log.h"
#include "public/grant_table.h"
#include "public/xen.h"

_Static_assert((int)HANDLE_SIZE == (int)XEN_HANDLE_SIZE, "a domain's handle");

struct xen_host {
    struct host host;
    struct xen_devices xen;
    uint32_t virq_port;
    void *dom0_page;
};

static struct xen_devices *xen_of(struct host *host)
{
    return &((struct xen_host *)host)->xen;
}

static struct xenstore_domain_interface *host_map(struct host *host, uint16_t domid)
{
    struct xen_host *x = (struct xen_host *)host;

    if (domid)
        return xen_map_grant(&x->xen, domid, GNTTAB_RESERVED_XENSTORE);
    x->dom0_page = xen_map_xenbus(&x->xen);
    return x->dom0_page;
}

static void host_unmap(struct host *host, struct xenstore_domain_interface *page)
{
    int rc = 0;

    if (page == ((struct xen_host *)host)->dom0_page)
        munmap(page, XEN_PAGE_SIZE);
    else
        rc = xen_unmap_grant(xen_of(host), page);
    if (rc)
        log_line("a ring page could not be given back: %s", strerror(-rc));
}

static int64_t host_bind(struct host *host, uint16_t domid, uint32_t remote_port)
{
    return xen_bind_interdomain(xen_of(host), domid, remote_port);
}

static void host_unbind(struct host *host, uint32_t port)
{
    (void)xen_unbind(xen_of(host), port);
}

// It fails when the domain has just ended, which is told by other means.
static void host_notify(struct host *host, uint32_t port)
{
    (void)xen_notify(xen_of(host), port);
}

static size_t host_pending(struct host *host, uint32_t *ports, size_t max)
{
    struct xen_host *x = (struct xen_host *)host;
    size_t count = xen_pending(&x->xen, ports, max);

    for (size_t i = 0; i < count; i++)
        if (ports[i] == x->virq_port)
            ports[i] = PORT_DOMAINS;
    return count;
}

static void host_unmask(struct host *host, uint32_t port)
{
    (void)xen_unmask(xen_of(host), port == PORT_DOMAINS ? ((struct xen_host *)host)->virq_port : port);
}

static enum domain_life host_life(struct host *host, uint16_t domid, uint8_t handle[HANDLE_SIZE])
{
    struct xen_domain_info info = { 0 };

    // The control domain is the one that asks: it lives.
    if (domid && (xen_domain_info(xen_of(host), domid, &info) || (info.flags & XEN_DOMAIN_DYING)))
        return DOMAIN_GONE;
    memcpy(handle, info.handle, HANDLE_SIZE);
    return info.flags & XEN_DOMAIN_SHUT_DOWN ? DOMAIN_IS_SHUT_DOWN : DOMAIN_RUNS;
}

static int64_t host_dom0_port(struct host *host)
{
    return xen_xenbus_port(xen_of(host));
}

struct host *host_open(const char *folder)
{
    struct xen_host *x = mem_zalloc(sizeof(*x));
    const char *failed;
    int rc = xen_open(&x->xen, folder, &failed);

    if (rc) {
        log_line("%s/%s cannot be used: %s", folder, failed, strerror(-rc));
        errno = -rc;
        return NULL;
    }
    rc = xen_bind_virq(&x->xen, VIRQ_DOM_EXC);
    if (rc < 0)
        log_fatal("the end of domains will not be told (VIRQ_DOM_EXC: %s): does another store run?",
                  strerror(-rc));
    x->virq_port = (uint32_t)rc;
    x->host = (struct host){ x->xen.evtchn, host_map, host_unmap, host_bind, host_unbind, host_notify,
                             host_pending, host_unmask, host_life, host_dom0_port };
    return &x->host;
}
