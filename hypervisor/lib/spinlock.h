// SPDX-License-Identifier: MIT
// Ticket lock: first come, first served. Not recursive. A lock that an interrupt handler takes is
// always taken with interrupts off (the irqsave pair). Debug builds know the holder and check the
// order of classes (lib/lock_order.h); release builds inline six instructions to lock, one to
// unlock.
#pragma once

#include "cpu/irqflags.h"
#include "lib/assert.h"
#include "lib/atomic.h"
#include "lib/lock_order.h"

// The upper half of the word counts tickets given out, the lower half is the ticket being served.
// They are equal when the lock is free; fewer than 65536 CPUs can wait.
struct spinlock {
    union {
        uint32_t word;
        struct {
            uint16_t serving;
            uint16_t next;
        };
    };
#ifdef PARAVANE_DEBUG
    enum lock_class class;
    uint32_t owner; // CPU + 1, or 0
#endif
};

#define SPINLOCK_TICKET UINT32_C(0x10000)

#ifdef PARAVANE_DEBUG
#define SPINLOCK_INIT(lock_class) { { 0 }, (lock_class), 0 }
#else
#define SPINLOCK_INIT(lock_class) { { 0 } }
#endif

// For locks inside allocated objects.
static inline void spin_lock_init(struct spinlock *lock, enum lock_class class UNUSED)
{
    *lock = (struct spinlock)SPINLOCK_INIT(class);
}

// In lib/spinlock.c: wait until the ticket is served.
void spin_lock_wait(struct spinlock *lock, uint16_t ticket);

#ifdef PARAVANE_DEBUG
// Before waiting: order and recursion. After: note or forget the holder.
void spin_debug_check(struct spinlock *lock);
void spin_debug_locked(struct spinlock *lock);
void spin_debug_unlock(struct spinlock *lock);
bool spin_debug_is_mine(const struct spinlock *lock);
#else
static inline void spin_debug_check(struct spinlock *lock UNUSED) {}
static inline void spin_debug_locked(struct spinlock *lock UNUSED) {}
static inline void spin_debug_unlock(struct spinlock *lock UNUSED) {}
#endif

static inline void spin_lock(struct spinlock *lock)
{
    spin_debug_check(lock);
    uint32_t word = fetch_add32(&lock->word, SPINLOCK_TICKET);
    uint16_t ticket = (uint16_t)(word >> 16);
    if (unlikely((uint16_t)word != ticket))
        spin_lock_wait(lock, ticket);
    spin_debug_locked(lock);
}

static inline bool spin_trylock(struct spinlock *lock)
{
    uint32_t word = READ_ONCE(lock->word);
    if ((uint16_t)word != (uint16_t)(word >> 16))
        return false;
    if (!try_cmpxchg32(&lock->word, &word, word + SPINLOCK_TICKET))
        return false;
    spin_debug_locked(lock);
    return true;
}

// Only the holder writes serving, so an increment without the lock prefix does; x86 stores in
// order, and the clobber keeps the compiler to it. Pairs with the acquire in spin_lock and
// spin_lock_wait.
static inline void spin_unlock(struct spinlock *lock)
{
    spin_debug_unlock(lock);
    __asm__ volatile("incw %0" : "+m"(lock->serving) : : "memory", "cc");
}

// Whether anybody holds it: true is certain only for the holder. For assertions.
static inline bool spin_is_locked(const struct spinlock *lock)
{
    uint32_t word = READ_ONCE(lock->word);
    return (uint16_t)word != (uint16_t)(word >> 16);
}

// State at the top of a function that its caller must hold the lock.
#ifdef PARAVANE_DEBUG
#define ASSERT_LOCKED(lock) ASSERT(spin_debug_is_mine(lock))
#else
#define ASSERT_LOCKED(lock) ASSERT(spin_is_locked(lock))
#endif

static inline unsigned long spin_lock_irqsave(struct spinlock *lock)
{
    unsigned long flags = irq_save();
    spin_lock(lock);
    return flags;
}

static inline void spin_unlock_irqrestore(struct spinlock *lock, unsigned long flags)
{
    spin_unlock(lock);
    irq_restore(flags);
}

// Two locks of one class, lower address first; a and b may be the same lock.
void spin_lock_pair(struct spinlock *a, struct spinlock *b);
void spin_unlock_pair(struct spinlock *a, struct spinlock *b);
