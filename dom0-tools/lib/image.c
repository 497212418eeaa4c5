// SPDX-License-Identifier: MIT
// The child that reads kernels, and the cache of what it read. Child and parent share one memory file: its first
// page is the child's answer, the ELF file follows.
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"

enum {
    ANSWER_SIZE = 4096,
    NOBODY = 65534,
    MEMORY_LIMIT = 512 << 20,       // of the decoders, beside the file and the output
    CACHE_ENTRIES = 4,
};

struct answer {
    int32_t kind;                   // of the failure; VANE_OK
    char text[VANE_ERROR_SIZE];
    uint64_t size;                  // of the ELF file
    struct image_plan plan;
};

_Static_assert(sizeof(struct answer) <= ANSWER_SIZE, "the answer fits its page");

struct job {
    const uint8_t *file;
    size_t size;
    uint8_t *shared;                // ANSWER_SIZE + IMAGE_MAX_SIZE
};

// Memory, and the end. Anything else ends the child.
static int allow_memory_only(void)
{
    static const int calls[] = { SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_getrandom, SYS_exit_group };

    return sandbox_filter(calls, sizeof(calls) / sizeof(calls[0]), NULL, 0);
}

// So much more address space than the process has already.
static int limit_memory(void)
{
    struct rlimit limit;
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");

    if (!statm || fscanf(statm, "%lu", &pages) != 1 || fclose(statm))
        return -1;
    limit.rlim_cur = limit.rlim_max = pages * 4096 + MEMORY_LIMIT;
    return setrlimit(RLIMIT_AS, &limit);
}

static int limit(int what, rlim_t value)
{
    return setrlimit(what, &(struct rlimit){ value, value });
}

static bool enter_sandbox(void)
{
    bool is_root = !geteuid();

    return !prctl(PR_SET_PDEATHSIG, SIGKILL) && !limit_memory() && !limit(RLIMIT_CPU, IMAGE_TIME_LIMIT) &&
           !limit(RLIMIT_CORE, 0) && !close_range(0, ~0u, 0) && !limit(RLIMIT_NOFILE, 0) &&
           (!is_root || (!setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY) && !setresuid(NOBODY, NOBODY, NOBODY))) &&
           !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !allow_memory_only();
}

static _Noreturn void child(const struct job *job)
{
    struct answer *answer = (struct answer *)job->shared;
    struct image_room elf = { job->shared + ANSWER_SIZE, IMAGE_MAX_SIZE, 0 };
    struct vane_error error = { VANE_OK, "" };

    if (!enter_sandbox())
        vane_fail_errno(&error, errno, "kernel: the sandbox for reading it cannot be set up");
    else
        (void)image_parse(job->file, job->size, &elf, &answer->plan, &error);
    memcpy(answer->text, error.text, sizeof(answer->text));
    answer->size = elf.size;
    answer->kind = (int32_t)error.kind;
    syscall(SYS_exit_group, 0);
    __builtin_unreachable();
}

