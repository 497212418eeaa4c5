// SPDX-License-Identifier: MIT
// Arithmetic that needs more than 64 bits on the way, and the clock scaling of the guest ABI.
// Pure. No function here divides a 128-bit number: that would need the compiler's run-time library.
#pragma once

#include "lib/compiler.h"

#define NS_PER_SECOND UINT64_C(1000000000)

// The position of the highest set bit; x is not 0.
static inline unsigned log2_floor(uint64_t x)
{
    return 63u - (unsigned)__builtin_clzll(x);
}

// The least n with 2^n >= x; x is not 0.
static inline unsigned log2_ceil(uint64_t x)
{
    return x <= 1 ? 0 : log2_floor(x - 1) + 1;
}

// (a * b) >> shift without losing the upper half; shift is below 64, the result taken modulo 2^64.
static inline uint64_t mul_shift_right(uint64_t a, uint64_t b, unsigned shift)
{
    return (uint64_t)(((unsigned __int128)a * b) >> shift);
}

// a * b / c with a 96-bit product; c is not 0, and the quotient is taken modulo 2^64.
static inline uint64_t muldiv(uint64_t a, uint32_t b, uint32_t c)
{
    uint64_t low = (a & UINT32_MAX) * b;
    uint64_t high = (a >> 32) * b + (low >> 32);
    uint64_t rest = ((high % c) << 32) | (low & UINT32_MAX);
    return ((high / c) << 32) + rest / c;
}

// What turns ticks into nanoseconds the way vcpu_time_info tells a guest to do it:
// ((delta << shift) * mul_frac) >> 32, where a negative shift goes to the right; mul_frac in its
// upper half for precision. hz is not 0.
static inline void scale_from_hz(uint64_t hz, uint32_t *mul_frac, int8_t *shift)
{
    int8_t s = 0;
    while (hz > 2 * NS_PER_SECOND) {
        hz >>= 1;
        s--;
    }
    while (hz <= NS_PER_SECOND) {
        hz <<= 1;
        s++;
    }
    *mul_frac = (uint32_t)((NS_PER_SECOND << 32) / hz);
    *shift = s;
}
