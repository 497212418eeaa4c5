// SPDX-License-Identifier: MIT
// The inline libraries: compiler.h's macros, types.h, bitmap.h, cpumask.h, atomic.h, math.h.
#include <stdlib.h>
#include <string.h>

#include "lib/atomic.h"
#include "lib/bitmap.h"
#include "lib/compiler.h"
#include "lib/cpumask.h"
#include "lib/math.h"
#include "lib/types.h"
#include "unit_main.h"

static unsigned calls;

static unsigned count_call(unsigned value)
{
    calls++;
    return value;
}

static void macros(void)
{
    struct { char c; uint32_t x[3]; } s;

    CU_ASSERT_EQUAL(ARRAY_SIZE(s.x), 3);
    calls = 0;
    CU_ASSERT_EQUAL(MIN(count_call(3), count_call(4)), 3);
    CU_ASSERT_EQUAL(MAX(MIN(count_call(3), 9u), count_call(4)), 4);
    CU_ASSERT_EQUAL(calls, 4);
    CU_ASSERT_EQUAL(ALIGN_UP(UINT64_C(0x1001), 0x1000), 0x2000);
    CU_ASSERT_EQUAL(ALIGN_UP(UINT64_C(0x100001000), 0x1000), UINT64_C(0x100001000));
    CU_ASSERT_EQUAL(ALIGN_DOWN(UINT64_C(0xfffffffff), 0x1000u), UINT64_C(0xffffff000));
    CU_ASSERT(IS_ALIGNED(64u, 32) && !IS_ALIGNED(48u, 32));
}

static void frames(void)
{
    static const mfn_t in_data = mfn(7);
    mfn_t mfn = mfn(0x123);

    CU_ASSERT_EQUAL(mfn_to_paddr(mfn), 0x123000);
    CU_ASSERT(mfn_eq(paddr_to_mfn(0x123fff), mfn));
    CU_ASSERT(mfn_eq(mfn_add(in_data, 2), mfn(9)));
    CU_ASSERT_EQUAL(pages_of_bytes(0), 0);
    CU_ASSERT_EQUAL(pages_of_bytes(4097), 2);
}

// Against an array of bool, at sizes that do and do not fill words.
static void bitmaps(void)
{
    static const size_t sizes[] = { 1, 63, 64, 65, 200, 256 };

    srand(2);
    for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
        size_t bits = sizes[s];
        DECLARE_BITMAP(map, 256);
        bool model[256] = { false };
        memset(map, 0, sizeof(map));
        for (unsigned step = 0; step < 500; step++) {
            size_t bit = (size_t)rand() % bits;
            bool was = model[bit];
            model[bit] = rand() % 3 == 0;
            if (rand() % 2)
                CU_ASSERT_EQUAL(model[bit] ? bitmap_test_and_set_atomic(map, bit)
                                           : bitmap_test_and_clear_atomic(map, bit), was);
            model[bit] ? bitmap_set(map, bit) : bitmap_clear(map, bit);
            size_t start = (size_t)rand() % (bits + 2);
            size_t one = start;
            while (one < bits && !model[one])
                one++;
            CU_ASSERT_EQUAL(bitmap_find_next(map, bits, start), MIN(one, bits));
            CU_ASSERT_EQUAL(bitmap_test(map, bit), model[bit]);
        }
    }
}

static void bits_beyond_the_end(void)
{
    uint64_t map[1] = { ~UINT64_C(0) << 10 };

    CU_ASSERT_EQUAL(bitmap_find_next(map, 10, 0), 10);
    CU_ASSERT_EQUAL(bitmap_find_next(map, 10, 11), 10);
}

static void cpumasks(void)
{
    struct cpumask a, b, c;

    cpumask_fill(&a, 70);
    cpumask_zero(&b);
    cpumask_set(&b, 0);
    cpumask_set_atomic(&b, 69);
    cpumask_set(&b, 255);
    CU_ASSERT_EQUAL(cpumask_weight(&a), 70);
    cpumask_and(&c, &a, &b);
    CU_ASSERT_EQUAL(cpumask_weight(&c), 2);
    cpumask_zero(&c);
    cpumask_set(&c, 255);
    CU_ASSERT_EQUAL(cpumask_first(&c), 255);
    CU_ASSERT_FALSE(cpumask_intersects(&c, &a));
    CU_ASSERT(cpumask_intersects(&b, &a));
    unsigned sum = 0;
    for_each_cpu(cpu, &b)
        sum += cpu;
    CU_ASSERT_EQUAL(sum, 69 + 255);
    CU_ASSERT_EQUAL(cpumask_next(&b, 255), MAX_CPUS);
    c = b;
    CU_ASSERT(cpumask_test_and_clear_atomic(&c, 69));
    CU_ASSERT(cpumask_test(&c, 255) && !cpumask_test(&c, 69));
    cpumask_zero(&c);
    CU_ASSERT(cpumask_is_empty(&c));
}

