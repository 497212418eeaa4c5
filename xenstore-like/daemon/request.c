// SPDX-License-Identifier: MIT
// Requests: the table of operations, and the one dispatcher, which checks what the table says, calls the
// handler, and makes of the result one reply and one group of the journal.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "persist.h"

enum { MAX_TOKEN = 1000, MAX_STRINGS = 4, ROOM_FOR_CHANGES = 64 << 10 };

struct request {
    struct server *s;
    struct conn *c;
    const struct message *m;
    struct txn *txn;                    // NULL: none
    struct view *view;                  // the transaction's, or the store's, borrowed
    struct fire fire;
    size_t nr_strings, rest;            // the strings in front of the payload, and where they end
    const char *strings[MAX_STRINGS];
    // What the first string names.
    struct path path;
    uint32_t domid;
    struct domain *d;
    struct buf *reply;                  // empty: OK
};

// What the dispatcher does before it calls a handler.
enum {
    FOR_DOM0 = 1,           // others get EACCES
    ON_PATH = 2,            // the first string is a node's path
    OR_SPECIAL = 4,         // or the name of a special watch
    ON_DOMID = 8,           // the first string is the number of a domain
    ON_DOMAIN = 16,         // that has been introduced, and is not the control domain
    CHANGES = 32,           // needs room in the journal
    OUTSIDE = 64,           // is no operation on nodes: the transaction is ignored
};

struct operation {
    const char *name;
    int (*handle)(struct request *r);
    unsigned flags;
    unsigned min_strings, max_strings;  // that the payload must start with, and that are looked for
};

static void reply_number(struct request *r, uint64_t number)
{
    buf_print(r->reply, "%" PRIu64 "%c", number, '\0');
}

// --- nodes

static int find(struct request *r, unsigned parts, struct node **n)
{
    return view_find(r->view, r->c->who, &r->path, PERM_READ, parts, n);
}

static int do_read(struct request *r)
{
    struct node *n;
    int rc = find(r, SAW_VALUE, &n);

    if (rc == 0)
        buf_append(r->reply, node_value(n), n->value_length);
    return rc;
}

// Names of children from the byte at `offset` of the whole list on; stops when `max` bytes would not do.
// Returns whether it came to the end.
static bool put_names(struct buf *reply, const struct node *n, size_t offset, size_t max)
{
    size_t at = 0, count = node_nr_children(n);

    for (size_t i = 0; i < count; i++) {
        const struct node *child = node_child_at(n, i);
        size_t size = child->name_length + 1u, skip;

        at += size;
        if (at <= offset)
            continue;
        skip = at - offset < size ? size - (at - offset) : 0;
        if (reply->length + size - skip > max)
            return false;
        buf_append(reply, node_name(child) + skip, size - 1 - skip);
        buf_append(reply, "", 1);
    }
    return true;
}

static int do_directory(struct request *r)
{
    struct node *n;
    int rc = find(r, SAW_LIST, &n);

    if (rc == 0 && !put_names(r->reply, n, 0, XENSTORE_PAYLOAD_MAX))
        return -E2BIG;
    return rc;
}

// The last part ends with one more zero byte.
static int do_directory_part(struct request *r)
{
    struct node *n;
    uint32_t offset;
    int rc = wire_number(r->strings[1], UINT32_MAX, &offset);

    if (rc == 0)
        rc = find(r, SAW_LIST, &n);
    if (rc)
        return rc;
    reply_number(r, n->generation);
    if (put_names(r->reply, n, offset, XENSTORE_PAYLOAD_MAX - 1))
        buf_append(r->reply, "", 1);
    return 0;
}

// The number of the special watch that is named, whose permissions are the control domain's to see and set.
static int find_special(const struct request *r, int *special)
{
    for (*special = 0; *special < NR_SPECIAL; ++*special)
        if (strcmp(r->path.text, special_names[*special]) == 0)
            return subject_is_privileged(r->c->who) ? 0 : -EACCES;
    return -EINVAL;
}

