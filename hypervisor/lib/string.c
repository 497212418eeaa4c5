// SPDX-License-Identifier: MIT
// String functions that the C standard does not have. Pure, host-tested.
#include "lib/string.h"

size_t strlcpy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);

    if (size > 0) {
        size_t n = length < size ? length : size - 1;
        memcpy(to, from, n);
        to[n] = '\0';
    }
    return length;
}

bool string_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

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

// Skip 0x if a digit follows and the base allows it, and decide what base 0 means.
static const char *skip_prefix(const char *s, unsigned *base)
{
    bool is_hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit_value(s[2]) < 16;

    if (is_hex && (*base == 0 || *base == 16)) {
        *base = 16;
        return s + 2;
    }
    if (*base == 0)
        *base = s[0] == '0' ? 8 : 10;
    return s;
}

bool parse_u64(const char **s, unsigned base, uint64_t *out)
{
    const char *digits = skip_prefix(*s, &base);
    const char *p = digits;
    uint64_t value = 0;

    for (; digit_value(*p) < base; p++) {
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit_value(*p), &value))
            return false;
    }
    if (p == digits)
        return false;
    *s = p;
    *out = value;
    return true;
}

bool parse_size(const char **s, uint64_t *out)
{
    static const char factors[] = "kKmMgGtT";
    const char *p = *s;
    uint64_t value;

    if (!parse_u64(&p, 0, &value))
        return false;
    const char *factor = *p != '\0' ? strchr(factors, *p) : NULL;
    if (factor != NULL) {
        unsigned shift = 10u * ((unsigned)(factor - factors) / 2 + 1);
        if (value > UINT64_MAX >> shift)
            return false;
        value <<= shift;
        p++;
    }
    *s = p;
    *out = value;
    return true;
}
