// SPDX-License-Identifier: MIT
/*
 * What the decompressors' archives want from a C library beyond lib/mem.c, in ring 0. Boot time
 * only.
 *
 * boot/codec.c gives every decoder an allocator of its own or ready memory, so malloc() is named by
 * the archives but never called; it refuses rather than pretends. This file must never grow into a
 * C library.
 */
#include "lib/base.h"

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void free(void *memory);
NORETURN void __stack_chk_fail(void);
unsigned long long ZSTD_trace_decompress_begin(const void *context);
void ZSTD_trace_decompress_end(unsigned long long trace, const void *result);

void *INIT malloc(size_t size UNUSED)
{
    return NULL;
}

void *INIT calloc(size_t count UNUSED, size_t size UNUSED)
{
    return NULL;
}

void INIT free(void *memory UNUSED)
{
}

NORETURN void INIT __stack_chk_fail(void)
{
    panic("a decompressor overran its stack: the kernel image is hostile or memory is bad");
}

/*
 * libzstd names these hooks weakly, but calls them directly: undefined they would be calls to
 * address 0, which is out of a call's reach where the image lies. 0 means that nobody traces.
 */
unsigned long long INIT ZSTD_trace_decompress_begin(const void *context UNUSED)
{
    return 0;
}

void INIT ZSTD_trace_decompress_end(unsigned long long trace UNUSED, const void *result UNUSED)
{
}
