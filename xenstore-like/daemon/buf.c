// SPDX-License-Identifier: MIT
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

void *mem_alloc(size_t size)
{
    return mem_realloc(NULL, size);
}

void *mem_zalloc(size_t size)
{
    return memset(mem_alloc(size), 0, size);
}

void *mem_realloc(void *old, size_t size)
{
    void *memory = realloc(old, size ? size : 1);

    if (!memory)
        log_fatal("out of memory: %zu bytes could not be had", size);
    return memory;
}

uint8_t *buf_reserve(struct buf *b, size_t size)
{
    if (b->room - b->length < size) {
        size_t room = b->room ? b->room : 64;

        while (room - b->length < size)
            room *= 2;
        b->bytes = mem_realloc(b->bytes, room);
        b->room = room;
    }
    return b->bytes + b->length;
}

void buf_append(struct buf *b, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    memcpy(buf_reserve(b, size), bytes, size);
    b->length += size;
}

void buf_print(struct buf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    b->length += (size_t)vsnprintf((char *)buf_reserve(b, BUF_PRINT_MAX), BUF_PRINT_MAX, format, args);
    va_end(args);
}

void buf_consume(struct buf *b, size_t size)
{
    b->length -= size;
    if (b->length)
        memmove(b->bytes, b->bytes + size, b->length);
}

void buf_free(struct buf *b)
{
    free(b->bytes);
    *b = (struct buf){ 0 };
}
