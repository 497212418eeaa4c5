// SPDX-License-Identifier: MIT
/*
 * ELF64 kernels and their Xen notes (System V ABI, chapters 4 and 5; public/elfnote.h). Pure: see
 * elf.h. Three steps: load headers to segments, notes to a table indexed by type, and the table to
 * the plan.
 */
#include "boot/elf.h"

#include "boot/bytes.h"
#include "lib/compiler.h"
#include "lib/string.h"
#include "public/elfnote.h"
#include "public/errno.h"
#include "public/features.h"

#define EHDR_SIZE 64
#define PHDR_SIZE 56
#define MAX_PHDRS 128
#define MAX_NOTES 4096

#define ET_EXEC 2
#define ET_DYN 3
#define EM_X86_64 62
#define PT_LOAD 1
#define PT_NOTE 4

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
    const char *why;
    uint64_t paddr_offset;
    unsigned int nr_seen;            /* notes of any name */
    bool has_any;                    /* a note of Xen's */
    struct bytes notes[NR_NOTES];    /* size 0: not given */
};

static bool INIT refuse(struct parser *p, const char *why)
{
    p->why = why;
    return false;
}

static bool INIT check_header(struct parser *p)
{
    struct bytes image = p->image;
    uint16_t type = bytes_u16(image, 16), nr_phdrs = bytes_u16(image, 56);

    if (!bytes_have(image, 0, EHDR_SIZE) || !bytes_match(image, 0, "\177ELF"))
        return refuse(p, "the kernel is no ELF file: give a Linux vmlinuz or an ELF kernel as "
                         "module 1");
    if (bytes_u8(image, 4) != 2 || bytes_u8(image, 5) != 1 || bytes_u16(image, 18) != EM_X86_64)
        return refuse(p, "the kernel is not for 64-bit x86: use an amd64 kernel");
    if (type != ET_EXEC && type != ET_DYN)
        return refuse(p, "the ELF file is not an executable: use a kernel, not an object or core "
                         "file");
    if (bytes_u16(image, 54) != PHDR_SIZE || !nr_phdrs || nr_phdrs > MAX_PHDRS)
        return refuse(p, "the kernel's ELF program headers are missing or malformed: copy it "
                         "again");
    return true;
}

/* Program header `i`, empty if it lies outside the file. */
static struct bytes INIT program_header(const struct parser *p, unsigned int i)
{
    uint64_t table = bytes_u64(p->image, 32);

    if (table > p->image.size)
        return (struct bytes){ NULL, 0 };
    return bytes_part(p->image, table + (uint64_t)i * PHDR_SIZE, PHDR_SIZE);
}

static bool INIT range_is_guests(uint64_t start, uint64_t size)
{
    uint64_t end = start + size;

    return end >= start && (end <= LOWER_HALF_END || start >= HOLE_END);
}

/* Keeps the segments sorted by address, so that an overlap shows between neighbours. */
static bool INIT add_segment(struct parser *p, const struct elf_segment *s)
{
    struct elf_plan *plan = p->plan;
    unsigned int i = plan->nr_segments;

    if (i == ELF_MAX_SEGMENTS)
        return refuse(p, "the kernel has more than 16 load segments: link it with fewer");
    while (i && plan->segments[i - 1].paddr > s->paddr) {
        plan->segments[i] = plan->segments[i - 1];
        i--;
    }
    plan->segments[i] = *s;
    plan->nr_segments++;
    return true;
}

static bool INIT read_segment(struct parser *p, struct bytes header)
{
    struct elf_segment s = {
        .file_offset = bytes_u64(header, 8),
        .paddr = bytes_u64(header, 24),
        .file_size = bytes_u64(header, 32),
        .mem_size = bytes_u64(header, 40),
    };

    if (!s.mem_size && !s.file_size)
        return true;
    if (s.file_size > s.mem_size)
        return refuse(p, "a kernel segment is larger in the file than in memory: copy the kernel "
                         "again");
    if (!bytes_have(p->image, s.file_offset, s.file_size))
        return refuse(p, "the kernel file ends inside a segment: it is truncated, copy it again");
    if (s.mem_size > MAX_PADDR)
        return refuse(p, "a kernel segment has an impossible size: copy the kernel again");
    return add_segment(p, &s);
}

