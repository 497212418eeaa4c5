// SPDX-License-Identifier: MIT
// The transport over the page that a domain shares. All in it may change at any time: positions are read
// once, bytes are copied once, and only copies are looked at. Of the page's own positions the daemon
// believes those that the domain moves (req_prod, rsp_cons); its own (req_cons, rsp_prod) it keeps.
//
// What a domain has put into its ring is always taken: Linux notifies only of bytes that it puts into a ring which it
// finds empty, and a header goes in before its payload. Taking a whole request, what it does and its reply are one group of
// the journal. Of one that is not there whole each part goes into the journal before its place is given back.
#include <string.h>
#include <sys/mman.h>

#include "log.h"
#include "persist.h"

#define FEATURES (XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR | FEATURE_WATCH_DEPTH)
#define FEATURE_WATCH_DEPTH 4

enum { ROOM_FOR_REPLY = 16 << 10 };

static uint32_t load(const uint32_t *field)
{
    return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

// Full order: the other side sees what was stored before, and what is loaded after this is not older. Pairs
// with the guest's barrier between its store of a position and its notification.
static void publish(uint32_t *field, uint32_t value)
{
    __atomic_store_n(field, value, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static uint32_t sent_pos(const struct conn *c)
{
    return c->out_pos - (uint32_t)c->out_told;
}

void ring_offer(struct conn *c)
{
    publish(&c->page->error, XENSTORE_ERROR_NONE);
    publish(&c->page->server_features, FEATURES);
}

// The ring as it is found is empty, wherever its positions are.
void ring_restart(struct server *s, struct conn *c)
{
    conn_restart(s, c, load(&c->page->req_cons), load(&c->page->rsp_prod));
    persist_numbers(s, R_RESTART, c, c->in_pos, c->out_pos);
}

// After a restart of the daemon: what the journal has is true, and the ring may be behind it.
bool ring_resume(struct conn *c)
{
    uint32_t unsent = c->out_pos - load(&c->page->rsp_prod);

    if (unsent > c->out.length || c->in_pos - load(&c->page->req_cons) > XENSTORE_RING_SIZE)
        return false;
    buf_consume(&c->out, c->out.length - unsent);
    c->out_told = c->out.length;
    publish(&c->page->req_cons, c->in_pos);
    return true;
}

void ring_break(struct server *s, struct conn *c, uint32_t error, const char *why)
{
    log_line("domain %u is not served any more: %s", c->who.domid, why);
    conn_restart(s, c, c->in_pos, c->out_pos);
    persist_numbers(s, R_RESTART, c, c->in_pos, c->out_pos);
    c->is_broken = true;
    publish(&c->page->error, error);
    (void)xen_notify(&s->xen, c->port);
    server_commit(s);
}

// The domain asked to begin anew.
static void reconnect(struct server *s, struct conn *c)
{
    conn_restart(s, c, load(&c->page->req_prod), load(&c->page->rsp_cons));
    persist_numbers(s, R_RESTART, c, c->in_pos, c->out_pos);
    server_commit(s);
    publish(&c->page->req_cons, c->in_pos);
    publish(&c->page->rsp_prod, c->out_pos);
    publish(&c->page->error, XENSTORE_ERROR_NONE);
    publish(&c->page->connection, XENSTORE_CONNECTED);
    (void)xen_notify(&s->xen, c->port);
}

static void copy_out(const struct conn *c, uint32_t pos, uint8_t *to, size_t size)
{
    size_t at = MASK_XENSTORE_IDX(pos), left = XENSTORE_RING_SIZE - at, first = size < left ? size : left;

    memcpy(to, c->page->req + at, first);
    memcpy(to + first, c->page->req, size - first);
}

static void copy_in(const struct conn *c, uint32_t pos, const uint8_t *from, size_t size)
{
    size_t at = MASK_XENSTORE_IDX(pos), left = XENSTORE_RING_SIZE - at, first = size < left ? size : left;

    memcpy(c->page->rsp + at, from, first);
    memcpy(c->page->rsp, from + first, size - first);
}

// Puts what fits of `out` into the ring. Returns whether anything moved, or -1 if the ring is wrong.
static int give(struct conn *c)
{
    uint32_t pos = sent_pos(c), used = pos - load(&c->page->rsp_cons);
    size_t size;

    if (used > XENSTORE_RING_SIZE)
        return -1;
    size = XENSTORE_RING_SIZE - used;
    if (size > c->out_told)
        size = c->out_told;
    if (size == 0)
        return 0;
    copy_in(c, pos, c->out.bytes, size);
    publish(&c->page->rsp_prod, pos + (uint32_t)size);
    buf_consume(&c->out, size);
    c->out_told -= size;
    return 1;
}

// Takes a part of a request.
static void take_part(struct server *s, struct conn *c, size_t size)
{
    copy_out(c, c->in_pos, buf_reserve(&c->in, size), size);
    c->in.length += size;
    c->in_pos += (uint32_t)size;
    persist_bytes(s, R_PART, c, c->in.bytes + c->in.length - size, size);
    server_commit(s);
    publish(&c->page->req_cons, c->in_pos);
}

// Takes and handles one request. Returns whether anything moved, or -1 if the ring is wrong.
static int take(struct server *s, struct conn *c)
{
    uint8_t bytes[WIRE_MAX + 1];
    size_t had = c->in.length;
    uint32_t there = load(&c->page->req_prod) - c->in_pos;
    struct message m;
    int size;

    if (there > XENSTORE_RING_SIZE)
        return -1;
    if (there == 0)
        return 0;
    if (had)
        memcpy(bytes, c->in.bytes, had);
    if (there > WIRE_MAX - had)
        there = (uint32_t)(WIRE_MAX - had);
    copy_out(c, c->in_pos, bytes + had, there);
    size = wire_size(bytes, had + there);
    if (size < 0)
        return -1;
    // It and its reply must go into the journal: without room there it stays where it is.
    if (persist_room(s, ROOM_FOR_REPLY)) {
        server_look_later(s);
        return 0;
    }
    if (size == 0 || (size_t)size > had + there) {
        take_part(s, c, there);
        return 1;
    }
    memcpy(&m.header, bytes, sizeof(m.header));
    bytes[size] = '\0';
    m.payload = (const char *)bytes + sizeof(m.header);
    c->in.length = 0;
    c->in_pos += (uint32_t)((size_t)size - had);
    request_handle(s, c, &m);
    publish(&c->page->req_cons, c->in_pos);
    return 1;
}

static int turn(struct server *s, struct conn *c)
{
    bool moved = false;
    int rc = 1;

    if (load(&c->page->connection) == XENSTORE_RECONNECT)
        reconnect(s, c);
    if (c->is_broken)
        return 0;
    for (int i = 0; i < REQUESTS_PER_TURN && rc > 0; i++) {
        rc = give(c);
        moved = moved || rc > 0;
        if (rc >= 0 && c->nr_missed && c->out.length == 0)
            conn_send_missed(s, c);
        if (rc < 0 || c->out.length > MAX_UNSENT_REPLIES)
            break;
        rc = take(s, c);
        moved = moved || rc > 0;
    }
    if (rc < 0) {
        ring_break(s, c, XENSTORE_ERROR_PROTO, "a position or a length in its ring is impossible");
        return 0;
    }
    // The domain notifies once it has made room or a request. Linux decides that without a barrier: very rarely it sees an
    // old position of ours and stays silent.
    if (give(c) > 0 || moved) {
        (void)xen_notify(&s->xen, c->port);
        server_look_later(s);
    }
    return rc > 0;
}

static void ring_close(struct server *s, struct conn *c)
{
    int rc = 0;

    if (c->port) {
        s->ports[c->port] = NULL;
        (void)xen_unbind(&s->xen, c->port);
    }
    if (c->page && c->who.domid == 0)
        munmap(c->page, XEN_PAGE_SIZE);
    else if (c->page)
        rc = xen_unmap_grant(&s->xen, c->page);
    if (rc)
        log_line("the ring page of domain %u could not be given back: %s", c->who.domid, strerror(-rc));
}

const struct transport ring_transport = { "ring", turn, ring_close };
