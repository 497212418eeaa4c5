// SPDX-License-Identifier: MIT
/*
 * Memory of a test kernel. The loader maps the image and a few spare pages; mem_init continues that
 * mapping over the domain's first pages, so that page frame n is always seen at VIRT_BASE + 4096 * n.
 * Page tables are seen there too, read-only, as the ABI demands. No locks: tests that use two vCPUs
 * leave the allocator to the first.
 */
#include "kit/kit.h"

#define MAX_PAGES (48ul << 8)           /* 48 MiB are enough for every test */
#define WINDOW_VA 0xffffffffb0000000ul  /* in VIRT_BASE's gigabyte, above the direct map */

struct start_info *start_info;
struct shared_info *shared_info;
unsigned long nr_pages;
uint64_t *p2m, *l4_kernel;
static uint64_t free_pfn;               /* never handed out yet: this and what follows */
static void *free_list;
static uint64_t window_next;

void *memset(void *p, int c, size_t n)
{
    void *r = p;

    __asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(c) : "memory");
    return r;
}

void *memcpy(void *to, const void *from, size_t n)
{
    void *r = to;

    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return r;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;

    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return x[i] - y[i];
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

bool str_has(const char *s, const char *what)
{
    size_t n = strlen(what);

    for (; *s; s++)
        if (!memcmp(s, what, n))
            return true;
    return n == 0;
}

static void *pfn_to_va(uint64_t pfn)
{
    return (void *)(VIRT_BASE + pfn * PAGE_SIZE);
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
    return pfn_to_va(((const unsigned long *)MACH2PHYS_VIRT_START)[mfn]);
}

uint64_t *pte_of(uint64_t *l4, uint64_t va, int level)
{
    uint64_t *table = l4;

    for (int l = 4; ; l--) {
        uint64_t *e = &table[va >> (12 + 9 * (l - 1)) & 511];

        if (l == level)
            return e;
        if (!(*e & PTE_P) || (l == 2 && (*e & PTE_PSE)))
            return NULL;
        table = mfn_to_va(PTE_MFN(*e));
    }
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

int page_protect(void *va, bool writable)
{
    return pte_set(va, va_to_mfn(va) * PAGE_SIZE | (writable ? PTE_RW : PTE_RO));
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
    void *p = free_list;

    if (p) {
        free_list = *(void **)p;
    } else {
        if (free_pfn >= nr_pages) {
            print("kit: out of pages\n");
            finish();
        }
        p = pfn_to_va(free_pfn++);
    }
    return memset(p, 0, PAGE_SIZE);
}

void page_free(void *va)
{
    *(void **)va = free_list;
    free_list = va;
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

/* The L1 table for va, made if there is none. Its own page is mapped: it comes from the allocator. */
static uint64_t *l1_slot(uint64_t va)
{
    uint64_t *l2e = pte_of(l4_kernel, va, 2);

    if (!(*l2e & PTE_P)) {
        void *table = page_table_alloc();

        mmu_write(va_to_machine(l2e), va_to_machine(table) | PTE_RW | PTE_U);
    }
    return pte_of(l4_kernel, va, 1);
}

void *window(void)
{
    void *va = (void *)window_next;

    l1_slot(window_next);
    window_next += PAGE_SIZE;
    return va;
}

/* Extends the direct map. The pages that hold new tables lie behind the stack and are mapped already. */
void mem_init(struct start_info *si, uint64_t boot_rsp)
{
    uint64_t wanted = si->nr_pages < MAX_PAGES ? si->nr_pages : MAX_PAGES;

    start_info = si;
    window_next = WINDOW_VA;
    p2m = (uint64_t *)si->mfn_list;
    l4_kernel = (uint64_t *)si->pt_base;
    free_pfn = (((boot_rsp - VIRT_BASE) | (PAGE_SIZE - 1)) + 1) / PAGE_SIZE;
    nr_pages = free_pfn;
    while (nr_pages < wanted && (pte_get(pfn_to_va(nr_pages)) & PTE_P))
        nr_pages++;
    for (uint64_t pfn = nr_pages; pfn < wanted; pfn++, nr_pages++) {
        uint64_t *slot = l1_slot(VIRT_BASE + pfn * PAGE_SIZE);

        if (mmu_write(va_to_machine(slot), p2m[pfn] * PAGE_SIZE | PTE_RW)) {
            print("kit: direct map stops at page %lu\n", (unsigned long)pfn);
            break;
        }
    }
    shared_info = window();
    pte_set(shared_info, si->shared_info | PTE_RW);
    vcpu0_info = &shared_info->vcpu_info[0];
}
