// SPDX-License-Identifier: MIT
/*
 * The few ACPI tables that ring 0 reads: MADT, FADT, HPET, MCFG. Parsing only: no policy, no AML,
 * no writes.
 *
 * Tables come from firmware and are checked all the same: signature, length, checksum, every
 * entry's length. A table that fails is reported in `problem` and left out; what is missing leaves
 * its fields zero. Runs once, on one CPU.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/types.h"

#define ACPI_MAX_CPUS 256
#define ACPI_MAX_IOAPICS 16
#define ACPI_MAX_OVERRIDES 32
#define ACPI_MAX_MCFG 8
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

enum acpi_space { ACPI_SPACE_MEMORY = 0, ACPI_SPACE_IO = 1, ACPI_SPACE_NONE = 0xff };

/* A register block in I/O or memory space. space == ACPI_SPACE_NONE: not there. */
struct acpi_register {
    uint64_t address;
    uint8_t space;
};

struct acpi_fadt {
    bool is_valid;
    struct acpi_register pm1a_control, pm1b_control;
    struct acpi_register pm_timer;
    bool pm_timer_is_32bit;
    struct acpi_register reset;   /* only where the FADT says that it is supported */
    uint8_t reset_value;
};

struct acpi_mcfg {
    paddr_t address;
    uint16_t segment;
    uint8_t first_bus;
    uint8_t last_bus;
};

struct acpi_info {
    paddr_t lapic_address;
    unsigned int nr_cpus;   /* enabled ones, in the MADT's order, each APIC ID once */
    uint32_t apic_ids[ACPI_MAX_CPUS];
    unsigned int nr_ioapics;
    struct acpi_ioapic ioapics[ACPI_MAX_IOAPICS];
    unsigned int nr_overrides;
    struct acpi_override overrides[ACPI_MAX_OVERRIDES];

    struct acpi_fadt fadt;
    paddr_t hpet_address;   /* 0: none */
    unsigned int nr_mcfgs;
    struct acpi_mcfg mcfgs[ACPI_MAX_MCFG];

    const char *problem;   /* the last table refused, or cut off, and why; NULL: none */
};

/*
 * Finds the tables, from `rsdp` if it is not 0, else by the search in BIOS memory, and fills
 * `info`. `map` makes a physical range readable for the rest of boot, or returns NULL. Fails with
 * -XEN_ENODEV if there is no usable root table; a machine without a MADT gives 0 and nr_cpus == 0.
 */
int acpi_parse(paddr_t rsdp, const void *(*map)(paddr_t start, size_t size),
               struct acpi_info *info);
