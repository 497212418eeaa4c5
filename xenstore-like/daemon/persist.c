// SPDX-License-Identifier: MIT
// The records of the journal: written as things change, all of them when the log is written anew, and
// applied in order after a restart. A record tells how things are after a change, never why, so that it
// means the same to every later version.
#include "persist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

enum record {
    R_START = 1, R_NODE, R_NEW, R_VALUE, R_PERMS, R_GONE, R_SPECIAL, R_DOMAIN, R_STATE, R_RELEASE, R_ENDED,
    R_QUOTA, R_WATCH, R_UNWATCH, R_RESET, R_TXN, R_TXN_OP, R_TXN_END, R_IN, R_PART, R_OUT, R_RESTART,
    NR_RECORDS,
};

// A new log under way: what was there when it began is written a slice at a time, from a snapshot of the
// tree; what has come since then is in the old log behind `since`, and is copied at the end.
struct compaction {
    struct journal to;
    size_t since;
    struct node *root;
    struct buf stack;           // of struct frame: the way to the node that is next
};

struct frame {
    const struct node *node;
    size_t next_child;
};

enum { SLICE_NODES = 512, SLICE_BYTES = 512 << 10, GLOBAL = NO_DOMID };

// The fixed parts of records; what varies in length follows in the order of the lengths.
struct r_start { uint64_t epoch; };
struct r_node { uint64_t clock; uint16_t depth, inherits, nr_perms, name_length, value_length; };
struct r_change { uint64_t clock; uint16_t nr_perms, path_length, value_length; };
struct r_special { uint64_t clock; uint16_t which, nr_perms; };
struct r_domain { uint64_t gfn; uint32_t port, in_pos, out_pos; uint16_t domid; uint8_t handle[HANDLE_SIZE]; };
struct r_state { uint16_t domid, target, told_shutdown; };
struct r_domid { uint16_t domid; };
struct r_ended { uint64_t ended, clock; uint16_t domid; };
struct r_quota { uint32_t domid, kind, has, limit; };
struct r_watch { int32_t depth; uint16_t domid, relative, missed, path_size, token_size; };
struct r_txn { uint32_t id; uint16_t domid; };
struct r_txn_op { uint32_t id, kind, value_length; uint16_t domid, path_length; };
struct r_pos { uint32_t in_pos, out_pos; uint16_t domid; };

struct bytes { const void *at; size_t size; };

static struct server *server;       // that persist_hooks write for

// --- writing

static void put(struct journal *j, enum record type, const void *fixed, size_t fixed_size,
                const struct bytes *more, size_t count)
{
    size_t size = fixed_size;
    uint8_t *to;

    if (j->fd < 0)
        return;
    for (size_t i = 0; i < count; i++)
        size += more[i].size;
    to = journal_record(j, type, size);
    memcpy(to, fixed, fixed_size);
    to += fixed_size;
    for (size_t i = 0; i < count; i++) {
        if (more[i].size)
            memcpy(to, more[i].at, more[i].size);
        to += more[i].size;
    }
}

#define PUT(j, type, fixed, ...) \
    put(j, type, &(fixed), sizeof(fixed), (const struct bytes[]){ __VA_ARGS__ }, \
        sizeof((const struct bytes[]){ __VA_ARGS__ }) / sizeof(struct bytes))
#define PUT_FIXED(j, type, fixed) put(j, type, &(fixed), sizeof(fixed), NULL, 0)

static struct bytes entries_of(const struct perms *perms)
{
    return (struct bytes){ perms->entries, perms->count * sizeof(perms->entries[0]) };
}

static void put_change(struct view *view, enum change change, const char *path, size_t length,
                       const struct node *n)
{
    static const enum record types[] = { R_NEW, R_VALUE, R_PERMS, R_GONE };
    bool perms = change == CHANGE_NEW || change == CHANGE_PERMS;
    bool value = change == CHANGE_NEW || change == CHANGE_VALUE;
    struct r_change r = { n->perms->clock, perms ? (uint16_t)n->perms->count : 0, (uint16_t)length,
                          value ? n->value_length : 0 };
    struct bytes entries = entries_of(n->perms);

    (void)view;
    PUT(&server->journal, types[change], r, { entries.at, perms ? entries.size : 0 }, { path, length },
        { node_value(n), r.value_length });
}

