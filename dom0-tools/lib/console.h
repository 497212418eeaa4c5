// SPDX-License-Identifier: MIT
// Our end of a guest's console: for a daemon that looks after it in place of xenconsoled (domain_config.console_type).
//
// The ring is the guest's memory: positions that make no sense close the console, and say so once.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "xen_linux.h"

struct xencons_interface;

struct console_end {
    struct xencons_interface *ring;
    unsigned domid;
    uint32_t port;                  // ours; pending in xen_pending() when the guest has written or read
};

// The guest's page comes by its reserved grant, `remote_port` is built.console_port or the store's console/port.
// Needs xen->evtchn and xen->gntdev.
int console_open(struct console_end *console, struct xen_devices *xen, unsigned domid, uint32_t remote_port,
                 struct vane_error *error);
void console_close(struct console_end *console, struct xen_devices *xen);

// Takes up to `size` bytes that the guest wrote; 0 is none. The guest is notified that there is room.
int console_read(struct console_end *console, struct xen_devices *xen, char *text, size_t size, size_t *length,
                 struct vane_error *error);
// Gives the guest bytes to read, as many as there is room for.
int console_write(struct console_end *console, struct xen_devices *xen, const char *text, size_t size, size_t *length,
                  struct vane_error *error);

// The same on the ring alone; false: its positions make no sense.
bool console_take(struct xencons_interface *ring, char *text, size_t size, size_t *length);
bool console_give(struct xencons_interface *ring, const char *text, size_t size, size_t *length);
