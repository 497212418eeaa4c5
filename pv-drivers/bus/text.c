// SPDX-License-Identifier: MIT
//
// Text out of numbers and texts; text.h says what of printf's there is.
#include "bus/text.h"

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
    if (o->at < o->end)
        *o->at++ = c;
}

static void put_number(struct out *o, uint64_t v, bool is_negative, unsigned base, const struct field *f)
{
    char digits[24];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    if (is_negative)
        put(o, '-');
    for (unsigned i = n + is_negative; i < f->width; i++)
        put(o, f->fill);
    while (n)
        put(o, digits[--n]);
}

static void put_text(struct out *o, const char *s, const struct field *f)
{
    for (unsigned i = 0; *s || i < f->width; i++)
        put(o, *s ? *s++ : ' ');
}

static const char *parse_field(const char *fmt, struct field *f)
{
    *f = (struct field){ .fill = ' ' };
    if (*fmt == '0')
        f->fill = *fmt++;
    for (; *fmt >= '0' && *fmt <= '9'; fmt++)
        f->width = f->width * 10 + (unsigned)(*fmt - '0');
    for (; *fmt == 'l' || *fmt == 'z'; fmt++)
        f->longs++;
    return fmt;
}

int vformat(char *to, size_t size, const char *fmt, va_list ap)
{
    struct out o = { to, to + size - 1 };
    struct field f;
    long number;

    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            put(&o, *fmt);
            continue;
        }
        fmt = parse_field(fmt + 1, &f);
        switch (*fmt) {
        case 's': put_text(&o, va_arg(ap, const char *), &f); break;
        case 'c': put(&o, (char)va_arg(ap, int)); break;
        case 'd':
            number = f.longs ? va_arg(ap, long) : va_arg(ap, int);
            put_number(&o, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, number < 0, 10, &f);
            break;
        case 'u': put_number(&o, f.longs ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), false, 10, &f); break;
        case 'x': put_number(&o, f.longs ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), false, 16, &f); break;
        case 'p': f.width = 16; f.fill = '0'; put_number(&o, (uint64_t)va_arg(ap, void *), false, 16, &f); break;
        default: put(&o, *fmt);
        }
        if (!*fmt)
            break;    // a lone % at the end
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

void text_queue_leaf(char leaf[TEXT_QUEUE_LEAF], unsigned queue, unsigned nr_queues, const char *name, int number)
{
    int length = nr_queues > 1 ? format(leaf, TEXT_QUEUE_LEAF, "queue-%u/%s", queue, name)
                               : format(leaf, TEXT_QUEUE_LEAF, "%s", name);

    if (number >= 0)
        format(leaf + length, TEXT_QUEUE_LEAF - (size_t)length, "%d", number);
}
