// SPDX-License-Identifier: MIT
// boot/elf.c: kernels as Linux, GRUB and Mini-OS link them, and files that lie about themselves.
#include "boot/elf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fuzz/mini.h"
#include "public/elfnote.h"
#include "public/features.h"
#include "unit_main.h"

#define PHDRS 64u
#define NOTES 0x500u
#define TEXT 0x1000u
#define SIZE 0x3000u

static uint8_t file[SIZE];
static uint32_t notes_end;
static struct elf_plan plan;
static const char *why;

static void put(uint32_t at, uint64_t value, unsigned width)
{
    fuzz_put(file + at, value, width);
}

static void put_phdr(unsigned i, uint32_t type, uint64_t offset, uint64_t paddr, uint64_t file_size,
                     uint64_t mem_size)
{
    uint32_t at = PHDRS + i * 56;

    put(at, type, 4);
    put(at + 4, 5, 4);
    put(at + 8, offset, 8);
    put(at + 16, paddr + 0xffffffff80000000, 8);
    put(at + 24, paddr, 8);
    put(at + 32, file_size, 8);
    put(at + 40, mem_size, 8);
}

static void note(uint32_t type, const void *desc, uint32_t size)
{
    put(notes_end, 4, 4);
    put(notes_end + 4, size, 4);
    put(notes_end + 8, type, 4);
    memcpy(file + notes_end + 12, "Xen", 4);
    memcpy(file + notes_end + 16, desc, size);
    notes_end += 16 + ((size + 3) & ~3u);
}

static void note_number(uint32_t type, uint64_t value)
{
    note(type, &value, 8);
}

static void note_string(uint32_t type, const char *value)
{
    note(type, value, (uint32_t)strlen(value) + 1);
}

static void close_notes(void)
{
    put_phdr(2, 4, NOTES, 0, notes_end - NOTES, 0);
}

// Header and three program headers: text, data, notes. The caller adds the notes.
static void build_frame(void)
{
    memset(file, 0, sizeof(file));
    memcpy(file, "\177ELF\2\1\1", 7);
    put(16, 2, 2);
    put(18, 62, 2);
    put(24, 0xffffffff81000040, 8);
    put(32, PHDRS, 8);
    put(54, 56, 2);
    put(56, 3, 2);
    put_phdr(0, 1, 0x2000, 0x1200000, 0x1000, 0x9000);
    put_phdr(1, 1, TEXT, 0x1000000, 0x1000, 0x1000);
    notes_end = NOTES;
}

