// SPDX-License-Identifier: MIT
// Makes a PV domain that is ready to run: memory, kernel, initramfs, page tables, first vCPU, and the pages and ports
// of its store and its console. It is paused, and the store does not know of it yet: domain.h goes on from here.
#pragma once

#include "hv.h"
#include "image.h"

enum build_phase { BUILD_CREATE, BUILD_MEMORY, BUILD_KERNEL, BUILD_INITRAMFS, BUILD_START, BUILD_NR_PHASES };

struct build_config {
    struct hv_domain_config domain;
    uint64_t pages;                 // that the guest starts with
    uint64_t max_pages;             // that ballooning may ever give it, at least `pages`
    const struct image *kernel;
    const char *initramfs;          // a path; NULL for none
    const char *command_line;       // up to 1023 bytes; NULL for none
    unsigned store_domid, console_domid;    // whose daemons serve it, 0 for the control domain
};

struct built {
    unsigned domid;
    uint64_t store_frame, console_frame;
    uint32_t store_port, console_port;
    uint64_t phase_ns[BUILD_NR_PHASES];
};

// built->domid is in: the id that is wanted, or 0. All memory is claimed before any is given: what does not fit fails
// early, as VANE_NO_RESOURCE. After any failure there is no such domain. It takes a second or so, and image_load() several: a
// daemon has them done by a thread, with a `struct hv` of its own.
int build_domain(struct hv *hv, const struct build_config *config, struct built *built, struct vane_error *error);

// --- The layout, without side effects

// Guest frame numbers; [0, mapped_end) is mapped at the kernel's virt_base.
struct build_layout {
    uint64_t initramfs, initramfs_pages, p2m, p2m_pages;
    uint64_t start_info, store, console, tables, nr_tables, stack;
    uint64_t mapped_end, end;       // `end`: behind everything that must be there
};

void build_plan(const struct image_plan *kernel, uint64_t pages, uint64_t initramfs_size, struct build_layout *layout);
// Fills in nr_tables tables, the root first, as the CPU reads them. `frames`: the machine frame of each guest frame.
void build_tables(const struct image_plan *kernel, const struct build_layout *layout, const uint64_t *frames,
                  uint64_t (*tables)[512]);
