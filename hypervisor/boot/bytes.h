// SPDX-License-Identifier: MIT
/*
 * What boot's parsers read and write: runs of bytes, and memory that goes back at once.
 *
 * struct bytes is a run of bytes from outside (firmware, boot loader, kernel file) with
 * bounds-checked little-endian reads from it. A read outside the run gives 0: a parser checks a
 * structure's length once with bytes_have(), and a forgotten check can mislead it but never make it
 * read elsewhere.
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

/* main.c: makes a physical range readable for the rest of boot, or returns NULL. */
const void *boot_map(paddr_t start, size_t size);

/* Physical memory, or an empty run. */
static inline struct bytes bytes_map(paddr_t start, uint64_t size)
{
    const void *at = size && start + size > start ? boot_map(start, (size_t)size) : NULL;

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

/*
 * Memory that is handed out from the front and given back as a whole, by whoever provided it.
 * For work at boot with many sizes and one end. No locks: one user at a time.
 */
struct arena {
    uint8_t *base;
    size_t size;
    size_t used;
};

static inline size_t arena_left(const struct arena *arena)
{
    return arena->size - arena->used;
}

/* `size` bytes, aligned to `align` (a power of two), or NULL. Contents are whatever was there. */
static inline void *arena_alloc(struct arena *arena, size_t size, size_t align)
{
    size_t gap = -((uintptr_t)arena->base + arena->used) & (align - 1);
    void *at;

    if (gap > arena_left(arena) || size > arena_left(arena) - gap)
        return NULL;
    at = arena->base + arena->used + gap;
    arena->used += gap + size;
    return at;
}

/* What parts the words of a command line: control characters too, so that none reaches the console in a warning. */
static inline bool is_blank(char c)
{
    return c > '\0' && c <= ' ';
}
