// SPDX-License-Identifier: MIT
// boot/image.c and boot/codec.c: bzImages with each payload, made here with the libraries'
// encoders, Debian's own kernels where the build has fetched them, and what goes wrong with either.
#include "boot/image.h"

#define ZLIB_CONST
#include <lz4.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "../fuzz/mini.h"
#include "boot/elf.h"
#include "unit_main.h"

#define ELF_SIZE 200000u
#define SETUP_SIZE (3u * 512u)
#define PAYLOAD_GAP 0x123u
#define ARENA_SIZE (4u << 20)

typedef size_t encoder(const uint8_t *in, size_t size, uint8_t *out, size_t room);

static uint8_t elf_file[ELF_SIZE];
static uint8_t image[2 * ELF_SIZE];
static size_t image_size;

static struct bytes elf;
static const char *why;

static void put(size_t at, uint64_t value, unsigned width)
{
    fuzz_put(image + at, value, width);
}

// Half noise, half repetition, with x86 calls for the branch filter.
static void make_elf(void)
{
    uint32_t state = 1;

    for (size_t i = 0; i < ELF_SIZE; i++) {
        state = state * 1103515245 + 12345;
        elf_file[i] = i % 2000 < 1000 ? (uint8_t)(state >> 24) : i % 7 ? (uint8_t)(i / 2000) : 0xe8;
    }
    memcpy(elf_file, "\177ELF\2\1\1", 7);
}

static size_t encode_none(const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
    CU_ASSERT_FATAL(size <= room);
    memcpy(out, in, size);
    return size;
}

// As Linux' build does: x86 branch filter, LZMA2, CRC32.
static size_t encode_xz(const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
    lzma_options_lzma options;
    lzma_filter filters[] = {
        { .id = LZMA_FILTER_X86, .options = NULL },
        { .id = LZMA_FILTER_LZMA2, .options = &options },
        { .id = LZMA_VLI_UNKNOWN, .options = NULL },
    };
    size_t written = 0;

    CU_ASSERT_FALSE_FATAL(lzma_lzma_preset(&options, 1));
    CU_ASSERT_EQUAL_FATAL(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, in, size, out,
                                                    &written, room), LZMA_OK);
    return written;
}

static size_t encode_gzip(const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
    z_stream s = {
        .next_in = in,
        .avail_in = (uInt)size,
        .next_out = out,
        .avail_out = (uInt)room,
    };

    CU_ASSERT_EQUAL_FATAL(deflateInit2(&s, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    CU_ASSERT_EQUAL_FATAL(deflate(&s, Z_FINISH), Z_STREAM_END);
    deflateEnd(&s);
    return s.total_out;
}

// With a checksum, as the zstd command does.
static size_t encode_zstd(const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t written;

    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    written = ZSTD_compress2(context, out, room, in, size);
    ZSTD_freeCCtx(context);
    CU_ASSERT_FALSE_FATAL(ZSTD_isError(written));
    return written;
}

// The legacy frame in two blocks. Only a block of less than 8 MiB of content may be the last, which
// the decoder does not insist on.
static size_t encode_lz4(const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
    size_t at = 4, half = size / 2;

    fuzz_put(out, 0x184c2102, 4);
    for (int i = 0; i < 2; i++) {
        size_t part = i ? size - half : half;
        int written = LZ4_compress_default((const char *)in + (i ? half : 0), (char *)out + at + 4,
                                           (int)part, (int)(room - at - 4));

        CU_ASSERT_FATAL(written > 0);
        fuzz_put(out + at, (uint64_t)written, 4);
        at += 4 + (size_t)written;
    }
    return at;
}

static const struct {
    const char *name;
    encoder *encode;
    bool has_own_size;
} codecs[] = {
    { "xz", encode_xz, false },
    { "gzip", encode_gzip, true },
    { "zstd", encode_zstd, false },
    { "lz4", encode_lz4, false },
};

#define NR_CODECS (sizeof(codecs) / sizeof(codecs[0]))

// Writes a bzImage with two setup sectors; returns where its payload starts.
static size_t make_bzimage(encoder *encode, bool has_own_size, size_t content)
{
    size_t payload = SETUP_SIZE + PAYLOAD_GAP;
    size_t length;

    memset(image, 0, sizeof(image));
    put(0x1f1, 2, 1);
    put(0x1fe, 0xaa55, 2);
    memcpy(image + 0x202, "HdrS", 4);
    put(0x206, 0x20f, 2);
    length = encode(elf_file, content, image + payload, sizeof(image) - payload - 1000);
    if (!has_own_size) {
        put(payload + length, content, 4);
        length += 4;
    }
    put(0x248, PAYLOAD_GAP, 4);
    put(0x24c, length, 4);
    image_size = payload + length + 100;
    return payload;
}

static size_t payload_length(void)
{
    uint32_t length;

    memcpy(&length, image + 0x24c, 4);
    return length;
}

// From a copy of exactly its size, into an arena of exactly its size: the sanitizer watches the
// edges. The results stay valid until the next call.
static const char *unpack(size_t arena_size)
{
    static uint8_t *copy, *base;
    struct unpack u = { .scratch = { .size = arena_size } };

    free(copy);
    free(base);
    copy = malloc(image_size ? image_size : 1);
    base = malloc(arena_size ? arena_size : 1);
    CU_ASSERT_FATAL(copy && base);
    memcpy(copy, image, image_size);
    u.scratch.base = base;
    u.module = (struct bytes){ copy, image_size };
    why = image_unpack(&u);
    elf = u.elf;
    return why;
}

static void expect_elf(size_t content)
{
    CU_ASSERT_EQUAL_FATAL(elf.size, content);
    CU_ASSERT_EQUAL(memcmp(elf.at, elf_file, content), 0);
}

static void refuses(size_t arena_size, const char *text)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(unpack(arena_size));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, text));
    if (!strstr(why, text))
        printf("wanted \"%s\", got \"%s\"\n", text, why);
}

