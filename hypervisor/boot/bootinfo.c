// SPDX-License-Identifier: MIT
/*
 * Parser of the multiboot information, versions 1 and 2 (GNU Multiboot Specification 0.6.96,
 * section 3.3, and Multiboot2 Specification 2.0, section 3.6). Pure: physical memory is reached
 * through the caller's `map` alone, and no offset, count or length is used before it is checked.
 */
#include "boot/bootinfo.h"

#include "boot/boot_ranges.h"
#include "boot/bytes.h"
#include "lib/compiler.h"
#include "lib/string.h"
#include "public/errno.h"

#define MB1_INFO_SIZE 116
#define MB1_HAS_CMDLINE (1u << 2)
#define MB1_HAS_MODULES (1u << 3)
#define MB1_HAS_MMAP (1u << 6)
#define MB1_HAS_LOADER (1u << 9)
#define MB1_MODULE_SIZE 16

#define MB2_MAX_INFO_SIZE (1u << 20)
#define MB2_TAG_HEADER 8
#define MB2_MAX_TAGS 1024

/* A loader lists a few dozen ranges; this bounds the time that a broken table can cost. */
#define MAX_MMAP_ENTRIES 4096

struct parser {
    const void *(*map)(paddr_t start, size_t size);
    struct bootinfo *out;
    paddr_t info;
    const uint8_t *info_bytes;   /* multiboot 2: the whole information, at `info` */
};

/* Copies a string of at most `size` bytes; a longer one is cut. */
static void INIT copy_string(struct parser *p, char *to, size_t to_size, struct bytes from)
{
    size_t i;

    for (i = 0; i < from.size && from.at[i]; i++) {
        if (i + 1 == to_size) {
            p->out->is_cut = true;
            break;
        }
        to[i] = (char)from.at[i];
    }
    to[i] = '\0';
}

/* Like copy_string(), from memory whose end is not known: mapped byte by byte. */
static void INIT copy_paddr_string(struct parser *p, char *to, size_t to_size, paddr_t from)
{
    size_t i;

    for (i = 0; i + 1 < to_size; i++) {
        to[i] = (char)bytes_u8(bytes_map(p->map, from + i, 1), 0);
        if (!to[i])
            return;
    }
    to[i] = '\0';
    p->out->is_cut = true;
}

/*
 * Keeps a module's place in the list even if its bytes are unusable: the second is the initrd,
 * always.
 */
static struct boot_module *INIT add_module(struct parser *p, uint64_t start, uint64_t end)
{
    struct bootinfo *out = p->out;
    struct boot_module *m;

    if (out->nr_modules == BOOT_MAX_MODULES) {
        out->is_cut = true;
        return NULL;
    }
    m = &out->modules[out->nr_modules++];
    m->start = start;
    m->size = bytes_map(p->map, start, end > start ? end - start : 0).size;
    return m;
}

/*
 * A full table gives up RAM, never a reservation: what is not listed is not used, while RAM whose
 * reservation is lost would be.
 */
static void INIT add_range(struct parser *p, uint64_t start, uint64_t size, uint32_t type)
{
    struct bootinfo *out = p->out;
    struct boot_range *r = &out->ranges[out->nr_ranges];

    if (!size)
        return;
    if (type < E820_RAM || type > E820_UNUSABLE)
        type = E820_RESERVED;
    if (out->nr_ranges < BOOT_MAX_RANGES) {
        out->nr_ranges++;
    } else {
        out->is_cut = true;
        if (type == E820_RAM)
            return;
        while (r > out->ranges && r[-1].type != E820_RAM)
            r--;
        if (r == out->ranges)
            return;
        r--;
    }
    *r = (struct boot_range){ .start = start, .size = size, .type = type };
}

