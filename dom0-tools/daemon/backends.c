// SPDX-License-Identifier: MIT
// The processes that serve guests' disks: one vane-blk for each domain that has any. It outlives vaned, and vaned outlives it:
// whoever of the two is started again finds the other. In RUN/blk/UUID lie
//
//     lock        holds the process' number (a pid_t), and is locked (flock) as long as the process lives, since it inherits the file
//     DISK.state  what a successor of a killed process goes on from
//     DISK.stats  counters
//     arguments   its own, each closed by a zero byte: what the guest was started with, whatever its definition says since
//     log         what it has said
//
// A process that ends while its domain runs is started again, at once if it has lived for a second. What it opens may be far
// away and slow to answer, so nobody stands and waits until it serves: it says so on a pipe.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/device.h"
#include "pv-drivers/blk/blk_stats.h"
#include "vaned.h"

enum {
    READY_MS = 10000,
    AGAIN_MS = 1000,
    MAX_PATH = 512, MAX_TEXT = 5000, ARGS_PER_DISK = 15,
    MAX_WORDS = 3 + ARGS_PER_DISK * MAX_OWN_DISKS,
};

struct backend {
    pid_t pid;
    int pidfd;                  // readable once it has ended; below 0: none runs
    int ready;                  // readable once it serves; below 0: it does
    uint64_t started_ms, again_ms;
};

static void path_in(const struct vaned *v, const struct domain *d, const char *name, char path[MAX_PATH])
{
    snprintf(path, MAX_PATH, "%s/blk/%s%s%s", v->run, d->def.uuid, name[0] ? "/" : "", name);
}

static bool has_own_disks(const struct domain *d)
{
    const struct disk *disks = d->def.disks.items;

    for (size_t i = 0; i < d->def.disks.count; i++)
        if (disk_is_ours(&disks[i]))
            return true;
    return false;
}

// --- Its arguments

struct words {
    char *word[MAX_WORDS + 1];      // NULL at the end
    unsigned count;
};

static void say(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct words *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (vasprintf(&w->word[w->count], format, args) < 0)
        w->word[w->count] = NULL;               // then the list ends here, and vane-blk complains
    va_end(args);
    w->count++;
}

// An export's name as a part of a URI (RFC 3986).
static void escape(const char *name, char *text, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    size_t used = 0;

    for (; *name && used + 4 < size; name++)
        used += (size_t)snprintf(text + used, size - used, strchr(plain, *name) ? "%c" : "%%%02X", (unsigned char)*name);
    text[used] = '\0';
}

static void say_image(struct words *w, const struct disk *disk)
{
    char export[MAX_TEXT], socket[400];

    escape(disk->export ? disk->export : "", export, sizeof(export));
    escape(disk->socket ? disk->socket : "", socket, sizeof(socket));
    if (disk->type != DISK_NETWORK)
        say(w, "%s", disk->type == DISK_FILE ? disk->file : disk->block);
    else if (disk->socket)
        say(w, "nbd+unix:///%s?socket=%s", export, socket);
    else
        say(w, "nbd://%s:%" PRIu64 "/%s", disk->host, disk->port, export);
}

static void say_disk(struct words *w, const struct vaned *v, const struct domain *d, const struct disk *disk)
{
    char back[DEVICE_MAX_FOLDER], front[DEVICE_MAX_FOLDER], folder[MAX_PATH];
    struct vane_error ignored;
    unsigned number = 0;

    (void)device_disk_number(disk->target, &number, &ignored);      // it has been checked
    device_folders(d->id, DEVICE_OWN_DISK, number, back, front);
    path_in(v, d, "", folder);
    say(w, "--back"), say(w, "%s", back);
    say(w, "--front"), say(w, "%s", front);
    say(w, "--image"), say_image(w, disk);
    say(w, "--state"), say(w, "%s/%s.state", folder, disk->target);
    say(w, "--stats"), say(w, "%s/%s.stats", folder, disk->target);
    if (disk->readonly || disk->device)
        say(w, "--read-only");
    if (disk->iops_limit)
        say(w, "--iops"), say(w, "%" PRIu64, disk->iops_limit);
    if (disk->bytes_limit)
        say(w, "--bytes"), say(w, "%" PRIu64, disk->bytes_limit);
}

