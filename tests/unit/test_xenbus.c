// SPDX-License-Identifier: MIT
// The handshake: both tables against each other over a store in memory, and each alone against a
// peer in any state.
#include "bus/xenbus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drivers/store_shm.h"
#include "bus/text.h"
#include "host/back.h"
#include "unit_main.h"

struct end {
    struct xenbus_device dev;
    char log[256];              // one letter per action
    bool is_attached;
    int connect_rc;
};

static struct store_shm front_store, back_store;
static struct end front, back;

static struct end *end_of(struct xenbus_device *dev)
{
    return dev == &front.dev ? &front : &back;
}

static void add_letter(char *log, size_t size, const char *letter)
{
    strncat(log, letter, size - strlen(log) - 1);
}

static int note(struct xenbus_device *dev, const char *letter)
{
    add_letter(end_of(dev)->log, sizeof(front.log), letter);
    return 0;
}

static int on_prepare(struct xenbus_device *dev) { return note(dev, "p"); }
static int on_update(struct xenbus_device *dev) { return note(dev, "u"); }

static int on_connect(struct xenbus_device *dev)
{
    struct end *e = end_of(dev);

    CU_ASSERT(!e->is_attached);
    e->is_attached = e->connect_rc == 0;
    if (e->connect_rc) {
        strcpy(dev->why, "the rings cannot be mapped");
    }
    note(dev, "c");
    return e->connect_rc;
}

static int on_disconnect(struct xenbus_device *dev)
{
    end_of(dev)->is_attached = false;
    return note(dev, "d");
}

static xenbus_action_fn *const actions[XENBUS_NR_ACTIONS] = {
    [XENBUS_PREPARE] = on_prepare,
    [XENBUS_CONNECT] = on_connect,
    [XENBUS_UPDATE] = on_update,
    [XENBUS_DISCONNECT] = on_disconnect,
};

static void set_up(void)
{
    CU_ASSERT_EQUAL_FATAL(store_shm_create(&front_store), 0);
    store_shm_back(&back_store, &front_store);
    front = (struct end){ .dev = { .table = &xenbus_front_table, .actions = actions,
        .store = &front_store.store, .own = "device/vbd/51712", .peer = "backend/vbd/1/51712" } };
    back = (struct end){ .dev = { .table = &xenbus_back_table, .actions = actions,
        .store = &back_store.store, .own = "backend/vbd/1/51712", .peer = "device/vbd/51712" } };
    xenbus_set_state(&front.dev, XenbusStateInitialising);
    xenbus_set_state(&back.dev, XenbusStateInitialising);
}

// Each side in turn until neither moves.
static void settle(void)
{
    for (unsigned i = 0; i < 6; i++) {
        CU_ASSERT_EQUAL(xenbus_run(&back.dev), 0);
        CU_ASSERT_EQUAL(xenbus_run(&front.dev), 0);
    }
}

static void expect(enum xenbus_state back_state, enum xenbus_state front_state)
{
    CU_ASSERT_EQUAL(xenbus_own_state(&back.dev), back_state);
    CU_ASSERT_EQUAL(xenbus_own_state(&front.dev), front_state);
}

static void test_connects(void)
{
    set_up();
    settle();
    expect(XenbusStateConnected, XenbusStateConnected);
    CU_ASSERT_STRING_EQUAL(back.log, "pc");
    CU_ASSERT_EQUAL(strncmp(front.log, "pcu", 3), 0);
    store_shm_destroy(&front_store);
}

// A front end that skips ahead, as the protocol lets it.
static void test_front_is_early(void)
{
    set_up();
    xenbus_set_state(&front.dev, XenbusStateInitialised);
    CU_ASSERT_EQUAL(xenbus_run(&back.dev), 0);
    CU_ASSERT_STRING_EQUAL(back.log, "pc");
    expect(XenbusStateConnected, XenbusStateInitialised);
    store_shm_destroy(&front_store);
}

static void test_front_closes_and_returns(void)
{
    set_up();
    settle();
    xenbus_set_state(&front.dev, XenbusStateClosing);
    CU_ASSERT_EQUAL(xenbus_run(&back.dev), 0);
    CU_ASSERT(back.is_attached);    // it serves on
    expect(XenbusStateClosing, XenbusStateClosing);
    settle();
    expect(XenbusStateClosed, XenbusStateClosed);
    CU_ASSERT(!back.is_attached);
    xenbus_set_state(&front.dev, XenbusStateInitialising);
    settle();
    expect(XenbusStateConnected, XenbusStateConnected);
    CU_ASSERT_STRING_EQUAL(back.log, "pcdpc");
    store_shm_destroy(&front_store);
}

