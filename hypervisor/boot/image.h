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

#include "boot/bytes.h"

struct unpack {
    struct bytes module;
    struct arena scratch;
    struct bytes elf;             /* the result: a part of the module or of `scratch` */
};

/*
 * Finds or makes the ELF file of the kernel in `module`. Where nothing is compressed it is a part
 * of the module. NULL, or one sentence with cause and cure.
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
const char *image_unpack(struct unpack *u);

/*
 * The four decompressors behind one function (codec.c). Input and output are whole buffers; the
 * output and working memory come from the arena. Decompresses `in` to at most `room` bytes; `*out`
 * becomes what there is. NULL, or one sentence with cause and cure.
 */
const char *codec_decode(struct bytes in, size_t room, struct arena *arena, struct bytes *out);
