// SPDX-License-Identifier: MIT
//
// The life of a request; blk_queue.h has the picture. A request is looked at in the journal's copy
// only, and that copy is checked in full before anything is done with it.
#include "blk/blk_queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bus/container.h"
#include "host/stats.h"

#define NO_PAGE UINT16_MAX
#define PAGE RING_PAGE_SIZE
#define SECTORS_PER_PAGE (PAGE / BLK_SECTOR)
#define ENTRY_SIZE ((uint32_t)sizeof(union blkif_sring_entry))

_Static_assert(sizeof(struct blkif_request) == sizeof(union blkif_sring_entry), "a whole entry is copied");
_Static_assert(BLK_MAX_SEGMENTS * sizeof(struct blkif_request_segment) <= PAGE, "one indirect page");
_Static_assert(BLK_POOL_PAGES >= BLK_MAX_SEGMENTS, "the largest request fits");
_Static_assert(BLK_POOL_PAGES < NO_PAGE, "page numbers");

enum step { STEP_END, STEP_DATA, STEP_SYNC, STEP_DISCARD, STEP_ZERO };

struct op_rule {
    int (*parse)(struct blk_queue *q, struct blk_request *r);
    uint8_t steps[4];
    uint8_t min_segments;
    bool is_write;               // refused on a read-only disk
    bool drains;                 // starts alone, and nothing starts before it is done
    uint8_t stat;
};

static int parse_segments(struct blk_queue *q, struct blk_request *r);
static int parse_discard(struct blk_queue *q, struct blk_request *r);
static int parse_indirect(struct blk_queue *q, struct blk_request *r);

static const struct op_rule rules[] = {
    [BLKIF_OP_READ] = { parse_segments, { STEP_DATA }, 1, false, false, BLK_STAT_READS },
    [BLKIF_OP_WRITE] = { parse_segments, { STEP_DATA }, 1, true, false, BLK_STAT_WRITES },
    [BLKIF_OP_WRITE_BARRIER] = { parse_segments, { STEP_SYNC, STEP_DATA, STEP_SYNC }, 0, true, true,
                                 BLK_STAT_WRITES },
    [BLKIF_OP_FLUSH_DISKCACHE] = { parse_segments, { STEP_DATA, STEP_SYNC }, 0, false, false,
                                   BLK_STAT_FLUSHES },
    [BLKIF_OP_DISCARD] = { parse_discard, { STEP_DISCARD }, 0, true, false, BLK_STAT_DISCARDS },
    [BLKIF_OP_INDIRECT] = { parse_indirect, { STEP_END }, 1, false, false, BLK_STAT_READS },
};
static const struct op_rule secure_discard = {
    parse_discard, { STEP_ZERO, STEP_SYNC }, 0, true, false, BLK_STAT_DISCARDS,
};

static void next_step(struct blk_request *r);
static void run(struct blk_request *r);
static void answer(struct blk_request *r, int rc);

// ------------------------------------------------------------------------------------------------
// Parse: from the copy to a range of the disk and a list of segments, or an error.

static int set_range(struct blk_queue *q, struct blk_request *r, uint64_t sector, uint64_t nr)
{
    uint64_t end = __atomic_load_n(&q->disk->nr_sectors, __ATOMIC_RELAXED);

    if (nr && (sector > end || nr > end - sector))
        return -EINVAL;
    r->offset = nr ? sector * BLK_SECTOR : 0;
    r->size = nr * BLK_SECTOR;
    return 0;
}

static int set_segments(struct blk_queue *q, struct blk_request *r, uint64_t sector,
                        const struct blkif_request_segment *list, uint32_t nr)
{
    uint64_t nr_sectors = 0;

    for (uint32_t i = 0; i < nr; i++) {
        unsigned first = list[i].first_sect;
        unsigned last = list[i].last_sect;
        if (first > last || last >= SECTORS_PER_PAGE)
            return -EINVAL;
        r->segments[i] = (struct blk_segment){ .ref = list[i].gref,
            .offset = (uint16_t)(first * BLK_SECTOR),
            .size = (uint16_t)((last - first + 1) * BLK_SECTOR) };
        nr_sectors += last - first + 1;
    }
    r->nr_segments = nr;
    return set_range(q, r, sector, nr_sectors);
}

