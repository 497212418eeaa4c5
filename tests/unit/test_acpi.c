// SPDX-License-Identifier: MIT
// boot/acpi.c: tables as QEMU and as larger machines have them, and tables that lie.
#include "boot/acpi.h"

#include <string.h>

#include "../fuzz/mini.h"
#include "unit_main.h"

#define BASE 0xe0000u
#define SIZE 0x3000u
#define RSDP 0xe0100u
#define RSDT 0xe0200u
#define XSDT 0xe0300u
#define FADT 0xe0400u
#define HPET 0xe0600u
#define MADT 0xe0800u

static uint8_t memory[SIZE];
static uint8_t low[0x1000];   // physical 0: the BIOS data area
static struct acpi_info info;
static const char *problem;

const void *unit_map(paddr_t start, size_t size)
{
    if (start < sizeof(low) && size <= sizeof(low) - start)
        return low + start;
    if (start < BASE || start - BASE > SIZE || size > SIZE - (start - BASE))
        return NULL;
    return memory + (start - BASE);
}

static void put(uint32_t address, uint64_t value, unsigned width)
{
    fuzz_put(memory + (address - BASE), value, width);
}

static void fix_sum(uint32_t table, uint32_t size, uint32_t sum_at)
{
    uint8_t sum = 0;

    put(table + sum_at, 0, 1);
    for (uint32_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + memory[table - BASE + i]);
    put(table + sum_at, (uint8_t)-sum, 1);
}

static void put_table(uint32_t at, const char *signature, uint32_t size)
{
    memcpy(memory + (at - BASE), signature, 4);
    put(at + 4, size, 4);
    put(at + 8, 3, 1);
    fix_sum(at, size, 9);
}

static void put_rsdp(uint32_t at, uint8_t revision)
{
    memcpy(memory + (at - BASE), "RSD PTR ", 8);
    put(at + 15, revision, 1);
    put(at + 16, RSDT, 4);
    put(at + 20, 36, 4);
    put(at + 24, XSDT, 8);
    fix_sum(at, 20, 8);
    fix_sum(at, 36, 32);
}

static uint32_t madt_end;

static uint32_t madt_entry(uint8_t type, uint8_t size)
{
    uint32_t at = madt_end;

    put(at, type, 1);
    put(at + 1, size, 1);
    madt_end += size;
    return at;
}

static void madt_lapic(uint8_t acpi_id, uint8_t apic_id, uint32_t flags)
{
    uint32_t at = madt_entry(0, 8);

    put(at + 2, acpi_id, 1);
    put(at + 3, apic_id, 1);
    put(at + 4, flags, 4);
}

static void madt_x2apic(uint32_t acpi_id, uint32_t apic_id)
{
    uint32_t at = madt_entry(9, 16);

    put(at + 4, apic_id, 4);
    put(at + 8, 1, 4);
    put(at + 12, acpi_id, 4);
}

static void build_madt(void)
{
    uint32_t at;

    put(MADT + 36, 0xfee00000, 4);
    put(MADT + 40, 1, 4);
    madt_end = MADT + 44;
    madt_lapic(0, 0, 1);
    madt_lapic(1, 2, 1);
    madt_lapic(2, 4, 0);
    madt_lapic(3, 255, 1);
    madt_x2apic(7, 300);
    madt_x2apic(8, 2);
    at = madt_entry(1, 12);
    put(at + 2, 5, 1);
    put(at + 4, 0xfec00000, 4);
    put(at + 8, 24, 4);
    at = madt_entry(2, 10);
    put(at + 3, 9, 1);
    put(at + 4, 20, 4);
    put(at + 8, 0xd, 2);
    at = madt_entry(4, 6);
    put(at + 2, 255, 1);
    put(at + 5, 1, 1);
    at = madt_entry(10, 12);
    put(at + 2, 5, 2);
    put(at + 4, 7, 4);
    put(at + 8, 1, 1);
    (void)madt_entry(0x7f, 30);
    (void)madt_entry(0x7e, 2);
    at = madt_entry(2, 10);
    put(at + 2, 1, 1);   // not ISA: ignored
    at = madt_entry(5, 12);
    put(at + 4, 0x1fee00000, 8);
    put_table(MADT, "APIC", madt_end - MADT);
}

