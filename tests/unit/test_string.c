// SPDX-License-Identifier: MIT
// lib/string.c: truncating copy and the number parsers, which read what an administrator or a boot
// loader wrote.
#include <string.h>

#include "lib/string.h"
#include "unit_main.h"

struct number {
    const char *text;
    bool is_good;
    uint64_t value;
    const char *rest;
};

static const struct number numbers[] = {
    { "0", true, 0, "" },
    { "123,", true, 123, "," },
    { "0x1f", true, 31, "" },
    { "0X1Fg", true, 31, "g" },
    { "017", true, 17, "" },
    { "0x", true, 0, "x" },
    { "18446744073709551615", true, UINT64_MAX, "" },
    { "18446744073709551616", false, 0, NULL },
    { "0xffffffffffffffff", true, UINT64_MAX, "" },
    { "0x10000000000000000", false, 0, NULL },
    { "99999999999999999999999", false, 0, NULL },
    { "", false, 0, NULL },
    { "-1", false, 0, NULL },
    { " 1", false, 0, NULL },
    { "abc", false, 0, NULL },
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
        bool is_good = parse_u64(&p, &value);
        check(&numbers[i], is_good, p, value);
    }
}

static const struct unit_test tests[] = {
    { "parse_numbers", parse_numbers },
    { NULL, NULL },
};

int main(void)
{
    return unit_main("string", tests);
}
