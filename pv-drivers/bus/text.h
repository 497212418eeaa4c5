// SPDX-License-Identifier: MIT
//
// Paths and decimals for the store, bounded, without a C library.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_DECIMAL 21u     // of 64 bits, with the closing zero

// Appends to a string in `size` bytes; what does not fit is cut.
static inline void text_add(char *text, size_t size, const char *more)
{
    size_t at = 0;

    while (at < size && text[at]) {
        at++;
    }
    while (at + 1 < size && *more) {
        text[at++] = *more++;
    }
    if (at < size) {
        text[at] = '\0';
    }
}

static inline void text_add_u64(char *text, size_t size, uint64_t value)
{
    char digits[TEXT_DECIMAL];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    text_add(text, size, digits + at);
}

// A decimal and nothing else, no greater than `limit`.
static inline bool text_parse_u64(const char *text, uint64_t limit, uint64_t *value)
{
    uint64_t v = 0;

    if (!*text) {
        return false;
    }
    for (; *text; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (digit > 9 || digit > limit || v > (limit - digit) / 10) {
            return false;
        }
        v = v * 10 + digit;
    }
    *value = v;
    return v <= limit;
}

static inline bool text_equal(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

#define TEXT_QUEUE_LEAF 64u

// The node of a queue: "NAME", or, with several queues, "queue-N/NAME". Of a ring's pages there is one
// each; their number, if it is not negative, ends the name.
static inline void text_add_queue_leaf(char *leaf, size_t size, unsigned queue, unsigned nr_queues,
                                       const char *name, int number)
{
    if (nr_queues > 1) {
        text_add(leaf, size, "queue-");
        text_add_u64(leaf, size, queue);
        text_add(leaf, size, "/");
    }
    text_add(leaf, size, name);
    if (number >= 0) {
        text_add_u64(leaf, size, (uint64_t)number);
    }
}
