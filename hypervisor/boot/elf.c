// SPDX-License-Identifier: MIT
/*
 * ELF64 kernels and their Xen notes (System V ABI, chapters 4 and 5; public/elfnote.h). Pure: see
 * elf.h. Three steps: headers to segments and a table of notes indexed by type, the table to the
 * plan, checks of the plan.
 */
#include "boot/elf.h"

#include "boot/bytes.h"
#include "public/elfnote.h"
#include "public/features.h"

#define EHDR_SIZE 64
#define PHDR_SIZE 56u
#define SHDR_SIZE 64u
#define MAX_PHDRS 128
#define MAX_NOTES 4096

#define ET_EXEC 2
#define ET_DYN 3
#define EM_X86_64 62
#define PT_LOAD 1
#define PT_NOTE 4
#define SHT_NOTE 7

#define NR_NOTES (XEN_ELFNOTE_MAX + 1)

/* A pseudo-physical address beyond this is a broken header: no guest of ours is that large. */
#define MAX_PADDR (UINT64_C(1) << 46)

/* What the ABI reserves for the hypervisor, and the end of the lower canonical half. */
#define HOLE_START UINT64_C(0xffff800000000000)
#define HOLE_END UINT64_C(0xffff880000000000)
#define LOWER_HALF_END UINT64_C(0x0000800000000000)

struct parser {
    struct bytes image;
    struct elf_plan *plan;
    uint64_t paddr_offset;
    unsigned int nr_seen;            /* notes of any name */
    bool has_any;                    /* a note of Xen's */
    struct bytes notes[NR_NOTES];    /* size 0: not given */
};

/* Each check answers what is wrong, cause and cure, or NULL. */
static const char *INIT check_header(struct parser *p)
{
    struct bytes image = p->image;
    uint16_t type = bytes_u16(image, 16), nr_phdrs = bytes_u16(image, 56);

    if (!bytes_have(image, 0, EHDR_SIZE) || !bytes_match(image, 0, "\177ELF"))
        return "the kernel is no ELF file: give a Linux vmlinuz or an ELF kernel as module 1";
    if (bytes_u8(image, 4) != 2 || bytes_u8(image, 5) != 1 || bytes_u16(image, 18) != EM_X86_64)
        return "the kernel is not for 64-bit x86: use an amd64 kernel";
    if (type != ET_EXEC && type != ET_DYN)
        return "the ELF file is not an executable: use a kernel, not an object or core file";
    if (bytes_u16(image, 54) != PHDR_SIZE || !nr_phdrs || nr_phdrs > MAX_PHDRS)
        return "the kernel's ELF program headers are missing or malformed: copy it again";
    return NULL;
}

static bool INIT range_is_guests(uint64_t start, uint64_t size)
{
    uint64_t end = start + size;

    return end >= start && (end <= LOWER_HALF_END || start >= HOLE_END);
}

/* Keeps the segments sorted by address, so that an overlap shows between neighbours. */
static const char *INIT read_segment(struct parser *p, struct bytes header)
{
    struct elf_plan *plan = p->plan;
    struct elf_segment *at = &plan->segments[plan->nr_segments];
    struct elf_segment s = {
        .file_offset = bytes_u64(header, 8),
        .paddr = bytes_u64(header, 24),
        .file_size = bytes_u64(header, 32),
        .mem_size = bytes_u64(header, 40),
    };

    if (!s.mem_size && !s.file_size)
        return NULL;
    if (s.file_size > s.mem_size)
        return "a kernel segment is larger in the file than in memory: copy the kernel again";
    if (!bytes_have(p->image, s.file_offset, s.file_size))
        return "the kernel file ends inside a segment: it is truncated, copy it again";
    if (s.mem_size > MAX_PADDR)
        return "a kernel segment has an impossible size: copy the kernel again";
    if (plan->nr_segments == ELF_MAX_SEGMENTS)
        return "the kernel has more than 16 load segments: link it with fewer";
    plan->nr_segments++;
    for (; at > plan->segments && at[-1].paddr > s.paddr; at--)
        *at = at[-1];
    *at = s;
    return NULL;
}

/* One note at `offset`; 0 if it is malformed, else the length up to the next one. */
static uint64_t INIT read_note(struct parser *p, struct bytes area, uint64_t offset)
{
    uint64_t name_size = bytes_u32(area, offset), desc_size = bytes_u32(area, offset + 4);
    uint64_t name = offset + 12, desc = name + ALIGN_UP(name_size, 4);
    uint32_t type = bytes_u32(area, offset + 8);

    if (!bytes_have(area, name, name_size) || !bytes_have(area, desc, desc_size))
        return 0;
    if (name_size == 4 && !memcmp(area.at + name, "Xen", 4)) {
        p->has_any = true;
        if (type < NR_NOTES)
            p->notes[type] = bytes_part(area, desc, desc_size);
    }
    return desc + ALIGN_UP(desc_size, 4) - offset;
}