// As they were written down when the guest was started.
static bool recall(struct words *w, const char *path)
{
    char word[MAX_TEXT];
    FILE *f = fopen(path, "re");
    size_t used = 0;
    int c;

    while (f && (c = getc(f)) != EOF && used < sizeof(word) && w->count < MAX_WORDS) {
        word[used++] = (char)c;
        if (c == '\0') {
            say(w, "%s", word);
            used = 0;
        }
    }
    if (f)
        fclose(f);
    return w->count > 0;
}

static void note_down(const struct words *w, const char *path)
{
    FILE *f = fopen(path, "we");

    for (unsigned i = 0; f && i < w->count; i++)
        if (w->word[i])
            fwrite(w->word[i], 1, strlen(w->word[i]) + 1, f);
    if (f && fclose(f))
        (void)unlink(path);                     // then the definition has to do
}

static void say_all(struct words *w, const struct vaned *v, const struct domain *d)
{
    const struct disk *disks = d->def.disks.items;
    char path[MAX_PATH];

    path_in(v, d, "arguments", path);
    if (recall(w, path))
        return;
    say(w, "vane-blk"), say(w, "--domid"), say(w, "%u", d->id);
    for (size_t i = 0; i < d->def.disks.count; i++)
        if (disk_is_ours(&disks[i]))
            say_disk(w, v, d, &disks[i]);
    note_down(w, path);
}

// --- Starting

// The lock's file, locked: so no process serves the domain. Below 0: one does, whose number is in *pid, or 0 when it has not
// written it yet. What a process before it has left there goes: that number may be anybody's by now.
static int lock(const struct vaned *v, const struct domain *d, pid_t *pid)
{
    char path[MAX_PATH];
    int fd;

    path_in(v, d, "lock", path);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && ftruncate(fd, 0) == 0)
        return fd;
    if (fd < 0 || pread(fd, pid, sizeof(*pid), 0) != sizeof(*pid))
        *pid = 0;
    if (fd >= 0)
        close(fd);
    return -1;
}

// In the child: `ready` becomes its standard output, on which it says so when it serves; it keeps the lock.
_Noreturn static void become(const struct words *w, int locked, int ready, int log)
{
    pid_t pid = getpid();
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (pwrite(locked, &pid, sizeof(pid), 0) == sizeof(pid) && fcntl(locked, F_SETFD, 0) == 0 && dup2(ready, STDOUT_FILENO) >= 0 &&
        dup2(log, STDERR_FILENO) >= 0)
        execvp(w->word[0], w->word);
    dprintf(log, "vane-blk cannot be run (%s): install it, or let the kernel serve the disks (driver 'kernel')\n",
            strerror(errno));
    _exit(1);
}

static pid_t spawn(const struct vaned *v, const struct domain *d, int locked, int ready)
{
    struct words w = { .count = 0 };
    char path[MAX_PATH];
    pid_t pid;
    int log;

    path_in(v, d, "log", path);
    log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    say_all(&w, v, d);
    pid = fork();
    if (pid == 0)
        become(&w, locked, ready, log);
    if (log >= 0)
        close(log);
    while (w.count)
        free(w.word[--w.count]);
    return pid;
}

// What it has said last; it goes into events and replies, which take UTF-8 only.
static void last_words(const struct vaned *v, const struct domain *d, char text[200])
{
    char path[MAX_PATH], line[200];
    FILE *f;

    path_in(v, d, "log", path);
    snprintf(text, 200, "it has said nothing");
    f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f))
        snprintf(text, 200, "%.*s", (int)strcspn(line, "\n"), line);
    if (f)
        fclose(f);
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static bool is_readable(int fd, int timeout_ms)
{
    return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, timeout_ms) > 0;
}