static int parse_segments(struct blk_queue *q, struct blk_request *r)
{
    const struct blkif_request *copy = &r->entry->request.rw;

    if (copy->nr_segments < r->rule->min_segments || copy->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST)
        return -EINVAL;
    // A flush that brings data is a write.
    if (copy->operation == BLKIF_OP_FLUSH_DISKCACHE && copy->nr_segments && q->disk->is_read_only)
        return -EROFS;
    return set_segments(q, r, copy->sector_number, copy->seg, copy->nr_segments);
}

static int parse_discard(struct blk_queue *q, struct blk_request *r)
{
    const struct blkif_request_discard *copy = &r->entry->request.discard;

    if ((copy->flag & BLKIF_DISCARD_SECURE) && q->disk->can_discard_securely)
        r->rule = &secure_discard;
    else if ((copy->flag & BLKIF_DISCARD_SECURE) || !__atomic_load_n(&q->disk->image->can_discard, __ATOMIC_RELAXED))
        return -EOPNOTSUPP;
    return copy->nr_sectors ? set_range(q, r, copy->sector_number, copy->nr_sectors) : -EINVAL;
}

// The list of segments lies in the guest's memory: it is copied once, like the request.
static int parse_indirect(struct blk_queue *q, struct blk_request *r)
{
    const struct blkif_request_indirect *copy = &r->entry->request.indirect;
    struct blkif_request_segment list[BLK_MAX_SEGMENTS];

    if ((copy->indirect_op != BLKIF_OP_READ && copy->indirect_op != BLKIF_OP_WRITE) ||
        copy->nr_segments == 0 || copy->nr_segments > BLK_MAX_SEGMENTS)
        return -EINVAL;
    struct transport_copy c = { .ref = copy->indirect_grefs[0], .local = list,
        .size = (uint16_t)(copy->nr_segments * sizeof(list[0])) };
    int rc = transport_copy(q->transport, TRANSPORT_FROM_GUEST, &c, 1);
    if (rc < 0)
        return rc;
    r->rule = &rules[copy->indirect_op];
    if (r->rule->is_write && q->disk->is_read_only)
        return -EROFS;
    return set_segments(q, r, copy->sector_number, list, copy->nr_segments);
}

static int parse(struct blk_queue *q, struct blk_request *r)
{
    uint8_t operation = r->entry->request.rw.operation;

    r->size = 0;
    r->nr_segments = 0;
    r->step = 0;
    if (operation >= sizeof(rules) / sizeof(rules[0]) || !rules[operation].parse)
        return -EOPNOTSUPP;
    r->rule = &rules[operation];
    if (r->rule->is_write && q->disk->is_read_only)
        return -EROFS;
    return r->rule->parse(q, r);
}

// ------------------------------------------------------------------------------------------------
// Data: each segment is a page that stays mapped, if the front end promised to use its grants again
// and again, or else a page of the pool, copied: a copy costs less than a mapping and its TLB flush.

static struct blk_grant *grant_slot(struct blk_queue *q, uint32_t ref)
{
    uint32_t i = ref * 2654435761u % BLK_GRANT_SLOTS;

    while (q->grants[i].va && q->grants[i].ref != ref)
        i = (i + 1) % BLK_GRANT_SLOTS;
    return &q->grants[i];
}

// The grants of a request that are not mapped, from one of them up to the first that is, or that comes twice.
static unsigned list_unmapped(struct blk_queue *q, const struct blk_request *r, uint32_t from, uint32_t *refs)
{
    unsigned nr = 0;

    for (uint32_t i = from; i < r->nr_segments && nr < TRANSPORT_MAX_PAGES && q->nr_grants + nr < BLK_MAX_PERSISTENT; i++) {
        for (unsigned k = 0; k < nr; k++)
            if (refs[k] == r->segments[i].ref)
                return nr;
        if (grant_slot(q, r->segments[i].ref)->va)
            return nr;
        refs[nr++] = r->segments[i].ref;
    }
    return nr;
}

