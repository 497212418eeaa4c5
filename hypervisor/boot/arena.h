// SPDX-License-Identifier: MIT
/*
 * Memory that is handed out from the front and given back as a whole, by whoever provided it.
 * For work at boot with many sizes and one end. No locks: one user at a time.
 */
#pragma once

#include "lib/base.h"

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