const struct view_hooks persist_hooks = { .changed = put_change };

void persist_attach(struct server *s)
{
    server = s;
}

static void put_start(struct journal *j, uint64_t epoch)
{
    struct r_start r = { epoch };

    PUT_FIXED(j, R_START, r);
}

static void put_special(struct journal *j, const struct server *s, int which)
{
    const struct perms *perms = s->special[which];
    struct r_special r = { perms->clock, (uint16_t)which, (uint16_t)perms->count };

    PUT(j, R_SPECIAL, r, entries_of(perms));
}

static void put_domain(struct journal *j, const struct domain *d)
{
    const struct conn *c = d->conn;
    struct r_domain r = { d->gfn, d->remote_port, c->in_pos - (uint32_t)c->in.length,
                          c->out_pos - (uint32_t)c->out.length, d->domid, { 0 } };

    memcpy(r.handle, d->handle, HANDLE_SIZE);
    PUT_FIXED(j, R_DOMAIN, r);
}

static void put_state(struct journal *j, const struct domain *d)
{
    struct r_state r = { d->domid, d->conn->who.target, d->told_shutdown };

    PUT_FIXED(j, R_STATE, r);
}

static void put_quota(struct journal *j, const struct server *s, unsigned domid, enum quota kind)
{
    const struct account *account = domid == GLOBAL ? NULL : s->store.quotas.accounts[domid];
    struct r_quota r = { domid, kind, !account || account->has_limit[kind],
                         account ? account->limit[kind] : s->store.quotas.limit[kind] };

    PUT_FIXED(j, R_QUOTA, r);
}

static void put_watch(struct journal *j, enum record type, const struct conn *c, const struct watch *watch)
{
    struct r_watch r = { watch->depth, c->who.domid, watch->relative, watch->missed,
                         (uint16_t)(strlen(watch->path) + 1), (uint16_t)(strlen(watch->token) + 1) };

    if (c->is_ring)
        PUT(j, type, r, { watch->path, r.path_size }, { watch->token, r.token_size });
}

static void put_txn_op(struct journal *j, const struct conn *c, uint32_t id, const struct txn_op *op)
{
    struct path path = txn_op_path(op);
    struct r_txn_op r = { id, op->kind, op->size, c->who.domid, op->length };

    PUT(j, R_TXN_OP, r, { txn_op_value(op), op->size }, { path.text, path.length });
}

static void put_bytes(struct journal *j, enum record type, const struct conn *c, const void *bytes,
                      size_t size)
{
    struct r_domid r = { c->who.domid };

    if (size)
        PUT(j, type, r, { bytes, size });
}

void persist_special(struct server *s, int which)
{
    put_special(&s->journal, s, which);
}

void persist_domain(struct server *s, const struct domain *d)
{
    put_domain(&s->journal, d);
}

void persist_state(struct server *s, const struct domain *d)
{
    put_state(&s->journal, d);
}

void persist_release(struct server *s, uint16_t domid)
{
    struct r_domid r = { domid };

    PUT_FIXED(&s->journal, R_RELEASE, r);
}

static void put_ended(struct journal *j, const struct server *s, uint16_t domid)
{
    struct r_ended r = { s->store.ends.ended[domid], s->store.ends.clock, domid };

    PUT_FIXED(j, R_ENDED, r);
}

void persist_ended(struct server *s, uint16_t domid)
{
    put_ended(&s->journal, s, domid);
}

void persist_quota(struct server *s, unsigned domid, enum quota kind)
{
    put_quota(&s->journal, s, domid, kind);
}

void persist_watch(struct server *s, const struct conn *c, const struct watch *watch)
{
    put_watch(&s->journal, R_WATCH, c, watch);
}

void persist_unwatch(struct server *s, const struct conn *c, const struct watch *watch)
{
    put_watch(&s->journal, R_UNWATCH, c, watch);
}

static void put_if_ring(struct server *s, enum record type, const struct conn *c, const void *fixed,
                        size_t size)
{
    if (c->is_ring)
        put(&s->journal, type, fixed, size, NULL, 0);
}