static int do_get_perms(struct request *r)
{
    bool is_node = r->path.text[0] == '/';
    int special, rc = is_node ? 0 : find_special(r, &special);
    struct node *n;

    if (is_node)
        rc = find(r, SAW_PERMS, &n);
    if (rc)
        return rc;
    perms_format(is_node ? n->perms : r->s->special[special], &r->s->store.ends, r->reply);
    return r->reply->length > XENSTORE_PAYLOAD_MAX ? -E2BIG : 0;
}

// Changes the node of the request: in the transaction, or in the store, where events follow.
static int change(struct request *r, enum txn_kind kind, const void *value, size_t size)
{
    struct node *removed = NULL;
    int rc;

    if (r->txn) {
        rc = txn_apply(r->txn, r->c->who, kind, &r->path, value, size);
        if (rc == 0)
            persist_txn_op(r->s, r->c, r->txn->id, TAILQ_LAST(&r->txn->ops, txn_ops));
        return rc;
    }
    rc = view_apply(r->view, r->c->who, kind, &r->path, value, size, &removed);
    // The store has its root back before events look at it.
    view_publish(r->view);
    r->view = NULL;
    if (rc == 0 && (kind != TXN_RM || removed))
        fire_node(&r->fire, r->path.text, removed);
    if (removed)
        node_put(removed);
    return rc;
}

static int do_write(struct request *r)
{
    return change(r, TXN_WRITE, r->m->payload + r->rest, r->m->header.len - r->rest);
}

static int do_mkdir(struct request *r)
{
    struct node *n;

    // What exists does not change, and there is no event.
    if (view_find(r->view, r->c->who, &r->path, PERM_WRITE, SAW_PERMS, &n) == 0)
        return 0;
    return change(r, TXN_MKDIR, NULL, 0);
}

static int do_rm(struct request *r)
{
    return change(r, TXN_RM, NULL, 0);
}

static int do_set_perms(struct request *r)
{
    struct perm entries[XENSTORE_PAYLOAD_MAX / 3];
    int count = perms_parse(entries, sizeof(entries) / sizeof(entries[0]), r->m->payload + r->rest,
                            r->m->header.len - r->rest);
    int special, rc;

    if (count < 0)
        return count;
    if (r->path.text[0] == '/')
        return change(r, TXN_SET_PERMS, entries, (size_t)count * sizeof(entries[0]));
    rc = find_special(r, &special);
    if (rc)
        return rc;
    perms_put(r->s->special[special]);
    r->s->special[special] = perms_new(entries, (size_t)count, r->s->store.ends.clock);
    persist_special(r->s, special);
    return 0;
}

// --- watches

static int do_watch(struct request *r)
{
    struct account *account = quota_account(&r->s->store.quotas, r->c->who.domid);
    uint32_t depth = 0;
    struct watch *watch;
    int rc;

    if (strlen(r->strings[1]) > MAX_TOKEN ||
        (r->nr_strings > 2 && wire_number(r->strings[2], INT32_MAX, &depth)))
        return -EINVAL;
    if (watch_find(&r->s->watches, r->c, r->path.text, r->strings[1]))
        return -EEXIST;
    rc = quota_check(&r->s->store.quotas, r->c->who, QUOTA_WATCHES, account->watches + 1ull);
    if (rc)
        return rc;
    watch = watch_add(&r->s->watches, &r->c->watches, r->c, r->path.text, r->path.relative, r->strings[1],
                      r->nr_strings > 2 ? (int32_t)depth : -1);
    account->watches++;
    persist_watch(r->s, R_WATCH, r->c, watch);
    fire_watch(&r->fire, watch, watch->path);
    return 0;
}

static int do_unwatch(struct request *r)
{
    struct watch *watch = watch_find(&r->s->watches, r->c, r->path.text, r->strings[1]);

    if (!watch)
        return -ENOENT;
    persist_watch(r->s, R_UNWATCH, r->c, watch);
    conn_unwatch(r->s, r->c, watch);
    return 0;
}

