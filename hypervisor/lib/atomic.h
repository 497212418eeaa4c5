// SPDX-License-Identifier: MIT
// Atomic operations on plain integers, in the sizes that somebody uses: shared structures of the
// ABI and page-table entries can not be _Atomic. All read-modify-write operations are full
// barriers, as on x86 they are anyway. Each returns the value from before, but add_fetch the one
// from after.
#pragma once

#include "lib/compiler.h"

#define DEFINE_ATOMIC_OP(bits, name, builtin)                                                     \
    static inline uint##bits##_t name##bits(volatile uint##bits##_t *p, uint##bits##_t value)     \
    {                                                                                             \
        return builtin(p, value, __ATOMIC_SEQ_CST);                                               \
    }

#define DEFINE_TRY_CMPXCHG(bits)                                                                  \
    /* True if *p was *old and is now new; else *old becomes what *p was. */                      \
    static inline bool try_cmpxchg##bits(volatile uint##bits##_t *p, uint##bits##_t *old,         \
                                         uint##bits##_t new)                                      \
    {                                                                                             \
        return __atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST,                  \
                                           __ATOMIC_SEQ_CST);                                     \
    }

DEFINE_ATOMIC_OP(8, xchg, __atomic_exchange_n)
DEFINE_ATOMIC_OP(32, xchg, __atomic_exchange_n)
DEFINE_ATOMIC_OP(64, xchg, __atomic_exchange_n)
DEFINE_ATOMIC_OP(32, fetch_add, __atomic_fetch_add)
DEFINE_ATOMIC_OP(64, fetch_add, __atomic_fetch_add)
DEFINE_ATOMIC_OP(32, add_fetch, __atomic_add_fetch)
DEFINE_ATOMIC_OP(64, add_fetch, __atomic_add_fetch)
DEFINE_ATOMIC_OP(32, fetch_sub, __atomic_fetch_sub)
DEFINE_ATOMIC_OP(32, fetch_or, __atomic_fetch_or)
DEFINE_ATOMIC_OP(64, fetch_or, __atomic_fetch_or)
DEFINE_ATOMIC_OP(16, fetch_and, __atomic_fetch_and)
DEFINE_ATOMIC_OP(32, fetch_and, __atomic_fetch_and)
DEFINE_ATOMIC_OP(64, fetch_and, __atomic_fetch_and)
DEFINE_TRY_CMPXCHG(32)
DEFINE_TRY_CMPXCHG(64)

static inline uint64_t cmpxchg64(volatile uint64_t *p, uint64_t old, uint64_t new)
{
    (void)try_cmpxchg64(p, &old, new);
    return old;
}

// An acquire load sees all that was written before the release store it read from.
#define load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store_release(p, value) __atomic_store_n(p, value, __ATOMIC_RELEASE)

// Between CPUs. On x86 only a store followed by a load is reordered: wmb binds the compiler.
#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
