// SPDX-License-Identifier: MIT
// HTTP/1.0 on purpose: a reply ends where the connection does, and comes in one piece.
#include "http.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_REPLY = 64 << 20 };

static int open_socket(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
        return fd < 0 ? -errno : -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    r = -errno;
    close(fd);
    return r;
}

static int send_all(int fd, const char *text, size_t size)
{
    while (size) {
        ssize_t r = send(fd, text, size, MSG_NOSIGNAL);

        if (r < 0 && errno != EINTR)
            return -errno;
        text += r > 0 ? r : 0;
        size -= r > 0 ? (size_t)r : 0;
    }
    return 0;
}

static int send_request(const char *socket, const char *method, const char *path, const char *body, size_t size)
{
    char head[1024];
    int length = snprintf(head, sizeof(head), "%s %s HTTP/1.0\r\nHost: vaned\r\nContent-Length: %zu\r\n\r\n", method, path, size);
    int fd = open_socket(socket), rc;

    if (fd < 0)
        return fd;
    rc = length >= (int)sizeof(head) ? -ENAMETOOLONG : send_all(fd, head, (size_t)length);
    if (rc == 0)
        rc = send_all(fd, body, size);
    // A refusal may come before all has been sent: it is worth reading.
    if (rc == 0 || rc == -EPIPE || rc == -ECONNRESET)
        return fd;
    close(fd);
    return rc;
}

int http_request(const char *socket, const char *method, const char *path, const char *body, size_t size, char **reply)
{
    size_t used = 0, room = 0;
    char *text = NULL, *end;
    int fd = send_request(socket, method, path, body, size), status = -EPROTO;
    ssize_t r = fd < 0 ? 0 : 1;

    while (r > 0 && used < MAX_REPLY) {
        if (used + 1 >= room)
            text = realloc(text, room = room ? 2 * room : 4096);
        if (!text)
            abort();
        r = read(fd, text + used, room - 1 - used);
        used += r > 0 ? (size_t)r : 0;
    }
    if (fd < 0)
        return fd;
    close(fd);
    text[used] = '\0';
    end = strstr(text, "\r\n\r\n");
    if (end && sscanf(text, "HTTP/1.%*d %d", &status) == 1)
        memmove(text, end + 4, used - (size_t)(end + 4 - text) + 1);
    *reply = text;
    return status;
}

int http_follow(const char *socket, const char *path, int (*take)(const char *text, size_t size))
{
    char text[65536], *start;
    int fd = send_request(socket, "GET", path, "", 0), rc = 0;
    bool head = true;
    size_t used = 0;
    ssize_t r;

    if (fd < 0)
        return fd;
    while (rc == 0 && (r = read(fd, text + used, sizeof(text) - 1 - used)) > 0) {
        used += (size_t)r;
        text[used] = '\0';
        start = head ? strstr(text, "\r\n\r\n") : text - 4;
        if (!start)
            continue;
        head = false;
        rc = take(start + 4, used - (size_t)(start + 4 - text));
        used = 0;
    }
    close(fd);
    return rc;
}
