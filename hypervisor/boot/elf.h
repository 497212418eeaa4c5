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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_MAX_SEGMENTS 16
#define ELF_NAME_SIZE 32

struct elf_segment {
    uint64_t file_offset;   /* inside the image, checked */
    uint64_t file_size;     /* <= mem_size */
    uint64_t mem_size;
    uint64_t paddr;         /* pseudo-physical, PADDR_OFFSET taken off */
    uint64_t vaddr;         /* where the kernel finds it: virt_base + paddr */
    uint32_t flags;         /* PF_X 1, PF_W 2, PF_R 4 */
};

struct elf_plan {
    unsigned int nr_segments;
    struct elf_segment segments[ELF_MAX_SEGMENTS];   /* ascending by paddr, disjoint */

    uint64_t paddr_start, paddr_end;   /* [lowest, highest) byte of all segments, pseudo-physical */
    uint64_t vaddr_start, vaddr_end;   /* the same, virtual */

    uint64_t entry;        /* note ENTRY, else e_entry */
    uint64_t virt_base;
    uint64_t paddr_offset;

    bool has_hypercall_page;
    uint64_t hypercall_page;   /* page-aligned, inside the segments */

    bool has_init_p2m;
    uint64_t init_p2m;   /* page-aligned */

    bool has_hv_start_low;
    uint64_t hv_start_low;

    bool has_phys32_entry;
    uint64_t phys32_entry;

    bool mod_start_pfn;   /* start_info.mod_start is a frame number; the initrd needs no mapping */
    bool suspend_cancel;

    bool has_l1_mfn_valid;
    uint64_t l1_mfn_valid_mask, l1_mfn_valid_value;

    /* Bit n: XENFEAT n of submap 0. */
    uint32_t features_required;    /* '!' names of FEATURES */
    uint32_t features_supported;   /* SUPPORTED_FEATURES, and all names of FEATURES */

    char loader[ELF_NAME_SIZE];
    char guest_os[ELF_NAME_SIZE];
};

/*
 * Fills `plan` from the ELF file in [image, image + size). 0, or -XEN_EINVAL / -XEN_ENOEXEC and one
 * sentence with cause and cure in `*why`.
 */
int elf_plan(const void *image, size_t size, struct elf_plan *plan, const char **why);
