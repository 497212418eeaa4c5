// SPDX-License-Identifier: MIT
// Atomic operations on plain integers, of 8, 16, 32 and 64 bits: shared structures of the ABI and
// page-table entries can not be _Atomic. All read-modify-write operations are full barriers, as on
// x86 they are anyway. Each returns the value from before, but add_fetch the one from after.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/compiler.h"

#define DEFINE_ATOMIC_OPS(bits)                                                                   \
    static inline uint##bits##_t cmpxchg##bits(volatile uint##bits##_t *p, uint##bits##_t old,    \
                                               uint##bits##_t new)                                \
    {                                                                                             \
        __atomic_compare_exchange_n(p, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);     \
        return old;                                                                               \
    }                                                                                             \
    /* True if *p was *old and is now new; else *old becomes what *p was. */                      \
    static inline bool try_cmpxchg##bits(volatile uint##bits##_t *p, uint##bits##_t *old,         \
                                         uint##bits##_t new)                                      \
    {                                                                                             \
        return __atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST,                  \
                                           __ATOMIC_SEQ_CST);                                     \
    }                                                                                             \
    static inline uint##bits##_t xchg##bits(volatile uint##bits##_t *p, uint##bits##_t value)     \
    {                                                                                             \
        return __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST);                                   \
    }                                                                                             \
    static inline uint##bits##_t fetch_add##bits(volatile uint##bits##_t *p, uint##bits##_t n)    \
    {                                                                                             \
        return __atomic_fetch_add(p, n, __ATOMIC_SEQ_CST);                                        \
    }                                                                                             \
    static inline uint##bits##_t add_fetch##bits(volatile uint##bits##_t *p, uint##bits##_t n)    \
    {                                                                                             \
        return __atomic_add_fetch(p, n, __ATOMIC_SEQ_CST);                                        \
    }                                                                                             \
    static inline uint##bits##_t fetch_sub##bits(volatile uint##bits##_t *p, uint##bits##_t n)    \
    {                                                                                             \
        return __atomic_fetch_sub(p, n, __ATOMIC_SEQ_CST);                                        \
    }                                                                                             \
    static inline uint##bits##_t fetch_or##bits(volatile uint##bits##_t *p, uint##bits##_t mask)  \
    {                                                                                             \
        return __atomic_fetch_or(p, mask, __ATOMIC_SEQ_CST);                                      \
    }                                                                                             \
    static inline uint##bits##_t fetch_and##bits(volatile uint##bits##_t *p, uint##bits##_t mask) \
    {                                                                                             \
        return __atomic_fetch_and(p, mask, __ATOMIC_SEQ_CST);                                     \
    }

DEFINE_ATOMIC_OPS(8)
DEFINE_ATOMIC_OPS(16)
DEFINE_ATOMIC_OPS(32)
DEFINE_ATOMIC_OPS(64)

#undef DEFINE_ATOMIC_OPS

// An acquire load sees all that was written before the release store it read from.
#define load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store_release(p, value) __atomic_store_n(p, value, __ATOMIC_RELEASE)

// Between CPUs. On x86 only a store followed by a load is reordered: rmb and wmb bind the compiler.
#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
