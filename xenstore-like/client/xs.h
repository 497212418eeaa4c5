// SPDX-License-Identifier: MIT
// A client of the store, over its Unix socket. One thread at a time may use a connection.
//
// Functions return 0 or a negative errno: what the store replied, or -ECONNRESET when the connection is
// gone. The store may be killed and started at any time: xs_reconnect() then waits for it and sets the
// watches again, each of which tells one event as any new watch does.
//
// Strings that are returned through pointers are the caller's, to free().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xs;

// A transaction, or no transaction.
typedef uint32_t xs_tx;
#define XS_NO_TX 0

// `path` of NULL is $XENSTORED_PATH, or /run/xenstored/socket.
int xs_connect(struct xs **xs, const char *path);
void xs_disconnect(struct xs *xs);
// Tries for so long; -ETIMEDOUT.
int xs_reconnect(struct xs *xs, int timeout_ms);

// The value has a zero byte behind it; `length` may be NULL.
int xs_get(struct xs *xs, xs_tx tx, const char *node, char **value, size_t *length);
int xs_set(struct xs *xs, xs_tx tx, const char *node, const void *value, size_t length);
int xs_make(struct xs *xs, xs_tx tx, const char *node);
int xs_remove(struct xs *xs, xs_tx tx, const char *node);
// The names of children one after the other, each closed by a zero byte, in `length` bytes. However many.
int xs_list(struct xs *xs, xs_tx tx, const char *node, char **names, size_t *length);
// Permissions in the same form: "n0", "r5".
int xs_get_perms(struct xs *xs, xs_tx tx, const char *node, char **perms, size_t *length);
int xs_set_perms(struct xs *xs, xs_tx tx, const char *node, const char *perms, size_t length);

int xs_begin(struct xs *xs, xs_tx *tx);
// -EAGAIN: somebody has changed what the transaction saw; do it again.
int xs_end(struct xs *xs, xs_tx tx, bool commit);

// From begin to end, requests without an answer to return (set, make, remove, set_perms) are only gathered and return 0; the
// end has sent them all and returns the first failure among them, which was request number *failed (it may be NULL), from 0.
// Other requests are -EINVAL meanwhile.
int xs_batch_begin(struct xs *xs);
int xs_batch_end(struct xs *xs, size_t *failed);

// Waits for events with xs_event(), or by polling xs_fd() after xs_event() with a timeout of 0 had none.
int xs_watch(struct xs *xs, const char *node, const char *token);
int xs_unwatch(struct xs *xs, const char *node, const char *token);
// One event: the node, and behind its zero byte the token. -ETIMEDOUT; a timeout below 0 is for ever.
int xs_event(struct xs *xs, int timeout_ms, char **node, char **token);
int xs_fd(const struct xs *xs);

int xs_introduce(struct xs *xs, unsigned domid, uint64_t gfn, uint32_t port);
int xs_release(struct xs *xs, unsigned domid);
int xs_resume(struct xs *xs, unsigned domid);
int xs_set_target(struct xs *xs, unsigned domid, unsigned target);
int xs_is_introduced(struct xs *xs, unsigned domid, bool *introduced);
// CONTROL: strings, each closed by a zero byte.
int xs_control(struct xs *xs, const char *words, size_t length, char **answer);
