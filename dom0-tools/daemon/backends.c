// SPDX-License-Identifier: MIT
// The processes that serve guests' disks and NICs: one for each device. They outlive vaned, and vaned outlives them: whoever of the
// two is started again finds the other. In RUN/back/UUID/DEVICE, which is there as long as the guest has the device, lie
//
//     arguments   its own, each closed by a zero byte: what the device was made with, whatever the definition says since
//     lock        holds the process' number (a pid_t), and is locked (flock) as long as the process lives, since it inherits the file
//     state       what a successor of a killed process goes on from
//     stats       counters
//     log         what it has said
//     new, leaving, leaving-live      empty, where that is under way with the device (plug.c)
//
// A process that ends while its domain runs is started again, at once if it has lived for a second. What it opens may be far
// away and slow to answer, so nobody stands and waits until it serves: it says so on a pipe.
#include "backends.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_MS = 10000, AGAIN_MS = 1000, LAST_WORDS = 200 };

static const char *const marks[NR_BACKEND_MARKS] = { NULL, "new", "leaving", "leaving-live" };

void backend_path(const struct vaned *v, const struct domain *d, const char *device, const char *file, char path[BACKEND_PATH])
{
    snprintf(path, BACKEND_PATH, "%.300s/back/%s/%s%s%s", v->run, d->def.uuid, device, *file ? "/" : "", file);
}

// --- Their arguments

static void say_all(struct words *w, const struct vaned *v, const struct domain *d, const struct kind *kind,
                    const struct definition *def, size_t i, unsigned number)
{
    char back[DEVICE_MAX_FOLDER], front[DEVICE_MAX_FOLDER], name[BACKEND_NAME], folder[BACKEND_PATH];

    kind->name(def, i, name);
    backend_path(v, d, name, "", folder);
    device_folders(d->id, kind->type, number, back, front);
    words_say(w, "%s", kind->program);
    words_say(w, "--domid"), words_say(w, "%u", d->id);
    words_say(w, "--back"), words_say(w, "%s", back);
    words_say(w, "--front"), words_say(w, "%s", front);
    words_say(w, "--state"), words_say(w, "%s/state", folder);
    words_say(w, "--stats"), words_say(w, "%s/stats", folder);
    kind->say(w, def, i, d->id, number, folder);
}

// --- Starting

int backend_lock(const struct vaned *v, const struct domain *d, const char *device, const char *file, pid_t *pid)
{
    char path[BACKEND_PATH];
    int fd, rc;

    *pid = 0;
    backend_path(v, d, device, file, path);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && ftruncate(fd, 0) == 0)
        return fd;
    rc = -errno;
    if (rc == -EAGAIN && pread(fd, pid, sizeof(*pid), 0) != sizeof(*pid))
        *pid = 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

