// SPDX-License-Identifier: MIT
// Formatting (lib/printf.h). A conversion is first read into a struct, then its text is made, then
// placed: so widths and flags exist once. Pure, takes no lock; a bad format only yields bad text.
#include "lib/printf.h"

#include <stdbool.h>
#include <stdint.h>

// Where the text goes. length counts on beyond the end of the buffer.
struct output {
    char *buffer;
    size_t size;
    size_t length;
};

struct conversion {
    bool left;      // -
    bool zero;      // 0
    bool alternate; // #
    char sign;      // '+' or ' ' before a number that is not negative, or 0
    unsigned width;
    int precision;  // -1: not given
    unsigned bytes; // size of the integer argument
    char type;
};

#define MAX_FIELD 1024u
#define MAX_DIGITS 24u

static void put(struct output *out, char c)
{
    if (out->length + 1 < out->size)
        out->buffer[out->length] = c;
    out->length++;
}

static void put_repeated(struct output *out, char c, size_t count)
{
    while (count-- > 0)
        put(out, c);
}

// prefix, then zeros up to the precision (or the width, with the 0 flag), then text; padded.
static void put_field(struct output *out, const struct conversion *conversion, const char *prefix,
                      size_t zeros, const char *text, size_t text_length)
{
    size_t prefix_length = 0;
    while (prefix[prefix_length] != '\0')
        prefix_length++;

    size_t used = prefix_length + zeros + text_length;
    size_t padding = conversion->width > used ? conversion->width - used : 0;
    if (conversion->zero && !conversion->left) {
        zeros += padding;
        padding = 0;
    }
    if (!conversion->left)
        put_repeated(out, ' ', padding);
    for (size_t i = 0; i < prefix_length; i++)
        put(out, prefix[i]);
    put_repeated(out, '0', zeros);
    for (size_t i = 0; i < text_length; i++)
        put(out, text[i]);
    if (conversion->left)
        put_repeated(out, ' ', padding);
}

static void put_number(struct output *out, struct conversion *conversion, uint64_t value,
                       const char *prefix)
{
    const char *digits = conversion->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned base = conversion->type == 'd' || conversion->type == 'u' ? 10 : 16;
    char text[MAX_DIGITS];
    size_t start = MAX_DIGITS;

    for (; value != 0; value /= base)
        text[--start] = digits[value % base];

    size_t length = MAX_DIGITS - start;
    size_t least = conversion->precision < 0 ? 1 : (size_t)conversion->precision;
    if (conversion->precision >= 0)
        conversion->zero = false;
    put_field(out, conversion, prefix, least > length ? least - length : 0, text + start, length);
}

static uint64_t unsigned_argument(const struct conversion *conversion, va_list *args)
{
    uint64_t value = conversion->bytes == 8 ? va_arg(*args, uint64_t) : va_arg(*args, unsigned);

    if (conversion->bytes == 1)
        return (uint8_t)value;
    return conversion->bytes == 2 ? (uint16_t)value : value;
}

static void put_unsigned(struct output *out, struct conversion *conversion, va_list *args)
{
    uint64_t value = unsigned_argument(conversion, args);
    const char *prefix = "";

    if (conversion->alternate && value != 0 && conversion->type != 'u')
        prefix = conversion->type == 'X' ? "0X" : "0x";
    put_number(out, conversion, value, prefix);
}

static void put_signed(struct output *out, struct conversion *conversion, va_list *args)
{
    int64_t value = conversion->bytes == 8 ? va_arg(*args, int64_t) : va_arg(*args, int);
    char prefix[2] = { conversion->sign, '\0' };

    if (conversion->bytes == 1)
        value = (int8_t)value;
    else if (conversion->bytes == 2)
        value = (int16_t)value;
    conversion->type = 'd';
    if (value < 0)
        prefix[0] = '-';
    put_number(out, conversion, value < 0 ? -(uint64_t)value : (uint64_t)value, prefix);
}

// Always all sixteen digits: addresses line up in a log.
static void put_pointer(struct output *out, struct conversion *conversion, va_list *args)
{
    uint64_t value = (uintptr_t)va_arg(*args, void *);

    conversion->precision = 16;
    put_number(out, conversion, value, "");
}

