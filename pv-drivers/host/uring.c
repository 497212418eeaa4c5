// SPDX-License-Identifier: MIT
#include "host/uring.h"

#include <errno.h>
#include <poll.h>

static int confine(struct io_uring *ring, const uint8_t *operations, unsigned nr)
{
    struct io_uring_restriction rules[URING_MAX_OPERATIONS + 2] = { 0 };

    for (unsigned i = 0; i < nr; i++)
        rules[i] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = operations[i] };
    rules[nr++] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
        .sqe_flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_CQE_SKIP_SUCCESS };
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
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    io_uring_sqe_set_data(sqe, result);
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
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS);
        io_uring_sqe_set_data(sqe, NULL);
    }
    sqe = io_uring_get_sqe(ring);
    io_uring_prep_poll_add(sqe, file, POLLIN);
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
    io_uring_sqe_set_data(sqe, NULL);
    sqe = io_uring_get_sqe(ring);
    io_uring_prep_read(sqe, file, e->words, sizeof(e->words), 0);
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    io_uring_sqe_set_data(sqe, &e->result);
    e->result = URING_PENDING;
}
