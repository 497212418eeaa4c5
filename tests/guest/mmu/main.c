// SPDX-License-Identifier: MIT
/*
 * mmu_update and update_va_mapping: single entries of page tables, at every level, wanted and refused.
 * Why: a writable mapping of a page table is the end of all protection. The refusals follow XSA-7,
 * -109, -148, -167, -182, -185, -231 and -402 in spirit: every index, every level, every bit.
 */
#include "kit/kit.h"

static uint8_t *page;                   /* an ordinary page and a window slot for it */
static uint8_t *slot_va;
static uint64_t slot;                   /* machine address of that slot's entry */

static void ready(void)
{
    if (!page) {
        page = page_alloc();
        slot_va = window();
        slot = va_to_machine(pte_of(l4_kernel, (uint64_t)slot_va, 1));
    }
    CHECK_EQ(mmu_write(slot, 0), 0);
    mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
}

static void map_and_unmap(void)
{
    ready();
    page[7] = 0x77;
    CHECK_EQ(mmu_write(slot, va_to_machine(page) | PTE_RW), 0);
    CHECK_EQ(slot_va[7], 0x77);
    slot_va[8] = 0x88;
    CHECK_EQ(page[8], 0x88);
    CHECK_EQ(mmu_write(slot, 0), 0);
    mmuext(MMUEXT_INVLPG_LOCAL, (uint64_t)slot_va, 0);
    TRY("movb (%0), %%al", : "r"(slot_va) : "rax", "memory");
    check_fault(14, 0, "after the unmap");
}

static void done_count(void)
{
    struct mmu_update u[3] = { { 0, 0 } };
    unsigned int done = 99;

    ready();
    u[0] = (struct mmu_update){ slot, va_to_machine(page) | PTE_RO };
    u[1] = (struct mmu_update){ slot, MFN_NONE << 12 | PTE_RO };
    u[2] = (struct mmu_update){ slot, 0 };
    CHECK_EQ(hyp_mmu_update(u, 1, &done, DOMID_SELF), 0);
    CHECK_EQ(done, 1);
    CHECK(hyp_mmu_update(u, 3, &done, DOMID_SELF) < 0);
    CHECK_EQ(done, 1);
    CHECK_EQ(pte_get(slot_va) & PTE_RW, PTE_RO);
    CHECK_EQ(hyp_mmu_update(u, 0, &done, DOMID_SELF), 0);
    CHECK_EQ(done, 0);
}

static void command_unknown(void)
{
    ready();
    for (unsigned int cmd = 4; cmd < 8; cmd++)
        CHECK_EQ(mmu_write(slot | cmd, va_to_machine(page) | PTE_RO), -XEN_ENOSYS);
    CHECK_EQ(pte_get(slot_va), 0);
    CHECK_EQ(mmu_write(slot | MMU_PT_UPDATE_NO_TRANSLATE, va_to_machine(page) | PTE_RO), 0);
    CHECK(pte_get(slot_va) & PTE_P);
}

static void preserve_ad(void)
{
    uint64_t e;

    ready();
    CHECK_EQ(mmu_write(slot, va_to_machine(page) | PTE_P | PTE_W), 0);
    slot_va[0] = 1;
    e = pte_get(slot_va);
    CHECK_EQ(e & (PTE_A | PTE_D), PTE_A | PTE_D);
    CHECK_EQ(mmu_write(slot | MMU_PT_UPDATE_PRESERVE_AD, va_to_machine(page) | PTE_P), 0);
    e = pte_get(slot_va);
    CHECK_EQ(e & (PTE_A | PTE_D | PTE_W), PTE_A | PTE_D);
    CHECK_EQ(mmu_write(slot, va_to_machine(page) | PTE_P), 0);
    CHECK_EQ(pte_get(slot_va) & (PTE_A | PTE_D), 0);
}

static void machphys(void)
{
    const unsigned long *m2p = (const unsigned long *)MACH2PHYS_VIRT_START;
    unsigned long mfn, pfn;

    ready();
    mfn = va_to_mfn(page);
    pfn = m2p[mfn];
    CHECK_EQ(mmu_write(mfn << 12 | MMU_MACHPHYS_UPDATE, 0x12345), 0);
    CHECK_EQ(m2p[mfn], 0x12345);
    CHECK_EQ(mmu_write(mfn << 12 | MMU_MACHPHYS_UPDATE, pfn), 0);
    CHECK_EQ(m2p[mfn], pfn);
    CHECK(mmu_write(MFN_NONE << 12 | MMU_MACHPHYS_UPDATE, 1) < 0);
    CHECK(mmu_write(~0xffful | MMU_MACHPHYS_UPDATE, 1) < 0);
    /* The first megabyte and the hypervisor's own frames are not this domain's to name. */
    CHECK(mmu_write(0ul << 12 | MMU_MACHPHYS_UPDATE, 1) < 0);
}

