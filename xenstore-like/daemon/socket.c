// SPDX-License-Identifier: MIT
// The transport over a Unix socket, for programs in the control domain. The socket's mode says who may
// connect; whoever may is the control domain.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "persist.h"

enum { READ_SIZE = 16 << 10, BACKLOG = 64 };

static void want(struct server *s, struct conn *c)
{
    // Who does not fetch his replies is not heard.
    bool hear = c->out.length <= MAX_UNSENT_REPLIES, write = c->out.length > 0;
    struct epoll_event event = { .events = (hear ? EPOLLIN : 0u) | (write ? EPOLLOUT : 0u), .data.ptr = c };

    if (write == c->wants_write && hear == c->is_heard)
        return;
    c->wants_write = write;
    c->is_heard = hear;
    epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

// Takes in what there is, and leaves room for one byte behind it. Returns 0, or -1 at the end.
static int take(struct conn *c)
{
    ssize_t got = recv(c->fd, buf_reserve(&c->in, READ_SIZE), READ_SIZE - 1, MSG_DONTWAIT);

    c->is_readable = false;
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    c->in.length += (size_t)got;
    return 0;
}

// The size of the whole message there is at a place, 0 if there is none, -EMSGSIZE for what is none.
static int whole_at(const struct buf *in, size_t at)
{
    int length = at < in->length ? wire_size(in->bytes + at, in->length - at) : 0;

    return length > 0 && (size_t)length > in->length - at ? 0 : length;
}

// Handles what has come, as long as the client fetches his replies. Returns what whole_at() says then.
static int handle_all(struct server *s, struct conn *c)
{
    size_t at = 0;
    int length;

    while ((length = whole_at(&c->in, at)) > 0 && c->out.length <= MAX_UNSENT_REPLIES) {
        uint8_t *bytes = c->in.bytes + at, after = bytes[length];
        struct message m = { .payload = (const char *)bytes + sizeof(m.header) };

        memcpy(&m.header, bytes, sizeof(m.header));
        // The zero byte that is promised takes the place of the next message's first for that long.
        bytes[length] = '\0';
        request_handle(s, c, &m);
        bytes[length] = after;
        at += (size_t)length;
    }
    buf_consume(&c->in, at);
    return length;
}

static int give(struct conn *c)
{
    ssize_t sent;

    if (c->out.length == 0)
        return 0;
    sent = send(c->fd, c->out.bytes, c->out.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    buf_consume(&c->out, (size_t)sent);
    return 0;
}

static int turn(struct server *s, struct conn *c)
{
    int length;

    if (give(c) < 0)
        return -1;
    if (c->nr_missed && c->out.length == 0)
        conn_send_missed(s, c);
    // A ready connection may be so only for its output: there is nothing to read then.
    if (c->is_readable && c->in.length < WIRE_MAX && take(c) < 0)
        return -1;
    length = handle_all(s, c);
    if (length < 0)
        log_line("a client sent a message of more than %d bytes and is disconnected", XENSTORE_PAYLOAD_MAX);
    if (length < 0 || give(c) < 0)
        return -1;
    want(s, c);
    return length > 0 && c->out.length <= MAX_UNSENT_REPLIES;
}

static void socket_close(struct server *s, struct conn *c)
{
    (void)s;
    close(c->fd);
}

static const struct transport socket_transport = { "socket", turn, socket_close };

static int spare;

int socket_listen(struct server *s, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &s->listener };
    mode_t mask = umask(0177);
    int rc = 0;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    unlink(path);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&address, sizeof(address)) ||
        listen(s->listener, BACKLOG) || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &event))
        rc = -errno;
    umask(mask);
    return rc;
}

// Out of descriptors, a client that waits would wake the loop for ever: one that is kept for this takes
// him in and sends him away.
static void refuse_one(struct server *s)
{
    if (errno != EMFILE && errno != ENFILE)
        return;
    close(spare);
    close(accept4(s->listener, NULL, NULL, SOCK_CLOEXEC));
    spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    log_line("a client is refused: there are no more file descriptors");
}

void socket_accept(struct server *s)
{
    struct epoll_event event = { .events = EPOLLIN };
    int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct conn *c;

    if (fd < 0) {
        refuse_one(s);
        return;
    }
    c = conn_new(&socket_transport, &s->sockets, 0);
    c->fd = fd;
    c->is_heard = true;
    event.data.ptr = c;
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event))
        conn_free(s, c);
}
