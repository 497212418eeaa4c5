// SPDX-License-Identifier: MIT
// The client of a store that answers as it likes: what comes with the replies of a batch, and when.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit_main.h"
#include "public/io/xs_wire.h"
#include "xenstore-like/client/xs.h"

enum { SETS = 3 };

// What is sent in answer to so many requests, in pieces: each is what the other side may read at once.
struct script { const uint8_t *bytes; size_t size, piece; };

struct peer {
    int listener;
    pthread_t thread;
    struct script script;
    char path[64];
};

static size_t put(uint8_t *to, uint32_t type, uint32_t id, const char *payload, size_t size)
{
    struct xsd_sockmsg header = { type, id, 0, (uint32_t)size };

    memcpy(to, &header, sizeof(header));
    memcpy(to + sizeof(header), payload, size);
    return sizeof(header) + size;
}

// Reads whole requests until there were all, then sends its piece of answers, one every now and then.
static void *serve(void *arg)
{
    struct peer *peer = arg;
    int fd = accept(peer->listener, NULL, NULL);
    struct xsd_sockmsg header;
    char payload[256];

    for (unsigned i = 0; i < SETS; i++)
        if (recv(fd, &header, sizeof(header), MSG_WAITALL) != sizeof(header) || header.len > sizeof(payload) ||
            recv(fd, payload, header.len, MSG_WAITALL) != (ssize_t)header.len)
            break;
    for (size_t done = 0, size; done < peer->script.size; done += size) {
        size = peer->script.size - done < peer->script.piece ? peer->script.size - done : peer->script.piece;
        if (send(fd, peer->script.bytes + done, size, MSG_NOSIGNAL) != (ssize_t)size)
            break;
        usleep(1000);
    }
    recv(fd, payload, 1, 0);            // until the client leaves
    close(fd);
    return NULL;
}

static struct xs *connect_to(struct peer *peer, const uint8_t *bytes, size_t size, size_t piece)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct xs *xs = NULL;

    snprintf(peer->path, sizeof(peer->path), "/tmp/xs-client-%d", (int)getpid());
    unlink(peer->path);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", peer->path);
    peer->script = (struct script){ bytes, size, piece };
    peer->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CU_ASSERT_FATAL(!bind(peer->listener, (struct sockaddr *)&address, sizeof(address)) && !listen(peer->listener, 1));
    CU_ASSERT_FATAL(!pthread_create(&peer->thread, NULL, serve, peer));
    CU_ASSERT_FATAL(!xs_connect(&xs, peer->path));
    return xs;
}

static void leave(struct peer *peer, struct xs *xs)
{
    xs_disconnect(xs);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    unlink(peer->path);
}

static int set_some(struct xs *xs, size_t *failed)
{
    CU_ASSERT_FATAL(!xs_batch_begin(xs));
    for (unsigned i = 0; i < SETS; i++)
        CU_ASSERT(!xs_set(xs, XS_NO_TX, "/a", "1", 1));
    return xs_batch_end(xs, failed);
}

// All events are there when the batch has ended, whatever the pieces: a poll would not tell of them any more.
static void test_events_with_replies(void)
{
    static const size_t pieces[] = { 1, 7, 16, 40, 4096 };
    uint8_t bytes[512];
    size_t size = put(bytes, XS_WRITE, 0, "OK", 3), failed;

    size += put(bytes + size, XS_WATCH_EVENT, 0, "/a\0one", 7);
    size += put(bytes + size, XS_ERROR, 1, "EACCES", 7);
    size += put(bytes + size, XS_WRITE, 2, "OK", 3);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        size_t all = size + put(bytes + size, XS_WATCH_EVENT, 0, "/a\0two", 7);
        bool at_once = pieces[i] >= all;
        struct peer peer;
        struct xs *xs = connect_to(&peer, bytes, all, pieces[i]);
        char *node, *token;

        CU_ASSERT_EQUAL(set_some(xs, &failed), -EACCES);
        CU_ASSERT_EQUAL(failed, 1);
        CU_ASSERT_EQUAL_FATAL(xs_event(xs, 0, &node, &token), 0);
        CU_ASSERT_STRING_EQUAL(token, "one");
        free(node);
        free(token);
        CU_ASSERT_EQUAL_FATAL(xs_event(xs, at_once ? 0 : 1000, &node, &token), 0);
        CU_ASSERT_STRING_EQUAL(node, "/a");
        CU_ASSERT_STRING_EQUAL(token, "two");
        free(node);
        free(token);
        leave(&peer, xs);
    }
}

// Whoever sends what nobody asked for is not talked to any more.
static void test_what_is_no_event(void)
{
    uint8_t bytes[512];
    size_t size = 0;
    struct peer peer;
    struct xs *xs;

    for (uint32_t id = 0; id <= SETS; id++)
        size += put(bytes + size, XS_WRITE, id, "OK", 3);
    xs = connect_to(&peer, bytes, size, size);
    CU_ASSERT_EQUAL(set_some(xs, NULL), -ECONNRESET);
    CU_ASSERT(xs_fd(xs) < 0);
    leave(&peer, xs);
}

static const struct unit_test tests[] = {
    { "events-with-replies", test_events_with_replies },
    { "what-is-no-event", test_what_is_no_event },
    { NULL, NULL },
};

int main(void)
{
    alarm(60);                          // a client that lost its place in what it reads waits for ever
    return unit_main("xs_client", tests);
}
