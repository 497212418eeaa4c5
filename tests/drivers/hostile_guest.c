// SPDX-License-Identifier: MIT
// A guest that means no good: as fast as it can it fills its disk's ring with requests of which most make no sense, sends an event
// for each, and takes no notice of answers but to make room. Every few it asks for as much as a request may, which is what costs a
// back end most. It ends after seconds=N of its command line (60), and says how many it has sent.
#include "guest/guest.h"

enum { NS = 1000000000, AT_ONCE = 16 };

static struct guest_disk disk;
static uint64_t state = 0x9e3779b97f4a7c15ull;

static uint64_t any(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

// One of the large requests that the front end's own pages serve, or whatever comes.
static void nasty(struct blkif_request *r, const struct blk_front_slot *slot)
{
    for (unsigned char *at = (unsigned char *)r; at < (unsigned char *)(r + 1); at++)
        *at = (unsigned char)any();
    r->operation = (uint8_t)(any() % 10);
    if (any() % 4)
        return;
    r->operation = any() % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE;
    r->nr_segments = BLKIF_MAX_SEGMENTS_PER_REQUEST;
    r->sector_number = any() % disk.front.nr_sectors & ~127ull;
    for (unsigned i = 0; i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++)
        r->seg[i] = (struct blkif_request_segment){ .gref = slot->pages.refs[i], .first_sect = 0, .last_sect = 7 };
}

static uint64_t flood(struct blk_front_queue *q, uint64_t end_ns)
{
    struct ring *ring = &q->ring.ring;
    union blkif_sring_entry entry;
    uint64_t sent = 0;

    while (now_ns() < end_ns) {
        for (unsigned i = 0; i < AT_ONCE && ring_front_free(ring); i++, sent++) {
            nasty(&entry.req, &q->slots[any() % disk.front.want.nr_requests]);
            ring_put(ring, &entry, sizeof(entry.req));
            (void)ring_publish(ring);
            event_send(q->ring.port);
        }
        if (ring_poll(ring) < 0)
            guest_fail("hostile: the back end's indices make no sense");
        while (ring_take(ring, &entry, sizeof(entry.rsp)))
            ;
    }
    return sent;
}

void guest_main(const char *command_line)
{
    struct blk_front_config want = { .nr_queues = 1, .ring_order = 4, .nr_requests = BLK_FRONT_MAX_REQUESTS,
                                     .max_segments = BLKIF_MAX_SEGMENTS_PER_REQUEST, .is_persistent = true };
    uint64_t seconds = guest_number(command_line, "seconds", 3600, 60);

    if (!disk_open(&disk, 0, &want))
        return;
    print("hostile: begins\n");
    print("hostile: %lu sent\n", flood(&disk.front.queues[0], now_ns() + seconds * NS));
    // What the front end knows of its ring is not true any more, so nothing is closed in order.
    guest_end(GUEST_POWEROFF);
}