// The mapped page of a segment, or NULL when no more may stay mapped; an error if it cannot be. Those behind it are mapped with it,
// so that they lie side by side: a range costs the kernel less to look up than its pages do, each time that they are used.
static int map_persistent(struct blk_queue *q, const struct blk_request *r, uint32_t segment, void **va)
{
    struct blk_grant *g = grant_slot(q, r->segments[segment].ref);
    uint32_t refs[TRANSPORT_MAX_PAGES];
    unsigned nr = g->va ? 0 : list_unmapped(q, r, segment, refs);

    if (nr) {
        void *pages;
        int rc = transport_map(q->transport, refs, nr, &pages);
        if (rc < 0)
            return rc;
        for (unsigned i = 0; i < nr; i++)
            *grant_slot(q, refs[i]) = (struct blk_grant){ refs[i], i ? 0 : nr, (uint8_t *)pages + i * PAGE };
        q->nr_grants += nr;
    }
    *va = g->va;
    return 0;
}

static void *pool_page(struct blk_queue *q, uint16_t page)
{
    return q->pool + (size_t)page * PAGE;
}

static int copy_segments(struct blk_queue *q, struct blk_request *r, enum transport_direction way)
{
    struct transport_copy list[TRANSPORT_MAX_COPIES];
    unsigned nr = 0;
    int rc = 0;

    for (uint32_t i = 0; i < r->nr_segments && rc == 0; i++) {
        if (r->pages[i] != NO_PAGE) {
            const struct blk_segment *s = &r->segments[i];
            list[nr++] = (struct transport_copy){ .ref = s->ref, .offset = s->offset,
                .size = s->size, .local = pool_page(q, r->pages[i]) };
        }
        if (nr == TRANSPORT_MAX_COPIES || (nr && i + 1 == r->nr_segments)) {
            rc = transport_copy(q->transport, way, list, nr);
            nr = 0;
        }
    }
    return rc;
}

static void release_data(struct blk_queue *q, struct blk_request *r)
{
    for (uint32_t i = 0; i < r->nr_segments; i++)
        if (r->pages[i] != NO_PAGE)
            q->free_pages[q->nr_free_pages++] = r->pages[i];
    r->nr_segments = 0;
}

static void add_to_iov(struct blk_io *io, void *at, size_t size)
{
    struct iovec *last = io->nr_iov ? &io->iov[io->nr_iov - 1] : NULL;

    if (last && (uint8_t *)last->iov_base + last->iov_len == at)
        last->iov_len += size;
    else
        io->iov[io->nr_iov++] = (struct iovec){ at, size };
}

// The caller saw to it that the pool has a page for each segment.
static int acquire_data(struct blk_queue *q, struct blk_request *r)
{
    int rc = 0;

    r->io = (struct blk_io){ .iov = r->iov };
    for (uint32_t i = 0; i < r->nr_segments; i++)
        r->pages[i] = NO_PAGE;
    for (uint32_t i = 0; i < r->nr_segments && rc == 0; i++) {
        const struct blk_segment *s = &r->segments[i];
        void *va = NULL;
        if (q->is_persistent)
            rc = map_persistent(q, r, i, &va);
        if (va) {
            add_to_iov(&r->io, (uint8_t *)va + s->offset, s->size);
        } else if (rc == 0) {
            r->pages[i] = q->free_pages[--q->nr_free_pages];
            add_to_iov(&r->io, pool_page(q, r->pages[i]), s->size);
        }
    }
    if (rc == 0 && r->rule != &rules[BLKIF_OP_READ])
        rc = copy_segments(q, r, TRANSPORT_FROM_GUEST);
    return rc;
}