void persist_reset(struct server *s, const struct conn *c)
{
    put_if_ring(s, R_RESET, c, &(struct r_domid){ c->who.domid }, sizeof(struct r_domid));
}

void persist_txn(struct server *s, const struct conn *c, uint32_t id)
{
    put_if_ring(s, R_TXN, c, &(struct r_txn){ id, c->who.domid }, sizeof(struct r_txn));
}

void persist_txn_op(struct server *s, const struct conn *c, uint32_t id, const struct txn_op *op)
{
    if (c->is_ring)
        put_txn_op(&s->journal, c, id, op);
}

void persist_txn_end(struct server *s, const struct conn *c, uint32_t id)
{
    put_if_ring(s, R_TXN_END, c, &(struct r_txn){ id, c->who.domid }, sizeof(struct r_txn));
}

static struct r_pos pos_of(const struct conn *c)
{
    return (struct r_pos){ c->in_pos, c->out_pos, c->who.domid };
}

void persist_in(struct server *s, const struct conn *c)
{
    struct r_pos r = pos_of(c);

    PUT_FIXED(&s->journal, R_IN, r);
}

void persist_part(struct server *s, const struct conn *c, size_t size)
{
    put_bytes(&s->journal, R_PART, c, c->in.bytes + c->in.length - size, size);
}

void persist_out(struct server *s, struct conn *c)
{
    size_t size = c->out.length - c->out_told;

    put_bytes(&s->journal, R_OUT, c, c->out.bytes + c->out_told, size);
    c->out_told = c->out.length;
    c->out_pos += (uint32_t)size;
}

void persist_restart(struct server *s, const struct conn *c)
{
    struct r_pos r = pos_of(c);

    PUT_FIXED(&s->journal, R_RESTART, r);
}

int persist_room(struct server *s)
{
    return s->journal.fd < 0 ? 0 : journal_room(&s->journal, 64 << 10);
}

void persist_forget(struct server *s)
{
    if (s->journal.fd >= 0)
        journal_abort(&s->journal);
}

void persist_commit(struct server *s)
{
    if (s->journal.fd >= 0)
        journal_commit(&s->journal);
}

// --- the log anew

static void put_everything_but_nodes(struct journal *j, const struct server *s)
{
    put_start(j, s->store.generation >> 32);
    for (unsigned domid = 0; domid <= MAX_DOMID; domid++)
        if (s->store.ends.ended[domid])
            put_ended(j, s, (uint16_t)domid);
    for (int kind = 0; kind < NR_QUOTAS; kind++)
        put_quota(j, s, GLOBAL, (enum quota)kind);
    for (unsigned domid = 0; domid < GLOBAL; domid++)
        for (int kind = 0; s->store.quotas.accounts[domid] && kind < NR_QUOTAS; kind++)
            if (s->store.quotas.accounts[domid]->has_limit[kind])
                put_quota(j, s, domid, (enum quota)kind);
    put_special(j, s, SPECIAL_INTRODUCE);
    put_special(j, s, SPECIAL_RELEASE);
    journal_commit(j);
}

static void put_ring(struct journal *j, const struct domain *d)
{
    const struct conn *c = d->conn;

    put_domain(j, d);
    put_state(j, d);
    put_bytes(j, R_PART, c, c->in.bytes, c->in.length);
    put_bytes(j, R_OUT, c, c->out.bytes, c->out.length);
    for (const struct watch *watch = c->watches; watch; watch = watch->next)
        put_watch(j, R_WATCH, c, watch);
    journal_commit(j);
}

// After the nodes, for a transaction starts from the tree that is there then: what transactions had done
// when the new log was begun.
static void put_txns(struct journal *j, const struct conn *c)
{
    for (struct txn *txn = c->txns; txn; txn = txn->next) {
        struct r_txn r = { txn->id, c->who.domid };

        if (!txn->old_ops)
            continue;
        PUT_FIXED(j, R_TXN, r);
        for (const struct txn_op *op = txn->ops; --txn->old_ops; op = op->next)
            put_txn_op(j, c, txn->id, op);
    }
    journal_commit(j);
}

