// SPDX-License-Identifier: MIT
// The invariant that all memory safety of PV guests stands on, under a random hostile guest: after each
// step every reference and count of every frame is recomputed from the raw page tables (the oracle).
// Preemption strikes anywhere, restarts may be forsaken, TLBs remember what nobody flushed.
#include "unit_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "core/preempt.h"
#include "cpu/smp.h"
#include "fake_machine.h"
#include "mm/page_table.h"
#include "mm/page_alloc.h"
#include "mm/page_table.h"
#include "pv/page_type.h"
#include "pv/pv_domain.h"
#include "pv/pv_mmu.h"

#define NR_FRAMES 48u
#define FIRST_HYP 40u              // then one of a foreign domain, one of device memory
#define FOREIGN   44u
#define DEVICE    45u
#define OWN       0u
#define OTHER     7u
#define MAX_OPS   40u
#define STEPS     400000u

pte_t hyp_l4[PT_ENTRIES];
struct cpumask online_cpus;
static struct pv_domain domain, other;
static struct pv_vcpu vcpu;
static uint64_t random_state;
static unsigned preempt_in;
static uint64_t restart_args[5];
static uint64_t loaded_cr3;
static bool forsakes_restarts;
static bool is_pinned_down[NR_FRAMES];

// What entries are ever used: the rest of each table is zero.
static const uint16_t slots[] = {
    0, 1, 2, 255, 256, 257, 258, 259, 260, 261, 262, 263, 264, 265, 266, 267, 268, 269, 270, 271, 272, 511,
};

// --- The machine ---------------------------------------------------------------------------------

// One CPU's TLB per bit 0..1: may it write the frame, does it walk it as a table of which type?
static uint8_t cached_writable[NR_FRAMES], cached_table[2][NR_FRAMES];
static uint32_t flush_clock = 1, flush_stamp[2];

static void cpu_flushes(unsigned cpu)
{
    flush_stamp[cpu] = ++flush_clock;
    for (unsigned i = 0; i < NR_FRAMES; i++) {
        cached_writable[i] &= (uint8_t)~(1u << cpu);
        cached_table[cpu][i] = 0;
    }
}

uint32_t tlb_clock(void)
{
    return flush_clock;
}

void tlb_filter(struct cpumask *cpus, uint32_t stamp)
{
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        if (flush_stamp[cpu] > stamp)
            cpumask_clear(cpus, cpu);
    }
}

void tlb_flush_mask(const struct cpumask *cpus, uint64_t va)
{
    for (unsigned cpu = 0; cpu < 2 && va == FLUSH_TLB_ALL_VA; cpu++) {
        if (cpumask_test(cpus, cpu))
            cpu_flushes(cpu);
    }
}

void tlb_load_cr3(uint64_t cr3)
{
    loaded_cr3 = cr3;
    cpu_flushes(0);
}

void tlb_flush_local(void)
{
    cpu_flushes(0);
}

// Time flies: what waits for another vCPU does so once.
uint64_t clock_now(void)
{
    static uint64_t now;

    return now += 150000000;
}

bool preempt_wanted(void)
{
    return preempt_in && !--preempt_in;
}

size_t guest_copy_raw(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
    return 0;
}

long hypercall_restart(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    restart_args[0] = a1, restart_args[1] = a2, restart_args[2] = a3, restart_args[3] = a4, restart_args[4] = a5;
    return HYPERCALL_RESTART;
}

struct domain *domain_get_by_id(unsigned id)
{
    return id == OTHER ? &other.domain : id == OWN ? &domain.domain : NULL;
}

void domain_put(struct domain *d)
{
    (void)d;
}

void m2p_set(mfn_t m, uint64_t pfn)
{
    if (!mfn_valid(m))
        abort();
    (void)pfn;
}

enum mmio_access mmio_access(const struct pv_domain *d, mfn_t m)
{
    if (!d->domain.is_control)
        return MMIO_NONE;
    return m.n == DEVICE ? MMIO_READ : MMIO_FULL;
}

int pv_set_ldt(struct pv_vcpu *v, uint64_t base, uint32_t entries)
{
    (void)v, (void)base, (void)entries;
    return 0;
}

