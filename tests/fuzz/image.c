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
    struct arena arena = { .base = malloc(ARENA_SIZE), .size = ARENA_SIZE };
    const uint8_t *elf = NULL;
    size_t elf_size = 0;
    const char *why = NULL;

    require(arena.base != NULL);
    if (image_unpack(data, size, &arena, &elf, &elf_size, &why) == 0) {
        require(elf_size >= 4 && !memcmp(elf, "\177ELF", 4));
        require((elf >= data && elf + elf_size <= data + size) ||
                (elf >= arena.base && elf + elf_size <= arena.base + arena.used));
    } else {
        require(why != NULL && strchr(why, ':') != NULL);
    }
    require(arena.used <= arena.size);
    free(arena.base);
    return 0;
}
