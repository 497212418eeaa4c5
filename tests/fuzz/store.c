// SPDX-License-Identifier: MIT
// The store's wire and all its operations: the input is what three connections send, the control domain's
// and two guests', in pieces of: connection (1 byte), type (1), transaction (1), length (2), bytes. They
// are payloads of requests, or, where bit 7 of the first byte says so, bytes as they are. Every reply must
// be a message that the protocol allows, and at the end every account must be right.
#include <stdlib.h>
#include <string.h>

#include "mini.h"
#include "tests/store/fini.h"
#include "xenstore-like/daemon/persist.h"

enum { NR_CONNS = 3, PIECE = 5 };

static int turn(struct server *s, struct conn *c)
{
    (void)s;
    (void)c;
    return 0;
}

static void nothing(struct server *s, struct conn *c)
{
    (void)s;
    (void)c;
}

static const struct transport transport = { "fuzz", turn, nothing };

static void check_output(struct conn *c)
{
    size_t at = 0;

    while (at < c->out.length) {
        int size = wire_size(c->out.bytes + at, c->out.length - at);

        if (size <= 0 || (size_t)size > c->out.length - at)
            abort();
        at += (size_t)size;
    }
    c->out.length = 0;
}

static void feed(struct server *s, struct conn *c, const uint8_t *bytes, size_t size)
{
    uint8_t whole[WIRE_MAX + 1];
    struct message m;
    int length;

    buf_append(&c->in, bytes, size);
    while ((length = wire_size(c->in.bytes, c->in.length)) > 0 && (size_t)length <= c->in.length) {
        memcpy(whole, c->in.bytes, (size_t)length);
        whole[length] = '\0';
        memcpy(&m.header, whole, sizeof(m.header));
        m.payload = (const char *)whole + sizeof(m.header);
        buf_consume(&c->in, (size_t)length);
        request_handle(s, c, &m);
        check_output(c);
    }
    if (length < 0)
        c->in.length = 0;
}

static void finish(struct server *s)
{
    struct buf reply = { 0 };
    struct conn *c;

    LIST_FOREACH(c, &s->sockets, link)
        check_output(c);
    if (control_command(s, "check", 6, &reply) || memcmp(reply.bytes, "OK", 3) != 0)
        abort();
    buf_free(&reply);
    while (!LIST_EMPTY(&s->sockets))
        conn_free(s, LIST_FIRST(&s->sockets));
    watch_tree_fini(&s->watches);
    store_fini(&s->store);
    for (int i = 0; i < 2; i++)
        perms_put(s->special[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct server s;     // what finish() leaves of it is as it was
    struct conn *conns[NR_CONNS];

    server_init(&s);
    for (uint16_t i = 0; i < NR_CONNS; i++)
        conns[i] = conn_new(&transport, &s.sockets, (uint16_t)(i ? 4 + i : 0));
    while (size > PIECE) {
        struct conn *c = conns[(data[0] & 0x7f) % NR_CONNS];
        size_t length = data[3] | (size_t)data[4] << 8;
        struct xsd_sockmsg header = { data[1], 9, data[2], 0 };

        length = length > size - PIECE ? size - PIECE : length;
        header.len = (uint32_t)length;
        if (!(data[0] & 0x80))
            feed(&s, c, (const uint8_t *)&header, sizeof(header));
        feed(&s, c, data + PIECE, length);
        data += PIECE + length;
        size -= PIECE + length;
    }
    finish(&s);
    return 0;
}
