// SPDX-License-Identifier: MIT
/*
 * Unwraps a kernel image: see image.h. The Linux boot protocol's header
 * (Documentation/arch/x86/boot.rst) tells where in a bzImage the payload lies; Linux' build appends
 * the unpacked size, as 32 bits, to what it compresses, unless the format ends in that anyway
 * (gzip).
 */
#include "boot/image.h"

#include "boot/bytes.h"
#include "boot/codec.h"
#include "lib/compiler.h"
#include "public/errno.h"

#define SETUP_SECTS 0x1f1
#define BOOT_FLAG 0x1fe
#define HEADER_MAGIC 0x202
#define HEADER_VERSION 0x206
#define PAYLOAD_OFFSET 0x248
#define PAYLOAD_LENGTH 0x24c
#define HEADER_END 0x250
#define SECTOR 512u
#define PAYLOAD_SINCE 0x208   /* protocol version */
#define SIZE_FIELD 4

#define OUTPUT_ALIGN 4096

struct result_text {
    int rc;
    const char *why;
};

static const struct result_text results[] INITCONST = {
    [CODEC_OK] = { 0, NULL },
    [CODEC_DAMAGED] = { -XEN_EINVAL,
        "the kernel's compressed data is damaged or truncated: copy the kernel again" },
    [CODEC_TOO_LARGE] = { -XEN_EINVAL,
        "the kernel unpacks to more than its header or the memory allows: copy the kernel again, "
        "or give the machine more memory" },
    [CODEC_NO_MEMORY] = { -XEN_ENOMEM,
        "too little memory to unpack the kernel: give the machine more" },
    [CODEC_UNKNOWN] = { -XEN_EINVAL,
        "the kernel is compressed with options that are not known here: "
        "use xz, zstd, gzip or lz4 as Linux' build does" },
};

static bool INIT is_elf(struct bytes b)
{
    return bytes_match(b, 0, "\177ELF");
}

static bool INIT is_bzimage(struct bytes b)
{
    return bytes_have(b, 0, HEADER_END) && bytes_u16(b, BOOT_FLAG) == 0xaa55 &&
           bytes_match(b, HEADER_MAGIC, "HdrS");
}

/* What the boot protocol calls the payload: normally a compressed ELF file. */
static int INIT find_payload(struct bytes image, struct bytes *payload, const char **why)
{
    uint8_t setup_sects = bytes_u8(image, SETUP_SECTS);
    uint64_t setup_size = ((setup_sects ? setup_sects : 4u) + 1u) * SECTOR;

    if (bytes_u16(image, HEADER_VERSION) < PAYLOAD_SINCE) {
        *why = "the kernel is older than Linux 2.6.25 and does not tell where its payload is: "
               "use a newer kernel";
        return -XEN_EINVAL;
    }
    *payload = bytes_part(image, setup_size + bytes_u32(image, PAYLOAD_OFFSET),
                          bytes_u32(image, PAYLOAD_LENGTH));
    if (!payload->size) {
        *why = "the kernel file ends before its payload does: it is truncated, copy it again";
        return -XEN_EINVAL;
    }
    return 0;
}

/* Decompresses `in` to at most `room` bytes. `*out` becomes what there is. */
static int INIT decode(struct bytes in, uint64_t room, struct arena *scratch, struct bytes *out,
                       const char **why)
{
    const struct codec *codec = codec_find(in.at, in.size);
    struct codec_job job = { in.at, in.size, NULL, (size_t)room, scratch };
    enum codec_result result = CODEC_TOO_LARGE;

    if (!codec) {
        *why = "the kernel is not compressed in a form known here: use xz, zstd, gzip or lz4";
        return -XEN_EINVAL;
    }
    if (in.size <= CODEC_MAX_SIZE && room <= CODEC_MAX_SIZE) {
        job.out = arena_alloc(scratch, (size_t)room, OUTPUT_ALIGN);
        result = job.out ? codec->decode(&job) : CODEC_NO_MEMORY;
    }
    *out = (struct bytes){ job.out, job.out_size };
    *why = results[result].why;
    return results[result].rc;
}

static int INIT unpack_bzimage(struct bytes image, struct arena *scratch, struct bytes *out,
                               const char **why)
{
    const struct codec *codec;
    struct bytes payload;
    uint32_t unpacked_size;
    int rc = find_payload(image, &payload, why);

    *out = payload;
    if (rc || is_elf(payload))
        return rc;
    unpacked_size = bytes_u32(payload, payload.size - SIZE_FIELD);
    codec = codec_find(payload.at, payload.size);
    if (codec && !codec->ends_in_size && payload.size > SIZE_FIELD)
        payload.size -= SIZE_FIELD;
    rc = decode(payload, unpacked_size, scratch, out, why);
    if (!rc && out->size != unpacked_size) {
        *why = "the kernel unpacks to less than its header says: it is damaged, copy it again";
        rc = -XEN_EINVAL;
    }
    return rc;
}

int INIT image_unpack(const uint8_t *mod, size_t size, struct arena *scratch, const uint8_t **elf,
                      size_t *elf_size, const char **why)
{
    struct bytes image = { mod, size }, out = image;
    int rc = 0;

    if (is_bzimage(image))
        rc = unpack_bzimage(image, scratch, &out, why);
    else if (!is_elf(image) && codec_find(mod, size))
        rc = decode(image, MIN(arena_left(scratch) / 2, (size_t)CODEC_MAX_SIZE), scratch, &out,
                    why);
    if (!rc && !is_elf(out)) {
        *why = "module 1 is no kernel that is known here: give a Linux vmlinuz or an ELF kernel";
        rc = -XEN_ENOEXEC;
    }
    *elf = out.at;
    *elf_size = out.size;
    return rc;
}

long INIT image_unpack_run(void *arg)
{
    struct unpack *u = arg;

    return image_unpack(u->module, u->module_size, &u->scratch, &u->elf, &u->elf_size, &u->why);
}
