// SPDX-License-Identifier: MIT
//
// vane-blk: the block back end, one process per guest. It opens what it needs, gives up every other
// right, and serves until the toolstack takes its disks away. Killed and started again with the same
// arguments it goes on where it was.
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blk/blk_back.h"
#include "host/back.h"
#include "host/sandbox.h"
#include "bus/store_shm.h"
#include "bus/store_xs.h"
#include "bus/text.h"
#include "ring/transport_shm.h"

#define MAX_DISKS 8u
#define MAX_WHY 300u
#define NO_DOMAIN 0x7ff0u                     // as DOMID_FIRST_RESERVED
#define TICK_MS 1000                          // how soon a new size of an image is noticed
#define MEMORY_BASE ((size_t)16 << 20)
#define MEMORY_PER_QUEUE ((size_t)8 << 20)    // requests, buffers, table of grants, stack

struct disk {
    const char *back, *front, *image, *state, *stats;
    uint64_t is_read_only, is_buffered, can_discard_securely;
    uint64_t nr_queues, iops, bytes_per_second;
    struct blk_back driver;
};

static struct {
    uint64_t shm_fd;                          // or else
    uint64_t domid;
    const char *store_path;
    struct disk disks[MAX_DISKS];
    unsigned nr_disks;
    unsigned nr_queues;                       // of all disks
    struct shm_area area;
    struct store *store;
    struct store_shm store_shm;
    struct store_xs store_xs;
} us = { .domid = NO_DOMAIN };

struct option {
    const char *name;
    char kind;                                // 's' a string, 'n' a number, 'b' yes
    size_t offset;
    uint64_t limit;
    const char *help;
};

#define OF(member) offsetof(struct disk, member)
static const struct option options[] = {
    { "back", 's', OF(back), 0, "DIR    the back end's folder in the store; begins a disk" },
    { "front", 's', OF(front), 0, "DIR   the front end's folder" },
    { "image", 's', OF(image), 0, "NAME  a raw file, a block device or an NBD URI (nbd+unix:///?socket=PATH)" },
    { "state", 's', OF(state), 0, "FILE  what a successor needs; on a tmpfs" },
    { "stats", 's', OF(stats), 0, "FILE  counters (struct blk_stats_file); on a tmpfs" },
    { "queues", 'n', OF(nr_queues), BLK_MAX_QUEUES, "N    at most; default 1" },
    { "iops", 'n', OF(iops), 1000000000, "N      operations a second" },
    { "bytes", 'n', OF(bytes_per_second), 1ull << 50, "N     bytes a second" },
    { "read-only", 'b', OF(is_read_only), 0, "" },
    { "buffered", 'b', OF(is_buffered), 0, "    through the page cache" },
    { "secure-discard", 'b', OF(can_discard_securely), 0, "overwriting in place destroys" },
};
#define NR_OPTIONS (sizeof(options) / sizeof(options[0]))

_Noreturn static void stop(const char *what, const char *why)
{
    fprintf(stderr, "vane-blk: %s: %s\n", what, why);
    exit(1);
}

_Noreturn static void usage(void)
{
    fprintf(stderr, "usage: vane-blk GUEST {--back DIR --front DIR --image FILE [OPTION...]}...\n"
            "GUEST is one of\n"
            "  --domid N     a domain, through /dev/xen/gntdev, /dev/xen/evtchn and the store\n"
            "  --shm FD      for tests: a memory file, followed by its events and its store, inherited\n"
            "  --store PATH  the store's socket; else as any client finds it\n"
            "Says \"ready\" once the disks are served. Of each disk\n");
    for (unsigned i = 0; i < NR_OPTIONS; i++) {
        fprintf(stderr, "  --%s %s\n", options[i].name, options[i].help);
    }
    exit(2);
}

static void set(struct disk *disk, const struct option *o, const char *value)
{
    char *at = (char *)disk + o->offset;

    if (o->kind == 's') {
        memcpy(at, &value, sizeof(value));
    } else if (o->kind == 'b') {
        *(uint64_t *)(void *)at = 1;
    } else if (!text_parse_u64(value, o->limit, (uint64_t *)(void *)at)) {
        fprintf(stderr, "vane-blk: --%s %s must be a number up to %llu\n", o->name, value,
                (unsigned long long)o->limit);
        exit(2);
    }
}

static const struct option *find_option(const char *word)
{
    for (unsigned i = 0; i < NR_OPTIONS; i++) {
        if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, options[i].name) == 0) {
            return &options[i];
        }
    }
    usage();
}

static void parse_arguments(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--shm") == 0 && i + 1 < argc) {
            if (!text_parse_u64(argv[++i], 1000, &us.shm_fd)) {
                usage();
            }
            continue;
        }
        if (strcmp(argv[i], "--domid") == 0 && i + 1 < argc) {
            if (!text_parse_u64(argv[++i], NO_DOMAIN - 1, &us.domid)) {
                usage();
            }
            continue;
        }
        if (strcmp(argv[i], "--store") == 0 && i + 1 < argc) {
            us.store_path = argv[++i];
            continue;
        }
        const struct option *o = find_option(argv[i]);
        if (o->offset == OF(back)) {
            if (us.nr_disks == MAX_DISKS) {
                stop("--back", "a process serves at most 8 disks: start another for the rest");
            }
            us.disks[us.nr_disks++].nr_queues = 1;
        }
        if (us.nr_disks == 0 || (o->kind != 'b' && i + 1 == argc)) {
            usage();
        }
        set(&us.disks[us.nr_disks - 1], o, o->kind == 'b' ? NULL : argv[++i]);
    }
    for (unsigned i = 0; i < us.nr_disks; i++) {
        if (!us.disks[i].front || !us.disks[i].image || us.disks[i].nr_queues == 0) {
            usage();
        }
    }
    if (us.nr_disks == 0 || (us.shm_fd == 0) == (us.domid == NO_DOMAIN)) {
        usage();
    }
}

