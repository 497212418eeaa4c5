// SPDX-License-Identifier: MIT
// A set of processors, of fixed size. The plain operations need the owner's lock; those named
// atomic do not. CPU numbers are below MAX_CPUS; nothing here checks a guest's number.
#pragma once

#include "lib/bitmap.h"

#define MAX_CPUS 256u

struct cpumask {
    DECLARE_BITMAP(bits, MAX_CPUS);
};

// As their namesakes in lib/bitmap.h.
#define cpumask_set(mask, cpu) bitmap_set((mask)->bits, cpu)
#define cpumask_clear(mask, cpu) bitmap_clear((mask)->bits, cpu)
#define cpumask_test(mask, cpu) bitmap_test((mask)->bits, cpu)
#define cpumask_set_atomic(mask, cpu) bitmap_set_atomic((mask)->bits, cpu)
#define cpumask_clear_atomic(mask, cpu) bitmap_clear_atomic((mask)->bits, cpu)
#define cpumask_test_and_clear_atomic(mask, cpu) bitmap_test_and_clear_atomic((mask)->bits, cpu)

static inline void cpumask_zero(struct cpumask *mask)
{
    *mask = (struct cpumask){ { 0 } };
}

// All of the CPUs 0 .. count-1.
static inline void cpumask_fill(struct cpumask *mask, unsigned count)
{
    cpumask_zero(mask);
    for (unsigned cpu = 0; cpu < count; cpu++)
        cpumask_set(mask, cpu);
}

static inline void cpumask_and(struct cpumask *to, const struct cpumask *a, const struct cpumask *b)
{
    for (unsigned i = 0; i < BITMAP_WORDS(MAX_CPUS); i++)
        to->bits[i] = a->bits[i] & b->bits[i];
}

// The lowest CPU, and the lowest behind cpu; MAX_CPUS if there is none.
static inline unsigned cpumask_first(const struct cpumask *mask)
{
    return (unsigned)bitmap_find_next(mask->bits, MAX_CPUS, 0);
}

static inline unsigned cpumask_next(const struct cpumask *mask, unsigned cpu)
{
    return (unsigned)bitmap_find_next(mask->bits, MAX_CPUS, (size_t)cpu + 1);
}

static inline bool cpumask_is_empty(const struct cpumask *mask)
{
    return cpumask_first(mask) == MAX_CPUS;
}

static inline bool cpumask_intersects(const struct cpumask *a, const struct cpumask *b)
{
    struct cpumask both;
    cpumask_and(&both, a, b);
    return !cpumask_is_empty(&both);
}

#define for_each_cpu(cpu, mask)                                                                   \
    for (unsigned cpu = cpumask_first(mask); cpu < MAX_CPUS; cpu = cpumask_next(mask, cpu))

static inline unsigned cpumask_weight(const struct cpumask *mask)
{
    unsigned weight = 0;
    for_each_cpu(cpu, mask)
        weight++;
    return weight;
}
