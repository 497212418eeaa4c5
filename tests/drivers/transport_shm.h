// SPDX-License-Identifier: MIT
//
// A guest's memory without a guest: one shared memory file and a pair of eventfds per port, so that
// back ends run natively against front ends in the same process or in another. The file is
//
//     page 0                  struct shm_header
//     then nr_grants x 16     struct shm_grant: the guest's grant table
//     then nr_pages x 4096    the guest's pages
//
// Everything in it is as hostile as a guest's memory: sizes are read once, when it is attached.
#pragma once

#include <stdint.h>

#include "ring/transport.h"

#define SHM_MAGIC 0x6d656d77u
#define SHM_MAX_PORTS 16u
#define SHM_MAX_PAGES (1u << 18)     // 1 GiB

struct shm_header {
    uint32_t magic;
    uint32_t nr_pages;
    uint32_t nr_grants;
    uint32_t nr_ports;
    uint32_t channels[SHM_MAX_PORTS];    // by port: whose eventfd its back end listens at
};

// A page number, and above it SHM_GRANT_*.
#define SHM_GRANT_VALID (1ull << 32)
#define SHM_GRANT_READONLY (1ull << 33)

struct shm_grant {
    uint64_t entry;
    uint32_t nr_mapped;              // by the back end
    uint32_t pad;
};

struct shm_area {
    int fd;
    uint8_t *base;
    struct shm_grant *grants;
    uint8_t *pages;
    uint32_t nr_pages, nr_grants, nr_ports;
    int to_back[SHM_MAX_PORTS];      // eventfds, by port
    int to_front[SHM_MAX_PORTS];
};

// Makes an area, or attaches the one whose memory file is `fd` and whose eventfds follow it in pairs
// (to_back, to_front). Attaching is what a new back end does, so nothing is mapped any more.
int shm_area_create(struct shm_area *a, uint32_t nr_pages, uint32_t nr_grants, uint32_t nr_ports);
int shm_area_attach(struct shm_area *a, int fd);
void shm_area_destroy(struct shm_area *a);

// A back end's transport for one port; it does not own the area.
int transport_shm_open(struct transport **t, struct shm_area *area, uint32_t port);
// For whichever port it is bound to; it listens at the eventfd of another.
int transport_shm_open_any(struct transport **t, struct shm_area *area, uint32_t channel);
// The front end's side.
void transport_shm_send(struct shm_area *area, uint32_t port);
void transport_shm_close(struct transport *t);
