// SPDX-License-Identifier: MIT
// What the store needs of the hypervisor: pages, event channels, and whether domains live. host_xen.c
// asks Linux' /dev/xen; tests link another, over a folder of files (tests/store/host_sim.c).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "public/io/xs_wire.h"

// The port that tells of a domain's end or shutdown.
#define PORT_DOMAINS UINT32_MAX

enum { HANDLE_SIZE = 16 };

enum domain_life { DOMAIN_GONE, DOMAIN_RUNS, DOMAIN_IS_SHUT_DOWN };

struct host {
    // A descriptor that is readable when events are pending.
    int fd;
    // The ring page of a domain (the kernel's own for domain 0), or NULL with errno.
    struct xenstore_domain_interface *(*map)(struct host *host, uint16_t domid);
    void (*unmap)(struct host *host, struct xenstore_domain_interface *page);
    // A local port bound to a domain's, or a negative errno.
    int64_t (*bind)(struct host *host, uint16_t domid, uint32_t remote_port);
    void (*unbind)(struct host *host, uint32_t port);
    void (*notify)(struct host *host, uint32_t port);
    // Which ports are pending: at most `max`, which stay quiet until taken note of. Returns how many.
    size_t (*pending)(struct host *host, uint32_t *ports, size_t max);
    void (*unmask)(struct host *host, uint32_t port);
    // Whether a domain lives, and what makes it this one among all that had its number.
    enum domain_life (*life)(struct host *host, uint16_t domid, uint8_t handle[HANDLE_SIZE]);
    // The port of domain 0's kernel, or a negative errno.
    int64_t (*dom0_port)(struct host *host);
};

// `folder` is where the devices are. NULL with errno if there is no hypervisor.
struct host *host_open(const char *folder);
