// SPDX-License-Identifier: MIT
// A host for tests of vaned where no hypervisor is: domains are records in a mapped file, which outlives vaned as a
// hypervisor and a store do, and guests do what is written into the fifo beside it: "NAME poweroff|reboot|crash". They say what is
// written into the fifo "says", as "NAME WORDS", and repeat what is typed. A guest whose
// name begins with "deaf" ignores requests; VANE_SIM_SLOW makes a build take that many milliseconds, and an end half of them.
// A build does not go on while the file "hold" is in the folder, and takes no memory while "late" is, which goes when somebody has
// read how much is free. A guest that runs lets go of its devices unless the file "holds" is there, and their nodes
// stay while "stuck" is. An attach has made them, and does not go on, while "hold" is.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dom0-tools/daemon/host.h"
#include "dom0-tools/lib/device.h"

enum { MAX = 64, TOTAL_KIB = 4 << 20, CONTROL_KIB = 512 << 10, LATE_US = 300000 };

struct record {
    bool used, has_nodes;           // what the hypervisor has of it, and the store
    struct host_domain domain;
    char name[DEFINITION_NAME_SIZE];
    uint32_t nics, disks;           // a bit for each device that has nodes in the store, by its number
    char said[4096];                // and not yet heard
};

struct host {
    int fifo, says;
    char hold[520], holds[520], stuck[520], late[520], store[520];
    struct record *records;
};

const char *const host_phase_names[HOST_NR_PHASES] = { "create", "memory", "kernel", "initramfs", "start" };
static const char *const ends[] = { "poweroff", "reboot", "suspend", "crash", "watchdog", NULL };

static int open_fifo(const char *folder, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)mkfifo(path, 0600);
    return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

