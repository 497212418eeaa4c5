// SPDX-License-Identifier: MIT
// A fuzz target without a fuzzer: the unit tests run each target over every truncation and many
// mutations of a good seed, the same ones each time. Finds the first layer of mistakes in seconds;
// tests/fuzz/run goes on from there.
#pragma once

#include <stddef.h>
#include <stdint.h>

// What each file in tests/fuzz/ defines. Aborts, or trips a sanitizer, on a broken promise.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Stores the low `width` bytes of `value`, little-endian.
static inline void fuzz_put(uint8_t *at, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

// Runs the target on all shorter versions of the seed (on some 2,000 of them if it is long), and on
// `rounds` copies of it with one to four changes each. Returns how many inputs ran.
unsigned long fuzz_mini(const uint8_t *seed, size_t size, unsigned rounds);
// The unit test's physical memory, which a fuzz target's boot_map() shows while it has no input.
const void *unit_map(uint64_t start, size_t size) __attribute__((weak));
