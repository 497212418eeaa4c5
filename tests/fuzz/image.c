// SPDX-License-Identifier: MIT
// boot/image.c and boot/codec.c: the input is boot module 1. The arena is small, so that a bomb is
// refused quickly; what lies behind the arena must stay untouched (the sanitizer watches it).
#include "boot/image.h"

#include <stdlib.h>
#include <string.h>

#include "mini.h"

#define ARENA_SIZE (1u << 20)

static void require(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct unpack u = { { data, size }, { malloc(ARENA_SIZE), ARENA_SIZE, 0 }, { NULL, 0 } };
    const struct arena *arena = &u.scratch;
    const char *why;

    require(arena->base != NULL);
    why = image_unpack(&u);
    if (!why) {
        require(u.elf.size >= 4 && !memcmp(u.elf.at, "\177ELF", 4));
        require((u.elf.at >= data && u.elf.at + u.elf.size <= data + size) ||
                (u.elf.at >= arena->base && u.elf.at + u.elf.size <= arena->base + arena->used));
    } else {
        require(strchr(why, ':') != NULL);
    }
    require(arena->used <= arena->size);
    free(arena->base);
    return 0;
}