static void put_character(struct output *out, struct conversion *conversion, va_list *args)
{
    char c = (char)va_arg(*args, int);

    conversion->zero = false;
    put_field(out, conversion, "", 0, &c, 1);
}

static void put_string(struct output *out, struct conversion *conversion, va_list *args)
{
    const char *text = va_arg(*args, const char *);
    size_t max = conversion->precision < 0 ? SIZE_MAX : (size_t)conversion->precision;
    size_t length = 0;

    if (text == NULL)
        text = "(null)";
    while (length < max && text[length] != '\0')
        length++;
    conversion->zero = false;
    put_field(out, conversion, "", 0, text, length);
}

static const struct {
    char type;
    void (*put)(struct output *out, struct conversion *conversion, va_list *args);
} conversions[] = {
    { 'd', put_signed },    { 'i', put_signed },   { 'u', put_unsigned },
    { 'x', put_unsigned },  { 'X', put_unsigned }, { 'p', put_pointer },
    { 'c', put_character }, { 's', put_string },
};

static const char *read_flags(const char *p, struct conversion *conversion)
{
    for (;; p++) {
        if (*p == '-')
            conversion->left = true;
        else if (*p == '0')
            conversion->zero = true;
        else if (*p == '#')
            conversion->alternate = true;
        else if (*p == '+' || (*p == ' ' && conversion->sign == 0))
            conversion->sign = *p;
        else if (*p != ' ')
            return p;
    }
}

// A number or *; what is larger than any sensible field is cut to MAX_FIELD.
static const char *read_count(const char *p, va_list *args, int *count)
{
    if (*p == '*') {
        *count = va_arg(*args, int);
        p++;
    } else {
        *count = 0;
        for (; *p >= '0' && *p <= '9'; p++) {
            if (*count < (int)MAX_FIELD)
                *count = *count * 10 + (*p - '0');
        }
    }
    if (*count > (int)MAX_FIELD)
        *count = (int)MAX_FIELD;
    return p;
}

static const char *read_width(const char *p, va_list *args, struct conversion *conversion)
{
    int count;

    p = read_count(p, args, &count);
    if (count < 0)
        conversion->left = true;
    if (count < -(int)MAX_FIELD)
        count = (int)MAX_FIELD;
    conversion->width = (unsigned)(count < 0 ? -count : count);

    conversion->precision = -1;
    if (*p == '.') {
        p = read_count(p + 1, args, &count);
        conversion->precision = count < 0 ? -1 : count;
    }
    return p;
}

static const char *read_length(const char *p, struct conversion *conversion)
{
    conversion->bytes = 4;
    if (*p == 'h') {
        conversion->bytes = p[1] == 'h' ? 1 : 2;
        return p + (p[1] == 'h' ? 2 : 1);
    }
    if (*p == 'l' || *p == 'z' || *p == 'j' || *p == 't') {
        conversion->bytes = 8;
        return p + (p[0] == 'l' && p[1] == 'l' ? 2 : 1);
    }
    return p;
}

// p is behind the percent sign; returns what follows the conversion.
static const char *put_conversion(struct output *out, const char *p, va_list *args)
{
    const char *start = p;
    struct conversion conversion = { 0 };

    p = read_flags(p, &conversion);
    p = read_width(p, args, &conversion);
    p = read_length(p, &conversion);
    conversion.type = *p;
    for (size_t i = 0; i < ARRAY_SIZE(conversions); i++) {
        if (conversions[i].type == conversion.type) {
            conversions[i].put(out, &conversion, args);
            return p + 1;
        }
    }
    put(out, '%');
    return *p == '%' ? p + 1 : start;
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list args)
{
    struct output out = { buffer, size, 0 };
    va_list rest;

    va_copy(rest, args);
    while (*format != '\0') {
        char c = *format++;
        if (c == '%')
            format = put_conversion(&out, format, &rest);
        else
            put(&out, c);
    }
    va_end(rest);
    if (size > 0)
        buffer[out.length < size ? out.length : size - 1] = '\0';
    return (int)out.length;
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int length = vsnprintf(buffer, size, format, args);
    va_end(args);
    return length;
}