static void build_fadt(void)
{
    put(FADT + 36, 0xe2000, 4);
    put(FADT + 40, 0xe2800, 4);
    put(FADT + 46, 9, 2);
    put(FADT + 56, 0x600, 4);
    put(FADT + 64, 0x604, 4);
    put(FADT + 76, 0x608, 4);
    put(FADT + 88, 4, 1);
    put(FADT + 89, 2, 1);
    put(FADT + 91, 4, 1);
    put(FADT + 109, 1 | 4, 2);
    put(FADT + 112, 1 << 8 | 1 << 10, 4);
    put(FADT + 116, 1, 1);
    put(FADT + 117, 8, 1);
    put(FADT + 120, 0xcf9, 8);
    put(FADT + 128, 0xf, 1);
    put(FADT + 208, 1, 1);
    put(FADT + 209, 32, 1);
    put(FADT + 212, 0xb008, 8);
    put_table(FADT, "FACP", 268);
}

static void build(void)
{
    static const uint32_t tables[] = { FADT, MADT, HPET };

    memset(memory, 0, sizeof(memory));
    memset(low, 0, sizeof(low));
    memset(&info, 0xee, sizeof(info));
    build_madt();
    build_fadt();
    put(HPET + 44, 0xfed00000, 8);
    put_table(HPET, "HPET", 56);
    for (uint32_t i = 0; i < 3; i++) {
        put(RSDT + 36 + 4 * i, tables[i], 4);
        put(XSDT + 36 + 8 * i, tables[i], 8);
    }
    put_table(RSDT, "RSDT", 36 + 8);    // all but the HPET, which tells the two apart
    put_table(XSDT, "XSDT", 36 + 24);
    put_rsdp(RSDP, 2);
}

static void parse(paddr_t rsdp)
{
    problem = acpi_parse(rsdp, &info);
}

static void finds_nothing(paddr_t rsdp)
{
    static const struct acpi_info nothing;

    parse(rsdp);
    CU_ASSERT_PTR_NOT_NULL(problem);
    CU_ASSERT_EQUAL(memcmp(&info, &nothing, sizeof(info)), 0);
}

static void expect_madt(void)
{
    CU_ASSERT_EQUAL_FATAL(info.nr_cpus, 3);
    CU_ASSERT_EQUAL(info.apic_ids[1], 2);
    CU_ASSERT_EQUAL(info.apic_ids[2], 300);
    CU_ASSERT_EQUAL(info.lapic_address, 0x1fee00000);
    CU_ASSERT_EQUAL_FATAL(info.nr_ioapics, 1);
    CU_ASSERT_EQUAL(info.ioapics[0].id, 5);
    CU_ASSERT_EQUAL(info.ioapics[0].address, 0xfec00000);
    CU_ASSERT_EQUAL(info.ioapics[0].gsi_base, 24);
    CU_ASSERT_EQUAL_FATAL(info.nr_overrides, 1);
    CU_ASSERT_EQUAL(info.overrides[0].source, 9);
    CU_ASSERT_EQUAL(info.overrides[0].gsi, 20);
    CU_ASSERT_EQUAL(info.overrides[0].flags, 0xd);
}

static void expect_fadt(void)
{
    CU_ASSERT_EQUAL(info.power.pm1a_control, 0x604);
    CU_ASSERT_EQUAL(info.power.pm1b_control, 0);
    CU_ASSERT_EQUAL(info.pm_timer_port, 0xb008);
    CU_ASSERT(info.pm_timer_is_32bit);
    CU_ASSERT_EQUAL(info.power.reset_address, 0xcf9);
    CU_ASSERT(!info.power.reset_is_memory);
    CU_ASSERT_EQUAL(info.power.reset_value, 0xf);
}

static void all_tables(void)
{
    build();
    parse(RSDP);
    CU_ASSERT_PTR_NULL(problem);
    expect_madt();
    expect_fadt();
    CU_ASSERT_EQUAL(info.hpet_address, 0xfed00000);
}

