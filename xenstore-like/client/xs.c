// SPDX-License-Identifier: MIT
#include "xs.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "public/io/xs_wire.h"
#include "xs_errors.h"

// A watch, so that it can be set again, or an event; the token is behind the node's zero byte.
struct item {
    struct item *next;
    char *token;
    char node[];
};

// Requests that are sent as one; small enough for the sockets' buffers to hold them and their replies, which are read as
// they come, many at once. What is read then is looked at before the batch ends, so that none of it hides from a poll.
enum { BATCH_SIZE = 16384 };

struct batch {
    uint32_t first_id, count;       // of those that have not been sent
    size_t done;                    // replies before them
    int rc;                         // of the first that failed
    size_t failed;                  // which that was
    size_t size;
    size_t in_at, in_size;          // what has been read: from where it is not looked at, to its end
    uint8_t bytes[BATCH_SIZE], in[BATCH_SIZE];
};

struct xs {
    int fd;
    uint32_t next_id;
    struct batch *batch;            // NULL: each request waits for its reply
    struct item *watches;
    struct item *events, **last_event;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static int error_of(const char *name)
{
    for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
        if (strcmp(xsd_errors[i].errstring, name) == 0)
            return -xsd_errors[i].errnum;
    return -EIO;
}

static struct item *item_new(const char *node, const char *token)
{
    size_t node_size = strlen(node) + 1, token_size = strlen(token) + 1;
    struct item *item = malloc(sizeof(*item) + node_size + token_size);

    if (!item)
        return NULL;
    item->next = NULL;
    item->token = item->node + node_size;
    memcpy(item->node, node, node_size);
    memcpy(item->token, token, token_size);
    return item;
}

static void items_free(struct item *item)
{
    for (struct item *next; item; item = next) {
        next = item->next;
        free(item);
    }
}

static int open_socket(struct xs *xs)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    memcpy(address.sun_path, xs->path, sizeof(address.sun_path));
    xs->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (xs->fd < 0)
        return -errno;
    return connect(xs->fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
}

static void close_socket(struct xs *xs)
{
    if (xs->fd >= 0)
        close(xs->fd);
    xs->fd = -1;
}

int xs_connect(struct xs **result, const char *path)
{
    struct xs *xs = calloc(1, sizeof(*xs));
    int rc = xs ? 0 : -ENOMEM;

    if (!path)
        path = getenv("XENSTORED_PATH") ? getenv("XENSTORED_PATH") : "/run/xenstored/socket";
    if (rc == 0 && strlen(path) >= sizeof(xs->path))
        rc = -ENAMETOOLONG;
    if (rc == 0) {
        strcpy(xs->path, path);
        xs->last_event = &xs->events;
        rc = open_socket(xs);
    }
    if (rc) {
        if (xs)
            close_socket(xs);
        free(xs);
        return rc;
    }
    *result = xs;
    return 0;
}

void xs_disconnect(struct xs *xs)
{
    close_socket(xs);
    free(xs->batch);
    items_free(xs->watches);
    items_free(xs->events);
    free(xs);
}

static int gone(struct xs *xs)
{
    close_socket(xs);
    return -ECONNRESET;
}

static int send_all(struct xs *xs, struct iovec *parts, int count)
{
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = (size_t)count };

