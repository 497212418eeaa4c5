// SPDX-License-Identifier: MIT
// lib/string.c: truncating copy and the number parsers, which read what an administrator or a boot
// loader wrote.
#include <string.h>

#include "lib/string.h"
#include "unit_main.h"

static void strlcpy_truncates(void)
{
    char out[4] = "xyz";

    CU_ASSERT_EQUAL(strlcpy(out, "abcdef", sizeof(out)), 6);
    CU_ASSERT_STRING_EQUAL(out, "abc");
    CU_ASSERT_EQUAL(strlcpy(out, "q", sizeof(out)), 1);
    CU_ASSERT_STRING_EQUAL(out, "q");
    CU_ASSERT_EQUAL(strlcpy(out, "abc", 0), 3);
    CU_ASSERT_STRING_EQUAL(out, "q");
}

static void starts_with(void)
{
    CU_ASSERT(string_starts_with("console=com1", "console="));
    CU_ASSERT(string_starts_with("x", ""));
    CU_ASSERT_FALSE(string_starts_with("con", "console"));
}

struct number {
    const char *text;
    unsigned base;
    bool is_good;
    uint64_t value;
    const char *rest;
};

static const struct number numbers[] = {
    { "0", 0, true, 0, "" },
    { "123,", 0, true, 123, "," },
    { "0x1f", 0, true, 31, "" },
    { "0x1F", 16, true, 31, "" },
    { "1fg", 16, true, 31, "g" },
    { "017", 0, true, 15, "" },
    { "017", 10, true, 17, "" },
    { "08", 0, true, 0, "8" },
    { "0x", 0, true, 0, "x" },
    { "0x12", 10, true, 0, "x12" },
    { "18446744073709551615", 10, true, UINT64_MAX, "" },
    { "18446744073709551616", 10, false, 0, NULL },
    { "0xffffffffffffffff", 0, true, UINT64_MAX, "" },
    { "0x10000000000000000", 0, false, 0, NULL },
    { "99999999999999999999999", 10, false, 0, NULL },
    { "", 0, false, 0, NULL },
    { "-1", 0, false, 0, NULL },
    { " 1", 0, false, 0, NULL },
    { "abc", 10, false, 0, NULL },
};

static void check(const struct number *n, bool is_good, const char *rest, uint64_t value)
{
    CU_ASSERT_EQUAL(is_good, n->is_good);
    CU_ASSERT_STRING_EQUAL(rest, n->is_good ? n->rest : n->text);
    CU_ASSERT_EQUAL(value, n->is_good ? n->value : 0x5555);
}

static void parse_numbers(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        const char *p = numbers[i].text;
        uint64_t value = 0x5555;
        bool is_good = parse_u64(&p, numbers[i].base, &value);
        check(&numbers[i], is_good, p, value);
    }
}

static const struct number sizes[] = {
    { "512M", 0, true, 512u << 20, "" },
    { "4k,", 0, true, 4096, "," },
    { "1g1", 0, true, 1u << 30, "1" },
    { "0x10T", 0, true, UINT64_C(16) << 40, "" },
    { "7", 0, true, 7, "" },
    { "7x", 0, true, 7, "x" },
    { "16777215T", 0, true, UINT64_C(16777215) << 40, "" },
    { "16777216T", 0, false, 0, NULL },
    { "M", 0, false, 0, NULL },
};

static void parse_sizes(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        const char *p = sizes[i].text;
        uint64_t value = 0x5555;
        bool is_good = parse_size(&p, &value);
        check(&sizes[i], is_good, p, value);
    }
}

static const struct unit_test tests[] = {
    { "strlcpy_truncates", strlcpy_truncates },
    { "starts_with", starts_with },
    { "parse_numbers", parse_numbers },
    { "parse_sizes", parse_sizes },
    { NULL, NULL },
};

int main(void)
{
    return unit_main("string", tests);
}
