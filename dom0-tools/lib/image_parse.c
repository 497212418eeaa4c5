// SPDX-License-Identifier: MIT
// From the bytes of a kernel file to a plan: bzImage (Linux' boot protocol), ELF (System V ABI), Xen's notes. Pure.
// Every read is of a view, and outside of it reads zero: so a check of a range is never what a read's safety needs.
#include <string.h>

#include "image.h"
#include "public/elfnote.h"
#include "public/features.h"

enum {
    SETUP_SECTS = 0x1f1, BOOT_FLAG = 0x1fe, HEADER_MAGIC = 0x202, HEADER_VERSION = 0x206,
    PAYLOAD_OFFSET = 0x248, PAYLOAD_LENGTH = 0x24c, HEADER_END = 0x250,
    PAYLOAD_SINCE = 0x208, SECTOR = 512, UNPACKED_SIZE_FIELD = 4,
};

enum {
    EHDR_SIZE = 64, PHDR_SIZE = 56, SHDR_SIZE = 64, MAX_PHDRS = 128, MAX_NOTES = 4096,
    ET_EXEC = 2, ET_DYN = 3, EM_X86_64 = 62, PT_LOAD = 1, PT_NOTE = 4, SHT_NOTE = 7,
    NR_NOTES = XEN_ELFNOTE_MAX + 1,
};

// A guest-physical address beyond it is a broken header.
#define MAX_ADDRESS (UINT64_C(1) << 40)
#define HOLE_START UINT64_C(0xffff800000000000)
#define HOLE_END UINT64_C(0xffff880000000000)
#define LOWER_HALF_END UINT64_C(0x0000800000000000)

struct view { const uint8_t *at; size_t size; };

struct parser {
    struct view file;
    struct image_plan *plan;
    struct vane_error *error;
    uint64_t address_offset;
    unsigned nr_notes;              // of any name
    bool has_any;                   // a note of Xen's
    struct view notes[NR_NOTES];    // size 0: not given
};

static bool has(struct view v, uint64_t offset, uint64_t size)
{
    return offset <= v.size && size <= v.size - offset;
}

static struct view part(struct view v, uint64_t offset, uint64_t size)
{
    return has(v, offset, size) ? (struct view){ v.at + offset, size } : (struct view){ v.at, 0 };
}

static uint64_t get(struct view v, uint64_t offset, unsigned width)
{
    uint64_t value = 0;

    if (has(v, offset, width))
        memcpy(&value, v.at + offset, width);
    return value;
}

static bool starts(struct view v, uint64_t offset, const char *text)
{
    return has(v, offset, strlen(text)) && !memcmp(v.at + offset, text, strlen(text));
}

// --- bzImage

static bool is_bzimage(struct view file)
{
    return has(file, 0, HEADER_END) && get(file, BOOT_FLAG, 2) == 0xaa55 && starts(file, HEADER_MAGIC, "HdrS");
}

static int find_payload(struct view file, struct view *payload, struct vane_error *error)
{
    uint64_t version = get(file, HEADER_VERSION, 2), sectors = get(file, SETUP_SECTS, 1);
    uint64_t offset = ((sectors ? sectors : 4) + 1) * SECTOR + get(file, PAYLOAD_OFFSET, 4);
    uint64_t length = get(file, PAYLOAD_LENGTH, 4);

    if (version < PAYLOAD_SINCE)
        return vane_fail(error, VANE_UNSUPPORTED, "kernel: its boot protocol %x.%02x does not tell where its payload is "
                         "(2.08 does, since Linux 2.6.25): use a newer kernel", (unsigned)version >> 8,
                         (unsigned)version & 0xff);
    if (length <= UNPACKED_SIZE_FIELD || !has(file, offset, length))
        return vane_fail(error, VANE_INVALID, "kernel: its payload is bytes %lu to %lu, and the file ends at %zu: it is "
                         "truncated, install it again", offset, offset + length, file.size);
    *payload = part(file, offset, length);
    return 0;
}

