// SPDX-License-Identifier: MIT
// vane-stored: options, the order of starting, and the event loop.
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dom0-tools/lib/sandbox.h"
#include "log.h"
#include "persist.h"
#include "public/xen.h"

enum { MAX_EVENTS = 64, MAX_PORTS = 256 };

struct options {
    const char *socket;
    const char *state;
    const char *devices;
    bool no_state, no_dom0;
};

static const char usage[] =
    "usage: vane-stored [OPTION...]\n"
    "The configuration store of this host, in the foreground.\n"
    "\n"
    "  --socket PATH         where clients connect (default /run/xenstored/socket)\n"
    "  --state FILE          what survives a restart (default /run/xenstored/vane-stored.journal)\n"
    "  --no-state            nothing survives one\n"
    "  --quota NAME=NUMBER   a limit for every domain without its own; 0 is none\n"
    "  --no-dom0             leave the kernel's own connection alone\n"
    "  --devices FOLDER      where the hypervisor's devices are (default /dev/xen)\n"
    "  --verbose             log every request\n"
    "  --help                this text\n";

static struct server server;

static void stop(int signal)
{
    (void)signal;
    server.stop = true;
}

static void add_quota(struct server *s, const char *text)
{
    char name[32], number[16];
    const char *words[] = { name, number };

    if (sscanf(text, "%31[^=]=%15s", name, number) != 2 || server_set_quota(s, words, 2))
        log_fatal("--quota %s: not NAME=NUMBER with a name that xenstore-control quota lists", text);
}

static void parse(struct server *s, struct options *o, int argc, char *argv[])
{
    static const struct option table[] = {
        { "socket", required_argument, NULL, 's' },   { "state", required_argument, NULL, 'j' },
        { "no-state", no_argument, NULL, 'n' },       { "quota", required_argument, NULL, 'q' },
        { "no-dom0", no_argument, NULL, 'D' },        { "devices", required_argument, NULL, 'd' },
        { "verbose", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },           { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (option) {
        case 's': o->socket = optarg; break;
        case 'j': o->state = optarg; break;
        case 'n': o->no_state = true; break;
        case 'q': add_quota(s, optarg); break;
        case 'D': o->no_dom0 = true; break;
        case 'd': o->devices = optarg; break;
        case 'v': log_requests = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        exit(2);
    }
}

static void make_folder(const char *file)
{
    char path[PATH_MAX], *folder;

    snprintf(path, sizeof(path), "%s", file);
    folder = dirname(path);
    if (mkdir(folder, 0755) && errno != EEXIST)
        log_fatal("the folder %s cannot be made: %s", folder, strerror(errno));
}

// The first node that Debian's store has, too.
static void fill_new_store(struct server *s)
{
    static const struct subject dom0 = { 0, NO_DOMID };
    static const struct path path = { "/tool/xenstored", 15, 0 };
    struct view view;

    view_borrow(&view, &s->store, &persist_hooks);
    (void)view_mkdir(&view, dom0, &path);
    view_publish(&view);
    journal_commit(&s->journal);
}

static void open_state(struct server *s, const struct options *o)
{
    bool fresh = true;

    if (!o->no_state) {
        make_folder(o->state);
        if (persist_open(s, o->state, &fresh))
            log_fatal("the state in %s is not usable; move it away to start with an empty store", o->state);
    }
    if (fresh)
        fill_new_store(s);
}

// The kernel's own connection is there from the start, and is not introduced by anybody.
static void connect_dom0(struct server *s)
{
    struct fire fire = { .s = s };
    int port = xen_xenbus_port(&s->xen), rc;

    if (port < 0 || s->domains[0])
        return;
    rc = domain_introduce(s, &fire, 0, (uint32_t)port);
    if (rc)
        log_line("the kernel's own connection cannot be set up: %s", strerror(-rc));
    server_commit(s);
}

static void open_xen(struct server *s, const struct options *o)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &s->xen };
    const char *failed;
    int rc = xen_open(&s->xen, o->devices, &failed);

    if (rc) {
        log_line("%s/%s cannot be used (%s): only the socket is served", o->devices, failed, strerror(-rc));
        return;
    }
    rc = xen_bind_virq(&s->xen, VIRQ_DOM_EXC);
    if (rc < 0)
        log_fatal("the end of domains will not be told (VIRQ_DOM_EXC: %s): does another store run?",
                  strerror(-rc));
    s->virq_port = (uint32_t)rc;
    s->has_xen = true;
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->xen.evtchn, &event))
        log_fatal("event channels cannot be waited for: %s", strerror(errno));
    domains_adopt(s);
    domains_check(s);
    if (!o->no_dom0)
        connect_dom0(s);
}