// Two of them share the records as two processes would: each has a mapping of its own, and `used` is the last of a record to
// be set.
int host_open(struct host **host, const char *folder, struct vane_error *error)
{
    struct host *h = calloc(1, sizeof(*h));
    char path[512];
    int fd;

    *host = h;
    h->fifo = open_fifo(folder, "guests");
    h->says = open_fifo(folder, "says");
    snprintf(h->hold, sizeof(h->hold), "%s/hold", folder);
    snprintf(h->holds, sizeof(h->holds), "%s/holds", folder);
    snprintf(h->stuck, sizeof(h->stuck), "%s/stuck", folder);
    snprintf(h->late, sizeof(h->late), "%s/late", folder);
    snprintf(h->store, sizeof(h->store), "%s/store", folder);
    snprintf(path, sizeof(path), "%s/domains", folder);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || h->fifo < 0 || ftruncate(fd, MAX * sizeof(struct record)))
        return vane_fail_errno(error, errno, "the simulated host in %s cannot be opened", folder);
    h->records = mmap(NULL, MAX * sizeof(struct record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return 0;
}

int host_open_builder(struct host **host, const char *folder, struct vane_error *error)
{
    return host_open(host, folder, error);
}

void host_close(struct host *host)
{
    close(host->fifo);
    close(host->says);
    munmap(host->records, MAX * sizeof(struct record));
    free(host);
}

int host_fd(const struct host *host)
{
    return host->fifo;
}

void host_taken(struct host *host)
{
    char text[4096], *rest = text, *line, name[100], what[20];
    ssize_t size = read(host->fifo, text, sizeof(text) - 1);

    text[size > 0 ? size : 0] = '\0';
    while ((line = strsep(&rest, "\n"))) {
        if (sscanf(line, "%99s %19s", name, what) != 2)
            continue;
        for (unsigned i = 0; i < MAX; i++)
            for (unsigned end = 0; ends[end]; end++)
                if (host->records[i].used && !strcmp(host->records[i].name, name) && !strcmp(ends[end], what)) {
                    host->records[i].domain.shut_down = true;
                    host->records[i].domain.end = end;
                }
    }
}

int host_facts(struct host *host, struct host_facts *facts, struct vane_error *error)
{
    (void)error;
    *facts = (struct host_facts){ 2, 1000000, TOTAL_KIB, TOTAL_KIB - CONTROL_KIB, "a simulated host" };
    for (unsigned i = 0; i < MAX; i++)
        facts->free_kib -= __atomic_load_n(&host->records[i].used, __ATOMIC_ACQUIRE) ? host->records[i].domain.memory_kib : 0;
    if (unlink(host->late) == 0)
        usleep(LATE_US);
    return 0;
}

int host_domains(struct host *host, struct host_domain *domains, unsigned max, unsigned *count, struct vane_error *error)
{
    (void)error;
    domains[0] = (struct host_domain){ .nr_vcpus = 2, .memory_kib = CONTROL_KIB };
    *count = 1;
    for (unsigned i = 0; i < MAX && *count < max; i++)
        if (host->records[i].used)
            domains[(*count)++] = host->records[i].domain;
    return 0;
}

// The lines that are in the file "store"; without it the store is away.
void host_store_figures(struct host *host, char *text, size_t size, bool *is_up)
{
    FILE *f = fopen(host->store, "re");
    size_t length = f ? fread(text, 1, size - 1, f) : 0;

    *is_up = f;
    text[length] = '\0';
    if (f)
        fclose(f);
}

static struct record *find(struct host *host, unsigned id, struct vane_error *error)
{
    if (id > 0 && id <= MAX && host->records[id - 1].used)
        return &host->records[id - 1];
    vane_fail(error, VANE_NOT_FOUND, "there is no domain %u", id);
    return NULL;
}

int host_vcpu(struct host *host, unsigned id, unsigned vcpu, struct host_vcpu *info, struct vane_error *error)
{
    *info = (struct host_vcpu){ .online = true, .cpu = vcpu % 2, .cpu_time_ns = 1000 };
    return find(host, id, error) ? 0 : -VANE_NOT_FOUND;
}

bool host_nic_figures(struct host *host, unsigned id, unsigned index, struct nic_figures *figures)
{
    struct vane_error ignored;

    *figures = (struct nic_figures){ 1000 + index, 2000 + index, 10, 20, 1, 2, 0, 0, 0 };
    return find(host, id, &ignored);
}

int host_log(struct host *host, char *text, size_t size, struct vane_error *error)
{
    (void)host;
    (void)error;
    snprintf(text, size, "a simulated log\n");
    return 0;
}

static void take_long(void)
{
    const char *slow = getenv("VANE_SIM_SLOW");

    usleep(slow ? (unsigned)atoi(slow) * 500 : 0);
}

// Disks are told apart as far as 32 bits go.
static uint32_t bit_of(enum host_device type, unsigned number)
{
    return 1u << (type == HOST_DISK ? number >> 4 & 31 : number & 31);
}

static uint32_t *nodes_of(struct record *r, enum host_device type)
{
    return type == HOST_DISK ? &r->disks : &r->nics;
}

int host_build(struct host *host, const struct definition *d, unsigned *id, uint64_t phase_ns[HOST_NR_PHASES],
               struct vane_error *error)
{
    struct record *r;
    unsigned number;

    while (access(host->late, F_OK) == 0)
        usleep(5000);
    if (access(d->kernel, R_OK))
        return vane_fail_errno(error, errno, "the kernel %s cannot be read", d->kernel);
    for (unsigned i = 0; i < MAX; i++) {
        if (host->records[i].used || host->records[i].has_nodes)
            continue;
        r = &host->records[i];
        memset(r, 0, sizeof(*r));
        r->domain = (struct host_domain){ .id = i + 1, .nr_vcpus = (unsigned)d->vcpus, .paused = true,
                                          .memory_kib = d->memory_kib, .max_memory_kib = d->max_memory_kib };
        uuid_bytes(d->uuid, r->domain.uuid);
        snprintf(r->name, sizeof(r->name), "%s", d->name);
        r->nics = (1u << d->nics.count) - 1;
        for (size_t k = 0; k < d->disks.count; k++)
            if (device_disk_number(((const struct disk *)d->disks.items)[k].target, &number, error) == 0)
                r->disks |= bit_of(HOST_DISK, number);
        __atomic_store_n(&r->used, true, __ATOMIC_RELEASE);
        *id = i + 1;
        phase_ns[0] = 1000;
        take_long();
        while (access(host->hold, F_OK) == 0)
            usleep(5000);
        r->has_nodes = true;
        take_long();
        return 0;
    }
    return vane_fail(error, VANE_NO_RESOURCE, "there are %d domains: end one", MAX);
}

int host_destroy(struct host *host, unsigned id, const uint8_t uuid[16], struct vane_error *error)
{
    struct record *r = id ? find(host, id, error) : NULL;
    int rc = id && !r ? -VANE_NOT_FOUND : 0;

    for (unsigned i = 0; i < MAX && !id; i++)
        if (host->records[i].has_nodes && memcmp(host->records[i].domain.uuid, uuid, 16) == 0)
            r = &host->records[i];
    if (r) {
        r->used = false;
        take_long();
        r->has_nodes = false;
    }
    return rc;
}

int host_number(struct host *host, unsigned id, const struct definition *d, enum host_device type, unsigned index, unsigned *number,
                struct vane_error *error)
{
    struct record *r = find(host, id, error);

    if (!r)
        return -VANE_NOT_FOUND;
    if (type == HOST_DISK)
        return device_disk_number(((const struct disk *)d->disks.items)[index].target, number, error);
    for (*number = 0; r->nics >> *number & 1; ++*number)
        ;
    return 0;
}

int host_attach(struct host *host, unsigned id, const struct definition *d, enum host_device type, unsigned index, unsigned number,
                struct vane_error *error)
{
    struct record *r = find(host, id, error);

    if (!r)
        return -VANE_NOT_FOUND;
    if (type == HOST_NIC && strcmp(((const struct nic *)d->nics.items)[index].bridge, "none") == 0)
        return vane_fail(error, VANE_INVALID, "there is no bridge none: make it");
    if (*nodes_of(r, type) & bit_of(type, number))
        return vane_fail(error, VANE_EXISTS, "there are nodes of device %u already", number);
    *nodes_of(r, type) |= bit_of(type, number);
    while (access(host->hold, F_OK) == 0)
        usleep(5000);
    return 0;
}

int host_close_device(struct host *host, unsigned id, enum host_device type, unsigned number, bool *gone, struct vane_error *error)
{
    (void)type;
    (void)number;
    *gone = access(host->holds, F_OK) != 0;
    return find(host, id, error) ? 0 : -VANE_NOT_FOUND;
}

int host_detach(struct host *host, unsigned id, enum host_device type, unsigned number, struct vane_error *error)
{
    struct record *r = find(host, id, error);

    if (!r)
        return -VANE_NOT_FOUND;
    if (access(host->stuck, F_OK) == 0)
        return vane_fail(error, VANE_NO_RESOURCE, "the store does not answer");
    *nodes_of(r, type) &= ~bit_of(type, number);
    return 0;
}

int host_pause(struct host *host, unsigned id, bool pause, struct vane_error *error)
{
    struct record *r = find(host, id, error);

    if (r)
        r->domain.paused = pause;
    return r ? 0 : -VANE_NOT_FOUND;
}

int host_ask(struct host *host, unsigned id, const char *what, struct vane_error *error)
{
    struct record *r = find(host, id, error);
    char line[128];
    int size;

    if (!r)
        return -VANE_NOT_FOUND;
    size = snprintf(line, sizeof(line), "%s %s\n", r->name, what);
    if (strncmp(r->name, "deaf", 4) != 0 && write(host->fifo, line, (size_t)size) != size)
        return vane_fail_errno(error, errno, "the guest cannot be asked");
    return 0;
}

int host_rename(struct host *host, unsigned id, const char *name, struct vane_error *error)
{
    struct record *r = find(host, id, error);

    if (r)
        snprintf(r->name, sizeof(r->name), "%s", name);
    return r ? 0 : -VANE_NOT_FOUND;
}

int host_set_memory(struct host *host, unsigned id, uint64_t kib, struct vane_error *error)
{
    struct record *r = find(host, id, error);

    if (r)
        r->domain.memory_kib = kib;
    return r ? 0 : -VANE_NOT_FOUND;
}

int host_set_vcpus(struct host *host, unsigned id, unsigned online, unsigned max, struct vane_error *error)
{
    struct record *r = find(host, id, error);

    (void)max;
    if (r)
        r->domain.nr_vcpus = online;
    return r ? 0 : -VANE_NOT_FOUND;
}

int host_set_share(struct host *host, unsigned id, unsigned weight, unsigned cap, struct vane_error *error)
{
    (void)weight;
    (void)cap;
    return find(host, id, error) ? 0 : -VANE_NOT_FOUND;
}

int host_pin(struct host *host, unsigned id, unsigned vcpu, const char *cpus, struct vane_error *error)
{
    uint8_t bits[1];

    (void)vcpu;
    if (!cpus_parse(cpus, bits, 2))
        return vane_fail(error, VANE_INVALID, "the CPUs %.40s are not all there: this host has 2", cpus);
    return find(host, id, error) ? 0 : -VANE_NOT_FOUND;
}

int host_consoles_fd(const struct host *host)
{
    return host->says;
}

unsigned host_consoles_taken(struct host *host, unsigned *ids, unsigned max)
{
    char text[4096], *rest = text, *line;
    ssize_t size = read(host->says, text, sizeof(text) - 1);
    unsigned count = 0;

    text[size > 0 ? size : 0] = '\0';
    while ((line = strsep(&rest, "\n"))) {
        char *name = strsep(&line, " ");

        for (unsigned i = 0; line && i < MAX; i++) {
            struct record *r = &host->records[i];

            if (!r->used || strcmp(r->name, name) != 0 || count == max)
                continue;
            snprintf(r->said + strlen(r->said), sizeof(r->said) - strlen(r->said), "%s\r\n", line);
            ids[count++] = i + 1;
        }
    }
    return count;
}

int host_console_open(struct host *host, unsigned id, struct vane_error *error)
{
    return find(host, id, error) ? 0 : -VANE_NOT_FOUND;
}

void host_console_close(struct host *host, unsigned id)
{
    (void)host;
    (void)id;
}

int host_console_read(struct host *host, unsigned id, char *text, size_t size, size_t *length, struct vane_error *error)
{
    struct record *r = find(host, id, error);

    if (!r)
        return -VANE_NOT_FOUND;
    *length = strlen(r->said) < size ? strlen(r->said) : size;
    memcpy(text, r->said, *length);
    memmove(r->said, r->said + *length, sizeof(r->said) - *length);
    return 0;
}

// Room for few at a time, as a ring has.
int host_console_write(struct host *host, unsigned id, const char *text, size_t size, size_t *length,
                       struct vane_error *error)
{
    struct record *r = find(host, id, error);
    char line[128];
    int used;

    if (!r)
        return -VANE_NOT_FOUND;
    *length = size < 20 ? size : 20;
    used = snprintf(line, sizeof(line), "%s typed:%.*s\n", r->name, (int)*length, text);
    return write(host->says, line, (size_t)used) == used ? 0 : vane_fail_errno(error, errno, "the guest hears nothing");
}
