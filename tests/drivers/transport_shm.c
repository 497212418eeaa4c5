// SPDX-License-Identifier: MIT
//
// The transport over shared memory and eventfds. It plays the hypervisor: it checks grants, counts
// mappings and copies, so what it does to guest memory is not the back end's doing.
#include "drivers/transport_shm.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/copy_bytes.h"
#include "ring/ring.h"

#define MAX_MAPPINGS 1200u           // of several pages at once: rings, and what a disk's queue keeps mapped

struct mapping {
    void *va;
    unsigned nr;
    uint32_t refs[TRANSPORT_MAX_PAGES];
};

struct shm {
    struct transport transport;
    struct shm_area *area;
    uint32_t port;                   // whose eventfd it is
    bool is_for_any;                 // port
    uint32_t bound;
    struct mapping mappings[MAX_MAPPINGS];
};

static struct shm *shm_of(struct transport *t)
{
    return (struct shm *)(void *)((char *)t - offsetof(struct shm, transport));
}

static struct shm_header *header_of(const struct shm_area *a)
{
    return (struct shm_header *)(void *)a->base;
}

static size_t grants_offset(void)
{
    return RING_PAGE_SIZE;
}

static size_t pages_offset(uint32_t nr_grants)
{
    size_t end = grants_offset() + (size_t)nr_grants * sizeof(struct shm_grant);

    return (end + RING_PAGE_SIZE - 1) / RING_PAGE_SIZE * RING_PAGE_SIZE;
}

static size_t area_size(uint32_t nr_pages, uint32_t nr_grants)
{
    return pages_offset(nr_grants) + (size_t)nr_pages * RING_PAGE_SIZE;
}

static int area_map(struct shm_area *a)
{
    a->base = mmap(NULL, area_size(a->nr_pages, a->nr_grants), PROT_READ | PROT_WRITE, MAP_SHARED,
                   a->fd, 0);
    if (a->base == MAP_FAILED) {
        return -errno;
    }
    a->grants = (struct shm_grant *)(void *)(a->base + grants_offset());
    a->pages = a->base + pages_offset(a->nr_grants);
    return 0;
}

int shm_area_create(struct shm_area *a, uint32_t nr_pages, uint32_t nr_grants, uint32_t nr_ports)
{
    *a = (struct shm_area){ .nr_pages = nr_pages, .nr_grants = nr_grants, .nr_ports = nr_ports };
    a->fd = memfd_create("guest", 0);
    if (a->fd < 0 || nr_ports > SHM_MAX_PORTS || nr_pages > SHM_MAX_PAGES ||
        ftruncate(a->fd, (off_t)area_size(nr_pages, nr_grants)) < 0) {
        return a->fd < 0 ? -errno : -EINVAL;
    }
    for (uint32_t i = 0; i < nr_ports; i++) {
        a->to_back[i] = eventfd(0, EFD_NONBLOCK);
        a->to_front[i] = eventfd(0, EFD_NONBLOCK);
    }
    int rc = area_map(a);
    if (rc == 0) {
        *header_of(a) = (struct shm_header){ .magic = SHM_MAGIC, .nr_pages = nr_pages, .nr_grants = nr_grants,
                                             .nr_ports = nr_ports };
        for (uint32_t i = 0; i < nr_ports; i++) {
            header_of(a)->channels[i] = i;
        }
    }
    return rc;
}