static int wake_on(struct vaned *v, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &v->run };

    return fd < 0 || epoll_ctl(v->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int watch(struct vaned *v, struct backend *b, pid_t pid)
{
    b->pid = pid;
    b->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    return wake_on(v, b->pidfd);
}

static void close_ready(struct backend *b)
{
    if (b->ready >= 0)
        close(b->ready);
    b->ready = -1;
}

// No process of it is left that can be found.
static void let_go(struct backend *b)
{
    close_ready(b);
    if (b->pidfd >= 0) {
        (void)is_readable(b->pidfd, AGAIN_MS);
        close(b->pidfd);
        (void)waitpid(b->pid, NULL, WNOHANG);       // it may be another vaned's child
    }
    b->pidfd = -1;
}

static int launch(struct vaned *v, struct domain *d, int locked, struct vane_error *error)
{
    int pipes[2], rc;
    pid_t pid;

    if (pipe2(pipes, O_CLOEXEC))
        return vane_fail_errno(error, errno, "starting vane-blk for %s", d->def.name);
    pid = spawn(v, d, locked, pipes[1]);
    rc = pid < 0 ? -errno : wake_on(v, pipes[0]);
    close(pipes[1]);
    d->backend->ready = pipes[0];
    d->backend->started_ms = now_ms();
    if (pid > 0 && rc == 0)
        rc = watch(v, d->backend, pid);
    if (rc == 0)
        return 0;
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    let_go(d->backend);
    return vane_fail_errno(error, rc, "starting vane-blk for %s", d->def.name);
}

// Makes a process that will serve the domain's disks, or finds the one that does.
static int serve(struct vaned *v, struct domain *d, struct vane_error *error)
{
    pid_t pid;
    int locked = lock(v, d, &pid), rc;

    if (locked < 0) {
        rc = pid > 0 ? watch(v, d->backend, pid) : -EAGAIN;
        return rc ? vane_fail_errno(error, rc, "finding vane-blk of %s", d->def.name) : 0;
    }
    rc = launch(v, d, locked, error);
    close(locked);
    return rc;
}

static int make_folder(const char *path, struct vane_error *error)
{
    return mkdir(path, 0700) && errno != EEXIST ? vane_fail_errno(error, errno, "making %s", path) : 0;
}

int backend_start(struct vaned *v, struct domain *d, struct vane_error *error)
{
    char path[MAX_PATH];
    int rc;

    if (!has_own_disks(d))
        return 0;
    d->backend = calloc(1, sizeof(*d->backend));
    if (!d->backend)
        return vane_fail(error, VANE_NO_RESOURCE, "there is no memory for a back end");
    d->backend->pidfd = d->backend->ready = -1;
    snprintf(path, sizeof(path), "%s/blk", v->run);
    rc = make_folder(path, error);
    path_in(v, d, "", path);
    if (rc == 0)
        rc = make_folder(path, error);
    return rc ? rc : serve(v, d, error);
}

// 1: its disks are served, or it has none of ours; 0: not yet; else why they will not be.
static int is_served(const struct vaned *v, const struct domain *d, struct vane_error *error)
{
    struct backend *b = d->backend;
    char byte, text[200];
    bool ended;

    if (!b || (b->pidfd >= 0 && b->ready < 0))
        return 1;
    if (is_readable(b->ready, 0) && read(b->ready, &byte, 1) == 1) {
        close_ready(b);
        return 1;
    }
    ended = is_readable(b->ready, 0) || is_readable(b->pidfd, 0);
    if (!ended && now_ms() < b->started_ms + READY_MS)
        return 0;
    if (b->pidfd >= 0)
        kill(b->pid, SIGKILL);
    let_go(b);
    last_words(v, d, text);
    return ended ? vane_fail(error, VANE_INVALID, "disks of %s: %s", d->def.name, text)
                 : vane_fail(error, VANE_TIMEOUT, "disks of %s: vane-blk does not get ready within %d s: %s", d->def.name,
                             READY_MS / 1000, text);
}

// --- Ending

static void remove_folder(const struct vaned *v, const struct domain *d)
{
    char path[MAX_PATH], file[2 * MAX_PATH];
    struct dirent *entry;
    DIR *dir;

    path_in(v, d, "", path);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        (void)unlink(file);                     // not . and ..
    }
    if (dir)
        closedir(dir);
    (void)rmdir(path);
}

// What it has mapped of the guest goes with it, so its end is waited for.
static void kill_all(const struct vaned *v, const struct domain *d)
{
    pid_t pid = 0;
    int locked;

    for (unsigned i = 0; (locked = lock(v, d, &pid)) < 0 && i < READY_MS; i++) {
        if (pid > 0)
            kill(pid, SIGKILL);
        usleep(1000);
    }
    if (locked >= 0)
        close(locked);
}

