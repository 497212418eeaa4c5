// SPDX-License-Identifier: MIT
// Each position is read once; ours are kept by the ring too, and so checked like the guest's.
#include "console.h"

#include <errno.h>

#include "public/grant_table.h"
#include "public/io/console.h"

static uint32_t load(const uint32_t *position)
{
    return __atomic_load_n(position, __ATOMIC_ACQUIRE);     // pairs with the other end's store after its bytes
}

static void store(uint32_t *position, uint32_t value)
{
    __atomic_store_n(position, value, __ATOMIC_RELEASE);    // pairs with the other end's load before its bytes
}

bool console_take(struct xencons_interface *ring, char *text, size_t size, size_t *length)
{
    uint32_t from = load(&ring->out_cons), to = load(&ring->out_prod), room = sizeof(ring->out);

    *length = 0;
    if (to - from > room)
        return false;
    for (; from != to && *length < size; from++)
        text[(*length)++] = ring->out[from % room];
    store(&ring->out_cons, from);
    return true;
}

bool console_give(struct xencons_interface *ring, const char *text, size_t size, size_t *length)
{
    uint32_t from = load(&ring->in_cons), to = load(&ring->in_prod), room = sizeof(ring->in);

    *length = 0;
    if (to - from > room)
        return false;
    for (; to - from < room && *length < size; to++)
        ring->in[to % room] = text[(*length)++];
    store(&ring->in_prod, to);
    return true;
}

int console_open(struct console_end *console, struct xen_devices *xen, unsigned domid, uint32_t remote_port,
                 struct vane_error *error)
{
    int port;

    console->domid = domid;
    console->ring = xen_map_grant(xen, domid, GNTTAB_RESERVED_CONSOLE);
    if (!console->ring)
        return vane_fail_errno(error, errno, "mapping the console of domain %u", domid);
    port = xen_bind_interdomain(xen, domid, remote_port);
    if (port < 0) {
        (void)xen_unmap_grant(xen, console->ring);
        return vane_fail_errno(error, port, "binding the console's port %u of domain %u", remote_port, domid);
    }
    console->port = (uint32_t)port;
    return 0;
}

void console_close(struct console_end *console, struct xen_devices *xen)
{
    (void)xen_unbind(xen, console->port);                   // both are gone already where the domain is
    (void)xen_unmap_grant(xen, console->ring);
}

static int done(struct console_end *console, struct xen_devices *xen, bool sane, size_t length, struct vane_error *error)
{
    if (!sane)
        return vane_fail(error, VANE_INVALID, "the console of domain %u has more bytes in its ring than fit: it is not used any "
                         "more, restart the guest", console->domid);
    if (length)
        (void)xen_notify(xen, console->port);               // nobody to tell is no failure
    return 0;
}

int console_read(struct console_end *console, struct xen_devices *xen, char *text, size_t size, size_t *length,
                 struct vane_error *error)
{
    bool sane = console_take(console->ring, text, size, length);

    return done(console, xen, sane, *length, error);
}

int console_write(struct console_end *console, struct xen_devices *xen, const char *text, size_t size, size_t *length,
                  struct vane_error *error)
{
    bool sane = console_give(console->ring, text, size, length);

    return done(console, xen, sane, *length, error);
}
