// SPDX-License-Identifier: MIT
// Guests' kernels: what is read of good ones, in every compression, and what is said of bad ones; the sandbox; the cache.
#include <bzlib.h>
#include <fcntl.h>
#include <lz4hc.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "dom0-tools/lib/image.h"
#include "mini.h"
#include "public/elfnote.h"
#include "unit_main.h"

enum { TEXT = 0x1000, ELF_SIZE = 0x3000, NOTES = 0x200, ROOM = 1 << 20, BASE_ADDRESS = 0x1000000 };
#define VIRT_BASE UINT64_C(0xffffffff80000000)

struct file { uint8_t bytes[1 << 16]; size_t size; };

static uint8_t room[ROOM];
static struct vane_error error;
static struct image_plan plan;

// --- Making kernels

static void add_note(struct file *f, size_t *at, uint32_t type, const void *value, uint32_t size)
{
    fuzz_put(f->bytes + *at, 4, 4);
    fuzz_put(f->bytes + *at + 4, size, 4);
    fuzz_put(f->bytes + *at + 8, type, 4);
    memcpy(f->bytes + *at + 12, "Xen", 4);
    memcpy(f->bytes + *at + 16, value, size);
    *at += 16 + ((size + 3) & ~3u);
}

static void add_number(struct file *f, size_t *at, uint32_t type, uint64_t value)
{
    add_note(f, at, type, &value, sizeof(value));
}

static void add_header(struct file *f, unsigned i, uint32_t type, uint64_t offset, uint64_t address, uint64_t file_size,
                       uint64_t mem_size)
{
    uint8_t *at = f->bytes + 64 + 56 * i;

    fuzz_put(at, type, 4);
    fuzz_put(at + 8, offset, 8);
    fuzz_put(at + 24, address, 8);
    fuzz_put(at + 32, file_size, 8);
    fuzz_put(at + 40, mem_size, 8);
}

static size_t elf_with(struct file *f, const char *features)
{
    size_t at = NOTES;

    memset(f, 0, sizeof(*f));
    memcpy(f->bytes, "\177ELF\2\1\1", 7);
    fuzz_put(f->bytes + 16, 2, 2);
    fuzz_put(f->bytes + 18, 62, 2);
    fuzz_put(f->bytes + 32, 64, 8);
    fuzz_put(f->bytes + 54, 56, 2);
    fuzz_put(f->bytes + 56, 3, 2);
    for (size_t i = TEXT; i < ELF_SIZE; i++)
        f->bytes[i] = (uint8_t)(i * 7 >> 3);
    add_number(f, &at, XEN_ELFNOTE_ENTRY, VIRT_BASE + BASE_ADDRESS + 0x10);
    add_number(f, &at, XEN_ELFNOTE_VIRT_BASE, VIRT_BASE);
    add_number(f, &at, XEN_ELFNOTE_INIT_P2M, UINT64_C(0x8000000000));
    add_number(f, &at, XEN_ELFNOTE_MOD_START_PFN, 1);
    add_note(f, &at, XEN_ELFNOTE_GUEST_OS, "linux", 6);
    add_note(f, &at, XEN_ELFNOTE_FEATURES, features, (uint32_t)strlen(features) + 1);
    add_header(f, 0, 1, TEXT, BASE_ADDRESS, 0x1800, 0x1800);
    add_header(f, 1, 1, TEXT + 0x1800, BASE_ADDRESS + 0x2000, 0x800, 0x5000);
    add_header(f, 2, 4, NOTES, 0, at - NOTES, 0);
    f->size = ELF_SIZE;
    return at;
}

static void make_elf(struct file *f)
{
    elf_with(f, "!writable_page_tables|pae_pgdir_above_4gb");
}

typedef size_t packer(const uint8_t *in, size_t size, uint8_t *out, size_t space);

static size_t pack_xz(const uint8_t *in, size_t size, uint8_t *out, size_t space)
{
    size_t used = 0;

    return lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, in, size, out, &used, space) ? 0 : used;
}

static size_t pack_lzma(const uint8_t *in, size_t size, uint8_t *out, size_t space)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_options_lzma options;
    size_t used;

    lzma_lzma_preset(&options, 6);
    options.dict_size = 1 << 16;        // so that the file starts with 5d 00 00, as Linux' do
    if (lzma_alone_encoder(&stream, &options))
        return 0;
    stream.next_in = in;
    stream.avail_in = size;
    stream.next_out = out;
    stream.avail_out = space;
    used = lzma_code(&stream, LZMA_FINISH) == LZMA_STREAM_END ? stream.total_out : 0;
    lzma_end(&stream);
    return used;
}

