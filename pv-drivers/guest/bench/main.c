// SPDX-License-Identifier: MIT
//
// The benchmark guest: what a PV guest pays for calls, events, the store and its disk, without a kernel of
// somebody else's between. Prints lines "name value unit" and powers off.
//
// Its command line: seconds=N for each row of a disk (1), disk=N for another disk than the first, and
// write=yes, which DESTROYS what is on it.
#include "bus/text.h"
#include "guest/guest.h"
#include "guest/hypercall.h"
#include "public/version.h"

#define NS 1000000000ull
#define MAX_DEPTH 32u
#define MAX_SECTORS 256u                 // 128 KiB
#define CALLS 100000u
#define READS 200u

static uint64_t start_ns;

static void row(const char *name, uint64_t value, const char *unit)
{
    print("%s %lu %s\n", name, value, unit);
}

// --- calls, events, the store

static void bench_hypercall(void)
{
    uint64_t start = now_ns();

    for (unsigned i = 0; i < CALLS; i++)
        (void)hypercall(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0, 0);
    row("hypercall", (now_ns() - start) / CALLS, "ns");
}

// A channel to oneself: sent, seen by the poll, cleared.
static void bench_event(void)
{
    struct evtchn_bind_interdomain b = { .remote_dom = DOMID_SELF };

    if (os_event_open(&(struct os){ DOMID_SELF }, &b.remote_port) != 0 ||
        hyp_event_channel_op(EVTCHNOP_bind_interdomain, &b) != 0)
        guest_fail("the hypervisor gives no event channel to the guest itself");
    uint64_t start = now_ns();
    for (unsigned i = 0; i < CALLS; i++) {
        event_send(b.local_port);
        event_wait(&b.remote_port, 1, GUEST_NEVER);
    }
    row("event_to_self", (now_ns() - start) / CALLS, "ns");
}

// How long after the moment that was asked for a sleeper goes on.
static void bench_timer(void)
{
    uint64_t late = 0;

    for (unsigned i = 0; i < READS; i++) {
        uint64_t until = now_ns() + NS / 1000;
        while (now_ns() < until)
            event_wait(NULL, 0, until);
        late += now_ns() - until;
    }
    row("timer_late", late / READS, "ns");
}

// There and back: the store's daemon is woken for each.
static void bench_store(void)
{
    char value[STORE_MAX_VALUE];
    uint64_t start = now_ns();

    for (unsigned i = 0; i < READS; i++)
        if (guest_store.ops->read(&guest_store, "name", value, sizeof(value)) != 0)
            guest_fail("the store does not tell the guest its name");
    row("store_read", (now_ns() - start) / READS, "ns");
}

// --- the disk

struct load {
    const char *name;
    uint8_t operation;
    unsigned depth;
    uint64_t sectors;
    bool is_random;
};

struct stream;
struct request {
    struct blk_front_io io;
    struct stream *stream;
};

struct stream {
    struct blk_front *front;
    const struct load *load;
    uint64_t next, random;
    uint64_t end_ns;
    uint64_t nr_done, nr_failed, nr_flying;
    struct request requests[MAX_DEPTH];
};

static struct guest_disk disk;
static struct stream stream;

static uint64_t next_sector(struct stream *s)
{
    uint64_t places = s->front->nr_sectors / s->load->sectors;
    uint64_t place = s->next++;

    if (s->load->is_random) {
        s->random ^= s->random << 13;
        s->random ^= s->random >> 7;
        s->random ^= s->random << 17;
        place = s->random;
    }
    return place % places * s->load->sectors;
}

static void submit(struct stream *s, struct request *r)
{
    r->io.sector = next_sector(s);
    if (blk_front_submit(s->front, 0, &r->io) == 0)
        s->nr_flying++;
    else
        s->nr_failed++;
}

static void done(struct blk_front_io *io, int status)
{
    struct request *r = (struct request *)io;
    struct stream *s = r->stream;

    s->nr_flying--;
    s->nr_done += status == BLKIF_RSP_OKAY;
    s->nr_failed += status != BLKIF_RSP_OKAY;
    if (now_ns() < s->end_ns && !s->nr_failed)
        submit(s, r);
}