int shm_area_attach(struct shm_area *a, int fd)
{
    struct shm_header h;
    struct stat st;

    if (pread(fd, &h, sizeof(h), 0) != sizeof(h) || fstat(fd, &st) < 0) {
        return -EINVAL;
    }
    if (h.magic != SHM_MAGIC || h.nr_ports > SHM_MAX_PORTS || h.nr_pages > SHM_MAX_PAGES ||
        h.nr_grants > SHM_MAX_PAGES || (off_t)area_size(h.nr_pages, h.nr_grants) > st.st_size) {
        return -EINVAL;
    }
    *a = (struct shm_area){ .fd = fd, .nr_pages = h.nr_pages, .nr_grants = h.nr_grants,
                            .nr_ports = h.nr_ports };
    for (uint32_t i = 0; i < a->nr_ports; i++) {
        a->to_back[i] = fd + 1 + 2 * (int)i;
        a->to_front[i] = fd + 2 + 2 * (int)i;
    }
    int rc = area_map(a);
    for (uint32_t i = 0; rc == 0 && i < a->nr_grants; i++) {
        __atomic_store_n(&a->grants[i].nr_mapped, 0, __ATOMIC_RELAXED);
    }
    return rc;
}

void shm_area_destroy(struct shm_area *a)
{
    munmap(a->base, area_size(a->nr_pages, a->nr_grants));
    close(a->fd);
    for (uint32_t i = 0; i < a->nr_ports; i++) {
        close(a->to_back[i]);
        close(a->to_front[i]);
    }
}

// The page behind a grant, or -EFAULT.
static int64_t granted_page(const struct shm_area *a, uint32_t ref, bool for_writing)
{
    if (ref >= a->nr_grants) {
        return -EFAULT;
    }
    uint64_t entry = __atomic_load_n(&a->grants[ref].entry, __ATOMIC_ACQUIRE);
    uint32_t page = (uint32_t)entry;

    if (!(entry & SHM_GRANT_VALID) || page >= a->nr_pages ||
        (for_writing && (entry & SHM_GRANT_READONLY))) {
        return -EFAULT;
    }
    return page;
}

static void count(struct shm_area *a, const uint32_t *refs, unsigned nr, uint32_t change)
{
    for (unsigned i = 0; i < nr; i++) {
        __atomic_add_fetch(&a->grants[refs[i]].nr_mapped, change, __ATOMIC_ACQ_REL);
    }
}

static int map_each(const struct shm_area *a, uint8_t *at, const uint32_t *refs, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        int64_t page = granted_page(a, refs[i], true);
        if (page < 0) {
            return (int)page;
        }
        off_t offset = a->pages - a->base + (off_t)page * RING_PAGE_SIZE;
        if (mmap(at + (size_t)i * RING_PAGE_SIZE, RING_PAGE_SIZE, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED, a->fd, offset) == MAP_FAILED) {
            return -errno;
        }
    }
    return 0;
}

static struct mapping *find_mapping(struct shm *s, const void *va)
{
    for (unsigned i = 0; i < MAX_MAPPINGS; i++) {
        if (s->mappings[i].va == va) {
            return &s->mappings[i];
        }
    }
    return NULL;
}

