// SPDX-License-Identifier: MIT
// Connections: queues between the event loop, the journal and the transports.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "persist.h"

enum { LOOK_SECONDS = 2 };

void server_init(struct server *s)
{
    static const struct perm dom0_only = { 0, 0 };

    store_init(&s->store);
    watch_tree_init(&s->watches);
    for (int i = 0; i < 2; i++)
        s->special[i] = perms_new(&dom0_only, 1, 0);
    s->last_ready = &s->ready;
    s->epoll = s->listener = s->journal.fd = -1;
}

struct conn *conn_new(const struct transport *transport, struct conn **list, uint16_t domid)
{
    struct conn *c = mem_zalloc(sizeof(*c));

    c->transport = transport;
    c->who = (struct subject){ domid, NO_DOMID };
    c->fd = -1;
    c->next_txn = 1;
    c->next = *list;
    c->link = list;
    if (c->next)
        c->next->link = &c->next;
    *list = c;
    return c;
}

struct txn *conn_add_txn(struct server *s, struct conn *c, uint32_t id)
{
    struct txn *txn = txn_start(&s->store, id);

    txn->next = c->txns;
    c->txns = txn;
    c->next_txn = id == UINT32_MAX ? 1 : id + 1;
    quota_account(&s->store.quotas, c->who.domid)->transactions++;
    return txn;
}

void conn_drop_txn(struct server *s, struct conn *c, struct txn *txn)
{
    struct txn **at = &c->txns;

    while (*at != txn)
        at = &(*at)->next;
    *at = txn->next;
    quota_account(&s->store.quotas, c->who.domid)->transactions--;
    txn_drop(txn);
}

void conn_unwatch(struct server *s, struct conn *c, struct watch *watch)
{
    c->nr_missed -= watch->missed;
    watch_remove(&s->watches, watch);
    quota_account(&s->store.quotas, c->who.domid)->watches--;
}

void conn_reset(struct server *s, struct conn *c)
{
    while (c->watches)
        conn_unwatch(s, c, c->watches);
    while (c->txns)
        conn_drop_txn(s, c, c->txns);
}

static void forget_dirty(struct server *s, struct conn *c)
{
    struct conn **dirty = (struct conn **)(void *)s->dirty.bytes;

    for (size_t i = 0; c->is_dirty && i < s->dirty.length / sizeof(c); i++)
        if (dirty[i] == c)
            dirty[i] = NULL;
}

static void forget_ready(struct server *s, struct conn *c)
{
    struct conn **at = &s->ready;

    if (!c->is_ready)
        return;
    while (*at != c)
        at = &(*at)->next_ready;
    *at = c->next_ready;
    if (!*at)
        s->last_ready = at;
}

void conn_free(struct server *s, struct conn *c)
{
    conn_reset(s, c);
    forget_dirty(s, c);
    forget_ready(s, c);
    c->transport->close(s, c);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    buf_free(&c->in);
    buf_free(&c->out);
    free(c);
}

void conn_ready(struct server *s, struct conn *c)
{
    if (c->is_ready)
        return;
    c->is_ready = true;
    c->next_ready = NULL;
    *s->last_ready = c;
    s->last_ready = &c->next_ready;
}

struct txn *conn_txn(struct conn *c, uint32_t id)
{
    struct txn *txn = c->txns;

    while (txn && txn->id != id)
        txn = txn->next;
    return txn;
}

void conn_dirty(struct server *s, struct conn *c)
{
    if (c->is_dirty)
        return;
    c->is_dirty = true;
    buf_append(&s->dirty, &c, sizeof(c));
}

void conn_send_missed(struct server *s, struct conn *c)
{
    struct fire fire = { .s = s };

    for (struct watch *watch = c->watches; watch && c->nr_missed; watch = watch->next) {
        if (!watch->missed)
            continue;
        watch->missed = false;
        c->nr_missed--;
        fire_watch(&fire, watch, watch->path);
        if (watch->missed)
            break;
        persist_watch(s, c, watch);
    }
    server_commit(s);
}

void server_commit(struct server *s)
{
    struct conn **dirty = (struct conn **)(void *)s->dirty.bytes;
    size_t count = s->dirty.length / sizeof(dirty[0]);

    for (size_t i = 0; i < count; i++) {
        if (!dirty[i])
            continue;
        dirty[i]->is_dirty = false;
        if (dirty[i]->is_ring)
            persist_out(s, dirty[i]);
        conn_ready(s, dirty[i]);
    }
    s->dirty.length = 0;
    persist_commit(s);
}

void server_look_later(struct server *s)
{
    if (!s->look_at)
        s->look_at = time(NULL) + LOOK_SECONDS;
}

int server_look(struct server *s)
{
    time_t left = s->look_at - time(NULL);

    if (!s->look_at)
        return -1;
    if (left > 0 && left <= LOOK_SECONDS)       // the clock may have been set
        return 1000;
    s->look_at = 0;
    for (struct conn *c = s->rings; c; c = c->next)
        conn_ready(s, c);
    return 0;
}

// As many turns as there are ready connections now; those that become ready meanwhile have theirs in
// the next round. A turn may end other connections.
bool server_turns(struct server *s)
{
    size_t count = 0;

    for (struct conn *c = s->ready; c; c = c->next_ready)
        count++;
    for (; count && s->ready; count--) {
        struct conn *c = s->ready;
        int rc;

        s->ready = c->next_ready;
        if (!s->ready)
            s->last_ready = &s->ready;
        c->is_ready = false;
        rc = c->transport->turn(s, c);
        if (rc < 0)
            conn_free(s, c);
        else if (rc > 0)
            conn_ready(s, c);
    }
    return s->ready != NULL;
}