// As many requests as the load is deep, and each again until that moment; how long it took.
static uint64_t run_until(struct stream *s, const struct load *load, uint64_t end_ns)
{
    uint64_t start = now_ns();

    s->load = load;
    s->next = s->nr_done = s->nr_failed = s->nr_flying = 0;
    s->random = 0x9e3779b97f4a7c15ull;
    s->end_ns = end_ns;
    for (unsigned i = 0; i < load->depth; i++) {
        struct request *r = &s->requests[i];
        r->stream = s;
        r->io.operation = load->operation;
        r->io.nr_sectors = load->sectors;
        r->io.done = done;
        submit(s, r);
    }
    while (s->nr_flying) {
        blk_front_kick(s->front, 0);
        int nr = blk_front_poll(s->front, 0);
        if (nr < 0)
            guest_fail("the disk's back end broke the protocol");
        if (nr == 0)
            guest_wait(GUEST_NEVER);
    }
    return now_ns() - start;
}

static void run_load(const struct load *load, uint64_t seconds)
{
    char name[64];
    struct stream *s = &stream;

    // Pages that stay mapped are mapped when they are first used.
    (void)run_until(s, load, 0);
    uint64_t ns = run_until(s, load, now_ns() + seconds * NS);
    if (s->nr_failed) {
        print("%s failed: %lu of %lu requests\n", load->name, s->nr_failed, s->nr_done + s->nr_failed);
        return;
    }
    format(name, sizeof(name), "%s_iops", load->name);
    row(name, s->nr_done * NS / ns, "1/s");
    format(name, sizeof(name), "%s_bytes", load->name);
    row(name, s->nr_done * load->sectors / 2 * NS / ns, "KiB/s");
    format(name, sizeof(name), "%s_time", load->name);
    row(name, ns / 1000 * load->depth / (s->nr_done ? s->nr_done : 1), "us");
}

static void bench_disk(const char *command_line)
{
    static const struct load loads[] = {
        { "read_4k_1", BLKIF_OP_READ, 1, 8, true }, { "read_4k_32", BLKIF_OP_READ, 32, 8, true },
        { "read_128k_8", BLKIF_OP_READ, 8, 256, false },
        { "write_4k_1", BLKIF_OP_WRITE, 1, 8, true }, { "write_4k_32", BLKIF_OP_WRITE, 32, 8, true },
        { "write_128k_8", BLKIF_OP_WRITE, 8, 256, false },
    };
    struct blk_front_config want = { .nr_queues = 1, .ring_order = 2, .nr_requests = MAX_DEPTH,
                                     .max_segments = MAX_SECTORS / 8, .is_persistent = true };
    char text[8];
    uint64_t seconds = guest_number(command_line, "seconds", 3600, 1);
    bool may_write = guest_option(command_line, "write", text, sizeof(text)) && memcmp(text, "yes", 4) == 0;

    if (!disk_open(&disk, (unsigned)guest_number(command_line, "disk", 255, 0), &want))
        return;
    stream.front = &disk.front;
    row("disk_connected", (now_ns() - start_ns) / 1000, "us");
    row("disk_size", disk.front.nr_sectors / 2048, "MiB");
    for (unsigned i = 0; i < MAX_DEPTH; i++) {
        stream.requests[i].io.data = pages_alloc(MAX_SECTORS / 8);
        if (!stream.requests[i].io.data)
            guest_fail("the guest has too little memory: 16 MiB are enough");
    }
    for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
        bool is_write = loads[i].operation == BLKIF_OP_WRITE;
        if (disk.front.nr_sectors >= loads[i].sectors && disk.front.max_segments * 8 >= loads[i].sectors &&
            !(is_write && (!may_write || disk.front.is_read_only)))
            run_load(&loads[i], seconds);
    }
}

void guest_main(const char *command_line)
{
    start_ns = now_ns();
    print("bench: %lu pages free\n", pages_nr_free());
    bench_hypercall();
    bench_event();
    bench_timer();
    bench_store();
    bench_disk(command_line);
    print("bench: done\n");
}
