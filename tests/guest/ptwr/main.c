// SPDX-License-Identifier: MIT
/*
 * Plain writes to a page table, with writable_pagetables on: each traps, is checked like mmu_update
 * and done, or comes back as the page fault that it is.
 * Why: Linux writes some entries so; and an instruction is decoded here that a second vCPU may
 * rewrite meanwhile.
 */
#include "kit/kit.h"

static uint8_t *page, *other, *va;
static uint64_t *pte;

static void ready(void)
{
    if (!page) {
        page = page_alloc();
        other = page_alloc();
        va = window();
        pte = pte_of(l4_kernel, (uint64_t)va, 1);
    }
    CHECK_EQ(hyp_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
    page[0] = 'p';
    other[0] = 'o';
    pte_set(va, 0);
}

static uint64_t value(const void *of, uint64_t flags)
{
    return va_to_machine(of) | flags;
}

static void check_maps(char what)
{
    mmuext(MMUEXT_INVLPG_LOCAL, (uint64_t)va, 0);
    CHECK_EQ(*(volatile uint8_t *)va, what);
}

static void store(void)
{
    ready();
    *(volatile uint64_t *)pte = value(page, PTE_RW);
    check_maps('p');
    *(volatile uint64_t *)pte = value(other, PTE_RO);
    check_maps('o');
    *(volatile uint64_t *)pte = 0;
    mmuext(MMUEXT_INVLPG_LOCAL, (uint64_t)va, 0);
    TRY("movb (%0), %%al", : "r"(va) : "rax", "memory");
    CHECK_EQ(fault.vector, 14);
}

static void store_forms(void)
{
    ready();
    /* base, index, scale and displacement; a high register; an immediate */
    __asm__ volatile("movq %0, 8(%1, %2, 8)" : : "r"(value(page, PTE_RO)), "r"(pte), "r"(-1l) : "memory");
    check_maps('p');
    __asm__ volatile("movq %0, %%r13\n\tmovq %1, %%r12\n\tmovq %%r13, (%%r12)" : : "r"(value(other, PTE_RO)), "r"(pte)
                     : "r12", "r13", "memory");
    check_maps('o');
    __asm__ volatile("movq $0, (%0)" : : "r"(pte) : "memory");
    CHECK_EQ(*pte, 0);
}

static void exchange(void)
{
    uint64_t old;

    ready();
    *(volatile uint64_t *)pte = value(page, PTE_RO);
    old = __atomic_exchange_n(pte, value(other, PTE_RO), __ATOMIC_SEQ_CST);
    CHECK_EQ(old & ~(uint64_t)PTE_U, value(page, PTE_RO) | (old & (1ul << 52)));
    check_maps('o');
}

static void compare_exchange(void)
{
    uint64_t now;

    ready();
    *(volatile uint64_t *)pte = value(page, PTE_RO);
    now = *pte;
    CHECK(__atomic_compare_exchange_n(pte, &now, value(other, PTE_RO), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    check_maps('o');
    now = 0x1234;
    CHECK(!__atomic_compare_exchange_n(pte, &now, value(page, PTE_RO), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    CHECK_EQ(now, *pte);
    check_maps('o');
}

static void logic(void)
{
    ready();
    *(volatile uint64_t *)pte = value(page, PTE_RW);
    __asm__ volatile("lock andq %1, (%0)" : : "r"(pte), "r"(~PTE_W) : "memory");
    CHECK_EQ(*pte & PTE_W, 0);
    __asm__ volatile("lock orq %1, (%0)" : : "r"(pte), "r"(PTE_W) : "memory");
    CHECK_EQ(*pte & PTE_W, PTE_W);
    __asm__ volatile("lock btrq $1, (%0)" : : "r"(pte) : "memory", "cc");
    CHECK_EQ(*pte & PTE_W, 0);
    check_maps('p');
}

/* A write of half an entry, as a 32-bit writer makes it. */
static void halves(void)
{
    uint64_t v;

    ready();
    v = value(page, PTE_RO);
    ((volatile uint32_t *)pte)[1] = (uint32_t)(v >> 32);
    ((volatile uint32_t *)pte)[0] = (uint32_t)v;
    check_maps('p');
    ((volatile uint32_t *)pte)[0] = 0;
    CHECK_EQ(*pte & 0xffffffff, 0);
}

static void hostile_values(void)
{
    static const uint64_t bad[] = { MFN_NONE << 12 | PTE_RO, 0x000ffffffffff000 | PTE_P };

    ready();
    for (unsigned int i = 0; i < 2; i++) {
        TRY("movq %1, (%0)", : "r"(pte), "r"(bad[i]) : "memory");
        CHECK_EQ(fault.vector, 14);
        CHECK_EQ(fault.error & 7, 3);
        CHECK_EQ(fault.cr2, pte);
        CHECK_EQ(*pte, 0);
    }
    TRY("movq %1, (%0)", : "r"(pte), "r"(value(l4_kernel, PTE_RW)) : "memory");
    CHECK_EQ(fault.vector, 14);
    CHECK_EQ(*pte, 0);
    TRY("movq %1, (%0)", : "r"(pte), "r"(value((void *)((uint64_t)pte & ~0xffful), PTE_RW)) : "memory");
    CHECK_EQ(fault.vector, 14);
    CHECK_EQ(*pte, 0);
}

/* Only L1 tables are written so; instructions that are no plain write of an entry fault. */
static void refused_forms(void)
{
    uint64_t *l2e = pte_of(l4_kernel, (uint64_t)va, 2);
    uint64_t before;

    ready();
    before = *l2e;
    TRY("movq %1, (%0)", : "r"(l2e), "r"(before) : "memory");
    CHECK_EQ(fault.vector, 14);
    TRY("movq %1, (%0)", : "r"(&l4_kernel[3]), "r"(before) : "memory");
    CHECK_EQ(fault.vector, 14);
    CHECK_EQ(l4_kernel[3], 0);
    TRY("movq %1, 4(%0)", : "r"(pte), "r"(0x1111111111111111ul) : "memory");
    CHECK_EQ(fault.vector, 14);
    TRY("movb %%al, (%0)", : "r"(pte) : "memory");
    CHECK(fault.vector == 14 || (*pte & PTE_P) == 0);
    *(volatile uint64_t *)pte = 0;
}

TESTS("ptwr", TEST(store), TEST(store_forms), TEST(exchange), TEST(compare_exchange), TEST(logic), TEST(halves),
      TEST(hostile_values), TEST(refused_forms));
