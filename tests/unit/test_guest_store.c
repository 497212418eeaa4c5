// SPDX-License-Identifier: MIT
// The guest kit's client of the store, against a daemon of ours at the ring's other end, which is also one that says what no
// daemon may. What is faked is the kit below it: pages, ports and time.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "public/io/xs_wire.h"
#include "public/xen.h"
#include "tests/drivers/kit_below.h"

static struct xenstore_domain_interface ring;
static struct start_info info = { .store_mfn = 77, .store_evtchn = 5 };
static unsigned nr_waits;
static char said[512];

// What the daemon has got and not answered, and what it has to say and the ring no room for.
static char got[8192], out[16384];
static size_t nr_got, nr_out;
static bool (*answer)(const struct xsd_sockmsg *head, const char *payload);

void print(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(said, sizeof(said), fmt, ap);
    va_end(ap);
}

void guest_wait(uint64_t until_ns)
{
    clock_ns = until_ns;
}

static void say(uint32_t type, uint32_t id, const void *payload, uint32_t size)
{
    struct xsd_sockmsg head = { .type = type, .req_id = id, .len = size };

    CU_ASSERT_FATAL(nr_out + sizeof(head) + size <= sizeof(out));
    memcpy(out + nr_out, &head, sizeof(head));
    memcpy(out + nr_out + sizeof(head), payload, size);
    nr_out += sizeof(head) + size;
}

static void serve(void)
{
    struct xsd_sockmsg head;
    size_t nr = 0;

    while (ring.req_cons != ring.req_prod) {
        got[nr_got++] = ring.req[MASK_XENSTORE_IDX(ring.req_cons++)];
    }
    memcpy(&head, got, sizeof(head));
    if (nr_got >= sizeof(head) && nr_got >= sizeof(head) + head.len && answer &&
        answer(&head, got + sizeof(head))) {
        nr_got -= sizeof(head) + head.len;
        memmove(got, got + sizeof(head) + head.len, nr_got);
    }
    for (; nr < nr_out && ring.rsp_prod - ring.rsp_cons < XENSTORE_RING_SIZE; nr++) {
        ring.rsp[MASK_XENSTORE_IDX(ring.rsp_prod++)] = out[nr];
    }
    memmove(out, out + nr, nr_out -= nr);
}

void event_send(evtchn_port_t port)
{
    CU_ASSERT_EQUAL(port, 5);
}

void event_wait(const evtchn_port_t *ports, unsigned nr, uint64_t until_ns)
{
    CU_ASSERT(nr == 1 && ports[0] == 5);
    nr_waits++;
    if (answer) {
        serve();
    } else {
        clock_ns = until_ns;
    }
}

// The ring's positions are near where they wrap. The module's own state goes on: request numbers, and nothing broken so far.
static void begin(bool (*fn)(const struct xsd_sockmsg *, const char *))
{
    memset(&ring, 0, sizeof(ring));
    ring.req_prod = ring.req_cons = ring.rsp_prod = ring.rsp_cons = 0xffffff00u;
    nr_got = nr_out = 0;
    said[0] = '\0';
    answer = fn;
    store_init(&info);
    (void)store_changed();
}

static const struct store_ops *ops(void) { return guest_store.ops; }

// --- a good daemon

static char last[4096];
static size_t last_size;
static char value[4000] = "5";

static bool good(const struct xsd_sockmsg *head, const char *payload)
{
    memcpy(last, payload, head->len);
    last_size = head->len;
    say(XS_WATCH_EVENT, 0, "device/vbd\0kit", 15);
    say(head->type, head->req_id - 1, "of another request", 18);
    if (memcmp(last, "none", 5) == 0) {
        say(XS_ERROR, head->req_id, "ENOENT", 7);
    } else if (head->type == XS_READ) {
        say(head->type, head->req_id, value, (uint32_t)strlen(value));
    } else if (head->type == XS_DIRECTORY) {
        say(head->type, head->req_id, "51712\0" "51728", 12);
    } else {
        say(head->type, head->req_id, "OK", 3);
    }
    return true;
}

static void test_requests(void)
{
    char text[STORE_MAX_VALUE];

    begin(good);
    CU_ASSERT_EQUAL(ops()->read(&guest_store, "state", text, sizeof(text)), 0);
    CU_ASSERT_STRING_EQUAL(text, "5");
    CU_ASSERT(last_size == 6 && memcmp(last, "state", 6) == 0);
    CU_ASSERT(store_changed());
    CU_ASSERT(!store_changed());
    CU_ASSERT_EQUAL(ops()->read(&guest_store, "none", text, sizeof(text)), -ENOENT);
    CU_ASSERT_EQUAL(ops()->write(&guest_store, "a/b", "value"), 0);
    CU_ASSERT(last_size == 9 && memcmp(last, "a/b\0value", 9) == 0);
    CU_ASSERT_EQUAL(ops()->watch(&guest_store, "a"), 0);
    CU_ASSERT(last_size == 6 && memcmp(last, "a\0kit", 6) == 0);
    CU_ASSERT_EQUAL(store_list("device/vbd", text, sizeof(text)), 12);
    CU_ASSERT_STRING_EQUAL(text + 6, "51728");
    CU_ASSERT_STRING_EQUAL(said, "");
}

// Longer than the ring, and then longer than there is room for.
static void test_long_values(void)
{
    static char text[4096];

    begin(good);
    memset(value, 'x', sizeof(value) - 1);
    CU_ASSERT_EQUAL(ops()->read(&guest_store, "long", text, sizeof(text)), 0);
    CU_ASSERT_STRING_EQUAL(text, value);
    CU_ASSERT_EQUAL(ops()->read(&guest_store, "long", text, 100), -E2BIG);
    CU_ASSERT_EQUAL(ops()->write(&guest_store, "long", value), 0);
    CU_ASSERT_EQUAL(last_size, 5 + strlen(value));
    strcpy(value, "5");
    CU_ASSERT_EQUAL(ops()->read(&guest_store, "short", text, 100), 0);
    CU_ASSERT_STRING_EQUAL(text, "5");
}

// An event that nobody waits for, and the answer to a request that was given up.
static void test_unasked(void)
{
    begin(good);
    say(XS_READ, 1, "late", 4);
    serve();
    CU_ASSERT(!store_changed());
    say(XS_WATCH_EVENT, 0, "control/shutdown\0kit", 21);
    serve();
    CU_ASSERT(store_changed());
    CU_ASSERT_EQUAL(ring.rsp_cons, ring.rsp_prod);
}

// --- the last test: after it the store is broken, for ever

static bool hostile(const struct xsd_sockmsg *head, const char *payload)
{
    (void)payload;
    say(XS_READ, head->req_id, "x", 1);
    struct xsd_sockmsg *lie = (struct xsd_sockmsg *)(void *)out;
    lie->len = 0x7fffffff;
    return true;
}

static void test_broken(void)
{
    char text[16];
    unsigned before;

    begin(hostile);
    CU_ASSERT_EQUAL(ops()->read(&guest_store, "a", text, sizeof(text)), -EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "longer than any"));
    before = nr_waits;
    CU_ASSERT_EQUAL(ops()->read(&guest_store, "a", text, sizeof(text)), -EIO);
    CU_ASSERT(!store_changed());
    CU_ASSERT_EQUAL(nr_waits, before);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "requests", test_requests },
        { "long_values", test_long_values },
        { "unasked", test_unasked },
        { "broken", test_broken },
        { 0 },
    };

    kit_page = &ring;
    return unit_main("guest_store", tests);
}