// A file that outlives us, or, unnamed, memory that does not.
static void *map_file(const char *path, size_t size)
{
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    struct stat st;

    if (path && (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || ftruncate(fd, (off_t)size) < 0)) {
        stop(path, errno ? strerror(errno) : "is not a file");
    }
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, path ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS,
                   fd, 0);
    if (p == MAP_FAILED) {
        stop(path ? path : "memory", strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return p;
}

static int open_image(const struct disk *disk, struct blk_image **image, char *why, size_t why_size)
{
    struct blk_raw_options raw = { .is_read_only = disk->is_read_only,
                                   .is_buffered = disk->is_buffered, .lock_seconds = 2 };
    struct blk_nbd_options nbd = { .is_read_only = disk->is_read_only,
                                   .nr_lanes = (unsigned)disk->nr_queues };

    return blk_is_nbd(disk->image) ? blk_nbd_open(image, disk->image, &nbd, why, why_size)
                                   : blk_raw_open(image, disk->image, &raw, why, why_size);
}

// Opens what a disk needs of the outside; its threads come later.
static void open_disk(struct disk *disk, struct blk_back_config *config, uint32_t first_port)
{
    char why[MAX_WHY];

    *config = (struct blk_back_config){ .store = us.store, .own = disk->back,
        .peer = disk->front, .limit_operations = disk->iops, .limit_bytes = disk->bytes_per_second,
        .can_discard_securely = disk->can_discard_securely && !disk->is_read_only,
        .nr_queues = (unsigned)disk->nr_queues,
        .journal = map_file(disk->state, sizeof(struct blk_journal_file)),
        .stats = map_file(disk->stats, sizeof(struct blk_stats_file)) };
    if (open_image(disk, &config->image, why, sizeof(why)) < 0) {
        stop("--image", why);
    }
    for (unsigned i = 0; i < disk->nr_queues; i++) {
        if (us.shm_fd && transport_shm_open(&config->transports[i], &us.area, first_port + i) < 0) {
            stop("--queues", "the guest's memory file has too few ports");
        }
        if (!us.shm_fd && transport_xen_open(&config->transports[i], (unsigned)us.domid, why,
                                             sizeof(why)) < 0) {
            stop("--domid", why);
        }
    }
}

static void open_guest(void)
{
    int rc = us.shm_fd ? shm_area_attach(&us.area, (int)us.shm_fd) : 0;

    if (rc == 0 && us.shm_fd && !us.store_path) {
        rc = store_shm_attach(&us.store_shm, (int)us.shm_fd + 1 + 2 * (int)us.area.nr_ports);
        us.store = &us.store_shm.store;
    }
    if (rc < 0) {
        stop("--shm", strerror(-rc));
    }
    if (!us.store) {
        rc = store_xs_open(&us.store_xs, us.store_path);
        us.store = &us.store_xs.store;
    }
    if (rc < 0) {
        fprintf(stderr, "vane-blk: the store cannot be reached (%s): start it, or name its socket with "
                "--store\n", strerror(-rc));
        exit(1);
    }
}

static void start(void)
{
    struct blk_back_config configs[MAX_DISKS];

    open_guest();
    for (unsigned i = 0; i < us.nr_disks; i++) {
        open_disk(&us.disks[i], &configs[i], us.nr_queues);
        us.nr_queues += (unsigned)us.disks[i].nr_queues;
    }
    int rc = sandbox_drop_capabilities();
    for (unsigned i = 0; i < us.nr_disks && rc == 0; i++) {
        rc = blk_back_init(&us.disks[i].driver, &configs[i]);
    }
    if (rc == 0) {
        rc = sandbox_enter(MEMORY_BASE + us.nr_queues * MEMORY_PER_QUEUE);
    }
    if (rc < 0) {
        stop("start", strerror(-rc));
    }
}

static void report(struct disk *disk, int rc)
{
    if (rc < 0) {
        fprintf(stderr, "vane-blk: %s: %s\n", disk->back,
                disk->driver.bus.why[0] ? disk->driver.bus.why : strerror(-rc));
    }
}

static bool update_all(void)
{
    bool is_gone = true;

    for (unsigned i = 0; i < us.nr_disks; i++) {
        report(&us.disks[i], blk_back_update(&us.disks[i].driver));
        is_gone &= back_is_gone(&us.disks[i].driver.bus);
    }
    return is_gone;
}

int main(int argc, char **argv)
{
    mallopt(M_ARENA_MAX, 1);
    setvbuf(stderr, NULL, _IOLBF, 0);
    parse_arguments(argc, argv);
    start();
    for (unsigned i = 0; i < us.nr_disks; i++) {
        report(&us.disks[i], blk_back_start(&us.disks[i].driver));
    }
    // Not by stdio, which would ask a terminal what it is. Nobody need listen.
    (void)!write(STDOUT_FILENO, "ready\n", 6);
    close(STDOUT_FILENO);
    while (!update_all()) {
        int rc = us.store->ops->wait(us.store, TICK_MS);
        if (rc < 0) {
            stop("the store is gone, start me again when it is back", strerror(-rc));
        }
    }
    return 0;
}
