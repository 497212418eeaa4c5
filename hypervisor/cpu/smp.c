// SPDX-License-Identifier: MIT
/*
 * Calls to other CPUs, TLB shootdown, the TLB clock. See smp.h; bringing CPUs up is in smp_boot.c.
 *
 * One call is under way at a time, in `call`, guarded by call_lock. Who waits, for the lock or for
 * an answer, answers calls to itself meanwhile: so two CPUs that call each other get on, with
 * interrupts on or off. A called function takes no lock above LOCK_SMP_CALL.
 */
#include "cpu/smp.h"

#include "cpu/irq.h"
#include "cpu/lapic.h"
#include "cpu/percpu.h"
#include "cpu/regs.h"

#define TLB_CLOCK_MAX  UINT32_C(0x1ffffff)      /* 25 bits, as frames keep it (pv/page_type.h) */

struct cpumask online_cpus = { { 1 } };     /* the boot CPU */
unsigned nr_cpus = 1;
uint32_t cpu_apic_id[MAX_CPUS];

static struct spinlock call_lock = SPINLOCK_INIT(LOCK_SMP_CALL);
static struct {
    void (*fn)(void *arg);
    void *arg;
    struct cpumask asked;           /* atomic: each CPU takes its own bit out */
    uint32_t left;                  /* atomic: those that have not finished */
} call;

static uint32_t tlb_time = 1;
static uint32_t tlb_stamp[MAX_CPUS];

void smp_answer_call(void)
{
    if (!cpumask_test(&call.asked, cpu_id()) ||
        !cpumask_test_and_clear_atomic(&call.asked, cpu_id()))
        return;
    call.fn(call.arg);
    (void)fetch_sub32(&call.left, 1);       /* pairs with the caller's load_acquire */
}

/* What is run on behalf of a waiting loop sees interrupts off, as from an interrupt. */
void smp_relax(void)
{
    unsigned long flags = irq_save();

    smp_answer_call();
    irq_restore(flags);
    cpu_relax();
}

/*
 * With interrupts off while the lock is held: a handler on top of it may want locks that others
 * hold while they wait for this one. Nobody calls us meanwhile, so there is nothing to answer.
 */
static void call_others(const struct cpumask *others, void (*fn)(void *), void *arg)
{
    unsigned long flags = irq_save();

    while (!spin_trylock(&call_lock)) {
        irq_restore(flags);
        smp_relax();
        (void)irq_save();
    }
    call.fn = fn;
    call.arg = arg;
    store_release(&call.left, cpumask_weight(others));
    for (unsigned i = 0; i < BITMAP_WORDS(MAX_CPUS); i++)
        store_release(&call.asked.bits[i], others->bits[i]);    /* from here on they may run it */
    for_each_cpu(cpu, others)
        lapic_send(cpu_apic_id[cpu], VECTOR_CALL);
    while (load_acquire(&call.left))
        cpu_relax();
    spin_unlock(&call_lock);
    irq_restore(flags);
}

void smp_call(const struct cpumask *cpus, void (*fn)(void *), void *arg)
{
    struct cpumask others;
    unsigned long flags;

    cpumask_and(&others, cpus, &online_cpus);
    cpumask_clear(&others, cpu_id());
    if (!cpumask_is_empty(&others))
        call_others(&others, fn, arg);
    if (!cpumask_test(cpus, cpu_id()))
        return;
    flags = irq_save();
    fn(arg);
    irq_restore(flags);
}

void smp_kick(unsigned cpu)
{
    if (cpu != cpu_id())
        lapic_send(cpu_apic_id[cpu], VECTOR_CHECK);
}

static uint32_t stopper;            /* the CPU that stops all others, + 1 */

/* By NMIs, not calls: another CPU may hold call_lock, or spin with interrupts off. */
void smp_stop_others(void)
{
    uint32_t nobody = 0;

    if (!try_cmpxchg32(&stopper, &nobody, cpu_id() + 1))
        return;
    for_each_cpu(cpu, &online_cpus) {
        if (cpu != cpu_id())
            lapic_send(cpu_apic_id[cpu], LAPIC_NMI);
    }
}

void smp_stop_if_asked(void)
{
    uint32_t by = READ_ONCE(stopper);

    if (by == 0 || by == cpu_id() + 1)
        return;
    for (;;)
        __asm__ volatile("cli; hlt" : : : "memory");
}

uint32_t tlb_clock(void)
{
    return READ_ONCE(tlb_time);
}

/*
 * The stamp for a flush that begins now: the clock advances first, so that a frame stamped before
 * the flush is done still counts as needing one. At its end the clock stands, and nothing is
 * filtered, until the next flush.
 */
static uint32_t tlb_flush_begin(void)
{
    uint32_t now = READ_ONCE(tlb_time);

    do {
        if (now == TLB_CLOCK_MAX)
            return now;
    } while (!try_cmpxchg32(&tlb_time, &now, now + 1));
    return now + 1;
}

static void tlb_flush_done(uint32_t stamp)
{
    store_release(&tlb_stamp[cpu_id()], stamp);
}

void tlb_load_cr3(uint64_t cr3)
{
    uint32_t stamp = tlb_flush_begin();

    cpu_info()->cr3 = cr3;
    write_cr3(cr3);
    tlb_flush_done(stamp);
}

static void flush_here(void *arg UNUSED)
{
    tlb_load_cr3(read_cr3());
}

/* Toggling CR4.PGE drops global entries too (Intel SDM vol. 3, 4.10.4.1). */
static void flush_global_here(void *arg UNUSED)
{
    uint32_t stamp = tlb_flush_begin();
    uint64_t cr4 = read_cr4();

    write_cr4(cr4 & ~(uint64_t)X86_CR4_PGE);
    write_cr4(cr4 | X86_CR4_PGE);
    tlb_flush_done(stamp);
}

void tlb_flush_local(void)
{
    unsigned long flags = irq_save();

    flush_here(NULL);
    irq_restore(flags);
}

void tlb_filter(struct cpumask *cpus, uint32_t stamp)
{
    for_each_cpu(cpu, cpus) {
        if (load_acquire(&tlb_stamp[cpu]) > stamp)
            cpumask_clear(cpus, cpu);
    }
}

static void flush_and_unstamp_here(void *arg)
{
    flush_global_here(arg);
    tlb_flush_done(0);
}

static void flush_va_here(void *arg)
{
    invlpg(*(const uint64_t *)arg);
}

/*
 * If the clock stands at its end: flush everywhere and begin again. A frame stamped before has then been flushed for; its
 * old, larger stamp at worst asks for a flush too many.
 */
void tlb_flush_mask(const struct cpumask *cpus, uint64_t va)
{
    void (*flush)(void *) = flush_va_here;

    if (va == FLUSH_TLB_ALL_VA)
        flush = flush_here;
    if (va == FLUSH_TLB_GLOBAL)
        flush = flush_global_here;
    if (likely(READ_ONCE(tlb_time) != TLB_CLOCK_MAX)) {
        smp_call(cpus, flush, &va);
        return;
    }
    smp_call(&online_cpus, flush_and_unstamp_here, NULL);
    store_release(&tlb_time, 1);
}
