// SPDX-License-Identifier: MIT
/* Values that hurt: for each kind of argument its likely ones, its edges, others' things, and noise. */
#include "hostile/hostile.h"

/* xorshift64*: its upper bits are the good ones. */
uint64_t random_next(struct random *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 0x2545f4914f6cdd1dul;
}

uint64_t checksum_of(const void *page, uint64_t sum)
{
    const uint64_t *word = page;

    for (unsigned int i = 0; i < PAGE_SIZE / 8; i++)
        sum = (sum ^ word[i]) * 0x100000001b3ul;
    return sum;
}

void canaries_fill(uint8_t *page[], uint64_t seed)
{
    struct random rnd = { seed | 1 };

    for (unsigned int i = 0; i < NR_CANARIES; i++) {
        page[i] = page_alloc();
        for (unsigned int k = 0; k < PAGE_SIZE / 8; k++)
            ((uint64_t *)page[i])[k] = random_next(&rnd);
    }
}

uint64_t canaries_sum(uint8_t *page[])
{
    uint64_t sum = 0xcbf29ce484222325ul;

    for (unsigned int i = 0; i < NR_CANARIES; i++)
        sum = checksum_of(page[i], sum);
    return sum;
}

#define PICK(r, table) ((table)[random_below(r, sizeof(table) / sizeof((table)[0]))])

static uint64_t any(struct arena *a)
{
    static const uint64_t edges[] = {
        0, 1, 2, 7, 8, 0xfff, 0x1000, 0x1001, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
        0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffff000, ~0ul, ~0ul - 7,
    };
    uint64_t v = random_next(&a->rnd);

    switch (random_below(&a->rnd, 4)) {
    case 0: return PICK(&a->rnd, edges);
    case 1: return v >> (v & 63);
    case 2: return 1ul << (v >> 58);
    default: return v;
    }
}

static uint64_t domid(struct arena *a)
{
    static const uint16_t reserved[] = { 0x7ff0, DOMID_SELF, DOMID_IO, DOMID_XEN, 0x7ff3, 0x7ff4, 0x7ff5, 0x7fff, 0x8000, 0xffff };

    switch (random_below(&a->rnd, 8)) {
    case 0: case 1: return DOMID_SELF;
    case 2: return BOARD->self;
    case 3: return 0;
    case 4: return BOARD->other;
    case 5: return BOARD->self + random_below(&a->rnd, 5) - 2;
    case 6: return PICK(&a->rnd, reserved);
    default: return any(a);
    }
}

static uint64_t frame(struct arena *a)
{
    static const uint64_t odd[] = { 0, 1, 0x9f, 0xa0, 0xb8, 0x100, 0x200, 0xfec00, 0xfee00, 0xfffff, 0x100000,
                                    (1ul << 28) - 1, 1ul << 28, (1ul << 39), (1ul << 40) - 1, 1ul << 52, ~0ul, 0xffffffff };

    switch (random_below(&a->rnd, 8)) {
    case 0: case 1: case 2: case 3: return va_to_mfn(PICK(&a->rnd, a->victim));
    case 4: case 5: return BOARD->target[random_below(&a->rnd, NR_TARGETS) % BOARD->nr_targets];
    case 6: return one_in(&a->rnd, 32) ? p2m[random_below(&a->rnd, start_info->nr_pages)] : PICK(&a->rnd, odd);
    default: return one_in(&a->rnd, 2) ? random_below(&a->rnd, 0x20000) : PTE_MFN(pte_get(a->play + random_below(&a->rnd, NR_PLAY_PAGES) * PAGE_SIZE));
    }
}

static uint64_t play_va(struct arena *a)
{
    return U64(a->play) + random_below(&a->rnd, NR_PLAY_PAGES) * PAGE_SIZE;
}

/* The machine address of the entry that maps a play page, by the guest's own tables. */
static uint64_t play_slot(struct arena *a)
{
    uint64_t *e = pte_of(l4_kernel, play_va(a), 1);

    return e ? va_to_machine(e) : 0;
}

static uint64_t machine_address(struct arena *a)
{
    uint64_t at = one_in(&a->rnd, 2) ? play_slot(a) : frame(a) << 12 | (random_next(&a->rnd) & 0xff8);

    return one_in(&a->rnd, 4) ? at | random_below(&a->rnd, 8) : at;
}