// The toolstack takes the device away: it writes the back end's state.
static void test_unplug(void)
{
    set_up();
    settle();
    xenbus_set_state(&back.dev, XenbusStateClosing);
    CU_ASSERT_EQUAL(xenbus_run(&back.dev), 0);
    CU_ASSERT(back.is_attached);
    settle();
    expect(XenbusStateClosed, XenbusStateClosed);
    CU_ASSERT(!back.is_attached && !front.is_attached);
    store_shm_destroy(&front_store);
}

// A guest's kernel starts anew without a word, and one whose nodes vanish.
static void test_front_crashes(void)
{
    set_up();
    settle();
    xenbus_set_state(&front.dev, XenbusStateInitialising);
    front.is_attached = false;
    settle();
    expect(XenbusStateConnected, XenbusStateConnected);
    CU_ASSERT_STRING_EQUAL(back.log, "pcdpc");
    store_shm_remove(&front_store, "device/vbd/51712/state");
    CU_ASSERT_EQUAL(xenbus_run(&back.dev), 0);
    CU_ASSERT_EQUAL(xenbus_own_state(&back.dev), XenbusStateClosed);
    CU_ASSERT(!back.is_attached);
    store_shm_destroy(&front_store);
}

// A back end that lost its state starts over; the front end connects again.
static void test_back_restarts(void)
{
    set_up();
    settle();
    back.is_attached = false;
    xenbus_set_state(&back.dev, XenbusStateInitialising);
    settle();
    expect(XenbusStateConnected, XenbusStateConnected);
    CU_ASSERT(back.is_attached && front.is_attached);
    store_shm_destroy(&front_store);
}

// The front end's Connected is older than the back end's InitWait: its rings are not to be opened.
static void test_stale_front(void)
{
    set_up();
    settle();
    back.is_attached = false;
    back.log[0] = '\0';
    xenbus_set_state(&back.dev, XenbusStateInitialising);
    CU_ASSERT_EQUAL(xenbus_run(&back.dev), 0);
    CU_ASSERT_STRING_EQUAL(back.log, "p");
    expect(XenbusStateInitWait, XenbusStateConnected);
    store_shm_destroy(&front_store);
}

static void test_connect_fails(void)
{
    char text[STORE_MAX_VALUE];

    set_up();
    back.connect_rc = -EFAULT;
    xenbus_run(&back.dev);
    xenbus_run(&front.dev);
    CU_ASSERT_EQUAL(xenbus_run(&back.dev), -EFAULT);
    CU_ASSERT_EQUAL(front_store.store.ops->read(&front_store.store, "backend/vbd/1/51712/error",
                                                text, sizeof(text)), 0);
    CU_ASSERT_STRING_EQUAL(text, "the rings cannot be mapped");
    settle();
    expect(XenbusStateClosed, XenbusStateClosed);
    store_shm_destroy(&front_store);
}

// Whatever a front end writes, and however often: one run ends, and it is attached only while it
// says so.
static void test_any_sequence(void)
{
    unsigned seed = 1;

    set_up();
    for (unsigned i = 0; i < 20000; i++) {
        seed = seed * 1103515245 + 12345;
        xenbus_set_state(&front.dev, (enum xenbus_state)((seed >> 16) % 11));
        CU_ASSERT_EQUAL(xenbus_run(&back.dev), 0);
        enum xenbus_state own = xenbus_own_state(&back.dev);
        CU_ASSERT_EQUAL(back.is_attached, own == XenbusStateConnected || own == XenbusStateClosing);
        back.log[0] = '\0';
    }
    store_shm_destroy(&front_store);
}

// A store that goes away while a killed process is succeeded: nothing is given up, and who comes next can still go on.
static bool is_gone;

static int gone_read(struct store *s, const char *path, char *value, size_t size)
{
    (void)s;
    return is_gone ? -ECONNRESET : back_store.store.ops->read(&back_store.store, path, value, size);
}

static int gone_write(struct store *s, const char *path, const char *value)
{
    (void)s;
    return is_gone ? -ECONNRESET : back_store.store.ops->write(&back_store.store, path, value);
}

