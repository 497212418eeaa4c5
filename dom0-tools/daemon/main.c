// SPDX-License-Identifier: MIT
// vaned: options, the order of starting, and the loop.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "vaned.h"

enum { LOOK_MS = 1000 };            // where nothing tells of ends

static const char usage[] =
    "usage: vaned [OPTION...]\n"
    "The owner of this host's domains, in the foreground.\n"
    "\n"
    "  --socket PATH      where HTTP is spoken (default /run/vane/vaned.sock)\n"
    "  --state FOLDER     where definitions are kept (default /var/lib/vane)\n"
    "  --run FOLDER       what is true until the host is rebooted (default /run/vane)\n"
    "  --logs FOLDER      what guests say on their consoles (default /var/log/vane)\n"
    "  --devices FOLDER   where the hypervisor's devices are (default /dev/xen)\n"
    "  --no-autostart     start no domain now\n"
    "  --openapi          print what the API is, and end\n"
    "  --help             this text\n";

static struct vaned vaned = {
    .socket = "/run/vane/vaned.sock", .state = "/var/lib/vane", .run = "/run/vane", .logs = "/var/log/vane",
    .devices = "/dev/xen", .next_event = 1,
};

void log_line(const char *format, ...)
{
    va_list args;

    fputs("vaned: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void stop(int signal)
{
    (void)signal;
    vaned.stop = true;
}

static bool parse(struct vaned *v, int argc, char *argv[])
{
    static const struct option table[] = {
        { "socket", required_argument, NULL, 's' },  { "state", required_argument, NULL, 'd' },
        { "run", required_argument, NULL, 'r' },     { "logs", required_argument, NULL, 'l' },
        { "devices", required_argument, NULL, 'D' },
        { "no-autostart", no_argument, NULL, 'n' },  { "openapi", no_argument, NULL, 'o' },
        { "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
    };
    bool autostart = true;
    int option;

    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (option) {
        case 's': v->socket = optarg; break;
        case 'd': v->state = optarg; break;
        case 'r': v->run = optarg; break;
        case 'l': v->logs = optarg; break;
        case 'D': v->devices = optarg; break;
        case 'n': autostart = false; break;
        case 'o': puts(openapi_text()); exit(0);
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        exit(2);
    }
    return autostart;
}

// A descriptor that was closed has left the epoll by itself.
static int watch_host(struct vaned *v, int watched)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &v->host };
    int fd = host_fd(v->host);

    if (fd >= 0 && fd != watched && epoll_ctl(v->epoll, EPOLL_CTL_ADD, fd, &event) && errno != EEXIST) {
        log_line("ends of domains cannot be waited for: %s", strerror(errno));
        return -1;
    }
    return fd;
}

static int shorter(int a, int b)
{
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

static void loop(struct vaned *v)
{
    struct epoll_event events[4], said = { .events = EPOLLIN, .data.ptr = &v->logs };
    int watched = watch_host(v, -1);
    sigset_t none;

    // Signals come in here and nowhere else: none is missed before the wait.
    if (epoll_ctl(v->epoll, EPOLL_CTL_ADD, host_consoles_fd(v->host), &said))
        log_line("guests cannot be listened to: %s", strerror(errno));
    sigemptyset(&none);
    while (!v->stop) {
        int wait = shorter(shorter(shorter(http_timeout(v), life_autostart(v)), backends_timeout(v)),
                           shorter(consoles_timeout(v), life_timeout(v)));
        int count = epoll_pwait(v->epoll, events, 4, watched < 0 ? shorter(wait, LOOK_MS) : wait, &none);
        bool told = watched < 0;

        for (int i = 0; i < count; i++)
            told = told || events[i].data.ptr == &v->host;
        if (told)
            host_taken(v->host);
        watched = watch_host(v, told ? -1 : watched);
        life_built(v);
        consoles_run(v);
        if (told)
            life_check(v);
        life_again(v);
        backends_run(v);
        http_run(v);
    }
}

// Each device of a guest's takes a descriptor.
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char *argv[])
{
    struct sigaction action = { .sa_handler = stop };
    struct vaned *v = &vaned;
    struct vane_error error;
    bool autostart;

    // The builder's thread forks to unpack an image, and the child allocates behind seccomp: a thread's own arena grows by
    // mprotect(), which is forbidden there.
    mallopt(M_ARENA_MAX, 1);
    autostart = parse(v, argc, argv);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGINT);
    sigprocmask(SIG_BLOCK, &action.sa_mask, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    raise_limit();
    v->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (host_open(&v->host, v->devices, &error) || domains_load(v, &error) || http_open(v, &error) || builder_open(v, &error)) {
        log_line("%s", error.text);
        return 1;
    }
    life_boot(v, autostart);
    if (life_recover(v, &error)) {
        log_line("%s", error.text);
        return 1;
    }
    loop(v);
    life_finish(v);
    http_close(v);
    builder_free(v);
    domains_free(v);
    for (unsigned i = 0; i < MAX_EVENTS; i++)
        free(v->events[i].text);
    host_close(v->host);
    return 0;
}