// ------------------------------------------------------------------------------------------------
// Steps on the image, and the answer.

// A step may be over before its submission returns. Then the loop in run() goes on, so that the
// stack does not grow with the number of steps.
static void step_done(struct blk_io *io, int rc)
{
    struct blk_request *r = CONTAINER(io, struct blk_request, io);

    r->rc = rc;
    r->is_step_done = true;
    if (!r->is_running) {
        next_step(r);
        run(r);
    }
}

static void submit(struct blk_request *r, enum blk_io_op op, uint64_t offset, uint64_t size)
{
    struct blk_queue *q = r->queue;

    r->io.op = op;
    r->io.offset = offset;
    r->io.size = size;
    r->io.nr_retries = 0;
    r->io.done = step_done;
    q->disk->image->ops->submit(q->lane, &r->io);
}

static void submit_zeroes(struct blk_request *r)
{
    uint64_t size = r->size < BLK_MAX_SEGMENTS * PAGE ? r->size : BLK_MAX_SEGMENTS * PAGE;
    uint64_t offset = r->offset;

    r->io.iov = r->iov;
    r->io.nr_iov = 0;
    for (uint64_t left = size; left;) {
        size_t part = left < PAGE ? (size_t)left : PAGE;
        r->iov[r->io.nr_iov++] = (struct iovec){ r->queue->zeroes, part };
        left -= part;
    }
    r->offset += size;
    r->size -= size;
    submit(r, BLK_IO_WRITE, offset, size);
}

// Zeroing goes on with the next piece until nothing is left.
static void next_step(struct blk_request *r)
{
    if (r->rule->steps[r->step] != STEP_ZERO || r->size == 0)
        r->step++;
}

// True if the step is over already.
static bool perform(struct blk_request *r)
{
    r->is_step_done = false;
    while (r->rule->steps[r->step] == STEP_DATA && r->size == 0)
        r->step++;
    switch (r->rc < 0 ? STEP_END : (enum step)r->rule->steps[r->step]) {
    case STEP_END:
        answer(r, r->rc);
        break;
    case STEP_DATA:
        submit(r, r->rule == &rules[BLKIF_OP_READ] ? BLK_IO_READ : BLK_IO_WRITE, r->offset, r->size);
        break;
    case STEP_SYNC:
        submit(r, BLK_IO_SYNC, 0, 0);
        break;
    case STEP_DISCARD:
        submit(r, BLK_IO_DISCARD, r->offset, r->size);
        break;
    case STEP_ZERO:
        submit_zeroes(r);
        break;
    }
    return r->is_step_done;
}

static void run(struct blk_request *r)
{
    r->is_running = true;
    while (perform(r))
        next_step(r);
    r->is_running = false;
}

static int16_t status_of(int rc)
{
    return rc == 0 ? BLKIF_RSP_OKAY : rc == -EOPNOTSUPP ? BLKIF_RSP_EOPNOTSUPP : BLKIF_RSP_ERROR;
}

static void respond(struct blk_request *r, int rc)
{
    struct blk_queue *q = r->queue;
    struct blk_entry *e = r->entry;
    const union blk_request_copy *copy = &e->request;
    union {
        struct blkif_response response;
        uint64_t words[2];       // so that nothing of ours goes out in the gaps
    } out = { .words = { 0, 0 } };

    // The id lies at the same place in all requests. Linux takes an indirect request as answered
    // only by the operation that it stands for.
    out.response.id = copy->rw.id;
    out.response.operation = copy->rw.operation == BLKIF_OP_INDIRECT ? copy->indirect.indirect_op
                                                                     : copy->rw.operation;
    out.response.status = status_of(rc);
    e->response_index = q->ring.produced;
    __atomic_store_n(&e->state, BLK_ENTRY_ANSWERED, __ATOMIC_RELEASE);
    ring_put(&q->ring, &out, sizeof(out));
    q->answered[q->nr_answered++] = (uint16_t)(r - q->requests);
    q->has_worked = true;
}
_Static_assert(offsetof(struct blkif_request, id) == offsetof(struct blkif_request_indirect, id), "id");
_Static_assert(offsetof(struct blkif_request, id) == offsetof(struct blkif_request_discard, id), "id");
_Static_assert(sizeof(struct blkif_response) == 16, "two words");