static void frame_freed(struct frame *f)
{
    frame_reset(f);
    for (unsigned cpu = 0; cpu < 2; cpu++)
        cpu_flushes(cpu);
}

void page_free(mfn_t start, unsigned order)
{
    (void)start, (void)order;
    abort();
}

static pte_t *table_of(unsigned n)
{
    return mfn_to_virt(mfn(n));
}

static void machine_create(uint64_t seed)
{
    random_state = seed * 2 + 1;
    preempt_in = 0;
    loaded_cr3 = 0;
    forsakes_restarts = seed % 4 < 2;
    fake_memory_create(NR_FRAMES, 0);
    memset(mfn_to_virt(mfn(0)), 0, NR_FRAMES * PAGE_SIZE);
    memset(&domain, 0, sizeof(domain));
    memset(&other, 0, sizeof(other));
    memset(&vcpu, 0, sizeof(vcpu));
    memset(cached_writable, 0, sizeof(cached_writable));
    memset(cached_table, 0, sizeof(cached_table));
    memset(is_pinned_down, 0, sizeof(is_pinned_down));
    frame_freed_hook = frame_freed;
    cpumask_fill(&online_cpus, 2);
    domain.domain.id = OWN;
    domain.domain.is_control = seed % 2;
    domain.domain.max_vcpus = 1;
    domain.domain.dirty_cpus = online_cpus;
    other.domain.id = OTHER;
    spin_lock_init(&domain.page_lock, LOCK_PAGE_TABLES);
    spin_lock_init(&other.page_lock, LOCK_PAGE_TABLES);
    vcpu.vcpu.domain = &domain.domain;
    domain.domain.vcpu[0] = &vcpu.vcpu;
    fake_current[0] = &vcpu.vcpu;
    for (unsigned i = 0; i < NR_FRAMES; i++)
        frame_reset(&frame_table[i]);
    for (unsigned i = 1; i < FIRST_HYP; i++)
        frame_assign(&frame_table[i], OWN, FRAME_ALLOCATED);
    for (unsigned i = FIRST_HYP; i < FOREIGN; i++)
        frame_assign(&frame_table[i], FRAME_OWNER_HYP, FRAME_ALLOCATED);
    frame_assign(&frame_table[FOREIGN], OTHER, FRAME_ALLOCATED);
    frame_table[DEVICE].ref = (uint64_t)FRAME_OWNER_IO << FRAME_OWNER_SHIFT;
    frame_assign(&frame_table[0], FRAME_OWNER_HYP, FRAME_ALLOCATED); // a base pointer of 0 is none
    for (unsigned i = HYP_L4_FIRST; i <= HYP_L4_LAST; i++)
        hyp_l4[i] = pte_make(mfn(FIRST_HYP + i % 4), PTE_PRESENT | PTE_RW);
}

// --- The oracle ----------------------------------------------------------------------------------

static uint32_t expected_refs[NR_FRAMES], expected_uses[NR_FRAMES];
static unsigned failures;

static void broken(const char *what, unsigned n)
{
    if (failures++ < 5)
        fprintf(stderr, "frame %u: %s; ref %lx type %lx, expected %u refs %u uses\n", n, what,
                (unsigned long)frame_table[n].ref, (unsigned long)frame_table[n].type, expected_refs[n],
                expected_uses[n]);
}

static bool is_table(uint64_t word)
{
    return word >> TYPE_SHIFT >= TYPE_L1 && word >> TYPE_SHIFT <= TYPE_L4;
}

static void count_leaf(unsigned table, pte_t e)
{
    uint64_t n = pte_mfn(e).n;

    if (e.v & (PTE_GLOBAL | UINT64_C(0x7800000000000000)) || !(e.v & PTE_USER))
        broken("a leaf has forbidden flags", table);
    if (n >= NR_FRAMES || n == DEVICE) {
        if (!domain.domain.is_control || (n == DEVICE && e.v & PTE_RW))
            broken("a leaf maps device memory", table);
        return;
    }
    if (frame_owner(&frame_table[n]) != OWN && frame_owner(&frame_table[n]) != OTHER)
        broken("a leaf maps a frame of ours", table);
    expected_refs[n]++;
    if (!(e.v & PTE_RW))
        return;
    expected_uses[n]++;
    cached_writable[n] = 3;
    if (frame_type(&frame_table[n]) != TYPE_WRITABLE)
        broken("a leaf may write what is not WRITABLE", table);
}