// Linux' build appends the unpacked size, but for gzip, which ends in it.
static int unpack_payload(struct view payload, struct image_room *elf, struct vane_error *error)
{
    uint64_t promised = get(payload, payload.size - UNPACKED_SIZE_FIELD, UNPACKED_SIZE_FIELD);
    bool known = false;
    int rc;

    if (!starts(payload, 0, "\x1f\x8b"))
        payload.size -= UNPACKED_SIZE_FIELD;
    rc = image_decompress(payload.at, payload.size, elf, &known, error);
    if (!rc && !known)
        return vane_fail(error, VANE_UNSUPPORTED, "kernel: its payload starts with %02x %02x %02x %02x, no compression known "
                         "here: use xz, zstd, gzip, lz4, bzip2, lzo or lzma", (unsigned)get(payload, 0, 1),
                         (unsigned)get(payload, 1, 1), (unsigned)get(payload, 2, 1), (unsigned)get(payload, 3, 1));
    if (!rc && elf->size != promised)
        return vane_fail(error, VANE_INVALID, "kernel: it unpacks to %zu bytes, and says it does to %lu: it is damaged, "
                         "install it again", elf->size, promised);
    return rc;
}

static int unpack(struct view file, struct image_room *elf, struct vane_error *error)
{
    struct view source = file;
    bool known = false;
    int rc = 0;

    if (is_bzimage(file))
        rc = find_payload(file, &source, error);
    if (rc)
        return rc;
    if (!starts(source, 0, "\177ELF") && source.at != file.at)
        return unpack_payload(source, elf, error);
    rc = image_decompress(source.at, source.size, elf, &known, error);
    if (rc || known)
        return rc;
    if (source.size > elf->room)
        return vane_fail(error, VANE_INVALID, "kernel: its %zu bytes are more than %zu, the limit: use a smaller kernel",
                         source.size, elf->room);
    memcpy(elf->at, source.at, source.size);
    elf->size = source.size;
    return 0;
}

// --- ELF

static int check_header(struct parser *p)
{
    uint64_t type = get(p->file, 16, 2), count = get(p->file, 56, 2), machine = get(p->file, 18, 2);

    if (!has(p->file, 0, EHDR_SIZE) || !starts(p->file, 0, "\177ELF"))
        return vane_fail(p->error, VANE_INVALID, "kernel: it starts with %02x %02x %02x %02x, and is neither a bzImage nor "
                         "an ELF file: give a Linux vmlinuz or an ELF kernel", (unsigned)get(p->file, 0, 1),
                         (unsigned)get(p->file, 1, 1), (unsigned)get(p->file, 2, 1), (unsigned)get(p->file, 3, 1));
    if (get(p->file, 4, 1) != 2 || get(p->file, 5, 1) != 1 || machine != EM_X86_64)
        return vane_fail(p->error, VANE_UNSUPPORTED, "kernel: its ELF class is %u and its machine %u, not 2 and 62, 64-bit "
                         "x86: use an amd64 kernel", (unsigned)get(p->file, 4, 1), (unsigned)machine);
    if (type != ET_EXEC && type != ET_DYN)
        return vane_fail(p->error, VANE_INVALID, "kernel: its ELF type is %u, not 2 (executable) or 3: give a linked kernel, "
                         "no object or core file", (unsigned)type);
    if (get(p->file, 54, 2) != PHDR_SIZE || !count || count > MAX_PHDRS)
        return vane_fail(p->error, VANE_INVALID, "kernel: it has %u program headers of %u bytes, not 1 to %d of %d: install "
                         "it again", (unsigned)count, (unsigned)get(p->file, 54, 2), MAX_PHDRS, PHDR_SIZE);
    return 0;
}

static int check_segment(struct parser *p, const struct image_segment *s)
{
    if (s->file_size > s->mem_size)
        return vane_fail(p->error, VANE_INVALID, "kernel: the segment at %lx has %lu bytes in the file and %lu in memory: "
                         "install it again", s->address, s->file_size, s->mem_size);
    if (!has(p->file, s->offset, s->file_size))
        return vane_fail(p->error, VANE_INVALID, "kernel: the segment at %lx is %lu bytes at %lu of the file, which ends at "
                         "%zu: it is truncated, install it again", s->address, s->file_size, s->offset, p->file.size);
    if (s->mem_size > MAX_ADDRESS)
        return vane_fail(p->error, VANE_INVALID, "kernel: the segment at %lx takes %lu bytes, more than %lu: install it "
                         "again", s->address, s->mem_size, MAX_ADDRESS);
    if (p->plan->nr_segments == IMAGE_MAX_SEGMENTS)
        return vane_fail(p->error, VANE_UNSUPPORTED, "kernel: it has more than %d segments to load: link it with fewer",
                         IMAGE_MAX_SEGMENTS);
    return 0;
}

