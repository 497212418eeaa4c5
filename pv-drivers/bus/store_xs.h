// SPDX-License-Identifier: MIT
//
// The real store, through its daemon's socket.
#pragma once

#include "bus/store.h"

struct xs;

struct store_xs {
    struct store store;
    struct xs *xs;
};

// `path` of NULL is the usual socket. 0 or a negative errno.
int store_xs_open(struct store_xs *s, const char *path);
