// SPDX-License-Identifier: MIT
/*
 * Parser of the multiboot information, versions 1 and 2 (GNU Multiboot Specification 0.6.96,
 * section 3.3, and Multiboot2 Specification 2.0, section 3.6). Pure: physical memory is reached
 * through boot_map() alone, and no offset, count or length is used before it is checked.
 */
#include "boot/bootinfo.h"

#include "boot/bytes.h"

#define MB1_INFO_SIZE 116
#define MB1_HAS_CMDLINE (1u << 2)
#define MB1_HAS_MODULES (1u << 3)
#define MB1_HAS_MMAP (1u << 6)
#define MB1_HAS_LOADER (1u << 9)
#define MB1_MODULE_SIZE 16

#define MB2_MAX_INFO_SIZE (1u << 20)
#define MB2_TAG_HEADER 8

enum mb2_tag_type {
    MB2_END = 0,
    MB2_CMDLINE = 1,
    MB2_LOADER = 2,
    MB2_MODULE = 3,
    MB2_MMAP = 6,
    MB2_RSDP = 14,
    MB2_NEW_RSDP = 15,
};

/* A loader lists a few dozen ranges; this bounds the time that a broken table can cost. */
#define MAX_MMAP_ENTRIES 4096
#define MMAP_ENTRY 20u

struct parser {
    struct bootinfo *out;
    paddr_t info;
    bool has_surplus;   /* more ranges than fit */
};

/* Copies a string of at most `length` bytes; what does not fit is cut off. */
static void INIT copy_string(struct parser *p, char *to, size_t to_size, paddr_t from,
                             uint64_t length)
{
    size_t i = 0;

    while (i < length && i + 1 < to_size) {
        to[i] = (char)bytes_u8(bytes_map(from + i, 1), 0);
        if (!to[i])
            return;
        i++;
    }
    to[i] = '\0';
    p->out->is_cut |= i < length;
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
    m->size = bytes_map(start, end > start ? end - start : 0).size;
    return m;
}

static void INIT add_range(struct parser *p, uint64_t start, uint64_t size, uint32_t type)
{
    struct bootinfo *out = p->out;

    if (type < E820_RAM || type > E820_UNUSABLE)
        type = E820_RESERVED;
    if (out->nr_ranges == BOOT_MAX_RANGES)
        p->has_surplus = true;
    else if (size)
        out->ranges[out->nr_ranges++] = (struct boot_range){ start, size, type };
}

static void INIT mb1_modules(struct parser *p, uint32_t count, paddr_t list)
{
    for (uint32_t i = 0; i < count; i++) {
        paddr_t at = list + (uint64_t)i * MB1_MODULE_SIZE;
        struct bytes entry = bytes_map(at, MB1_MODULE_SIZE);
        struct boot_module *m = add_module(p, bytes_u32(entry, 0), bytes_u32(entry, 4));

        if (!m)
            return;
        if (bytes_u32(entry, 8))
            copy_string(p, m->cmdline, sizeof(m->cmdline), bytes_u32(entry, 8), UINT64_MAX);
    }
}

/*
 * From the first entry, at `offset`, on. `size` is that of each; 0: each carries its own before it,
 * which does not count the size field itself.
 */
static void INIT add_ranges(struct parser *p, struct bytes map, uint64_t offset, uint32_t size)
{
    uint64_t gap = size ? 0 : 4, this_size;

    for (unsigned int i = 0; i < MAX_MMAP_ENTRIES && bytes_have(map, offset, MMAP_ENTRY); i++) {
        this_size = size ? size : bytes_u32(map, offset - gap);
        if (this_size < MMAP_ENTRY)
            return;
        add_range(p, bytes_u64(map, offset), bytes_u64(map, offset + 8),
                  bytes_u32(map, offset + 16));
        offset += this_size + gap;
    }
}

static const char *INIT mb1_parse(struct parser *p)
{
    struct bootinfo *out = p->out;
    struct bytes info = bytes_map(p->info, MB1_INFO_SIZE);
    uint32_t flags = bytes_u32(info, 0);

    if (!info.size)
        return "the multiboot information lies outside memory: use another boot loader";
    if (flags & MB1_HAS_LOADER)
        copy_string(p, out->loader, sizeof(out->loader), bytes_u32(info, 64), UINT64_MAX);
    if (flags & MB1_HAS_CMDLINE)
        copy_string(p, out->cmdline, sizeof(out->cmdline), bytes_u32(info, 16), UINT64_MAX);
    if (flags & MB1_HAS_MODULES)
        mb1_modules(p, bytes_u32(info, 20), bytes_u32(info, 24));
    if (flags & MB1_HAS_MMAP)
        add_ranges(p, bytes_map(bytes_u32(info, 48), bytes_u32(info, 44)), 4, 0);
    return NULL;
}

/* `tag` is the tag's body, which lies at `at`. */
static void INIT mb2_tag(struct parser *p, uint32_t type, struct bytes tag, paddr_t at)
{
    struct bootinfo *out = p->out;
    struct boot_module *m;

    switch (type) {
    case MB2_CMDLINE:
        copy_string(p, out->cmdline, sizeof(out->cmdline), at, tag.size);
        return;
    case MB2_LOADER:
        copy_string(p, out->loader, sizeof(out->loader), at, tag.size);
        return;
    case MB2_MODULE:
        m = tag.size < 8 ? NULL : add_module(p, bytes_u32(tag, 0), bytes_u32(tag, 4));
        if (m)
            copy_string(p, m->cmdline, sizeof(m->cmdline), at + 8, tag.size - 8);
        return;
    case MB2_MMAP:
        if (bytes_u32(tag, 0))
            add_ranges(p, tag, 8, bytes_u32(tag, 0));
        return;
    case MB2_RSDP:
    case MB2_NEW_RSDP:
        /* A copy of the table. Of two, the new one (ACPI 2) comes last in every loader. */
        if (bytes_match(tag, 0, "RSD PTR "))
            out->rsdp = at;
        return;
    }
}

