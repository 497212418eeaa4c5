// SPDX-License-Identifier: MIT
/* Grant table version 1 of this domain: its frames mapped, entries written by the tests. */
#include "kit/kit.h"

struct grant_entry_v1 *grants;
unsigned int nr_grants;

void grant_init(unsigned int nr_frames)
{
    static xen_pfn_t frames[8];
    struct gnttab_setup_table s = { .dom = DOMID_SELF, .nr_frames = nr_frames };

    if (nr_grants >= nr_frames * PAGE_SIZE / sizeof(*grants))
        return;
    s.frame_list = U64(frames);
    CHECK_EQ(hyp_grant_op(GNTTABOP_setup_table, &s, 1), 0);
    CHECK_EQ(s.status, GNTST_okay);
    if (s.status != GNTST_okay)
        test_leave();
    for (unsigned int i = nr_grants * (unsigned int)sizeof(*grants) / PAGE_SIZE; i < nr_frames; i++) {
        void *va = window();

        if (!grants)
            grants = va;
        CHECK_EQ(pte_set(va, (uint64_t)frames[i] << 12 | PTE_RW), 0);
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
