// SPDX-License-Identifier: MIT
// What goes into the journal, and how the daemon's state comes out of it again. Each function appends
// records to the group being written, except where it says otherwise.
#pragma once

#include "server.h"

enum record {
    //                  domid    n[0]      n[1]      n[2]     text          bytes    permissions
    R_START = 1,    //          epoch
    R_NODE,         //          depth     inherits  children name          value    unless it inherits
    R_CHANGE,       //          what                         path          value    both as what it is
    R_SPECIAL,      //          which                                               yes
    R_DOMAIN,       //  domid   port      target    shutdown               handle
    R_ENDED,        //  domid                                   (clock: of its end)
    R_QUOTA,        //  domid   kind      has       limit       (NO_DOMID: the limit of all)
    R_WATCH,        //  domid   depth     relative  missed   path          token
    R_UNWATCH,      //  domid                                path          token
    R_RESET,        //  domid
    R_TXN,          //  domid   id
    R_TXN_OP,       //  domid   id        kind               path          value
    R_TXN_END,      //  domid   id
    R_IN,           //  domid   in_pos                          (a whole request has been taken)
    R_PART,         //  domid                                              of a request
    R_OUT,          //  domid                                              of replies and events
    R_RESTART,      //  domid   in_pos    out_pos               (nothing is set, asked or unsent)
    NR_RECORDS,
};

// Takes up the state in the journal at a path, or begins a new one. Returns 0 or a negative errno.
int persist_open(struct server *s, const char *path, bool *fresh);
// The hooks of views of the store: each change becomes a record.
extern const struct view_hooks persist_hooks;

void persist_special(struct server *s, int special);
void persist_domain(struct server *s, const struct domain *d);
void persist_ended(struct server *s, uint16_t domid);
void persist_quota(struct server *s, uint16_t domid, enum quota kind);
// What concerns a connection, for rings only: records of a watch, of one or two numbers, of bytes.
void persist_watch(struct server *s, enum record type, const struct conn *c, const struct watch *watch);
void persist_numbers(struct server *s, enum record type, const struct conn *c, uint32_t n0, uint32_t n1);
void persist_bytes(struct server *s, enum record type, const struct conn *c, const void *bytes, size_t size);
void persist_txn_op(struct server *s, const struct conn *c, uint32_t id, const struct txn_op *op);
// What `out` has got that is not in the journal.
void persist_out(struct server *s, struct conn *c);

// Whether so many bytes more can be written, beside what is always kept for replies.
int persist_room(struct server *s, size_t bytes);

// Goes on with writing the journal anew, if that is due or under way. Returns whether there is more.
bool persist_compact(struct server *s);
