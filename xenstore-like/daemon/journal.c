// SPDX-License-Identifier: MIT
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"

#define MAP_SIZE (4ull << 30)       // address space, not memory: how long a log may get
#define STEP (1u << 20)             // the file grows by this much
#define AHEAD (256u << 10)          // allocated at least beyond the end
#define COMPACT_MIN (4u << 20)

struct file_header {
    char magic[16];
    char boot_id[48];
};

struct record_header {
    uint16_t type;
    uint16_t zero;
    uint32_t size;
};

static size_t padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static struct file_header header_now(void)
{
    struct file_header header = { .magic = "vane-stored 2\n" };
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, header.boot_id, 36) < 0)
        header.boot_id[0] = '\0';
    close(fd);
    return header;
}

static uint64_t *group_at(struct journal *j, size_t at)
{
    return (uint64_t *)(void *)(j->map + at);
}

// What a killed process has stored is kept, in the order of its program: the compiler must not change
// that order, the CPU does not matter.
static void set_group_size(struct journal *j, size_t at, uint64_t size)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(group_at(j, at), size, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static int grow(struct journal *j, size_t size)
{
    int rc;

    if (size > MAP_SIZE)
        return -ENOSPC;
    rc = posix_fallocate(j->fd, (off_t)j->allocated, (off_t)(size - j->allocated));
    if (rc)
        return -rc;
    // Spares a fault for each page written; if the kernel cannot, the faults come.
    (void)madvise(j->map + j->allocated, size - j->allocated, MADV_POPULATE_WRITE);
    j->allocated = size;
    return 0;
}

// One daemon writes it: the lock ends with the process that has it.
static int map_file(struct journal *j)
{
    if (flock(j->fd, LOCK_EX | LOCK_NB))
        return -errno;
    j->map = mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, j->fd, 0);
    return j->map == MAP_FAILED ? -errno : 0;
}

void journal_begin(struct journal *j)
{
    j->staged = j->end + sizeof(uint64_t);
}

int journal_create(struct journal *j, const char *path)
{
    struct file_header header = header_now();
    int rc;

    *j = (struct journal){ .end = sizeof(header), .compact_at = COMPACT_MIN };
    j->path = mem_alloc(strlen(path) + 5);
    sprintf(j->path, "%s.new", path);
    j->fd = open(j->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    rc = j->fd < 0 ? -errno : map_file(j);
    if (rc == 0)
        rc = grow(j, STEP);
    if (rc) {
        journal_close(j);
        return rc;
    }
    memcpy(j->map, &header, sizeof(header));
    journal_begin(j);
    return 0;
}

static int rename_new(struct journal *j, const char *path)
{
    if (rename(j->path, path))
        return -errno;
    j->path[strlen(path)] = '\0';
    return 0;
}

// Finds the end of the log that is in the file. A size that leads out of the file is no log of ours.
static int find_end(struct journal *j)
{
    j->end = sizeof(struct file_header);
    while (j->end + sizeof(uint64_t) <= j->allocated) {
        uint64_t size = *group_at(j, j->end);

        if (size == 0) {
            journal_begin(j);
            return 0;
        }
        if (size % 8 || size > j->allocated - j->end - sizeof(uint64_t))
            return -EINVAL;
        j->end += sizeof(uint64_t) + size;
    }
    return -EINVAL;
}

// Leaves the path NULL if there is no log that is of use.
static int open_existing(struct journal *j, const char *path)
{
    struct file_header header = header_now();
    struct stat stat;
    int rc;

    *j = (struct journal){ .fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) };
    if (j->fd < 0)
        return errno == ENOENT ? 0 : -errno;
    rc = fstat(j->fd, &stat) ? -errno : map_file(j);
    if (rc)
        return rc;
    j->allocated = (size_t)stat.st_size & ~(size_t)4095;
    if (j->allocated < 4096 || memcmp(j->map, &header, sizeof(header)) != 0) {
        log_line("%s is of another boot of this machine, or no journal: it is put aside", path);
        return 0;
    }
    // It is read at once: better than a fault for every few pages.
    (void)madvise(j->map, j->allocated, MADV_POPULATE_READ);
    j->path = strcpy(mem_alloc(strlen(path) + 1), path);
    j->compact_at = COMPACT_MIN;
    return find_end(j);
}

int journal_open(struct journal *j, const char *path, bool *fresh)
{
    int rc = open_existing(j, path);

    *fresh = !j->path;
    if (rc || !*fresh)
        return rc;
    journal_close(j);
    rc = journal_create(j, path);
    return rc ? rc : rename_new(j, path);
}

void journal_close(struct journal *j)
{
    if (j->map && j->map != MAP_FAILED)
        munmap(j->map, MAP_SIZE);
    if (j->fd >= 0)
        close(j->fd);
    free(j->path);
    *j = (struct journal){ .fd = -1 };
}

int journal_room(struct journal *j, size_t bytes)
{
    size_t need = j->staged + bytes + 2 * sizeof(uint64_t);

    if (need + AHEAD <= j->allocated)
        return 0;
    return grow(j, (need + AHEAD + STEP) & ~(size_t)(STEP - 1)) == 0 || need <= j->allocated ? 0 : -ENOSPC;
}

uint8_t *journal_record(struct journal *j, uint16_t type, size_t size)
{
    struct record_header header = { type, 0, (uint32_t)size };
    uint8_t *payload;

    if (journal_room(j, sizeof(header) + padded(size)))
        log_fatal("the journal %s cannot grow by %zu bytes: %s", j->path, size, strerror(ENOSPC));
    memcpy(j->map + j->staged, &header, sizeof(header));
    payload = j->map + j->staged + sizeof(header);
    j->staged += sizeof(header) + padded(size);
    return payload;
}

void journal_commit(struct journal *j)
{
    size_t size = j->staged - j->end - sizeof(uint64_t);

    if (size == 0)
        return;
    set_group_size(j, j->staged, 0);
    set_group_size(j, j->end, size);
    j->end = j->staged;
    journal_begin(j);
}

int journal_replay(struct journal *j, int (*apply)(void *arg, uint16_t type, const uint8_t *payload,
                                                   size_t size), void *arg)
{
    size_t at = sizeof(struct file_header);

    while (at < j->end) {
        size_t group_end = at + sizeof(uint64_t) + *group_at(j, at);

        for (at += sizeof(uint64_t); at < group_end;) {
            struct record_header header;

            memcpy(&header, j->map + at, sizeof(header));
            at += sizeof(header);
            if (at > group_end || padded(header.size) > group_end - at ||
                apply(arg, header.type, j->map + at, header.size))
                return -EINVAL;
            at += padded(header.size);
        }
    }
    return 0;
}

int journal_replace(struct journal *from, size_t since, struct journal *to)
{
    size_t size = from->end - since;
    int rc = journal_room(to, size);

    if (rc == 0) {
        memcpy(to->map + to->end, from->map + since, size);
        to->end += size;
        journal_begin(to);
        set_group_size(to, to->end, 0);
        rc = rename_new(to, from->path);
    }
    if (rc)
        return rc;
    to->compact_at = to->end + (to->end / 4 > COMPACT_MIN ? to->end / 4 : COMPACT_MIN);
    journal_close(from);
    *from = *to;
    return 0;
}
