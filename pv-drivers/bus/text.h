// SPDX-License-Identifier: MIT
//
// Texts for the store and for people, bounded, without a C library.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_DECIMAL 21u     // of 64 bits, with the closing zero

// printf's useful half: %s %c %d %u %x %p, widths, a fill of 0, l and z. Cuts what does not fit, always
// ends with a zero, returns the length. `size` is not 0.
int format(char *to, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int vformat(char *to, size_t size, const char *fmt, va_list ap);

// A decimal and nothing else, no greater than `limit`.
static inline bool text_parse_u64(const char *text, uint64_t limit, uint64_t *value)
{
    uint64_t v = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (digit > 9 || digit > limit || v > (limit - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *value = v;
    return v <= limit;
}

#define TEXT_QUEUE_LEAF 64u

// The node of a queue: "NAME", or, with several queues, "queue-N/NAME". Of a ring's pages there is one
// each; their number, if it is not negative, ends the name.
void text_queue_leaf(char leaf[TEXT_QUEUE_LEAF], unsigned queue, unsigned nr_queues, const char *name, int number);
