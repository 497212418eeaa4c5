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

// Every entry is on one of the ring's own files, by index.
static inline void uring_tag(struct io_uring_sqe *sqe, unsigned flags, void *data)
{
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | flags);
    io_uring_sqe_set_data(sqe, data);
}

// 0 or a negative errno.
int uring_open(struct io_uring *ring, unsigned nr_entries, const int *files, unsigned nr_files, const uint8_t *operations,
               unsigned nr_operations);
// Once it is readable, unless that is asked for already.
void uring_poll(struct io_uring *ring, int file, int *result);
void uring_event(struct io_uring *ring, int file, struct uring_event *e);
// Submits, and waits until something is over, at most timeout_ns, for ever if that is negative.
void uring_wait(struct io_uring *ring, int64_t timeout_ns);
// The next that is over, by its user data. False: none is. What has no user data says nothing unless it fails; that is logged.
bool uring_next(struct io_uring *ring, void **data, int *result);