// Kept in the order of addresses, so that an overlap shows between neighbours.
static int read_segment(struct parser *p, struct view header)
{
    struct image_segment *at = &p->plan->segments[p->plan->nr_segments];
    struct image_segment s = { get(header, 8, 8), get(header, 32, 8), get(header, 24, 8), get(header, 40, 8) };
    int rc;

    if (!s.mem_size && !s.file_size)
        return 0;
    rc = check_segment(p, &s);
    if (rc)
        return rc;
    p->plan->nr_segments++;
    for (; at > p->plan->segments && at[-1].address > s.address; at--)
        *at = at[-1];
    *at = s;
    return 0;
}

// --- Notes

static uint64_t padded(uint64_t size)
{
    return (size + 3) & ~UINT64_C(3);
}

// The length of the note up to the next; 0 if it is malformed.
static uint64_t read_note(struct parser *p, struct view area, uint64_t offset)
{
    uint64_t name_size = get(area, offset, 4), size = get(area, offset + 4, 4), type = get(area, offset + 8, 4);
    uint64_t name = offset + 12, value = name + padded(name_size);

    if (!has(area, name, name_size) || !has(area, value, size))
        return 0;
    if (name_size == 4 && !memcmp(area.at + name, "Xen", 4)) {
        p->has_any = true;
        if (type < NR_NOTES)
            p->notes[type] = part(area, value, size);
    }
    return value + padded(size) - offset;
}

static void read_notes(struct parser *p, uint64_t start, uint64_t size)
{
    struct view area = part(p->file, start, size);
    uint64_t offset = 0, length = 1;

    while (length && has(area, offset, 12) && p->nr_notes++ < MAX_NOTES) {
        length = read_note(p, area, offset);
        offset += length;
    }
}

// Mini-OS' linker leaves notes to sections, which need no program header.
static void read_section_notes(struct parser *p)
{
    struct view headers = part(p->file, get(p->file, 40, 8), get(p->file, 60, 2) * SHDR_SIZE);

    for (uint64_t at = 0; at < headers.size; at += SHDR_SIZE)
        if (get(headers, at + 4, 4) == SHT_NOTE)
            read_notes(p, get(headers, at + 24, 8), get(headers, at + 32, 8));
}

static int read_headers(struct parser *p)
{
    uint64_t count = get(p->file, 56, 2), start = get(p->file, 32, 8);
    struct view headers = part(p->file, start, count * PHDR_SIZE);
    int rc = 0;

    if (!headers.size)
        return vane_fail(p->error, VANE_INVALID, "kernel: its program headers are at %lu, and the file ends at %zu: it is "
                         "truncated, install it again", start, p->file.size);
    for (unsigned i = 0; i < count && !rc; i++) {
        struct view header = part(headers, i * PHDR_SIZE, PHDR_SIZE);

        if (get(header, 0, 4) == PT_LOAD)
            rc = read_segment(p, header);
        else if (get(header, 0, 4) == PT_NOTE)
            read_notes(p, get(header, 8, 8), get(header, 32, 8));
    }
    if (!p->has_any)
        read_section_notes(p);
    if (!rc && !p->plan->nr_segments)
        return vane_fail(p->error, VANE_INVALID, "kernel: none of its %u program headers is to be loaded: give a linked kernel",
                         (unsigned)count);
    return rc;
}

static int check_kind(struct parser *p)
{
    const struct view *notes = p->notes;

    if (!p->has_any)
        return vane_fail(p->error, VANE_UNSUPPORTED, "kernel: it has no ELF notes of the name Xen: use one that is built with "
                         "CONFIG_XEN_PV");
    if (!notes[XEN_ELFNOTE_ENTRY].size && !notes[XEN_ELFNOTE_VIRT_BASE].size && !notes[XEN_ELFNOTE_HYPERCALL_PAGE].size &&
        notes[XEN_ELFNOTE_PHYS32_ENTRY].size)
        return vane_fail(p->error, VANE_UNSUPPORTED, "kernel: it has the note PHYS32_ENTRY and no ENTRY, and starts as a PVH "
                         "guest only: use one that is built with CONFIG_XEN_PV");
    return 0;
}

// Fills in *value if there is such a note; numbers come in 1, 2, 4 or 8 bytes.
static bool note_number(const struct parser *p, unsigned type, uint64_t *value)
{
    struct view note = p->notes[type];

    if (!note.size || note.size > 8 || note.size & (note.size - 1))
        return false;
    *value = get(note, 0, (unsigned)note.size);
    return true;
}

