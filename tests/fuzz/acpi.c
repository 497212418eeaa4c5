// SPDX-License-Identifier: MIT
// boot/acpi.c: the input is physical memory from 0xe0000 on, where the search looks. Checksums are
// made right where a table's header can be found, so that mutations reach the code behind them.
#include "boot/acpi.h"
#include "boot/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "mini.h"

#define BASE 0xe0000u

static uint8_t *memory;
static size_t memory_size;

const void *boot_map(paddr_t start, size_t size)
{
    if (!memory)
        return unit_map(start, size);
    if (start < BASE || start - BASE > memory_size || size > memory_size - (start - BASE))
        return NULL;
    return memory + (start - BASE);
}

static void fix_sum(uint8_t *at, size_t size, size_t sum_at)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + at[i]);
    at[sum_at] = (uint8_t)(at[sum_at] - sum);
}

static void fix_sums(void)
{
    static const char names[][5] = { "RSDT", "XSDT", "APIC", "FACP", "HPET" };

    for (size_t at = 0; at + 36 <= memory_size; at += 4) {
        uint32_t length;

        if (!memcmp(memory + at, "RSD PTR ", 8)) {
            fix_sum(memory + at, 20, 8);
            fix_sum(memory + at, 36, 32);
        }
        memcpy(&length, memory + at + 4, 4);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (!memcmp(memory + at, names[i], 4) && length >= 36 && length <= memory_size - at)
                fix_sum(memory + at, length, 9);
        }
    }
}

static void require(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct acpi_info info;

    memory = malloc(size + 1);
    require(memory != NULL);
    memcpy(memory, data, size);
    memory_size = size;
    for (int pass = 0; pass < 2; pass++, fix_sums()) {
        (void)acpi_parse(pass ? BASE : 0, &info);
        require(info.nr_cpus <= ACPI_MAX_CPUS && info.nr_ioapics <= ACPI_MAX_IOAPICS);
        require(info.nr_overrides <= ACPI_MAX_OVERRIDES);
    }
    free(memory);
    memory = NULL;
    return 0;
}