static int do_reset_watches(struct request *r)
{
    conn_reset(r->s, r->c);
    persist_numbers(r->s, R_RESET, r->c, 0, 0);
    return 0;
}

// --- transactions

static uint32_t free_txn_id(struct conn *c)
{
    uint32_t id = c->next_txn;

    while (id == 0 || conn_txn(c, id))
        id++;
    return id;
}

static int do_transaction_start(struct request *r)
{
    struct account *account = quota_account(&r->s->store.quotas, r->c->who.domid);
    struct txn *txn;
    int rc;

    if (r->txn || r->m->header.tx_id)
        return -EBUSY;
    rc = quota_check(&r->s->store.quotas, r->c->who, QUOTA_TRANSACTIONS, account->transactions + 1ull);
    if (rc)
        return rc;
    view_publish(r->view);
    r->view = NULL;
    txn = conn_add_txn(r->s, r->c, free_txn_id(r->c));
    persist_numbers(r->s, R_TXN, r->c, txn->id, 0);
    reply_number(r, txn->id);
    return 0;
}

static int commit(struct request *r)
{
    struct told told = { 0 };
    struct view view;
    int rc;

    view_open(&view, &r->s->store, &persist_hooks);
    rc = txn_commit(r->txn, r->c->who, &view, &told);
    if (rc == 0) {
        view_publish(&view);
        r->s->nr_commits++;
    } else {
        view_drop(&view);
        journal_begin(&r->s->journal);
        r->s->nr_conflicts++;
    }
    fire_told(&r->fire, &told, rc == 0);
    return rc;
}

static int do_transaction_end(struct request *r)
{
    bool all = strcmp(r->strings[0], "T") == 0;
    int rc = 0;

    if (!all && strcmp(r->strings[0], "F") != 0)
        return -EINVAL;
    if (!r->txn)
        return -ENOENT;
    if (all)
        rc = commit(r);
    persist_numbers(r->s, R_TXN_END, r->c, r->txn->id, 0);
    conn_drop_txn(r->s, r->c, r->txn);
    return rc;
}

// --- domains

static int do_introduce(struct request *r)
{
    uint32_t port;
    uint64_t gfn;

    // The frame is a number of any size, and signed in old clients: it only names a grant.
    if (r->domid == 0 || wire_number(r->strings[2], UINT32_MAX, &port) ||
        sscanf(r->strings[1], "%" SCNu64, &gfn) != 1)
        return -EINVAL;
    return domain_introduce(r->s, &r->fire, (uint16_t)r->domid, port);
}

static int do_release(struct request *r)
{
    domain_release(r->s, &r->fire, r->d->domid);
    return 0;
}

static int do_resume(struct request *r)
{
    r->d->told_shutdown = false;
    persist_domain(r->s, r->d);
    return 0;
}

static int do_set_target(struct request *r)
{
    uint32_t target;

    if (wire_number(r->strings[1], MAX_DOMID - 1, &target) || target == 0)
        return -EINVAL;
    if (!r->s->domains[target])
        return -ENOENT;
    r->d->conn->who.target = (uint16_t)target;
    persist_domain(r->s, r->d);
    return 0;
}

static int do_get_domain_path(struct request *r)
{
    buf_print(r->reply, "/local/domain/%" PRIu32 "%c", r->domid, '\0');
    return 0;
}

static int do_is_domain_introduced(struct request *r)
{
    buf_append(r->reply, r->domid == 0 || r->s->domains[r->domid] ? "T" : "F", 2);
    return 0;
}

// --- limits and control