static void writable_table_refused(void)
{
    uint64_t *l1 = pte_of(l4_kernel, (uint64_t)slot_va & ~0x1ffffful, 1);
    const void *tables[] = { l4_kernel, mfn_to_va(PTE_MFN(l4_kernel[511])), l1 };

    ready();
    for (int i = 0; i < 3; i++) {
        uint64_t machine = va_to_machine((const void *)((uint64_t)tables[i] & ~0xffful));

        CHECK(mmu_write(slot, machine | PTE_RW) < 0);
        CHECK_EQ(pte_get(slot_va), 0);
        CHECK_EQ(mmu_write(slot, machine | PTE_RO), 0);
        CHECK(mmu_write(slot, machine | PTE_RW) < 0);
        CHECK(mmu_write(slot | MMU_PT_UPDATE_PRESERVE_AD, machine | PTE_RW) < 0);
        CHECK(pte_set(slot_va, machine | PTE_RW) < 0);
        CHECK_EQ(pte_get(slot_va) & PTE_W, 0);
        CHECK_EQ(mmu_write(slot, 0), 0);
    }
}

/* The same through the fast path: an entry that already maps the frame, one bit changed. */
static void read_only_to_writable(void)
{
    ready();
    CHECK_EQ(mmu_write(slot, va_to_machine(page) | PTE_RO), 0);
    CHECK_EQ(mmu_write(slot, va_to_machine(page) | PTE_RW), 0);
    slot_va[0] = 5;
    CHECK_EQ(page[0], 5);
    CHECK_EQ(mmu_write(slot, va_to_machine(page) | PTE_RO), 0);
    mmuext(MMUEXT_INVLPG_LOCAL, (uint64_t)slot_va, 0);
    TRY("movb $6, (%0)", : "r"(slot_va) : "memory");
    CHECK_EQ(fault.vector, 14);
    CHECK_EQ(page[0], 5);
}

static void table_of_writable_refused(void)
{
    uint64_t *table = page_alloc();
    uint64_t va = (uint64_t)slot_va + (64ul << 20);
    uint64_t *l2e = pte_of(l4_kernel, va, 2);

    ready();
    CHECK_EQ(*l2e, 0);
    /* table is still mapped writable in the direct map */
    CHECK(mmu_write(va_to_machine(l2e), va_to_machine(table) | PTE_RW) < 0);
    CHECK_EQ(*l2e, 0);
    page_protect(table, false);
    CHECK_EQ(mmu_write(va_to_machine(l2e), va_to_machine(table) | PTE_RW), 0);
    CHECK(page_protect(table, true) < 0);
    CHECK_EQ(mmu_write(va_to_machine(l2e), 0), 0);
    CHECK_EQ(page_protect(table, true), 0);
    page_free(table);
}

static void table_with_bad_entry_refused(void)
{
    static const uint64_t bad[] = { MFN_NONE << 12 | PTE_RO, 0x000fffffffff0000 | PTE_P };
    uint64_t *table = page_alloc();
    uint64_t va = (uint64_t)slot_va + (64ul << 20);
    uint64_t *l2e = pte_of(l4_kernel, va, 2);

    for (unsigned int i = 0; i < 2; i++) {
        table[300] = bad[i];
        page_protect(table, false);
        CHECK(mmu_write(va_to_machine(l2e), va_to_machine(table) | PTE_RW) < 0);
        CHECK_EQ(*l2e, 0);
        /* Nothing of the attempt stays: the page can be written again, and its references are gone. */
        CHECK_EQ(page_protect(table, true), 0);
    }
    table[300] = va_to_machine(l4_kernel) | PTE_RW;
    page_protect(table, false);
    CHECK(mmu_write(va_to_machine(l2e), va_to_machine(table) | PTE_RW) < 0);
    CHECK_EQ(page_protect(table, true), 0);
    table[300] = 0;
    page_free(table);
}

