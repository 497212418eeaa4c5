// SPDX-License-Identifier: MIT
// See mini.h.
#include "mini.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TRUNCATIONS 2000u

static uint64_t state;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

// In memory of exactly its size, so that the sanitizer sees any byte read beyond.
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void mutate(uint8_t *data, size_t size)
{
    static const uint64_t interesting[] = {
        0, 1, 2, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x1000, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
        0x80000000, 0xfffffff8, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000,
        0xfffffffffffffff8, 0xffffffffffffffff,
    };
    static const unsigned widths[] = { 1, 2, 4, 8 };
    unsigned width = widths[next_random() % 4];
    size_t at = next_random() % size;

    if (next_random() % 3 == 0) {
        data[at] ^= (uint8_t)(1u << (next_random() % 8));
    } else if (next_random() % 2) {
        data[at] = (uint8_t)next_random();
    } else if (size - at >= width) {
        fuzz_put(data + at, interesting[next_random() % (sizeof(interesting) / 8)], width);
    }
}

unsigned long fuzz_mini(const uint8_t *seed, size_t size, unsigned rounds)
{
    size_t step = size / MAX_TRUNCATIONS + 1;
    uint8_t *data = malloc(size);
    unsigned long runs = rounds;

    if (!data)
        abort();
    state = 0x9e3779b97f4a7c15;
    for (size_t length = 0; length <= size; length += step, runs++)
        run(seed, length);
    for (unsigned i = 0; i < rounds; i++) {
        memcpy(data, seed, size);
        for (uint64_t changes = 1 + next_random() % 4; changes; changes--)
            mutate(data, size);
        run(data, size);
    }
    free(data);
    return runs;
}