static uint64_t entry(struct arena *a)
{
    static const uint64_t flags[] = {
        PTE_RW, PTE_RW, PTE_RO, PTE_RW | PTE_U, PTE_RO | PTE_U, PTE_RW | PTE_NX, 0, PTE_P, PTE_RW | PTE_PSE, PTE_RW | PTE_G,
        PTE_RW | PTE_PCD | PTE_PWT, PTE_RW | 0xe00, PTE_P | PTE_W,
    };

    if (one_in(&a->rnd, 8))
        return 0;
    if (one_in(&a->rnd, 16))
        return any(a);
    return (frame(a) & ((1ul << 40) - 1)) << 12 | PICK(&a->rnd, flags);
}

/* Where the guest's part ends, and the places of the ABI that lie behind. */
static uint64_t foreign_va(struct arena *a)
{
    static const uint64_t places[] = {
        0, 0x1000, 0x7fffffffe000, 0x7ffffffff000, 0x7fffffffffff, 0x800000000000, 0xffff7fffffffffff, 0xffff800000000000,
        0xffff800000000ff8, 0xffff807fffffffff, 0xffff820000000000, 0xffff82d040000000, 0xffff82d040200000, 0xffff830000000000,
        0xffff830000100000, 0xffff87ffffffffff, 0xffff880000000000, 0xffff87fffffffff8, ~0ul, ~0ul - 4095, 0xfffffffffffffff8,
    };

    return PICK(&a->rnd, places) + (one_in(&a->rnd, 2) ? random_below(&a->rnd, 4096) : 0);
}

static uint64_t address(struct arena *a)
{
    switch (random_below(&a->rnd, 16)) {
    case 0: return foreign_va(a);
    case 1: return one_in(&a->rnd, 16) ? any(a) : play_va(a) + 4093;
    case 2: return U64(PICK(&a->rnd, a->victim));
    case 3: return play_va(a) + (random_next(&a->rnd) & 0xff8);
    default: return play_va(a);
    }
}

/* A place for a structure: in the scratch pages, on their last bytes, across pages, in a play page, or nowhere good. */
static uint64_t guest_pointer(struct arena *a)
{
    uint64_t end = U64(a->scratch) + NR_SCRATCH_PAGES * PAGE_SIZE;

    switch (random_below(&a->rnd, 16)) {
    case 0: return foreign_va(a);
    case 1: return end - random_below(&a->rnd, 128);
    case 2: return play_va(a) + (random_next(&a->rnd) & 0xff8);
    case 3: return U64(PICK(&a->rnd, a->victim)) + random_below(&a->rnd, 4096);
    case 4: return U64(a->scratch) + random_below(&a->rnd, NR_SCRATCH_PAGES * PAGE_SIZE);
    default: return U64(a->scratch) + (random_below(&a->rnd, NR_SCRATCH_PAGES * PAGE_SIZE) & ~7ul);
    }
}

static uint64_t count(struct arena *a)
{
    static const uint64_t wild[] = { 0, 31, 32, 33, 63, 64, 255, 512, 513, 4096, 1ul << 20, 0x7fffffff, 0x80000000, 0x80000001,
                                     0xffffffff, 1ul << 32, 1ul << 61, ~0ul };

    return one_in(&a->rnd, 16) ? PICK(&a->rnd, wild) : random_below(&a->rnd, 5);
}

static uint64_t reference(struct arena *a)
{
    static const uint64_t edges[] = { 511, 512, 1023, 1024, 2047, 2048, 32767, 0x7fffffff, 0x80000000, 0xffffffff };

    return one_in(&a->rnd, 16) ? PICK(&a->rnd, edges) : random_below(&a->rnd, 24);
}

static uint64_t port(struct arena *a)
{
    static const uint64_t edges[] = { 0, 127, 128, 1022, 1023, 1024, 4095, 4096, 131071, 131072, 0x80000000, 0xffffffff };

    return one_in(&a->rnd, 16) ? PICK(&a->rnd, edges) : random_below(&a->rnd, 40);
}

