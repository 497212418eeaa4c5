// SPDX-License-Identifier: MIT
/*
 * The four decompressors behind one struct. Input and output are whole buffers; working memory
 * comes from an arena. The state that they need of the CPU is listed in boot/image.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/arena.h"

/* Sizes that every decoder's interface can express. */
#define CODEC_MAX_SIZE INT32_MAX

/* What a decoder may have to say, cause and cure. */
extern const char codec_damaged[], codec_too_large[], codec_no_memory[];

struct codec_job {
    const uint8_t *in;
    size_t in_size;
    uint8_t *out;
    size_t out_size;      /* room before, bytes written after */
    struct arena *work;
};

struct codec {
    uint8_t magic[6];
    uint8_t magic_size;
    bool ends_in_size;    /* the format's last 4 bytes are the unpacked size */
    const char *(*decode)(struct codec_job *job);   /* NULL, or one of the above */
};

/* The codec whose magic number `in` begins with, or NULL. */
const struct codec *codec_find(const uint8_t *in, size_t size);