static void note_text(const struct parser *p, unsigned type, char *text, size_t room)
{
    struct view note = p->notes[type];

    for (size_t i = 0; i + 1 < room && get(note, i, 1); i++)
        text[i] = (char)get(note, i, 1);
}

#define FEATURE(name) [XENFEAT_##name] = #name
static const char *const feature_names[] = {
    FEATURE(writable_page_tables), FEATURE(writable_descriptor_tables), FEATURE(auto_translated_physmap),
    FEATURE(supervisor_mode_kernel), FEATURE(pae_pgdir_above_4gb), FEATURE(mmu_pt_update_preserve_ad),
    FEATURE(highmem_assist), FEATURE(gnttab_map_avail_bits), FEATURE(hvm_callback_vector),
    FEATURE(hvm_safe_pvclock), FEATURE(hvm_pirqs), FEATURE(dom0), FEATURE(memory_op_vnode_supported),
    FEATURE(linux_rsdp_unrestricted),
};

// Those that a PV guest can require and have.
#define GIVEN_FEATURES (1u << XENFEAT_writable_page_tables | 1u << XENFEAT_pae_pgdir_above_4gb | \
    1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_highmem_assist | 1u << XENFEAT_gnttab_map_avail_bits | \
    1u << XENFEAT_memory_op_vnode_supported | 1u << XENFEAT_linux_rsdp_unrestricted)

static uint32_t feature_bit(struct view name)
{
    for (unsigned i = 0; i < sizeof(feature_names) / sizeof(feature_names[0]); i++)
        if (feature_names[i] && strlen(feature_names[i]) == name.size && starts(name, 0, feature_names[i]))
            return 1u << i;
    return 0;
}

// Names, parted by '|', the required ones with '!' in front.
static int read_features(struct parser *p)
{
    struct view list = p->notes[XEN_ELFNOTE_FEATURES];
    uint64_t supported = 0;

    (void)note_number(p, XEN_ELFNOTE_SUPPORTED_FEATURES, &supported);
    p->plan->features = (uint32_t)supported;
    for (size_t start = 0, end; get(list, start, 1); start = end + (get(list, end, 1) == '|')) {
        bool is_required = list.at[start] == '!';
        struct view name;
        uint32_t bit;

        start += is_required;
        for (end = start; get(list, end, 1) && list.at[end] != '|';)
            end++;
        name = part(list, start, end - start);
        bit = feature_bit(name);
        if (is_required && !(bit & GIVEN_FEATURES))
            return vane_fail(p->error, VANE_UNSUPPORTED, "kernel: it requires the feature \"%.*s\", which PV guests do not have: "
                             "use another kernel", (int)(name.size < 64 ? name.size : 64), (const char *)name.at);
        p->plan->features |= bit;
    }
    return 0;
}

// --- Places

bool image_range_is_guests(uint64_t start, uint64_t size)
{
    uint64_t end = start + size;

    return end >= start && (end <= LOWER_HALF_END || start >= HOLE_END);
}

static bool is_in_kernel(const struct image_plan *plan, uint64_t va, uint64_t size)
{
    uint64_t address = va - plan->virt_base;

    return address >= plan->segments[0].address && address < plan->end && size <= plan->end - address;
}

static void read_numbers(struct parser *p)
{
    struct image_plan *plan = p->plan;
    uint64_t value = 0;

    plan->entry = get(p->file, 24, 8);              // these stand where there is no note
    (void)note_number(p, XEN_ELFNOTE_ENTRY, &plan->entry);
    (void)note_number(p, XEN_ELFNOTE_VIRT_BASE, &plan->virt_base);
    (void)note_number(p, XEN_ELFNOTE_PADDR_OFFSET, &p->address_offset);
    plan->has_hypercall_page = note_number(p, XEN_ELFNOTE_HYPERCALL_PAGE, &plan->hypercall_page);
    plan->has_init_p2m = note_number(p, XEN_ELFNOTE_INIT_P2M, &plan->init_p2m);
    plan->module_by_frame = note_number(p, XEN_ELFNOTE_MOD_START_PFN, &value) && value;
    note_text(p, XEN_ELFNOTE_GUEST_OS, plan->guest_os, sizeof(plan->guest_os));
    note_text(p, XEN_ELFNOTE_GUEST_VERSION, plan->guest_version, sizeof(plan->guest_version));
}