static void INIT read_notes(struct parser *p, uint64_t start, uint64_t size)
{
    struct bytes area = bytes_part(p->image, start, size);
    uint64_t offset = 0, length = 1;

    while (length && bytes_have(area, offset, 12) && p->nr_seen++ < MAX_NOTES) {
        length = read_note(p, area, offset);
        offset += length;
    }
}

/* Some linkers leave notes to sections, which need no program header. */
static void INIT read_section_notes(struct parser *p)
{
    uint64_t count = bytes_u16(p->image, 60);
    struct bytes headers = bytes_part(p->image, bytes_u64(p->image, 40), count * SHDR_SIZE);

    for (uint64_t at = 0; at < headers.size; at += SHDR_SIZE)
        if (bytes_u32(headers, at + 4) == SHT_NOTE)
            read_notes(p, bytes_u64(headers, at + 24), bytes_u64(headers, at + 32));
}

static const char *INIT read_headers(struct parser *p)
{
    unsigned int count = bytes_u16(p->image, 56);
    struct bytes headers = bytes_part(p->image, bytes_u64(p->image, 32), count * PHDR_SIZE);
    const char *why = NULL;

    if (!headers.size)
        return "the kernel file ends inside its headers: it is truncated, copy it again";
    for (unsigned int i = 0; i < count && !why; i++) {
        struct bytes header = bytes_part(headers, i * PHDR_SIZE, PHDR_SIZE);

        if (bytes_u32(header, 0) == PT_LOAD)
            why = read_segment(p, header);
        else if (bytes_u32(header, 0) == PT_NOTE)
            read_notes(p, bytes_u64(header, 8), bytes_u64(header, 32));
    }
    if (!why && !p->plan->nr_segments)
        return "the kernel has nothing to load: use a linked kernel";
    if (!p->has_any)
        read_section_notes(p);
    return why;
}

static const char *INIT check_kind(struct parser *p)
{
    const struct bytes *notes = p->notes;
    bool is_pv = notes[XEN_ELFNOTE_ENTRY].size || notes[XEN_ELFNOTE_VIRT_BASE].size ||
                 notes[XEN_ELFNOTE_HYPERCALL_PAGE].size;

    if (!p->has_any)
        return "the kernel has no Xen ELF notes: use one built with CONFIG_XEN_PV";
    if (!is_pv && notes[XEN_ELFNOTE_PHYS32_ENTRY].size)
        return "the kernel can start as a PVH guest only: use one built with CONFIG_XEN_PV";
    return NULL;
}

/* Fills `*value` if the note is there; numbers come in 1, 2, 4 or 8 bytes. */
static bool INIT note_number(const struct parser *p, unsigned int type, uint64_t *value)
{
    struct bytes note = p->notes[type];

    if (!note.size || note.size > 8 || (note.size & (note.size - 1)))
        return false;
    *value = bytes_read(note, 0, note.size);
    return true;
}

#define FEATURE(name) [XENFEAT_##name] = #name

static const char *const feature_names[] INITCONST = {
    FEATURE(writable_page_tables), FEATURE(writable_descriptor_tables),
    FEATURE(auto_translated_physmap), FEATURE(supervisor_mode_kernel),
    FEATURE(pae_pgdir_above_4gb), FEATURE(mmu_pt_update_preserve_ad), FEATURE(highmem_assist),
    FEATURE(gnttab_map_avail_bits), FEATURE(hvm_callback_vector), FEATURE(hvm_safe_pvclock),
    FEATURE(hvm_pirqs), FEATURE(dom0), FEATURE(memory_op_vnode_supported),
    FEATURE(linux_rsdp_unrestricted),
};

/* The bit of a feature's name; 0: not known here. */
static uint32_t INIT feature_bit(struct bytes name)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(feature_names); i++)
        if (feature_names[i] && strlen(feature_names[i]) == name.size &&
            bytes_match(name, 0, feature_names[i]))
            return 1u << i;
    return 0;
}