static void count_done(struct blk_queue *q, const struct blk_request *r, uint64_t bytes)
{
    stats_add(&q->stats->count[r->rule->stat], 1);
    if (bytes)
        stats_add(&q->stats->count[r->rule == &rules[BLKIF_OP_READ] ? BLK_STAT_READ_BYTES : BLK_STAT_WRITTEN_BYTES], bytes);
}

static void answer(struct blk_request *r, int rc)
{
    struct blk_queue *q = r->queue;

    if (rc == 0 && r->rule == &rules[BLKIF_OP_READ])
        rc = copy_segments(q, r, TRANSPORT_TO_GUEST);
    if (rc == 0)
        count_done(q, r, r->nr_segments ? r->size : 0);
    else
        stats_add(&q->stats->count[BLK_STAT_ERRORS], 1);
    release_data(q, r);
    q->is_draining = q->is_draining && !r->rule->drains;
    q->nr_in_flight--;
    respond(r, rc);
}

// ------------------------------------------------------------------------------------------------
// Taking and starting.

// False if it must wait; then nothing has changed.
static bool may_start(struct blk_queue *q, const struct blk_request *r)
{
    if (q->is_draining || (r->rule->drains && q->nr_in_flight) || r->nr_segments > q->nr_free_pages)
        return false;
    q->wait_ns = limit_wait(&q->disk->limit, 1, r->nr_segments ? r->size : 0);
    stats_add(&q->stats->count[BLK_STAT_LIMITED], q->wait_ns != 0);
    return q->wait_ns == 0;
}

static bool start(struct blk_queue *q, struct blk_request *r)
{
    if (!may_start(q, r))
        return false;
    q->nr_in_flight++;
    q->is_draining = r->rule->drains;
    r->rc = acquire_data(q, r);
    run(r);
    return true;
}

static void enqueue(struct blk_queue *q, struct blk_request *r)
{
    r->next = NULL;
    *q->waiting_end = r;
    q->waiting_end = &r->next;
}

// The request is checked, and answered at once if it is wrong.
static void admit(struct blk_queue *q, struct blk_request *r)
{
    int rc = parse(q, r);

    if (rc == 0) {
        enqueue(q, r);
        return;
    }
    r->nr_segments = 0;
    stats_add(&q->stats->count[BLK_STAT_INVALID], 1);
    respond(r, rc);
}

static bool take(struct blk_queue *q)
{
    struct blk_request *r = &q->requests[q->free[q->nr_free - 1]];
    uint32_t index = q->ring.consumed;

    if (!ring_take(&q->ring, &r->entry->request, sizeof(r->entry->request)))
        return false;
    q->nr_free--;
    q->has_worked = true;
    r->entry->request_index = index;
    __atomic_store_n(&r->entry->state, BLK_ENTRY_BUSY, __ATOMIC_RELEASE);
    __atomic_store_n(&q->journal->consumed, q->ring.consumed, __ATOMIC_RELEASE);
    admit(q, r);
    return true;
}

static void start_waiting(struct blk_queue *q)
{
    while (q->waiting) {
        struct blk_request *r = q->waiting;
        if (!start(q, r))
            return;
        q->waiting = r->next;
        if (!q->waiting)
            q->waiting_end = &q->waiting;
    }
}

static void publish(struct blk_queue *q)
{
    if (ring_publish(&q->ring)) {
        transport_notify(q->transport);
        stats_add(&q->stats->count[BLK_STAT_EVENTS_SENT], 1);
    }
    for (unsigned i = 0; i < q->nr_answered; i++) {
        __atomic_store_n(&q->journal->entries[q->answered[i]].state, BLK_ENTRY_FREE, __ATOMIC_RELEASE);
        q->free[q->nr_free++] = q->answered[i];
    }
    q->nr_answered = 0;
}

