// SPDX-License-Identifier: MIT
#include "host/program.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/text.h"
#include "host/guest.h"
#include "host/sandbox.h"

#define NO_DOMAIN 0x7ff0u                     // as DOMID_FIRST_RESERVED
#define TICK_MS 1000                          // how soon a change is noticed that the store does not tell

#define MEMORY_BASE ((size_t)16 << 20)

static const struct program *program;
static unsigned nr_devices, nr_queues;        // of all devices
static uint64_t domid = NO_DOMAIN;
static const char *store_path;
static struct store *store;

#define OF(member) offsetof(struct program_device, member)
static const struct program_option common[] = {
    { "back", 's', OF(own), 0, "DIR    the back end's folder in the store; begins a device" },
    { "front", 's', OF(peer), 0, "DIR   the front end's folder" },
    { "state", 's', OF(state), 0, "FILE  what a successor needs; on a tmpfs" },
    { "stats", 's', OF(stats), 0, "FILE  counters; on a tmpfs" },
    { "queues", 'n', OF(nr_queues), UINT64_MAX, "N    at most; default 1" },
};
#define NR_COMMON (sizeof(common) / sizeof(common[0]))

_Noreturn void program_stop(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", program->name, what, why);
    exit(1);
}

static const struct program_option *option(unsigned i)
{
    return i < NR_COMMON ? &common[i] : &program->options[i - NR_COMMON];
}

_Noreturn static void usage(void)
{
    fprintf(stderr, "usage: %s --domid N [--store PATH] {--back DIR --front DIR %s [OPTION...]}...\n"
            "  --domid N     the guest, through /dev/xen/gntdev, /dev/xen/evtchn and the store\n"
            "  --store PATH  the store's socket; else as any client finds it\n"
            "Says \"ready\" once the devices are served. Of each\n", program->name, program->usage);
    for (unsigned i = 0; i < NR_COMMON + program->nr_options; i++)
        fprintf(stderr, "  --%s %s\n", option(i)->name, option(i)->help);
    exit(2);
}

static struct program_device *device(unsigned i)
{
    return (struct program_device *)(void *)((char *)program->devices + i * program->device_size);
}

static void set(struct program_device *d, const struct program_option *o, const char *value)
{
    char *at = (char *)d + o->offset;
    uint64_t limit = o->limit < UINT64_MAX ? o->limit : program->max_queues;

    if (o->kind == 's') {
        memcpy(at, &value, sizeof(value));
    } else if (o->kind == 'b') {
        *(uint64_t *)(void *)at = 1;
    } else if (!text_parse_u64(value, limit, (uint64_t *)(void *)at)) {
        fprintf(stderr, "%s: --%s %s must be a number up to %llu\n", program->name, o->name, value, (unsigned long long)limit);
        exit(2);
    }
}

static const struct program_option *find_option(const char *word)
{
    for (unsigned i = 0; i < NR_COMMON + program->nr_options; i++)
        if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, option(i)->name) == 0)
            return option(i);
    usage();
}

// Whether a word and its value name the guest.
static bool is_of_guest(const char *word, const char *value)
{
    if (strcmp(word, "--domid") == 0)
        return text_parse_u64(value, NO_DOMAIN - 1, &domid) || (usage(), false);
    if (strcmp(word, "--store") == 0) {
        store_path = value;
        return true;
    }
    return false;
}

static void begin_device(void)
{
    char why[80];

    if (nr_devices == program->max_devices) {
        snprintf(why, sizeof(why), "a process serves at most %u devices: start another for the rest", program->max_devices);
        program_stop("--back", why);
    }
    device(nr_devices++)->nr_queues = 1;
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (i + 1 < argc && is_of_guest(argv[i], argv[i + 1])) {
            i++;
            continue;
        }
        const struct program_option *o = find_option(argv[i]);
        if (o == &common[0])
            begin_device();
        if (nr_devices == 0 || (o->kind != 'b' && i + 1 == argc))
            usage();
        set(device(nr_devices - 1), o, o->kind == 'b' ? NULL : argv[++i]);
    }
    for (unsigned i = 0; i < nr_devices; i++) {
        const char *const *required = (const void *)((const char *)device(i) + program->required);
        if (!device(i)->peer || device(i)->nr_queues == 0 || !*required)
            usage();
        nr_queues += (unsigned)device(i)->nr_queues;
    }
    if (nr_devices == 0 || domid == NO_DOMAIN)
        usage();
}

void *program_map_file(const char *path, size_t size)
{
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    struct stat st;

    if (path && (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || ftruncate(fd, (off_t)size) < 0))
        program_stop(path, errno ? strerror(errno) : "is not a file");
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, path ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS, fd, 0);
    if (p == MAP_FAILED)
        program_stop(path ? path : "memory", strerror(errno));
    if (fd >= 0)
        close(fd);
    return p;
}

struct transport *program_open_transport(void)
{
    char why[PROGRAM_MAX_WHY];
    struct transport *t;

    if (guest_open_transport(&t, (unsigned)domid, why, sizeof(why)) < 0)
        program_stop("--domid", why);
    return t;
}

static void start(void)
{
    int rc = guest_open_store(&store, (unsigned)domid, store_path);

    if (rc < 0) {
        fprintf(stderr, "%s: the store cannot be reached (%s): start it, or name its socket with --store\n",
                program->name, strerror(-rc));
        exit(1);
    }
    for (unsigned i = 0; i < nr_devices; i++)
        device(i)->back = program->open(device(i));
    rc = sandbox_drop_capabilities();
    for (unsigned i = 0; i < nr_devices && rc == 0; i++) {
        const struct program_device *d = device(i);
        rc = back_init(d->back, store, d->own, d->peer, (unsigned)d->nr_queues);
    }
    if (rc == 0)
        rc = sandbox_enter(MEMORY_BASE + nr_queues * program->memory_per_queue, program->controls, program->nr_controls);
    if (rc < 0)
        program_stop("start", strerror(-rc));
}

static bool update_all(bool is_first)
{
    bool is_gone = true;

    for (unsigned i = 0; i < nr_devices; i++) {
        struct program_device *d = device(i);
        const char *why = d->back->bus.why;
        int rc = is_first ? back_start(d->back) : back_update(d->back);
        if (rc < 0)
            limit_say(&d->lines, "%s: %s: %s\n", program->name, d->own, why[0] ? why : strerror(-rc));
        is_gone &= back_is_gone(d->back);
    }
    return is_gone;
}

int program_main(const struct program *p, int argc, char **argv)
{
    program = p;
    mallopt(M_ARENA_MAX, 1);
    setvbuf(stderr, NULL, _IOLBF, 0);
    parse(argc, argv);
    start();
    (void)update_all(true);
    // Not by stdio, which would ask a terminal what it is. Nobody need listen.
    (void)!write(STDOUT_FILENO, "ready\n", 6);
    close(STDOUT_FILENO);
    while (!update_all(false)) {
        int rc = store->ops->wait(store, TICK_MS);
        if (rc < 0)
            program_stop("the store is gone, start me again when it is back", strerror(-rc));
    }
    return 0;
}
