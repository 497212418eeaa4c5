// SPDX-License-Identifier: MIT
/*
 * mmuext_op: pins, roots, flushes, page operations.
 * Why: pins are what keeps a table's type between two address spaces; an unpin too many, or a type
 * that outlives its page, is an escape (XSA-109, -242, -286 and their kin).
 */
#include "kit/kit.h"

static const unsigned int pin_cmd[] = { 0, MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE,
                                        MMUEXT_PIN_L4_TABLE };

static void pin_each_level(void)
{
    for (int level = 1; level <= 4; level++) {
        void *table = page_table_alloc();
        unsigned long mfn = va_to_mfn(table);

        CHECK_EQ(mmuext(pin_cmd[level], mfn, 0), 0);
        CHECK(page_protect(table, true) < 0);
        CHECK(mmuext(pin_cmd[level], mfn, 0) < 0);              /* once is enough */
        CHECK(page_protect(table, true) < 0);
        for (int other = 1; other <= 4; other++)
            if (other != level)
                CHECK(mmuext(pin_cmd[other], mfn, 0) < 0);
        CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, mfn, 0), 0);
        CHECK(mmuext(MMUEXT_UNPIN_TABLE, mfn, 0) < 0);
        CHECK_EQ(page_protect(table, true), 0);
        page_free(table);
    }
}

static void pin_writable_refused(void)
{
    void *page = page_alloc();

    for (int level = 1; level <= 4; level++) {
        CHECK(mmuext(pin_cmd[level], va_to_mfn(page), 0) < 0);
        CHECK(mmuext(pin_cmd[level], MFN_NONE, 0) < 0);
        CHECK(mmuext(pin_cmd[level], ~0ul, 0) < 0);
        CHECK(mmuext(pin_cmd[level], 0, 0) < 0);
    }
    ((uint64_t *)page)[0] = 1;          /* still ours to write */
    ((uint64_t *)page)[0] = 0;
    page_free(page);
}

static void pin_full_tree(void)
{
    uint64_t *data = page_alloc(), *l1 = page_alloc(), *l2 = page_alloc(), *l3 = page_alloc(), *l4 = page_alloc();

    for (int i = 0; i < 512; i++)
        l1[i] = va_to_machine(data) | (i & 1 ? PTE_RW : PTE_RO);
    page_protect(l1, false);
    l2[3] = va_to_machine(l1) | PTE_RW;
    l2[9] = va_to_machine(l1) | PTE_RW;         /* a table may hang in two places */
    page_protect(l2, false);
    l3[511] = va_to_machine(l2) | PTE_RW;
    page_protect(l3, false);
    l4[0] = va_to_machine(l3) | PTE_RW;
    page_protect(l4, false);
    CHECK_EQ(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(l4), 0), 0);
    CHECK(page_protect(l1, true) < 0);
    CHECK(mmuext(MMUEXT_PIN_L2_TABLE, va_to_mfn(l1), 0) < 0);
    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(l1), 0), 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l4), 0), 0);
    CHECK_EQ(page_protect(l4, true), 0);
    CHECK_EQ(page_protect(l3, true), 0);
    CHECK_EQ(page_protect(l2, true), 0);
    CHECK(page_protect(l1, true) < 0);          /* its own pin is left */
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l1), 0), 0);
    CHECK_EQ(page_protect(l1, true), 0);
    page_free(l4);
    page_free(l3);
    page_free(l2);
    page_free(l1);
    page_free(data);
}

/* A bad entry deep down: the pin fails and leaves every page as it was. */
static void pin_broken_tree(void)
{
    uint64_t *l1 = page_alloc(), *l2 = page_alloc(), *l3 = page_alloc(), *l4 = page_alloc();

    l1[511] = va_to_machine(l3) | PTE_RW;       /* a writable mapping of a table to be */
    page_protect(l1, false);
    for (int i = 0; i < 100; i++)
        l2[i] = va_to_machine(l1) | PTE_RW;
    page_protect(l2, false);
    l3[1] = va_to_machine(l2) | PTE_RW;
    page_protect(l3, false);
    l4[7] = va_to_machine(l3) | PTE_RW;
    page_protect(l4, false);
    CHECK(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(l4), 0) < 0);
    CHECK_EQ(page_protect(l1, true), 0);
    CHECK_EQ(page_protect(l2, true), 0);
    CHECK_EQ(page_protect(l3, true), 0);
    CHECK_EQ(page_protect(l4, true), 0);
    page_free(l1);
    page_free(l2);
    page_free(l3);
    page_free(l4);
}