static int do_get_quota(struct request *r)
{
    struct quotas *q = &r->s->store.quotas;
    uint32_t domid = 0;
    int kind;

    if (r->nr_strings == 0) {
        for (int i = 0; i < NR_QUOTAS; i++)
            buf_print(r->reply, "%s%s", i ? " " : "", quota_kinds[i].name);
        buf_append(r->reply, "", 1);
        return 0;
    }
    kind = quota_find(r->strings[r->nr_strings - 1]);
    if (kind < 0 || (r->nr_strings == 2 && wire_number(r->strings[0], MAX_DOMID - 1, &domid)))
        return -EINVAL;
    reply_number(r, r->nr_strings == 2 ? quota_limit(q, (uint16_t)domid, (enum quota)kind) : q->limit[kind]);
    return 0;
}

static int do_set_quota(struct request *r)
{
    return server_set_quota(r->s, r->strings, r->nr_strings);
}

static int do_control(struct request *r)
{
    return control_command(r->s, r->m->payload, r->m->header.len, r->reply);
}

static const struct operation operations[] = {
    [XS_CONTROL] = { "CONTROL", do_control, FOR_DOM0 | OUTSIDE, 1, 1 },
    [XS_DIRECTORY] = { "DIRECTORY", do_directory, ON_PATH, 1, 1 },
    [XS_READ] = { "READ", do_read, ON_PATH, 1, 1 },
    [XS_GET_PERMS] = { "GET_PERMS", do_get_perms, ON_PATH | OR_SPECIAL, 1, 1 },
    [XS_WATCH] = { "WATCH", do_watch, ON_PATH | OR_SPECIAL | OUTSIDE | CHANGES, 2, 3 },
    [XS_UNWATCH] = { "UNWATCH", do_unwatch, ON_PATH | OR_SPECIAL | OUTSIDE | CHANGES, 2, 2 },
    [XS_TRANSACTION_START] = { "TRANSACTION_START", do_transaction_start, CHANGES, 0, 0 },
    [XS_TRANSACTION_END] = { "TRANSACTION_END", do_transaction_end, CHANGES, 1, 1 },
    [XS_INTRODUCE] = { "INTRODUCE", do_introduce, FOR_DOM0 | ON_DOMID | OUTSIDE | CHANGES, 3, 3 },
    [XS_RELEASE] = { "RELEASE", do_release, FOR_DOM0 | ON_DOMAIN | OUTSIDE | CHANGES, 1, 1 },
    [XS_GET_DOMAIN_PATH] = { "GET_DOMAIN_PATH", do_get_domain_path, ON_DOMID | OUTSIDE, 1, 1 },
    [XS_WRITE] = { "WRITE", do_write, ON_PATH | CHANGES, 1, 1 },
    [XS_MKDIR] = { "MKDIR", do_mkdir, ON_PATH | CHANGES, 1, 1 },
    [XS_RM] = { "RM", do_rm, ON_PATH | CHANGES, 1, 1 },
    [XS_SET_PERMS] = { "SET_PERMS", do_set_perms, ON_PATH | OR_SPECIAL | CHANGES, 1, 1 },
    [XS_IS_DOMAIN_INTRODUCED] = { "IS_DOMAIN_INTRODUCED", do_is_domain_introduced, FOR_DOM0 | ON_DOMID | OUTSIDE,
                                  1, 1 },
    [XS_RESUME] = { "RESUME", do_resume, FOR_DOM0 | ON_DOMAIN | OUTSIDE | CHANGES, 1, 1 },
    [XS_SET_TARGET] = { "SET_TARGET", do_set_target, FOR_DOM0 | ON_DOMAIN | OUTSIDE | CHANGES, 2, 2 },
    [XS_RESET_WATCHES] = { "RESET_WATCHES", do_reset_watches, OUTSIDE | CHANGES, 0, 0 },
    [XS_DIRECTORY_PART] = { "DIRECTORY_PART", do_directory_part, ON_PATH, 2, 2 },
    [XS_GET_QUOTA] = { "GET_QUOTA", do_get_quota, FOR_DOM0 | OUTSIDE, 0, 2 },
    [XS_SET_QUOTA] = { "SET_QUOTA", do_set_quota, FOR_DOM0 | OUTSIDE | CHANGES, 2, 3 },
};