static uint64_t vcpu(struct arena *a)
{
    static const uint64_t edges[] = { 2, 31, 32, 63, 64, 127, 128, 8191, 0x7fffffff, 0xffffffff, 1ul << 32 };

    return one_in(&a->rnd, 8) ? PICK(&a->rnd, edges) : random_below(&a->rnd, 2);
}

static uint64_t time_ns(struct arena *a)
{
    static const uint64_t edges[] = { 0, 1, 999999, 1000000, 1ul << 60, (1ul << 60) + 1, 0x7fffffffffffffff, 1ul << 63, ~0ul };

    return one_in(&a->rnd, 4) ? PICK(&a->rnd, edges) : now_ns() + random_below(&a->rnd, 100000);
}

static uint64_t small(struct arena *a)
{
    return one_in(&a->rnd, 8) ? any(a) : random_below(&a->rnd, 34);
}

static uint64_t bits(struct arena *a)
{
    return one_in(&a->rnd, 16) ? any(a) : random_next(&a->rnd) & 0x1f;
}

static uint64_t version(struct arena *a)
{
    return one_in(&a->rnd, 8) ? any(a) : 0x15;
}

static uint64_t offset(struct arena *a)
{
    return one_in(&a->rnd, 8) ? any(a) : random_below(&a->rnd, 4100);
}

static uint64_t nothing(struct arena *a)
{
    return one_in(&a->rnd, 64) ? any(a) : 0;
}

/* The level 3 or 4 kind of table, of its own root: what a fresh entry may have to point to. */
static uint64_t own_table(struct arena *a)
{
    uint64_t *e = one_in(&a->rnd, 2) ? pte_of(l4_kernel, U64(a->play), (int)random_below(&a->rnd, 3) + 2) : NULL;

    return e ? PTE_MFN(*e) : frame(a);
}

static uint64_t frame_list(struct arena *a)
{
    uint64_t *to = (uint64_t *)(void *)(a->scratch + random_below(&a->rnd, NR_SCRATCH_PAGES) * PAGE_SIZE);

    for (unsigned int i = 0; i < 4; i++)
        to[i] = frame(a);
    return one_in(&a->rnd, 16) ? guest_pointer(a) : U64(to);
}

static uint64_t port_list(struct arena *a)
{
    uint32_t *to = (uint32_t *)(void *)a->scratch;

    for (unsigned int i = 0; i < 4; i++)
        to[i] = (uint32_t)port(a);
    return one_in(&a->rnd, 16) ? guest_pointer(a) : U64(to);
}

/* Whose frames, and whose tables plus one above. */
static uint64_t two_domids(struct arena *a)
{
    return domid(a) | (one_in(&a->rnd, 2) ? (domid(a) + 1) << 16 : 0);
}

static uint64_t (*const kinds[])(struct arena *a) = {
    ['0'] = nothing, ['D'] = two_domids, ['a'] = machine_address, ['b'] = bits, ['d'] = domid, ['e'] = entry, ['f'] = foreign_va, ['g'] = guest_pointer,
    ['i'] = version, ['k'] = vcpu, ['l'] = frame_list, ['m'] = frame, ['n'] = count, ['o'] = offset, ['p'] = port, ['q'] = port_list, ['r'] = reference, ['s'] = small,
    ['t'] = time_ns, ['u'] = own_table, ['v'] = address, ['x'] = any,
};

uint64_t value_of(struct arena *a, char kind)
{
    return kinds[(uint8_t)kind](a);
}

size_t struct_size(const char *layout)
{
    size_t at = 0, most = 1;

    for (; *layout; layout += 2) {
        size_t size = (size_t)(layout[1] - '0');
        most = size > most ? size : most;
        at = ((at + size - 1) & ~(size - 1)) + size;
    }
    return (at + most - 1) & ~(most - 1);
}

size_t struct_fill(struct arena *a, uint8_t *to, const char *layout)
{
    const char *field = layout;

    for (size_t at = 0; *field; field += 2) {
        size_t size = (size_t)(field[1] - '0');
        uint64_t v = value_of(a, field[0]);

        at = (at + size - 1) & ~(size - 1);
        memcpy(to + at, &v, size);
        at += size;
    }
    return struct_size(layout);
}