int backend_detach(int locked, int output, int log)
{
    pid_t pid = getpid();
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    return pwrite(locked, &pid, sizeof(pid), 0) == sizeof(pid) && fcntl(locked, F_SETFD, 0) == 0 &&
           dup2(output, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0 ? 0 : -1;
}

// In the child: `ready` becomes its standard output, on which it says so when it serves; it keeps the lock.
_Noreturn static void become(const struct words *w, const struct kind *kind, int locked, int ready, int log)
{
    if (backend_detach(locked, ready, log) == 0)
        execvp(kind->program, w->word);
    dprintf(log, "%s cannot be run (%s): install it, or let the kernel serve the %ss (driver 'kernel')\n", kind->program,
            strerror(errno), kind->noun);
    _exit(1);
}

static pid_t spawn(const struct vaned *v, const struct domain *d, const struct backend *b, int locked, int ready)
{
    struct words w = { .count = 0 };
    char path[BACKEND_PATH];
    pid_t pid;
    int log;

    backend_path(v, d, b->name, "arguments", path);
    words_recall(&w, path);
    backend_path(v, d, b->name, "log", path);
    log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    errno = ENOMEM;
    pid = w.failed ? -1 : fork();
    if (pid == 0)
        become(&w, b->kind, locked, ready, log);
    if (log >= 0)
        close(log);
    words_forget(&w);
    return pid;
}

// What it has said last; it goes into events and replies, which take UTF-8 only. Of a long line the end tells why.
static void last_words(const struct vaned *v, const struct domain *d, const struct backend *b, char text[LAST_WORDS])
{
    char path[BACKEND_PATH], *line = NULL;
    size_t size = 0, length;
    FILE *f;

    backend_path(v, d, b->name, image_log(v, d, b->name), path);
    snprintf(text, LAST_WORDS, "it has said nothing");
    f = fopen(path, "re");
    while (f && getline(&line, &size, f) > 0) {
        length = strcspn(line, "\n");
        line[length] = '\0';
        snprintf(text, LAST_WORDS, "%s", length < LAST_WORDS ? line : line + length - LAST_WORDS + 1);
    }
    free(line);
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

static int launch(struct vaned *v, struct domain *d, struct backend *b, int locked, struct vane_error *error)
{
    int pipes[2], rc;
    pid_t pid;

    if (pipe2(pipes, O_CLOEXEC))
        return vane_fail_errno(error, errno, "starting %s for %s", b->kind->program, d->def.name);
    pid = spawn(v, d, b, locked, pipes[1]);
    rc = pid < 0 ? -errno : wake_on(v, pipes[0]);
    close(pipes[1]);
    b->ready = pipes[0];
    b->started_ms = now_ms();
    if (pid > 0 && rc == 0)
        rc = watch(v, b, pid);
    if (rc == 0)
        return 0;
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    let_go(b);
    return vane_fail_errno(error, rc, "starting %s for %s", b->kind->program, d->def.name);
}

// Makes a process that will serve the device, or finds the one that does.
static int serve(struct vaned *v, struct domain *d, struct backend *b, struct vane_error *error)
{
    pid_t pid;
    int locked = backend_lock(v, d, b->name, "lock", &pid), rc;

    if (locked < 0) {
        rc = pid > 0 ? watch(v, b, pid) : locked;
        return rc ? vane_fail_errno(error, rc, "finding %s of %s", b->kind->program, d->def.name) : 0;
    }
    rc = image_serve(v, d, b->name, error);
    if (rc == 0)
        rc = launch(v, d, b, locked, error);
    close(locked);
    return rc;
}

static void remove_folder(const char *path)
{
    char file[BACKEND_PATH + 256];
    struct dirent *entry;
    DIR *dir = opendir(path);

    while (dir && (entry = readdir(dir))) {
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        (void)unlink(file);                     // not . and ..
    }
    if (dir)
        closedir(dir);
    (void)rmdir(path);
}

static void remove_one(struct vaned *v, struct domain *d, const char *name)
{
    char path[BACKEND_PATH];

    switch_leave(v, d, name);
    backend_path(v, d, name, "", path);
    remove_folder(path);
}

static int make_folder(const char *path, struct vane_error *error)
{
    return mkdir(path, 0700) && errno != EEXIST ? vane_fail_errno(error, errno, "making %s", path) : 0;
}

static int make_folders(const struct vaned *v, const struct domain *d, const char *name, struct vane_error *error)
{
    char path[BACKEND_PATH];
    int rc;

    snprintf(path, sizeof(path), "%.300s/back", v->run);
    rc = make_folder(path, error);
    snprintf(path, sizeof(path), "%.300s/back/%s", v->run, d->def.uuid);
    if (rc == 0)
        rc = make_folder(path, error);
    backend_path(v, d, name, "", path);
    return rc ? rc : make_folder(path, error);
}

struct backend *backend_named(const struct domain *d, const char *name)
{
    struct backend *b = d->backends;

    while (b && strcmp(b->name, name) != 0)
        b = b->next;
    return b;
}

static struct backend *add(struct domain *d, const struct kind *kind, const char *name, unsigned number, int mark)
{
    struct backend *b = calloc(1, sizeof(*b));

    if (!b)
        return NULL;
    *b = (struct backend){ .next = d->backends, .kind = kind, .pidfd = -1, .ready = -1, .number = number, .mark = mark };
    snprintf(b->name, sizeof(b->name), "%s", name);
    d->backends = b;
    return b;
}

static int set_mark(const struct vaned *v, const struct domain *d, const char *name, int mark, struct vane_error *error)
{
    char path[BACKEND_PATH];
    int fd;

    for (int i = BACKEND_STAYS + 1; i < NR_BACKEND_MARKS; i++) {
        backend_path(v, d, name, marks[i], path);
        fd = i == mark ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
        if (i == mark ? fd < 0 : unlink(path) && errno != ENOENT)
            return vane_fail_errno(error, errno, "the file %s cannot be made or removed", path);
        if (fd >= 0)
            close(fd);
    }
    return 0;
}

static int mark_of(const struct vaned *v, const struct domain *d, const char *name)
{
    char path[BACKEND_PATH];

    for (int i = BACKEND_STAYS + 1; i < NR_BACKEND_MARKS; i++) {
        backend_path(v, d, name, marks[i], path);
        if (access(path, F_OK) == 0)
            return i;
    }
    return BACKEND_STAYS;
}

int backend_mark(const struct vaned *v, const struct domain *d, struct backend *b, int mark, struct vane_error *error)
{
    int rc = set_mark(v, d, b->name, mark, error);

    if (rc == 0)
        b->mark = mark;
    return rc;
}

// The mark is there before the arguments, without which it is none.
int backend_add(struct vaned *v, struct domain *d, const struct kind *kind, const struct definition *def, size_t i,
                unsigned number, int mark, struct vane_error *error)
{
    char name[BACKEND_NAME], path[BACKEND_PATH], image[BACKEND_PATH];
    struct words w = { .count = 0 }, server = { .count = 0 };
    struct backend *b;
    int rc;

    kind->name(def, i, name);
    backend_path(v, d, name, "arguments", path);
    backend_path(v, d, name, "image", image);
    say_all(&w, v, d, kind, def, i, number);
    if (kind->say_server)
        kind->say_server(&server, def, i);
    rc = make_folders(v, d, name, error);
    if (rc == 0)
        rc = set_mark(v, d, name, mark, error);
    if (rc == 0 && (server.count || server.failed))
        rc = words_keep(&server, image, error);
    if (rc == 0)
        rc = words_keep(&w, path, error);
    words_forget(&w);
    words_forget(&server);
    b = rc ? NULL : add(d, kind, name, number, mark);
    if (rc == 0 && !b)
        rc = vane_fail(error, VANE_NO_RESOURCE, "there is no memory for a back end");
    if (rc)
        remove_one(v, d, name);
    return rc;
}

int backend_serve(struct vaned *v, struct domain *d, const char *name, struct vane_error *error)
{
    return serve(v, d, backend_named(d, name), error);
}

int backends_start(struct vaned *v, struct domain *d, struct vane_error *error)
{
    char name[BACKEND_NAME];
    int rc = 0;

    for (const struct kind *kind = kinds; kind < kinds + NR_KINDS; kind++)
        for (size_t i = 0; i < kind->count(&d->def) && rc == 0; i++)
            if (kind->is_ours(&d->def, i)) {
                rc = backend_add(v, d, kind, &d->def, i, kind->number(&d->def, i), BACKEND_STAYS, error);
                kind->name(&d->def, i, name);
                if (rc == 0)
                    rc = backend_serve(v, d, name, error);
            }
    return rc;
}

bool backend_has_ended(const struct backend *b)
{
    return b->pidfd < 0 || is_readable(b->pidfd, 0);
}

int backend_is_served(const struct vaned *v, const struct domain *d, struct backend *b, struct vane_error *error)
{
    char byte, text[LAST_WORDS];
    bool speaks, ended;

    if (b->pidfd >= 0 && b->ready < 0)
        return 1;
    speaks = is_readable(b->ready, 0);
    if (speaks && read(b->ready, &byte, 1) == 1) {
        close_ready(b);
        return 1;
    }
    ended = speaks || is_readable(b->pidfd, 0);
    if (!ended && now_ms() < b->started_ms + READY_MS)
        return 0;
    if (b->pidfd >= 0)
        kill(b->pid, SIGKILL);
    let_go(b);
    last_words(v, d, b, text);
    return ended ? vane_fail(error, VANE_INVALID, "%s %s of %s: %s", b->kind->noun, b->name, d->def.name, text)
                 : vane_fail(error, VANE_TIMEOUT, "%s %s of %s: %s does not get ready within %d s: %s", b->kind->noun, b->name,
                             d->def.name, b->kind->program, READY_MS / 1000, text);
}

// As backend_is_served() of all of a domain's.
static int are_served(const struct vaned *v, const struct domain *d, struct vane_error *error)
{
    int all = 1;

    for (struct backend *b = d->backends; b && all >= 0; b = b->next) {
        int rc = backend_is_served(v, d, b, error);

        all = rc < all ? rc : all;
    }
    return all;
}

// --- Ending

static void for_devices(struct vaned *v, struct domain *d, void (*act)(struct vaned *, struct domain *, const char *))
{
    char path[BACKEND_PATH];
    struct dirent *entry;
    DIR *dir;

    backend_path(v, d, "", "", path);
    dir = opendir(path);
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' && strlen(entry->d_name) < BACKEND_NAME)
            act(v, d, entry->d_name);
    if (dir)
        closedir(dir);
}

// Whether it has one still. One that vaned has by its pidfd is killed though its lock cannot be opened.
static bool kill_one(const struct vaned *v, const struct domain *d, const char *name)
{
    const struct backend *b = backend_named(d, name);
    bool is_known = b && b->pidfd >= 0 && !is_readable(b->pidfd, 0);
    pid_t pid;
    int locked = backend_lock(v, d, name, "lock", &pid);

    if (locked >= 0) {
        close(locked);
        return false;
    }
    if (pid == 0 && is_known)
        pid = b->pid;
    if (pid > 0)
        kill(pid, SIGKILL);
    return locked == -EAGAIN || is_known;
}

static void ask_to_end(struct vaned *v, struct domain *d, const char *name)
{
    (void)kill_one(v, d, name);
    image_end(v, d, name);
}

// What it has mapped of the guest goes with it, so its end is waited for.
static void end_process(const struct vaned *v, const struct domain *d, const char *name, uint64_t end_ms)
{
    while (kill_one(v, d, name) && now_ms() < end_ms)
        usleep(1000);
    image_wait(v, d, name, end_ms);
}

void backend_kill(struct vaned *v, struct domain *d, struct backend *b)
{
    end_process(v, d, b->name, now_ms() + READY_MS);
    let_go(b);
}

void backend_end(struct vaned *v, struct domain *d, struct backend *b)
{
    struct backend **at = &d->backends;

    remove_one(v, d, b->name);
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    free(b);
}

static void wait_for_end(struct vaned *v, struct domain *d, const char *name)
{
    end_process(v, d, name, d->wait_ms);
}

static void leave_one(struct vaned *v, struct domain *d, const char *name);

// The marks are read from the folders: a vaned that finds its guest gone has nothing else of them.
void backends_stop(struct vaned *v, struct domain *d)
{
    char path[BACKEND_PATH];
    struct backend *b;

    for_devices(v, d, leave_one);
    plug_end(v, d);
    for_devices(v, d, ask_to_end);              // all at once
    d->wait_ms = now_ms() + READY_MS;
    for_devices(v, d, wait_for_end);
    for_devices(v, d, remove_one);
    while ((b = d->backends)) {
        d->backends = b->next;
        let_go(b);
        free(b);
    }
    backend_path(v, d, "", "", path);
    (void)rmdir(path);
}

// vaned ends, and they do not.
void backends_forget(struct domain *d)
{
    struct backend *b;

    while ((b = d->backends)) {
        d->backends = b->next;
        close_ready(b);
        if (b->pidfd >= 0)
            close(b->pidfd);
        free(b);
    }
}

// --- While they run

// The file is the process' own, which may have been taken over: it can tell wrong numbers, and nothing else.
bool backend_read_stats(const struct vaned *v, const struct domain *d, const char *name, void *file, size_t size)
{
    char path[BACKEND_PATH];
    ssize_t r;
    int fd;

    backend_path(v, d, name, "stats", path);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    r = read(fd, file, size);
    close(fd);
    return r == (ssize_t)size;
}

static void again(struct backend *b, const struct vane_error *error)
{
    log_line("%s", error->text);
    let_go(b);
    b->again_ms = now_ms() + AGAIN_MS;
}

static const struct kind *kind_of(const char *program)
{
    for (const struct kind *kind = kinds; kind < kinds + NR_KINDS; kind++)
        if (strcmp(kind->program, program) == 0)
            return kind;
    return NULL;
}

void backend_option(const struct vaned *v, const struct domain *d, const struct backend *b, const char *option,
                    char word[BACKEND_WORD])
{
    struct words w = { .count = 0 };
    char path[BACKEND_PATH];

    backend_path(v, d, b->name, "arguments", path);
    words_recall(&w, path);
    words_option(&w, option, word);
    words_forget(&w);
}

// What the arguments say; NULL: there are none, so it has neither nodes in the store nor a process.
static const struct kind *kind_at(const struct vaned *v, const struct domain *d, const char *name, unsigned *number)
{
    char path[BACKEND_PATH], back[BACKEND_WORD] = "";
    struct words w = { .count = 0 };
    const struct kind *kind;

    backend_path(v, d, name, "arguments", path);
    words_recall(&w, path);
    kind = w.count ? kind_of(w.word[0]) : NULL;
    words_option(&w, "--back", back);
    words_forget(&w);
    *number = strrchr(back, '/') ? (unsigned)strtoul(strrchr(back, '/') + 1, NULL, 10) : 0;
    return kind;
}

static void leave_one(struct vaned *v, struct domain *d, const char *name)
{
    unsigned number;
    const struct kind *kind = kind_at(v, d, name, &number);

    if (kind && mark_of(v, d, name) == BACKEND_LEAVES)
        plug_left(v, d, kind, name);
}

// What a vaned was killed in the midst of attaching is taken back by plug_undo(), or done if the definition has it already.
static void find_one(struct vaned *v, struct domain *d, const char *name)
{
    unsigned number;
    const struct kind *kind = kind_at(v, d, name, &number);
    struct vane_error error;
    struct backend *b;
    int mark = mark_of(v, d, name);

    if (!kind) {
        end_process(v, d, name, now_ms() + READY_MS);
        remove_one(v, d, name);
        return;
    }
    if (mark == BACKEND_IS_NEW && plug_is_known(d, kind, name) && set_mark(v, d, name, BACKEND_STAYS, &error) == 0)
        mark = BACKEND_STAYS;
    b = add(d, kind, name, number, mark);
    if (b && mark != BACKEND_IS_NEW && serve(v, d, b, &error))
        again(b, &error);
}

void backends_find(struct vaned *v, struct domain *d)
{
    for_devices(v, d, find_one);
}

static void tell(struct vaned *v, const struct domain *d, const struct backend *b, const char *event, const char *words)
{
    char text[LAST_WORDS + 40];

    snprintf(text, sizeof(text), "%s %s%s%s", b->kind->noun, b->name, words ? ": " : "", words ? words : "");
    event_tell(v, d, event, text);
}

// One that is on its way up.
static void look_ready(struct vaned *v, struct domain *d, struct backend *b)
{
    struct vane_error error;
    int rc = backend_is_served(v, d, b, &error);

    if (rc < 0)
        again(b, &error);
    else if (rc)
        tell(v, d, b, "backend-started", NULL);
}

void backend_look(struct vaned *v, struct domain *d, struct backend *b)
{
    uint64_t now = now_ms();
    struct vane_error error;
    char text[LAST_WORDS];

    if (b->mark == BACKEND_IS_NEW)
        return;                                 // plug_look() sees to it, or plug_undo()
    if (b->pidfd >= 0 && b->ready >= 0) {
        look_ready(v, d, b);
        return;
    }
    if (b->pidfd >= 0 && is_readable(b->pidfd, 0)) {
        let_go(b);
        last_words(v, d, b, text);
        tell(v, d, b, "backend-ended", text);
        b->again_ms = now < b->started_ms + AGAIN_MS ? now + AGAIN_MS : now;
    }
    if (b->pidfd < 0 && now >= b->again_ms && serve(v, d, b, &error))
        again(b, &error);
}

// A start that is over may take its domain from the list, and another one behind it.
static bool end_one_wait(struct vaned *v)
{
    struct vane_error error;

    for (struct domain *d = v->domains; d; d = d->next) {
        int rc = d->phase != PHASE_STARTING || !d->backends ? 0 : d->is_unwanted ? 1 : are_served(v, d, &error);

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
    for (struct domain *d = v->domains; d; d = d->next) {
        struct backend *next;

        for (struct backend *b = d->backends; b && (d->phase == PHASE_RUNNING || d->phase == PHASE_KEPT); b = next) {
            next = b->next;
            if (b->mark >= BACKEND_LEAVES)
                plug_leave(v, d, b);
            else if (b->mark == BACKEND_IS_NEW)
                plug_undo(v, d, b);
            else
                backend_look(v, d, b);
        }
        plug_look(v, d);
    }
}

int backends_timeout(const struct vaned *v)
{
    int wait = -1;

    for (const struct domain *d = v->domains; d && wait; d = d->next)
        for (const struct backend *b = d->backends; b && wait; b = b->next)
            if (b->pidfd < 0 || b->ready >= 0 || b->mark)
                wait = d->is_unwanted ? 0 : AGAIN_MS;
    return wait;
}