static const struct operation *operation_of(uint32_t type)
{
    if (type >= sizeof(operations) / sizeof(operations[0]) || !operations[type].handle)
        return NULL;
    return &operations[type];
}

// Finds what the first string names, as the table says.
static int find_named(struct request *r, unsigned flags)
{
    static char room[PATH_ROOM];
    const char *text = r->strings[0];

    if ((flags & OR_SPECIAL) && path_is_special(text))
        r->path = (struct path){ text, strlen(text), 0 };
    else if (flags & ON_PATH)
        return path_resolve(&r->path, room, r->c->who.domid, text);
    if ((flags & (ON_DOMID | ON_DOMAIN)) && wire_number(text, MAX_DOMID - 1, &r->domid))
        return -EINVAL;
    if (!(flags & ON_DOMAIN))
        return 0;
    r->d = r->s->domains[r->domid];
    if (r->domid == 0)
        return -EINVAL;
    return r->d ? 0 : -ENOENT;
}

static int prepare(struct request *r, const struct operation *op)
{
    int rc;

    if (!op)
        return -ENOSYS;
    if ((op->flags & FOR_DOM0) && !subject_is_privileged(r->c->who))
        return -EACCES;
    r->nr_strings = wire_strings(r->m->payload, r->m->header.len, r->strings, op->max_strings, &r->rest);
    if (r->nr_strings < op->min_strings)
        return -EINVAL;
    rc = find_named(r, op->flags);
    if (rc == 0 && r->m->header.tx_id && !(op->flags & OUTSIDE)) {
        r->txn = conn_txn(r->c, r->m->header.tx_id);
        rc = r->txn ? 0 : -ENOENT;
    }
    if (rc == 0 && (op->flags & CHANGES))
        rc = persist_room(r->s, ROOM_FOR_CHANGES + (r->txn ? 4 * r->txn->size : 0));
    return rc;
}

static int run(struct request *r, const struct operation *op)
{
    struct view borrowed;
    int rc = prepare(r, op);

    if (rc)
        return rc;
    r->view = NULL;
    if (r->txn) {
        r->view = &r->txn->view;
    } else if (!(op->flags & OUTSIDE)) {
        view_borrow(&borrowed, &r->s->store, &persist_hooks);
        r->view = &borrowed;
    }
    rc = op->handle(r);
    if (r->view == &borrowed)
        view_publish(&borrowed);
    return rc;
}

static void log_request(const struct request *r, const struct operation *op, int rc)
{
    log_line("%s of domain %u: %s %.200s%s%.200s -> %s", r->c->transport->name, r->c->who.domid,
             op ? op->name : "unknown operation", r->nr_strings ? r->strings[0] : "",
             r->nr_strings > 1 ? " " : "", r->nr_strings > 1 ? r->strings[1] : "",
             rc ? wire_error(-rc) : "OK");
}

void request_handle(struct server *s, struct conn *c, const struct message *m)
{
    static struct buf reply, later;
    const struct operation *op = operation_of(m->header.type);
    struct request r = { .s = s, .c = c, .m = m, .fire = { s, c, &later }, .reply = &reply };
    int rc;

    reply.length = later.length = 0;
    s->nr_requests++;
    rc = run(&r, op);
    if (rc || (reply.length == 0 && m->header.type != XS_READ && m->header.type != XS_DIRECTORY)) {
        const char *text = rc ? wire_error(-rc) : "OK";

        reply.length = 0;
        buf_append(&reply, text, strlen(text) + 1);
    }
    wire_put(&c->out, rc ? XS_ERROR : m->header.type, m->header.req_id, m->header.tx_id, reply.bytes,
             reply.length);
    if (later.length)
        buf_append(&c->out, later.bytes, later.length);
    if (log_requests)
        log_request(&r, op, rc);
    if (c->is_ring) {
        persist_numbers(s, R_IN, c, c->in_pos, 0);
        conn_dirty(s, c);
    }
    server_commit(s);
}