static void count_branch(unsigned table, unsigned level, pte_t e)
{
    uint64_t n = pte_mfn(e).n;

    if (e.v & (PTE_PSE | PTE_GLOBAL) || !(e.v & PTE_USER))
        broken("a branch has forbidden flags", table);
    if (n >= NR_FRAMES || frame_owner(&frame_table[n]) != OWN) {
        broken("a branch names a frame of others", table);
        return;
    }
    expected_refs[n]++;
    expected_uses[n]++;
    if (frame_type(&frame_table[n]) != level - 1 || !(frame_table[n].type & TYPE_VALIDATED))
        broken("a branch names what is not a table in use one level down", table);
}

static void count_table(unsigned n, uint64_t word)
{
    unsigned level = (unsigned)(word >> TYPE_SHIFT), end = PT_ENTRIES;

    if (word & TYPE_PARTIAL) {
        end = (unsigned)(word >> TYPE_STAMP_SHIFT & TYPE_STAMP_MASK);
        expected_refs[n]++;
    } else {
        for (unsigned cpu = 0; cpu < 2; cpu++)
            cached_table[cpu][n] = (uint8_t)level;
        if (level == 4 && memcmp(&table_of(n)[HYP_L4_FIRST], &hyp_l4[HYP_L4_FIRST], HYP_L4_SLOTS * sizeof(pte_t)))
            broken("an L4's reserved slots are not ours", n);
    }
    for (unsigned i = 0; i < sizeof(slots) / sizeof(slots[0]) && slots[i] < end; i++) {
        pte_t e = table_of(n)[slots[i]];

        if (!pte_present(e) || (level == 4 && slots[i] >= HYP_L4_FIRST && slots[i] <= HYP_L4_LAST))
            continue;
        if (level == 1)
            count_leaf(n, e);
        else
            count_branch(n, level, e);
    }
}

static void count_all(void)
{
    memset(expected_refs, 0, sizeof(expected_refs));
    memset(expected_uses, 0, sizeof(expected_uses));
    for (unsigned n = 0; n < NR_FRAMES; n++) {
        const struct frame *f = &frame_table[n];

        expected_refs[n] += !!(f->ref & FRAME_ALLOCATED);
        expected_refs[n] += domain.unfinished == f;
        if (f->type & TYPE_PINNED)
            expected_refs[n]++, expected_uses[n]++;
        if (is_pinned_down[n])
            expected_refs[n]++, expected_uses[n]++;
        if (f->type & (TYPE_VALIDATED | TYPE_PARTIAL))
            count_table(n, f->type);
    }
    if (vcpu.cr3_kernel)
        expected_refs[vcpu.cr3_kernel >> 12]++, expected_uses[vcpu.cr3_kernel >> 12]++;
    if (vcpu.cr3_user)
        expected_refs[vcpu.cr3_user >> 12]++, expected_uses[vcpu.cr3_user >> 12]++;
}

static void check_caches(unsigned n, uint64_t word)
{
    bool used = word & (TYPE_COUNT_MASK | TYPE_PARTIAL);
    unsigned type = (unsigned)(word >> TYPE_SHIFT);

    if (cached_writable[n] && used && type != TYPE_WRITABLE)
        broken("a TLB may write a table", n);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        if (cached_table[cpu][n] && used && type != cached_table[cpu][n])
            broken("a TLB walks what is no table any more", n);
    }
}

