// SPDX-License-Identifier: MIT
/*
 * Bringing up other CPUs, one at a time: INIT, start-up message, trampoline.S,
 * smp_secondary_main(). Boot CPU only; meanwhile the idle address space maps low memory at its own
 * address, for the trampoline.
 */
#include "cpu/clock.h"
#include "cpu/cpu_feature.h"
#include "cpu/lapic.h"
#include "cpu/percpu.h"
#include "mm/page_table.h"

#define START_TIMEOUT_US    10000000u       /* an emulated CPU may get no turn for seconds */
#define STARTUP_RETRY_US    1000u
#define SYNC_ROUNDS         8u

/* Laid out as at the end of trampoline.S. */
struct trampoline_words {
    uint64_t stack;
    uint64_t entry;
    uint32_t cr3;
    uint32_t seen;
};
_Static_assert(sizeof(struct trampoline_words) == 24, "as trampoline.S has them");

extern const uint8_t trampoline_start[], trampoline_words[], trampoline_end[];

paddr_t smp_trampoline_page;

static pte_t low_l3[PT_ENTRIES] ALIGNED(4096);
static pte_t low_l2[PT_ENTRIES] ALIGNED(4096);

/*
 * The boot CPU's and the starting CPU's side of comparing their TSCs. Each round: ask (the new
 * one), answer.
 */
static struct {
    uint32_t asked, answered;       /* round numbers */
    uint64_t boot_tsc;
} sync;

/*
 * Fill the trampoline page for `cpu`. Only what fits below 4 GiB can be given to it: the idle L4 is
 * in the image.
 */
static volatile struct trampoline_words *prepare_trampoline(unsigned cpu)
{
    uint8_t *page = direct_map(smp_trampoline_page);
    struct trampoline_words words = {
        .stack = (uintptr_t)cpu_info_of(cpu),
        .entry = (uintptr_t)smp_secondary_main,
        .cr3 = (uint32_t)image_paddr(hyp_l4),
    };

    memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    page += trampoline_words - trampoline_start;
    memcpy(page, &words, sizeof(words));
    return (volatile struct trampoline_words *)page;
}

/*
 * The starting CPU: how far its TSC is ahead. Each round brackets one reading of the boot CPU's; if
 * that lies in the narrowest bracket, the two are taken to be equal.
 */
static uint64_t measure_tsc_offset(void)
{
    uint64_t best_width = UINT64_MAX, offset = 0;

    for (uint32_t round = 0; round < SYNC_ROUNDS; round++) {
        uint64_t before = rdtsc_ordered(), after, middle;

        store_release(&sync.asked, sync.asked + 1);
        while (load_acquire(&sync.answered) != sync.asked)
            cpu_relax();
        after = rdtsc_ordered();
        if (after - before >= best_width)
            continue;
        best_width = after - before;
        middle = before + best_width / 2;
        offset = sync.boot_tsc - before <= best_width ? 0 : middle - sync.boot_tsc;
    }
    return offset;
}

void smp_mark_online(void)
{
    uint64_t offset = measure_tsc_offset();

    if (offset) {
        wrmsr(MSR_TSC, rdtsc() - offset);
        offset = measure_tsc_offset();
    }
    if (offset) {
        cpu_features.invariant_tsc = false;
        log_warn("CPU %u: its TSC is %ld ticks ahead and cannot be set: time differs from CPU to CPU",
                 cpu_id(), (long)offset);
    }
    cpumask_set_atomic(&online_cpus, cpu_id());
}

/* Meanwhile the boot CPU's TSC is read whenever the starting CPU asks for it. */
static bool wait_for(unsigned cpu, const volatile uint32_t *seen, uint64_t timeout_us)
{
    uint64_t end = clock_now() + timeout_us * 1000;

    while (clock_now() < end) {
        uint32_t asked = load_acquire(&sync.asked);

        if (asked != sync.answered) {
            sync.boot_tsc = rdtsc_ordered();
            store_release(&sync.answered, asked);
        }
        if (cpumask_test(&online_cpus, cpu) || (seen && *seen))
            return true;
        cpu_relax();
    }
    return false;
}

static bool start_cpu(unsigned cpu, uint32_t apic_id)
{
    volatile struct trampoline_words *words = prepare_trampoline(cpu);
    uint32_t page = (uint32_t)(smp_trampoline_page >> PAGE_SHIFT);

    cpu_apic_id[cpu] = apic_id;
    lapic_send(apic_id, LAPIC_INIT);
    lapic_send(apic_id, LAPIC_STARTUP | page);
    if (!wait_for(cpu, &words->seen, STARTUP_RETRY_US))
        lapic_send(apic_id, LAPIC_STARTUP | page);
    if (wait_for(cpu, NULL, START_TIMEOUT_US))
        return true;
    /* It must not come later, when low memory is no longer mapped. */
    lapic_send(apic_id, LAPIC_INIT);
    cpumask_clear_atomic(&online_cpus, cpu);
    return false;
}

void smp_boot(const uint32_t *apic_ids, unsigned nr, unsigned max_cpus)
{
    static const uint8_t sleep_for_ever[] = { 0xfa, 0xf4, 0xeb, 0xfd };     /* cli; 1: hlt; jmp 1b */
    uint32_t self = lapic_id();
    pte_t before = hyp_l4[0];

    if (!smp_trampoline_page) {
        log_warn("warning: no free page below 1 MiB: other CPUs stay off");
        return;
    }
    low_l2[0] = pte(PTE_PRESENT | PTE_RW | PTE_PSE);
    low_l3[0] = pte(image_paddr(low_l2) | PTE_PRESENT | PTE_RW);
    hyp_l4[0] = pte(image_paddr(low_l3) | PTE_PRESENT | PTE_RW);
    max_cpus = MIN(max_cpus ? max_cpus : MAX_CPUS, MAX_CPUS);
    for (unsigned i = 0; i < nr && nr_cpus < max_cpus; i++) {
        unsigned cpu = nr_cpus;

        if (apic_ids[i] == self)
            continue;
        if (percpu_init(cpu)) {
            log_warn("CPU %u: no memory for it", cpu);
            break;
        }
        if (!start_cpu(cpu, apic_ids[i])) {
            log_warn("CPU with APIC id %u does not start: it and those after it are left out", apic_ids[i]);
            break;      /* the next one would share the trampoline with it, should it come late */
        }
        nr_cpus++;
    }
    /*
     * A start-up message that was not yet taken outlives INIT on QEMU: who takes it from now on, in
     * real mode, is to sleep.
     */
    memcpy(direct_map(smp_trampoline_page), sleep_for_ever, sizeof(sleep_for_ever));
    hyp_l4[0] = before;
    tlb_flush_mask(&online_cpus, FLUSH_TLB_GLOBAL);
}