static size_t pack_gzip(const uint8_t *in, size_t size, uint8_t *out, size_t space)
{
    z_stream stream = { .next_in = (uint8_t *)(uintptr_t)in, .avail_in = (uInt)size, .next_out = out, .avail_out = (uInt)space };

    deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
    deflate(&stream, Z_FINISH);
    deflateEnd(&stream);
    return stream.total_out;
}

static size_t pack_zstd(const uint8_t *in, size_t size, uint8_t *out, size_t space)
{
    return ZSTD_compress(out, space, in, size, 3);
}

static size_t pack_bzip2(const uint8_t *in, size_t size, uint8_t *out, size_t space)
{
    unsigned used = (unsigned)space;

    return BZ2_bzBuffToBuffCompress((char *)out, &used, (char *)(uintptr_t)in, (unsigned)size, 9, 0, 0) ? 0 : used;
}

static size_t pack_lz4(const uint8_t *in, size_t size, uint8_t *out, size_t space)
{
    int used = LZ4_compress_default((const char *)in, (char *)out + 8, (int)size, (int)space - 8);

    fuzz_put(out, 0x184c2102, 4);
    fuzz_put(out + 4, (uint64_t)used, 4);
    return (size_t)used + 8;
}

static void put_big(uint8_t **at, uint32_t value)
{
    fuzz_put(*at, __builtin_bswap32(value), 4);
    *at += 4;
}

// As lzop frames it: one block that shrank, and one that is stored.
static size_t pack_lzo(const uint8_t *in, size_t size, uint8_t *out, size_t space)
{
    static uint8_t work[LZO1X_1_MEM_COMPRESS] __attribute__((aligned(16)));
    static const uint8_t magic[] = { 0x89, 'L', 'Z', 'O', 0, '\r', '\n', 0x1a, '\n', 0x10, 0x30, 0x20, 0x80, 0x09, 0x40, 1, 5 };
    size_t first = size - 100;
    uint8_t *at = out;
    lzo_uint used = space;

    memcpy(at, magic, sizeof(magic));
    at += sizeof(magic);
    put_big(&at, 1);                    // flags: an adler32 of the data
    memset(at, 0, 13);                  // mode, time, no name
    at += 13;
    put_big(&at, 0);
    if (lzo_init() || lzo1x_1_compress(in, first, at + 12, &used, work))
        return 0;
    put_big(&at, (uint32_t)first);
    put_big(&at, (uint32_t)used);
    put_big(&at, 0);
    at += used;
    put_big(&at, 100);
    put_big(&at, 100);
    put_big(&at, 0);
    memcpy(at, in + first, 100);
    at += 100;
    put_big(&at, 0);
    return (size_t)(at - out);
}

static const struct { const char *name; packer *pack; } packers[] = {
    { "xz", pack_xz }, { "lzma", pack_lzma }, { "gzip", pack_gzip }, { "zstd", pack_zstd }, { "bzip2", pack_bzip2 },
    { "lz4", pack_lz4 }, { "lzo", pack_lzo },
};

enum { PACKER_LZ4 = 5, NR_PACKERS = sizeof(packers) / sizeof(packers[0]) };

// A bzImage: two sectors of setup, then the payload and, but for gzip, the unpacked size.
static void make_bzimage(struct file *f, unsigned i)
{
    static struct file elf;
    size_t size;

    make_elf(&elf);
    memset(f, 0, sizeof(*f));
    f->bytes[0x1f1] = 1;
    fuzz_put(f->bytes + 0x1fe, 0xaa55, 2);
    memcpy(f->bytes + 0x202, "HdrS", 4);
    fuzz_put(f->bytes + 0x206, 0x20f, 2);
    fuzz_put(f->bytes + 0x248, 16, 4);
    size = packers[i].pack(elf.bytes, elf.size, f->bytes + 1024 + 16, sizeof(f->bytes) - 2048);
    if (packers[i].pack != pack_gzip) {
        fuzz_put(f->bytes + 1024 + 16 + size, elf.size, 4);
        size += 4;
    }
    fuzz_put(f->bytes + 0x24c, size, 4);
    f->size = 1024 + 16 + size;
}

static int parse(const struct file *f)
{
    struct image_room elf = { room, ROOM, 0 };

    error.text[0] = '\0';
    return image_parse(f->bytes, f->size, &elf, &plan, &error);
}