/* XSA-148: a superpage entry would map what no check has seen. */
static void superpage_refused(void)
{
    uint64_t va = (uint64_t)slot_va + (64ul << 20);
    uint64_t *l2e = pte_of(l4_kernel, va, 2);
    uint64_t *l3e = pte_of(l4_kernel, va, 3);
    uint64_t two_meg = va_to_machine(page) & ~0x1ffffful;

    ready();
    CHECK(mmu_write(va_to_machine(l2e), two_meg | PTE_RW | PTE_PSE) < 0);
    CHECK(mmu_write(va_to_machine(l2e), two_meg | PTE_RO | PTE_PSE) < 0);
    CHECK_EQ(*l2e, 0);
    CHECK(mmu_write(va_to_machine(l3e), *l3e | PTE_PSE) < 0);
    CHECK(!(*l3e & PTE_PSE));
    l2e = pte_of(l4_kernel, VIRT_BASE, 2);
    CHECK(mmu_write(va_to_machine(l2e), *l2e | PTE_PSE) < 0);
    CHECK(!(*l2e & PTE_PSE));
}

static void wrong_level_refused(void)
{
    uint64_t va = (uint64_t)slot_va + (64ul << 20);
    uint64_t *l2e = pte_of(l4_kernel, va, 2);
    uint64_t l2 = va_to_machine((void *)((uint64_t)l2e & ~0xffful));
    uint64_t l3 = va_to_machine((void *)((uint64_t)pte_of(l4_kernel, va, 3) & ~0xffful));

    CHECK(mmu_write(va_to_machine(l2e), l2 | PTE_RW) < 0);              /* itself: writable tables */
    CHECK(mmu_write(va_to_machine(l2e), l3 | PTE_RW) < 0);
    CHECK(mmu_write(va_to_machine(l2e), va_to_machine(l4_kernel) | PTE_RW) < 0);
    CHECK(mmu_write(va_to_machine(&l4_kernel[3]), l2 | PTE_RW) < 0);
    CHECK_EQ(*l2e, 0);
    CHECK_EQ(l4_kernel[3], 0);
}

/* XSA-182, -185: a root that maps itself writable. */
static void recursive_root_refused(void)
{
    uint64_t me = va_to_machine(l4_kernel);

    CHECK(mmu_write(va_to_machine(&l4_kernel[3]), me | PTE_RW) < 0);
    CHECK(!(l4_kernel[3] & PTE_W));
    /* Read-only, a hypervisor may allow it; then no write may turn it. */
    if (mmu_write(va_to_machine(&l4_kernel[3]), me | PTE_RO) == 0) {
        CHECK(mmu_write(va_to_machine(&l4_kernel[3]), me | PTE_RW) < 0);
        CHECK(mmu_write(va_to_machine(&l4_kernel[3]) | MMU_PT_UPDATE_PRESERVE_AD, me | PTE_RW) < 0);
        CHECK_EQ(l4_kernel[3] & PTE_W, 0);
    }
    CHECK_EQ(mmu_write(va_to_machine(&l4_kernel[3]), 0), 0);
}

static void hypervisor_slots_refused(void)
{
    uint64_t old[16], *l3 = page_alloc();

    page_protect(l3, false);
    memcpy(old, &l4_kernel[256], sizeof(old));
    for (int i = 256; i < 272; i++) {
        CHECK(mmu_write(va_to_machine(&l4_kernel[i]), va_to_machine(l3) | PTE_RW) < 0);
        CHECK(mmu_write(va_to_machine(&l4_kernel[i]), 0) < 0);
    }
    CHECK(!memcmp(old, &l4_kernel[256], sizeof(old)));
    CHECK_EQ(mmu_write(va_to_machine(&l4_kernel[255]), va_to_machine(l3) | PTE_RW), 0);
    CHECK_EQ(mmu_write(va_to_machine(&l4_kernel[255]), 0), 0);
    CHECK_EQ(mmu_write(va_to_machine(&l4_kernel[272]), va_to_machine(l3) | PTE_RW), 0);
    CHECK_EQ(mmu_write(va_to_machine(&l4_kernel[272]), 0), 0);
    page_table_free(l3);
}

