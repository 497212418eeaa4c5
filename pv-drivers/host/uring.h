// SPDX-License-Identifier: MIT
//
// What the back ends' io_urings have in common. Each belongs to one thread and knows a few files, by
// index; made before the sandbox, it does nothing but what it was made for, whatever becomes of the process.
#pragma once

#include <liburing.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define URING_MAX_OPERATIONS 8u
#define URING_PENDING INT_MIN        // the result of what is asked for and not over

// Events of a transport: waited for and taken in one call to the kernel, and acknowledged in the next.
struct uring_event {
    int result;                      // of reading `words`; the address is the entry's user data
    bool is_echoed;                  // as struct transport has it
    uint32_t words[16];
};

// 0 or a negative errno.
int uring_open(struct io_uring *ring, unsigned nr_entries, const int *files, unsigned nr_files, const uint8_t *operations,
               unsigned nr_operations);
// Once it is readable, unless that is asked for already.
void uring_poll(struct io_uring *ring, int file, int *result);
void uring_event(struct io_uring *ring, int file, struct uring_event *e);
