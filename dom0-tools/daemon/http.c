// SPDX-License-Identifier: MIT
// HTTP on a Unix socket: libmicrohttpd reads and writes, inside our epoll. Here requests find their route and errors
// their status; what the routes do is in api.c. A stream of events is suspended until there is one.
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vaned.h"

enum { MAX_BODY = DEFINITION_MAX_BYTES + 4096, MAX_PATH = 512, MAX_CONNECTIONS = 256, CLOSE_TRIES = 1000 };

struct stream {
    struct stream *next;
    struct vaned *v;
    struct MHD_Connection *connection;
    uint64_t last;
    char viewer[64], console[40];   // who it is; the UUID of the domain whose console it is; empty: it is of events
    bool is_suspended;
    char *text;                     // what is being sent, and how much of it has been
    size_t size, sent;
};

// A request that is suspended until a start is over.
struct waiter {
    struct waiter *next;
    struct MHD_Connection *connection;
    char uuid[37];
    int waits;                          // for what: as in struct reply
    bool is_over, is_resumed;
    json_t *also;
    int rc;
    struct vane_error error;
};

// One request on its way in.
struct inbox {
    char *body;
    size_t size;
    bool is_too_large;
    struct waiter *waiter;
};

static const int statuses[VANE_NR_KINDS] = {
    [VANE_OK] = 200, [VANE_INVALID] = 400, [VANE_NOT_FOUND] = 404, [VANE_EXISTS] = 409, [VANE_STATE] = 409,
    [VANE_NO_RESOURCE] = 507, [VANE_DENIED] = 403, [VANE_UNSUPPORTED] = 501, [VANE_TIMEOUT] = 504, [VANE_SYSTEM] = 500,
};

