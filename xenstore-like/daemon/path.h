// SPDX-License-Identifier: MIT
// Paths as the protocol allows them: "/", or components of letters, digits and - / _ @, each after one
// slash. Special watches are named by a word that starts with @. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "public/io/xs_wire.h"

// An absolute path, closed by a zero byte, in memory of somebody else's.
struct path {
    const char *text;
    size_t length;
    size_t relative;        // how many first bytes the client did not write
};

enum { PATH_ROOM = XENSTORE_ABS_PATH_MAX + 1 };

// One component of a path: where it starts and how long it is.
struct component {
    const char *name;
    size_t length;
};

bool path_is_valid(const char *text, size_t length);
// "@" and what may stand in a path without slashes, or "@releaseDomain/5".
bool path_is_special(const char *text);

// The absolute path that `text` means: itself if it starts with a slash, else
// one below /local/domain/DOMID, which is put into `room` (PATH_ROOM bytes). Returns 0, or -EINVAL if
// that is no valid path or longer than the protocol allows.
int path_resolve(struct path *path, char *room, unsigned domid, const char *text);

// The components in turn: set `at` to the path's text, and call until it returns false.
bool path_next(const char **at, struct component *c);

size_t path_depth(const char *text);