static void finding_the_rsdp(void)
{
    build();
    parse(0);
    parse(0x12345);
    // The EBDA comes first.
    put_rsdp(0xe2020, 0);
    fuzz_put(low + 0x40e, 0xe2000 >> 4, 2);
    parse(0);
    CU_ASSERT_EQUAL(info.hpet_address, 0);
    // A bad sum is not an RSDP, in either half.
    build();
    put(RSDP + 9, 0x77, 1);
    finds_nothing(0);
    CU_ASSERT_PTR_NOT_NULL(problem);
    build();
    put(RSDP + 20, 300, 4);
    fix_sum(RSDP, 300, 32);
    finds_nothing(0);
    build();
    put(RSDP + 20, 35, 4);
    fix_sum(RSDP, 35, 32);
    finds_nothing(0);
    build();
    put(RSDP + 33, 0x77, 1);
    finds_nothing(0);
}

static void roots(void)
{
    build();
    put_rsdp(RSDP, 0);
    parse(0);
    CU_ASSERT_EQUAL(info.hpet_address, 0);
    expect_madt();
    build();
    put(XSDT + 10, 0x55, 1);
    parse(0);
    CU_ASSERT_EQUAL(info.hpet_address, 0);
    expect_fadt();
    put(RSDT + 10, 0x55, 1);
    finds_nothing(0);
}

// What is wrong with one table leaves the others alone.
static void bad_tables(void)
{
    build();
    put(MADT + 10, 0x55, 1);
    parse(0);
    CU_ASSERT_EQUAL(info.nr_cpus, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(problem);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem, "MADT"));
    expect_fadt();
    build();
    put(MADT + 4, 0xffffff00, 4);
    parse(0);
    CU_ASSERT_EQUAL(info.nr_cpus, 0);
    build();
    put(MADT + 44 + 8 + 1, 0, 1);
    put_table(MADT, "APIC", madt_end - MADT);
    parse(0);
    CU_ASSERT_EQUAL(info.nr_cpus, 1);
    CU_ASSERT_PTR_NOT_NULL(problem);
    build();
    put_table(FADT, "FACP", 100);
    put(HPET + 40, 1, 1);
    put_table(HPET, "HPET", 56);
    parse(0);
    CU_ASSERT(!info.power.pm1a_control && !info.hpet_address);
    expect_madt();
}

// A FADT of ACPI 1 ends before the reset register.
static void old_fadt(void)
{
    build();
    put_table(FADT, "FACP", 116);
    parse(0);
    CU_ASSERT_EQUAL(info.power.pm1a_control, 0x604);
    CU_ASSERT_EQUAL(info.power.reset_address, 0);
    CU_ASSERT_EQUAL(info.pm_timer_port, 0x608);
    build();
    put(FADT + 112, 1 << 20, 4);
    put_table(FADT, "FACP", 268);
    parse(0);
    CU_ASSERT_EQUAL(info.power.reset_address, 0);
}

// Registers in memory are no ports, and only ports and memory can reset.
static void other_spaces(void)
{
    build();
    put(FADT + 116, 0, 1);
    put(FADT + 208, 0, 1);
    put_table(FADT, "FACP", 268);
    parse(0);
    CU_ASSERT(info.power.reset_is_memory);
    CU_ASSERT_EQUAL(info.power.reset_address, 0xcf9);
    CU_ASSERT_EQUAL(info.pm_timer_port, 0);
    put(FADT + 116, 2, 1);
    put_table(FADT, "FACP", 268);
    parse(0);
    CU_ASSERT_EQUAL(info.power.reset_address, 0);
}

static void limits(void)
{
    build();
    madt_end = MADT + 44;
    for (uint32_t i = 0; i < ACPI_MAX_CPUS + 10; i++)
        madt_x2apic(i, 1000 + i);
    put_table(MADT, "APIC", madt_end - MADT);
    parse(0);
    CU_ASSERT_EQUAL(info.nr_cpus, ACPI_MAX_CPUS);
    CU_ASSERT_PTR_NOT_NULL(problem);
}

static void hostile(void)
{
    build();
    CU_ASSERT(fuzz_mini(memory, madt_end - BASE, 20000) > 20000);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "all_tables", all_tables },
        { "finding_the_rsdp", finding_the_rsdp },
        { "roots", roots },
        { "bad_tables", bad_tables },
        { "old_fadt", old_fadt },
        { "other_spaces", other_spaces },
        { "limits", limits },
        { "hostile", hostile },
        { NULL, NULL },
    };

    return unit_main("acpi", tests);
}