static void INIT mb1_modules(struct parser *p, uint32_t count, paddr_t list)
{
    for (uint32_t i = 0; i < count; i++) {
        paddr_t at = list + (uint64_t)i * MB1_MODULE_SIZE;
        struct bytes entry = bytes_map(p->map, at, MB1_MODULE_SIZE);
        struct boot_module *m = add_module(p, bytes_u32(entry, 0), bytes_u32(entry, 4));

        if (!m)
            return;
        if (bytes_u32(entry, 8))
            copy_paddr_string(p, m->cmdline, sizeof(m->cmdline), bytes_u32(entry, 8));
    }
}

/* Entries carry their own size, which does not count the size field itself. */
static void INIT mb1_mmap(struct parser *p, struct bytes map)
{
    uint64_t offset = 0;

    for (unsigned int i = 0; i < MAX_MMAP_ENTRIES && bytes_have(map, offset, 24); i++) {
        uint32_t size = bytes_u32(map, offset);

        if (size < 20)
            return;
        add_range(p, bytes_u64(map, offset + 4), bytes_u64(map, offset + 12),
                  bytes_u32(map, offset + 20));
        offset += 4 + (uint64_t)size;
    }
}

static int INIT mb1_parse(struct parser *p, const char **why)
{
    struct bootinfo *out = p->out;
    struct bytes info = bytes_map(p->map, p->info, MB1_INFO_SIZE);
    uint32_t flags = bytes_u32(info, 0);

    if (!info.size) {
        *why = "the multiboot information lies outside memory: use another boot loader";
        return -XEN_EINVAL;
    }
    if (flags & MB1_HAS_LOADER)
        copy_paddr_string(p, out->loader, sizeof(out->loader), bytes_u32(info, 64));
    if (flags & MB1_HAS_CMDLINE)
        copy_paddr_string(p, out->cmdline, sizeof(out->cmdline), bytes_u32(info, 16));
    if (flags & MB1_HAS_MODULES)
        mb1_modules(p, bytes_u32(info, 20), bytes_u32(info, 24));
    if (flags & MB1_HAS_MMAP)
        mb1_mmap(p, bytes_map(p->map, bytes_u32(info, 48), bytes_u32(info, 44)));
    return 0;
}

static void INIT mb2_cmdline(struct parser *p, struct bytes tag)
{
    copy_string(p, p->out->cmdline, sizeof(p->out->cmdline), tag);
}

static void INIT mb2_loader(struct parser *p, struct bytes tag)
{
    copy_string(p, p->out->loader, sizeof(p->out->loader), tag);
}

static void INIT mb2_module(struct parser *p, struct bytes tag)
{
    struct boot_module *m;

    if (!bytes_have(tag, 0, 8))
        return;
    m = add_module(p, bytes_u32(tag, 0), bytes_u32(tag, 4));
    if (m)
        copy_string(p, m->cmdline, sizeof(m->cmdline), bytes_part(tag, 8, tag.size - 8));
}

static void INIT mb2_mmap(struct parser *p, struct bytes tag)
{
    uint32_t entry_size = bytes_u32(tag, 0);

    if (entry_size < 20)
        return;
    for (unsigned int i = 0; i < MAX_MMAP_ENTRIES; i++) {
        uint64_t offset = 8 + (uint64_t)i * entry_size;

        if (!bytes_have(tag, offset, 20))
            return;
        add_range(p, bytes_u64(tag, offset), bytes_u64(tag, offset + 8),
                  bytes_u32(tag, offset + 16));
    }
}

/*
 * The tag holds a copy of the RSDP. Of two tags, the new one (ACPI 2) comes last in every loader.
 */
static void INIT mb2_rsdp(struct parser *p, struct bytes tag)
{
    if (bytes_match(tag, 0, "RSD PTR "))
        p->out->rsdp = p->info + (uint64_t)(tag.at - p->info_bytes);
}

struct mb2_tag {
    uint32_t type;
    void (*parse)(struct parser *p, struct bytes body);
};

static const struct mb2_tag mb2_tags[] INITCONST = {
    { 1, mb2_cmdline },
    { 2, mb2_loader },
    { 3, mb2_module },
    { 6, mb2_mmap },
    { 14, mb2_rsdp },
    { 15, mb2_rsdp },
};

