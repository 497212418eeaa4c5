// SPDX-License-Identifier: MIT
/*
 * Unwraps a kernel image: see image.h. The Linux boot protocol's header
 * (Documentation/arch/x86/boot.rst) tells where in a bzImage the payload lies; Linux' build appends
 * the unpacked size, as 32 bits, to what it compresses, unless the format ends in that anyway
 * (gzip).
 */
#include "boot/image.h"

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
#define GZIP_MAGIC "\x1f\x8b"

static bool INIT is_elf(struct bytes b)
{
    return bytes_match(b, 0, "\177ELF");
}

/* What the boot protocol calls the payload is normally a compressed ELF file. */
static const char *INIT unpack_bzimage(struct unpack *u)
{
    uint8_t setup_sects = bytes_u8(u->module, SETUP_SECTS);
    uint64_t setup_size = ((setup_sects ? setup_sects : 4u) + 1u) * SECTOR;
    struct bytes payload = bytes_part(u->module, setup_size + bytes_u32(u->module, PAYLOAD_OFFSET),
                                      bytes_u32(u->module, PAYLOAD_LENGTH));
    uint32_t size = bytes_u32(payload, payload.size - SIZE_FIELD);
    const char *why;

    if (bytes_u16(u->module, HEADER_VERSION) < PAYLOAD_SINCE)
        return "the kernel is older than Linux 2.6.25 and does not tell where its payload is: "
               "use a newer kernel";
    if (!payload.size)
        return "the kernel file ends before its payload does: it is truncated, copy it again";
    u->elf = payload;
    if (is_elf(payload))
        return NULL;
    if (!bytes_match(payload, 0, GZIP_MAGIC) && payload.size > SIZE_FIELD)
        payload.size -= SIZE_FIELD;
    why = codec_decode(payload, size, &u->scratch, &u->elf);
    if (!why && u->elf.size != size)
        return "the kernel unpacks to less than its header says: it is damaged, copy it again";
    return why;
}

const char *INIT image_unpack(struct unpack *u)
{
    const char *why = NULL;

    u->elf = u->module;
    if (bytes_have(u->module, 0, HEADER_END) && bytes_u16(u->module, BOOT_FLAG) == 0xaa55 &&
        bytes_match(u->module, HEADER_MAGIC, "HdrS"))
        why = unpack_bzimage(u);
    else if (!is_elf(u->module))
        why = codec_decode(u->module, arena_left(&u->scratch) / 2, &u->scratch, &u->elf);
    if (!why && !is_elf(u->elf))
        why = "module 1 is no kernel that is known here: give a Linux vmlinuz or an ELF kernel";
    return why;
}
