// SPDX-License-Identifier: MIT
/* Makes a firmware's memory map usable: sorted, disjoint, merged. Pure; boot time only. */
#pragma once

#include "boot/bootinfo.h"

/*
 * Sorts the `*nr` ranges in place, decides overlaps (the more restrictive type wins) and merges
 * neighbours of one type. `ranges` has room for BOOT_MAX_RANGES. True: the result has more
 * parts than that, and those at the top were dropped.
 */
bool boot_ranges_sanitize(struct boot_range *ranges, unsigned int *nr);