static void oracle(void)
{
    count_all();
    for (unsigned n = 0; n < NR_FRAMES; n++) {
        const struct frame *f = &frame_table[n];
        uint64_t word = f->type, count = word & TYPE_COUNT_MASK;

        if ((f->ref & FRAME_COUNT_MASK) != expected_refs[n])
            broken("references", n);
        if (count != expected_uses[n])
            broken("uses", n);
        if (is_table(word) && !count == !!(word & TYPE_VALIDATED))
            broken("used and not validated, or the reverse", n);
        if (word & TYPE_PARTIAL && (count || word & (TYPE_PINNED | TYPE_VALIDATED) || !is_table(word)))
            broken("partial, and used", n);
        check_caches(n, word);
    }
    if (vcpu.cr3_kernel && frame_type(&frame_table[vcpu.cr3_kernel >> 12]) != TYPE_L4)
        broken("CR3", (unsigned)(vcpu.cr3_kernel >> 12));
    if (vcpu.cr3_kernel != loaded_cr3)
        broken("the CPU stands on other tables", (unsigned)(loaded_cr3 >> 12));
}

// --- The guest -----------------------------------------------------------------------------------

// A fuzzer's input in the place of chance (tests/fuzz/page_type.c).
static const uint8_t *script;
static size_t script_left;

static unsigned roll(unsigned n)
{
    if (script) {
        if (!script_left)
            return 0;
        script_left--;
        return *script++ % n;
    }
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 11) % n;
}

// Frames have a vocation, so that trees come about by chance: most L1, some of each level above.
static unsigned frame_for(unsigned level)
{
    static const struct { uint8_t first, nr; } vocation[] = {
        { 21, 19 }, { 9, 12 }, { 5, 4 }, { 3, 2 }, { 1, 2 },
    };

    if (roll(16) == 0)
        return roll(NR_FRAMES + 2);
    return vocation[level].first + roll(vocation[level].nr);
}

static unsigned level_of(unsigned n)
{
    return n < 3 ? 4 : n < 5 ? 3 : n < 9 ? 2 : n < 21 ? 1 : 0;
}

static uint64_t random_entry(unsigned level)
{
    uint64_t e = (uint64_t)frame_for(level ? level - 1 : 0) << 12;

    if (roll(8))
        e |= PTE_PRESENT;
    if (roll(2))
        e |= PTE_RW;
    if (roll(2))
        e |= PTE_USER;
    if (roll(24) == 0)
        e |= UINT64_C(1) << roll(64);
    return roll(4) ? e : 0;
}

static uint16_t random_slot(unsigned level)
{
    return slots[roll(level == 4 || roll(8) == 0 ? sizeof(slots) / sizeof(slots[0]) : 4)];
}

static struct mmu_update updates[MAX_OPS];
static struct mmuext_op ops[MAX_OPS];
static uint32_t nr_done;

// A call, restarted as the hypervisor asks; now and then the guest forgets to.
static void call(hypercall_fn *fn, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
    long rc;

    for (unsigned tries = 0;; tries++) {
        preempt_in = roll(3) ? 0 : 1 + roll(12);
        rc = fn(a1, a2, a3, a4, 0);
        preempt_in = 0;
        if (rc != HYPERCALL_RESTART || (forsakes_restarts && roll(6) == 0))
            return;
        oracle();
        if (tries == 10000)
            broken("no progress", 0);
        a1 = restart_args[0], a2 = restart_args[1], a3 = restart_args[2], a4 = restart_args[3];
    }
}

static void do_updates(void)
{
    unsigned nr = 1 + roll(roll(8) ? 3 : MAX_OPS);
    uint32_t foreign = roll(16) ? DOMID_SELF : roll(2) ? OTHER : DOMID_IO;

    for (unsigned i = 0; i < nr; i++) {
        unsigned n = i && roll(2) ? (unsigned)(updates[i - 1].ptr >> 12) : frame_for(1 + roll(4));
        updates[i].ptr = (uint64_t)n << 12 | random_slot(level_of(n)) * 8u | (roll(8) ? 0 : roll(5));
        updates[i].val = random_entry(level_of(n));
    }
    call(do_mmu_update, (uintptr_t)updates, nr, (uintptr_t)&nr_done, foreign);
}

