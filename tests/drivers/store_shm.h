// SPDX-License-Identifier: MIT
//
// A store in shared memory: a table of paths and values behind one lock, with an eventfd for each
// side that any write makes readable. It lets a driver meet its peer natively, also in another
// process, and survives that one's kill -9.
#pragma once

#include <pthread.h>

#include "bus/store.h"

#define STORE_SHM_NODES 256u

struct store_shm_node {
    char path[STORE_MAX_PATH];        // "" for a free one
    char value[STORE_MAX_VALUE];
};

struct store_shm_table {
    pthread_mutex_t lock;             // shared between processes, robust
    struct store_shm_node nodes[STORE_SHM_NODES];
};

struct store_shm {
    struct store store;
    struct store_shm_table *table;
    int fd;
    int watch_fd;                     // of the two, ours
    int watch_fds[2];                 // the back end's, the front end's
};

// Makes a table, seen from the front end; or attaches the one whose memory file is `fd` and whose two
// eventfds follow it, as the back end.
int store_shm_create(struct store_shm *s);
int store_shm_attach(struct store_shm *s, int fd);
// The other end of a table in the same process.
void store_shm_back(struct store_shm *back, const struct store_shm *front);
void store_shm_destroy(struct store_shm *s);
int store_shm_remove(struct store_shm *s, const char *path);
