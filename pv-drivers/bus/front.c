// SPDX-License-Identifier: MIT
#include "bus/front.h"

#include "public/errno.h"


int front_pages_alloc(struct front_pages *p, struct os *os, uint32_t nr)
{
    *p = (struct front_pages){ .at = os_pages_alloc(os, nr), .nr = nr };
    return p->at ? 0 : -XEN_ENOMEM;
}

int front_pages_grant(struct front_pages *p, struct os *os, bool is_read_only)
{
    int rc = 0;

    while (p->nr_granted < p->nr && rc == 0) {
        rc = os_grant(os, front_page(p, p->nr_granted), is_read_only, &p->refs[p->nr_granted]);
        p->nr_granted += rc == 0;
    }
    return rc;
}

void front_pages_revoke(struct front_pages *p, struct os *os)
{
    while (p->nr_granted)
        p->is_kept |= os_revoke(os, p->refs[--p->nr_granted]) < 0;
}

void front_pages_free(struct front_pages *p, struct os *os)
{
    front_pages_revoke(p, os);
    if (p->at && !p->is_kept)
        os_pages_free(os, p->at, p->nr);
    p->at = NULL;
}

int front_ring_make(struct front_ring *r, struct os *os, struct xenbus_device *dev, unsigned queue,
                    unsigned nr_queues, const char *name, uint32_t nr_pages, uint32_t entry_size)
{
    int rc = front_pages_alloc(&r->pages, os, nr_pages);

    if (rc == 0) {
        ring_front_init(&r->ring, r->pages.at, (size_t)nr_pages * RING_PAGE_SIZE, entry_size);
        rc = front_pages_grant(&r->pages, os, false);
    }
    for (uint32_t i = 0; i < nr_pages && rc == 0; i++)
        rc = xenbus_write_queue_u64(dev, queue, nr_queues, name, nr_pages > 1 ? (int)i : -1, r->pages.refs[i]);
    return rc;
}