/* Tables that contain themselves, or a table of their own level. */
static void pin_loop_refused(void)
{
    uint64_t *a = page_alloc(), *b = page_alloc();

    a[0] = va_to_machine(a) | PTE_RW;
    page_protect(a, false);
    CHECK(mmuext(MMUEXT_PIN_L2_TABLE, va_to_mfn(a), 0) < 0);
    CHECK(mmuext(MMUEXT_PIN_L3_TABLE, va_to_mfn(a), 0) < 0);
    CHECK(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(a), 0) < 0);
    page_protect(a, true);
    a[0] = va_to_machine(b) | PTE_RW;
    b[0] = va_to_machine(a) | PTE_RW;
    page_protect(a, false);
    page_protect(b, false);
    for (int level = 2; level <= 4; level++)
        CHECK(mmuext(pin_cmd[level], va_to_mfn(a), 0) < 0);
    CHECK_EQ(page_protect(a, true), 0);
    CHECK_EQ(page_protect(b, true), 0);
    a[0] = b[0] = 0;
    page_free(a);
    page_free(b);
}

static void unpin_refused(void)
{
    void *page = page_alloc();

    CHECK(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(page), 0) < 0);
    CHECK(mmuext(MMUEXT_UNPIN_TABLE, MFN_NONE, 0) < 0);
    CHECK(mmuext(MMUEXT_UNPIN_TABLE, ~0ul, 0) < 0);
    page_free(page);
}

/* The root in use outlives its pin. */
static void unpin_current_root(void)
{
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l4_kernel), 0), 0);
    CHECK(page_protect(l4_kernel, true) < 0);
    CHECK_EQ(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(l4_kernel), 0), 0);
}

static void new_baseptr(void)
{
    uint64_t *l4 = page_alloc();

    for (int i = 0; i < 512; i++)
        if (i < 256 || i > 271)
            l4[i] = l4_kernel[i];
    page_protect(l4, false);
    CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(l4), 0), 0);
    CHECK(page_protect(l4, true) < 0);
    CHECK(((const unsigned long *)MACH2PHYS_VIRT_START)[p2m[9]] == 9);
    CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(l4_kernel), 0), 0);
    CHECK_EQ(page_protect(l4, true), 0);
    page_free(l4);
}

static void new_baseptr_refused(void)
{
    void *page = page_alloc();
    uint64_t *l1 = page_table_alloc();

    CHECK(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(page), 0) < 0);
    CHECK(mmuext(MMUEXT_NEW_BASEPTR, MFN_NONE, 0) < 0);
    CHECK(mmuext(MMUEXT_NEW_BASEPTR, ~0ul, 0) < 0);
    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(l1), 0), 0);
    CHECK(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(l1), 0) < 0);
    CHECK(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(l1), 0) < 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l1), 0), 0);
    CHECK(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(page), 0) < 0);
    CHECK(mmuext(MMUEXT_NEW_USER_BASEPTR, MFN_NONE, 0) < 0);
    page_table_free(l1);
    page_free(page);
}

static void user_baseptr(void)
{
    uint64_t *l4 = page_table_alloc();

    CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(l4), 0), 0);
    CHECK(page_protect(l4, true) < 0);
    CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(l4), 0), 0);
    CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    CHECK_EQ(page_protect(l4, true), 0);
    page_free(l4);
}

static void flushes(void)
{
    unsigned long vcpus = 3, none = 0;
    uint64_t va = (uint64_t)&vcpus;

    CHECK_EQ(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0), 0);
    CHECK_EQ(mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0), 0);
    CHECK_EQ(mmuext(MMUEXT_INVLPG_LOCAL, va, 0), 0);
    CHECK_EQ(mmuext(MMUEXT_INVLPG_ALL, va, 0), 0);
    CHECK_EQ(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (uint64_t)&vcpus), 0);
    CHECK_EQ(mmuext(MMUEXT_INVLPG_MULTI, va, (uint64_t)&vcpus), 0);
    CHECK_EQ(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (uint64_t)&none), 0);
    CHECK_EQ(mmuext(MMUEXT_FLUSH_CACHE, 0, 0), 0);
    CHECK_EQ(mmuext(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0), 0);
    /* an address of any kind is only a hint of what to flush */
    CHECK_EQ(mmuext(MMUEXT_INVLPG_LOCAL, 0x800000000000, 0), 0);
    CHECK_EQ(mmuext(MMUEXT_INVLPG_LOCAL, 0xffff830000000000, 0), 0);
    CHECK_EQ(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, 0xffff830000000000) < 0, true);
    CHECK_EQ(mmuext(MMUEXT_INVLPG_MULTI, va, 0x800000000000) < 0, true);
}

