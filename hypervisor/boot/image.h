// SPDX-License-Identifier: MIT
//
// From a boot module to an ELF file in memory: unwraps bzImage, decompresses xz, gzip, lz4 and zstd.
//
// The module is only read. Output and the decoders' working memory come from one arena that the caller gives
// up after the kernel is loaded. Everything here, the decoders included, is in the part of the image that is
// freed after boot: nothing in ring 0 parses compressed data later.

#pragma once

#include <stddef.h>
#include <stdint.h>

// Memory that is handed out from the front and never taken back one by one.
struct arena {
    uint8_t *base;
    size_t size;
    size_t used;
};

// `size` bytes, aligned to `align` (a power of two), or NULL. Contents are whatever was there.
void *arena_alloc(struct arena *arena, size_t size, size_t align);

// Finds or makes the ELF file of the kernel in [mod, mod + size). A plain ELF is not copied: *elf points
// into the module. Else *elf lies in `scratch`. 0, or a negative error and one sentence in `*why`.
//
// The decoders are the distribution's libraries, built for user space. The caller provides what they
// take for granted: FS base at readable memory of at least 64 bytes, SSE enabled
// (CR0.EM 0, CR0.MP 1, CR0.TS 0, CR4.OSFXSR 1), and a stack with 64 KiB left.
int image_unpack(const uint8_t *mod, size_t size, struct arena *scratch, const uint8_t **elf,
                 size_t *elf_size, const char **why);