void backend_stop(struct vaned *v, struct domain *d)
{
    char path[MAX_PATH];

    path_in(v, d, "", path);
    if (access(path, F_OK) == 0)
        kill_all(v, d);
    if (d->backend)
        let_go(d->backend);
    remove_folder(v, d);
    free(d->backend);
    d->backend = NULL;
}

// --- While it runs

// The file is the process' own, which may have been taken over: it can tell wrong numbers, and nothing else.
bool backend_figures(const struct vaned *v, const struct domain *d, const struct disk *disk, struct disk_figures *figures)
{
    struct blk_stats_file file;
    uint64_t sum[BLK_NR_STATS] = { 0 };
    char path[MAX_PATH], name[40];
    ssize_t size;
    int fd;

    snprintf(name, sizeof(name), "%.20s.stats", disk->target);
    path_in(v, d, name, path);
    fd = disk_is_ours(disk) ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    if (fd < 0)
        return false;
    size = read(fd, &file, sizeof(file));
    close(fd);
    if (size != sizeof(file))
        return false;
    for (unsigned queue = 0; queue < BLK_MAX_QUEUES; queue++)
        for (unsigned i = 0; i < BLK_NR_STATS; i++)
            sum[i] += file.queue[queue].count[i];
    *figures = (struct disk_figures){
        .reads = sum[BLK_STAT_READS], .writes = sum[BLK_STAT_WRITES], .flushes = sum[BLK_STAT_FLUSHES],
        .discards = sum[BLK_STAT_DISCARDS], .read_bytes = sum[BLK_STAT_READ_BYTES], .written_bytes = sum[BLK_STAT_WRITTEN_BYTES],
        .errors = sum[BLK_STAT_ERRORS], .invalid = sum[BLK_STAT_INVALID], .limited = sum[BLK_STAT_LIMITED],
    };
    return true;
}

static void again(struct backend *b, const struct vane_error *error)
{
    log_line("%s", error->text);
    let_go(b);
    b->again_ms = now_ms() + AGAIN_MS;
}

// One that is on its way up.
static void look_ready(struct vaned *v, struct domain *d)
{
    struct vane_error error;
    int rc = is_served(v, d, &error);

    if (rc < 0)
        again(d->backend, &error);
    else if (rc)
        event_tell(v, d, "backend-started", NULL);
}

static void look(struct vaned *v, struct domain *d)
{
    struct backend *b = d->backend;
    uint64_t now = now_ms();
    struct vane_error error;
    char text[200];

    if (b->pidfd >= 0 && b->ready >= 0) {
        look_ready(v, d);
        return;
    }
    if (b->pidfd >= 0 && is_readable(b->pidfd, 0)) {
        let_go(b);
        last_words(v, d, text);
        event_tell(v, d, "backend-ended", text);
        b->again_ms = now < b->started_ms + AGAIN_MS ? now + AGAIN_MS : now;
    }
    if (b->pidfd < 0 && now >= b->again_ms && serve(v, d, &error))
        again(b, &error);
}

// A start that is over may take its domain from the list, and another one behind it.
static bool end_one_wait(struct vaned *v)
{
    struct vane_error error;

    for (struct domain *d = v->domains; d; d = d->next) {
        int rc = d->phase != PHASE_STARTING || !d->backend ? 0 : d->is_unwanted ? 1 : is_served(v, d, &error);

        if (rc) {
            life_served(v, d, rc < 0 ? rc : 0, &error);
            return true;
        }
    }
    return false;
}

void backends_run(struct vaned *v)
{
    while (end_one_wait(v))
        ;
    for (struct domain *d = v->domains; d; d = d->next)
        if (d->backend && (d->phase == PHASE_RUNNING || d->phase == PHASE_KEPT))
            look(v, d);
}

int backends_timeout(const struct vaned *v)
{
    int wait = -1;

    for (const struct domain *d = v->domains; d && wait; d = d->next)
        if (d->backend && (d->backend->pidfd < 0 || d->backend->ready >= 0))
            wait = d->is_unwanted ? 0 : AGAIN_MS;
    return wait;
}
