// SPDX-License-Identifier: MIT
// Domains that the store talks to: from INTRODUCE to RELEASE or their end.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "persist.h"

struct domain *domain_new(struct server *s, uint16_t domid)
{
    struct domain *d = mem_zalloc(sizeof(*d));

    d->domid = domid;
    d->conn = conn_new(&ring_transport, &s->rings, domid);
    d->conn->is_ring = true;
    s->domains[domid] = d;
    return d;
}

void domain_free(struct server *s, struct domain *d)
{
    conn_free(s, d->conn);
    s->domains[d->domid] = NULL;
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

// Maps the ring and binds the port; the rest of the domain is as it was.
static int connect_ring(struct server *s, struct domain *d)
{
    struct conn *c = d->conn;
    int64_t port;

    if (!s->host)
        return -ENODEV;
    c->page = s->host->map(s->host, d->domid);
    if (!c->page)
        return -errno;
    port = s->host->bind(s->host, d->domid, d->remote_port);
    if (port < 0) {
        s->host->unmap(s->host, c->page);
        c->page = NULL;
        return (int)port;
    }
    set_port(s, c, (uint32_t)port);
    return 0;
}

// Introduced again, a domain has begun anew, as after a restore: with another port, and nothing asked.
static int introduce_again(struct server *s, struct domain *d, uint32_t port)
{
    struct conn *c = d->conn;
    int64_t local = s->host->bind(s->host, d->domid, port);

    if (local < 0)
        return (int)local;
    s->host->unbind(s->host, c->port);
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
    uint8_t handle[HANDLE_SIZE];
    struct domain *d = s->domains[domid];
    int rc;

    if (!s->host)
        return -ENODEV;
    if (s->host->life(s->host, domid, handle) == DOMAIN_GONE)
        return -ENOENT;
    if (d)
        return introduce_again(s, d, port);
    d = domain_new(s, domid);
    d->remote_port = port;
    memcpy(d->handle, handle, HANDLE_SIZE);
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
    s->host->notify(s->host, d->conn->port);
    fire_special(fire, SPECIAL_INTRODUCE, domid);
    return 0;
}

bool domain_adopt(struct server *s, struct domain *d)
{
    uint8_t handle[HANDLE_SIZE];
    int rc;

    if (!s->host || s->host->life(s->host, d->domid, handle) == DOMAIN_GONE ||
        memcmp(handle, d->handle, HANDLE_SIZE) != 0)
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
    s->host->notify(s->host, d->conn->port);
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
    uint8_t handle[HANDLE_SIZE];
    uint16_t domid = d->domid;

    switch (s->host->life(s->host, domid, handle)) {
    case DOMAIN_RUNS:
        return;
    case DOMAIN_GONE:
        domain_release(s, &fire, domid);
        break;
    case DOMAIN_IS_SHUT_DOWN:
        if (d->told_shutdown)
            return;
        d->told_shutdown = true;
        persist_domain(s, d);
        fire_special(&fire, SPECIAL_RELEASE, domid);
        break;
    }
    server_commit(s);
}

void domains_check(struct server *s)
{
    for (unsigned domid = 1; domid <= MAX_DOMID; domid++)
        if (s->domains[domid])
            check(s, s->domains[domid]);
}
