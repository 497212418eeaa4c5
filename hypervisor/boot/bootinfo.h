// SPDX-License-Identifier: MIT
/*
 * What the boot loader told us, in one form for multiboot 1 and multiboot 2.
 *
 * The parser copies everything it keeps, so that the loader's memory may be reused afterwards. It
 * trusts no pointer, length or count of the loader's: what does not fit is refused or reported in
 * `is_cut`. It runs once, on one CPU, before any lock exists.
 */

#pragma once

#include "lib/base.h"

/* What the loader leaves in EAX. */
#define MULTIBOOT1_LOADER_MAGIC 0x2badb002u
#define MULTIBOOT2_LOADER_MAGIC 0x36d76289u

#define BOOT_MAX_MODULES 8
#define BOOT_MAX_RANGES 512
#define BOOT_CMDLINE_SIZE 2048
#define BOOT_MODULE_CMDLINE_SIZE 1024
#define BOOT_LOADER_SIZE 64

/* Types of the BIOS' address map; anything else that a loader says becomes E820_RESERVED. */
enum e820_type {
    E820_RAM = 1,
    E820_RESERVED = 2,
    E820_ACPI = 3,
    E820_NVS = 4,
    E820_UNUSABLE = 5,
};

struct boot_module {
    paddr_t start;
    uint64_t size;
    char cmdline[BOOT_MODULE_CMDLINE_SIZE];
};

struct boot_range {
    paddr_t start;
    uint64_t size;
    uint32_t type;   /* enum e820_type */
};

struct bootinfo {
    char loader[BOOT_LOADER_SIZE];
    char cmdline[BOOT_CMDLINE_SIZE];   /* without the image's own path */
    unsigned int nr_modules;
    struct boot_module modules[BOOT_MAX_MODULES];   /* command lines without the file's path */
    unsigned int nr_ranges;
    struct boot_range ranges[BOOT_MAX_RANGES];   /* ascending, disjoint, equal neighbours merged */
    paddr_t rsdp;   /* 0: the loader did not say */
    bool is_cut;    /* too many modules, or a string too long: something was left out */
};

/*
 * Reads the structure at `info` that a loader with `magic` in EAX left behind. NULL, or one
 * sentence with cause and cure if there is nothing to boot from: wrong magic, unreadable structure,
 * no memory map or one that does not fit.
 */
const char *bootinfo_parse(uint32_t magic, paddr_t info, struct bootinfo *out);

/*
 * Sorts the `*nr` ranges in place, decides overlaps (the more restrictive type wins) and merges
 * neighbours of one type. `ranges` has room for BOOT_MAX_RANGES. False: more parts than that.
 */
bool boot_ranges_sanitize(struct boot_range *ranges, unsigned int *nr);
