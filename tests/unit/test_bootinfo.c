// SPDX-License-Identifier: MIT
// boot/bootinfo.c: both multiboot forms as QEMU and GRUB write them, and
// what broken or hostile loaders could write.
#include "boot/bootinfo.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../fuzz/mini.h"
#include "lib/compiler.h"
#include "unit_main.h"

#define BASE 0x1000u
#define SIZE 0x4000u

static uint8_t memory[SIZE];
static struct bootinfo info;
static const char *why;

const void *unit_map(paddr_t start, size_t size)
{
    if (start < BASE || start - BASE > SIZE || size > SIZE - (start - BASE))
        return NULL;
    return memory + (start - BASE);
}

static void put(uint32_t address, uint64_t value, unsigned width)
{
    fuzz_put(memory + (address - BASE), value, width);
}

static void put_string(uint32_t address, const char *text)
{
    strcpy((char *)memory + (address - BASE), text);
}

static void put_mb1_range(uint32_t address, uint64_t start, uint64_t size, uint32_t type)
{
    put(address, 20, 4);
    put(address + 4, start, 8);
    put(address + 12, size, 8);
    put(address + 20, type, 4);
}

// As QEMU's -kernel hands it over, two modules and three ranges.
static void build_mb1(void)
{
    memset(memory, 0, sizeof(memory));
    put(0x1000, 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9, 4);
    put(0x1004, 639, 4);
    put(0x1008, 0x10000, 4);
    put(0x1010, 0x1200, 4);
    put(0x1014, 2, 4);
    put(0x1018, 0x1300, 4);
    put(0x102c, 3 * 24, 4);
    put(0x1030, 0x1400, 4);
    put(0x1040, 0x1100, 4);
    put_string(0x1100, "qemu");
    put_string(0x1200, "/path/paravane console=com1 dom0_mem=512M");
    put(0x1300, 0x2000, 4);
    put(0x1304, 0x2800, 4);
    put(0x1308, 0x1500, 4);
    put(0x1310, 0x3000, 4);
    put(0x1314, 0x3100, 4);
    put(0x1318, 0x1600, 4);
    put_string(0x1500, "vmlinuz root=/dev/vda  quiet");
    put_string(0x1600, "initrd");
    put_mb1_range(0x1400, 0x100000, 0x7ee0000, E820_RAM);
    put_mb1_range(0x1418, 0, 0x9fc00, E820_RAM);
    put_mb1_range(0x1430, 0xfffc0000, 0x40000, E820_RESERVED);
}

static const char *parse_mb1(void)
{
    return why = bootinfo_parse(MULTIBOOT1_LOADER_MAGIC, 0x1000, &info);
}

static void expect_range(unsigned i, uint64_t start, uint64_t size, uint32_t type)
{
    CU_ASSERT_FATAL(i < info.nr_ranges);
    CU_ASSERT_EQUAL(info.ranges[i].start, start);
    CU_ASSERT_EQUAL(info.ranges[i].size, size);
    CU_ASSERT_EQUAL(info.ranges[i].type, type);
}

static void mb1_of_qemu(void)
{
    build_mb1();
    CU_ASSERT_PTR_NULL_FATAL(parse_mb1());
    CU_ASSERT_STRING_EQUAL(info.loader, "qemu");
    CU_ASSERT_STRING_EQUAL(info.cmdline, "console=com1 dom0_mem=512M");
    CU_ASSERT_EQUAL_FATAL(info.nr_modules, 2);
    CU_ASSERT_EQUAL(info.modules[0].start, 0x2000);
    CU_ASSERT_EQUAL(info.modules[0].size, 0x800);
    CU_ASSERT_STRING_EQUAL(info.modules[0].cmdline, "root=/dev/vda  quiet");
    CU_ASSERT_EQUAL(info.modules[1].size, 0x100);
    CU_ASSERT_STRING_EQUAL(info.modules[1].cmdline, "");
    CU_ASSERT_EQUAL(info.nr_ranges, 3);
    expect_range(0, 0, 0x9fc00, E820_RAM);
    expect_range(1, 0x100000, 0x7ee0000, E820_RAM);
    expect_range(2, 0xfffc0000, 0x40000, E820_RESERVED);
    CU_ASSERT_EQUAL(info.rsdp, 0);
    CU_ASSERT(!info.is_cut);
}

static void grub_leaves_the_name_out(void)
{
    build_mb1();
    put_string(0x1100, "GRUB 2.06-13");
    put_string(0x1200, "loglvl=all console=com1");
    put_string(0x1500, "placeholder root=/dev/vda");
    CU_ASSERT_PTR_NULL_FATAL(parse_mb1());
    CU_ASSERT_STRING_EQUAL(info.cmdline, "loglvl=all console=com1");
    CU_ASSERT_STRING_EQUAL(info.modules[0].cmdline, "root=/dev/vda");
}