static int place_segments(struct parser *p)
{
    struct image_plan *plan = p->plan;

    read_numbers(p);
    for (unsigned i = 0; i < plan->nr_segments; i++) {
        struct image_segment *s = &plan->segments[i];

        if (s->address < p->address_offset || s->address - p->address_offset > MAX_ADDRESS)
            return vane_fail(p->error, VANE_INVALID, "kernel: its segment at %lx does not fit its note PADDR_OFFSET, %lx: "
                             "correct the note", s->address, p->address_offset);
        s->address -= p->address_offset;
        if (s->address < plan->end)
            return vane_fail(p->error, VANE_INVALID, "kernel: its segment at %lx starts before the last one ends, at %lx: "
                             "link it again", s->address, plan->end);
        plan->end = s->address + s->mem_size;
    }
    return 0;
}

static int check_places(struct parser *p)
{
    const struct image_plan *plan = p->plan;
    struct view loader = p->notes[XEN_ELFNOTE_LOADER];
    uint64_t lowest = 0;

    if (get(loader, 0, 1) && (!starts(loader, 0, "generic") || get(loader, 7, 1)))
        return vane_fail(p->error, VANE_UNSUPPORTED, "kernel: its note LOADER is not \"generic\": use another kernel");
    if (plan->virt_base & 0xfff || !image_range_is_guests(plan->virt_base + plan->segments[0].address, plan->end - plan->segments[0].address))
        return vane_fail(p->error, VANE_INVALID, "kernel: from its note VIRT_BASE, %lx, it reaches to %lx, which is not the "
                         "guest's part of the address space: correct the note", plan->virt_base, plan->virt_base + plan->end);
    if (!is_in_kernel(plan, plan->entry, 1))
        return vane_fail(p->error, VANE_INVALID, "kernel: its note ENTRY, %lx, lies outside its segments: correct the note",
                         plan->entry);
    if (plan->has_hypercall_page &&
        (plan->hypercall_page & 0xfff || !is_in_kernel(plan, plan->hypercall_page, 0x1000)))
        return vane_fail(p->error, VANE_INVALID, "kernel: its note HYPERCALL_PAGE, %lx, is no whole page of it: correct the note",
                         plan->hypercall_page);
    if (plan->has_init_p2m && (plan->init_p2m & 0xfff || !image_range_is_guests(plan->init_p2m, 0x1000)))
        return vane_fail(p->error, VANE_INVALID, "kernel: its note INIT_P2M, %lx, is no page of the guest's part of the address "
                         "space: correct the note", plan->init_p2m);
    if (note_number(p, XEN_ELFNOTE_HV_START_LOW, &lowest) && lowest > HOLE_START)
        return vane_fail(p->error, VANE_UNSUPPORTED, "kernel: it wants the hypervisor above %lx, where it is not: use another "
                         "kernel", lowest);
    return 0;
}

bool image_plan_is_sound(const struct image_plan *plan, size_t size)
{
    struct view file = { NULL, size };
    uint64_t end = 0;

    if (!plan->nr_segments || plan->nr_segments > IMAGE_MAX_SEGMENTS)
        return false;
    for (unsigned i = 0; i < plan->nr_segments; i++) {
        const struct image_segment *s = &plan->segments[i];

        if (!has(file, s->offset, s->file_size) || s->file_size > s->mem_size || s->address < end ||
            s->address > MAX_ADDRESS || s->mem_size > MAX_ADDRESS)
            return false;
        end = s->address + s->mem_size;
    }
    return end == plan->end && !(plan->virt_base & 0xfff) &&
           image_range_is_guests(plan->virt_base + plan->segments[0].address, end - plan->segments[0].address) &&
           (!plan->has_hypercall_page || is_in_kernel(plan, plan->hypercall_page, 0x1000)) &&
           (!plan->has_init_p2m || (!(plan->init_p2m & 0xfff) && image_range_is_guests(plan->init_p2m, 0x1000)));
}

int image_parse(const uint8_t *file, size_t size, struct image_room *elf, struct image_plan *plan, struct vane_error *error)
{
    static int (*const steps[])(struct parser *p) = {
        check_header, read_headers, check_kind, read_features, place_segments, check_places,
    };
    struct parser p = { .plan = plan, .error = error };
    int rc = unpack((struct view){ file, size }, elf, error);

    memset(plan, 0, sizeof(*plan));
    p.file = (struct view){ elf->at, elf->size };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !rc; i++)
        rc = steps[i](&p);
    return rc;
}