static void bzimages(void)
{
    for (size_t i = 0; i < NR_CODECS; i++) {
        make_bzimage(codecs[i].encode, codecs[i].has_own_size, ELF_SIZE);
        CU_ASSERT_PTR_NULL_FATAL(unpack(ARENA_SIZE));
        expect_elf(ELF_SIZE);
    }
}

static void uncompressed_payload(void)
{
    make_bzimage(encode_none, true, 5000);
    CU_ASSERT_PTR_NULL_FATAL(unpack(0));
    expect_elf(5000);
}

static void bare_files(void)
{
    memcpy(image, elf_file, ELF_SIZE);
    image_size = ELF_SIZE;
    CU_ASSERT_PTR_NULL_FATAL(unpack(0));
    expect_elf(ELF_SIZE);
    for (size_t i = 0; i < NR_CODECS; i++) {
        image_size = codecs[i].encode(elf_file, ELF_SIZE, image, sizeof(image));
        CU_ASSERT_PTR_NULL_FATAL(unpack(ARENA_SIZE));
        expect_elf(ELF_SIZE);
    }
}

static void not_kernels(void)
{
    image_size = 0;
    refuses(ARENA_SIZE, "no kernel");
    memset(image, 'x', 4096);
    image_size = 4096;
    refuses(ARENA_SIZE, "no kernel");
    memset(elf_file, 'x', 4);
    make_bzimage(encode_gzip, true, 1000);
    refuses(ARENA_SIZE, "no kernel");
    make_elf();
}

static void bad_headers(void)
{
    make_bzimage(encode_gzip, true, ELF_SIZE);
    put(0x206, 0x207, 2);
    refuses(ARENA_SIZE, "older");
    make_bzimage(encode_gzip, true, ELF_SIZE);
    put(0x248, 0xffffffff, 4);
    refuses(ARENA_SIZE, "truncated");
    make_bzimage(encode_gzip, true, ELF_SIZE);
    put(0x24c, 0xffffffff, 4);
    refuses(ARENA_SIZE, "truncated");
    make_bzimage(encode_gzip, true, ELF_SIZE);
    put(0x24c, 0, 4);
    refuses(ARENA_SIZE, "truncated");
    make_bzimage(encode_gzip, true, ELF_SIZE);
    put(SETUP_SIZE + PAYLOAD_GAP, 0, 2);
    refuses(ARENA_SIZE, "not compressed in a form");
}

// The size behind the payload decides how much is unpacked: neither more nor less will do.
static void wrong_sizes(void)
{
    for (size_t i = 0; i < NR_CODECS; i++) {
        size_t payload = make_bzimage(codecs[i].encode, codecs[i].has_own_size, ELF_SIZE);
        size_t size_at = payload + payload_length() - 4;

        put(size_at, ELF_SIZE - 1, 4);
        CU_ASSERT_PTR_NOT_NULL(unpack(ARENA_SIZE));
        put(size_at, ELF_SIZE + 1, 4);
        CU_ASSERT_PTR_NOT_NULL(unpack(ARENA_SIZE));
        put(size_at, 0, 4);
        CU_ASSERT_PTR_NOT_NULL(unpack(ARENA_SIZE));
        put(size_at, 0xffffffff, 4);
        CU_ASSERT_PTR_NOT_NULL(unpack(ARENA_SIZE));
        put(size_at, 0x7fffffff, 4);
        refuses(ARENA_SIZE, "memory");
    }
}