static const char *INIT mb2_parse(struct parser *p)
{
    struct bytes info = bytes_map(p->info, 8);
    uint32_t size = bytes_u32(info, 0);
    uint64_t at = 8;

    if (size >= 8 && size <= MB2_MAX_INFO_SIZE)
        info = bytes_map(p->info, size);
    if (info.size <= 8)
        return "the multiboot2 information is unreadable or has an impossible size: "
               "use another boot loader";
    while (bytes_have(info, at, MB2_TAG_HEADER)) {
        uint32_t type = bytes_u32(info, at), tag_size = bytes_u32(info, at + 4);
        struct bytes tag = bytes_part(info, at, tag_size);

        if (type == MB2_END || tag.size < MB2_TAG_HEADER)
            return NULL;
        mb2_tag(p, type, bytes_part(tag, MB2_TAG_HEADER, tag.size - MB2_TAG_HEADER),
                p->info + at + MB2_TAG_HEADER);
        at += ALIGN_UP((uint64_t)tag_size, 8);
    }
    return NULL;
}

/* How much a type takes away, for overlaps. RAM that is also something else is not RAM. */
static const uint8_t rank[] INITCONST = {
    [E820_RAM] = 1, [E820_ACPI] = 2, [E820_NVS] = 3, [E820_RESERVED] = 4, [E820_UNUSABLE] = 5,
};

/* What lies at `at`, up to the next edge of any range: the most restrictive type there, or 0. */
static struct boot_range INIT piece_at(const struct boot_range *ranges, unsigned int nr,
                                       uint64_t at)
{
    struct boot_range piece = { .start = at, .size = UINT64_MAX - at };

    for (unsigned int i = 0; i < nr; i++) {
        uint64_t from = ranges[i].start, behind = at - from;

        if (from > at) {
            piece.size = MIN(piece.size, from - at);
        } else if (behind < ranges[i].size) {
            piece.size = MIN(piece.size, ranges[i].size - behind);
            if (rank[ranges[i].type] > rank[piece.type])
                piece.type = ranges[i].type;
        }
    }
    return piece;
}

/* Quadratic, but maps have a few dozen entries. */
bool INIT boot_ranges_sanitize(struct boot_range *ranges, unsigned int *nr)
{
    static INITDATA struct boot_range result[BOOT_MAX_RANGES];   /* too large for a stack */
    struct boot_range piece;
    unsigned int n = 0;

    for (uint64_t at = 0; at < UINT64_MAX; at += piece.size) {
        piece = piece_at(ranges, *nr, at);
        if (!piece.type)
            continue;
        if (n && result[n - 1].type == piece.type && result[n - 1].start + result[n - 1].size == at)
            result[n - 1].size += piece.size;
        else if (n < BOOT_MAX_RANGES)
            result[n++] = piece;
        else
            return false;
    }
    memcpy(ranges, result, n * sizeof(result[0]));
    *nr = n;
    return true;
}

/*
 * Removes the first word, and the blanks behind it, if it is `word`, or whatever it is without
 * `word`.
 */
static void INIT drop_first_word(char *line, const char *word)
{
    const char *start = line, *end;

    while (is_blank(*start))
        start++;
    for (end = start; *end && !is_blank(*end);)
        end++;
    if (word && (strlen(word) != (size_t)(end - start) || memcmp(start, word, strlen(word))))
        return;
    while (is_blank(*end))
        end++;
    memmove(line, end, strlen(end) + 1);
}

/*
 * Multiboot 1 loaders (QEMU, iPXE, GRUB legacy) put the file's name before the arguments, GRUB 2
 * does not. Menus made for Xen write the word "placeholder" where GRUB 2 leaves the name out.
 */
static void INIT strip_name(char *line, bool has_name)
{
    if (has_name)
        drop_first_word(line, NULL);
    drop_first_word(line, "placeholder");
}

const char *INIT bootinfo_parse(uint32_t magic, paddr_t info, struct bootinfo *out)
{
    struct parser p = { .out = out, .info = info };
    const char *why = "the boot loader does not speak multiboot 1 or 2: use GRUB's multiboot2 "
                      "command or QEMU's -kernel";
    bool has_names;

    memset(out, 0, sizeof(*out));
    if (magic == MULTIBOOT1_LOADER_MAGIC)
        why = mb1_parse(&p);
    else if (magic == MULTIBOOT2_LOADER_MAGIC)
        why = mb2_parse(&p);
    if (why)
        return why;
    has_names = magic == MULTIBOOT1_LOADER_MAGIC && memcmp(out->loader, "GRUB ", 5);
    strip_name(out->cmdline, has_names);
    for (unsigned int i = 0; i < out->nr_modules; i++)
        strip_name(out->modules[i].cmdline, has_names);
    if (!boot_ranges_sanitize(out->ranges, &out->nr_ranges) || p.has_surplus)
        return "the memory map has more than 512 parts: update the firmware or the boot loader";
    return out->nr_ranges ? NULL
                          : "the boot loader gave no memory map: use another boot loader";
}
