// SPDX-License-Identifier: MIT
//
// Memory of a small PV kernel: all of it side by side, page frame n at VIRT_BASE + 4096 * n, and behind
// that windows for frames of others. No locks: one vCPU.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "public/xen.h"

#define PAGE_SIZE 4096ul

extern uint64_t *p2m;                         // machine frames, by page frame

// `boot_rsp`: what the builder left in rsp; all behind its page is free. False: it cannot be mapped.
bool memory_init(const struct start_info *info, uint64_t boot_rsp);
void *pages_alloc(size_t nr);                 // zeroed, side by side; NULL if there are none
void pages_free(void *pages, size_t nr);      // ordinary, writable pages
size_t pages_nr_free(void);
size_t pages_nr_mapped(void);                 // page frames that are seen at their place
uint64_t page_mfn(const void *page);
void *page_of_mfn(uint64_t mfn);
int page_protect(void *page, bool is_writable);
// The entry of a level for an address, under that root; NULL where a table above it is missing.
uint64_t *page_entry(uint64_t *root, uint64_t va, unsigned level);
// The next page of address space behind memory: nothing is there, but the table for it. NULL: no more.
void *page_window(void);
// Such a one that shows a frame.
void *page_map(uint64_t mfn);
