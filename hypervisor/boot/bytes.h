// SPDX-License-Identifier: MIT
/*
 * A run of bytes from outside (firmware, boot loader, kernel file) and bounds-checked little-endian
 * reads from it. A read outside the run gives 0: a parser checks a structure's length once with
 * bytes_have(), and a forgotten check can mislead it but never make it read elsewhere.
 */
#pragma once

#include "lib/base.h"

struct bytes {
    const uint8_t *at;
    size_t size;
};

static inline bool bytes_have(struct bytes b, uint64_t offset, uint64_t size)
{
    return offset <= b.size && size <= b.size - offset;
}

/* Physical memory through a parser's `map`, or an empty run. */
static inline struct bytes bytes_map(const void *(*map)(paddr_t start, size_t size), paddr_t start,
                                     uint64_t size)
{
    const void *at = size && start + size > start ? map(start, (size_t)size) : NULL;

    return (struct bytes){ at, at ? (size_t)size : 0 };
}

/* The part [offset, offset + size), or an empty run if it is not all there. */
static inline struct bytes bytes_part(struct bytes b, uint64_t offset, uint64_t size)
{
    if (!bytes_have(b, offset, size))
        return (struct bytes){ b.at, 0 };
    return (struct bytes){ b.at + offset, (size_t)size };
}

static inline uint64_t bytes_read(struct bytes b, uint64_t offset, size_t width)
{
    uint64_t value = 0;

    if (bytes_have(b, offset, width))
        memcpy(&value, b.at + offset, width);
    return value;
}

#define DEFINE_BYTES_READ(bits)                                                                   \
    static inline uint##bits##_t bytes_u##bits(struct bytes b, uint64_t offset)                   \
    {                                                                                             \
        return (uint##bits##_t)bytes_read(b, offset, (bits) / 8);                                 \
    }

DEFINE_BYTES_READ(8)
DEFINE_BYTES_READ(16)
DEFINE_BYTES_READ(32)
DEFINE_BYTES_READ(64)

/* Is `text`, without its terminator, at `offset`? */
static inline bool bytes_match(struct bytes b, uint64_t offset, const char *text)
{
    size_t length = strlen(text);

    return bytes_have(b, offset, length) && !memcmp(b.at + offset, text, length);
}
