// SPDX-License-Identifier: MIT
// What debug builds add to locks: the holder of each lock, and the check of the order of classes.
// Compiled in every build, so that it can not rot, but empty in a release build. Each CPU touches
// only its own counts of held locks; an interrupt on top of it leaves them as it found them.
#include "cpu/percpu.h"

#ifdef PARAVANE_DEBUG

static uint8_t held_locks[MAX_CPUS][NR_LOCK_CLASSES];

bool spin_debug_is_mine(const struct spinlock *lock)
{
    return spin_is_locked(lock) && READ_ONCE(lock->owner) == cpu_id() + 1;
}

// What was only tried can not deadlock and needs no check.
void spin_debug_check(struct spinlock *lock)
{
    BUG_ON(spin_debug_is_mine(lock));
    for (unsigned class = lock->class; class < NR_LOCK_CLASSES; class++)
        BUG_ON(READ_ONCE(held_locks[cpu_id()][class]));
}

void spin_debug_locked(struct spinlock *lock)
{
    WRITE_ONCE(lock->owner, cpu_id() + 1);
    held_locks[cpu_id()][lock->class]++;
}

// Locks may be released in any order.
void spin_debug_unlock(struct spinlock *lock)
{
    BUG_ON(!spin_debug_is_mine(lock) || !held_locks[cpu_id()][lock->class]);
    WRITE_ONCE(lock->owner, 0);
    held_locks[cpu_id()][lock->class]--;
}

#endif
