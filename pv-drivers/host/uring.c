// SPDX-License-Identifier: MIT
#include "host/uring.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static int confine(struct io_uring *ring, const uint8_t *operations, unsigned nr)
{
    struct io_uring_restriction rules[URING_MAX_OPERATIONS + 2] = { 0 };

    for (unsigned i = 0; i < nr; i++)
        rules[i] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = operations[i] };
    rules[nr++] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
        .sqe_flags = IOSQE_FIXED_FILE | IOSQE_IO_HARDLINK | IOSQE_CQE_SKIP_SUCCESS };
    rules[nr++] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED,
        .sqe_flags = IOSQE_FIXED_FILE };
    return io_uring_register((unsigned)ring->ring_fd, IORING_REGISTER_RESTRICTIONS, rules, nr);
}

int uring_open(struct io_uring *ring, unsigned nr_entries, const int *files, unsigned nr_files, const uint8_t *operations,
               unsigned nr_operations)
{
    struct io_uring_params params = { .flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_R_DISABLED };
    int rc = nr_operations > URING_MAX_OPERATIONS ? -E2BIG : io_uring_queue_init_params(nr_entries, ring, &params);

    if (rc < 0)
        return rc;
    rc = io_uring_register_files(ring, files, nr_files);
    if (rc == 0)
        rc = confine(ring, operations, nr_operations);
    if (rc == 0)
        rc = io_uring_register((unsigned)ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    if (rc < 0)
        io_uring_queue_exit(ring);
    return rc;
}

void uring_poll(struct io_uring *ring, int file, int *result)
{
    struct io_uring_sqe *sqe;

    if (*result == URING_PENDING)
        return;
    sqe = io_uring_get_sqe(ring);
    io_uring_prep_poll_add(sqe, file, POLLIN);
    uring_tag(sqe, 0, result);
    *result = URING_PENDING;
}

// Written back at once, when it is submitted, and so before it is read anew.
void uring_event(struct io_uring *ring, int file, struct uring_event *e)
{
    struct io_uring_sqe *sqe;

    if (e->result == URING_PENDING)
        return;
    if (e->is_echoed && e->result > 0) {
        sqe = io_uring_get_sqe(ring);
        io_uring_prep_write(sqe, file, e->words, (unsigned)e->result, 0);
        uring_tag(sqe, IOSQE_CQE_SKIP_SUCCESS, NULL);
    }
    sqe = io_uring_get_sqe(ring);
    io_uring_prep_read(sqe, file, e->words, sizeof(e->words), 0);
    uring_tag(sqe, 0, &e->result);
    e->result = URING_PENDING;
}

void uring_wait(struct io_uring *ring, int64_t timeout_ns)
{
    struct __kernel_timespec ts = { .tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000 };
    struct io_uring_cqe *cqe;

    if (timeout_ns == 0)
        io_uring_submit_and_get_events(ring);
    else
        io_uring_submit_and_wait_timeout(ring, &cqe, 1, timeout_ns < 0 ? NULL : &ts, NULL);
}

bool uring_next(struct io_uring *ring, void **data, int *result)
{
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(ring, &cqe) == 0) {
        *data = io_uring_cqe_get_data(cqe);
        *result = cqe->res;
        io_uring_cqe_seen(ring, cqe);
        if (*data)
            return true;
        fprintf(stderr, "an event or a frame cannot be waited for, or an event not acknowledged: %s\n", strerror(-*result));
    }
    return false;
}
