// SPDX-License-Identifier: MIT
// The daemon's one state, and its connections. Rings and sockets differ in `transport` only, except
// that what concerns rings goes into the journal: guests do not connect again.
#pragma once

#include <time.h>

#include "dom0-tools/lib/xen_linux.h"
#include "journal.h"
#include "txn.h"
#include "watch.h"
#include "wire.h"

// What one connection may have unsent before its requests wait, and before its watch events merge.
enum { MAX_UNSENT_REPLIES = 32 << 10, MAX_UNSENT_EVENTS = 4 << 20 };
// Requests of one connection in a row before others have their turn.
enum { REQUESTS_PER_TURN = 512 };

struct server;
struct conn;

struct transport {
    const char *name;
    // Takes in and handles requests, and gives out what is unsent, until nothing moves or others are
    // due. Returns whether there is more to do at once, or -1 when the connection is over.
    int (*turn)(struct server *s, struct conn *c);
    void (*close)(struct server *s, struct conn *c);
};

// A ring's positions run on: in_pos is where the next request byte will be, out_pos where the byte after
// the last of `out` will be.
struct conn {
    const struct transport *transport;
    LIST_ENTRY(conn) link;              // of its kind's
    TAILQ_ENTRY(conn) ready, dirty;     // in the server's queues, while is_ready and is_dirty
    bool is_ready;
    bool is_dirty;                      // `out` has grown
    bool is_ring;
    struct subject who;
    struct buf in;                      // a request that has not come whole
    struct buf out;                     // unsent
    size_t out_told;                    // how much of `out` is in the journal (rings)
    struct watch_list watches;
    size_t nr_missed;                   // watches that are owed an event
    LIST_HEAD(, txn) txns;
    uint32_t next_txn;
    // sockets
    int fd;
    bool is_readable, is_heard, wants_write;
    // rings
    struct xenstore_domain_interface *page;
    uint32_t port;                      // 0: none
    uint32_t in_pos, out_pos;
    bool is_broken;                     // the domain broke the protocol: it is not served any more
};

LIST_HEAD(conn_list, conn);

struct domain {
    uint16_t domid;
    uint32_t remote_port;
    uint8_t handle[XEN_HANDLE_SIZE];    // what makes it this one among all that had its number
    bool told_shutdown;
    struct conn *conn;
};

// Names of special watches.
enum { SPECIAL_INTRODUCE, SPECIAL_RELEASE, NR_SPECIAL };
extern const char *const special_names[NR_SPECIAL];

struct server {
    struct store store;
    struct watch_tree watches;
    struct perms *special[NR_SPECIAL];
    struct domain *domains[MAX_DOMID + 1];
    size_t nr_domains;
    struct conn_list rings, sockets;
    struct conn **ports;                // by local port
    size_t nr_ports;
    TAILQ_HEAD(, conn) ready, dirty;
    struct xen_devices xen;             // if there is a hypervisor
    bool has_xen;
    uint32_t virq_port;                 // tells of a domain's end or shutdown
    struct journal journal;
    struct compaction *compaction;      // a new journal being written, or NULL
    int epoll;
    int listener;
    time_t next_compaction;             // 0: at any time
    time_t look_at;                     // when all rings are looked at again; 0: no need to
    bool stop;
    uint64_t nr_requests, nr_events, nr_merged, nr_commits, nr_conflicts;
};

// conn.c
void server_init(struct server *s);
struct conn *conn_new(const struct transport *transport, struct conn_list *list, uint16_t domid);
void conn_free(struct server *s, struct conn *c);
// All its watches and transactions are no more; what a request of the guest asks for, or its end.
void conn_reset(struct server *s, struct conn *c);
// Likewise; and its ring begins at these positions, with nothing asked or unsent.
void conn_restart(struct server *s, struct conn *c, uint32_t in_pos, uint32_t out_pos);
void conn_unwatch(struct server *s, struct conn *c, struct watch *watch);
void conn_ready(struct server *s, struct conn *c);
struct txn *conn_txn(struct conn *c, uint32_t id);
struct txn *conn_add_txn(struct server *s, struct conn *c, uint32_t id);
void conn_drop_txn(struct server *s, struct conn *c, struct txn *txn);
// `out` has grown: it goes into the journal with the group being written, and out afterwards.
void conn_dirty(struct server *s, struct conn *c);
// Events for watches whose events had to be dropped, now that there is room.
void conn_send_missed(struct server *s, struct conn *c);
// The group being written ends: what connections are to get is part of it.
void server_commit(struct server *s);
// In a second or two all rings are looked at, whether their domains notify or not.
void server_look_later(struct server *s);
// Milliseconds until then, -1 if there is no need; at 0 their turns have been asked for.
int server_look(struct server *s);
// Gives every ready connection a turn. Returns whether some are still ready.
bool server_turns(struct server *s);

// events.c
// A node has changed; `removed` is what was there if it is gone. Events for `own` are put into `later`.
struct fire {
    struct server *s;
    struct conn *own;
    struct buf *later;
};
void fire_node(const struct fire *fire, const char *path, struct node *removed);
// What was done in a view, if it has become the store's; empties the list.
void fire_told(const struct fire *fire, struct told *told, bool happened);
void fire_special(const struct fire *fire, int special, uint16_t domid);
void fire_watch(const struct fire *fire, struct watch *watch, const char *path);

// request.c
void request_handle(struct server *s, struct conn *c, const struct message *m);

// control.c
// [DOMID] NAME NUMBER: a limit of a domain, or of all that have none of their own.
int server_set_quota(struct server *s, const char *words[], size_t count);
int control_command(struct server *s, const char *payload, size_t length, struct buf *reply);

// domain.c
// A domain's record and its connection, without a ring yet.
struct domain *domain_new(struct server *s, uint16_t domid);
int domain_introduce(struct server *s, const struct fire *fire, uint16_t domid, uint32_t port);
// Sets up the rings again after a restart; domains that are not there any more are released.
void domains_adopt(struct server *s);
void domain_release(struct server *s, const struct fire *fire, uint16_t domid);
// Some domain has ended or shut down: finds out which.
void domains_check(struct server *s);
void domain_free(struct server *s, struct domain *d);

// ring.c
extern const struct transport ring_transport;
void ring_break(struct server *s, struct conn *c, uint32_t error, const char *why);
void ring_offer(struct conn *c);
void ring_restart(struct server *s, struct conn *c);
bool ring_resume(struct conn *c);

// socket.c
int socket_listen(struct server *s, const char *path);
void socket_accept(struct server *s);
