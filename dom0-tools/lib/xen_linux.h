// SPDX-License-Identifier: MIT
// The hypervisor as Linux offers it to programs of the control domain, in /dev/xen: event channels,
// foreign pages by grant, and hypercalls. The only ioctls of the tools are in xen_linux.c. Functions
// return 0 (or what they are for), or a negative errno; they log nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { XEN_PAGE_SIZE = 4096, XEN_HANDLE_SIZE = 16 };

struct xen_devices {
    int evtchn, gntdev, privcmd, backend;
    void *buffer;               // one page that a hypercall may use: it stays in memory
};

enum { XEN_DOMAIN_DYING = 1, XEN_DOMAIN_SHUT_DOWN = 4 };

struct xen_domain_info {
    uint32_t flags;
    uint8_t handle[XEN_HANDLE_SIZE];
};

// The hypercall device alone, and locked memory that hypercalls may use: what a toolstack needs.
// xen_hypercall() gives the hypercall's result; Xen's error numbers are Linux'.
int xen_open_privcmd(const char *folder);
void *xen_hypercall_buffer(const char *folder, size_t size);
int xen_hypercall(int privcmd, uint64_t op, const uint64_t args[5]);

// Frames of a domain (machine frames, of a PV domain) side by side in our memory, or `count` frames of one
// of its resources (XENMEM_resource_*) from `first` on; munmap() ends it. NULL with errno.
void *xen_map_frames(int privcmd, unsigned domid, const uint64_t *frames, size_t count, bool writable);
void *xen_map_resource(int privcmd, unsigned domid, unsigned type, unsigned id, unsigned first, size_t count);

// Ports and grants alone (`backend` and `privcmd` are -1), or all devices in a folder (/dev/xen). On failure *failed is the name of the one that it was.
int xen_open_ports(struct xen_devices *xen, const char *folder, const char **failed);
int xen_open(struct xen_devices *xen, const char *folder, const char **failed);

// The ioctls of all that follows, but for what is had once: a virtual interrupt, the kernel's own port.
enum { XEN_NR_REQUESTS = 7 };
extern const unsigned long xen_requests[XEN_NR_REQUESTS];

// Local ports.
int xen_bind_virq(struct xen_devices *xen, unsigned virq);
int xen_bind_interdomain(struct xen_devices *xen, unsigned domid, unsigned port);
int xen_unbind(struct xen_devices *xen, unsigned port);
int xen_notify(struct xen_devices *xen, unsigned port);
// Ports that are pending and masked from now on, until they are unmasked.
size_t xen_pending(struct xen_devices *xen, uint32_t *ports, size_t max);
int xen_unmask(struct xen_devices *xen, uint32_t port);

// A page that a domain grants; NULL with errno.
void *xen_map_grant(struct xen_devices *xen, unsigned domid, uint32_t reference);
int xen_unmap_grant(struct xen_devices *xen, void *page);

// The page and the port of the kernel's own connection to the store.
void *xen_map_xenbus(struct xen_devices *xen);
int xen_xenbus_port(struct xen_devices *xen);

// -ESRCH if there is no such domain.
int xen_domain_info(struct xen_devices *xen, unsigned domid, struct xen_domain_info *info);
