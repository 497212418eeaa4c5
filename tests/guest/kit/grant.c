// SPDX-License-Identifier: MIT
/* Grant table version 1 of this domain: its frames mapped, entries written by the tests. */
#include "kit/kit.h"

#define MAX_FRAMES 8

struct grant_entry_v1 *grants;
unsigned int nr_grants;

void grant_init(unsigned int nr_frames)
{
    static xen_pfn_t frames[MAX_FRAMES];
    struct gnttab_setup_table s = { .dom = DOMID_SELF, .nr_frames = nr_frames };

    if (nr_grants >= nr_frames * PAGE_SIZE / sizeof(*grants))
        return;
    s.frame_list = U64(frames);
    CHECK_EQ(hyp_grant_op(GNTTABOP_setup_table, &s, 1), 0);
    CHECK_EQ(s.status, GNTST_okay);
    if (s.status != GNTST_okay)
        test_leave();
    if (!grants) {                      /* room for all in one piece */
        grants = window();
        for (int i = 1; i < MAX_FRAMES; i++)
            window();
    }
    for (unsigned int i = nr_grants * (unsigned int)sizeof(*grants) / PAGE_SIZE; i < nr_frames; i++) {
        CHECK_EQ(pte_set((uint8_t *)grants + i * PAGE_SIZE, (uint64_t)frames[i] << 12 | PTE_RW), 0);
    }
    nr_grants = nr_frames * (unsigned int)(PAGE_SIZE / sizeof(*grants));
}

void grant_set(unsigned int ref, unsigned int flags, unsigned int dom, const void *page)
{
    grants[ref].flags = 0;
    grants[ref].domid = (domid_t)dom;
    grants[ref].frame = (uint32_t)va_to_mfn(page);
    __asm__ volatile("" : : : "memory");
    grants[ref].flags = (uint16_t)flags;
}
