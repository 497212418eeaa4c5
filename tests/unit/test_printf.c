// SPDX-License-Identifier: MIT
// lib/printf.c against the C library's formatting: same text, same length, for every conversion it has.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "unit_main.h"

#include "lib/printf.c"

// Both libraries format the same arguments.
#define SAME(...)                                                                                 \
    do {                                                                                          \
        char ours[200], theirs[200];                                                              \
        int our_length = scnprintf(ours, sizeof(ours), __VA_ARGS__);                           \
        int their_length = snprintf(theirs, sizeof(theirs), __VA_ARGS__);                         \
        CU_ASSERT_EQUAL(our_length, their_length);                                                \
        CU_ASSERT_STRING_EQUAL(ours, theirs);                                                     \
    } while (0)

static void integers(void)
{
    static const int64_t values[] = { 0, 1, -1, 7, 10, 255, 256, -128, 65535, INT32_MIN, INT32_MAX,
                                      INT64_MIN, INT64_MAX };

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        int narrow = (int)values[i];
        SAME("%d|%u|%x", narrow, (unsigned)narrow, (unsigned)narrow);
        SAME("%" PRId64 "|%lu|%lx", values[i], (uint64_t)values[i], (uint64_t)values[i]);
        SAME("%lld|%llu|%llx", (long long)values[i], (unsigned long long)values[i],
             (unsigned long long)values[i]);
        SAME("%zu|%zd", (size_t)values[i], (ptrdiff_t)values[i]);
    }
}

static void widths(void)
{
    SAME("%5d|%05d|%5d|%05d", 42, 42, -42, -42);
    SAME("%2d|%1x|%08x|%#x|%#10x|%#010x|", 12345, 0xabcdu, 0xbeefu, 0xffu, 0xffu, 0xffu);
    SAME("%#x|%#lx|%016lx", 0u, 0x123456789abcdef0ul, 0xfff000ul);
}

static void strings(void)
{
    SAME("%s|%10s|%.2s|%5.1s|%s", "abc", "abc", "abc", "abc", "");
    SAME("100%% of %s", "it");
    SAME("no conversion at all");
}

// Nothing is read beyond the precision: the text need not end in zero.
static void precision_bounds_string(void)
{
    char text[3] = { 'a', 'b', 'c' };
    char out[16];

    CU_ASSERT_EQUAL(scnprintf(out, sizeof(out), "%.3s", text), 3);
    CU_ASSERT_STRING_EQUAL(out, "abc");
}

static void null_string(void)
{
    const char *volatile none = NULL;
    char out[16];

    scnprintf(out, sizeof(out), "%s", none);
    CU_ASSERT_STRING_EQUAL(out, "(null)");
}

static void truncates(void)
{
    char out[8];

    for (size_t size = 0; size <= sizeof(out); size++) {
        memset(out, '#', sizeof(out));
        int length = scnprintf(out, size, "%s-%d", "abcdef", 123);
        CU_ASSERT_EQUAL(length, size > 0 ? (int)size - 1 : 0);
        if (size > 0) {
            CU_ASSERT_EQUAL(strlen(out), size - 1);
            CU_ASSERT_EQUAL(strncmp(out, "abcdef-", size - 1), 0);
        }
        for (size_t i = size; i < sizeof(out); i++)
            CU_ASSERT_EQUAL(out[i], '#');
    }
}

static int format_unchecked(char *buffer, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    __typeof__(&vscnprintf) format_it = vscnprintf;
    int length = format_it(buffer, size, format, args);
    va_end(args);
    return length;
}

static void bad_formats(void)
{
    char out[32];

    format_unchecked(out, sizeof(out), "a%qb");
    CU_ASSERT_STRING_EQUAL(out, "a%qb");
    format_unchecked(out, sizeof(out), "end%");
    CU_ASSERT_STRING_EQUAL(out, "end%");
    format_unchecked(out, sizeof(out), "%08l");
    CU_ASSERT_STRING_EQUAL(out, "%08l");
    char wide[2 * MAX_FIELD];
    CU_ASSERT_EQUAL(format_unchecked(wide, sizeof(wide), "%99999999999d", 1), (int)MAX_FIELD);
}

static const struct unit_test tests[] = {
    { "integers", integers },
    { "widths", widths },
    { "strings", strings },
    { "precision_bounds_string", precision_bounds_string },
    { "null_string", null_string },
    { "truncates", truncates },
    { "bad_formats", bad_formats },
    { NULL, NULL },
};

int main(void)
{
    return unit_main("printf", tests);
}