static void push(struct compaction *c, const struct node *n)
{
    struct frame frame = { n, 0 };

    buf_append(&c->stack, &frame, sizeof(frame));
}

static struct frame *top(struct compaction *c)
{
    return (struct frame *)(void *)(c->stack.bytes + c->stack.length) - 1;
}

static void put_node(struct compaction *c, const struct node *n, const struct node *parent)
{
    bool inherits = parent && parent->perms == n->perms;
    struct bytes entries = entries_of(n->perms);
    struct r_node r = { n->perms->clock, (uint16_t)(c->stack.length / sizeof(struct frame)), inherits,
                        inherits ? 0 : (uint16_t)n->perms->count, n->name_length, n->value_length };

    PUT(&c->to, R_NODE, r, { entries.at, inherits ? 0 : entries.size }, { node_name(n), n->name_length },
        { node_value(n), n->value_length });
}

static void put_slice(struct compaction *c)
{
    for (unsigned i = 0; i < SLICE_NODES && c->stack.length; i++) {
        struct frame *frame = top(c);
        const struct node *n;

        if (frame->next_child == node_nr_children(frame->node)) {
            c->stack.length -= sizeof(*frame);
            continue;
        }
        n = node_child_at(frame->node, frame->next_child++);
        put_node(c, n, frame->node);
        push(c, n);
        if (c->to.staged - c->to.end > SLICE_BYTES)
            break;
    }
    journal_commit(&c->to);
}

static void end_compaction(struct server *s, int rc)
{
    struct compaction *c = s->compaction;

    for (const struct conn *ring = s->rings; ring; ring = ring->next)
        for (struct txn *txn = ring->txns; txn; txn = txn->next)
            txn->old_ops = 0;

    if (rc) {
        log_line("the journal could not be written anew (%s): it goes on as it is; free space in its folder",
                 strerror(-rc));
        s->journal.compact_at = s->journal.end + (4u << 20);
        journal_close(&c->to);
    }
    if (c->root)
        node_put(c->root);
    buf_free(&c->stack);
    free(c);
    s->compaction = NULL;
}

// How much all but the nodes may take: rings with their queues and watches.
static size_t size_of_rest(const struct server *s)
{
    size_t size = 1 << 20;

    for (const struct conn *c = s->rings; c; c = c->next) {
        size += 256 + c->in.length + c->out.length;
        for (const struct watch *watch = c->watches; watch; watch = watch->next)
            size += 64 + strlen(watch->path) + strlen(watch->token);
        for (const struct txn *txn = c->txns; txn; txn = txn->next)
            size += 64 + 2 * txn->size;
    }
    return size;
}

static void begin_compaction(struct server *s)
{
    struct compaction *c = s->compaction = mem_zalloc(sizeof(*c));
    int rc = journal_create(&c->to, s->journal.path);

    if (rc == 0)
        rc = journal_room(&c->to, size_of_rest(s));
    if (rc) {
        end_compaction(s, rc);
        return;
    }
    c->since = s->journal.end;
    put_everything_but_nodes(&c->to, s);
    for (unsigned domid = 0; domid <= MAX_DOMID; domid++)
        if (s->domains[domid])
            put_ring(&c->to, s->domains[domid]);
    c->root = node_get(s->store.root);
    put_node(c, c->root, NULL);
    push(c, c->root);
    for (const struct conn *ring = s->rings; ring; ring = ring->next)
        for (struct txn *txn = ring->txns; txn; txn = txn->next)
            txn->old_ops = txn->nr_ops + 1;
}

bool persist_compact(struct server *s)
{
    struct compaction *c = s->compaction;

    if (!c && (s->journal.fd < 0 || s->journal.end < s->journal.compact_at))
        return false;
    if (!c) {
        begin_compaction(s);
        return s->compaction != NULL;
    }
    if (journal_room(&c->to, 2 * SLICE_BYTES)) {
        end_compaction(s, -ENOSPC);
        return false;
    }
    if (c->stack.length) {
        put_slice(c);
        return true;
    }
    for (const struct conn *ring = s->rings; ring; ring = ring->next)
        put_txns(&c->to, ring);
    end_compaction(s, journal_replace(&s->journal, c->since, &c->to));
    return false;
}

