// SPDX-License-Identifier: MIT
//
// Text out of numbers and texts; libc.h says what of printf's there is.
#include "guest/libc.h"

struct out {
    char *at;
    char *end;
};

struct field {
    unsigned width;
    char fill;
    unsigned longs;
};

static void put(struct out *o, char c)
{
    if (o->at < o->end) {
        *o->at++ = c;
    }
}

static void put_number(struct out *o, uint64_t v, unsigned base, const struct field *f)
{
    char digits[24];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    for (unsigned i = n; i < f->width; i++) {
        put(o, f->fill);
    }
    while (n) {
        put(o, digits[--n]);
    }
}

static void put_signed(struct out *o, int64_t v, struct field *f)
{
    if (v < 0) {
        put(o, '-');
        f->width -= f->width > 0;
    }
    put_number(o, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, f);
}

static void put_text(struct out *o, const char *s, const struct field *f)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n || i < f->width; i++) {
        put(o, i < n ? s[i] : ' ');
    }
}

static const char *parse_field(const char *fmt, struct field *f)
{
    *f = (struct field){ .fill = ' ' };
    if (*fmt == '0') {
        f->fill = *fmt++;
    }
    for (; *fmt >= '0' && *fmt <= '9'; fmt++) {
        f->width = f->width * 10 + (unsigned)(*fmt - '0');
    }
    for (; *fmt == 'l' || *fmt == 'z'; fmt++) {
        f->longs++;
    }
    return fmt;
}

int vformat(char *to, size_t size, const char *fmt, va_list ap)
{
    struct out o = { to, to + size - 1 };
    struct field f;

    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            put(&o, *fmt);
            continue;
        }
        fmt = parse_field(fmt + 1, &f);
        switch (*fmt) {
        case 's': put_text(&o, va_arg(ap, const char *), &f); break;
        case 'c': put(&o, (char)va_arg(ap, int)); break;
        case 'd': put_signed(&o, f.longs ? va_arg(ap, long) : va_arg(ap, int), &f); break;
        case 'u': put_number(&o, f.longs ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 10, &f); break;
        case 'x': put_number(&o, f.longs ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 16, &f); break;
        case 'p': f.width = 16; f.fill = '0'; put_number(&o, (uint64_t)va_arg(ap, void *), 16, &f); break;
        default: put(&o, *fmt);
        }
        if (!*fmt) {
            break;    // a lone % at the end
        }
    }
    *o.at = '\0';
    return (int)(o.at - to);
}

int format(char *to, size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vformat(to, size, fmt, ap);
    va_end(ap);
    return n;
}
