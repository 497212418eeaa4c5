// SPDX-License-Identifier: MIT
/*
 * Glue between image.h and liblzma, zlib, libzstd and liblz4. Each is called in the way that
 * decodes straight into the one output buffer and needs the least memory, and never reaches
 * malloc().
 */
#include "boot/image.h"

#define ZLIB_CONST
#define Z_SOLO
#define ZSTD_STATIC_LINKING_ONLY
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>


#define WORK_ALIGN 64
#define OUTPUT_ALIGN 4096
#define MAX_SIZE INT32_MAX   /* what every decoder's interface can express */

/* The libraries store SSE registers on a stack that they expect aligned to 16; ours is to 8. */
#define ENTRY __attribute__((__force_align_arg_pointer__)) INIT

#define LZ4_LEGACY_MAGIC 0x184c2102u
#define LZ4_LEGACY_BLOCK (8u << 20)

struct job {
    struct bytes in;
    uint8_t *out;
    size_t out_size;      /* room before, bytes written after */
    struct arena *work;
};

struct codec {
    uint8_t magic[6];
    uint8_t magic_size;
    const char *(*decode)(struct job *job);   /* NULL, or what is wrong */
};

static const char damaged[] INITCONST =
    "the kernel's compressed data is damaged, truncated or of an unknown variant: copy the kernel "
    "again, or compress it as Linux' build does";
static const char too_large[] INITCONST =
    "the kernel unpacks to more than its header or the memory allows: copy the kernel again, or "
    "give the machine more memory";
static const char no_memory[] INITCONST =
    "too little memory to unpack the kernel: give the machine more";

static void *INIT xz_alloc(void *arena, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return arena_alloc(arena, bytes, WORK_ALIGN);
}

/* Memory goes back with the arena. */
static void INIT arena_keep(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

static const char *ENTRY xz_decode(struct job *job)
{
    lzma_allocator allocator = { .alloc = xz_alloc, .free = arena_keep, .opaque = job->work };
    uint64_t no_limit = UINT64_MAX;
    size_t read = 0, written = 0;
    lzma_ret r = lzma_stream_buffer_decode(&no_limit, 0, &allocator, job->in.at, &read, job->in.size,
                                           job->out, &written, job->out_size);

    job->out_size = written;
    if (r == LZMA_OK)
        return NULL;
    if (r == LZMA_MEM_ERROR)
        return no_memory;
    return r == LZMA_BUF_ERROR ? too_large : damaged;
}

static void *INIT gzip_alloc(void *arena, unsigned int count, unsigned int size)
{
    return xz_alloc(arena, count, size);
}

static const char *ENTRY gzip_decode(struct job *job)
{
    z_stream stream = {
        .zalloc = gzip_alloc,
        .zfree = arena_keep,
        .opaque = job->work,
        .next_in = job->in.at,
        .avail_in = (uInt)job->in.size,
        .next_out = job->out,
        .avail_out = (uInt)job->out_size,
    };
    int r = inflateInit2(&stream, MAX_WBITS + 16);   /* +16: a gzip header, nothing else */

    if (r == Z_OK)
        r = inflate(&stream, Z_FINISH);
    job->out_size = stream.total_out;
    if (r == Z_STREAM_END)
        return NULL;
    if (r == Z_MEM_ERROR)
        return no_memory;
    return r == Z_BUF_ERROR && !stream.avail_out ? too_large : damaged;
}

/*
 * One frame and no more, so that the library's decoders for its formats before 1.0 stay
 * unreachable.
 */
static const char *ENTRY zstd_decode(struct job *job)
{
    size_t work_size = ZSTD_estimateDCtxSize();
    void *work = arena_alloc(job->work, work_size, WORK_ALIGN);
    size_t frame_size = ZSTD_findFrameCompressedSize(job->in.at, job->in.size);
    size_t r;

    if (ZSTD_isError(frame_size))
        return damaged;
    if (!work)
        return no_memory;
    r = ZSTD_decompressDCtx(ZSTD_initStaticDCtx(work, work_size), job->out, job->out_size, job->in.at,
                            frame_size);
    if (ZSTD_isError(r))
        return ZSTD_getErrorCode(r) == ZSTD_error_dstSize_tooSmall ? too_large
                                                                   : damaged;
    job->out_size = r;
    return NULL;
}

/*
 * Linux' lz4 payloads: the magic number, then blocks of {size, data}, each of up to 8 MiB of
 * output.
 */
static const char *ENTRY lz4_decode(struct job *job)
{
    struct bytes in = job->in;
    size_t offset = 4, written = 0;

    while (bytes_have(in, offset, 4)) {
        uint32_t size = bytes_u32(in, offset);
        size_t room = job->out_size - written;
        int r;

        offset += 4;
        if (size == LZ4_LEGACY_MAGIC)
            continue;
        if (!size || !bytes_have(in, offset, size))
            return damaged;
        if (!room)
            return too_large;
        r = LZ4_decompress_safe((const char *)in.at + offset, (char *)job->out + written, (int)size,
                                (int)(room < LZ4_LEGACY_BLOCK ? room : LZ4_LEGACY_BLOCK));
        if (r < 0)
            return room < LZ4_LEGACY_BLOCK ? too_large : damaged;
        offset += size;
        written += (size_t)r;
    }
    job->out_size = written;
    return NULL;
}

static const struct codec codecs[] INITCONST = {
    { { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, xz_decode },
    { { 0x1f, 0x8b, 8 }, 3, gzip_decode },
    { { 0x28, 0xb5, 0x2f, 0xfd }, 4, zstd_decode },
    { { 0x02, 0x21, 0x4c, 0x18 }, 4, lz4_decode },
};

const char *INIT codec_decode(struct bytes in, size_t room, struct arena *arena, struct bytes *out)
{
    struct job job = { .in = in, .out_size = room, .work = arena };
    const struct codec *codec = codecs, *end = codecs + ARRAY_SIZE(codecs);
    const char *why;

    while (codec < end &&
           (in.size < codec->magic_size || memcmp(in.at, codec->magic, codec->magic_size)))
        codec++;
    if (codec == end)
        return "module 1 is no kernel, or is not compressed in a form known here: give an ELF kernel or "
               "a Linux vmlinuz (xz, zstd, gzip or lz4)";
    if (in.size > MAX_SIZE || room > MAX_SIZE)
        return too_large;
    job.out = arena_alloc(arena, room, OUTPUT_ALIGN);
    if (!job.out)
        return no_memory;
    why = codec->decode(&job);
    *out = (struct bytes){ job.out, job.out_size };
    return why;
}