// --- reading

struct loader {
    struct server *s;
    uint64_t epoch;
    struct buf stack;               // of struct node *: the way to the node read last
};

// A record's payload, of which parts are taken from the front.
struct input {
    const uint8_t *at;
    size_t size;
};

static bool take(struct input *in, void *to, size_t size)
{
    if (in->size < size)
        return false;
    memcpy(to, in->at, size);
    in->at += size;
    in->size -= size;
    return true;
}

static const char *take_bytes(struct input *in, size_t size)
{
    const uint8_t *at = in->at;

    if (in->size < size)
        return NULL;
    in->at += size;
    in->size -= size;
    return (const char *)at;
}

static struct perms *take_perms(struct input *in, unsigned count, uint64_t clock)
{
    struct perm entries[XENSTORE_PAYLOAD_MAX / 3];

    if (count == 0 || count > sizeof(entries) / sizeof(entries[0]) ||
        !take(in, entries, count * sizeof(entries[0])))
        return NULL;
    for (unsigned i = 0; i < count; i++)
        if (entries[i].bits > (PERM_READ | PERM_WRITE))
            return NULL;
    return perms_new(entries, count, clock);
}

static struct conn *conn_of(const struct loader *l, uint16_t domid)
{
    return l->s->domains[domid] ? l->s->domains[domid]->conn : NULL;
}

static int read_start(struct loader *l, struct input *in)
{
    struct r_start r;

    if (!take(in, &r, sizeof(r)))
        return -EINVAL;
    l->epoch = r.epoch;
    l->s->store.generation = r.epoch << 32;
    return 0;
}

static int load_root(struct loader *l, struct perms *perms, const char *value, size_t length)
{
    struct store *store = &l->s->store;

    if (node_nr_children(store->root) || store->root->references != 1)
        return -EINVAL;
    quota_account(&store->quotas, perms_owner(store->root->perms))->nodes--;
    node_set_perms(store->root, perms, store->generation);
    quota_account(&store->quotas, perms_owner(perms))->nodes++;
    store->root = node_set_value(store->root, value, length, store->generation);
    l->stack.length = 0;
    buf_append(&l->stack, &store->root, sizeof(store->root));
    return 0;
}

// Nodes come parents first, children in order. The stack holds whom the next can be a child of.
static int read_node(struct loader *l, struct input *in)
{
    struct node *parent, *n;
    struct perms *perms;
    const char *name, *value;
    struct r_node r;

    if (!take(in, &r, sizeof(r)) || r.depth > l->stack.length / sizeof(n) || (r.inherits && !r.depth))
        return -EINVAL;
    parent = r.depth ? ((struct node **)(void *)l->stack.bytes)[r.depth - 1] : NULL;
    perms = r.inherits ? perms_get(parent->perms) : take_perms(in, r.nr_perms, r.clock);
    name = take_bytes(in, r.name_length);
    value = take_bytes(in, r.value_length);
    if (!perms || !name || !value)
        return -EINVAL;
    if (!parent)
        return load_root(l, perms, value, r.value_length);
    if (node_child(parent, name, r.name_length))
        return -EINVAL;
    n = node_new(name, r.name_length, value, r.value_length, perms, l->s->store.generation);
    node_insert_child(parent, n);
    quota_account(&l->s->store.quotas, perms_owner(perms))->nodes++;
    l->stack.length = r.depth * sizeof(n);
    buf_append(&l->stack, &n, sizeof(n));
    return 0;
}

struct change_input {
    struct r_change r;
    struct perms *perms;
    struct path path;
    char room[PATH_ROOM];
    const char *value;
};

static int take_change(struct input *in, bool perms, struct change_input *c)
{
    const char *text;

    c->perms = NULL;
    if (!take(in, &c->r, sizeof(c->r)))
        return -EINVAL;
    if (perms) {
        c->perms = take_perms(in, c->r.nr_perms, c->r.clock);
        if (!c->perms)
            return -EINVAL;
    }
    text = take_bytes(in, c->r.path_length);
    c->value = take_bytes(in, c->r.value_length);
    if (!text || !c->value || !path_is_valid(text, c->r.path_length))
        return -EINVAL;
    memcpy(c->room, text, c->r.path_length);
    c->room[c->r.path_length] = '\0';
    c->path = (struct path){ c->room, c->r.path_length, 0 };
    return 0;
}