static void flush_works(void)
{
    uint8_t *a = page_alloc(), *b = page_alloc(), *va = window();
    uint64_t slot = va_to_machine(pte_of(l4_kernel, (uint64_t)va, 1));
    static const unsigned int cmds[] = { MMUEXT_TLB_FLUSH_LOCAL, MMUEXT_TLB_FLUSH_ALL, MMUEXT_INVLPG_LOCAL,
                                         MMUEXT_INVLPG_ALL };

    a[0] = 'a';
    b[0] = 'b';
    for (int i = 0; i < 4; i++) {
        mmu_write(slot, va_to_machine(a) | PTE_RO);
        mmuext(cmds[i], (uint64_t)va, 0);
        CHECK_EQ(*(volatile uint8_t *)va, 'a');
        mmu_write(slot, va_to_machine(b) | PTE_RO);
        mmuext(cmds[i], (uint64_t)va, 0);
        CHECK_EQ(*(volatile uint8_t *)va, 'b');
    }
    mmu_write(slot, 0);
    page_free(a);
    page_free(b);
}

static void clear_and_copy(void)
{
    uint8_t *a = page_alloc(), *b = page_alloc();
    uint64_t *table = page_table_alloc();

    memset(a, 0xaa, PAGE_SIZE);
    CHECK_EQ(mmuext(MMUEXT_COPY_PAGE, va_to_mfn(b), va_to_mfn(a)), 0);
    CHECK(!memcmp(a, b, PAGE_SIZE));
    CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE, va_to_mfn(b), 0), 0);
    CHECK_EQ(b[0] | b[4095], 0);
    /* A table cannot be written so. */
    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(table), 0), 0);
    CHECK(mmuext(MMUEXT_CLEAR_PAGE, va_to_mfn(table), 0) < 0);
    CHECK(mmuext(MMUEXT_COPY_PAGE, va_to_mfn(table), va_to_mfn(a)) < 0);
    CHECK(mmuext(MMUEXT_CLEAR_PAGE, va_to_mfn(l4_kernel), 0) < 0);
    CHECK(mmuext(MMUEXT_COPY_PAGE, va_to_mfn(l4_kernel), va_to_mfn(a)) < 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(table), 0), 0);
    CHECK(mmuext(MMUEXT_CLEAR_PAGE, MFN_NONE, 0) < 0);
    CHECK(mmuext(MMUEXT_COPY_PAGE, va_to_mfn(b), MFN_NONE) < 0);
    CHECK(mmuext(MMUEXT_COPY_PAGE, ~0ul, va_to_mfn(a)) < 0);
    page_table_free(table);
    page_free(a);
    page_free(b);
}

static void superpage_marks_refused(void)
{
    CHECK(mmuext(MMUEXT_MARK_SUPER, 0, 0) < 0);
    CHECK(mmuext(MMUEXT_UNMARK_SUPER, 0, 0) < 0);
    CHECK(mmuext(MMUEXT_MARK_SUPER, va_to_mfn(l4_kernel) & ~511ul, 0) < 0);
}

static void set_ldt(void)
{
    uint64_t *ldt = page_alloc();
    uint16_t back = 0;

    ldt[0] = 0x00cff3000000ffff;        /* flat data, DPL 3 */
    ldt[511] = 0x00cff3000000ffff;
    page_protect(ldt, false);
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, (uint64_t)ldt, 512), 0);
    TRY("movw %0, %%es", : "r"((uint16_t)7) : "memory");
    CHECK_EQ(fault.vector, -1);
    __asm__ volatile("movw %%es, %0" : "=r"(back));
    CHECK_EQ(back, 7);
    TRY("movw %0, %%es", : "r"((uint16_t)(511 * 8 + 7)) : "memory");
    CHECK_EQ(fault.vector, -1);
    TRY("movw %0, %%es", : "r"((uint16_t)(512 * 8 + 7)) : "memory");
    CHECK_EQ(fault.vector, 13);
    CHECK_EQ(fault.error, 512 * 8 + 4);
    __asm__ volatile("movw %0, %%es" : : "r"((uint16_t)0));
    /* in use, its page is a descriptor page: never writable */
    CHECK(page_protect(ldt, true) < 0);
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
    TRY("movw %0, %%es", : "r"((uint16_t)7) : "memory");
    CHECK_EQ(fault.vector, 13);
    CHECK_EQ(page_protect(ldt, true), 0);
    page_free(ldt);
}

static void set_ldt_refused(void)
{
    uint64_t *page = page_alloc();

    CHECK(mmuext(MMUEXT_SET_LDT, (uint64_t)page, 8193) < 0);
    CHECK(mmuext(MMUEXT_SET_LDT, (uint64_t)page, ~0u) < 0);
    CHECK(mmuext(MMUEXT_SET_LDT, (uint64_t)page + 8, 1) < 0);
    CHECK(mmuext(MMUEXT_SET_LDT, 0xffff830000000000, 512) < 0);
    CHECK(mmuext(MMUEXT_SET_LDT, 0x800000000000, 512) < 0);
    /* the last page before the hypervisor's part, and a table longer than that */
    CHECK(mmuext(MMUEXT_SET_LDT, 0xffff7ffffffff000, 1024) < 0);
    /* A writable page is not taken. */
    if (mmuext(MMUEXT_SET_LDT, (uint64_t)page, 512) == 0) {
        page[0] = 0x00cff3000000ffff;
        TRY("movw %0, %%es", : "r"((uint16_t)7) : "memory");
        CHECK(fault.vector == 13 || fault.vector == 14);
        page[0] = 0;
    }
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
    page_free(page);
}