// Files, domains and clients come and go; programs, connections and rights do not.
static void enter_sandbox(void)
{
    static const int calls[] = {
        SYS_epoll_wait, SYS_epoll_ctl, SYS_accept4, SYS_recvfrom, SYS_sendto, SYS_read, SYS_write, SYS_close,
        // the journal written anew; the log's time
        SYS_openat, SYS_flock, SYS_fallocate, SYS_rename, SYS_unlink, SYS_fstat, SYS_newfstatat, SYS_lseek,
        SYS_brk, SYS_mmap, SYS_mremap, SYS_munmap, SYS_madvise, SYS_clock_gettime, SYS_time,
        SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit_group,
    };
    int rc = sandbox_drop_capabilities();

    if (rc == 0)
        rc = sandbox_filter(calls, sizeof(calls) / sizeof(calls[0]), xen_requests, XEN_NR_REQUESTS);
    if (rc)
        log_fatal("its rights cannot be given up: %s", strerror(-rc));
}

static void take_ports(struct server *s)
{
    uint32_t ports[MAX_PORTS];
    size_t count = xen_pending(&s->xen, ports, MAX_PORTS);

    for (size_t i = 0; i < count; i++) {
        (void)xen_unmask(&s->xen, ports[i]);
        if (ports[i] == s->virq_port)
            domains_check(s);
        else if (ports[i] < s->nr_ports && s->ports[ports[i]])
            conn_ready(s, s->ports[ports[i]]);
    }
}

static void take_event(struct server *s, const struct epoll_event *event)
{
    struct conn *c;

    if (event->data.ptr == &s->listener) {
        socket_accept(s);
    } else if (event->data.ptr == &s->xen) {
        take_ports(s);
    } else {
        c = event->data.ptr;
        c->is_readable = (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
        conn_ready(s, c);
    }
}

static void loop(struct server *s)
{
    struct epoll_event events[MAX_EVENTS];
    bool more = false;

    while (!s->stop) {
        int wait = server_look(s), count = epoll_wait(s->epoll, events, MAX_EVENTS, more ? 0 : wait);

        // All events before any turn: a turn may end a connection that an event is for.
        for (int i = 0; i < count; i++)
            take_event(s, &events[i]);
        more = server_turns(s);
        more = persist_compact(s) || more;
    }
}

int main(int argc, char *argv[])
{
    struct options o = { .socket = "/run/xenstored/socket", .devices = "/dev/xen",
                         .state = "/run/xenstored/vane-stored.journal" };
    struct sigaction action = { .sa_handler = stop };
    struct rlimit files = { 65536, 65536 };
    int rc;

    server_init(&server);
    parse(&server, &o, argc, argv);
    (void)setrlimit(RLIMIT_NOFILE, &files);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGXFSZ, SIG_IGN);
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server.epoll < 0)
        log_fatal("no epoll: %s", strerror(errno));
    open_state(&server, &o);
    open_xen(&server, &o);
    make_folder(o.socket);
    rc = socket_listen(&server, o.socket);
    if (rc)
        log_fatal("the socket %s cannot be listened on: %s", o.socket, strerror(-rc));
    enter_sandbox();
    loop(&server);
    unlink(o.socket);
    return 0;
}
