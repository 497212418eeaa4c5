// SPDX-License-Identifier: MIT
// What goes into the journal, and how the daemon's state comes out of it again. Each function appends
// records to the group being written, except where it says otherwise.
#pragma once

#include "server.h"

// Takes up the state in the journal at a path, or begins a new one. Returns 0 or a negative errno.
int persist_open(struct server *s, const char *path, bool *fresh);
// Sets up again what hangs on the hypervisor: after persist_open() and once there is a host.
void persist_adopt(struct server *s);

// The hooks of views of the store: each change becomes a record.
extern const struct view_hooks persist_hooks;
// The server that they write for.
void persist_attach(struct server *s);

void persist_special(struct server *s, int special);
void persist_domain(struct server *s, const struct domain *d);
void persist_state(struct server *s, const struct domain *d);
void persist_release(struct server *s, uint16_t domid);
void persist_ended(struct server *s, uint16_t domid);
void persist_quota(struct server *s, uint16_t domid, enum quota kind);
void persist_watch(struct server *s, const struct conn *c, const struct watch *watch);
void persist_unwatch(struct server *s, const struct conn *c, const struct watch *watch);
void persist_reset(struct server *s, const struct conn *c);
void persist_txn(struct server *s, const struct conn *c, uint32_t id);
void persist_txn_op(struct server *s, const struct conn *c, uint32_t id, const struct txn_op *op);
void persist_txn_end(struct server *s, const struct conn *c, uint32_t id);
// A whole request has been taken from a ring, up to in_pos; or a part, which is the end of `in`.
void persist_in(struct server *s, const struct conn *c);
void persist_part(struct server *s, const struct conn *c, size_t size);
// What `out` has got that is not in the journal.
void persist_out(struct server *s, struct conn *c);
// A ring starts anew at its in_pos and out_pos.
void persist_restart(struct server *s, const struct conn *c);

// Whether so many bytes more can be written, beside what is always kept for replies.
int persist_room(struct server *s, size_t bytes);
// What has been written of the group so far is forgotten.
void persist_forget(struct server *s);
// The group is complete and counts.
void persist_commit(struct server *s);

// Goes on with writing the journal anew, if that is due or under way. Returns whether there is more.
bool persist_compact(struct server *s);