// Waits for the child; past the time limit it is ended.
static int await_child(pid_t pid, struct vane_error *error)
{
    struct pollfd ready = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
    int status = 0, r;

    do
        r = ready.fd < 0 ? 1 : poll(&ready, 1, IMAGE_TIME_LIMIT * 1000);
    while (r < 0 && errno == EINTR);
    if (r <= 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (ready.fd >= 0)
        close(ready.fd);
    if (r <= 0)
        return vane_fail(error, VANE_TIMEOUT, "kernel: reading it took more than %d seconds: use a kernel that unpacks faster",
                         IMAGE_TIME_LIMIT);
    if (WIFSIGNALED(status))
        return vane_fail(error, VANE_INVALID, "kernel: the process that read it was ended by signal %d (%s): the file is "
                         "damaged, or needs more than %d MiB to unpack", WTERMSIG(status), strsignal(WTERMSIG(status)),
                         MEMORY_LIMIT >> 20);
    return 0;
}

// The answer is copied once, and only the copy is looked at.
static int take_answer(int memfd, struct image *image, struct vane_error *error)
{
    struct answer answer;
    ssize_t size = pread(memfd, &answer, sizeof(answer), 0);

    if (size != (ssize_t)sizeof(answer) || answer.kind < 0 || answer.kind >= VANE_NR_KINDS)
        return vane_fail(error, VANE_SYSTEM, "kernel: the process that read it gave no answer");
    if (answer.kind)
        return vane_fail(error, (enum vane_kind)answer.kind, "%.*s", VANE_ERROR_SIZE - 1, answer.text);
    if (answer.size > IMAGE_MAX_SIZE || !image_plan_is_sound(&answer.plan, answer.size))
        return vane_fail(error, VANE_INVALID, "kernel: what was read of it does not hold together: it is damaged, install it "
                         "again");
    answer.plan.guest_os[sizeof(answer.plan.guest_os) - 1] = '\0';
    answer.plan.guest_version[sizeof(answer.plan.guest_version) - 1] = '\0';
    *image = (struct image){ memfd, ANSWER_SIZE, answer.size, answer.plan };
    if (ftruncate(memfd, (off_t)(ANSWER_SIZE + answer.size)) ||
        fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
        return vane_fail_errno(error, errno, "kernel: keeping its %lu unpacked bytes", answer.size);
    return 0;
}

static int run_child(struct job *job, int memfd, struct vane_error *error)
{
    pid_t pid = fork();

    if (pid < 0)
        return vane_fail_errno(error, errno, "kernel: starting a process to read it");
    if (pid)
        return await_child(pid, error);
    job->shared = mmap(NULL, ANSWER_SIZE + IMAGE_MAX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
    if (job->shared == MAP_FAILED)
        _exit(1);
    child(job);
}

static int open_kernel(const char *path, struct stat *stat, struct vane_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 || fstat(fd, stat)) {
        vane_fail_errno(error, errno, "kernel %s", path);
    } else if (!S_ISREG(stat->st_mode)) {
        vane_fail(error, VANE_INVALID, "kernel %s: it is not a regular file", path);
    } else if (stat->st_size <= 0 || stat->st_size > IMAGE_MAX_SIZE) {
        vane_fail(error, VANE_INVALID, "kernel %s: it has %ld bytes, not 1 to %d: give a Linux vmlinuz or an ELF kernel", path,
                  stat->st_size, IMAGE_MAX_SIZE);
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static int load(const char *path, int fd, size_t size, struct image *image, struct vane_error *error)
{
    struct job job = { .file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0), .size = size };
    int memfd = memfd_create("kernel", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

    if (job.file == MAP_FAILED || memfd < 0 || ftruncate(memfd, ANSWER_SIZE + IMAGE_MAX_SIZE))
        rc = vane_fail_errno(error, errno, "kernel: memory to read it");
    else
        rc = run_child(&job, memfd, error);
    if (!rc)
        rc = take_answer(memfd, image, error);
    if (job.file != MAP_FAILED)
        munmap((void *)(uintptr_t)job.file, size);
    if (rc && memfd >= 0)
        close(memfd);
    return rc ? vane_fail_in(error, "%s: ", path) : 0;
}

int image_load(const char *path, struct image *image, struct vane_error *error)
{
    struct stat stat;
    int fd = open_kernel(path, &stat, error), rc;

    if (fd < 0)
        return -(int)error->kind;
    rc = load(path, fd, (size_t)stat.st_size, image, error);
    close(fd);
    return rc;
}

void image_free(struct image *image)
{
    close(image->memfd);
}

// --- The cache

struct identity { dev_t device; ino_t inode; off_t size; struct timespec modified, changed; };

struct entry {
    struct identity identity;
    struct image image;
    uint64_t used;                  // 0: empty
};

struct image_cache {
    struct entry entries[CACHE_ENTRIES];
    uint64_t clock;
};

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same(const struct identity *a, const struct identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && same_time(a->modified, b->modified) &&
           same_time(a->changed, b->changed);
}

int image_cache_new(struct image_cache **cache, struct vane_error *error)
{
    *cache = calloc(1, sizeof(**cache));
    return *cache ? 0 : vane_fail_errno(error, ENOMEM, "a cache of kernels");
}

void image_cache_free(struct image_cache *cache)
{
    for (struct entry *entry = cache->entries; entry < cache->entries + CACHE_ENTRIES; entry++)
        if (entry->used)
            image_free(&entry->image);
    free(cache);
}

// The one that has been unused for longest makes room.
static int replace(struct image_cache *cache, const char *path, int fd, const struct identity *identity,
                   struct entry **entry, struct vane_error *error)
{
    struct entry *oldest = cache->entries;
    struct image image;
    int rc = load(path, fd, (size_t)identity->size, &image, error);

    if (rc)
        return rc;
    for (struct entry *at = cache->entries; at < cache->entries + CACHE_ENTRIES; at++)
        if (at->used < oldest->used)
            oldest = at;
    if (oldest->used)
        image_free(&oldest->image);
    oldest->identity = *identity;
    oldest->image = image;
    *entry = oldest;
    return 0;
}

int image_cache_get(struct image_cache *cache, const char *path, const struct image **image, struct vane_error *error)
{
    struct stat stat;
    int fd = open_kernel(path, &stat, error), rc = 0;
    struct entry *entry = NULL;
    struct identity identity;

    if (fd < 0)
        return -(int)error->kind;
    identity = (struct identity){ stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtim, stat.st_ctim };
    for (struct entry *at = cache->entries; at < cache->entries + CACHE_ENTRIES; at++)
        if (at->used && same(&at->identity, &identity))
            entry = at;
    if (!entry)
        rc = replace(cache, path, fd, &identity, &entry, error);
    close(fd);
    if (rc)
        return rc;
    entry->used = ++cache->clock;
    *image = &entry->image;
    return 0;
}