/* Every level can be built and taken down again; the frames are ordinary ones afterwards. */
static void whole_tree(void)
{
    uint64_t *l1 = page_alloc(), *l2 = page_alloc(), *l3 = page_alloc();
    uint8_t *va = (uint8_t *)(3ul << 39);

    ready();
    page[0] = 0x42;
    l1[0] = va_to_machine(page) | PTE_RW;
    page_protect(l1, false);
    l2[0] = va_to_machine(l1) | PTE_RW;
    page_protect(l2, false);
    l3[0] = va_to_machine(l2) | PTE_RW;
    page_protect(l3, false);
    CHECK_EQ(mmu_write(va_to_machine(&l4_kernel[3]), va_to_machine(l3) | PTE_RW), 0);
    CHECK_EQ(va[0], 0x42);
    CHECK_EQ(mmu_write(va_to_machine(&l1[1]), va_to_machine(page) | PTE_RO), 0);
    CHECK_EQ(va[4096], 0x42);
    CHECK(page_protect(l1, true) < 0);
    CHECK(page_protect(l2, true) < 0);
    CHECK(page_protect(l3, true) < 0);
    CHECK_EQ(mmu_write(va_to_machine(&l3[0]), 0), 0);
    CHECK_EQ(page_protect(l2, true), 0);
    CHECK_EQ(page_protect(l1, true), 0);
    CHECK(page_protect(l3, true) < 0);
    CHECK_EQ(mmu_write(va_to_machine(&l4_kernel[3]), 0), 0);
    CHECK_EQ(page_protect(l3, true), 0);
    TRY("movb (%0), %%al", : "r"(va) : "rax", "memory");
    CHECK_EQ(fault.vector, 14);
    page_free(l1);
    page_free(l2);
    page_free(l3);
}

/* Only what the ABI names may stand in an entry (XSA-402: and no cache type but those agreed on). */
static void entry_bits(void)
{
    uint64_t frame;

    ready();
    frame = va_to_machine(page);
    for (int bit = 0; bit < 64; bit++) {
        uint64_t e = frame | PTE_RO | 1ul << bit;
        bool address = bit >= 12 && bit < 52, ok;

        if (address)
            continue;
        ok = mmu_write(slot, e) == 0;
        /* what must always work: the flags that every kernel uses, and those left to software */
        if (bit < 3 || bit == 5 || bit == 6 || (bit >= 9 && bit < 12) || bit == 63)
            check_eq(ok, true, "a bit that kernels use");
        if (ok && (pte_get(slot_va) & PTE_P)) {
            TRY("movb (%0), %%al", : "r"(slot_va) : "rax", "memory");
            check_eq(fault.vector, -1, "reading through an entry that was taken");
        }
        CHECK_EQ(mmu_write(slot, 0), 0);
    }
}

/* Present bit clear: the hypervisor does not look at the rest. */
static void not_present(void)
{
    ready();
    CHECK_EQ(mmu_write(slot, 0xdeadbeefcafe0000), 0);
    CHECK_EQ(pte_get(slot_va), 0xdeadbeefcafe0000);
    CHECK_EQ(mmu_write(slot, 0), 0);
}

/* XSA-167, -231: frame numbers from everywhere, as the table to write and as the frame to map. */
static void frame_numbers(void)
{
    static const uint64_t mfns[] = { MFN_NONE, 0xffffffffful, 0xfffffffffful, 0x7ffffffffful };

    ready();
    for (unsigned int i = 0; i < sizeof(mfns) / sizeof(mfns[0]); i++) {
        CHECK(mmu_write(mfns[i] << 12, 0) < 0);
        CHECK(mmu_write(slot, mfns[i] << 12 | PTE_RO) < 0);
        CHECK(mmu_write(slot, mfns[i] << 12 | PTE_RW) < 0);
        CHECK_EQ(pte_get(slot_va), 0);
    }
}

/* The frame under the hypervisor: its root table's hypervisor slots tell where some of it lies. */
static void hypervisor_frames_refused(void)
{
    ready();
    for (int i = 256; i < 272; i++) {
        uint64_t mfn = PTE_MFN(l4_kernel[i]);

        if (!(l4_kernel[i] & PTE_P) || mfn == va_to_mfn(l4_kernel))
            continue;
        CHECK(mmu_write(slot, mfn << 12 | PTE_RO) < 0);
        CHECK(mmu_write(slot, mfn << 12 | PTE_RW) < 0);
        CHECK(mmu_write(mfn << 12, 0) < 0);
    }
}

/* Entry written to an ordinary page: just data. */
static void plain_page(void)
{
    ready();
    CHECK_EQ(mmu_write(va_to_machine(page) + 64, 0x1122334455667788), 0);
    CHECK_EQ(((uint64_t *)page)[8], 0x1122334455667788);
}

