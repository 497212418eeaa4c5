// SPDX-License-Identifier: MIT
/* The larger steps of the start of day, in the order in which main.c takes them. */
#pragma once
#include "boot/bootinfo.h"

/* main.c: says `cannot start: cause: cure` on the console and stops the machine. */
void boot_stop(const char *format, ...) PRINTF_LIKE(1, 2) NORETURN;
/*
 * memory.c: the direct map, frame table and machine-to-phys table are made from the firmware's map,
 * the image gets its access rights, the rest of RAM goes to the page allocator. After this mm/
 * works. Panics with cause and cure if memory does not suffice.
 */
void memory_init(const struct bootinfo *info);
/*
 * dom0.c: builds the control domain, its vCPU 0 ready to run. Module 0 is the kernel, module 1 (if
 * any) its initramfs. Stops the machine on failure.
 */
void dom0_build(const struct bootinfo *info);
/* Give the modules' frames (kernel, initramfs: already used) to the allocator. */
void memory_release_modules(const struct bootinfo *info);
/*
 * Give what only the start of day used of the image to the allocator, and unmap it: nothing there
 * may run or be read later.
 */
void memory_release_init(void);
