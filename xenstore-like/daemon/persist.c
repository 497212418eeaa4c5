// SPDX-License-Identifier: MIT
// The records of the journal: written as things change, all of them when the log is written anew, and
// applied in order after a restart. A record tells how things are after a change, never why, so that it
// means the same to every later version. All have one form, of which each type uses what it needs.
#include "persist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

// Behind it in the journal: permission entries, the bytes, the text and its zero byte.
struct fixed {
    uint64_t clock;
    uint32_t n[3];
    uint32_t text_size, bytes_size;
    uint16_t domid, nr_perms;
};

struct rec {
    uint16_t domid;
    uint32_t n[3];
    uint64_t clock;
    const char *text;
    size_t text_length;
    const void *bytes;
    size_t bytes_size;
    struct perms *perms;
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

enum { SLICE_NODES = 512, SLICE_BYTES = 512 << 10, RETRY_SECONDS = 5 };

// --- writing

static uint8_t *copy(uint8_t *to, const void *from, size_t size)
{
    if (size)
        memcpy(to, from, size);
    return to + size;
}

static void put(struct server *s, enum record type, const struct rec *rec)
{
    struct fixed fixed = { rec->clock, { rec->n[0], rec->n[1], rec->n[2] }, 0, (uint32_t)rec->bytes_size,
                           rec->domid, 0 };
    size_t perms_size = 0;
    uint8_t *to;

    if (s->journal.fd < 0)
        return;
    if (rec->text)
        fixed.text_size = (uint32_t)(rec->text_length ? rec->text_length : strlen(rec->text)) + 1;
    if (rec->perms) {
        fixed.nr_perms = (uint16_t)rec->perms->count;
        fixed.clock = rec->perms->clock;
        perms_size = fixed.nr_perms * sizeof(rec->perms->entries[0]);
    }
    to = journal_record(&s->journal, type, sizeof(fixed) + perms_size + fixed.bytes_size + fixed.text_size);
    to = copy(to, &fixed, sizeof(fixed));
    to = copy(to, rec->perms ? rec->perms->entries : NULL, perms_size);
    to = copy(to, rec->bytes, rec->bytes_size);
    if (fixed.text_size)
        *copy(to, rec->text, fixed.text_size - 1) = '\0';
}

#define PUT(s, type, ...) put(s, type, &(struct rec){ __VA_ARGS__ })

_Static_assert(offsetof(struct server, store) == 0, "a view's store is the server's");

static void put_change(struct view *view, enum change change, const char *path, size_t length,
                       const struct node *n)
{
    bool perms = change == CHANGE_NEW || change == CHANGE_PERMS;
    bool value = change == CHANGE_NEW || change == CHANGE_VALUE;

    PUT((struct server *)view->store, R_CHANGE, .n = { change }, .text = path, .text_length = length,
        .bytes = node_value(n), .bytes_size = value ? n->value_length : 0, .perms = perms ? n->perms : NULL);
}

const struct view_hooks persist_hooks = { .changed = put_change };

void persist_special(struct server *s, int which)
{
    PUT(s, R_SPECIAL, .n = { (uint32_t)which }, .perms = s->special[which]);
}

void persist_domain(struct server *s, const struct domain *d)
{
    PUT(s, R_DOMAIN, .domid = d->domid, .n = { d->remote_port, d->conn->who.target, d->told_shutdown },
        .bytes = d->handle, .bytes_size = XEN_HANDLE_SIZE);
}

void persist_ended(struct server *s, uint16_t domid)
{
    PUT(s, R_ENDED, .domid = domid, .clock = s->store.ends.ended[domid]);
}

void persist_quota(struct server *s, uint16_t domid, enum quota kind)
{
    const struct account *account = domid == NO_DOMID ? NULL : s->store.quotas.accounts[domid];

    PUT(s, R_QUOTA, .domid = domid, .n = { kind, !account || account->has_limit[kind],
        account ? account->limit[kind] : s->store.quotas.limit[kind] });
}

void persist_watch(struct server *s, enum record type, const struct conn *c, const struct watch *watch)
{
    if (c->is_ring)
        PUT(s, type, .domid = c->who.domid, .n = { (uint32_t)watch->depth, watch->relative, watch->missed },
            .text = watch->path, .bytes = watch->token, .bytes_size = strlen(watch->token) + 1);
}

void persist_numbers(struct server *s, enum record type, const struct conn *c, uint32_t n0, uint32_t n1)
{
    if (c->is_ring)
        PUT(s, type, .domid = c->who.domid, .n = { n0, n1 });
}

void persist_txn_op(struct server *s, const struct conn *c, uint32_t id, const struct txn_op *op)
{
    if (c->is_ring)
        PUT(s, R_TXN_OP, .domid = c->who.domid, .n = { id, op->kind }, .text = op->path.text,
            .bytes = op->bytes, .bytes_size = op->size);
}

void persist_bytes(struct server *s, enum record type, const struct conn *c, const void *bytes, size_t size)
{
    if (size)
        PUT(s, type, .domid = c->who.domid, .bytes = bytes, .bytes_size = size);
}

void persist_out(struct server *s, struct conn *c)
{
    size_t size = c->out.length - c->out_told;

    persist_bytes(s, R_OUT, c, c->out.bytes + c->out_told, size);
    c->out_told = c->out.length;
    c->out_pos += (uint32_t)size;
}

int persist_room(struct server *s, size_t bytes)
{
    int rc = s->journal.fd < 0 ? 0 : journal_room(&s->journal, bytes);

    // A log written anew may be shorter.
    if (rc)
        s->journal.compact_at = 0;
    return rc;
}

// --- the log anew

// What is written from here on goes into the new log; called again, into the old one.
static void switch_logs(struct server *s)
{
    struct journal other = s->compaction->to;

    s->compaction->to = s->journal;
    s->journal = other;
}

static void put_all_of_domid(struct server *s, uint16_t domid)
{
    const struct account *account = s->store.quotas.accounts[domid];
    const struct domain *d = s->domains[domid];
    const struct watch *watch;
    const struct conn *c;

    if (s->store.ends.ended[domid])
        persist_ended(s, domid);
    for (int kind = 0; account && kind < NR_QUOTAS; kind++)
        if (account->has_limit[kind])
            persist_quota(s, domid, (enum quota)kind);
    if (!d)
        return;
    c = d->conn;
    persist_domain(s, d);
    persist_numbers(s, R_RESTART, c, c->in_pos - (uint32_t)c->in.length, c->out_pos - (uint32_t)c->out.length);
    persist_bytes(s, R_PART, c, c->in.bytes, c->in.length);
    persist_bytes(s, R_OUT, c, c->out.bytes, c->out.length);
    LIST_FOREACH(watch, &c->watches, link)
        persist_watch(s, R_WATCH, c, watch);
}

static void put_all_but_children(struct server *s)
{
    const struct node *root = s->compaction->root;

    PUT(s, R_START, .n = { (uint32_t)(s->store.generation >> 32) });
    PUT(s, R_CHANGE, .n = { CHANGE_NEW }, .text = "/", .bytes = node_value(root),
        .bytes_size = root->value_length, .perms = root->perms);
    for (int kind = 0; kind < NR_QUOTAS; kind++)
        persist_quota(s, NO_DOMID, (enum quota)kind);
    persist_special(s, SPECIAL_INTRODUCE);
    persist_special(s, SPECIAL_RELEASE);
    for (unsigned domid = 0; domid < NO_DOMID; domid++)
        put_all_of_domid(s, (uint16_t)domid);
    journal_commit(&s->journal);
}

// After the nodes, for a transaction starts from the tree that is there then: what transactions had done
// when the new log was begun.
static void put_txns(struct server *s, const struct conn *c)
{
    const struct txn_op *op;
    struct txn *txn;

    LIST_FOREACH(txn, &c->txns, link) {
        if (!txn->old_ops)
            continue;
        persist_numbers(s, R_TXN, c, txn->id, 0);
        op = TAILQ_FIRST(&txn->ops);
        for (; --txn->old_ops; op = TAILQ_NEXT(op, link))
            persist_txn_op(s, c, txn->id, op);
    }
    journal_commit(&s->journal);
}

static void push(struct compaction *c, const struct node *n)
{
    struct frame frame = { n, 0 };

    buf_append(&c->stack, &frame, sizeof(frame));
}

static void put_node(struct server *s, const struct node *n, const struct node *parent)
{
    uint32_t depth = (uint32_t)(s->compaction->stack.length / sizeof(struct frame));
    bool inherits = parent->perms == n->perms;

    PUT(s, R_NODE, .n = { depth, inherits, (uint32_t)node_nr_children(n) }, .text = node_name(n),
        .text_length = n->name_length, .bytes = node_value(n), .bytes_size = n->value_length,
        .perms = inherits ? NULL : n->perms);
    push(s->compaction, n);
}

static void put_slice(struct server *s)
{
    struct buf *stack = &s->compaction->stack;

    for (unsigned i = 0; i < SLICE_NODES && stack->length; i++) {
        struct frame *frame = (struct frame *)(void *)(stack->bytes + stack->length) - 1;

        if (frame->next_child == node_nr_children(frame->node))
            stack->length -= sizeof(*frame);
        else
            put_node(s, node_child_at(frame->node, frame->next_child++), frame->node);
        if (s->journal.staged - s->journal.end > SLICE_BYTES)
            break;
    }
    journal_commit(&s->journal);
}

static void mark_txns(const struct server *s, bool marked)
{
    const struct conn *ring;
    struct txn *txn;

    LIST_FOREACH(ring, &s->rings, link)
        LIST_FOREACH(txn, &ring->txns, link)
            txn->old_ops = marked ? txn->nr_ops + 1 : 0;
}

static bool end_compaction(struct server *s, int rc)
{
    struct compaction *c = s->compaction;

    if (rc) {
        log_line("the journal could not be written anew (%s): it goes on as it is; free space in its folder",
                 strerror(-rc));
        unlink(c->to.path);
        journal_close(&c->to);
        s->next_compaction = time(NULL) + RETRY_SECONDS;
    }
    mark_txns(s, false);
    if (c->root)
        node_put(c->root);
    buf_free(&c->stack);
    free(c);
    s->compaction = NULL;
    return false;
}

// How much a slice, or all but the nodes, may take: rings with their queues, watches and transactions.
static size_t size_of_slice(const struct server *s)
{
    size_t size = (1 << 20) + 64 * (size_t)(s->store.ends.clock < MAX_DOMID ? s->store.ends.clock : MAX_DOMID);

    const struct watch *watch;
    const struct conn *c;
    const struct txn *txn;

    LIST_FOREACH(c, &s->rings, link) {
        size += 1024 + c->in.length + c->out.length;
        LIST_FOREACH(watch, &c->watches, link)
            size += 128 + strlen(watch->path) + strlen(watch->token);
        LIST_FOREACH(txn, &c->txns, link)
            size += 128 + 4 * txn->size;
    }
    return size;
}

static bool begin_compaction(struct server *s)
{
    struct compaction *c = s->compaction = mem_zalloc(sizeof(*c));
    int rc = journal_create(&c->to, s->journal.path);

    s->next_compaction = 0;
    if (rc == 0)
        rc = journal_room(&c->to, size_of_slice(s));
    if (rc)
        return end_compaction(s, rc);
    c->since = s->journal.end;
    c->root = node_get(s->store.root);
    mark_txns(s, true);
    switch_logs(s);
    put_all_but_children(s);
    push(c, c->root);
    switch_logs(s);
    return true;
}

bool persist_compact(struct server *s)
{
    struct compaction *c = s->compaction;
    const struct conn *ring;
    bool more;

    if (!c)
        return s->journal.fd >= 0 && s->journal.end >= s->journal.compact_at &&
               (!s->next_compaction || time(NULL) >= s->next_compaction) && begin_compaction(s);
    if (journal_room(&c->to, size_of_slice(s)))
        return end_compaction(s, -ENOSPC);
    switch_logs(s);
    more = c->stack.length > 0;
    if (more)
        put_slice(s);
    else
        LIST_FOREACH(ring, &s->rings, link)
            put_txns(s, ring);
    switch_logs(s);
    return more || end_compaction(s, journal_replace(&s->journal, c->since, &c->to));
}

// --- reading

struct loader {
    struct server *s;
    uint64_t epoch;
    struct buf stack;               // of struct node *: the way to the node read last, without the root
    struct conn *c;                 // of the record's domain, if there is one
};

static const struct view_hooks no_hooks = { NULL, NULL };
static const struct subject dom0 = { 0, NO_DOMID };

static int read_start(struct loader *l, const struct rec *rec)
{
    l->epoch = rec->n[0];
    l->s->store.generation = l->epoch << 32;
    return 0;
}

// Nodes come parents first, children in order. The stack holds whom the next can be a child of.
static int read_node(struct loader *l, const struct rec *rec)
{
    struct node *parent = l->s->store.root, *n;
    size_t above = rec->n[0] - 1u, count;
    struct perms *perms;

    if (above > l->stack.length / sizeof(n) || parent->references != 1 || (!rec->perms && !rec->n[1]))
        return -EINVAL;
    if (above)
        parent = ((struct node **)(void *)l->stack.bytes)[above - 1];
    count = node_nr_children(parent);
    if (count && node_compare(node_child_at(parent, count - 1), rec->text, rec->text_length) >= 0)
        return -EINVAL;
    perms = perms_get(rec->perms ? rec->perms : parent->perms);
    n = node_new(rec->text, rec->text_length, rec->bytes, rec->bytes_size, perms, l->s->store.generation);
    node_expect_children(n, rec->n[2]);
    node_insert_child(parent, n);
    quota_account(&l->s->store.quotas, perms_owner(perms))->nodes++;
    l->stack.length = above * sizeof(n);
    buf_append(&l->stack, &n, sizeof(n));
    return 0;
}

static int read_change(struct loader *l, const struct rec *rec)
{
    struct path path = { rec->text, rec->text_length, 0 };
    struct node *removed = NULL;
    struct view view;
    int rc = 0;

    view_borrow(&view, &l->s->store, &no_hooks);
    if (rec->n[0] == CHANGE_GONE)
        rc = view_rm(&view, dom0, &path, &removed);
    else if (rec->n[0] != CHANGE_PERMS)
        rc = view_write(&view, dom0, &path, rec->bytes, rec->bytes_size);
    if (rc == 0 && rec->perms)
        rc = view_take_perms(&view, &path, perms_get(rec->perms));
    view_publish(&view);
    if (removed)
        node_put(removed);
    return rc;
}

static int read_special(struct loader *l, const struct rec *rec)
{
    if (rec->n[0] >= NR_SPECIAL)
        return -EINVAL;
    perms_put(l->s->special[rec->n[0]]);
    l->s->special[rec->n[0]] = perms_get(rec->perms);
    return 0;
}

static int read_domain(struct loader *l, const struct rec *rec)
{
    struct domain *d = l->c ? l->s->domains[rec->domid] : domain_new(l->s, rec->domid);

    if (rec->bytes_size != XEN_HANDLE_SIZE)
        return -EINVAL;
    d->remote_port = rec->n[0];
    d->conn->who.target = (uint16_t)rec->n[1];
    d->told_shutdown = rec->n[2];
    memcpy(d->handle, rec->bytes, XEN_HANDLE_SIZE);
    return 0;
}

static int read_ended(struct loader *l, const struct rec *rec)
{
    struct domain_ends *ends = &l->s->store.ends;

    if (l->c)
        domain_free(l->s, l->s->domains[rec->domid]);
    ends->ended[rec->domid] = rec->clock;
    ends->clock = rec->clock > ends->clock ? rec->clock : ends->clock;
    if (quota_account(&l->s->store.quotas, rec->domid)->nodes == 0)
        quota_forget(&l->s->store.quotas, rec->domid);
    return 0;
}

static int read_quota(struct loader *l, const struct rec *rec)
{
    struct account *account;

    if (rec->n[0] >= NR_QUOTAS)
        return 0;       // a later version's
    if (rec->domid == NO_DOMID) {
        l->s->store.quotas.limit[rec->n[0]] = rec->n[2];
        return 0;
    }
    account = quota_account(&l->s->store.quotas, rec->domid);
    account->has_limit[rec->n[0]] = rec->n[1];
    account->limit[rec->n[0]] = rec->n[2];
    return 0;
}

static int read_watch(struct loader *l, const struct rec *rec)
{
    struct watch *watch = watch_find(&l->s->watches, l->c, rec->text, rec->bytes);

    if (rec->n[1] > rec->text_length)
        return -EINVAL;
    if (!watch) {
        watch = watch_add(&l->s->watches, &l->c->watches, l->c, rec->text, rec->n[1], rec->bytes,
                          (int32_t)rec->n[0]);
        quota_account(&l->s->store.quotas, rec->domid)->watches++;
    }
    l->c->nr_missed = l->c->nr_missed + !!rec->n[2] - watch->missed;
    watch->missed = rec->n[2];
    return 0;
}

static int read_unwatch(struct loader *l, const struct rec *rec)
{
    struct watch *watch = watch_find(&l->s->watches, l->c, rec->text, rec->bytes);

    if (!watch)
        return -EINVAL;
    conn_unwatch(l->s, l->c, watch);
    return 0;
}

static int read_reset(struct loader *l, const struct rec *rec)
{
    (void)rec;
    conn_reset(l->s, l->c);
    return 0;
}

static int read_txn(struct loader *l, const struct rec *rec)
{
    if (conn_txn(l->c, rec->n[0]))
        return -EINVAL;
    conn_add_txn(l->s, l->c, rec->n[0])->must_fail = true;
    return 0;
}

// What a transaction did is done again, so that it goes on seeing it. It ends in EAGAIN anyway, so what
// fails now that went well then, because the tree is another, does not matter.
static int read_txn_op(struct loader *l, const struct rec *rec)
{
    size_t nr_perms = rec->n[1] == TXN_SET_PERMS ? rec->bytes_size / sizeof(struct perm) : 0;
    struct path path = { rec->text, rec->text_length, 0 };
    struct txn *txn = conn_txn(l->c, rec->n[0]);

    if (!txn)
        return 0;       // it ended before the log was complete that it is in only from here on
    if (rec->n[1] > TXN_SET_PERMS || (rec->n[1] == TXN_SET_PERMS && nr_perms == 0) ||
        !perms_are_valid(rec->bytes, nr_perms))
        return -EINVAL;
    (void)txn_apply(txn, l->c->who, (enum txn_kind)rec->n[1], &path, rec->bytes, rec->bytes_size);
    return 0;
}

static int read_txn_end(struct loader *l, const struct rec *rec)
{
    struct txn *txn = conn_txn(l->c, rec->n[0]);

    if (txn)            // as above
        conn_drop_txn(l->s, l->c, txn);
    return 0;
}

static int read_in(struct loader *l, const struct rec *rec)
{
    l->c->in.length = 0;
    l->c->in_pos = rec->n[0];
    return 0;
}

static int read_part(struct loader *l, const struct rec *rec)
{
    if (l->c->in.length + rec->bytes_size > WIRE_MAX)
        return -EINVAL;
    buf_append(&l->c->in, rec->bytes, rec->bytes_size);
    l->c->in_pos += (uint32_t)rec->bytes_size;
    return 0;
}

static int read_out(struct loader *l, const struct rec *rec)
{
    buf_append(&l->c->out, rec->bytes, rec->bytes_size);
    l->c->out_told = l->c->out.length;
    l->c->out_pos += (uint32_t)rec->bytes_size;
    return 0;
}

static int read_restart(struct loader *l, const struct rec *rec)
{
    conn_restart(l->s, l->c, rec->n[0], rec->n[1]);
    return 0;
}

// What a record must have: a domain that there is, text, text that is a path, bytes that are a string,
// permissions.
enum { DOMAIN = 1, TEXT = 2, PATH = 4, STRING = 8, PERMS = 16 };

static const struct {
    int (*read)(struct loader *l, const struct rec *rec);
    unsigned needs;
} readers[NR_RECORDS] = {
    [R_START] = { read_start, 0 },
    [R_NODE] = { read_node, TEXT },
    [R_CHANGE] = { read_change, PATH },
    [R_SPECIAL] = { read_special, PERMS },
    [R_DOMAIN] = { read_domain, 0 },
    [R_ENDED] = { read_ended, 0 },
    [R_QUOTA] = { read_quota, 0 },
    [R_WATCH] = { read_watch, DOMAIN | TEXT | STRING },
    [R_UNWATCH] = { read_unwatch, DOMAIN | TEXT | STRING },
    [R_RESET] = { read_reset, DOMAIN },
    [R_TXN] = { read_txn, DOMAIN },
    [R_TXN_OP] = { read_txn_op, DOMAIN | PATH },
    [R_TXN_END] = { read_txn_end, DOMAIN },
    [R_IN] = { read_in, DOMAIN },
    [R_PART] = { read_part, DOMAIN },
    [R_OUT] = { read_out, DOMAIN },
    [R_RESTART] = { read_restart, DOMAIN },
};

static bool has(const struct loader *l, const struct rec *rec, unsigned needs)
{
    return !((needs & DOMAIN) && !l->c) &&
           !((needs & (TEXT | PATH)) && !rec->text) &&
           !((needs & PATH) && !path_is_valid(rec->text, rec->text_length)) &&
           !((needs & STRING) && strnlen(rec->bytes, rec->bytes_size) + 1 != rec->bytes_size) &&
           !((needs & PERMS) && !rec->perms);
}

// The permissions are one reference, which the caller drops. Records are aligned, and what may be entries
// of permissions stands in front of what may have any length.
static int decode(const uint8_t *payload, size_t size, struct rec *rec)
{
    const struct fixed *fixed = (const struct fixed *)(const void *)payload;
    const struct perm *entries = (const struct perm *)(const void *)(fixed + 1);

    if (size < sizeof(*fixed) || size != sizeof(*fixed) + fixed->nr_perms * sizeof(entries[0]) +
        (uint64_t)fixed->bytes_size + fixed->text_size || !perms_are_valid(entries, fixed->nr_perms))
        return -EINVAL;
    *rec = (struct rec){ .domid = fixed->domid, .clock = fixed->clock, .bytes_size = fixed->bytes_size,
                         .bytes = entries + fixed->nr_perms };
    memcpy(rec->n, fixed->n, sizeof(rec->n));
    if (fixed->text_size) {
        rec->text = (const char *)rec->bytes + rec->bytes_size;
        rec->text_length = fixed->text_size - 1;
        if (strnlen(rec->text, fixed->text_size) != rec->text_length)
            return -EINVAL;
    }
    rec->perms = fixed->nr_perms ? perms_new(entries, fixed->nr_perms, fixed->clock) : NULL;
    return 0;
}

static int apply_record(void *arg, uint16_t type, const uint8_t *payload, size_t size)
{
    struct loader *l = arg;
    struct rec rec;
    int rc;

    if (type >= NR_RECORDS || !readers[type].read || decode(payload, size, &rec))
        return -EINVAL;
    if (type != R_NODE)
        l->stack.length = 0;
    l->c = l->s->domains[rec.domid] ? l->s->domains[rec.domid]->conn : NULL;
    rc = has(l, &rec, readers[type].needs) ? readers[type].read(l, &rec) : -EINVAL;
    if (rc)
        log_line("a record of type %u for domain %u, %.200s, does not fit what was read before", type,
                 rec.domid, rec.text ? rec.text : "");
    if (rec.perms)
        perms_put(rec.perms);
    return rc;
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
    PUT(s, R_START, .n = { (uint32_t)(l.epoch + 1) });
    journal_commit(&s->journal);
    return 0;
}
