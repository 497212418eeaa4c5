// SPDX-License-Identifier: MIT
/* printf's useful half, to the hypervisor's console by console_io. A line goes out in one call. */
#include <stdarg.h>

#include "kit/kit.h"

struct out {
    char *at, *end;
};

static void put(struct out *o, char c)
{
    if (o->at < o->end)
        *o->at++ = c;
}

static void put_number(struct out *o, uint64_t v, unsigned int base, int width, char fill)
{
    char digits[24];
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    for (; width > n; width--)
        put(o, fill);
    while (n)
        put(o, digits[--n]);
}

static void put_signed(struct out *o, int64_t v, int width, char fill)
{
    if (v < 0) {
        put(o, '-');
        put_number(o, 0 - (uint64_t)v, 10, width - 1, fill);
        return;
    }
    put_number(o, (uint64_t)v, 10, width, fill);
}

static int vformat(char *to, size_t size, const char *fmt, va_list ap)
{
    struct out o = { to, to + size - 1 };
    const char *s;

    for (; *fmt; fmt++) {
        char fill = ' ';
        int width = 0, longs = 0;

        if (*fmt != '%') {
            put(&o, *fmt);
            continue;
        }
        if (*++fmt == '0')
            fill = *fmt++;
        for (; *fmt >= '0' && *fmt <= '9'; fmt++)
            width = width * 10 + *fmt - '0';
        for (; *fmt == 'l' || *fmt == 'z'; fmt++)
            longs++;
        switch (*fmt) {
        case 's':
            for (s = va_arg(ap, const char *); *s; s++, width--)
                put(&o, *s);
            for (; width > 0; width--)
                put(&o, ' ');
            break;
        case 'c': put(&o, (char)va_arg(ap, int)); break;
        case 'd': put_signed(&o, longs ? va_arg(ap, long) : va_arg(ap, int), width, fill); break;
        case 'u': put_number(&o, longs ? va_arg(ap, unsigned long) : va_arg(ap, unsigned int), 10,
                             width, fill); break;
        case 'x': put_number(&o, longs ? va_arg(ap, unsigned long) : va_arg(ap, unsigned int), 16,
                             width, fill); break;
        case 'p': put_number(&o, (uint64_t)va_arg(ap, void *), 16, 16, '0'); break;
        default: put(&o, *fmt);
        }
    }
    *o.at = 0;
    return (int)(o.at - to);
}

int format(char *to, size_t size, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vformat(to, size, fmt, ap);
    va_end(ap);
    return n;
}

void print(const char *fmt, ...)
{
    char line[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vformat(line, sizeof(line), fmt, ap);
    va_end(ap);
    hyp_console_io(CONSOLEIO_write, (unsigned int)n, line);
}
