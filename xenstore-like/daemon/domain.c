// SPDX-License-Identifier: MIT
// Domains that the store talks to: from INTRODUCE to RELEASE or their end.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "persist.h"
#include "public/grant_table.h"

struct domain *domain_new(struct server *s, uint16_t domid)
{
    struct domain *d = mem_zalloc(sizeof(*d));

    d->domid = domid;
    d->conn = conn_new(&ring_transport, &s->rings, domid);
    d->conn->is_ring = true;
    s->domains[domid] = d;
    s->nr_domains++;
    return d;
}

void domain_free(struct server *s, struct domain *d)
{
    conn_free(s, d->conn);
    s->domains[d->domid] = NULL;
    s->nr_domains--;
    free(d);
}

static void set_port(struct server *s, struct conn *c, uint32_t port)
{
    size_t count = s->nr_ports;

    if (port >= count) {
        s->nr_ports = port < 1024 ? 1024 : port * 2;
        s->ports = mem_realloc(s->ports, s->nr_ports * sizeof(s->ports[0]));
        memset(s->ports + count, 0, (s->nr_ports - count) * sizeof(s->ports[0]));
    }
    s->ports[port] = c;
    c->port = port;
}

// Its ring and port; if one of them cannot be had the domain is of no use.
static int connect_ring(struct server *s, struct domain *d)
{
    struct conn *c = d->conn;
    int port;

    c->page = d->domid ? xen_map_grant(&s->xen, d->domid, GNTTAB_RESERVED_XENSTORE) : xen_map_xenbus(&s->xen);
    if (!c->page)
        return -errno;
    port = xen_bind_interdomain(&s->xen, d->domid, d->remote_port);
    if (port < 0)
        return port;
    set_port(s, c, (uint32_t)port);
    return 0;
}

// Whether a domain lives, and what is known of it. The control domain is the one that asks: it lives.
static bool is_alive(struct server *s, uint16_t domid, struct xen_domain_info *info)
{
    *info = (struct xen_domain_info){ 0 };
    return domid == 0 || (xen_domain_info(&s->xen, domid, info) == 0 && !(info->flags & XEN_DOMAIN_DYING));
}

// Introduced again, a domain has begun anew, as after a restore: with another port, and nothing asked.
static int introduce_again(struct server *s, struct domain *d, uint32_t port)
{
    struct conn *c = d->conn;
    int local = xen_bind_interdomain(&s->xen, d->domid, port);

    if (local < 0)
        return local;
    (void)xen_unbind(&s->xen, c->port);
    s->ports[c->port] = NULL;
    set_port(s, c, (uint32_t)local);
    d->remote_port = port;
    d->told_shutdown = false;
    persist_domain(s, d);
    ring_restart(s, c);
    return 0;
}

int domain_introduce(struct server *s, const struct fire *fire, uint16_t domid, uint32_t port)
{
    struct domain *d = s->domains[domid];
    struct xen_domain_info info;
    int rc;

    if (!s->has_xen)
        return -ENODEV;
    if (!is_alive(s, domid, &info))
        return -ENOENT;
    if (d)
        return introduce_again(s, d, port);
    d = domain_new(s, domid);
    d->remote_port = port;
    memcpy(d->handle, info.handle, XEN_HANDLE_SIZE);
    rc = connect_ring(s, d);
    if (rc) {
        domain_free(s, d);
        return rc;
    }
    persist_domain(s, d);
    ring_restart(s, d->conn);
    ring_offer(d->conn);
    conn_ready(s, d->conn);
    // dom0's kernel waits for this before it uses its ring.
    (void)xen_notify(&s->xen, d->conn->port);
    fire_special(fire, SPECIAL_INTRODUCE, domid);
    return 0;
}

static bool adopt(struct server *s, struct domain *d)
{
    struct xen_domain_info info;
    int rc;

    if (!is_alive(s, d->domid, &info) || memcmp(info.handle, d->handle, XEN_HANDLE_SIZE) != 0)
        return false;
    rc = connect_ring(s, d);
    if (rc) {
        log_line("domain %u is there, its ring is not (%s): it is released", d->domid, strerror(-rc));
        return false;
    }
    if (!ring_resume(d->conn)) {
        ring_break(s, d->conn, XENSTORE_ERROR_RINGIDX, "its ring's positions are not those left there");
        return true;
    }
    ring_offer(d->conn);
    conn_ready(s, d->conn);
    // What the domain was to be told may have been lost with the daemon before.
    (void)xen_notify(&s->xen, d->conn->port);
    return true;
}

// What it owned goes with it, and what it was allowed.
void domain_release(struct server *s, const struct fire *fire, uint16_t domid)
{
    struct told told = { 0 };
    struct view view;

    domain_free(s, s->domains[domid]);
    view_open(&view, &s->store, &persist_hooks);
    view_remove_owned(&view, domid, &told);
    view_publish(&view);
    fire_told(fire, &told, true);
    perms_domain_ended(&s->store.ends, domid);
    persist_ended(s, domid);
    quota_forget(&s->store.quotas, domid);
    fire_special(fire, SPECIAL_RELEASE, domid);
}

static void check(struct server *s, struct domain *d)
{
    struct fire fire = { .s = s };
    struct xen_domain_info info;
    uint16_t domid = d->domid;

    if (!is_alive(s, domid, &info)) {
        domain_release(s, &fire, domid);
    } else if ((info.flags & XEN_DOMAIN_SHUT_DOWN) && !d->told_shutdown) {
        d->told_shutdown = true;
        persist_domain(s, d);
        fire_special(&fire, SPECIAL_RELEASE, domid);
    }
    server_commit(s);
}

void domains_adopt(struct server *s)
{
    struct fire fire = { .s = s };

    for (unsigned domid = 0; domid < NO_DOMID; domid++)
        if (s->domains[domid] && !adopt(s, s->domains[domid]))
            domain_release(s, &fire, (uint16_t)domid);
    server_commit(s);
}

void domains_check(struct server *s)
{
    size_t left = s->nr_domains;

    for (unsigned domid = 0; left; domid++) {
        struct domain *d = s->domains[domid];

        left -= d ? 1 : 0;
        if (d && domid)
            check(s, d);
    }
}
