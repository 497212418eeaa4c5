// SPDX-License-Identifier: MIT
//
// A guest for front ends in native tests: os.h over a shared-memory area. Threads may share it.
#pragma once

#include <pthread.h>

#include "bus/os.h"
#include "drivers/transport_shm.h"

struct os {
    struct shm_area area;
    pthread_mutex_t lock;
    uint8_t *is_used;        // by page
    uint32_t next_grant;
    uint32_t next_port;
    unsigned nr_busy;        // revocations refused because the back end had the page mapped
};

void guest_create(struct os *os, uint32_t nr_pages, uint32_t nr_ports);
void guest_destroy(struct os *os);
// Grants that the back end has mapped.
unsigned guest_nr_mapped(const struct os *os);
