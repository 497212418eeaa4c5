// SPDX-License-Identifier: MIT
/*
 * Guests' descriptor tables. The frames are of type DESC while a window maps them: the guest cannot
 * write them, every descriptor in them has been checked, and changes go through update_descriptor.
 * The CPU itself sets accessed bits in them.
 *
 * GDT pages that the guest did not give show a page of zeros, so that a bad selector faults with
 * its own number. An LDT is what the guest has mapped at its linear address when it sets it; a page
 * that is not there, or not fit, stays a hole at which its selectors fault. What a window maps is
 * under the domain's page_lock.
 */
#include "cpu/descriptor.h"
#include "cpu/guest_state.h"
#include "pv/pv_mmu.h"

#define DESC_PRESENT      (UINT64_C(1) << 47)
#define DESC_CODE_DATA    (UINT64_C(1) << 44)
#define DESC_DPL_3        (UINT64_C(3) << 45)
#define DESCS_PER_PAGE    512u
#define MAX_GDT_ENTRIES   (GDT_FRAMES * DESCS_PER_PAGE)
#define MAX_LDT_ENTRIES   8192u
#define LDT_SLOT          16u             /* first LDT entry in window_l1 */

/*
 * Not global: another CPU that ran the vCPU before keeps what it cached of the window, until its next
 * CR3 load; the flush before a frame changes its type spares global entries.
 */
#define WINDOW_RW         (MAP_RW & ~PTE_GLOBAL)
#define WINDOW_RO         (MAP_RO & ~PTE_GLOBAL)

static DECLARE_BITMAP(windows_used, DESC_WINDOW_SLOTS);
static uint64_t no_descriptors[DESCS_PER_PAGE] ALIGNED(4096);
#define NO_DESCRIPTORS    pte(image_paddr(no_descriptors) | WINDOW_RO)

/* Windows -------------------------------------------------------------------------------------- */

/*
 * A slot used before may be in TLBs: by pv_window_destroy nobody has it loaded, and the next CR3
 * load there forgets it.
 */
int pv_window_create(struct pv_vcpu *v)
{
    v->window_cpu = NO_CPU;
    v->state_cpu = NO_CPU;
    for (v->window = 0; bitmap_test_and_set_atomic(windows_used, v->window); v->window++) {
        if (v->window == DESC_WINDOW_SLOTS - 1)
            return -XEN_ENOMEM;
    }
    v->window_l1 = hyp_l1_entry(pv_window_address(v));
    if (!v->window_l1) {
        bitmap_clear_atomic(windows_used, v->window);
        return -XEN_ENOMEM;
    }
    for (unsigned i = 0; i < LDT_SLOT; i++)
        v->window_l1[i] = NO_DESCRIPTORS;
    return 0;
}

void pv_window_destroy(struct pv_vcpu *v)
{
    memset(v->window_l1, 0, (LDT_SLOT + LDT_FRAMES) * sizeof(pte_t));
    bitmap_clear_atomic(windows_used, v->window);
}

void pv_window_set_cpu(struct pv_vcpu *v, unsigned cpu)
{
    v->window_l1[FIRST_RESERVED_GDT_PAGE] = pte_make(descriptor_page_mfn(cpu), WINDOW_RW);
    v->window_cpu = cpu;
}

static void window_put(struct pv_vcpu *v, unsigned index, pte_t e)
{
    v->window_l1[index] = e;
    if (&v->vcpu == current_vcpu())
        invlpg(pv_window_address(v) + index * PAGE_SIZE);
}

/* Descriptors ---------------------------------------------------------------------------------- */

bool pv_descriptor_sanitise(uint64_t *descriptor)
{
    if (!(*descriptor & DESC_PRESENT))
        return true;
    if (!(*descriptor & DESC_CODE_DATA))
        return false;
    *descriptor |= DESC_DPL_3;
    return true;
}

/*
 * The frame is of type DESC, so only update_descriptor and we can write it: checked ones stay
 * checked.
 */
static bool page_sanitise(mfn_t m)
{
    uint64_t *page = mfn_to_virt(m);

    for (unsigned i = 0; i < DESCS_PER_PAGE; i++) {
        uint64_t old = READ_ONCE(page[i]), new = old;
        if (!pv_descriptor_sanitise(&new))
            return false;
        if (new != old)
            (void)cmpxchg64(&page[i], old, new);
    }
    return true;
}

static struct frame *descriptor_frame_get(struct pv_vcpu *v, mfn_t m)
{
    struct pv_domain *d = pv_domain(v->vcpu.domain);

    if (!mfn_valid(m) || frame_get_and_type(d, m, TYPE_DESC))
        return NULL;
    if (page_sanitise(m))
        return frame_of(m);
    frame_put_and_type(d, frame_of(m));
    return NULL;
}

/* Unmap `nr` frames from `slot` of the window on, showing `instead`, and let go of them. */
static void frames_drop(struct pv_vcpu *v, struct frame **frames, unsigned nr, unsigned slot, pte_t instead)
{
    ASSERT_LOCKED(&pv_domain(v->vcpu.domain)->page_lock);
    for (unsigned i = 0; i < nr; i++) {
        struct frame *f = frames[i];

        if (!f)
            continue;
        frames[i] = NULL;
        window_put(v, slot + i, instead);
        frame_put_and_type(pv_domain(v->vcpu.domain), f);
    }
}

/* GDT ------------------------------------------------------------------------------------------ */

