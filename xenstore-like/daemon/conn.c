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
    TAILQ_INIT(&s->ready);
    TAILQ_INIT(&s->dirty);
    s->epoll = s->listener = s->journal.fd = -1;
    journal_begin(&s->journal);
}

struct conn *conn_new(const struct transport *transport, struct conn_list *list, uint16_t domid)
{
    struct conn *c = mem_zalloc(sizeof(*c));

    c->transport = transport;
    c->who = (struct subject){ domid, NO_DOMID };
    c->fd = -1;
    c->next_txn = 1;
    LIST_INSERT_HEAD(list, c, link);
    return c;
}

struct txn *conn_add_txn(struct server *s, struct conn *c, uint32_t id)
{
    struct txn *txn = txn_start(&s->store, id);

    LIST_INSERT_HEAD(&c->txns, txn, link);
    c->next_txn = id == UINT32_MAX ? 1 : id + 1;
    quota_account(&s->store.quotas, c->who.domid)->transactions++;
    return txn;
}

void conn_drop_txn(struct server *s, struct conn *c, struct txn *txn)
{
    LIST_REMOVE(txn, link);
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
    while (!LIST_EMPTY(&c->watches))
        conn_unwatch(s, c, LIST_FIRST(&c->watches));
    while (!LIST_EMPTY(&c->txns))
        conn_drop_txn(s, c, LIST_FIRST(&c->txns));
}

void conn_restart(struct server *s, struct conn *c, uint32_t in_pos, uint32_t out_pos)
{
    conn_reset(s, c);
    c->in.length = c->out.length = c->out_told = 0;
    c->is_broken = false;
    c->in_pos = in_pos;
    c->out_pos = out_pos;
}

void conn_free(struct server *s, struct conn *c)
{
    conn_reset(s, c);
    if (c->is_dirty)
        TAILQ_REMOVE(&s->dirty, c, dirty);
    if (c->is_ready)
        TAILQ_REMOVE(&s->ready, c, ready);
    c->transport->close(s, c);
    LIST_REMOVE(c, link);
    buf_free(&c->in);
    buf_free(&c->out);
    free(c);
}

void conn_ready(struct server *s, struct conn *c)
{
    if (c->is_ready)
        return;
    c->is_ready = true;
    TAILQ_INSERT_TAIL(&s->ready, c, ready);
}

struct txn *conn_txn(struct conn *c, uint32_t id)
{
    struct txn *txn;

    LIST_FOREACH(txn, &c->txns, link)
        if (txn->id == id)
            break;
    return txn;
}

void conn_dirty(struct server *s, struct conn *c)
{
    if (c->is_dirty)
        return;
    c->is_dirty = true;
    TAILQ_INSERT_TAIL(&s->dirty, c, dirty);
}

void conn_send_missed(struct server *s, struct conn *c)
{
    struct fire fire = { .s = s };
    struct watch *watch;

    LIST_FOREACH(watch, &c->watches, link) {
        if (!watch->missed)
            continue;
        watch->missed = false;
        c->nr_missed--;
        fire_watch(&fire, watch, watch->path);
        if (watch->missed)
            break;
        persist_watch(s, R_WATCH, c, watch);
    }
    server_commit(s);
}

void server_commit(struct server *s)
{
    struct conn *c;

    while ((c = TAILQ_FIRST(&s->dirty))) {
        TAILQ_REMOVE(&s->dirty, c, dirty);
        c->is_dirty = false;
        if (c->is_ring)
            persist_out(s, c);
        conn_ready(s, c);
    }
    journal_commit(&s->journal);
}

void server_look_later(struct server *s)
{
    if (!s->look_at)
        s->look_at = time(NULL) + LOOK_SECONDS;
}

int server_look(struct server *s)
{
    time_t left = s->look_at - time(NULL);
    struct conn *c;

    if (!s->look_at)
        return -1;
    if (left > 0 && left <= LOOK_SECONDS)       // the clock may have been set
        return 1000;
    s->look_at = 0;
    LIST_FOREACH(c, &s->rings, link)
        conn_ready(s, c);
    return 0;
}

// As many turns as there are ready connections now; those that become ready meanwhile have theirs in
// the next round. A turn may end other connections.
bool server_turns(struct server *s)
{
    size_t count = 0;
    struct conn *c;

    TAILQ_FOREACH(c, &s->ready, ready)
        count++;
    for (; count && (c = TAILQ_FIRST(&s->ready)); count--) {
        int rc;

        TAILQ_REMOVE(&s->ready, c, ready);
        c->is_ready = false;
        rc = c->transport->turn(s, c);
        if (rc < 0)
            conn_free(s, c);
        else if (rc > 0)
            conn_ready(s, c);
    }
    return !TAILQ_EMPTY(&s->ready);
}
