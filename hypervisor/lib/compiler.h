// SPDX-License-Identifier: MIT
// Names for what the compiler offers beyond C11, and the few macros that everything uses.
// It must never depend on another header of ours. Every macro evaluates its arguments once.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Everything in the image is reached relative to rip, declared objects too: there is no global
// offset table.
#if __STDC_HOSTED__ == 0
#pragma GCC visibility push(hidden)
#endif

#define PACKED __attribute__((__packed__))
#define ALIGNED(n) __attribute__((__aligned__(n)))
#define NORETURN __attribute__((__noreturn__))
#define NOINLINE __attribute__((__noinline__))
#define ALWAYS_INLINE inline __attribute__((__always_inline__))
#define COLD __attribute__((__cold__))
#define UNUSED __attribute__((__unused__))
#define MUST_CHECK __attribute__((__warn_unused_result__))
#define SECTION(name) __attribute__((__section__(name)))
#define PRINTF_LIKE(format, first) __attribute__((__format__(__printf__, format, first)))

// Code and data that only the start of day uses; their memory is given back before dom0 runs.
#define INIT SECTION(".init.text") COLD NOINLINE
#define INITDATA SECTION(".init.data")
#define INITCONST SECTION(".init.rodata")

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

// One access, of the full width, that the compiler neither repeats nor invents.
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

#define CONCAT_1(a, b) a##b
#define CONCAT(a, b) CONCAT_1(a, b)

// Zero, but does not compile unless the condition is a true constant.
#define ZERO_IF(condition) (0 * sizeof(struct { _Static_assert(condition, #condition); int x; }))

#define ARRAY_SIZE(a)                                                                             \
    (sizeof(a) / sizeof((a)[0]) +                                                                 \
     ZERO_IF(!__builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0]))))

// The object of which *pointer is the member. A const pointer yields a plain one.
#define container_of(pointer, type, member)                                                       \
    ((type *)((uintptr_t)(pointer) - offsetof(type, member) +                                     \
              ZERO_IF(__builtin_types_compatible_p(__typeof__(*(pointer)),                        \
                                                   __typeof__(((type *)0)->member)))))

// Both sides must have the same type: a comparison of signed with unsigned does not compile.
#define PICK_1(a, b, op, x, y)                                                                    \
    __extension__({                                                                               \
        __typeof__(a) x = (a);                                                                    \
        __typeof__(b) y = (b);                                                                    \
        _Static_assert(__builtin_types_compatible_p(__typeof__(x), __typeof__(y)),                \
                       "MIN and MAX want two values of one type");                                \
        x op y ? x : y;                                                                           \
    })
#define PICK(a, b, op, n) PICK_1(a, b, op, CONCAT(pick_a_, n), CONCAT(pick_b_, n))
#undef MIN
#undef MAX
#define MIN(a, b) PICK(a, b, <, __COUNTER__)
#define MAX(a, b) PICK(a, b, >, __COUNTER__)

// The alignment is a power of two; the result has the type of x.
#define ALIGN_DOWN(x, align) ((__typeof__(x))((x) & ~((__typeof__(x))(align) - 1)))
#define ALIGN_UP(x, align)                                                                        \
    ((__typeof__(x))(((x) + ((__typeof__(x))(align) - 1)) & ~((__typeof__(x))(align) - 1)))
#define IS_ALIGNED(x, align) (((x) & ((__typeof__(x))(align) - 1)) == 0)