static const char *query(const struct request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

static bool take(struct inbox *in, const char *data, size_t size)
{
    char *body;

    if (in->is_too_large || in->size + size > MAX_BODY) {
        in->is_too_large = true;
        return true;
    }
    body = realloc(in->body, in->size + size + 1);
    if (!body)
        return false;
    memcpy(body + in->size, data, size);
    in->body = body;
    in->size += size;
    body[in->size] = '\0';
    return true;
}

// Segments of the path against those of a route; {steps} take what they meet.
static bool path_matches(const char *pattern, char *path, struct request *r)
{
    unsigned nr_parts = 0;
    char *rest = path, *step;

    memset(r->part, 0, sizeof(r->part));
    while ((step = strsep(&rest, "/"))) {
        size_t length = strcspn(pattern, "/");

        if (*pattern == '{' && *step && nr_parts < 4)
            r->part[nr_parts++] = step;
        else if (strlen(step) != length || memcmp(step, pattern, length) != 0)
            return false;
        pattern += length;
        if (!*pattern != !rest)
            return false;
        pattern += *pattern == '/';
    }
    return true;
}

static int route(struct request *r, const char *method, const char *url, char path[MAX_PATH], struct vane_error *error)
{
    char allowed[64] = "";

    for (const struct route *route = routes; route->method; route++) {
        if (snprintf(path, MAX_PATH, "%s", url) >= MAX_PATH)
            break;
        if (!path_matches(route->path, path, r))
            continue;
        if (strcmp(route->method, method) == 0)
            return r->route = route, route->handle(r, error);
        if (!strstr(allowed, route->method))
            snprintf(allowed + strlen(allowed), sizeof(allowed) - strlen(allowed), "%s%s", allowed[0] ? ", " : "",
                     route->method);
    }
    if (allowed[0])
        return vane_fail(error, VANE_INVALID, "%.20s is no method of %.80s: use %s", method, url, allowed);
    return vane_fail(error, VANE_NOT_FOUND, "there is no %.80s: see /v1/openapi.json", url);
}

static void reply_error(struct reply *reply, const struct vane_error *error)
{
    json_t *json = json_pack("{s{ss ss}}", "error", "kind", vane_kind_name(error->kind), "message", error->text);

    free(reply->text);
    reply->status = statuses[error->kind];
    reply->type = "application/json";
    reply->text = json ? json_dumps(json, 0) : NULL;
    json_decref(json);
}

// Streams of events, and of what guests say.

static int fill_event(struct stream *s)
{
    const struct event *event = event_after(s->v, s->last);
    int size;

    if (!event)
        return 0;
    size = asprintf(&s->text, "id: %llu\ndata: %s\n\n", (unsigned long long)event->id, event->text);
    s->last = event->id;
    if (size < 0)
        s->text = NULL;
    else
        s->size = (size_t)size;
    return size < 0 ? 0 : 1;
}

// 1: there is more; 0: not yet; below 0: no more.
static int stream_fill(struct stream *s)
{
    free(s->text);
    s->text = NULL;
    s->size = s->sent = 0;
    return s->console[0] ? console_after(s->v, s->console, &s->last, &s->text, &s->size) : fill_event(s);
}

static ssize_t stream_read(void *arg, uint64_t at, char *to, size_t max)
{
    struct stream *s = arg;
    size_t size;
    int more = s->sent < s->size ? 1 : stream_fill(s);

    (void)at;
    if (s->v->stop || more < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (!more) {
        s->is_suspended = true;
        MHD_suspend_connection(s->connection);
        return 0;
    }
    size = s->size - s->sent < max ? s->size - s->sent : max;
    memcpy(to, s->text + s->sent, size);
    s->sent += size;
    return (ssize_t)size;
}

static void stream_free(void *arg)
{
    struct stream *s = arg, **at = &s->v->streams;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    free(s->text);
    free(s);
}

void http_wake_streams(struct vaned *v)
{
    v->wakes = true;
}

bool http_looks_on(const struct vaned *v, const char *uuid, const char *viewer)
{
    for (const struct stream *s = v->streams; s; s = s->next)
        if (strcmp(s->console, uuid) == 0 && strcmp(s->viewer, viewer) == 0)
            return true;
    return false;
}

static void be_over(struct vaned *v, const char *uuid, int waits, int rc, const struct vane_error *error)
{
    for (struct waiter *w = v->waiters; w; w = w->next) {
        if (w->is_over || w->waits != waits || strcmp(w->uuid, uuid) != 0)
            continue;
        w->is_over = v->wakes = true;
        w->rc = rc;
        if (rc)
            w->error = *error;
    }
}

void http_start_over(struct vaned *v, const char *uuid, int start, const struct vane_error *start_error, int end,
                     const struct vane_error *end_error)
{
    be_over(v, uuid, WAITS_START, start, start_error);
    be_over(v, uuid, WAITS_END, end, end_error);
}

void http_plug_over(struct vaned *v, const char *uuid, int rc, const struct vane_error *error)
{
    be_over(v, uuid, WAITS_PLUG, rc, error);
}

static bool suspend(struct request *r, struct inbox *in)
{
    struct waiter *w = calloc(1, sizeof(*w));

    if (!w) {
        json_decref(r->reply.also);
        return false;
    }
    *w = (struct waiter){ .next = r->v->waiters, .connection = r->connection, .waits = r->reply.waits,
                          .also = r->reply.also };
    memcpy(w->uuid, r->reply.uuid, sizeof(w->uuid));
    r->v->waiters = in->waiter = w;
    MHD_suspend_connection(r->connection);
    return true;
}

static void waiter_free(struct vaned *v, struct waiter *waiter)
{
    struct waiter **at = &v->waiters;

    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
    json_decref(waiter->also);
    free(waiter);
}

// Not from within MHD_run(): a connection that is resumed there, while another's request is answered, can be
// forgotten (0.9.75).
static void wake_streams(struct vaned *v)
{
    for (struct stream *s = v->streams; s; s = s->next) {
        if (s->is_suspended)
            MHD_resume_connection(s->connection);
        s->is_suspended = false;
    }
    for (struct waiter *w = v->waiters; w; w = w->next) {
        if (w->is_over && !w->is_resumed)
            MHD_resume_connection(w->connection);
        w->is_resumed = w->is_over;
    }
}

static struct MHD_Response *stream_response(struct vaned *v, struct MHD_Connection *connection, const struct reply *reply)
{
    struct stream *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->v = v;
    s->connection = connection;
    s->last = reply->after;
    s->next = v->streams;
    v->streams = s;
    snprintf(s->console, sizeof(s->console), "%s", reply->console ? reply->console : "");
    snprintf(s->viewer, sizeof(s->viewer), "%s", reply->viewer ? reply->viewer : "");
    // A comment at once: the client sees that it is heard.
    s->text = reply->console ? NULL : strdup(": events of vaned\n\n");
    s->size = s->text ? strlen(s->text) : 0;
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, stream_read, s, stream_free);
}

static enum MHD_Result answer(struct MHD_Connection *connection, struct request *r)
{
    struct reply *reply = &r->reply;
    struct MHD_Response *response;
    enum MHD_Result result;

    if (reply->is_stream)
        response = stream_response(r->v, connection, reply);
    else
        response = MHD_create_response_from_buffer(reply->text ? strlen(reply->text) : 0, reply->text,
                                                   reply->text ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", reply->type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    result = MHD_queue_response(connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return result;
}

// The first time a request is there as a whole, or when what it waited for is over.
static int handle(struct request *r, struct inbox *in, const char *method, const char *url, char path[MAX_PATH],
                  struct vane_error *error)
{
    if (in->waiter) {
        *error = in->waiter->error;
        return in->waiter->rc ? in->waiter->rc : show_again(r, in->waiter->uuid, json_incref(in->waiter->also), error);
    }
    if (in->is_too_large)
        return vane_fail(error, VANE_INVALID, "the request has a body of more than %d bytes: make it shorter", MAX_BODY);
    if (r->v->stop)
        return vane_fail(error, VANE_STATE, "vaned is being stopped: ask again when it runs");
    return route(r, method, url, path, error);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **state)
{
    struct inbox *in = *state;
    struct vane_error error = { 0 };
    struct request r = { .v = arg, .connection = connection, .query = query,
                         .reply = { .status = 200, .type = "application/json" } };
    char path[MAX_PATH];
    int rc;

    (void)version;
    if (!in) {
        *state = calloc(1, sizeof(*in));
        return *state ? MHD_YES : MHD_NO;
    }
    if (*size) {
        rc = take(in, data, *size);
        *size = 0;
        return rc ? MHD_YES : MHD_NO;
    }
    r.body = in->body ? in->body : "";
    r.body_size = in->size;
    rc = handle(&r, in, method, url, path, &error);
    if (rc == 0 && r.reply.waits)
        return suspend(&r, in) ? MHD_YES : MHD_NO;
    r.v->nr_requests++;
    r.v->nr_refused += rc != 0;
    if (rc)
        reply_error(&r.reply, &error);
    return answer(connection, &r);
}

static void on_end(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
    struct inbox *in = *state;

    (void)connection;
    (void)code;
    if (in && in->waiter)
        waiter_free(arg, in->waiter);
    if (in)
        free(in->body);
    free(in);
}

// Whoever may open the socket may do everything: it is root's.
static int listen_on(const char *path, struct vane_error *error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask;
    int r;

    if (strlen(path) >= sizeof(address.sun_path))
        return vane_fail(error, VANE_INVALID, "the socket %s has a name of more than 107 bytes: make it shorter", path);
    strcpy(address.sun_path, path);
    if (fd < 0)
        return vane_fail_errno(error, errno, "there is no socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
        close(fd);
        return vane_fail(error, VANE_EXISTS, "the socket %s is served already: stop the other vaned", path);
    }
    unlink(path);
    mask = umask(0177);
    r = bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64) ? errno : 0;
    umask(mask);
    if (r == 0)
        return fd;
    close(fd);
    return vane_fail_errno(error, r, "the socket %s cannot be listened on", path);
}

int http_open(struct vaned *v, struct vane_error *error)
{
    const union MHD_DaemonInfo *info;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &v->http };

    v->listener = listen_on(v->socket, error);
    if (v->listener < 0)
        return v->listener;
    v->http = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, v,
                               MHD_OPTION_LISTEN_SOCKET, v->listener, MHD_OPTION_NOTIFY_COMPLETED, on_end, v,
                               MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS, MHD_OPTION_END);
    info = v->http ? MHD_get_daemon_info(v->http, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info || epoll_ctl(v->epoll, EPOLL_CTL_ADD, info->epoll_fd, &event))
        return vane_fail_errno(error, errno, "the HTTP server cannot be started");
    return 0;
}

void http_run(struct vaned *v)
{
    MHD_run(v->http);
    while (v->wakes) {
        v->wakes = false;
        wake_streams(v);
        MHD_run(v->http);
    }
}

int http_timeout(struct vaned *v)
{
    MHD_UNSIGNED_LONG_LONG ms;

    return MHD_get_timeout(v->http, &ms) == MHD_YES ? (int)(ms > 60000 ? 60000 : ms) : -1;
}

void http_close(struct vaned *v)
{
    wake_streams(v);
    MHD_run(v->http);
    for (unsigned i = 0; v->waiters && i < CLOSE_TRIES; i++) {
        usleep(1000);
        MHD_run(v->http);
    }
    MHD_stop_daemon(v->http);
    unlink(v->socket);
}