static void check_ring(struct blk_queue *q, int nr)
{
    if (nr < 0 && !q->is_broken) {
        q->is_broken = true;
        limit_say(&q->lines, "%s: the front end's ring claims more requests than fit: nothing is taken from "
                  "it until it reconnects\n", q->name);
    }
}

// True: look again, at what is in flight by the lane's wait. Who waits for each answer is soon back with the next request.
static bool spin(struct blk_queue *q)
{
    struct spin *s = q->nr_in_flight ? &q->image_spin : &q->front_spin;
    bool goes_on;

    if (q->has_worked) {
        spin_ends(&q->image_spin);
        spin_ends(&q->front_spin);
    }
    goes_on = q->has_worked ? spin_begins(s) : spin_goes_on(s);
    q->has_worked = false;
    while (goes_on && q->nr_in_flight == 0 && ring_poll(&q->ring) == 0)
        goes_on = spin_goes_on(s);
    return goes_on;
}

bool blk_queue_work(struct blk_queue *q)
{
    q->wait_ns = 0;
    start_waiting(q);
    if (!q->is_broken)
        check_ring(q, ring_poll(&q->ring));
    while (!q->is_broken && !q->waiting && q->nr_free && take(q))
        start_waiting(q);
    publish(q);
    if (q->waiting)
        return q->nr_in_flight == 0 && q->wait_ns == 0;
    if (q->is_broken || q->nr_free == 0)
        return false;
    if (spin(q))
        return true;
    int nr = ring_sleep(&q->ring);
    check_ring(q, nr);
    return nr > 0;
}

// ------------------------------------------------------------------------------------------------
// Connecting, also to a ring that a predecessor was killed over.

// Indices go around; a request may be older than a whole ring of others.
static bool is_before(uint32_t index, uint32_t end)
{
    return (int32_t)(end - index) > 0;
}

static int compare_age(const void *a, const void *b)
{
    const struct blk_request *x = *(struct blk_request *const *)a;
    const struct blk_request *y = *(struct blk_request *const *)b;

    return is_before(x->entry->request_index, y->entry->request_index) ? -1 : 1;
}

// Sorts what the journal says into free and waiting, the oldest first. What the front end has been
// shown, it alone could have changed since; then the numbers do not fit and it is refused.
static int recover(struct blk_queue *q)
{
    uint32_t consumed = q->journal->consumed;
    uint32_t shown = __atomic_load_n(&q->ring.shared->rsp_prod, __ATOMIC_RELAXED);
    struct blk_request *again[BLK_MAX_REQUESTS];
    uint32_t nr = 0;

    ring_back_init(&q->ring, q->ring.shared, q->nr_ring_pages * PAGE, ENTRY_SIZE, consumed, shown);
    for (uint16_t i = 0; i < BLK_MAX_REQUESTS; i++) {
        struct blk_entry *e = &q->journal->entries[i];
        bool was_taken = e->state != BLK_ENTRY_FREE && is_before(e->request_index, consumed);
        bool was_shown = e->state == BLK_ENTRY_ANSWERED && is_before(e->response_index, shown);

        e->state = was_taken && !was_shown ? BLK_ENTRY_BUSY : BLK_ENTRY_FREE;
        if (e->state == BLK_ENTRY_BUSY)
            again[nr++] = &q->requests[i];
        else
            q->free[q->nr_free++] = i;
    }
    if (consumed - shown != nr)
        return -ESTALE;
    qsort(again, nr, sizeof(again[0]), compare_age);
    for (uint32_t i = 0; i < nr; i++)
        admit(q, again[i]);
    return 0;
}

