// SPDX-License-Identifier: MIT
// Bitmaps of 64-bit words. The plain operations need the owner's lock; those named atomic do not,
// and are full barriers. Bit numbers are not checked here: the caller knows its size.
#pragma once

#include "lib/atomic.h"

#define BITMAP_WORD_BITS 64u
#define BITMAP_WORDS(bits) (((bits) + BITMAP_WORD_BITS - 1) / BITMAP_WORD_BITS)
#define DECLARE_BITMAP(name, bits) uint64_t name[BITMAP_WORDS(bits)]

static inline uint64_t bitmap_bit(size_t bit)
{
    return UINT64_C(1) << (bit % BITMAP_WORD_BITS);
}

static inline bool bitmap_test(const uint64_t *map, size_t bit)
{
    return (READ_ONCE(map[bit / BITMAP_WORD_BITS]) & bitmap_bit(bit)) != 0;
}

static inline void bitmap_set(uint64_t *map, size_t bit)
{
    map[bit / BITMAP_WORD_BITS] |= bitmap_bit(bit);
}

static inline void bitmap_clear(uint64_t *map, size_t bit)
{
    map[bit / BITMAP_WORD_BITS] &= ~bitmap_bit(bit);
}

// Both return whether the bit was set before.
static inline bool bitmap_test_and_set_atomic(uint64_t *map, size_t bit)
{
    return (fetch_or64(&map[bit / BITMAP_WORD_BITS], bitmap_bit(bit)) & bitmap_bit(bit)) != 0;
}

static inline bool bitmap_test_and_clear_atomic(uint64_t *map, size_t bit)
{
    return (fetch_and64(&map[bit / BITMAP_WORD_BITS], ~bitmap_bit(bit)) & bitmap_bit(bit)) != 0;
}

static inline void bitmap_set_atomic(uint64_t *map, size_t bit)
{
    (void)fetch_or64(&map[bit / BITMAP_WORD_BITS], bitmap_bit(bit));
}

static inline void bitmap_clear_atomic(uint64_t *map, size_t bit)
{
    (void)fetch_and64(&map[bit / BITMAP_WORD_BITS], ~bitmap_bit(bit));
}

// The first set bit at or behind start; bits if there is none.
static inline size_t bitmap_find_next(const uint64_t *map, size_t bits, size_t start)
{
    if (start >= bits)
        return bits;
    size_t i = start / BITMAP_WORD_BITS;
    uint64_t word = READ_ONCE(map[i]) & (~UINT64_C(0) << (start % BITMAP_WORD_BITS));
    while (word == 0) {
        if (++i >= BITMAP_WORDS(bits))
            return bits;
        word = READ_ONCE(map[i]);
    }
    size_t found = i * BITMAP_WORD_BITS + (size_t)__builtin_ctzll(word);
    return found < bits ? found : bits;
}