static void no_memory_is_refused(void)
{
    build_mb1();
    put(0x1000, 1 << 2, 4);
    CU_ASSERT_PTR_NOT_NULL_FATAL(parse_mb1());
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "memory map"));
    why = bootinfo_parse(0x12345678, 0x1000, &info);
    CU_ASSERT_PTR_NOT_NULL_FATAL(why);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "multiboot"));
    CU_ASSERT_PTR_NOT_NULL(bootinfo_parse(MULTIBOOT1_LOADER_MAGIC, 0x4ff0, &info));
    CU_ASSERT_PTR_NOT_NULL(bootinfo_parse(MULTIBOOT2_LOADER_MAGIC, 0x4ffc, &info));
    CU_ASSERT_PTR_NOT_NULL(bootinfo_parse(MULTIBOOT2_LOADER_MAGIC, UINT64_MAX - 3, &info));
}

// A module that lies outside memory, or ends before it starts, keeps its place but has no bytes.
static void bad_modules_are_empty(void)
{
    build_mb1();
    put(0x1304, 0x1fff, 4);
    put(0x1314, 0xfffffff0, 4);
    put(0x1318, 0xffffffff, 4);
    CU_ASSERT_PTR_NULL_FATAL(parse_mb1());
    CU_ASSERT_EQUAL_FATAL(info.nr_modules, 2);
    CU_ASSERT_EQUAL(info.modules[0].size, 0);
    CU_ASSERT_EQUAL(info.modules[1].size, 0);
    CU_ASSERT_STRING_EQUAL(info.modules[1].cmdline, "");
}

static void surplus_modules_are_counted(void)
{
    build_mb1();
    put(0x1014, 20, 4);
    CU_ASSERT_PTR_NULL_FATAL(parse_mb1());
    CU_ASSERT_EQUAL(info.nr_modules, BOOT_MAX_MODULES);
    CU_ASSERT(info.is_cut);
    put(0x1014, 0xffffffff, 4);
    put(0x1018, 0x4ff0, 4);
    CU_ASSERT_PTR_NULL_FATAL(parse_mb1());
    CU_ASSERT(info.is_cut);
}

static void long_strings_are_cut(void)
{
    build_mb1();
    memset(memory + 0x1000, 'x', 0x2000);
    memory[0x1001] = ' ';
    put(0x1010, 0x2000, 4);
    put(0x1308, 0x2002, 4);
    CU_ASSERT_PTR_NULL_FATAL(parse_mb1());
    CU_ASSERT_EQUAL(strlen(info.cmdline), BOOT_CMDLINE_SIZE - 1 - 2);
    CU_ASSERT(info.is_cut);
}

static uint32_t tag_at;

static uint32_t tag(uint32_t type, uint32_t size)
{
    uint32_t at = tag_at;

    put(at, type, 4);
    put(at + 4, size, 4);
    tag_at += (size + 7) & ~7u;
    return at + 8;
}

// As GRUB's multiboot2 writes it, with the basic sizes before the map and the name last.
static void build_mb2(void)
{
    uint32_t at;

    memset(memory, 0, sizeof(memory));
    tag_at = 0x1008;
    put_string(tag(1, 8 + 13), "console=com1");
    at = tag(3, 16 + 14);
    put(at, 0x2000, 4);
    put(at + 4, 0x2100, 4);
    put_string(at + 8, "root=/dev/sda");
    at = tag(4, 16);
    put(at, 640, 4);
    put(at + 4, 1024, 4);
    at = tag(6, 16 + 2 * 24);
    put(at, 24, 4);
    put(at + 8, 0, 8);
    put(at + 16, 0x8000000, 8);
    put(at + 24, E820_RAM, 4);
    put(at + 32, 0x9f000, 8);
    put(at + 40, 0x61000, 8);
    put(at + 48, 99, 4);
    at = tag(14, 8 + 20);
    put_string(at, "RSD PTR ");
    put_string(tag(2, 8 + 10), "GRUB 2.06");
    (void)tag(0, 8);
    put(0x1000, tag_at - 0x1000, 4);
}

static const char *parse_mb2(void)
{
    return why = bootinfo_parse(MULTIBOOT2_LOADER_MAGIC, 0x1000, &info);
}

static void mb2_of_grub(void)
{
    build_mb2();
    CU_ASSERT_PTR_NULL_FATAL(parse_mb2());
    CU_ASSERT_STRING_EQUAL(info.loader, "GRUB 2.06");
    CU_ASSERT_STRING_EQUAL(info.cmdline, "console=com1");
    CU_ASSERT_EQUAL_FATAL(info.nr_modules, 1);
    CU_ASSERT_EQUAL(info.modules[0].start, 0x2000);
    CU_ASSERT_EQUAL(info.modules[0].size, 0x100);
    CU_ASSERT_STRING_EQUAL(info.modules[0].cmdline, "root=/dev/sda");
    CU_ASSERT_EQUAL(info.nr_ranges, 3);
    expect_range(0, 0, 0x9f000, E820_RAM);
    expect_range(1, 0x9f000, 0x61000, E820_RESERVED);
    expect_range(2, 0x100000, 0x7f00000, E820_RAM);
    CU_ASSERT_NOT_EQUAL_FATAL(info.rsdp, 0);
    CU_ASSERT_EQUAL(memcmp(unit_map(info.rsdp, 8), "RSD PTR ", 8), 0);
}

