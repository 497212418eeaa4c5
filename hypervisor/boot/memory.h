// SPDX-License-Identifier: MIT
/*
 * The machine's memory at the start of day: the direct map, frame table and machine-to-phys table
 * are made from the firmware's map, the image gets its access rights, the rest of RAM goes to the
 * page allocator.
 */
#pragma once
#include "boot/bootinfo.h"

/* After this mm/ works. Panics with cause and cure if memory does not suffice. */
void memory_init(const struct bootinfo *info);
/* Give the modules' frames (kernel, initramfs: already used) to the allocator. */
void memory_release_modules(const struct bootinfo *info);
/*
 * Give what only the start of day used of the image to the allocator, and unmap it: nothing there
 * may run or be read later.
 */
void memory_release_init(void);
