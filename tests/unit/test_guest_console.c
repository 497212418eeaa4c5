// SPDX-License-Identifier: MIT
// The guest kit's console, against a daemon at the ring's other end that reads, is slow, types, or says what makes no sense.
// What is faked is the kit below it: pages, ports and time.
#include <string.h>

#include "public/io/console.h"
#include "public/xen.h"
#include "tests/drivers/kit_below.h"

static struct xencons_interface ring;
static struct start_info info = { .console.domU = { .mfn = 77, .evtchn = 5 } };
static unsigned nr_sent, nr_waits;
static char heard[16384];
static size_t nr_heard;
static bool is_reading;

void event_send(evtchn_port_t port)
{
    CU_ASSERT_EQUAL(port, 5);
    nr_sent++;
}

static void hear(void)
{
    for (; ring.out_cons != ring.out_prod; ring.out_cons++) {
        CU_ASSERT_FATAL(nr_heard < sizeof(heard) - 1);
        heard[nr_heard++] = ring.out[ring.out_cons % sizeof(ring.out)];
    }
    heard[nr_heard] = '\0';
}

void event_wait(const evtchn_port_t *ports, unsigned nr, uint64_t until_ns)
{
    CU_ASSERT(nr == 1 && ports[0] == 5);
    nr_waits++;
    if (is_reading) {
        hear();
    } else {
        clock_ns = until_ns;
    }
}

static void set_up(uint32_t position)
{
    memset(&ring, 0, sizeof(ring));
    ring.in_cons = ring.in_prod = ring.out_cons = ring.out_prod = position;
    nr_sent = nr_waits = 0;
    nr_heard = 0;
    clock_ns = 1;
    is_reading = true;
    console_init(&info);
    print("\n");
    hear();
    nr_heard = nr_sent = 0;
}

static void type_in(const char *text)
{
    for (; *text; text++) {
        ring.in[ring.in_prod++ % sizeof(ring.in)] = *text;
    }
}

static void test_says(void)
{
    set_up(UINT32_MAX - 3);
    print("one %d\n", 1);
    CU_ASSERT(nr_sent > 0);
    hear();
    CU_ASSERT_STRING_EQUAL(heard, "one 1\r\n");
    // More than the ring holds, to a reader: none of it is lost.
    nr_heard = 0;
    for (unsigned i = 0; i < 100; i++) {
        print("%98u\n", i);
    }
    console_drain();
    CU_ASSERT_EQUAL(nr_heard, 10000);
    CU_ASSERT_EQUAL(memcmp(heard + 9996, "99\r\n", 4), 0);
}

static void test_nobody_reads(void)
{
    set_up(0);
    is_reading = false;
    uint64_t begin = clock_ns;
    for (unsigned i = 0; i < 1000; i++) {
        print("nobody reads this\n");
    }
    // It waited once, a moment, and not for each character.
    CU_ASSERT(nr_waits > 0 && nr_waits < 10 && clock_ns - begin <= 1000000000ull);
    CU_ASSERT_EQUAL(ring.out_prod - ring.out_cons, sizeof(ring.out));
    is_reading = true;
    hear();
    nr_heard = 0;
    print("again\n");
    hear();
    CU_ASSERT_STRING_EQUAL(heard, "again\r\n");
}

static void test_typed(void)
{
    char text[2000];

    set_up(UINT32_MAX - 1);
    CU_ASSERT_EQUAL(console_read(text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(nr_sent, 0);
    type_in("hello");
    CU_ASSERT_EQUAL(console_read(text, 3), 3);
    CU_ASSERT_EQUAL(nr_sent, 1);
    CU_ASSERT_EQUAL(console_read(text + 3, sizeof(text) - 3), 2);
    CU_ASSERT_EQUAL(memcmp(text, "hello", 5), 0);
    CU_ASSERT_EQUAL(ring.in_cons, ring.in_prod);
    CU_ASSERT_EQUAL(console_read(text, sizeof(text)), 0);
    for (unsigned i = 0; i < sizeof(ring.in); i++) {
        type_in(i % 2 ? "b" : "a");
    }
    CU_ASSERT_EQUAL(console_read(text, sizeof(text)), sizeof(ring.in));
    CU_ASSERT_EQUAL(memcmp(text + sizeof(ring.in) - 2, "ab", 2), 0);
}

// Indices that cannot be: nothing is read, nothing hangs, and what is typed next is heard.
static void test_nonsense(void)
{
    static const uint32_t ahead[] = { sizeof(ring.in) + 1, 5000, 0x80000000, UINT32_MAX };
    char text[2000];

    for (unsigned i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
        set_up(100);
        ring.in_prod = 100 + ahead[i];
        CU_ASSERT_EQUAL(console_read(text, sizeof(text)), 0);
        type_in("x");
        CU_ASSERT_EQUAL(console_read(text, sizeof(text)), 1);
        CU_ASSERT_EQUAL(text[0], 'x');
        ring.out_cons = ring.out_prod + ahead[i];
        is_reading = false;
        print("lost, or not\n");
        console_drain();
        CU_ASSERT(nr_waits < 10);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "says", test_says },
        { "nobody_reads", test_nobody_reads },
        { "typed", test_typed },
        { "nonsense", test_nonsense },
        { 0 },
    };

    kit_page = &ring;
    return unit_main("guest_console", tests);
}
