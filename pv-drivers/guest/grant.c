// SPDX-License-Identifier: MIT
//
// The grant table, version 1, and what front ends ask of their system (bus/os.h). The table begins with one
// frame and grows when it is full, up to what the hypervisor allows.
#include "guest/guest.h"
#include "guest/hypercall.h"
#include "public/errno.h"
#include "public/grant_table.h"

#define MAX_FRAMES 64u
#define PER_FRAME ((uint32_t)(PAGE_SIZE / sizeof(struct grant_entry_v1)))

static struct grant_entry_v1 *table[MAX_FRAMES];
static uint32_t next_free[MAX_FRAMES * PER_FRAME];    // of a free entry: the one after it; 0: none
static uint32_t nr_frames, first_free;

static struct grant_entry_v1 *entry(uint32_t ref)
{
    return &table[ref / PER_FRAME][ref % PER_FRAME];
}

static void put_free(uint32_t ref)
{
    next_free[ref] = first_free;
    first_free = ref;
}

static int grow(void)
{
    static xen_pfn_t frames[MAX_FRAMES];
    struct gnttab_setup_table s = { .dom = DOMID_SELF, .nr_frames = nr_frames + 1,
                                    .frame_list = U64(frames) };

    if (nr_frames == MAX_FRAMES || hyp_grant_op(GNTTABOP_setup_table, &s, 1) != 0 || s.status != GNTST_okay)
        return -XEN_ENOSPC;
    table[nr_frames] = page_map(frames[nr_frames]);
    if (!table[nr_frames])
        return -XEN_ENOMEM;
    nr_frames++;
    for (uint32_t ref = nr_frames * PER_FRAME; ref-- > (nr_frames - 1) * PER_FRAME; )
        if (ref >= GNTTAB_NR_RESERVED_ENTRIES)
            put_free(ref);
    return 0;
}

int os_grant(struct os *os, void *page, bool is_read_only, uint32_t *ref)
{
    int rc = first_free ? 0 : grow();

    if (rc == 0) {
        struct grant_entry_v1 *e = entry(first_free);
        *ref = first_free;
        first_free = next_free[first_free];
        e->domid = os->backend;
        e->frame = (uint32_t)page_mfn(page);
        __atomic_store_n(&e->flags, (uint16_t)(GTF_permit_access | (is_read_only ? GTF_readonly : 0)),
                         __ATOMIC_RELEASE);    // the hypervisor reads flags first
    }
    return rc;
}

int os_revoke(struct os *os, uint32_t ref)
{
    struct grant_entry_v1 *e = entry(ref);
    uint16_t flags = __atomic_load_n(&e->flags, __ATOMIC_RELAXED);

    (void)os;
    do {
        if (flags & (GTF_reading | GTF_writing))
            return -XEN_EBUSY;
    } while (!__atomic_compare_exchange_n(&e->flags, &flags, GTF_invalid, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    put_free(ref);
    return 0;
}

void *os_pages_alloc(struct os *os, unsigned nr)
{
    (void)os;
    return pages_alloc(nr);
}

void os_pages_free(struct os *os, void *pages, unsigned nr)
{
    (void)os;
    pages_free(pages, nr);
}

void os_event_send(struct os *os, uint32_t port)
{
    (void)os;
    event_send(port);
}
