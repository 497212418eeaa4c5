// SPDX-License-Identifier: MIT
/*
 * Reads a guest kernel's ELF file: bytes in, plan out. Nothing is loaded and nothing allocated
 * here, and no byte outside [image, image + size) is read whatever the file says.
 *
 * Where things go. A segment's pseudo-physical address is p_paddr - paddr_offset, and its virtual
 * address is virt_base plus that. A loader that copies each segment's bytes and clears its rest is
 * done.
 */

#pragma once

#include "lib/base.h"

#define ELF_MAX_SEGMENTS 16

struct elf_segment {
    uint64_t file_offset;   /* inside the image, checked */
    uint64_t file_size;     /* <= mem_size */
    uint64_t mem_size;
    uint64_t paddr;         /* pseudo-physical, PADDR_OFFSET taken off */
};

struct elf_plan {
    unsigned int nr_segments;
    struct elf_segment segments[ELF_MAX_SEGMENTS];   /* ascending by paddr, disjoint */
    uint64_t paddr_end;   /* behind the last byte of all segments, pseudo-physical */

    uint64_t entry;       /* note ENTRY, else e_entry */
    uint64_t virt_base;

    bool has_hypercall_page;
    uint64_t hypercall_page;   /* page-aligned, inside the segments */

    bool has_init_p2m;
    uint64_t init_p2m;   /* page-aligned */

    bool mod_start_pfn;   /* start_info.mod_start is a frame number; the initrd needs no mapping */

    /* Bit n: XENFEAT n of submap 0. */
    uint32_t features_required;    /* '!' names of FEATURES */
    uint32_t features_supported;   /* SUPPORTED_FEATURES, and all names of FEATURES */
};

/*
 * Fills `plan` from the ELF file in [image, image + size). NULL, or what is wrong with it: one
 * sentence with cause and cure.
 */
const char *elf_plan(const void *image, size_t size, struct elf_plan *plan);