static void do_ext(void)
{
    unsigned nr = 1 + roll(3);

    for (unsigned i = 0; i < nr; i++) {
        unsigned level = 1 + roll(4);
        ops[i].arg1.mfn = roll(64) ? frame_for(level) : UINT64_MAX / (1 + roll(4096));
        switch (roll(8)) {
        case 0: case 1: case 2:
            ops[i].cmd = MMUEXT_PIN_L1_TABLE + level - 1;
            break;
        case 3: case 4:
            ops[i].cmd = MMUEXT_UNPIN_TABLE;
            break;
        case 5:
            ops[i].cmd = roll(2) ? MMUEXT_NEW_BASEPTR : MMUEXT_NEW_USER_BASEPTR;
            ops[i].arg1.mfn = roll(4) ? frame_for(4) : 0;
            break;
        case 6:
            ops[i].cmd = MMUEXT_TLB_FLUSH_LOCAL;
            break;
        default:
            ops[i].cmd = roll(2) ? MMUEXT_CLEAR_PAGE : MMUEXT_COPY_PAGE;
            ops[i].arg2.src_mfn = frame_for(roll(5));
            break;
        }
    }
    call(do_mmuext_op, (uintptr_t)ops, nr, 0, roll(32) ? DOMID_SELF : OTHER);
}

static void do_va_mapping(void)
{
    uint64_t va = 0;

    if (!vcpu.cr3_kernel)
        return;
    for (unsigned level = 4; level; level--)
        va = va << 9 | slots[roll(4)];
    va <<= 12;
    if (va >> 47 & 1)
        va |= UINT64_C(0xffff000000000000);
    call(do_update_va_mapping, va, random_entry(1), roll(2) ? UVMF_NONE : UVMF_TLB_FLUSH | UVMF_ALL, 0);
}

// As a balloon gives frames back and gets them, and a writer inside the hypervisor or a GDT takes them.
static void do_frame(void)
{
    unsigned n = 1 + frame_for(roll(5)) % (FIRST_HYP - 1);
    struct frame *f = &frame_table[n];

    if (is_pinned_down[n]) {
        is_pinned_down[n] = false;
        frame_put_and_type(&domain, f);
    } else if (roll(4) == 0 && frame_owner(f) == OWN && frame_get(f, OWN)) {
        if (frame_clear_allocated(f))
            frame_put(f);
        frame_put(f);
    } else if (frame_owner(f) == FRAME_OWNER_NONE) {
        memset(table_of(n), 0, PAGE_SIZE);
        frame_assign(f, OWN, FRAME_ALLOCATED);
    } else if (roll(2) && !frame_get_and_type(&domain, mfn(n), roll(2) ? TYPE_DESC : TYPE_WRITABLE)) {
        is_pinned_down[n] = true;
    }
}

static void do_compare(void)
{
    unsigned n = frame_for(1), slot = random_slot(1);
    pte_t old;

    if (n >= NR_FRAMES || frame_type(&frame_table[n]) != TYPE_L1 || !(frame_table[n].type & TYPE_VALIDATED))
        return;
    old = table_of(n)[slot];
    if (roll(4) == 0)
        old.v ^= PTE_DIRTY;
    spin_lock(&domain.page_lock);
    (void)leaf_compare_and_update(&domain, &table_of(n)[slot], old, pte(random_entry(1)));
    spin_unlock(&domain.page_lock);
}

static void step(void)
{
    switch (roll(16)) {
    case 0: case 1: case 2: case 3:
        do_ext();
        break;
    case 4: case 5:
        do_frame();
        break;
    case 6:
        do_va_mapping();
        break;
    case 7:
        do_compare();
        break;
    case 8:
        cpu_flushes(1);
        break;
    default:
        do_updates();
        break;
    }
    oracle();
}