// A Linux kernel.
static void build(void)
{
    static const uint64_t valid[2] = { 1, 1 };

    build_frame();
    note_string(XEN_ELFNOTE_GUEST_OS, "linux");
    note_string(XEN_ELFNOTE_GUEST_VERSION, "2.6");
    note_string(XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    note_number(XEN_ELFNOTE_VIRT_BASE, 0xffffffff80000000);
    note_number(XEN_ELFNOTE_INIT_P2M, 0x8000000000);
    note_number(XEN_ELFNOTE_ENTRY, 0xffffffff81200010);
    note_string(XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb|future_thing");
    put(notes_end, 0, 1);
    note(XEN_ELFNOTE_SUPPORTED_FEATURES, "\1\210\0", 4);
    note_string(XEN_ELFNOTE_PAE_MODE, "yes");
    note_string(XEN_ELFNOTE_LOADER, "generic");
    note(XEN_ELFNOTE_L1_MFN_VALID, valid, 16);
    note_number(XEN_ELFNOTE_SUSPEND_CANCEL, 1);
    note(XEN_ELFNOTE_MOD_START_PFN, "\1", 1);
    note_number(XEN_ELFNOTE_HV_START_LOW, 0xffff800000000000);
    note_number(XEN_ELFNOTE_PADDR_OFFSET, 0);
    note_number(XEN_ELFNOTE_PHYS32_ENTRY, 0x1000850);
    note_number(19, 5);
    close_notes();
}

static const char *parse(void)
{
    why = elf_plan(file, sizeof(file), &plan);
    return why;
}

static void refuses(const char *text)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(parse());
    CU_ASSERT_PTR_NOT_NULL(strstr(why, text));
    if (!strstr(why, text))
        printf("wanted \"%s\", got \"%s\"\n", text, why);
}

static void linux_kernel(void)
{
    build();
    CU_ASSERT_PTR_NULL_FATAL(parse());
    CU_ASSERT_EQUAL_FATAL(plan.nr_segments, 2);
    CU_ASSERT_EQUAL(plan.segments[0].paddr, 0x1000000);
    CU_ASSERT_EQUAL(plan.segments[0].file_offset, TEXT);
    CU_ASSERT_EQUAL(plan.segments[1].paddr, 0x1200000);
    CU_ASSERT_EQUAL(plan.segments[1].file_size, 0x1000);
    CU_ASSERT_EQUAL(plan.segments[1].mem_size, 0x9000);
    CU_ASSERT_EQUAL(plan.paddr_end, 0x1209000);
    CU_ASSERT_EQUAL(plan.entry, 0xffffffff81200010);
    CU_ASSERT_EQUAL(plan.virt_base, 0xffffffff80000000);
    CU_ASSERT(!plan.has_hypercall_page);
    CU_ASSERT(plan.has_init_p2m);
    CU_ASSERT_EQUAL(plan.init_p2m, 0x8000000000);
    CU_ASSERT(plan.mod_start_pfn);
    CU_ASSERT_EQUAL(plan.features_required, 1u << XENFEAT_writable_page_tables);
    CU_ASSERT_EQUAL(plan.features_supported, 0x8801 | 1u << XENFEAT_pae_pgdir_above_4gb);
}

// Linked at 0, entry from the ELF header, a hypercall page.
static void mini_os(void)
{
    build_frame();
    put(56, 2, 2);
    put_phdr(0, 1, TEXT, 0, 0x2000, 0x8000);
    put_phdr(1, 0, 0, 0, 0, 0);
    put(24, 0, 8);
    note_number(XEN_ELFNOTE_VIRT_BASE, 0);
    note_number(XEN_ELFNOTE_HYPERCALL_PAGE, 0x2000);
    note_string(XEN_ELFNOTE_LOADER, "generic");
    put_phdr(1, 4, NOTES, 0, notes_end - NOTES, 0);
    CU_ASSERT_PTR_NULL_FATAL(parse());
    CU_ASSERT_EQUAL(plan.entry, 0);
    CU_ASSERT_EQUAL(plan.paddr_end, 0x8000);
    CU_ASSERT(plan.has_hypercall_page && !plan.has_init_p2m && !plan.mod_start_pfn);
    CU_ASSERT_EQUAL(plan.hypercall_page, 0x2000);
    put(PHDRS + 56, 6, 4);
    refuses("no Xen ELF notes");
}

static void paddr_offset(void)
{
    build();
    note_number(XEN_ELFNOTE_PADDR_OFFSET, 0x1000000);
    note_number(XEN_ELFNOTE_VIRT_BASE, 0xffffffff81000000);
    close_notes();
    CU_ASSERT_PTR_NULL_FATAL(parse());
    CU_ASSERT_EQUAL(plan.segments[0].paddr, 0);
    note_number(XEN_ELFNOTE_PADDR_OFFSET, 0x1000001);
    close_notes();
    refuses("PADDR_OFFSET");
}

static void wrong_files(void)
{
    build();
    file[0] = 'x';
    refuses("no ELF file");
    build();
    file[4] = 1;
    refuses("64-bit");
    build();
    put(18, 3, 2);
    refuses("64-bit");
    build();
    put(16, 1, 2);
    refuses("executable");
    build();
    put(56, 0, 2);
    refuses("program header");
    build();
    put(56, 0xffff, 2);
    refuses("program header");
    build();
    put(32, UINT64_MAX - 8, 8);
    refuses("truncated");
    build();
    put_phdr(0, 6, 0, 0, 0, 0);
    put_phdr(1, 6, 0, 0, 0, 0);
    refuses("nothing to load");
}

static void bad_segments(void)
{
    build();
    put_phdr(0, 1, SIZE - 0x10, 0x1200000, 0x11, 0x1000);
    refuses("truncated");
    build();
    put_phdr(0, 1, UINT64_MAX, 0x1200000, 2, 0x1000);
    refuses("truncated");
    build();
    put_phdr(0, 1, TEXT, 0x1200000, 0x1000, 0xfff);
    refuses("larger in the file");
    build();
    put_phdr(0, 1, TEXT, 0x1000fff, 0x1000, 0x1000);
    refuses("overlap");
    build();
    put_phdr(0, 1, TEXT, 0x1200000, 0, UINT64_MAX);
    refuses("impossible size");
    build();
    put_phdr(0, 1, TEXT, UINT64_MAX - 0x10, 0x10, 0x1000);
    refuses("PADDR_OFFSET");
    build();
    put_phdr(0, 1, TEXT, 0x80000000 - 0x10, 0x10, 0x1000);
    refuses("address space");
}

static void bad_addresses(void)
{
    static const struct {
        uint32_t type;
        uint64_t value;
        const char *text;
    } cases[] = {
        { XEN_ELFNOTE_ENTRY, 0xffffffff81209000, "ENTRY" },
        { XEN_ELFNOTE_ENTRY, 0xffffffff80ffffff, "ENTRY" },
        { XEN_ELFNOTE_HYPERCALL_PAGE, 0xffffffff81000010, "HYPERCALL_PAGE" },
        { XEN_ELFNOTE_HYPERCALL_PAGE, 0xffffffff81209000, "HYPERCALL_PAGE" },
        { XEN_ELFNOTE_INIT_P2M, 0x8000000800, "INIT_P2M" },
        { XEN_ELFNOTE_INIT_P2M, 0xffff800000000000, "INIT_P2M" },
        { XEN_ELFNOTE_INIT_P2M, 0x0000800000000000, "INIT_P2M" },
        { XEN_ELFNOTE_INIT_P2M, UINT64_MAX - 0xfff, "INIT_P2M" },
        { XEN_ELFNOTE_HV_START_LOW, 0xffff800000001000, "ffff800000000000" },
        { XEN_ELFNOTE_VIRT_BASE, 0xffff87fffe000000, "VIRT_BASE" },
        { XEN_ELFNOTE_VIRT_BASE, 0x00007fffff000000, "VIRT_BASE" },
        { XEN_ELFNOTE_VIRT_BASE, 0xffffffffff000000, "VIRT_BASE" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        build();
        note_number(cases[i].type, cases[i].value);
        close_notes();
        refuses(cases[i].text);
    }
}

// The first segment below the hole and the second above it: each is fine, the whole is not.
static void kernel_around_the_hole(void)
{
    build_frame();
    put_phdr(0, 1, TEXT, 0x1000, 0x10, 0x1000);
    put_phdr(1, 1, TEXT, 0x210000000000, 0x10, 0x1000);
    note_number(XEN_ELFNOTE_VIRT_BASE, 0xffff700000000000);
    note_number(XEN_ELFNOTE_ENTRY, 0xffff700000001000);
    close_notes();
    refuses("address space");
}

static void kinds_of_kernel(void)
{
    build_frame();
    close_notes();
    refuses("CONFIG_XEN_PV");
    note_number(XEN_ELFNOTE_PHYS32_ENTRY, 0x1000000);
    close_notes();
    refuses("PVH");
    build();
    note_string(XEN_ELFNOTE_LOADER, "special");
    close_notes();
    refuses("LOADER");
    build();
    note_string(XEN_ELFNOTE_FEATURES, "!flying");
    close_notes();
    refuses("feature");
}

// Notes whose sizes run over the end of their area end the list; numbers of odd sizes are not
// numbers.
static void bad_notes(void)
{
    build();
    put(NOTES + 4, 0xfffffff0, 4);
    refuses("no Xen ELF notes");
    build();
    put(NOTES, 0xffffffff, 4);
    refuses("no Xen ELF notes");
    build();
    note(XEN_ELFNOTE_MOD_START_PFN, "abc", 3);
    close_notes();
    CU_ASSERT_PTR_NULL(parse());
    CU_ASSERT(!plan.mod_start_pfn);
}

// Notes that only a section header names; one that leads out of the file is passed over.
static void notes_in_a_section(void)
{
    build();
    put(PHDRS + 2 * 56, 0, 4);
    refuses("no Xen ELF notes");
    put(40, 0x2e00, 8);
    put(60, 2, 2);
    memset(file + 0x2e00, 0, 128);
    put(0x2e00 + 4, 7, 4);
    put(0x2e00 + 24, UINT64_MAX - 3, 8);
    put(0x2e00 + 32, 64, 8);
    put(0x2e40 + 4, 7, 4);
    put(0x2e40 + 24, NOTES, 8);
    put(0x2e40 + 32, notes_end - NOTES, 8);
    CU_ASSERT_PTR_NULL(parse());
    put(40, UINT64_MAX - 63, 8);
    refuses("no Xen ELF notes");
}

static void too_many_segments(void)
{
    build();
    for (unsigned i = 0; i < 10; i++)
        put_phdr(i, 1, TEXT, 0x1000000 + i * 0x1000u, 1, 1);
    put(56, 10, 2);
    refuses("no Xen ELF notes");
    put(32, 0x2000, 8);
    for (unsigned i = 0; i < 20; i++)
        memcpy(file + 0x2000 + i * 56, file + PHDRS, 56);
    put(56, 20, 2);
    refuses("16 load segments");
}

static void hostile(void)
{
    build();
    CU_ASSERT(fuzz_mini(file, sizeof(file), 1000) > 1000);
    CU_ASSERT(fuzz_mini(file, notes_end, 1000) > 1000);
    // All headers and notes within the first bytes, so that most mutations hit something.
    put_phdr(0, 1, 0, 0x1200000, 0x10, 0x1000);
    put_phdr(1, 1, 0, 0x1000000, 0x10, 0x1000);
    memmove(file + 232, file + NOTES, notes_end - NOTES);
    put_phdr(2, 4, 232, 0, notes_end - NOTES, 0);
    CU_ASSERT_PTR_NULL(elf_plan(file, 232 + notes_end - NOTES, &plan));
    CU_ASSERT(fuzz_mini(file, 232 + notes_end - NOTES, 100000) > 100000);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "linux_kernel", linux_kernel },
        { "mini_os", mini_os },
        { "paddr_offset", paddr_offset },
        { "wrong_files", wrong_files },
        { "bad_segments", bad_segments },
        { "bad_addresses", bad_addresses },
        { "kernel_around_the_hole", kernel_around_the_hole },
        { "kinds_of_kernel", kinds_of_kernel },
        { "bad_notes", bad_notes },
        { "notes_in_a_section", notes_in_a_section },
        { "too_many_segments", too_many_segments },
        { "hostile", hostile },
        { NULL, NULL },
    };

    return unit_main("elf", tests);
}