static bool INIT read_segments(struct parser *p)
{
    unsigned int count = bytes_u16(p->image, 56);

    for (unsigned int i = 0; i < count; i++) {
        struct bytes header = program_header(p, i);

        if (!header.size)
            return refuse(p, "the kernel file ends inside its headers: it is truncated, copy it "
                             "again");
        if (bytes_u32(header, 0) == PT_LOAD && !read_segment(p, header))
            return false;
    }
    if (!p->plan->nr_segments)
        return refuse(p, "the kernel has nothing to load: use a linked kernel");
    return true;
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
    uint64_t offset = 0, length;

    while (bytes_have(area, offset, 12) && p->nr_seen++ < MAX_NOTES) {
        length = read_note(p, area, offset);
        if (!length)
            return;
        offset += length;
    }
}

static void INIT find_notes(struct parser *p)
{
    for (unsigned int i = 0; i < bytes_u16(p->image, 56); i++) {
        struct bytes header = program_header(p, i);

        if (bytes_u32(header, 0) == PT_NOTE)
            read_notes(p, bytes_u64(header, 8), bytes_u64(header, 32));
    }
}

static bool INIT check_kind(struct parser *p)
{
    const struct bytes *notes = p->notes;
    bool is_pv = notes[XEN_ELFNOTE_ENTRY].size || notes[XEN_ELFNOTE_VIRT_BASE].size ||
                 notes[XEN_ELFNOTE_HYPERCALL_PAGE].size;

    if (!p->has_any)
        return refuse(p, "the kernel has no Xen ELF notes: use one built with CONFIG_XEN_PV");
    if (!is_pv && notes[XEN_ELFNOTE_PHYS32_ENTRY].size)
        return refuse(p, "the kernel can start as a PVH guest only: use one built with "
                         "CONFIG_XEN_PV");
    return true;
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

struct feature_name {
    const char *name;
    unsigned int bit;
};

#define FEATURE(name) { #name, XENFEAT_##name }

static const struct feature_name feature_names[] INITCONST = {
    FEATURE(writable_page_tables), FEATURE(writable_descriptor_tables),
    FEATURE(auto_translated_physmap), FEATURE(supervisor_mode_kernel),
    FEATURE(pae_pgdir_above_4gb), FEATURE(mmu_pt_update_preserve_ad), FEATURE(highmem_assist),
    FEATURE(gnttab_map_avail_bits), FEATURE(hvm_callback_vector), FEATURE(hvm_safe_pvclock),
    FEATURE(hvm_pirqs), FEATURE(dom0), FEATURE(memory_op_vnode_supported),
    FEATURE(linux_rsdp_unrestricted),
};

static const struct feature_name *INIT feature_find(struct bytes name)
{
    for (size_t i = 0; i < ARRAY_SIZE(feature_names); i++) {
        if (strlen(feature_names[i].name) == name.size &&
            !memcmp(feature_names[i].name, name.at, name.size))
            return &feature_names[i];
    }
    return NULL;
}

/* One name, perhaps with a '!'. What is unknown may be wished for, but not required. */
static bool INIT read_feature(struct parser *p, struct bytes name)
{
    bool is_required = name.size && name.at[0] == '!';
    const struct feature_name *f;

    f = feature_find(bytes_part(name, is_required, name.size - is_required));
    if (!f)
        return !is_required ||
               refuse(p, "the kernel requires a Xen feature that is not known here: use another "
                         "kernel");
    p->plan->features_supported |= 1u << f->bit;
    if (is_required)
        p->plan->features_required |= 1u << f->bit;
    return true;
}

static bool INIT read_features(struct parser *p)
{
    struct bytes list = p->notes[XEN_ELFNOTE_FEATURES];
    uint64_t supported = 0;
    size_t start = 0;

    if (note_number(p, XEN_ELFNOTE_SUPPORTED_FEATURES, &supported))
        p->plan->features_supported = (uint32_t)supported;
    while (start < list.size && list.at[start]) {
        size_t end = start;

        while (end < list.size && list.at[end] && list.at[end] != '|')
            end++;
        if (!read_feature(p, bytes_part(list, start, end - start)))
            return false;
        start = end < list.size && list.at[end] == '|' ? end + 1 : end;
    }
    return true;
}

/* Turns p_paddr into a pseudo-physical address, and checks that all addresses are usable. */
static bool INIT place_segments(struct parser *p)
{
    struct elf_plan *plan = p->plan;
    uint64_t end = 0;

    for (unsigned int i = 0; i < plan->nr_segments; i++) {
        struct elf_segment *s = &plan->segments[i];

        if (s->paddr < p->paddr_offset || s->paddr - p->paddr_offset > MAX_PADDR)
            return refuse(p, "a kernel segment does not fit the note PADDR_OFFSET: correct the "
                             "note");
        s->paddr -= p->paddr_offset;
        if (s->paddr < end)
            return refuse(p, "two kernel segments overlap: link the kernel again");
        end = s->paddr + s->mem_size;
    }
    plan->paddr_end = end;
    if (plan->virt_base + end < plan->virt_base ||
        !range_is_guests(plan->virt_base + plan->segments[0].paddr, end - plan->segments[0].paddr))
        return refuse(p, "the kernel reaches into the hypervisor's part of the address space, or "
                         "beyond "
                         "its end: correct the note VIRT_BASE");
    return true;
}

static bool INIT is_in_kernel(const struct elf_plan *plan, uint64_t va, uint64_t size)
{
    uint64_t paddr = va - plan->virt_base;

    return paddr >= plan->segments[0].paddr && paddr < plan->paddr_end &&
           size <= plan->paddr_end - paddr;
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

static bool INIT check_notes(struct parser *p)
{
    const struct elf_plan *plan = p->plan;
    struct bytes loader = p->notes[XEN_ELFNOTE_LOADER];
    uint64_t lowest = 0;

    if (bytes_u8(loader, 0) && (!bytes_match(loader, 0, "generic") || bytes_u8(loader, 7)))
        return refuse(p, "the kernel's note LOADER does not ask for \"generic\": use another "
                         "kernel");
    if (!is_in_kernel(plan, plan->entry, 1))
        return refuse(p, "the kernel's entry point lies outside its segments: correct the note "
                         "ENTRY");
    if (plan->has_hypercall_page &&
        (plan->hypercall_page & 0xfff || !is_in_kernel(plan, plan->hypercall_page, 0x1000)))
        return refuse(p, "the note HYPERCALL_PAGE names no whole page of the kernel: correct it");
    if (plan->has_init_p2m && (plan->init_p2m & 0xfff || !range_is_guests(plan->init_p2m, 0x1000)))
        return refuse(p, "the note INIT_P2M names no page that is the guest's: correct it");
    if (note_number(p, XEN_ELFNOTE_HV_START_LOW, &lowest) && lowest > HOLE_START)
        return refuse(p, "the kernel wants the hypervisor above ffff800000000000: use another "
                         "kernel");
    return true;
}

int INIT elf_plan(const void *image, size_t size, struct elf_plan *plan, const char **why)
{
    struct parser p = { .image = { image, size }, .plan = plan };

    memset(plan, 0, sizeof(*plan));
    if (!check_header(&p) || !read_segments(&p))
        goto refused;
    find_notes(&p);
    if (!check_kind(&p))
        goto refused;
    read_numbers(&p);
    if (!read_features(&p) || !place_segments(&p) || !check_notes(&p))
        goto refused;
    return 0;
refused:
    *why = p.why;
    return -XEN_ENOEXEC;
}