/* XSA-109: on whose behalf. */
static void foreign_domain(void)
{
    static const unsigned int doms[] = { 1, 1000, DOMID_FIRST_RESERVED - 1, DOMID_COW, DOMID_INVALID, DOMID_IDLE };
    struct mmu_update u = { 0, 0 };

    ready();
    u.ptr = slot;
    u.val = va_to_machine(page) | PTE_RO;
    CHECK_EQ(hyp_mmu_update(&u, 1, NULL, DOMID_SELF), 0);
    for (unsigned int i = 0; i < sizeof(doms) / sizeof(doms[0]); i++) {
        CHECK(hyp_mmu_update(&u, 1, NULL, doms[i]) < 0);
        /* the upper half names the owner of the tables, less one */
        CHECK(hyp_mmu_update(&u, 1, NULL, DOMID_SELF | (uint64_t)(doms[i] + 1) << 16) < 0);
    }
    CHECK_EQ(hyp_mmu_update(&u, 1, NULL, DOMID_SELF | 1ul << 16), 0);
    /* nothing of the domain's own is DOMID_IO's or DOMID_XEN's */
    CHECK_EQ(mmu_write(slot, 0), 0);
    CHECK(hyp_mmu_update(&u, 1, NULL, DOMID_XEN) < 0);
}

static void device_memory(void)
{
    struct mmu_update u = { 0, 0 };

    ready();
    u.ptr = slot;
    u.val = 0xb8000 | PTE_RW | PTE_PCD;
    CHECK_EQ(hyp_mmu_update(&u, 1, NULL, DOMID_IO), 0);
    slot_va[0xf00] = 'p';
    CHECK_EQ(slot_va[0xf00], 'p');
    CHECK_EQ(mmu_write(slot, 0), 0);
    CHECK_EQ(hyp_mmu_update(&u, 1, NULL, DOMID_SELF), 0);
    CHECK_EQ(mmu_write(slot, 0), 0);
    /* The local APIC belongs to the hypervisor. */
    u.val = 0xfee00000 | PTE_RW | PTE_PCD;
    CHECK(hyp_mmu_update(&u, 1, NULL, DOMID_IO) < 0);
    u.val = 0xfee00000 | PTE_RO | PTE_PCD;
    CHECK(hyp_mmu_update(&u, 1, NULL, DOMID_IO) < 0);
}

static void bad_pointers(void)
{
    unsigned int *done = (unsigned int *)0xffff830000000000;
    struct mmu_update u = { 0, 0 };

    ready();
    CHECK_EQ(hyp_mmu_update((void *)0xffff830000000000, 1, NULL, DOMID_SELF), -XEN_EFAULT);
    CHECK_EQ(hyp_mmu_update((void *)0x0000800000000000, 1, NULL, DOMID_SELF), -XEN_EFAULT);
    CHECK_EQ(hyp_mmu_update((void *)0xffffffffbff00000, 1, NULL, DOMID_SELF), -XEN_EFAULT);
    /* An array whose end lies in the hypervisor, though its start does not (XSA-29, -212). */
    CHECK(hyp_mmu_update((void *)0xffff7ffffffffff0, 2, NULL, DOMID_SELF) < 0);
    CHECK(hyp_mmu_update((void *)0xfffffffffffffff0, 2, NULL, DOMID_SELF) < 0);
    CHECK(hyp_mmu_update((void *)0x10, 0x10000000, NULL, DOMID_SELF) < 0);
    CHECK(hyp_mmu_update((void *)0x10, 0xffffffff, NULL, DOMID_SELF) < 0);
    u.ptr = slot;
    /* A count that cannot be told is an error or none, by the hypervisor's taste. */
    CHECK(hyp_mmu_update(&u, 1, done, DOMID_SELF) <= 0);
}

/* Half the array readable: what the count tells is what was done. */
static void array_across_a_hole(void)
{
    struct mmu_update *u = (struct mmu_update *)((uint8_t *)window() + PAGE_SIZE) - 1;
    unsigned int done = 99;
    void *p = page_alloc();

    ready();
    window();
    CHECK_EQ(pte_set(u, va_to_machine(p) | PTE_RW), 0);
    *u = (struct mmu_update){ slot, va_to_machine(page) | PTE_RO };
    CHECK_EQ(hyp_mmu_update(u, 2, &done, DOMID_SELF), -XEN_EFAULT);
    CHECK(done <= 1);
    CHECK_EQ(pte_get(slot_va) & PTE_P, done);
    pte_set(u, 0);
    page_free(p);
}

/* ---- update_va_mapping ---- */