static int gone_watch(struct store *s, const char *path)
{
    (void)s;
    return is_gone ? -ECONNRESET : back_store.store.ops->watch(&back_store.store, path);
}

static char kind_log[16];

static int choices_without_store(struct back *b)
{
    (void)b;
    is_gone = true;
    add_letter(kind_log, sizeof(kind_log), "r");
    return -ECONNRESET;
}

static int choices_in_vain(struct back *b)
{
    add_letter(kind_log, sizeof(kind_log), b->is_resuming ? "r" : "c");
    return -ESTALE;
}

static int publish(struct back *b) { (void)b; add_letter(kind_log, sizeof(kind_log), "p"); return 0; }
static int follow(struct back *b) { (void)b; return 0; }
static void disconnect(struct back *b) { (void)b; add_letter(kind_log, sizeof(kind_log), "d"); }

static void test_store_goes_in_between(void)
{
    static const struct store_ops ops = { .read = gone_read, .write = gone_write, .watch = gone_watch };
    static struct store store = { .ops = &ops };
    struct back_ops kind = { .publish = publish, .read_choices = choices_without_store, .disconnect = disconnect,
                             .follow = follow };
    struct back b = { .ops = &kind };

    set_up();
    is_gone = false;
    kind_log[0] = '\0';
    CU_ASSERT_EQUAL(back_init(&b, &store, back.dev.own, back.dev.peer, 0), 0);
    xenbus_set_state(&back.dev, XenbusStateConnected);
    xenbus_set_state(&front.dev, XenbusStateConnected);
    CU_ASSERT_EQUAL(back_start(&b), -ECONNRESET);
    CU_ASSERT_STRING_EQUAL(kind_log, "r");
    CU_ASSERT_EQUAL(back_start(&b), -ECONNRESET);
    CU_ASSERT_STRING_EQUAL(kind_log, "r");
    is_gone = false;
    CU_ASSERT_EQUAL(xenbus_own_state(&back.dev), XenbusStateConnected);
    kind.read_choices = choices_in_vain;
    CU_ASSERT_EQUAL(back_start(&b), 0);
    CU_ASSERT_STRING_EQUAL(kind_log, "rrdp");
    CU_ASSERT_EQUAL(xenbus_own_state(&back.dev), XenbusStateInitWait);
    store_shm_destroy(&front_store);
}

static void expect_number(const char *text, uint64_t limit, int rc, uint64_t value)
{
    uint64_t got = 77;

    front_store.store.ops->write(&front_store.store, "device/vbd/51712/ring-page-order", text);
    CU_ASSERT_EQUAL(xenbus_read_peer_u64(&back.dev, "ring-page-order", limit, &got), rc);
    CU_ASSERT_EQUAL(got, rc ? 77 : value);
}

static void test_numbers(void)
{
    uint64_t value = 5;

    set_up();
    CU_ASSERT_EQUAL(xenbus_read_peer_u64(&back.dev, "ring-page-order", 4, &value), -ENOENT);
    CU_ASSERT_EQUAL(value, 5);
    expect_number("0", 0, 0, 0);
    expect_number("4", 4, 0, 4);
    expect_number("5", 4, -EINVAL, 0);
    expect_number("18446744073709551615", UINT64_MAX, 0, UINT64_MAX);
    expect_number("18446744073709551616", UINT64_MAX, -EINVAL, 0);
    expect_number("99999999999999999999999", UINT64_MAX, -EINVAL, 0);
    expect_number("", 4, -EINVAL, 0);
    expect_number("-1", 4, -EINVAL, 0);
    expect_number("3 ", 4, -EINVAL, 0);
    expect_number("0x3", 40, -EINVAL, 0);
    CU_ASSERT_STRING_EQUAL(back.dev.why, "ring-page-order of the other end must be a number up to 40");
    store_shm_destroy(&front_store);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "connects", test_connects },
        { "front_is_early", test_front_is_early },
        { "front_closes_and_returns", test_front_closes_and_returns },
        { "unplug", test_unplug },
        { "front_crashes", test_front_crashes },
        { "back_restarts", test_back_restarts },
        { "stale_front", test_stale_front },
        { "connect_fails", test_connect_fails },
        { "any_sequence", test_any_sequence },
        { "store_goes_in_between", test_store_goes_in_between },
        { "numbers", test_numbers },
        { 0 },
    };

    return unit_main("xenbus", tests);
}
