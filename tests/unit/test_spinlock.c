// SPDX-License-Identifier: MIT
// lib/spinlock.c as in a release build: mutual exclusion under contention, order of arrival, tickets
// that wrap, pairs, and the interrupt flag. lib/lock_order.h is tested by test_lock_order.c.
#include <pthread.h>
#include <sched.h>

#include "lib/spinlock.h"
#include "unit_main.h"

static struct spinlock lock = SPINLOCK_INIT(LOCK_PAGE_ALLOC);
static struct spinlock other = SPINLOCK_INIT(LOCK_PAGE_ALLOC);

static void basics(void)
{
    CU_ASSERT_FALSE(spin_is_locked(&lock));
    spin_lock(&lock);
    CU_ASSERT(spin_is_locked(&lock));
    CU_ASSERT_FALSE(spin_trylock(&lock));
    spin_unlock(&lock);
    CU_ASSERT(spin_trylock(&lock));
    spin_unlock(&lock);
    CU_ASSERT_FALSE(spin_is_locked(&lock));
}

// 16-bit tickets: more rounds than there are numbers.
static void tickets_wrap(void)
{
    for (unsigned i = 0; i < 140000; i++) {
        bool is_mine = i % 3 != 0 || spin_trylock(&lock);
        if (i % 3 != 0)
            spin_lock(&lock);
        CU_ASSERT_FATAL(is_mine);
        CU_ASSERT_FATAL(!spin_trylock(&lock));
        spin_unlock(&lock);
    }
    CU_ASSERT_FALSE(spin_is_locked(&lock));
}

#define NR_THREADS 3
#define ROUNDS 3000

static volatile uint64_t counters[2];

// Not atomic on purpose: only the lock keeps the two counters equal and complete.
static void *count(void *argument)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i % 2 == 0)
            spin_lock_pair(&lock, &other);
        else
            spin_lock_pair(&other, &lock);
        counters[0] = counters[0] + 1;
        counters[1] = counters[1] + 1;
        spin_unlock_pair(&lock, &other);
        sched_yield();
    }
    return argument;
}

static void exclusion(void)
{
    pthread_t threads[NR_THREADS];

    for (unsigned i = 0; i < NR_THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (unsigned i = 0; i < NR_THREADS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(counters[0], NR_THREADS * ROUNDS);
    CU_ASSERT_EQUAL(counters[1], NR_THREADS * ROUNDS);
}

static void pair_of_one(void)
{
    spin_lock_pair(&lock, &lock);
    CU_ASSERT(spin_is_locked(&lock));
    spin_unlock_pair(&lock, &lock);
    CU_ASSERT_FALSE(spin_is_locked(&lock));
}

static unsigned arrivals[NR_THREADS];
static unsigned nr_served;

static void *arrive(void *argument)
{
    spin_lock(&lock);
    arrivals[nr_served++] = *(unsigned *)argument;
    spin_unlock(&lock);
    return NULL;
}

static void first_come_first_served(void)
{
    pthread_t threads[NR_THREADS];
    unsigned numbers[NR_THREADS];

    spin_lock(&lock);
    for (unsigned i = 0; i < NR_THREADS; i++) {
        uint16_t ticket = READ_ONCE(lock.next);
        numbers[i] = i;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, arrive, &numbers[i]), 0);
        while (READ_ONCE(lock.next) == ticket)
            sched_yield();
    }
    spin_unlock(&lock);
    for (unsigned i = 0; i < NR_THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < NR_THREADS; i++)
        CU_ASSERT_EQUAL(arrivals[i], i);
}

static void interrupt_flag(void)
{
    irq_enable();
    unsigned long outer = spin_lock_irqsave(&lock);
    CU_ASSERT_FALSE(irqs_enabled());
    unsigned long inner = spin_lock_irqsave(&other);
    spin_unlock_irqrestore(&other, inner);
    CU_ASSERT_FALSE(irqs_enabled());
    spin_unlock_irqrestore(&lock, outer);
    CU_ASSERT(irqs_enabled());
}

static const struct unit_test tests[] = {
    { "basics", basics },
    { "tickets_wrap", tickets_wrap },
    { "exclusion", exclusion },
    { "pair_of_one", pair_of_one },
    { "first_come_first_served", first_come_first_served },
    { "interrupt_flag", interrupt_flag },
    { NULL, NULL },
};

int main(void)
{
    return unit_main("spinlock", tests);
}
