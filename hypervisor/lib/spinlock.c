// SPDX-License-Identifier: MIT
// The parts of the ticket lock that are not inlined: waiting, pairs, and the checks of debug
// builds. Nothing here prints except to report a bug of ours.
#include "lib/base.h"

void spin_lock_wait(struct spinlock *lock, uint16_t ticket)
{
    while (load_acquire(&lock->serving) != ticket)
        cpu_relax();
}

void spin_lock_pair(struct spinlock *a, struct spinlock *b)
{
    struct spinlock *low = (uintptr_t)a < (uintptr_t)b ? a : b;
    struct spinlock *high = low == a ? b : a;

    spin_lock(low);
    if (high != low) {
        // As spin_lock, but the order of addresses replaces that of classes.
        spin_lock_wait(high, (uint16_t)(fetch_add32(&high->word, SPINLOCK_TICKET) >> 16));
        spin_debug_locked(high);
    }
}

void spin_unlock_pair(struct spinlock *a, struct spinlock *b)
{
    spin_unlock(a);
    if (a != b)
        spin_unlock(b);
}
