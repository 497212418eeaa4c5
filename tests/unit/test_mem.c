// SPDX-License-Identifier: MIT
// lib/mem.c, compiled here under names of its own, against the C library's functions. The sanitizers
// do not see into its assembly, so guard bytes around each target do their work.
#include <stdlib.h>
#include <string.h>

#include "unit_main.h"

#define memcpy our_memcpy
#define memmove our_memmove
#define memset our_memset
#define memcmp our_memcmp
#define strlen our_strlen
#define strcmp our_strcmp
#define strncmp our_strncmp
#define strchr our_strchr
#include "lib/mem.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strcmp
#undef strncmp
#undef strchr

#define SIZE 80

static void fill(uint8_t *buffer, unsigned seed)
{
    for (unsigned i = 0; i < SIZE; i++)
        buffer[i] = (uint8_t)(i * 37 + seed);
}

// Every length and alignment up to some words: memcpy, memset and memmove in both directions.
static void blocks(void)
{
    uint8_t ours[SIZE], theirs[SIZE], source[SIZE];

    fill(source, 99);
    for (unsigned to = 0; to < 10; to++) {
        for (unsigned n = 0; n < 40; n++) {
            fill(ours, 1);
            fill(theirs, 1);
            CU_ASSERT_PTR_EQUAL(our_memcpy(ours + to, source + 3, n), ours + to);
            memcpy(theirs + to, source + 3, n);
            CU_ASSERT_PTR_EQUAL(our_memset(ours + to, (int)n - 20, n / 2), ours + to);
            memset(theirs + to, (int)n - 20, n / 2);
            CU_ASSERT_EQUAL(memcmp(ours, theirs, SIZE), 0);
        }
    }
}

static void overlapping(void)
{
    uint8_t ours[SIZE], theirs[SIZE];

    for (unsigned from = 0; from < 20; from++) {
        for (unsigned to = 0; to < 20; to++) {
            for (unsigned n = 0; n < 40; n++) {
                fill(ours, 1);
                fill(theirs, 1);
                our_memmove(ours + to, ours + from, n);
                memmove(theirs + to, theirs + from, n);
                CU_ASSERT_EQUAL(memcmp(ours, theirs, SIZE), 0);
            }
        }
    }
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static void comparisons(void)
{
    static const char *const texts[] = { "", "a", "b", "ab", "abc", "abd", "\xff", "a\xff" };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(texts); j++) {
            CU_ASSERT_EQUAL(sign(our_strcmp(texts[i], texts[j])), sign(strcmp(texts[i], texts[j])));
            for (size_t n = 0; n < 5; n++)
                CU_ASSERT_EQUAL(sign(our_strncmp(texts[i], texts[j], n)),
                                sign(strncmp(texts[i], texts[j], n)));
        }
    }
    CU_ASSERT(our_memcmp("ab\0c", "ab\0d", 4) < 0);
    CU_ASSERT(our_memcmp("\x80", "\x7f", 1) > 0);
    CU_ASSERT_EQUAL(our_memcmp("ab", "cd", 0), 0);
}

static void lengths(void)
{
    CU_ASSERT_EQUAL(our_strlen(""), 0);
    CU_ASSERT_EQUAL(our_strlen("four"), 4);
}

static void searches(void)
{
    const char *text = "hay";

    CU_ASSERT_PTR_EQUAL(our_strchr(text, 'a'), text + 1);
    CU_ASSERT_PTR_EQUAL(our_strchr(text, '\0'), text + 3);
    CU_ASSERT_PTR_NULL(our_strchr(text, 'x'));
}

static const struct unit_test tests[] = {
    { "blocks", blocks },           { "overlapping", overlapping }, { "comparisons", comparisons },
    { "lengths", lengths },         { "searches", searches },       { NULL, NULL },
};

int main(void)
{
    return unit_main("mem", tests);
}
