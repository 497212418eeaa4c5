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

enum { READ_SIZE = 64 << 10, BACKLOG = 64 };

static void want(struct server *s, struct conn *c, bool write)
{
    // Who does not fetch his replies is not heard.
    bool hear = c->out.length <= MAX_UNSENT_REPLIES;
    struct epoll_event event = { .events = (hear ? EPOLLIN : 0u) | (write ? EPOLLOUT : 0u), .data.ptr = c };

    if (write == c->wants_write && hear == c->is_heard)
        return;
    c->wants_write = write;
    c->is_heard = hear;
    epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

// Handles the whole messages at the front of some bytes. Returns how many bytes those had, or -1.
static ssize_t handle_all(struct server *s, struct conn *c, uint8_t *bytes, size_t size)
{
    size_t at = 0;

    while (c->out.length <= MAX_UNSENT_REPLIES) {
        struct message m;
        int length = wire_size(bytes + at, size - at);
        uint8_t after;

        if (length < 0)
            return -1;
        if (length == 0 || (size_t)length > size - at)
            break;
        memcpy(&m.header, bytes + at, sizeof(m.header));
        m.payload = (const char *)bytes + at + sizeof(m.header);
        // The zero byte that is promised takes the place of the next message's first for that long.
        after = bytes[at + (size_t)length];
        bytes[at + (size_t)length] = '\0';
        request_handle(s, c, &m);
        at += (size_t)length;
        bytes[at] = after;
    }
    return (ssize_t)at;
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

static bool has_whole(const struct conn *c)
{
    int size = wire_size(c->in.bytes, c->in.length);

    return size < 0 || (size > 0 && (size_t)size <= c->in.length);
}

static int turn(struct server *s, struct conn *c)
{
    static uint8_t bytes[WIRE_MAX + READ_SIZE + 1];
    size_t had = c->in.length, left;
    ssize_t got = 0, used;

    if (give(c) < 0)
        return -1;
    if (c->nr_missed && c->out.length == 0)
        conn_send_missed(s, c);
    if (c->out.length > MAX_UNSENT_REPLIES) {
        want(s, c, true);
        return 0;
    }
    // A ready connection may be so only for its output: there is nothing to read then.
    if (had)
        memcpy(bytes, c->in.bytes, had);
    if (c->is_readable && had < WIRE_MAX) {
        got = recv(c->fd, bytes + had, READ_SIZE, MSG_DONTWAIT);
        c->is_readable = false;
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return -1;
    }
    got = got < 0 ? 0 : got;
    used = handle_all(s, c, bytes, had + (size_t)got);
    if (used < 0) {
        log_line("a client sent a message of more than %d bytes and is disconnected", XENSTORE_PAYLOAD_MAX);
        return -1;
    }
    left = had + (size_t)got - (size_t)used;
    c->in.length = 0;
    if (left)
        buf_append(&c->in, bytes + used, left);
    if (give(c) < 0)
        return -1;
    want(s, c, c->out.length > 0);
    return c->out.length <= MAX_UNSENT_REPLIES && has_whole(c);
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
