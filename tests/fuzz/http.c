// SPDX-License-Identifier: MIT
// vaned's HTTP: the input is what a client sends on one connection, one request or several behind each other. All of the
// daemon is behind it, on a simulated host. Every reply must begin as one, and afterwards domains and host must agree.
#include <dirent.h>
#include <microhttpd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dom0-tools/daemon/backends.h"
#include "mini.h"

// Nothing is kept of what guests say: it would be a file for each name.
static struct vaned v = { .logs = "/dev/null/logs", .next_event = 1 };
static char folder[] = "/dev/shm/fuzz-http.XXXXXX", names[4][64];

void log_line(const char *format, ...)
{
    (void)format;
}

uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void clean(void)
{
    char command[200];

    snprintf(command, sizeof(command), "rm -rf %s", folder);
    (void)!system(command);
}

static void begin(void)
{
    static const char *const ends[] = { "state", "run", "host", "socket" };
    struct vane_error error;

    require(mkdtemp(folder) != NULL);
    atexit(clean);
    for (unsigned i = 0; i < 4; i++)
        snprintf(names[i], sizeof(names[i]), "%s/%s", folder, ends[i]);
    v.state = names[0];
    v.run = names[1];
    v.devices = names[2];
    v.socket = names[3];
    v.epoll = epoll_create1(EPOLL_CLOEXEC);
    require(mkdir(v.devices, 0700) == 0 && host_open(&v.host, v.devices, &error) == 0 && domains_load(&v, &error) == 0 &&
            http_open(&v, &error) == 0 && builder_open(&v, &error) == 0);
}

static bool is_reply(const char *text, size_t size)
{
    return size > 12 && memcmp(text, "HTTP/1.", 7) == 0 && text[9] >= '1' && text[9] <= '5';
}

// No processes are started here.
int backends_start(struct vaned *v_of, struct domain *d, struct vane_error *error)
{
    (void)v_of;
    (void)d;
    (void)error;
    return 0;
}

void backends_find(struct vaned *v_of, struct domain *d)
{
    (void)v_of;
    (void)d;
}

struct backend *backend_named(const struct domain *d, const char *name)
{
    (void)name;
    return d->backends;
}

int backend_add(struct vaned *v_of, struct domain *d, const struct kind *kind, const struct definition *def, size_t i,
                unsigned number, int mark, struct vane_error *error)
{
    (void)v_of;
    (void)d;
    (void)def;
    (void)i;
    (void)number;
    (void)mark;
    return vane_fail(error, VANE_UNSUPPORTED, "%s cannot be run here", kind->program);
}

int backend_is_served(const struct vaned *v_of, const struct domain *d, struct backend *b, struct vane_error *error)
{
    (void)v_of;
    (void)d;
    (void)b;
    return vane_fail(error, VANE_UNSUPPORTED, "there are none");
}

bool backend_has_ended(const struct backend *b)
{
    return b->pidfd < 0;
}

int backend_mark(const struct vaned *v_of, const struct domain *d, struct backend *b, int mark, struct vane_error *error)
{
    (void)mark;
    return backend_is_served(v_of, d, b, error);
}

int backend_serve(struct vaned *v_of, struct domain *d, const char *name, struct vane_error *error)
{
    (void)name;
    return backend_is_served(v_of, d, NULL, error);
}

void backend_kill(struct vaned *v_of, struct domain *d, struct backend *b)
{
    backend_end(v_of, d, b);
}

void backend_end(struct vaned *v_of, struct domain *d, struct backend *b)
{
    (void)v_of;
    (void)d;
    (void)b;
}

void backend_look(struct vaned *v_of, struct domain *d, struct backend *b)
{
    backend_end(v_of, d, b);
}

void backend_option(const struct vaned *v_of, const struct domain *d, const struct backend *b, const char *option,
                    char word[BACKEND_WORD])
{
    (void)v_of;
    (void)d;
    (void)b;
    (void)option;
    word[0] = '\0';
}

bool backend_read_stats(const struct vaned *v_of, const struct domain *d, const char *name, void *file, size_t size)
{
    (void)v_of;
    (void)d;
    (void)name;
    memset(file, 0, size);
    return false;
}

void backends_forget(struct domain *d)
{
    (void)d;
}

void backends_run(struct vaned *v_of)
{
    (void)v_of;
}

void backends_stop(struct vaned *v_of, struct domain *d)
{
    (void)v_of;
    (void)d;
}

static void wait_for_builds(void)
{
    for (bool waits = true; waits; sched_yield()) {
        life_built(&v);
        waits = false;
        for (const struct domain *d = v.domains; d; d = d->next)
            waits = waits || d->phase == PHASE_STARTING;
    }
}

// Until it has answered all that it will: streams would go on for ever.
static void serve(int fd)
{
    static char text[1 << 16];
    bool begun = false;

    for (unsigned idle = 0; idle < 2; idle++) {
        ssize_t size;

        wait_for_builds();
        http_run(&v);
        host_taken(v.host);
        consoles_run(&v);
        life_check(&v);
        while ((size = recv(fd, text, sizeof(text), MSG_DONTWAIT)) > 0) {
            require(begun || is_reply(text, (size_t)size));
            begun = true;
            idle = 0;
        }
    }
}

static void hang_up(int fd)
{
    const union MHD_DaemonInfo *info;
    unsigned left = 1;

    wait_for_builds();
    close(fd);
    v.stop = true;
    for (unsigned i = 0; left && i < 100; i++) {
        http_wake_streams(&v);
        http_run(&v);
        info = MHD_get_daemon_info(v.http, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
        left = info->num_connections;
    }
    v.stop = false;
    require(!left && !v.streams && !v.waiters);
}

static bool is_empty(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count = 0;

    require(dir != NULL);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count == 2;
}

static void end_all(void)
{
    static struct host_domain left[HOST_MAX_DOMAINS];
    struct vane_error error;
    unsigned count, running = 0;
    bool was_any = v.domains != NULL;

    for (const struct domain *d = v.domains; d; d = d->next)
        running += d->phase != PHASE_OFF;
    require(host_domains(v.host, left, HOST_MAX_DOMAINS, &count, &error) == 0 && count == 1 + running);
    while (v.domains) {
        struct domain *d = v.domains;

        require(d->phase == PHASE_OFF || domain_stop(&v, d, "destroyed", &error) == 0);
        require(domain_forget(&v, d, &error) == 0);
    }
    require(host_domains(v.host, left, HOST_MAX_DOMAINS, &count, &error) == 0 && count == 1);
    require(!was_any || (is_empty(v.state) && is_empty(v.run)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];

    if (!v.http)
        begin();
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    require(MHD_add_connection(v.http, ends[0], NULL, 0) == MHD_YES);
    (void)!send(ends[1], data, size, 0);
    serve(ends[1]);
    hang_up(ends[1]);
    end_all();
    return 0;
}