static void begin(struct blk_queue *q, const struct blk_connection *connection)
{
    __atomic_store_n(&q->journal->magic, 0, __ATOMIC_RELEASE);
    q->journal->consumed = 0;
    q->journal->connection = *connection;
    for (uint16_t i = 0; i < BLK_MAX_REQUESTS; i++) {
        q->journal->entries[i].state = BLK_ENTRY_FREE;
        q->free[q->nr_free++] = i;
    }
    __atomic_store_n(&q->journal->magic, BLK_JOURNAL_MAGIC, __ATOMIC_RELEASE);
}

static bool is_same_connection(const struct blk_queue *q, const struct blk_connection *c)
{
    return q->journal->magic == BLK_JOURNAL_MAGIC &&
           memcmp(&q->journal->connection, c, sizeof(*c)) == 0;
}

static void reset(struct blk_queue *q)
{
    q->nr_free = 0;
    q->nr_answered = 0;
    q->waiting = NULL;
    q->waiting_end = &q->waiting;
    q->is_broken = false;
    q->is_draining = false;
    q->nr_in_flight = 0;
    q->wait_ns = 0;
}

int blk_queue_open(struct blk_queue *q, const struct blk_connection *connection, bool is_persistent, bool resume)
{
    void *pages;

    if (resume && !is_same_connection(q, connection))
        return -ESTALE;
    int rc = transport_map(q->transport, connection->refs, connection->nr_pages, &pages);
    if (rc < 0)
        return rc;
    q->nr_ring_pages = connection->nr_pages;
    q->is_persistent = is_persistent;
    reset(q);
    ring_back_init(&q->ring, pages, q->nr_ring_pages * PAGE, ENTRY_SIZE, 0, 0);
    if (resume)
        rc = recover(q);
    else
        begin(q, connection);
    if (rc == 0)
        rc = transport_bind(q->transport, connection->port);
    if (rc < 0) {
        transport_unmap(q->transport, pages, q->nr_ring_pages);
        q->ring.shared = NULL;
    } else if (resume) {
        transport_notify(q->transport);    // of what was shown and then not said
    }
    return rc;
}

void blk_queue_close(struct blk_queue *q)
{
    if (!q->ring.shared)
        return;
    for (uint32_t i = 0; i < BLK_GRANT_SLOTS; i++) {
        struct blk_grant *g = &q->grants[i];
        if (g->nr_pages)
            transport_unmap(q->transport, g->va, g->nr_pages);
        *g = (struct blk_grant){ .va = NULL };
    }
    q->nr_grants = 0;
    transport_unbind(q->transport);
    transport_unmap(q->transport, q->ring.shared, q->nr_ring_pages);
    q->ring.shared = NULL;
    __atomic_store_n(&q->journal->magic, 0, __ATOMIC_RELEASE);
}

// Page-aligned, zeroed, and counted by RLIMIT_DATA.
struct memory {
    uint8_t pool[BLK_POOL_PAGES * PAGE];
    uint8_t zeroes[PAGE];
    struct blk_request requests[BLK_MAX_REQUESTS];
    struct blk_grant grants[BLK_GRANT_SLOTS];
};

int blk_queue_init(struct blk_queue *q, struct blk_disk *disk, struct transport *transport,
                   struct blk_lane *lane, struct blk_journal *journal, struct blk_stats *stats)
{
    struct memory *m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (m == MAP_FAILED)
        return -ENOMEM;
    *q = (struct blk_queue){ .disk = disk, .transport = transport, .lane = lane, .journal = journal, .stats = stats,
                             .requests = m->requests, .pool = m->pool, .zeroes = m->zeroes, .grants = m->grants };
    for (uint16_t i = 0; i < BLK_POOL_PAGES; i++)
        q->free_pages[q->nr_free_pages++] = i;
    for (unsigned i = 0; i < BLK_MAX_REQUESTS; i++) {
        q->requests[i].queue = q;
        q->requests[i].entry = &journal->entries[i];
    }
    reset(q);
    return 0;
}

void blk_queue_fini(struct blk_queue *q)
{
    munmap(q->pool, sizeof(struct memory));
}
