// SPDX-License-Identifier: MIT
// String functions that the C standard does not have. Pure, host-tested.
#include "lib/base.h"

// The value of a digit, or 255.
static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 255;
}

bool parse_u64(const char **s, uint64_t *out)
{
    const char *p = *s;
    bool is_hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X') && digit_value(p[2]) < 16;
    unsigned base = is_hex ? 16 : 10;
    uint64_t value = 0;

    p += is_hex ? 2 : 0;
    if (digit_value(*p) >= base)
        return false;
    for (; digit_value(*p) < base; p++) {
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit_value(*p), &value))
            return false;
    }
    *s = p;
    *out = value;
    return true;
}
