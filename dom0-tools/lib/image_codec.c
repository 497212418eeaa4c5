// SPDX-License-Identifier: MIT
// The decompressors: the distribution's libraries, each called so that it decodes into the one buffer there is.
// Linux' documentation of the boot protocol names the formats; lzop's framing is the one that its own tool writes.
#include "image.h"

#include <bzlib.h>
#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum {
    XZ_MEMORY_LIMIT = 256 << 20,
    LZ4_BLOCK = 8 << 20,
    LZO_HEADER = 9 + 2 + 2 + 2 + 1 + 1 + 4 + 4 + 4 + 4 + 1,     // up to the length of a name
    LZO_HAS_FILTER = 0x800,
    LZO_CHECKSUMS = 0x1 | 0x100,                                // of the data, adler32 and crc32
    LZO_CHECKSUMS_PACKED = 0x2 | 0x200,
};

struct input { const uint8_t *at; size_t size; };

// Each returns true and the bytes written in out->size, or false; DAMAGED unless *full is set.
typedef bool decoder(struct input in, struct image_room *out, bool *full);

static bool lzma_run(lzma_stream *stream, lzma_ret started, struct input in, struct image_room *out, bool *full)
{
    lzma_ret r = started;

    stream->next_in = in.at;
    stream->avail_in = in.size;
    stream->next_out = out->at;
    stream->avail_out = out->room;
    if (r == LZMA_OK)
        r = lzma_code(stream, LZMA_FINISH);
    out->size = stream->total_out;
    *full = r == LZMA_MEM_ERROR || r == LZMA_MEMLIMIT_ERROR || !stream->avail_out;
    lzma_end(stream);
    return r == LZMA_STREAM_END;
}

static bool decode_xz(struct input in, struct image_room *out, bool *full)
{
    lzma_stream stream = LZMA_STREAM_INIT;

    return lzma_run(&stream, lzma_stream_decoder(&stream, XZ_MEMORY_LIMIT, 0), in, out, full);
}

static bool decode_lzma(struct input in, struct image_room *out, bool *full)
{
    lzma_stream stream = LZMA_STREAM_INIT;

    return lzma_run(&stream, lzma_alone_decoder(&stream, XZ_MEMORY_LIMIT), in, out, full);
}

static bool decode_gzip(struct input in, struct image_room *out, bool *full)
{
    z_stream stream = {
        .next_in = (uint8_t *)(uintptr_t)in.at,     // zlib does not write to it
        .avail_in = (uInt)in.size,
        .next_out = out->at,
        .avail_out = (uInt)out->room,
    };
    int r = inflateInit2(&stream, MAX_WBITS + 16);

    if (r == Z_OK)
        r = inflate(&stream, Z_FINISH);
    out->size = stream.total_out;
    *full = r == Z_MEM_ERROR || !stream.avail_out;
    inflateEnd(&stream);
    return r == Z_STREAM_END;
}

// One frame, so that the library's decoders for its formats before 1.0 stay unreachable.
static bool decode_zstd(struct input in, struct image_room *out, bool *full)
{
    size_t frame = ZSTD_findFrameCompressedSize(in.at, in.size), r;

    if (ZSTD_isError(frame))
        return false;
    r = ZSTD_decompress(out->at, out->room, in.at, frame);
    *full = ZSTD_isError(r) && ZSTD_getErrorName(r) && strstr(ZSTD_getErrorName(r), "too small");
    out->size = ZSTD_isError(r) ? 0 : r;
    return !ZSTD_isError(r);
}

static bool decode_bzip2(struct input in, struct image_room *out, bool *full)
{
    unsigned length = (unsigned)out->room;
    int r = BZ2_bzBuffToBuffDecompress((char *)out->at, &length, (char *)(uintptr_t)in.at, (unsigned)in.size, 0, 0);

    out->size = length;
    *full = r == BZ_OUTBUFF_FULL || r == BZ_MEM_ERROR;
    return r == BZ_OK;
}

static bool take(struct input *in, size_t size)
{
    if (size > in->size)
        return false;
    in->at += size;
    in->size -= size;
    return true;
}

