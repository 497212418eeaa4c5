// SPDX-License-Identifier: MIT
/*
 * Memory of a test kernel: pv-drivers/guest/memory.c, and what tests do to page tables beyond it. Page tables are seen at their
 * place in the direct map too, read-only, as the ABI demands. No locks: tests that use two vCPUs leave the allocator to the first.
 */
#include "kit/kit.h"

struct start_info *start_info;
struct shared_info *shared_info;
unsigned long nr_pages;
uint64_t *l4_kernel;

bool str_has(const char *s, const char *what)
{
    size_t n = strlen(what);

    for (; *s; s++)
        if (!memcmp(s, what, n))
            return true;
    return n == 0;
}

/* The window region's L1 slots may name frames that are not at their direct address. */
unsigned long va_to_mfn(const void *va)
{
    uint64_t a = (uint64_t)va;

    if (a - VIRT_BASE < nr_pages * PAGE_SIZE)
        return p2m[(a - VIRT_BASE) / PAGE_SIZE];
    return PTE_MFN(pte_get(va));
}

uint64_t va_to_machine(const void *va)
{
    return (uint64_t)va_to_mfn(va) * PAGE_SIZE + ((uint64_t)va & (PAGE_SIZE - 1));
}

void *mfn_to_va(unsigned long mfn)
{
    return page_of_mfn(mfn);
}

uint64_t *pte_of(uint64_t *l4, uint64_t va, int level)
{
    return page_entry(l4, va, (unsigned int)level);
}

uint64_t pte_get(const void *va)
{
    const uint64_t *e = pte_of(l4_kernel, (uint64_t)va, 1);

    return e ? *e : 0;
}

int pte_set(const void *va, uint64_t pte)
{
    return hyp_update_va_mapping((uint64_t)va, pte, UVMF_INVLPG);
}

int mmu_write(uint64_t ptr, uint64_t val)
{
    struct mmu_update u = { ptr, val };

    return hyp_mmu_update(&u, 1, NULL, DOMID_SELF);
}

int mmuext(unsigned int cmd, uint64_t arg1, uint64_t arg2)
{
    struct mmuext_op o = { .cmd = cmd };

    o.arg1.linear_addr = arg1;
    o.arg2.vcpumask = arg2;
    return hyp_mmuext_op(&o, 1, NULL, DOMID_SELF);
}

void *page_alloc(void)
{
    void *p = pages_alloc(1);

    if (!p) {
        print("kit: out of pages\n");
        finish();
    }
    return p;
}

void page_free(void *va)
{
    pages_free(va, 1);
}

void *page_table_alloc(void)
{
    void *p = page_alloc();

    if (page_protect(p, false)) {
        print("kit: cannot make a page read-only\n");
        finish();
    }
    return p;
}

void page_table_free(void *va)
{
    page_protect(va, true);
    page_free(va);
}

void *window(void)
{
    void *va = page_window();

    if (!va) {
        print("kit: out of windows\n");
        finish();
    }
    return va;
}

void mem_init(struct start_info *si, uint64_t boot_rsp)
{
    start_info = si;
    l4_kernel = (uint64_t *)si->pt_base;
    if (!memory_init(si, boot_rsp))
        print("kit: the direct map stops at page %zu\n", pages_nr_mapped());
    nr_pages = pages_nr_mapped();
    shared_info = window();
    pte_set(shared_info, si->shared_info | PTE_RW);
    vcpu0_info = &shared_info->vcpu_info[0];
}