/* Calls one row of the table for each tag of its type. */
static void INIT mb2_walk(struct parser *p, struct bytes info, const struct mb2_tag *row)
{
    uint64_t offset = 8;

    for (unsigned int i = 0; i < MB2_MAX_TAGS && bytes_have(info, offset, MB2_TAG_HEADER); i++) {
        uint32_t type = bytes_u32(info, offset);
        uint32_t size = bytes_u32(info, offset + 4);

        if (type == 0 || size < MB2_TAG_HEADER || !bytes_have(info, offset, size))
            return;
        if (type == row->type)
            row->parse(p, bytes_part(info, offset + MB2_TAG_HEADER, size - MB2_TAG_HEADER));
        offset += ((uint64_t)size + 7) & ~UINT64_C(7);
    }
}

static int INIT mb2_parse(struct parser *p, const char **why)
{
    struct bytes info = bytes_map(p->map, p->info, 8);
    uint32_t size = bytes_u32(info, 0);

    if (size >= 8 && size <= MB2_MAX_INFO_SIZE)
        info = bytes_map(p->map, p->info, size);
    if (info.size <= 8) {
        *why = "the multiboot2 information is unreadable or has an impossible size: "
               "use another boot loader";
        return -XEN_EINVAL;
    }
    p->info_bytes = info.at;
    for (size_t i = 0; i < ARRAY_SIZE(mb2_tags); i++)
        mb2_walk(p, info, &mb2_tags[i]);
    return 0;
}

static size_t INIT blank_length(const char *s)
{
    size_t n = 0;

    while (s[n] == ' ' || s[n] == '\t')
        n++;
    return n;
}

/*
 * Removes the first word, and the blanks behind it, if it is `word`, or whatever it is without
 * `word`.
 */
static void INIT drop_first_word(char *line, const char *word)
{
    size_t start = blank_length(line), end = start;

    while (line[end] && line[end] != ' ' && line[end] != '\t')
        end++;
    if (word && (strlen(word) != end - start || memcmp(line + start, word, end - start)))
        return;
    end += blank_length(line + end);
    memmove(line, line + end, strlen(line + end) + 1);
}

/*
 * Multiboot 1 loaders (QEMU, iPXE, GRUB legacy) put the file's name before the arguments, GRUB 2
 * does not. Menus made for Xen write the word "placeholder" where GRUB 2 leaves the name out.
 */
static void INIT strip_names(struct bootinfo *out, uint32_t magic)
{
    bool has_name = magic == MULTIBOOT1_LOADER_MAGIC && memcmp(out->loader, "GRUB ", 5);

    if (has_name)
        drop_first_word(out->cmdline, NULL);
    drop_first_word(out->cmdline, "placeholder");
    for (unsigned int i = 0; i < out->nr_modules; i++) {
        if (has_name)
            drop_first_word(out->modules[i].cmdline, NULL);
        drop_first_word(out->modules[i].cmdline, "placeholder");
    }
}

int INIT bootinfo_parse(uint32_t magic, paddr_t info,
                        const void *(*map)(paddr_t start, size_t size), struct bootinfo *out,
                        const char **why)
{
    struct parser p = { .map = map, .out = out, .info = info };
    int rc;

    memset(out, 0, sizeof(*out));
    *why = "the boot loader does not speak multiboot 1 or 2: use GRUB's multiboot2 command "
           "or QEMU's -kernel";
    if (magic == MULTIBOOT1_LOADER_MAGIC)
        rc = mb1_parse(&p, why);
    else
        rc = magic == MULTIBOOT2_LOADER_MAGIC ? mb2_parse(&p, why) : -XEN_EINVAL;
    if (rc)
        return rc;
    strip_names(out, magic);
    out->is_cut |= boot_ranges_sanitize(out->ranges, &out->nr_ranges);
    if (!out->nr_ranges) {
        *why = "the boot loader gave no memory map: use another boot loader";
        return -XEN_EINVAL;
    }
    *why = NULL;
    return 0;
}
