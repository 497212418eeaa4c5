// SPDX-License-Identifier: MIT
/*
 * From a boot module to an ELF file in memory: unwraps bzImage, decompresses xz, gzip, lz4 and
 * zstd.
 *
 * The module is only read. Output and the decoders' working memory come from one arena that the
 * caller takes back once the kernel is loaded. All of this, the decoders included, is in the part
 * of the image that is freed after boot: nothing in ring 0 parses compressed data later.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "boot/arena.h"

/*
 * Finds or makes the ELF file of the kernel in [mod, mod + size). Where nothing is compressed, *elf
 * points into the module, else into `scratch`. 0, or a negative error and one sentence in `*why`.
 *
 * A bzImage takes its unpacked size from `scratch`, plus what the decoder needs (xz: the
 * dictionary, 32 MiB in today's kernels; the others less than 1 MiB). A bare compressed ELF, whose
 * size nobody states, may unpack to at most half of `scratch`.
 *
 * The decoders are the distribution's libraries, built for user space. The caller provides what
 * they take for granted: interrupts off (they use the red zone below the stack pointer), FS base at
 * 64 bytes of readable memory (stack protector), SSE usable (CR0.EM and CR0.TS 0, CR0.MP 1,
 * CR4.OSFXSR 1), no state in the SSE registers that matters, and 16 KiB of stack.
 */
int image_unpack(const uint8_t *mod, size_t size, struct arena *scratch, const uint8_t **elf,
                 size_t *elf_size, const char **why);

struct unpack {
    const uint8_t *module;
    size_t module_size;
    struct arena scratch;
    const uint8_t *elf;           /* results */
    size_t elf_size;
    const char *why;
};

/* The same as a call with one argument, a struct unpack, for call_on_stack(). */
long image_unpack_run(void *arg);