static uint32_t number(const uint8_t *at, bool big_endian)
{
    return big_endian ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]
                      : (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static bool take_number(struct input *in, bool big_endian, uint32_t *value)
{
    if (in->size < 4)
        return false;
    *value = number(in->at, big_endian);
    return take(in, 4);
}

// The older framing, which Linux uses: the magic number, then blocks of {size, data}.
static bool decode_lz4(struct input in, struct image_room *out, bool *full)
{
    uint32_t size, magic = number(in.at, false);

    take(&in, 4);
    while (take_number(&in, false, &size)) {
        size_t left = out->room - out->size;
        int r;

        if (size == magic)
            continue;
        *full = !left;
        if (!size || size > in.size || !left)
            return false;
        r = LZ4_decompress_safe((const char *)in.at, (char *)out->at + out->size, (int)size,
                                (int)(left < LZ4_BLOCK ? left : LZ4_BLOCK));
        *full = r < 0 && left < LZ4_BLOCK;
        if (r < 0)
            return false;
        take(&in, size);
        out->size += (size_t)r;
    }
    return true;
}

// A block: its size unpacked, its size here, checksums, data. One that does not shrink is stored.
static bool lzo_block(struct input *in, uint32_t flags, uint32_t unpacked, struct image_room *out, bool *full)
{
    size_t checksums = 4 * (size_t)__builtin_popcount(flags & LZO_CHECKSUMS);
    uint32_t packed;
    lzo_uint length = unpacked;

    if (!take_number(in, true, &packed))
        return false;
    if (packed < unpacked)
        checksums += 4 * (size_t)__builtin_popcount(flags & LZO_CHECKSUMS_PACKED);
    *full = unpacked > out->room - out->size;
    if (!take(in, checksums) || packed > in->size || packed > unpacked || *full)
        return false;
    if (packed == unpacked)
        memcpy(out->at + out->size, in->at, packed);
    else if (lzo1x_decompress_safe(in->at, packed, out->at + out->size, &length, NULL) != LZO_E_OK)
        return false;
    out->size += length;
    return take(in, packed) && length == unpacked;
}

static bool decode_lzo(struct input in, struct image_room *out, bool *full)
{
    const uint8_t *header = in.at;
    uint32_t flags, unpacked;
    size_t filter;

    if (lzo_init() != LZO_E_OK || in.size < LZO_HEADER + 4)
        return false;
    flags = number(header + 17, true);
    filter = flags & LZO_HAS_FILTER ? 4 : 0;
    if (!take(&in, LZO_HEADER - 1 + filter) || !in.size || !take(&in, 1u + in.at[0]) || !take(&in, 4))
        return false;
    while (take_number(&in, true, &unpacked)) {
        if (!unpacked)
            return true;
        if (!lzo_block(&in, flags, unpacked, out, full))
            return false;
    }
    return false;
}

static const struct { const char *name; uint8_t magic[9]; size_t length; decoder *decode; } decoders[] = {
    { "xz", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, decode_xz },
    { "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, decode_zstd },
    { "gzip", { 0x1f, 0x8b, 8 }, 3, decode_gzip },
    { "lz4", { 0x02, 0x21, 0x4c, 0x18 }, 4, decode_lz4 },
    { "bzip2", { 'B', 'Z', 'h' }, 3, decode_bzip2 },
    { "lzo", { 0x89, 'L', 'Z', 'O', 0, '\r', '\n', 0x1a, '\n' }, 9, decode_lzo },
    { "lzma", { 0x5d, 0, 0 }, 3, decode_lzma },
};

int image_decompress(const uint8_t *data, size_t size, struct image_room *out, bool *known, struct vane_error *error)
{
    for (size_t i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++) {
        bool full = false;

        *known = size >= decoders[i].length && !memcmp(data, decoders[i].magic, decoders[i].length);
        if (!*known)
            continue;
        out->size = 0;
        if (decoders[i].decode((struct input){ data, size }, out, &full))
            return 0;
        return full ? vane_fail(error, VANE_INVALID, "kernel: its %s data unpacks to more than %zu bytes, the limit: use "
                                "a smaller kernel", decoders[i].name, out->room)
                    : vane_fail(error, VANE_INVALID, "kernel: its %s data (%zu bytes) is damaged after %zu bytes of output: "
                                "install the kernel again", decoders[i].name, size, out->size);
    }
    return 0;
}
