// SPDX-License-Identifier: MIT
/*
 * What boot learnt of the machine and later calls tell guests: the firmware's memory map and the command line. Written
 * before a guest runs, only read later.
 */
#pragma once
#include "lib/base.h"

#define MACHINE_MAX_RANGES 640

/* As the BIOS' and the ABI's memory maps have it: 20 bytes. */
struct machine_range {
    uint64_t start;
    uint64_t size;
    uint32_t type;
} __attribute__((__packed__));
_Static_assert(sizeof(struct machine_range) == 20, "E820 entry");

extern struct machine_range machine_ranges[MACHINE_MAX_RANGES];
extern unsigned machine_nr_ranges;
extern char machine_cmdline[1024];

void machine_add_range(uint64_t start, uint64_t size, uint32_t type);