static const struct view_hooks no_hooks = { NULL, NULL };
static const struct subject dom0 = { 0, NO_DOMID };

static int apply_set(struct loader *l, struct change_input *c, bool new, bool value)
{
    struct view view;
    int rc = 0;

    view_borrow(&view, &l->s->store, &no_hooks);
    if (new || value)
        rc = view_write(&view, dom0, &c->path, c->value, c->r.value_length);
    if (rc == 0 && c->perms)
        rc = view_take_perms(&view, &c->path, c->perms);
    else if (c->perms)
        perms_put(c->perms);
    view_return(&view);
    return rc;
}

static int read_new(struct loader *l, struct input *in)
{
    struct change_input c;
    int rc = take_change(in, true, &c);

    return rc ? rc : apply_set(l, &c, true, true);
}

static int read_value(struct loader *l, struct input *in)
{
    struct change_input c;
    int rc = take_change(in, false, &c);

    return rc ? rc : apply_set(l, &c, false, true);
}

static int read_perms(struct loader *l, struct input *in)
{
    struct change_input c;
    int rc = take_change(in, true, &c);

    return rc ? rc : apply_set(l, &c, false, false);
}

static int read_gone(struct loader *l, struct input *in)
{
    struct change_input c;
    struct node *removed;
    struct view view;
    int rc = take_change(in, false, &c);

    if (rc)
        return rc;
    view_borrow(&view, &l->s->store, &no_hooks);
    rc = view_rm(&view, dom0, &c.path, &removed);
    view_return(&view);
    if (removed)
        node_put(removed);
    return rc;
}

static int read_special(struct loader *l, struct input *in)
{
    struct perms *perms;
    struct r_special r;

    if (!take(in, &r, sizeof(r)) || r.which > SPECIAL_RELEASE)
        return -EINVAL;
    perms = take_perms(in, r.nr_perms, r.clock);
    if (!perms)
        return -EINVAL;
    perms_put(l->s->special[r.which]);
    l->s->special[r.which] = perms;
    return 0;
}

static int read_domain(struct loader *l, struct input *in)
{
    struct domain *d;
    struct r_domain r;

    if (!take(in, &r, sizeof(r)))
        return -EINVAL;
    if (l->s->domains[r.domid])
        domain_free(l->s, l->s->domains[r.domid]);
    d = domain_new(l->s, r.domid, r.gfn, r.port);
    memcpy(d->handle, r.handle, HANDLE_SIZE);
    d->conn->in_pos = r.in_pos;
    d->conn->out_pos = r.out_pos;
    return 0;
}

static int read_state(struct loader *l, struct input *in)
{
    struct r_state r;

    if (!take(in, &r, sizeof(r)) || !l->s->domains[r.domid])
        return -EINVAL;
    l->s->domains[r.domid]->conn->who.target = r.target;
    l->s->domains[r.domid]->told_shutdown = r.told_shutdown;
    return 0;
}

static int read_release(struct loader *l, struct input *in)
{
    struct r_domid r;

    if (!take(in, &r, sizeof(r)) || !l->s->domains[r.domid])
        return -EINVAL;
    domain_free(l->s, l->s->domains[r.domid]);
    return 0;
}

static int read_ended(struct loader *l, struct input *in)
{
    struct r_ended r;

    if (!take(in, &r, sizeof(r)))
        return -EINVAL;
    l->s->store.ends.ended[r.domid] = r.ended;
    l->s->store.ends.clock = r.clock;
    if (!l->s->domains[r.domid] && quota_account(&l->s->store.quotas, r.domid)->nodes == 0)
        quota_forget(&l->s->store.quotas, r.domid);
    return 0;
}

