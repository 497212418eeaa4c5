// SPDX-License-Identifier: MIT
//
// The real store. When it goes away all calls fail; a driver then ends, its sandbox allowing it no
// new connection, and goes on as a new process.
#include "bus/store_xs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/container.h"
#include "xenstore-like/client/xs.h"

#define WATCH_TOKEN "peer"

static struct xs *xs_of(struct store *s)
{
    return CONTAINER(s, struct store_xs, store)->xs;
}

static int real_read(struct store *s, const char *path, char *value, size_t size)
{
    char *text;
    size_t length;
    int rc = xs_get(xs_of(s), XS_NO_TX, path, &text, &length);

    if (rc < 0)
        return rc;
    rc = length < size ? 0 : -E2BIG;
    if (rc == 0)
        memcpy(value, text, length + 1);
    free(text);
    return rc;
}

static int real_write(struct store *s, const char *path, const char *value)
{
    return xs_set(xs_of(s), XS_NO_TX, path, value, strlen(value));
}

static int real_watch(struct store *s, const char *path)
{
    int rc = xs_watch(xs_of(s), path, WATCH_TOKEN);

    return rc == -EEXIST ? 0 : rc;
}

// All that have come count as one change.
static int real_wait(struct store *s, int timeout_ms)
{
    char *node;
    char *token;
    int rc = xs_event(xs_of(s), timeout_ms, &node, &token);

    while (rc == 0) {
        free(node);
        rc = xs_event(xs_of(s), 0, &node, &token);
    }
    return rc == -ETIMEDOUT ? 0 : rc;
}

static const struct store_ops real_ops = {
    .read = real_read,
    .write = real_write,
    .watch = real_watch,
    .wait = real_wait,
};

int store_xs_open(struct store_xs *s, const char *path)
{
    s->store.ops = &real_ops;
    return xs_connect(&s->xs, path);
}
