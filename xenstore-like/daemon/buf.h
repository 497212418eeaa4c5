// SPDX-License-Identifier: MIT
// A growing array of bytes, and memory that is there or ends the program. To run out of memory is no
// state this daemon works on in: it dies, is started again and goes on from its journal. What a guest
// can make it hold is bounded by quotas, so no guest brings it there.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *bytes;
    size_t length;
    size_t room;
};

enum { BUF_PRINT_MAX = 512 };

void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_realloc(void *old, size_t size);

// Room for `size` more bytes at the end; the pointer is to where they go.
uint8_t *buf_reserve(struct buf *b, size_t size);
void buf_append(struct buf *b, const void *bytes, size_t size);
// Text of less than BUF_PRINT_MAX bytes, without a zero byte but for those that %c puts into it.
void buf_print(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Drops the first `size` bytes.
void buf_consume(struct buf *b, size_t size);
void buf_free(struct buf *b);
