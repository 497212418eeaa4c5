// SPDX-License-Identifier: MIT
#include "drivers/guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

void guest_create(struct os *os, uint32_t nr_pages, uint32_t nr_ports)
{
    *os = (struct os){ .is_used = calloc(nr_pages, 1), .next_grant = 8 };
    pthread_mutex_init(&os->lock, NULL);
    if (!os->is_used || shm_area_create(&os->area, nr_pages, nr_pages + 8, nr_ports) < 0) {
        abort();
    }
}

void guest_destroy(struct os *os)
{
    shm_area_destroy(&os->area);
    free(os->is_used);
}

unsigned guest_nr_mapped(const struct os *os)
{
    unsigned nr = 0;

    for (uint32_t i = 0; i < os->area.nr_grants; i++) {
        nr += __atomic_load_n(&os->area.grants[i].nr_mapped, __ATOMIC_ACQUIRE) != 0;
    }
    return nr;
}

void *os_pages_alloc(struct os *os, unsigned nr)
{
    void *found = NULL;

    pthread_mutex_lock(&os->lock);
    for (uint32_t first = 0; first + nr <= os->area.nr_pages && !found;) {
        uint32_t run = 0;
        while (run < nr && !os->is_used[first + run]) {
            run++;
        }
        if (run == nr) {
            memset(os->is_used + first, 1, nr);
            found = os->area.pages + (size_t)first * PAGE;
        }
        first += run + 1;
    }
    pthread_mutex_unlock(&os->lock);
    if (found) {
        memset(found, 0, (size_t)nr * PAGE);
    }
    return found;
}

void os_pages_free(struct os *os, void *pages, unsigned nr)
{
    size_t first = (size_t)((uint8_t *)pages - os->area.pages) / PAGE;

    pthread_mutex_lock(&os->lock);
    memset(os->is_used + first, 0, nr);
    pthread_mutex_unlock(&os->lock);
}

int os_grant(struct os *os, void *page, bool is_read_only, uint32_t *ref)
{
    uint64_t entry = SHM_GRANT_VALID | (is_read_only ? SHM_GRANT_READONLY : 0) |
                     (uint64_t)((uint8_t *)page - os->area.pages) / PAGE;
    int rc = -ENOSPC;

    pthread_mutex_lock(&os->lock);
    for (uint32_t i = 0; i < os->area.nr_grants && rc < 0; i++) {
        struct shm_grant *g = &os->area.grants[os->next_grant];
        if (!g->entry) {
            __atomic_store_n(&g->entry, entry, __ATOMIC_RELEASE);
            *ref = os->next_grant;
            rc = 0;
        }
        os->next_grant = (os->next_grant + 1) % os->area.nr_grants;
    }
    pthread_mutex_unlock(&os->lock);
    return rc;
}

int os_revoke(struct os *os, uint32_t ref)
{
    struct shm_grant *g = &os->area.grants[ref];

    if (__atomic_load_n(&g->nr_mapped, __ATOMIC_ACQUIRE)) {
        os->nr_busy++;
        return -EBUSY;
    }
    __atomic_store_n(&g->entry, 0, __ATOMIC_RELEASE);
    return 0;
}

int os_event_open(struct os *os, uint32_t *port)
{
    pthread_mutex_lock(&os->lock);
    bool is_left = os->next_port < os->area.nr_ports;
    *port = is_left ? os->next_port++ : 0;
    pthread_mutex_unlock(&os->lock);
    return is_left ? 0 : -ENOSPC;
}

void os_event_send(struct os *os, uint32_t port)
{
    transport_shm_send(&os->area, port);
}
