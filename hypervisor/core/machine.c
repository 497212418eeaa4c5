// SPDX-License-Identifier: MIT
/* See core/machine.h. */
#include "core/machine.h"

#include "lib/string.h"

struct machine_range machine_ranges[MACHINE_MAX_RANGES];
unsigned machine_nr_ranges;
char machine_cmdline[1024];

void machine_add_range(uint64_t start, uint64_t size, uint32_t type)
{
    if (machine_nr_ranges < MACHINE_MAX_RANGES)
        machine_ranges[machine_nr_ranges++] = (struct machine_range){ start, size, type };
}

void machine_set_cmdline(const char *cmdline)
{
    strlcpy(machine_cmdline, cmdline, sizeof(machine_cmdline));
}