void pv_gdt_drop(struct pv_vcpu *v)
{
    frames_drop(v, v->gdt_frame, GDT_FRAMES, 0, NO_DESCRIPTORS);
    v->gdt_entries = 0;
}

int pv_set_gdt(struct pv_vcpu *v, const uint64_t *mfns, uint32_t entries)
{
    unsigned nr = (entries + DESCS_PER_PAGE - 1) / DESCS_PER_PAGE;
    struct pv_domain *d = pv_domain(v->vcpu.domain);
    struct frame *frames[GDT_FRAMES];

    if (entries > MAX_GDT_ENTRIES)
        return -XEN_EINVAL;
    for (unsigned i = 0; i < nr; i++) {
        frames[i] = descriptor_frame_get(v, mfn(mfns[i]));
        if (frames[i])
            continue;
        while (i--)
            frame_put_and_type(d, frames[i]);
        return -XEN_EINVAL;
    }
    spin_lock(&d->page_lock);
    pv_gdt_drop(v);
    for (unsigned i = 0; i < nr; i++) {
        v->gdt_frame[i] = frames[i];
        window_put(v, i, pte_make(frame_mfn(frames[i]), WINDOW_RW));
    }
    v->gdt_entries = entries;
    spin_unlock(&d->page_lock);
    return 0;
}

long do_set_gdt(uint64_t list, uint64_t entries, UNUSED_FROM_3)
{
    uint64_t mfns[GDT_FRAMES];
    uint64_t nr = (entries + DESCS_PER_PAGE - 1) / DESCS_PER_PAGE;

    if (entries > MAX_GDT_ENTRIES)
        return -XEN_EINVAL;
    if (copy_from_guest(mfns, list, nr * sizeof(mfns[0])))
        return -XEN_EFAULT;
    return pv_set_gdt(pv_vcpu(current_vcpu()), mfns, (uint32_t)entries);
}

/* LDT ------------------------------------------------------------------------------------------ */

void pv_ldt_drop(struct pv_vcpu *v)
{
    frames_drop(v, v->ldt_frame, LDT_FRAMES, LDT_SLOT, pte(0));
    v->ldt_entries = 0;
}

static void ldt_map(struct pv_vcpu *v)
{
    for (unsigned page = 0; page * DESCS_PER_PAGE < v->ldt_entries; page++) {
        const pte_t *e = pv_find_leaf(v, v->ldt_base + page * PAGE_SIZE);
        pte_t leaf = pte(e ? READ_ONCE(e->v) : 0);

        v->ldt_frame[page] = pte_present(leaf) ? descriptor_frame_get(v, pte_mfn(leaf)) : NULL;
        if (v->ldt_frame[page])
            window_put(v, LDT_SLOT + page, pte_make(pte_mfn(leaf), WINDOW_RW));
    }
}

int pv_set_ldt(struct pv_vcpu *v, uint64_t base, uint32_t entries)
{
    struct spinlock *lock = &pv_domain(v->vcpu.domain)->page_lock;

    if (entries > MAX_LDT_ENTRIES ||
        (entries && (base & PAGE_OFFSET_MASK || !guest_range_ok(base, entries * sizeof(uint64_t)))))
        return -XEN_EINVAL;
    spin_lock(lock);
    pv_ldt_drop(v);
    v->ldt_base = entries ? base : 0;
    v->ldt_entries = entries;
    ldt_map(v);
    spin_unlock(lock);
    if (&v->vcpu == current_vcpu())
        descriptor_load_ldt(pv_window_address(v) + DESC_WINDOW_LDT, entries);
    return 0;
}

/* Updates -------------------------------------------------------------------------------------- */

/*
 * A frame that may become writable is written as such; one in use as a table must stay one while it
 * is written.
 */
long do_update_descriptor(uint64_t maddr, uint64_t descriptor, UNUSED_FROM_3)
{
    struct pv_domain *d = pv_domain(current_domain());
    mfn_t m = paddr_to_mfn(maddr);

    if (maddr % sizeof(uint64_t) || !mfn_valid(m) || !pv_descriptor_sanitise(&descriptor))
        return -XEN_EINVAL;
    if (frame_get_and_type(d, m, frame_type(frame_of(m)) == TYPE_DESC ? TYPE_DESC : TYPE_WRITABLE))
        return -XEN_EINVAL;
    WRITE_ONCE(pte_at(m, maddr)->v, descriptor);
    frame_put_and_type(d, frame_of(m));
    return 0;
}

#define DESC_PRESENT_CODE  (UINT64_C(0x98) << 40)      /* present, code or data, code */
#define DESC_LONG          (UINT64_C(1) << 53)

bool pv_code_segment(const struct pv_vcpu *v, uint16_t selector, uint64_t *base, bool *long_mode)
{
    uint64_t at = pv_window_address(v) + (selector & 4 ? DESC_WINDOW_LDT : 0) + (selector & ~7u), d;

    if (selector == FLAT_USER_CS64 || selector == FLAT_KERNEL_CS64) {
        *base = 0;
        *long_mode = true;
        return true;
    }
    if ((selector & ~7u) > GDT_LIMIT || guest_copy_raw(&d, (const void *)at, sizeof(d)) ||
        (d & DESC_PRESENT_CODE) != DESC_PRESENT_CODE)
        return false;
    *base = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000);
    *long_mode = d & DESC_LONG;
    return true;
}
