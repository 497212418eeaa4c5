// SPDX-License-Identifier: MIT
//
// What a driver needs of the store: its own nodes and its peer's, one watch on the peer. What it
// reads there was written by the other side, so values are bounded here and parsed by the reader.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define STORE_MAX_PATH 128u
#define STORE_MAX_VALUE 256u

struct store;

struct store_ops {
    // 0, or a negative errno: -ENOENT without the node, -E2BIG if the value does not fit.
    int (*read)(struct store *s, const char *path, char *value, size_t size);
    int (*write)(struct store *s, const char *path, const char *value);
    int (*watch)(struct store *s, const char *path);
    // Until something changed that is watched, or for so long. An error means that the store is gone. NULL where
    // there is another way to wait (the kit's guest_wait).
    int (*wait)(struct store *s, int timeout_ms);
};

struct store {
    const struct store_ops *ops;
};
