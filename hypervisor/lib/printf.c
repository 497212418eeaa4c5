// SPDX-License-Identifier: MIT
// Formatting (lib/string.h). A conversion is first read into a struct, then its text is made, then
// placed: so widths and flags exist once. Pure, takes no lock; a bad format only yields bad text.
#include "lib/base.h"

// Where the text goes. length counts on beyond the end of the buffer.
struct output {
    char *buffer;
    size_t size;
    size_t length;
};

struct conversion {
    bool zero;      // 0
    bool alternate; // #
    bool is_long;
    unsigned width;
    unsigned precision; // the most of a string
};

#define MAX_FIELD 1024u
#define MAX_DIGITS 20u

static void put(struct output *out, char c, size_t count)
{
    for (; count > 0; count--, out->length++) {
        if (out->length + 1 < out->size)
            out->buffer[out->length] = c;
    }
}

static void put_field(struct output *out, const struct conversion *conversion, const char *prefix,
                      const char *text, size_t length)
{
    size_t used = strlen(prefix) + length;
    size_t padding = conversion->width > used ? conversion->width - used : 0;

    put(out, ' ', conversion->zero ? 0 : padding);
    for (; *prefix != '\0'; prefix++)
        put(out, *prefix, 1);
    put(out, '0', conversion->zero ? padding : 0);
    for (size_t i = 0; i < length; i++)
        put(out, text[i], 1);
}

static void put_number(struct output *out, const struct conversion *conversion, const char *prefix,
                       uint64_t value, unsigned base)
{
    char text[MAX_DIGITS];
    size_t start = MAX_DIGITS;

    do
        text[--start] = "0123456789abcdef"[value % base];
    while ((value /= base) != 0);
    put_field(out, conversion, prefix, text + start, MAX_DIGITS - start);
}

static void put_string(struct output *out, struct conversion *conversion, const char *text)
{
    size_t length = 0;

    if (text == NULL)
        text = "(null)";
    while (length < conversion->precision && text[length] != '\0')
        length++;
    conversion->zero = false;
    put_field(out, conversion, "", text, length);
}

// At most MAX_FIELD: what is larger than any sensible field is cut.
static const char *read_count(const char *p, unsigned *count)
{
    for (*count = 0; *p >= '0' && *p <= '9'; p++)
        *count = MIN(*count * 10 + (unsigned)(*p - '0'), MAX_FIELD);
    return p;
}

static const char *read_conversion(const char *p, struct conversion *conversion)
{
    for (; *p == '0' || *p == '#'; p++)
        *(*p == '0' ? &conversion->zero : &conversion->alternate) = true;
    p = read_count(p, &conversion->width);
    conversion->precision = MAX_FIELD;
    if (*p == '.')
        p = read_count(p + 1, &conversion->precision);
    for (; *p == 'l' || *p == 'z'; p++)
        conversion->is_long = true;
    return p;
}

// p is behind the percent sign; returns what follows the conversion.
static const char *put_conversion(struct output *out, const char *p, va_list *args)
{
    const char *start = p;
    struct conversion c = { .zero = false };
    uint64_t value;
    int64_t number;

    p = read_conversion(p, &c);
    switch (*p) {
    case 'd':
        number = c.is_long ? va_arg(*args, int64_t) : va_arg(*args, int);
        value = number < 0 ? -(uint64_t)number : (uint64_t)number;
        put_number(out, &c, number < 0 ? "-" : "", value, 10);
        return p + 1;
    case 'u':
    case 'x':
        value = c.is_long ? va_arg(*args, uint64_t) : va_arg(*args, unsigned);
        put_number(out, &c, c.alternate && value != 0 ? "0x" : "", value, *p == 'u' ? 10 : 16);
        return p + 1;
    case 's':
        put_string(out, &c, va_arg(*args, const char *));
        return p + 1;
    default:
        put(out, '%', 1);
        return *p == '%' ? p + 1 : start;
    }
}

int vscnprintf(char *buffer, size_t size, const char *format, va_list args)
{
    struct output out = { buffer, size, 0 };
    va_list rest;

    va_copy(rest, args);
    while (*format != '\0') {
        char c = *format++;
        if (c == '%')
            format = put_conversion(&out, format, &rest);
        else
            put(&out, c, 1);
    }
    va_end(rest);
    if (size == 0)
        return 0;
    out.length = MIN(out.length, size - 1);
    buffer[out.length] = '\0';
    return (int)out.length;
}

int scnprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int length = vscnprintf(buffer, size, format, args);
    va_end(args);
    return length;
}