static int read_quota(struct loader *l, struct input *in)
{
    struct account *account;
    struct r_quota r;

    if (!take(in, &r, sizeof(r)) || r.domid > GLOBAL)
        return -EINVAL;
    if (r.kind >= NR_QUOTAS)
        return 0;       // a later version's
    if (r.domid == GLOBAL) {
        l->s->store.quotas.limit[r.kind] = r.limit;
        return 0;
    }
    account = quota_account(&l->s->store.quotas, (uint16_t)r.domid);
    account->has_limit[r.kind] = r.has;
    account->limit[r.kind] = r.limit;
    return 0;
}

struct watch_input {
    struct r_watch r;
    struct conn *c;
    const char *path, *token;
    struct watch *watch;        // that there is
};

static int take_watch(const struct loader *l, struct input *in, struct watch_input *w)
{
    if (!take(in, &w->r, sizeof(w->r)))
        return -EINVAL;
    w->c = conn_of(l, w->r.domid);
    w->path = take_bytes(in, w->r.path_size);
    w->token = take_bytes(in, w->r.token_size);
    if (!w->c || !w->path || !w->token || w->r.path_size < 2 || w->r.token_size < 1 ||
        strnlen(w->path, w->r.path_size) != w->r.path_size - 1u || w->r.relative >= w->r.path_size ||
        strnlen(w->token, w->r.token_size) != w->r.token_size - 1u)
        return -EINVAL;
    w->watch = watch_find(&l->s->watches, w->c, w->path, w->r.relative, w->token);
    return 0;
}

static int read_watch(struct loader *l, struct input *in)
{
    struct watch_input w;
    int rc = take_watch(l, in, &w);

    if (rc)
        return rc;
    if (!w.watch) {
        w.watch = watch_add(&l->s->watches, &w.c->watches, w.c, w.path, w.r.relative, w.token, w.r.depth);
        quota_account(&l->s->store.quotas, w.r.domid)->watches++;
    }
    w.c->nr_missed = w.c->nr_missed + !!w.r.missed - w.watch->missed;
    w.watch->missed = w.r.missed;
    return 0;
}

static int read_unwatch(struct loader *l, struct input *in)
{
    struct watch_input w;
    int rc = take_watch(l, in, &w);

    if (rc || !w.watch)
        return rc ? rc : -EINVAL;
    w.c->nr_missed -= w.watch->missed;
    watch_remove(&l->s->watches, w.watch);
    quota_account(&l->s->store.quotas, w.r.domid)->watches--;
    return 0;
}

static int read_reset(struct loader *l, struct input *in)
{
    struct r_domid r;
    struct conn *c;

    if (!take(in, &r, sizeof(r)) || !(c = conn_of(l, r.domid)))
        return -EINVAL;
    conn_reset(l->s, c);
    return 0;
}

static int read_txn(struct loader *l, struct input *in)
{
    struct r_txn r;
    struct conn *c;
    struct txn *txn;

    if (!take(in, &r, sizeof(r)) || !(c = conn_of(l, r.domid)) || conn_txn(c, r.id))
        return -EINVAL;
    txn = conn_add_txn(l->s, c, r.id);
    txn->must_fail = true;
    return 0;
}

// What a transaction did is done again, so that it goes on seeing it. It ends in EAGAIN anyway, so what
// fails now that went well then, because the tree is another, does not matter.
static int read_txn_op(struct loader *l, struct input *in)
{
    struct perm entries[XENSTORE_PAYLOAD_MAX / 3];
    char room[PATH_ROOM];
    const char *value, *text;
    struct path path = { room, 0, 0 };
    struct r_txn_op r;
    struct conn *c;
    struct txn *txn;

    if (!take(in, &r, sizeof(r)) || r.kind > TXN_SET_PERMS || r.value_length > sizeof(entries))
        return -EINVAL;
    value = take_bytes(in, r.value_length);
    text = take_bytes(in, r.path_length);
    c = conn_of(l, r.domid);
    txn = c ? conn_txn(c, r.id) : NULL;
    if (!txn || !value || !text || !path_is_valid(text, r.path_length))
        return -EINVAL;
    memcpy(room, text, r.path_length);
    room[r.path_length] = '\0';
    path.length = r.path_length;
    memcpy(entries, value, r.value_length);
    if (r.kind == TXN_SET_PERMS && r.value_length < sizeof(entries[0]))
        return -EINVAL;
    (void)txn_apply(txn, c->who, (enum txn_kind)r.kind, &path, entries, r.value_length);
    return 0;
}

