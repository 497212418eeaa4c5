// SPDX-License-Identifier: MIT
/*
 * The few ACPI tables that ring 0 reads: MADT, FADT, HPET. Parsing only: no policy, no AML,
 * no writes.
 *
 * Tables come from firmware and are checked all the same: signature, length, checksum, every
 * entry's length. A table that fails is reported and left out; what is missing leaves
 * its fields zero. Runs once, on one CPU.
 */

#pragma once

#include "cpu/power.h"

#define ACPI_MAX_CPUS 256
#define ACPI_MAX_IOAPICS 16
#define ACPI_MAX_OVERRIDES 32
#define ACPI_MAX_TABLES 64

struct acpi_ioapic {
    paddr_t address;
    uint32_t gsi_base;
    uint8_t id;
};

/* An ISA interrupt that arrives elsewhere than at the GSI of the same number. */
struct acpi_override {
    uint8_t source;   /* ISA IRQ */
    uint16_t flags;   /* polarity and trigger, as the MADT has them */
    uint32_t gsi;
};

struct acpi_info {
    paddr_t lapic_address;
    unsigned int nr_cpus;   /* enabled ones, in the MADT's order, each APIC ID once */
    uint32_t apic_ids[ACPI_MAX_CPUS];
    unsigned int nr_ioapics;
    struct acpi_ioapic ioapics[ACPI_MAX_IOAPICS];
    unsigned int nr_overrides;
    struct acpi_override overrides[ACPI_MAX_OVERRIDES];

    struct power_registers power;
    uint16_t pm_timer_port;   /* 0: none */
    bool pm_timer_is_32bit;
    paddr_t hpet_address;     /* 0: none */
};

/*
 * Finds the tables, from `rsdp` if it is not 0, else by the search in BIOS memory, and fills
 * `info`. Answers which table was last refused or cut off, and why, or NULL; a machine without a
 * MADT gives nr_cpus == 0.
 */
const char *acpi_parse(paddr_t rsdp, struct acpi_info *info);
