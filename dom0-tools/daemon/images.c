// SPDX-License-Identifier: MIT
// Images that are not raw: QEMU's storage daemon reads them, and vane-blk is its client over a socket. One serves one disk, and
// outlives vaned and vane-blk as these outlive it. In the device's folder (backends.c) lie
//
//     image       its arguments
//     image-lock  as `lock`
//     image-log   what it has said
//     image-at    the socket
//     image-began empty; there once a server has begun
//     image-lost  empty; there once it has ended while the guest ran
//
// What a guest has written, and not flushed yet, is in part in the server's memory. So a server that has ended is not replaced: the
// guest would read what was there before. It waits instead, until whoever looks after it ends it, as after a loss of power.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends.h"

enum { LISTENER = 3, BACKLOG = 16,              // its arguments name the listener by this number
       KILL_MS = 1000 };

static bool is_there(const struct vaned *v, const struct domain *d, const char *device, const char *file)
{
    char path[BACKEND_PATH];

    backend_path(v, d, device, file, path);
    return access(path, F_OK) == 0;
}

// The socket is here before the server is, so that whoever connects need not wait for it to come.
static int listen_at(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd;

    if (snprintf(at.sun_path, sizeof(at.sun_path), "%s", path) >= (int)sizeof(at.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)unlink(path);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

// Twice away from vaned, which need not hear of its end.
_Noreturn static void become_server(const struct words *w, int locked, int listener, int log)
{
    // Not at the number that the listener shall have.
    int kept = fcntl(locked, F_DUPFD, LISTENER + 1), heard = fcntl(listener, F_DUPFD_CLOEXEC, LISTENER + 1);
    pid_t pid = fork();

    if (pid)
        _exit(pid < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    if (kept >= 0 && heard >= 0 && dup2(heard, LISTENER) >= 0 && backend_detach(kept, log, log) == 0 &&
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        execvp(w->word[0], w->word);
    dprintf(log, "%s cannot be run (%s): install QEMU's storage daemon, or convert the image to raw\n", w->word[0],
            strerror(errno));
    _exit(EXIT_FAILURE);
}

static int begin(const struct vaned *v, const struct domain *d, const char *device, int locked, struct vane_error *error)
{
    char path[BACKEND_PATH];
    struct words w = { .count = 0 };
    int log, began, listener, status = EXIT_FAILURE, rc = -ENOMEM;
    pid_t pid = -1;

    backend_path(v, d, device, "image", path);
    words_recall(&w, path);
    backend_path(v, d, device, "image-log", path);
    log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    backend_path(v, d, device, "image-at", path);
    listener = listen_at(path);
    // Before the server is: one that began and is not known to have would be replaced.
    backend_path(v, d, device, "image-began", path);
    began = listener >= 0 ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (!w.failed) {
        pid = log >= 0 && began >= 0 ? fork() : -1;
        rc = pid < 0 ? -errno : 0;
    }
    if (pid == 0)
        become_server(&w, locked, listener, log);
    if (pid > 0)
        rc = waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -EAGAIN;
    if (rc) {
        (void)unlink(path);             // none has begun
        rc = vane_fail_errno(error, -rc, "starting the server of disk %s of %s", device, d->def.name);
    }
    close(log), close(began), close(listener);
    words_forget(&w);
    return rc;
}

// A guest waits from then on; that is told once.
static int be_lost(struct vaned *v, const struct domain *d, const char *device, struct vane_error *error)
{
    char began[BACKEND_PATH], lost[BACKEND_PATH];
    int rc = vane_fail(error, VANE_INVALID, "the server of disk %s of %s has ended, and what was written and not flushed may be lost: "
                       "destroy %s and start it again", device, d->def.name, d->def.name);

    backend_path(v, d, device, "image-began", began);
    backend_path(v, d, device, "image-lost", lost);
    if (rename(began, lost) == 0)
        event_tell(v, d, "image-lost", error->text);
    return rc;
}

int image_serve(struct vaned *v, const struct domain *d, const char *device, struct vane_error *error)
{
    pid_t pid;
    int locked, rc;

    if (!is_there(v, d, device, "image"))
        return 0;
    locked = backend_lock(v, d, device, "image-lock", &pid);
    if (locked == -EAGAIN)
        return 0;
    if (locked < 0)
        return vane_fail_errno(error, locked, "finding the server of disk %s of %s", device, d->def.name);
    if (is_there(v, d, device, "image-began") || is_there(v, d, device, "image-lost"))
        rc = be_lost(v, d, device, error);
    else
        rc = begin(v, d, device, locked, error);
    close(locked);
    return rc;
}

// Whether it runs still, after this signal.
static bool reach(const struct vaned *v, const struct domain *d, const char *device, int signal)
{
    pid_t pid;
    int locked = is_there(v, d, device, "image-lock") ? backend_lock(v, d, device, "image-lock", &pid) : -ENOENT;

    if (locked >= 0)
        close(locked);
    else if (locked == -EAGAIN && pid > 0)
        (void)kill(pid, signal);
    return locked == -EAGAIN;
}

void image_end(const struct vaned *v, const struct domain *d, const char *device)
{
    (void)reach(v, d, device, SIGTERM);
}

void image_wait(const struct vaned *v, const struct domain *d, const char *device, uint64_t end_ms)
{
    while (reach(v, d, device, now_ms() < end_ms ? SIGTERM : SIGKILL) && now_ms() < end_ms + KILL_MS)
        usleep(1000);
}

const char *image_log(const struct vaned *v, const struct domain *d, const char *device)
{
    char path[BACKEND_PATH];
    struct stat st;

    backend_path(v, d, device, "image-log", path);
    return stat(path, &st) == 0 && st.st_size > 0 && !reach(v, d, device, 0) ? "image-log" : "log";
}