static int read_txn_end(struct loader *l, struct input *in)
{
    struct r_txn r;
    struct conn *c;
    struct txn *txn;

    if (!take(in, &r, sizeof(r)) || !(c = conn_of(l, r.domid)))
        return -EINVAL;
    txn = conn_txn(c, r.id);
    if (txn)
        conn_drop_txn(l->s, c, txn);
    return 0;
}

static int read_in(struct loader *l, struct input *in)
{
    struct r_pos r;
    struct conn *c;

    if (!take(in, &r, sizeof(r)) || !(c = conn_of(l, r.domid)))
        return -EINVAL;
    c->in.length = 0;
    c->in_pos = r.in_pos;
    return 0;
}

static int read_part(struct loader *l, struct input *in)
{
    struct r_domid r;
    struct conn *c;

    if (!take(in, &r, sizeof(r)) || !(c = conn_of(l, r.domid)) || c->in.length + in->size > WIRE_MAX)
        return -EINVAL;
    buf_append(&c->in, in->at, in->size);
    c->in_pos += (uint32_t)in->size;
    return 0;
}

static int read_out(struct loader *l, struct input *in)
{
    struct r_domid r;
    struct conn *c;

    if (!take(in, &r, sizeof(r)) || !(c = conn_of(l, r.domid)))
        return -EINVAL;
    buf_append(&c->out, in->at, in->size);
    c->out_told = c->out.length;
    c->out_pos += (uint32_t)in->size;
    return 0;
}

static int read_restart(struct loader *l, struct input *in)
{
    struct r_pos r;
    struct conn *c;

    if (!take(in, &r, sizeof(r)) || !(c = conn_of(l, r.domid)))
        return -EINVAL;
    conn_reset(l->s, c);
    c->in.length = c->out.length = c->out_told = 0;
    c->in_pos = r.in_pos;
    c->out_pos = r.out_pos;
    return 0;
}

static int (*const readers[NR_RECORDS])(struct loader *l, struct input *in) = {
    [R_START] = read_start, [R_NODE] = read_node, [R_NEW] = read_new, [R_VALUE] = read_value,
    [R_PERMS] = read_perms, [R_GONE] = read_gone, [R_SPECIAL] = read_special, [R_DOMAIN] = read_domain,
    [R_STATE] = read_state, [R_RELEASE] = read_release, [R_ENDED] = read_ended, [R_QUOTA] = read_quota,
    [R_WATCH] = read_watch, [R_UNWATCH] = read_unwatch, [R_RESET] = read_reset, [R_TXN] = read_txn,
    [R_TXN_OP] = read_txn_op, [R_TXN_END] = read_txn_end, [R_IN] = read_in, [R_PART] = read_part,
    [R_OUT] = read_out, [R_RESTART] = read_restart,
};

static int apply_record(void *arg, uint16_t type, const uint8_t *payload, size_t size)
{
    struct input in = { payload, size };

    if (type != R_NODE)
        ((struct loader *)arg)->stack.length = 0;
    return type < NR_RECORDS && readers[type] ? readers[type](arg, &in) : -EINVAL;
}

int persist_open(struct server *s, const char *path, bool *fresh)
{
    struct loader l = { .s = s };
    int rc = journal_open(&s->journal, path, fresh);

    if (rc == 0 && !*fresh)
        rc = journal_replay(&s->journal, apply_record, &l);
    buf_free(&l.stack);
    if (rc) {
        log_line("the journal %s cannot be read (%s)", path, strerror(-rc));
        return rc;
    }
    // Generations seen by clients must not come back for other contents.
    s->store.generation = (l.epoch + 1) << 32;
    put_start(&s->journal, l.epoch + 1);
    persist_commit(s);
    return 0;
}

void persist_adopt(struct server *s)
{
    struct fire fire = { .s = s };

    for (unsigned domid = 0; domid <= MAX_DOMID; domid++)
        if (s->domains[domid] && !domain_adopt(s, s->domains[domid]))
            domain_release(s, &fire, (uint16_t)domid);
    server_commit(s);
}
