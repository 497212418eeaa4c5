// SPDX-License-Identifier: MIT
// What debug builds add to locks: the holder of each lock, and the check of the order of classes.
// Compiled in every build, so that it can not rot, but empty in a release build. Each CPU touches
// only its own list of held classes; an interrupt on top of it leaves the list as it found it.
#include "cpu/percpu.h"

#ifdef PARAVANE_DEBUG

#define MAX_HELD_LOCKS 16u

static struct {
    uint8_t class[MAX_HELD_LOCKS];
    unsigned count;
} held_locks[MAX_CPUS];

bool spin_debug_is_mine(const struct spinlock *lock)
{
    return spin_is_locked(lock) && READ_ONCE(lock->owner) == cpu_id() + 1;
}

// What was only tried can not deadlock and needs no check.
void spin_debug_check(struct spinlock *lock)
{
    unsigned cpu = cpu_id();

    BUG_ON(spin_debug_is_mine(lock));
    for (unsigned i = 0; i < held_locks[cpu].count; i++)
        BUG_ON(held_locks[cpu].class[i] >= lock->class);
}

void spin_debug_locked(struct spinlock *lock)
{
    unsigned cpu = cpu_id();
    unsigned count = READ_ONCE(held_locks[cpu].count);

    BUG_ON(count >= MAX_HELD_LOCKS);
    WRITE_ONCE(lock->owner, cpu + 1);
    WRITE_ONCE(held_locks[cpu].class[count], (uint8_t)lock->class);
    WRITE_ONCE(held_locks[cpu].count, count + 1);
}

// Forget the latest of this class; locks may be released in any order.
void spin_debug_unlock(struct spinlock *lock)
{
    unsigned cpu = cpu_id();
    unsigned count = READ_ONCE(held_locks[cpu].count);
    unsigned i = count;

    BUG_ON(!spin_debug_is_mine(lock));
    WRITE_ONCE(lock->owner, 0);
    while (i > 0 && held_locks[cpu].class[i - 1] != lock->class)
        i--;
    BUG_ON(i == 0);
    for (; i < count; i++)
        WRITE_ONCE(held_locks[cpu].class[i - 1], held_locks[cpu].class[i]);
    WRITE_ONCE(held_locks[cpu].count, count - 1);
}

#endif