// A tag that claims more than there is ends the walk; what came before it counts.
static void mb2_bad_tags(void)
{
    build_mb2();
    put(0x100c, 4, 4);
    CU_ASSERT_PTR_NOT_NULL_FATAL(parse_mb2());
    build_mb2();
    put(0x100c, 0xfffffff8, 4);
    CU_ASSERT_PTR_NOT_NULL_FATAL(parse_mb2());
    build_mb2();
    put(0x1000, 0x7fffffff, 4);
    CU_ASSERT_PTR_NOT_NULL_FATAL(parse_mb2());
}

static struct boot_range ranges[BOOT_MAX_RANGES];

static unsigned sanitize(unsigned nr)
{
    (void)boot_ranges_sanitize(ranges, &nr);
    memcpy(info.ranges, ranges, sizeof(ranges));
    info.nr_ranges = nr;
    return nr;
}

static void overlaps(void)
{
    ranges[0] = (struct boot_range){ 0x1000, 0x9000, E820_RAM };
    ranges[1] = (struct boot_range){ 0x4000, 0x1000, E820_NVS };
    ranges[2] = (struct boot_range){ 0x4800, 0x1000, E820_RESERVED };
    ranges[3] = (struct boot_range){ 0xa000, 0x1000, E820_RAM };
    ranges[4] = (struct boot_range){ UINT64_MAX - 0xfff, 0x2000, E820_UNUSABLE };
    CU_ASSERT_EQUAL_FATAL(sanitize(5), 5);
    expect_range(0, 0x1000, 0x3000, E820_RAM);
    expect_range(1, 0x4000, 0x800, E820_NVS);
    expect_range(2, 0x4800, 0x1000, E820_RESERVED);
    expect_range(3, 0x5800, 0x5800, E820_RAM);
    expect_range(4, UINT64_MAX - 0xfff, 0xfff, E820_UNUSABLE);
}

// One large RAM range with as many holes as fit gives twice as many parts.
static void too_many_parts(void)
{
    unsigned nr = BOOT_MAX_RANGES / 2;

    ranges[0] = (struct boot_range){ 0, 0x10000000, E820_RAM };
    for (unsigned i = 1; i <= nr; i++)
        ranges[i] = (struct boot_range){ i * 0x2000u, 0x1000, E820_RESERVED };
    CU_ASSERT(boot_ranges_sanitize(ranges, &nr));
    CU_ASSERT_EQUAL(nr, BOOT_MAX_RANGES - 1);
    ranges[nr++] = (struct boot_range){ 0x8000000, 0x1000, E820_NVS };
    CU_ASSERT_FALSE(boot_ranges_sanitize(ranges, &nr));
}

// A map of which a part would have to be left out is refused: it could be a reservation.
static void too_many_ranges(void)
{
    build_mb1();
    put(0x102c, BOOT_MAX_RANGES * 24, 4);
    put(0x1030, 0x1800, 4);
    CU_ASSERT_FATAL(0x1800 + (BOOT_MAX_RANGES + 1) * 24 < BASE + SIZE);
    for (uint32_t i = 0; i <= BOOT_MAX_RANGES; i++)
        put_mb1_range(0x1800 + i * 24, i * 0x10000ull, 0x1000, E820_RAM);
    CU_ASSERT_PTR_NULL_FATAL(parse_mb1());
    CU_ASSERT_EQUAL(info.nr_ranges, BOOT_MAX_RANGES);
    put(0x102c, (BOOT_MAX_RANGES + 1) * 24, 4);
    CU_ASSERT_PTR_NOT_NULL_FATAL(parse_mb1());
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "512"));
}

static void hostile(void)
{
    uint8_t seed[1 + 0x1000];

    build_mb1();
    seed[0] = 1;
    memcpy(seed + 1, memory, sizeof(seed) - 1);
    CU_ASSERT(fuzz_mini(seed, sizeof(seed), 20000) > 20000);
    build_mb2();
    seed[0] = 0;
    memcpy(seed + 1, memory, sizeof(seed) - 1);
    CU_ASSERT(fuzz_mini(seed, 1 + tag_at - BASE, 20000) > 20000);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "mb1_of_qemu", mb1_of_qemu },
        { "grub_leaves_the_name_out", grub_leaves_the_name_out },
            { "no_memory_is_refused", no_memory_is_refused },
        { "bad_modules_are_empty", bad_modules_are_empty },
        { "surplus_modules_are_counted", surplus_modules_are_counted },
        { "long_strings_are_cut", long_strings_are_cut },
        { "mb2_of_grub", mb2_of_grub },
        { "mb2_bad_tags", mb2_bad_tags },
        { "overlaps", overlaps },
        { "too_many_parts", too_many_parts },
        { "too_many_ranges", too_many_ranges },
        { "hostile", hostile },
        { NULL, NULL },
    };

    return unit_main("bootinfo", tests);
}
