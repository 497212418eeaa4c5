// SPDX-License-Identifier: MIT
/*
 * The four decompressors behind two functions. Input and output are whole buffers; the output and
 * working memory come from an arena. The state that they need of the CPU is listed in boot/image.h.
 */
#pragma once

#include "boot/arena.h"
#include "boot/bytes.h"

/* Does `in` begin as one of the formats does? */
bool codec_knows(struct bytes in);
/*
 * Decompresses `in` to at most `room` bytes; `*out` becomes what there is. NULL, or one sentence
 * with cause and cure.
 */
const char *codec_decode(struct bytes in, size_t room, struct arena *arena, struct bytes *out);