static bool refused(const struct file *f, const char *why)
{
    int rc = parse(f);

    if (rc && strstr(error.text, why))
        return true;
    printf("wanted \"%s\", got %d \"%s\"\n", why, rc, error.text);
    return false;
}

// --- Tests

static void check_plan(void)
{
    CU_ASSERT_EQUAL(plan.entry, VIRT_BASE + BASE_ADDRESS + 0x10);
    CU_ASSERT_EQUAL(plan.virt_base, VIRT_BASE);
    CU_ASSERT_EQUAL(plan.end, BASE_ADDRESS + 0x7000);
    CU_ASSERT(plan.has_init_p2m && plan.init_p2m == UINT64_C(0x8000000000));
    CU_ASSERT(plan.module_by_frame && !plan.has_hypercall_page);
    CU_ASSERT_STRING_EQUAL(plan.guest_os, "linux");
    CU_ASSERT_EQUAL(plan.features, 0x11);
    CU_ASSERT_EQUAL(plan.nr_segments, 2);
    CU_ASSERT_EQUAL(plan.segments[1].address, BASE_ADDRESS + 0x2000);
    CU_ASSERT_EQUAL(plan.segments[1].mem_size, 0x5000);
}

static void plain(void)
{
    static struct file f;

    make_elf(&f);
    CU_ASSERT_EQUAL(parse(&f), 0);
    check_plan();
}

static void compressions(void)
{
    static struct file f, elf;

    make_elf(&elf);
    for (unsigned i = 0; i < NR_PACKERS; i++) {
        make_bzimage(&f, i);
        CU_ASSERT_EQUAL(parse(&f), 0);
        if (error.text[0])
            printf("%s: %s\n", packers[i].name, error.text);
        check_plan();
        CU_ASSERT_EQUAL(memcmp(room, elf.bytes, elf.size), 0);
        // The same without the wrapping of Linux' boot protocol.
        f.size = packers[i].pack(elf.bytes, elf.size, f.bytes, sizeof(f.bytes));
        CU_ASSERT_EQUAL(parse(&f), 0);
    }
}

static void damaged_payloads(void)
{
    static struct file f;

    for (unsigned i = 0; i < NR_PACKERS; i++) {
        make_bzimage(&f, i);
        f.bytes[f.size - 4] ^= 1;       // the unpacked size, or gzip's own of it
        CU_ASSERT(refused(&f, ": "));
        make_bzimage(&f, i);
        fuzz_put(f.bytes + 0x24c, f.size, 4);
        CU_ASSERT(refused(&f, "it is truncated"));
    }
    make_bzimage(&f, PACKER_LZ4);
    fuzz_put(f.bytes + 0x24c, 4 + 4, 4);        // what lz4 makes of nothing, and a size
    CU_ASSERT(refused(&f, "it unpacks to 0 bytes, and says it does to "));
    make_bzimage(&f, 0);
    f.bytes[1024 + 16] = 'x';
    CU_ASSERT(refused(&f, "starts with 78 37"));
    make_bzimage(&f, 0);
    fuzz_put(f.bytes + 0x206, 0x207, 2);
    CU_ASSERT(refused(&f, "boot protocol 2.07"));
}

static void bomb(void)
{
    static uint8_t zeros[4 << 20];
    static struct file f;

    for (unsigned i = 0; i < NR_PACKERS; i++) {
        f.size = packers[i].pack(zeros, sizeof(zeros), f.bytes, sizeof(f.bytes));
        CU_ASSERT(refused(&f, "unpacks to more than 1048576 bytes"));
    }
}