static void atomics(void)
{
    uint64_t x = 5;
    uint8_t byte = 0x0f;
    uint16_t half = 0xff0f;
    uint32_t word = 1;
    uint64_t expected = 7;

    CU_ASSERT_EQUAL(cmpxchg64(&x, 5, 6), 5);
    CU_ASSERT_EQUAL(cmpxchg64(&x, 5, 9), 6);
    CU_ASSERT_EQUAL(x, 6);
    CU_ASSERT_FALSE(try_cmpxchg64(&x, &expected, 1));
    CU_ASSERT_EQUAL(expected, 6);
    CU_ASSERT(try_cmpxchg64(&x, &expected, 1));
    CU_ASSERT_EQUAL(xchg8(&byte, 1), 0x0f);
    CU_ASSERT_EQUAL(byte, 1);
    CU_ASSERT_EQUAL(fetch_and16(&half, 0x0fff), 0xff0f);
    CU_ASSERT_EQUAL(half, 0x0f0f);
    CU_ASSERT_EQUAL(fetch_sub32(&word, 3), 1);
    CU_ASSERT_EQUAL(add_fetch32(&word, 1), UINT32_MAX);
    store_release(&word, 4u);
    CU_ASSERT_EQUAL(load_acquire(&word), 4);
}

static void logarithms(void)
{
    CU_ASSERT_EQUAL(log2_floor(1), 0);
    CU_ASSERT_EQUAL(log2_floor(UINT64_MAX), 63);
    CU_ASSERT_EQUAL(log2_ceil(1), 0);
    CU_ASSERT_EQUAL(log2_ceil(8), 3);
    CU_ASSERT_EQUAL(log2_ceil(9), 4);
}

static uint64_t random_u64(void)
{
    uint64_t x = 0;

    for (unsigned i = 0; i < 5; i++)
        x = x << 15 ^ (uint64_t)rand();
    return x >> (rand() % 64);
}

static void products(void)
{
    srand(3);
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t a = random_u64();
        uint32_t b = (uint32_t)random_u64();
        uint32_t c = (uint32_t)random_u64() | 1;
        unsigned __int128 wide = (unsigned __int128)a * b;
        CU_ASSERT_EQUAL(muldiv(a, b, c), (uint64_t)(wide / c));
        CU_ASSERT_EQUAL(mul_shift_right(a, b, 32), (uint64_t)(wide >> 32));
    }
}

// As a guest is told to do it.
static uint64_t scale_delta(uint64_t delta, uint32_t mul_frac, int8_t shift)
{
    delta = shift < 0 ? delta >> -shift : delta << shift;
    return (uint64_t)((unsigned __int128)delta * mul_frac >> 32);
}

// Tick counts of a day at many clock rates come out right to a nanosecond per second and clock.
static void clock_scales(void)
{
    static const uint64_t rates[] = { 1, 32768, 1193182, 14318180, 62500000, 999999999, 1000000000,
                                      1000000001, 2000000000, 2000000001, 2399998000, 5100000000 };

    for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
        uint32_t mul;
        int8_t shift;
        scale_from_hz(rates[i], &mul, &shift);
        CU_ASSERT(mul >= 0x80000000u);
        uint64_t ns = scale_delta(rates[i], mul, shift);
        CU_ASSERT(ns <= NS_PER_SECOND + 1 && ns >= NS_PER_SECOND - 2);
        ns = scale_delta(rates[i] * 3600, mul, shift);
        CU_ASSERT(ns <= 3600 * (NS_PER_SECOND + 1) && ns >= 3600 * (NS_PER_SECOND - 2));
    }
}

static const struct unit_test tests[] = {
    { "macros", macros },         { "frames", frames },
    { "bitmaps", bitmaps },
    { "bits_beyond_the_end", bits_beyond_the_end },
    { "cpumasks", cpumasks },     { "atomics", atomics },
    { "logarithms", logarithms }, { "products", products },
    { "clock_scales", clock_scales },
    { NULL, NULL },
};

int main(void)
{
    return unit_main("lib_headers", tests);
}