/* Names, parted by '|'. What is unknown may be wished for, but not required with a '!'. */
static const char *INIT read_features(struct parser *p)
{
    struct bytes list = p->notes[XEN_ELFNOTE_FEATURES];
    uint64_t supported = 0;

    (void)note_number(p, XEN_ELFNOTE_SUPPORTED_FEATURES, &supported);
    p->plan->features_supported = (uint32_t)supported;
    for (size_t start = 0, end; bytes_u8(list, start); start = end + (bytes_u8(list, end) == '|')) {
        bool is_required = list.at[start] == '!';
        uint32_t bit;

        start += is_required;
        for (end = start; bytes_u8(list, end) && list.at[end] != '|';)
            end++;
        bit = feature_bit(bytes_part(list, start, end - start));
        if (is_required && !bit)
            return "the kernel requires a Xen feature that is not known here: use another kernel";
        p->plan->features_supported |= bit;
        p->plan->features_required |= is_required ? bit : 0;
    }
    return NULL;
}

static void INIT read_numbers(struct parser *p)
{
    struct elf_plan *plan = p->plan;
    uint64_t value = 0;

    plan->entry = bytes_u64(p->image, 24);
    (void)note_number(p, XEN_ELFNOTE_ENTRY, &plan->entry);   /* the defaults stand if not given */
    (void)note_number(p, XEN_ELFNOTE_VIRT_BASE, &plan->virt_base);
    (void)note_number(p, XEN_ELFNOTE_PADDR_OFFSET, &p->paddr_offset);
    plan->has_hypercall_page = note_number(p, XEN_ELFNOTE_HYPERCALL_PAGE, &plan->hypercall_page);
    plan->has_init_p2m = note_number(p, XEN_ELFNOTE_INIT_P2M, &plan->init_p2m);
    plan->mod_start_pfn = note_number(p, XEN_ELFNOTE_MOD_START_PFN, &value) && value;
}

/* Turns p_paddr into a pseudo-physical address, and checks that all addresses are usable. */
static const char *INIT place_segments(struct parser *p)
{
    struct elf_plan *plan = p->plan;
    uint64_t end = 0;

    read_numbers(p);
    for (unsigned int i = 0; i < plan->nr_segments; i++) {
        struct elf_segment *s = &plan->segments[i];

        if (s->paddr < p->paddr_offset || s->paddr - p->paddr_offset > MAX_PADDR)
            return "a kernel segment does not fit the note PADDR_OFFSET: correct the note";
        s->paddr -= p->paddr_offset;
        if (s->paddr < end)
            return "two kernel segments overlap: link the kernel again";
        end = s->paddr + s->mem_size;
    }
    plan->paddr_end = end;
    if (plan->virt_base + end < plan->virt_base ||
        !range_is_guests(plan->virt_base + plan->segments[0].paddr, end - plan->segments[0].paddr))
        return "the kernel reaches into the hypervisor's part of the address space, or beyond its "
               "end: correct the note VIRT_BASE";
    return NULL;
}

static bool INIT is_in_kernel(const struct elf_plan *plan, uint64_t va, uint64_t size)
{
    uint64_t paddr = va - plan->virt_base;

    return paddr >= plan->segments[0].paddr && paddr < plan->paddr_end &&
           size <= plan->paddr_end - paddr;
}

static const char *INIT check_notes(struct parser *p)
{
    const struct elf_plan *plan = p->plan;
    struct bytes loader = p->notes[XEN_ELFNOTE_LOADER];
    uint64_t lowest = 0;

    if (bytes_u8(loader, 0) && (!bytes_match(loader, 0, "generic") || bytes_u8(loader, 7)))
        return "the kernel's note LOADER does not ask for \"generic\": use another kernel";
    if (!is_in_kernel(plan, plan->entry, 1))
        return "the kernel's entry point lies outside its segments: correct the note ENTRY";
    if (plan->has_hypercall_page &&
        (plan->hypercall_page & 0xfff || !is_in_kernel(plan, plan->hypercall_page, 0x1000)))
        return "the note HYPERCALL_PAGE names no whole page of the kernel: correct it";
    if (plan->has_init_p2m && (plan->init_p2m & 0xfff || !range_is_guests(plan->init_p2m, 0x1000)))
        return "the note INIT_P2M names no page that is the guest's: correct it";
    if (note_number(p, XEN_ELFNOTE_HV_START_LOW, &lowest) && lowest > HOLE_START)
        return "the kernel wants the hypervisor above ffff800000000000: use another kernel";
    return NULL;
}

const char *INIT elf_plan(const void *image, size_t size, struct elf_plan *plan)
{
    static const char *(*const steps[])(struct parser *p) INITCONST = {
        check_header, read_headers, check_kind, read_features, place_segments, check_notes,
    };
    struct parser p = { .image = { image, size }, .plan = plan };
    const char *why = NULL;

    memset(plan, 0, sizeof(*plan));
    for (size_t i = 0; i < ARRAY_SIZE(steps) && !why; i++)
        why = steps[i](&p);
    return why;
}