static void bad_elf(void)
{
    static const struct { size_t at; unsigned width; uint64_t value; const char *why; } changes[] = {
        { 4, 1, 1, "ELF class is 1" }, { 18, 2, 3, "machine 3" }, { 16, 2, 1, "ELF type is 1" },
        { 56, 2, 0, "it has 0 program headers" }, { 32, 8, 1 << 20, "program headers are at 1048576" },
        { 64 + 8, 8, 1 << 20, "which ends at 12288" }, { 64 + 40, 8, 16, "6144 bytes in the file and 16 in memory" },
        { 64 + 56 + 24, 8, BASE_ADDRESS + 0x1000, "starts before the last one ends" },
        { 64 + 56 + 40, 8, UINT64_C(1) << 50, "more than 1099511627776" },
        { NOTES + 4, 4, 1 << 30, "no ELF notes" },
        { NOTES + 16, 8, 5, "note ENTRY, 5, lies outside" },
        { NOTES + 24 + 16, 8, UINT64_C(0xffff800000000000), "correct the note" },
        { NOTES + 24 + 16, 8, VIRT_BASE + 1, "VIRT_BASE" },
        { NOTES + 48 + 16, 8, UINT64_C(0xffff810000000000), "INIT_P2M, ffff810000000000" },
        { NOTES + 24 + 8, 4, XEN_ELFNOTE_PADDR_OFFSET, "does not fit its note PADDR_OFFSET" },
        { NOTES + 48 + 8, 4, XEN_ELFNOTE_HYPERCALL_PAGE, "HYPERCALL_PAGE, 8000000000" },
    };
    static struct file f;

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        make_elf(&f);
        fuzz_put(f.bytes + changes[i].at, changes[i].value, changes[i].width);
        CU_ASSERT(refused(&f, changes[i].why));
    }
    elf_with(&f, "!hvm_callback_vector");
    CU_ASSERT(refused(&f, "requires the feature \"hvm_callback_vector\""));
    elf_with(&f, "!something\x1b[2J");
    CU_ASSERT(refused(&f, "something?[2J"));
    f.size = 0;
    CU_ASSERT(refused(&f, "neither a bzImage nor"));
}

// Every truncation and thousands of mutations of each kind of kernel.
static void fuzz(void)
{
    static struct file f;

    make_elf(&f);
    CU_ASSERT(fuzz_mini(f.bytes, f.size, 5000) > 5000);
    for (unsigned i = 0; i < NR_PACKERS; i++) {
        make_bzimage(&f, i);
        CU_ASSERT(fuzz_mini(f.bytes, f.size, 500) > 500);
    }
}

static const char *write_file(const struct file *f)
{
    static char path[] = "/tmp/test_vane_image.XXXXXX";
    static int fd = -1;

    if (fd < 0)
        fd = mkstemp(path);
    if (ftruncate(fd, 0) || pwrite(fd, f->bytes, f->size, 0) != (ssize_t)f->size)
        abort();
    return path;
}

static void sandbox(void)
{
    static struct file f;
    struct image image;
    uint8_t byte = 0;

    make_bzimage(&f, 0);
    CU_ASSERT_EQUAL_FATAL(image_load(write_file(&f), &image, &error), 0);
    CU_ASSERT_EQUAL(image.size, ELF_SIZE);
    plan = image.plan;
    check_plan();
    CU_ASSERT_EQUAL(pread(image.memfd, &byte, 1, (off_t)image.offset + TEXT + 9), 1);
    CU_ASSERT_EQUAL(byte, (uint8_t)((TEXT + 9) * 7 >> 3));
    CU_ASSERT(write(image.memfd, "x", 1) < 0);
    CU_ASSERT(ftruncate(image.memfd, 1) < 0);
    image_free(&image);
    f.bytes[1100] ^= 0x55;
    CU_ASSERT_EQUAL(image_load(write_file(&f), &image, &error), -VANE_INVALID);
    CU_ASSERT(strstr(error.text, write_file(&f)) == error.text);
    CU_ASSERT_EQUAL(image_load("/nowhere", &image, &error), -VANE_NOT_FOUND);
    CU_ASSERT_EQUAL(image_load("/dev/zero", &image, &error), -VANE_INVALID);
}

static void cache(void)
{
    static struct file f;
    const struct image *first, *second;
    struct image_cache *kernels;
    const char *path;

    make_bzimage(&f, 3);
    path = write_file(&f);
    CU_ASSERT_EQUAL_FATAL(image_cache_new(&kernels, &error), 0);
    CU_ASSERT_EQUAL_FATAL(image_cache_get(kernels, path, &first, &error), 0);
    CU_ASSERT_EQUAL_FATAL(image_cache_get(kernels, path, &second, &error), 0);
    CU_ASSERT_EQUAL(first->memfd, second->memfd);
    usleep(20000);                      // the clock of files has ticks
    write_file(&f);
    CU_ASSERT_EQUAL_FATAL(image_cache_get(kernels, path, &second, &error), 0);
    CU_ASSERT_NOT_EQUAL(first->memfd, second->memfd);
    unlink(path);
    CU_ASSERT_EQUAL(image_cache_get(kernels, path, &second, &error), -VANE_NOT_FOUND);
    image_cache_free(kernels);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "plain", plain },
        { "compressions", compressions },
        { "damaged_payloads", damaged_payloads },
        { "bomb", bomb },
        { "bad_elf", bad_elf },
        { "fuzz", fuzz },
        { "sandbox", sandbox },
        { "cache", cache },
        { NULL, NULL },
    };

    return unit_main("vane_image", tests);
}