    while (message.msg_iovlen) {
        ssize_t sent = sendmsg(xs->fd, &message, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return gone(xs);
        for (; message.msg_iovlen && (size_t)sent >= message.msg_iov->iov_len; message.msg_iovlen--)
            sent -= (ssize_t)message.msg_iov++->iov_len;
        if (message.msg_iovlen) {
            message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + sent;
            message.msg_iov->iov_len -= (size_t)sent;
        }
    }
    return 0;
}

static ssize_t receive_some(struct xs *xs, void *to, size_t size)
{
    ssize_t got;

    do
        got = recv(xs->fd, to, size, 0);
    while (got < 0 && errno == EINTR);
    return got > 0 ? got : gone(xs);
}

// Some of what a batch has read, or reads now.
static ssize_t take_some(struct xs *xs, struct batch *batch, void *to, size_t size)
{
    if (batch->in_at == batch->in_size) {
        ssize_t got = receive_some(xs, batch->in, sizeof(batch->in));

        if (got < 0)
            return got;
        batch->in_at = 0;
        batch->in_size = (size_t)got;
    }
    if (size > batch->in_size - batch->in_at)
        size = batch->in_size - batch->in_at;
    memcpy(to, batch->in + batch->in_at, size);
    batch->in_at += size;
    return (ssize_t)size;
}

static int receive_all(struct xs *xs, void *to, size_t size)
{
    while (size) {
        ssize_t got = xs->batch ? take_some(xs, xs->batch, to, size) : receive_some(xs, to, size);

        if (got < 0)
            return (int)got;
        to = (char *)to + got;
        size -= (size_t)got;
    }
    return 0;
}

// The next message, with a zero byte behind its payload, which is the caller's.
static int receive(struct xs *xs, struct xsd_sockmsg *header, char **payload)
{
    int rc = receive_all(xs, header, sizeof(*header));

    if (rc)
        return rc;
    if (header->len > XENSTORE_PAYLOAD_MAX)
        return gone(xs);
    *payload = malloc(header->len + 1);
    if (!*payload)
        return gone(xs);
    (*payload)[header->len] = '\0';
    rc = receive_all(xs, *payload, header->len);
    if (rc)
        free(*payload);
    return rc;
}

static int keep_event(struct xs *xs, const struct xsd_sockmsg *header, char *payload)
{
    size_t node_size = strlen(payload) + 1;
    bool is_event = header->type == XS_WATCH_EVENT && node_size < header->len;
    struct item *event = is_event ? item_new(payload, payload + node_size) : NULL;

    free(payload);
    if (!event)
        return gone(xs);
    *xs->last_event = event;
    xs->last_event = &event->next;
    return 0;
}

// The next reply; events that come before it are kept.
static int receive_reply(struct xs *xs, struct xsd_sockmsg *header, char **payload)
{
    int rc;

    while ((rc = receive(xs, header, payload)) == 0 && header->type == XS_WATCH_EVENT) {
        rc = keep_event(xs, header, *payload);
        if (rc)
            break;
    }
    return rc;
}

// Events that were read with the replies.
static int batch_drain(struct xs *xs, struct batch *batch)
{
    struct xsd_sockmsg header;
    char *payload;
    int rc = 0;

    while (batch->in_at < batch->in_size && !rc) {
        rc = receive(xs, &header, &payload);
        if (!rc)
            rc = keep_event(xs, &header, payload);
    }
    return rc;
}

// Sends what has gathered and takes the replies.
static int batch_run(struct xs *xs, struct batch *batch)
{
    struct iovec all = { batch->bytes, batch->size };
    struct xsd_sockmsg header;
    char *payload;
    int rc = batch->size ? send_all(xs, &all, 1) : 0;

    for (uint32_t i = 0; i < batch->count && !rc; i++) {
        rc = receive_reply(xs, &header, &payload);
        if (rc)
            break;
        if (header.req_id != batch->first_id + i)
            rc = gone(xs);
        else if (header.type == XS_ERROR && !batch->rc) {
            batch->rc = error_of(payload);
            batch->failed = batch->done;
        }
        batch->done++;
        free(payload);
    }
    batch->count = 0;
    batch->size = 0;
    return rc ? rc : batch_drain(xs, batch);
}

static int batch_add(struct xs *xs, struct batch *batch, const struct iovec *parts, int count, size_t size)
{
    int rc = size > BATCH_SIZE - batch->size ? batch_run(xs, batch) : 0;

    if (rc)
        return rc;
    if (!batch->count++)
        batch->first_id = ((const struct xsd_sockmsg *)parts[0].iov_base)->req_id;
    for (int i = 0; i < count; i++) {
        memcpy(batch->bytes + batch->size, parts[i].iov_base, parts[i].iov_len);
        batch->size += parts[i].iov_len;
    }
    return 0;
}

int xs_batch_begin(struct xs *xs)
{
    xs->batch = malloc(sizeof(*xs->batch));
    if (!xs->batch)
        return -ENOMEM;
    memset(xs->batch, 0, offsetof(struct batch, bytes));
    return 0;
}

int xs_batch_end(struct xs *xs, size_t *failed)
{
    int rc = batch_run(xs, xs->batch);

    rc = rc ? rc : xs->batch->rc;
    if (failed)
        *failed = xs->batch->failed;
    free(xs->batch);
    xs->batch = NULL;
    return rc;
}

// Sends a request of up to three parts and waits for its reply. `reply` of NULL: it is not wanted.
static int request(struct xs *xs, uint32_t type, xs_tx tx, const struct iovec *parts, int count,
                   char **reply, size_t *length)
{
    struct xsd_sockmsg header = { type, xs->next_id++, tx, 0 };
    uint32_t id = header.req_id;
    struct iovec all[4] = { { &header, sizeof(header) } };
    size_t size = 0;
    char *payload;
    int rc;

    for (int i = 0; i < count; i++) {
        all[i + 1] = parts[i];
        size += parts[i].iov_len;
    }
    if (size > XENSTORE_PAYLOAD_MAX)
        return -E2BIG;
    if (xs->fd < 0)
        return -ECONNRESET;
    header.len = (uint32_t)size;
    if (xs->batch)
        return reply ? -EINVAL : batch_add(xs, xs->batch, all, count + 1, size + sizeof(header));
    rc = send_all(xs, all, count + 1);
    if (rc == 0)
        rc = receive_reply(xs, &header, &payload);
    if (rc)
        return rc;
    if (header.req_id != id || (header.type != XS_ERROR && header.type != type)) {
        free(payload);
        return gone(xs);
    }
    rc = header.type == XS_ERROR ? error_of(payload) : 0;
    if (rc || !reply)
        free(payload);
    else
        *reply = payload;
    if (rc == 0 && length)
        *length = header.len;
    return rc;
}

static struct iovec part(const void *bytes, size_t size)
{
    return (struct iovec){ (void *)(uintptr_t)bytes, size };
}

static struct iovec text(const char *string)
{
    return part(string, strlen(string) + 1);
}

static int request_one(struct xs *xs, uint32_t type, xs_tx tx, const char *string, char **reply,
                       size_t *length)
{
    struct iovec parts[] = { text(string) };

    return request(xs, type, tx, parts, 1, reply, length);
}

static int request_two(struct xs *xs, uint32_t type, xs_tx tx, const char *string, const void *bytes,
                       size_t size)
{
    struct iovec parts[] = { text(string), part(bytes, size) };

    return request(xs, type, tx, parts, 2, NULL, NULL);
}

int xs_get(struct xs *xs, xs_tx tx, const char *node, char **value, size_t *length)
{
    return request_one(xs, XS_READ, tx, node, value, length);
}

int xs_set(struct xs *xs, xs_tx tx, const char *node, const void *value, size_t length)
{
    return request_two(xs, XS_WRITE, tx, node, value, length);
}

int xs_make(struct xs *xs, xs_tx tx, const char *node)
{
    return request_one(xs, XS_MKDIR, tx, node, NULL, NULL);
}

int xs_remove(struct xs *xs, xs_tx tx, const char *node)
{
    return request_one(xs, XS_RM, tx, node, NULL, NULL);
}

// One part after the other; from the start if the list changes meanwhile.
static int list_parts(struct xs *xs, xs_tx tx, const char *node, char **names, size_t *length)
{
    char generation[32] = "", offset[24], *all = NULL, *reply, *grown;
    size_t size, head, total = 0;
    int rc;

    for (;;) {
        struct iovec parts[] = { text(node), { offset, 0 } };

        parts[1].iov_len = (size_t)snprintf(offset, sizeof(offset), "%zu", total) + 1;
        rc = request(xs, XS_DIRECTORY_PART, tx, parts, 2, &reply, &size);
        if (rc)
            break;
        head = strlen(reply) + 1;
        if (total && strcmp(generation, reply) != 0) {
            total = 0;
            free(reply);
            continue;
        }
        snprintf(generation, sizeof(generation), "%s", reply);
        grown = head < size ? realloc(all, total + size - head) : NULL;
        if (!grown) {
            rc = head < size ? -ENOMEM : -EIO;
            free(reply);
            break;
        }
        all = grown;
        memcpy(all + total, reply + head, size - head);
        total += size - head;
        free(reply);
        // The end is one more zero byte: after a name, or alone.
        if (all[total - 1] == '\0' && (total == 1 || all[total - 2] == '\0')) {
            *names = all;
            *length = total - 1;
            return 0;
        }
    }
    free(all);
    return rc;
}

int xs_list(struct xs *xs, xs_tx tx, const char *node, char **names, size_t *length)
{
    int rc = request_one(xs, XS_DIRECTORY, tx, node, names, length);

    return rc == -E2BIG ? list_parts(xs, tx, node, names, length) : rc;
}

int xs_get_perms(struct xs *xs, xs_tx tx, const char *node, char **perms, size_t *length)
{
    return request_one(xs, XS_GET_PERMS, tx, node, perms, length);
}

int xs_set_perms(struct xs *xs, xs_tx tx, const char *node, const char *perms, size_t length)
{
    return request_two(xs, XS_SET_PERMS, tx, node, perms, length);
}

int xs_begin(struct xs *xs, xs_tx *tx)
{
    char *reply;
    int rc = request_one(xs, XS_TRANSACTION_START, XS_NO_TX, "", &reply, NULL);

    if (rc)
        return rc;
    *tx = (xs_tx)strtoul(reply, NULL, 10);
    free(reply);
    return *tx ? 0 : -EIO;
}

int xs_end(struct xs *xs, xs_tx tx, bool commit)
{
    return request_one(xs, XS_TRANSACTION_END, tx, commit ? "T" : "F", NULL, NULL);
}

static int set_watch(struct xs *xs, const struct item *watch)
{
    return request_two(xs, XS_WATCH, XS_NO_TX, watch->node, watch->token, strlen(watch->token) + 1);
}

int xs_watch(struct xs *xs, const char *node, const char *token)
{
    struct item *watch = item_new(node, token);
    int rc = watch ? set_watch(xs, watch) : -ENOMEM;

    if (rc) {
        free(watch);
        return rc;
    }
    watch->next = xs->watches;
    xs->watches = watch;
    return 0;
}

int xs_unwatch(struct xs *xs, const char *node, const char *token)
{
    for (struct item **at = &xs->watches; *at; at = &(*at)->next)
        if (strcmp((*at)->node, node) == 0 && strcmp((*at)->token, token) == 0) {
            struct item *watch = *at;

            *at = watch->next;
            free(watch);
            return request_two(xs, XS_UNWATCH, XS_NO_TX, node, token, strlen(token) + 1);
        }
    return -ENOENT;
}

int xs_event(struct xs *xs, int timeout_ms, char **node, char **token)
{
    struct item *event;

    while (!xs->events) {
        struct pollfd wait = { xs->fd, POLLIN, 0 };
        struct xsd_sockmsg header;
        char *payload;
        int ready = xs->fd < 0 ? 1 : poll(&wait, 1, timeout_ms), rc;

        if (ready <= 0)
            return ready == 0 ? -ETIMEDOUT : -errno;
        rc = xs->fd < 0 ? -ECONNRESET : receive(xs, &header, &payload);
        if (rc)
            return rc;
        rc = keep_event(xs, &header, payload);
        if (rc)
            return rc;
    }
    event = xs->events;
    xs->events = event->next;
    if (!xs->events)
        xs->last_event = &xs->events;
    *node = strdup(event->node);
    *token = strdup(event->token);
    free(event);
    return *node && *token ? 0 : -ENOMEM;
}

int xs_fd(const struct xs *xs)
{
    return xs->fd;
}

int xs_reconnect(struct xs *xs, int timeout_ms)
{
    struct timespec pause = { 0, 10 * 1000 * 1000 };
    int rc;

    for (int waited = 0;; waited += 10) {
        close_socket(xs);
        rc = open_socket(xs);
        for (const struct item *watch = xs->watches; rc == 0 && watch; watch = watch->next)
            rc = set_watch(xs, watch);
        if (rc == 0 || waited >= timeout_ms)
            break;
        nanosleep(&pause, NULL);
    }
    return rc ? -ETIMEDOUT : 0;
}

static int request_domid(struct xs *xs, uint32_t type, unsigned domid, char **reply)
{
    char number[16];

    snprintf(number, sizeof(number), "%u", domid);
    return request_one(xs, type, XS_NO_TX, number, reply, NULL);
}

int xs_introduce(struct xs *xs, unsigned domid, uint64_t gfn, uint32_t port)
{
    char words[64];
    int size = snprintf(words, sizeof(words), "%u%c%" PRIu64 "%c%" PRIu32, domid, 0, gfn, 0, port) + 1;
    struct iovec parts[] = { part(words, (size_t)size) };

    return request(xs, XS_INTRODUCE, XS_NO_TX, parts, 1, NULL, NULL);
}

int xs_release(struct xs *xs, unsigned domid)
{
    return request_domid(xs, XS_RELEASE, domid, NULL);
}

int xs_resume(struct xs *xs, unsigned domid)
{
    return request_domid(xs, XS_RESUME, domid, NULL);
}

int xs_set_target(struct xs *xs, unsigned domid, unsigned target)
{
    char words[32];
    int size = snprintf(words, sizeof(words), "%u%c%u", domid, 0, target) + 1;
    struct iovec parts[] = { part(words, (size_t)size) };

    return request(xs, XS_SET_TARGET, XS_NO_TX, parts, 1, NULL, NULL);
}

int xs_is_introduced(struct xs *xs, unsigned domid, bool *introduced)
{
    char *reply;
    int rc = request_domid(xs, XS_IS_DOMAIN_INTRODUCED, domid, &reply);

    if (rc)
        return rc;
    *introduced = reply[0] == 'T';
    free(reply);
    return 0;
}

int xs_control(struct xs *xs, const char *words, size_t length, char **answer)
{
    struct iovec parts[] = { part(words, length) };

    return request(xs, XS_CONTROL, XS_NO_TX, parts, 1, answer, NULL);
}