// Everything let go: nothing may be left of what was.
static void let_go(void)
{
    for (unsigned n = 0; n < FIRST_HYP; n++) {
        if (is_pinned_down[n]) {
            is_pinned_down[n] = false;
            frame_put_and_type(&domain, &frame_table[n]);
        }
    }
    spin_lock(&domain.page_lock);
    for (unsigned n = 0; n < FIRST_HYP; n++) {
        CU_ASSERT_EQUAL(page_type_finish(&domain), 0);
        if (frame_table[n].type & TYPE_PINNED)
            table_release(&domain, &frame_table[n]);
    }
    if (vcpu.cr3_user)
        frame_put_and_type(&domain, frame_of(paddr_to_mfn(vcpu.cr3_user)));
    if (vcpu.cr3_kernel)
        frame_put_and_type(&domain, frame_of(paddr_to_mfn(vcpu.cr3_kernel)));
    vcpu.cr3_kernel = vcpu.cr3_user = 0;
    loaded_cr3 = 0;
    for (unsigned n = 1; n < FIRST_HYP; n++) {          // forsaken ones
        CU_ASSERT_EQUAL(page_type_finish(&domain), 0);
        CU_ASSERT(forsakes_restarts || !(frame_table[n].type & TYPE_PARTIAL));
        table_release(&domain, &frame_table[n]);
    }
    CU_ASSERT_EQUAL(page_type_finish(&domain), 0);
    spin_unlock(&domain.page_lock);
    spin_lock(&other.page_lock);
    (void)table_unpin(&other, mfn(FOREIGN));
    spin_unlock(&other.page_lock);
}

static unsigned long seen[5], seen_partial;

static void a_hostile_guest_breaks_nothing(void)
{
    const char *seeds = getenv("PAGE_TYPE_SEEDS");
    unsigned nr = seeds ? (unsigned)atoi(seeds) : 8;

    for (unsigned seed = 1; seed <= nr && !failures; seed++) {
        machine_create(seed);
        for (unsigned i = 0; i < STEPS / 8 && !failures; i++) {
            step();
            for (unsigned n = 0; n < NR_FRAMES; n++) {
                if (frame_table[n].type & TYPE_VALIDATED)
                    seen[frame_type(&frame_table[n])]++;
                seen_partial += !!(frame_table[n].type & TYPE_PARTIAL);
            }
        }
        let_go();
        oracle();
        for (unsigned n = 0; n < NR_FRAMES && !failures; n++)
            CU_ASSERT(!(frame_table[n].type & TYPE_COUNT_MASK));
        if (failures)
            fprintf(stderr, "seed %u\n", seed);
    }
    CU_ASSERT_EQUAL(failures, 0);
}

// The random guest is worth something only if it gets somewhere.
static void it_was_hostile_enough(void)
{
    for (unsigned level = 1; level <= 4; level++)
        CU_ASSERT(seen[level] > STEPS / 8);
    CU_ASSERT(seen_partial > 1000);
    fprintf(stderr, "tables in use: %lu %lu %lu %lu, partial %lu\n", seen[1], seen[2], seen[3], seen[4], seen_partial);
}

// In page tables that Debian's Xen saved, leaves of user mode are global.
static void a_global_leaf_is_taken_without_the_flag(void)
{
    const uint64_t leaf = UINT64_C(21) << 12 | PTE_PRESENT | PTE_RW | PTE_USER;

    machine_create(2);
    table_of(9)[0] = pte(leaf | PTE_GLOBAL);
    spin_lock(&domain.page_lock);
    CU_ASSERT_EQUAL(frame_get_and_type(&domain, mfn(9), TYPE_L1), 0);
    CU_ASSERT_EQUAL(table_of(9)[0].v, leaf);
    CU_ASSERT_EQUAL(leaf_update(&domain, table_of(9), pte((leaf & ~PTE_RW) | PTE_GLOBAL), OWN, 0), 0);
    CU_ASSERT_EQUAL(table_of(9)[0].v, leaf & ~PTE_RW);
    frame_put_and_type(&domain, &frame_table[9]);
    spin_unlock(&domain.page_lock);
    CU_ASSERT_EQUAL(frame_type(&frame_table[9]), TYPE_L1);
    CU_ASSERT(!(frame_table[21].type & TYPE_COUNT_MASK));
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "a_global_leaf_is_taken_without_the_flag", a_global_leaf_is_taken_without_the_flag },
        { "a_hostile_guest_breaks_nothing", a_hostile_guest_breaks_nothing },
        { "it_was_hostile_enough", it_was_hostile_enough },
        { NULL, NULL },
    };

    return unit_main("page_type", tests);
}