/* A page of a table that is not fit for it is a hole; the others serve. */
static void ldt_with_a_hole(void)
{
    static uint64_t ldt[3 * 512] __attribute__((aligned(4096)));

    ldt[0] = ldt[512] = ldt[1024] = 0x00cff3000000ffff;
    page_protect(ldt, false);
    page_protect(ldt + 1024, false);
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, (uint64_t)ldt, 1025), 0);
    TRY("movw %0, %%es", : "r"((uint16_t)7) : "memory");
    CHECK_EQ(fault.vector, -1);
    TRY("movw %0, %%es", : "r"((uint16_t)(1024 * 8 + 7)) : "memory");
    CHECK_EQ(fault.vector, -1);
    TRY("movw %0, %%es", : "r"((uint16_t)(512 * 8 + 7)) : "memory");
    CHECK(fault.vector == 13 || fault.vector == 14);
    TRY("movw %0, %%es", : "r"((uint16_t)(1025 * 8 + 7)) : "memory");
    CHECK_EQ(fault.vector, 13);
    __asm__ volatile("movw %0, %%es" : : "r"((uint16_t)0));
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
    CHECK_EQ(page_protect(ldt, true), 0);
    CHECK_EQ(page_protect(ldt + 1024, true), 0);
}

static void ldt_try(uint64_t descriptor)
{
    uint64_t *ldt = page_alloc();
    uint32_t rights = 0;

    ldt[1] = descriptor;
    page_protect(ldt, false);
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, (uint64_t)ldt, 512), 0);
    TRY("movw %w1, %%es\n\tlarl %1, %0", "+r"(rights) : "r"(15) : "memory");
    if (fault.vector == -1)
        CHECK_EQ(rights >> 13 & 3, 3);
    else
        CHECK(fault.vector == 13 || fault.vector == 14);
    CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
    CHECK_EQ(page_protect(ldt, true), 0);
    page_free(ldt);
}

/* A descriptor that would open a door is refused, or loses its privilege. */
static void ldt_bad_descriptors(void)
{
    ldt_try(0x00cf93000000ffff);        /* data, DPL 0 */
    ldt_try(0x00af9b000000ffff);        /* 64-bit code, DPL 0 */
    ldt_try(0x0000ec00e0330000);        /* call gate, DPL 3 */
    ldt_try(0x000089000000ffff);        /* TSS */
    ldt_try(0x0000820000000fff);        /* LDT */
}

static void batches(void)
{
    struct mmuext_op o[4] = { { .cmd = MMUEXT_TLB_FLUSH_LOCAL } };
    unsigned int done = 99;

    for (int i = 0; i < 4; i++)
        o[i].cmd = MMUEXT_TLB_FLUSH_LOCAL;
    CHECK_EQ(hyp_mmuext_op(o, 4, &done, DOMID_SELF), 0);
    CHECK_EQ(done, 4);
    o[2].cmd = 14;
    CHECK_EQ(hyp_mmuext_op(o, 4, &done, DOMID_SELF), -XEN_ENOSYS);
    CHECK_EQ(done, 2);
    o[2].cmd = 1000;
    CHECK_EQ(hyp_mmuext_op(o, 4, &done, DOMID_SELF), -XEN_ENOSYS);
    CHECK_EQ(hyp_mmuext_op(o, 0, &done, DOMID_SELF), 0);
    CHECK_EQ(hyp_mmuext_op((void *)0xffff830000000000, 1, NULL, DOMID_SELF), -XEN_EFAULT);
    CHECK(hyp_mmuext_op((void *)0x10, 0xffffffff, NULL, DOMID_SELF) < 0);
    CHECK(hyp_mmuext_op(o, 1, NULL, 1000) < 0);
    CHECK(hyp_mmuext_op(o, 1, NULL, DOMID_INVALID) < 0);
}

TESTS("mmuext", TEST(pin_each_level), TEST(pin_writable_refused), TEST(pin_full_tree), TEST(pin_broken_tree),
      TEST(pin_loop_refused), TEST(unpin_refused), TEST(unpin_current_root), TEST(new_baseptr),
      TEST(new_baseptr_refused), TEST(user_baseptr), TEST(flushes), TEST(flush_works), TEST(clear_and_copy),
      TEST(superpage_marks_refused), TEST(set_ldt), TEST(set_ldt_refused), TEST(ldt_with_a_hole),
      TEST(ldt_bad_descriptors),
      TEST(batches));