static int map_run(struct shm *s, const uint32_t *refs, unsigned nr, void **va)
{
    struct mapping *m = find_mapping(s, NULL);

    if (!m || nr == 0 || nr > TRANSPORT_MAX_PAGES) {
        return -EINVAL;
    }
    void *at = mmap(NULL, (size_t)nr * RING_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int rc = at == MAP_FAILED ? -errno : map_each(s->area, at, refs, nr);
    if (rc < 0) {
        if (at != MAP_FAILED) {
            munmap(at, (size_t)nr * RING_PAGE_SIZE);
        }
        return rc;
    }
    *m = (struct mapping){ .va = at, .nr = nr };
    memcpy(m->refs, refs, nr * sizeof(*refs));
    *va = at;
    return 0;
}

// One page is where the area already shows it; more are put side by side.
int transport_map(struct transport *t, const uint32_t *refs, unsigned nr, void **va)
{
    struct shm *s = shm_of(t);
    int rc = 0;

    if (nr == 1) {
        int64_t page = granted_page(s->area, refs[0], true);
        if (page < 0) {
            return (int)page;
        }
        *va = s->area->pages + page * RING_PAGE_SIZE;
    } else {
        rc = map_run(s, refs, nr, va);
    }
    if (rc == 0) {
        count(s->area, refs, nr, 1);
    }
    return rc;
}

// Single pages are counted by grant and found again by page: tests grant a page once.
static void uncount_page(struct shm_area *a, const uint8_t *va)
{
    uint64_t page = (uint64_t)(va - a->pages) / RING_PAGE_SIZE;

    for (uint32_t ref = 0; ref < a->nr_grants; ref++) {
        uint64_t entry = __atomic_load_n(&a->grants[ref].entry, __ATOMIC_RELAXED);
        if ((uint32_t)entry == page && __atomic_load_n(&a->grants[ref].nr_mapped, __ATOMIC_RELAXED)) {
            count(a, &ref, 1, UINT32_MAX);
            return;
        }
    }
}

void transport_unmap(struct transport *t, void *va, unsigned nr)
{
    struct shm *s = shm_of(t);
    struct mapping *m = find_mapping(s, va);

    if (!m) {
        uncount_page(s->area, va);
        return;
    }
    munmap(va, (size_t)nr * RING_PAGE_SIZE);
    count(s->area, m->refs, m->nr, UINT32_MAX);
    m->va = NULL;
}

int transport_copy(struct transport *t, enum transport_direction direction,
                   const struct transport_copy *list, unsigned nr)
{
    struct shm *s = shm_of(t);

    if (nr > TRANSPORT_MAX_COPIES) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < nr; i++) {
        const struct transport_copy *c = &list[i];
        int64_t page = granted_page(s->area, c->ref, direction == TRANSPORT_TO_GUEST);
        if (page < 0 || c->offset + c->size > RING_PAGE_SIZE) {
            return -EFAULT;
        }
        uint8_t *guest = s->area->pages + page * RING_PAGE_SIZE + c->offset;
        if (direction == TRANSPORT_TO_GUEST) {
            copy_bytes(guest, c->local, c->size);
        } else {
            copy_bytes(c->local, guest, c->size);
        }
    }
    return 0;
}

int transport_bind(struct transport *t, uint32_t port)
{
    struct shm *s = shm_of(t);

    if (port >= s->area->nr_ports || (!s->is_for_any && port != s->port)) {
        return -EINVAL;
    }
    __atomic_store_n(&header_of(s->area)->channels[port], s->port, __ATOMIC_RELEASE);
    s->bound = port;
    return 0;
}

void transport_unbind(struct transport *t)
{
    (void)t;    // a port is an eventfd for good
}

void transport_notify(struct transport *t)
{
    struct shm *s = shm_of(t);

    eventfd_write(s->area->to_front[s->bound], 1);    // fails only if 2^64 events are pending
}

void transport_ack(struct transport *t)
{
    eventfd_t nr;

    eventfd_read(t->event_fd, &nr);                  // nothing to read is as good
}

void transport_shm_close(struct transport *t)
{
    free(shm_of(t));
}

int transport_shm_open(struct transport **t, struct shm_area *area, uint32_t port)
{
    struct shm *s = port < area->nr_ports ? calloc(1, sizeof(*s)) : NULL;

    if (!s) {
        return port < area->nr_ports ? -ENOMEM : -EINVAL;
    }
    *s = (struct shm){ .transport = { .event_fd = area->to_back[port] }, .area = area, .port = port, .bound = port };
    *t = &s->transport;
    return 0;
}

int transport_shm_open_any(struct transport **t, struct shm_area *area, uint32_t channel)
{
    int rc = transport_shm_open(t, area, channel);

    if (rc == 0) {
        shm_of(*t)->is_for_any = true;
    }
    return rc;
}

void transport_shm_send(struct shm_area *area, uint32_t port)
{
    uint32_t channel = __atomic_load_n(&header_of(area)->channels[port], __ATOMIC_ACQUIRE);

    eventfd_write(area->to_back[channel % area->nr_ports], 1);
}