static void va_mapping(void)
{
    unsigned long bitmap = 3;

    ready();
    page[0] = 0x11;
    CHECK_EQ(hyp_update_va_mapping((uint64_t)slot_va, va_to_machine(page) | PTE_RO, UVMF_NONE), 0);
    CHECK_EQ(slot_va[0], 0x11);
    CHECK_EQ(hyp_update_va_mapping((uint64_t)slot_va, 0, UVMF_INVLPG | UVMF_LOCAL), 0);
    TRY("movb (%0), %%al", : "r"(slot_va) : "rax", "memory");
    CHECK_EQ(fault.vector, 14);
    CHECK_EQ(hyp_update_va_mapping((uint64_t)slot_va, va_to_machine(page) | PTE_RW, UVMF_TLB_FLUSH | UVMF_ALL), 0);
    CHECK_EQ(hyp_update_va_mapping((uint64_t)slot_va, va_to_machine(page) | PTE_RO, UVMF_TLB_FLUSH | UVMF_LOCAL), 0);
    TRY("movb $1, (%0)", : "r"(slot_va) : "memory");
    CHECK_EQ(fault.vector, 14);
    CHECK_EQ(hyp_update_va_mapping((uint64_t)slot_va, va_to_machine(page) | PTE_RW, UVMF_INVLPG | UVMF_ALL), 0);
    slot_va[0] = 0x12;
    CHECK_EQ(hyp_update_va_mapping((uint64_t)slot_va, 0, UVMF_INVLPG | (uint64_t)&bitmap), 0);
    TRY("movb (%0), %%al", : "r"(slot_va) : "rax", "memory");
    CHECK_EQ(fault.vector, 14);
}

static void va_mapping_refused(void)
{
    uint64_t e;

    ready();
    e = va_to_machine(page) | PTE_RO;
    CHECK(hyp_update_va_mapping(0x800000000000, e, 0) < 0);
    CHECK(hyp_update_va_mapping(0xffff7fffffffffff, e, 0) < 0);
    CHECK(hyp_update_va_mapping(0xffff830000000000, e, 0) < 0);
    CHECK(hyp_update_va_mapping(MACH2PHYS_VIRT_START, e, 0) < 0);
    CHECK(hyp_update_va_mapping(5ul << 39, e, 0) < 0);                  /* no tables there */
    CHECK(hyp_update_va_mapping((uint64_t)slot_va, MFN_NONE << 12 | PTE_RO, 0) < 0);
    CHECK(hyp_update_va_mapping((uint64_t)slot_va, va_to_machine(l4_kernel) | PTE_RW, 0) < 0);
    CHECK_EQ(pte_get(slot_va), 0);
    /* a bitmap of vCPUs that cannot be read */
    CHECK(hyp_update_va_mapping((uint64_t)slot_va, e, UVMF_INVLPG | 0xffff830000000000) < 0);
    mmu_write(slot, 0);
}

static void va_mapping_other(void)
{
    ready();
    CHECK_EQ(hypercall(__HYPERVISOR_update_va_mapping_otherdomain, (uint64_t)slot_va, 0xb8000 | PTE_RW | PTE_PCD,
                       UVMF_INVLPG, DOMID_IO, 0), 0);
    CHECK_EQ(hypercall(__HYPERVISOR_update_va_mapping_otherdomain, (uint64_t)slot_va, 0, UVMF_INVLPG,
                       DOMID_SELF, 0), 0);
    CHECK(hypercall(__HYPERVISOR_update_va_mapping_otherdomain, (uint64_t)slot_va, va_to_machine(page) | PTE_RO,
                    UVMF_INVLPG, 1000, 0) < 0);
    CHECK_EQ(pte_get(slot_va), 0);
}

TESTS("mmu", TEST(map_and_unmap), TEST(done_count), TEST(command_unknown), TEST(preserve_ad), TEST(machphys),
      TEST(writable_table_refused), TEST(read_only_to_writable), TEST(table_of_writable_refused),
      TEST(table_with_bad_entry_refused), TEST(superpage_refused), TEST(wrong_level_refused),
      TEST(recursive_root_refused), TEST(hypervisor_slots_refused), TEST(whole_tree), TEST(entry_bits),
      TEST(not_present), TEST(frame_numbers), TEST(hypervisor_frames_refused), TEST(plain_page),
      TEST(foreign_domain), TEST(device_memory), TEST(bad_pointers),
      TEST(array_across_a_hole), TEST(va_mapping), TEST(va_mapping_refused), TEST(va_mapping_other));