static void damaged_data(void)
{
    for (size_t i = 0; i < NR_CODECS; i++) {
        size_t payload = make_bzimage(codecs[i].encode, codecs[i].has_own_size, ELF_SIZE);

        memset(image + payload + 3000, 0xff, 2000);
        refuses(ARENA_SIZE, codecs[i].encode == encode_lz4 ? ":" : "damaged");
        make_bzimage(codecs[i].encode, codecs[i].has_own_size, ELF_SIZE);
        image_size /= 2;
        refuses(ARENA_SIZE, "truncated");
    }
}

static void too_little_memory(void)
{
    for (size_t i = 0; i < NR_CODECS; i++) {
        make_bzimage(codecs[i].encode, codecs[i].has_own_size, ELF_SIZE);
        for (size_t size = 0; size < ELF_SIZE; size += 9999)
            refuses(size, "memory");
    }
    make_bzimage(encode_xz, false, ELF_SIZE);
    refuses(ELF_SIZE + 8192, "memory");
}

// A gigabyte of zeros in a megabyte: refused by the room there is.
static void bomb(void)
{
    size_t size = 64u << 20, room = 1u << 20;
    uint8_t *zeros = calloc(1, size), *packed = malloc(room);

    CU_ASSERT_FATAL(zeros && packed);
    memcpy(zeros, elf_file, 64);
    image_size = encode_gzip(zeros, size, packed, room);
    CU_ASSERT_FATAL(image_size < sizeof(image));
    memcpy(image, packed, image_size);
    refuses(ARENA_SIZE, "more than");
    free(zeros);
    free(packed);
}

static bool load(const char *directory, const char *kernel)
{
    char name[1024];
    FILE *f;
    size_t size;

    snprintf(name, sizeof(name), "%s/%s/vmlinuz", directory, kernel);
    f = fopen(name, "rb");
    if (!f)
        return false;
    fseek(f, 0, SEEK_END);
    size = (size_t)ftell(f);
    rewind(f);

    uint8_t *file = malloc(size);
    struct unpack u = { { file, size }, { malloc(160u << 20), 160u << 20, 0 }, { NULL, 0 } };
    struct elf_plan plan;
    CU_ASSERT_FATAL(file && u.scratch.base && fread(file, 1, size, f) == size);
    fclose(f);
    CU_ASSERT_PTR_NULL_FATAL(image_unpack(&u));
    CU_ASSERT_PTR_NULL_FATAL(elf_plan(u.elf.at, u.elf.size, &plan));
    CU_ASSERT_EQUAL(plan.virt_base, 0xffffffff80000000);
    CU_ASSERT_EQUAL(plan.init_p2m, 0x8000000000);
    free(file);
    free(u.scratch.base);
    return true;
}

static void debian_kernels(void)
{
    static const char *const kernels[] = { "kernel-6.1", "kernel-6.12" };
    const char *cache = getenv("PV_CACHE");

    for (size_t i = 0; i < 2; i++) {
        if (!cache || !load(cache, kernels[i]))
            printf("%s is not in the cache: not tried\n", kernels[i]);
    }
    CU_PASS("what is there is right");
}

static void hostile(void)
{
    for (size_t i = 0; i < NR_CODECS; i++) {
        make_bzimage(codecs[i].encode, codecs[i].has_own_size, 3000);
        CU_ASSERT(fuzz_mini(image, image_size, 1500) > 1500);
        image_size = codecs[i].encode(elf_file, 2000, image, sizeof(image));
        CU_ASSERT(fuzz_mini(image, image_size, 1500) > 1500);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "bzimages", bzimages },
        { "uncompressed_payload", uncompressed_payload },
        { "bare_files", bare_files },
        { "not_kernels", not_kernels },
        { "bad_headers", bad_headers },
        { "wrong_sizes", wrong_sizes },
        { "damaged_data", damaged_data },
        { "too_little_memory", too_little_memory },
        { "bomb", bomb },
        { "debian_kernels", debian_kernels },
        { "hostile", hostile },
        { NULL, NULL },
    };

    make_elf();
    return unit_main("image", tests);
}
