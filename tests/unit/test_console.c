// SPDX-License-Identifier: MIT
// lib/console.c: lines and prefixes, thresholds and rates, replay, and a guest that writes what a
// terminal must not get.
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "cpu/irqflags.h"
#include "fake_machine.h"
#include "lib/console.h"
#include "unit_main.h"

static char shown[80000];
static size_t shown_length;
static uint64_t now;

static void sink(const char *text, size_t length)
{
    CU_ASSERT_FATAL(shown_length + length < sizeof(shown));
    memcpy(shown + shown_length, text, length);
    shown_length += length;
    shown[shown_length] = '\0';
}

static char late[CONSOLE_RING_SIZE];
static size_t late_length;

// Keeps the first that it is given, which is what it is replayed.
static void late_sink(const char *text, size_t length)
{
    if (length > sizeof(late) - late_length)
        length = sizeof(late) - late_length;
    memcpy(late + late_length, text, length);
    late_length += length;
}

static uint64_t fake_now(void)
{
    return now;
}

// What the device showed since the last call.
static const char *seen(void)
{
    static char text[sizeof(shown)];

    memcpy(text, shown, sizeof(shown));
    shown_length = 0;
    shown[0] = '\0';
    return text;
}

// The first test: the log works without a device, and a device gets what it missed.
static void replays(void)
{
    log_info("early %d", 1);
    log_err("two");
    log_err("lines");
    console_set_device(sink);
    CU_ASSERT_STRING_EQUAL(seen(), "Paravane: early 1\nParavane: two\nParavane: lines\n");
    log_warn("now");
    CU_ASSERT_STRING_EQUAL(seen(), "Paravane: now\n");
}

static void levels(void)
{
    log_debug("hidden");
    CU_ASSERT_STRING_EQUAL(seen(), "");
    CU_ASSERT(console_parse_threshold("error", &console_threshold));
    log_warn("hidden");
    log_err("shown");
    CU_ASSERT_STRING_EQUAL(seen(), "Paravane: shown\n");
    CU_ASSERT(console_parse_threshold("none", &console_threshold));
    log_err("hidden");
    CU_ASSERT(console_parse_threshold("all", &console_threshold));
    log_debug("all");
    CU_ASSERT_STRING_EQUAL(seen(), "Paravane: all\n");
    CU_ASSERT_FALSE(console_parse_threshold("loud", &console_threshold));
    CU_ASSERT_FALSE(console_parse_threshold("info/", &console_threshold));
    CU_ASSERT_FALSE(console_parse_threshold("info/debug/all", &console_threshold));
    CU_ASSERT_FALSE(console_parse_threshold("", &console_guest_threshold));
    log_debug("still all");
    CU_ASSERT_STRING_EQUAL(seen(), "Paravane: still all\n");
}

static unsigned count_lines(const char *text)
{
    unsigned lines = 0;

    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

static void rates(void)
{
    console_now_ns = fake_now;
    now = 100 * UINT64_C(1000000000);
    CU_ASSERT(console_parse_threshold("warning/info", &console_threshold));
    for (int i = 0; i < 50; i++) {
        log_info("limited");
        log_debug("never");
    }
    CU_ASSERT_EQUAL(count_lines(seen()), 10);
    log_warn("always");
    CU_ASSERT_STRING_EQUAL(seen(), "Paravane: always\n");
    now += UINT64_C(5000000000);
    log_info("again");
    CU_ASSERT_STRING_EQUAL(seen(), "Paravane: 40 messages dropped by the rate limit\n"
                                   "Paravane: again\n");
    console_parse_threshold("info", &console_threshold);
}

static void guest_messages(void)
{
    now += UINT64_C(6000000000);
    for (int i = 0; i < 30; i++) {
        log_guest_warn(3, "bad thing %d", i);
        printk_guest(3, LOG_INFO, "never");
    }
    const char *text = seen();
    CU_ASSERT_EQUAL(count_lines(text), 10);
    CU_ASSERT_EQUAL(strncmp(text, "Paravane: d3: bad thing 0\n", 26), 0);
    log_info("own messages are counted apart");
    CU_ASSERT_EQUAL(count_lines(seen()), 1);
}

static void guest_write(unsigned domid, const char *text)
{
    console_guest_write(domid, text, strlen(text));
}

static void dom0_output(void)
{
    guest_write(0, "[    0.0] boo");
    guest_write(0, "ting\r\n\x1b[1mhalf");
    CU_ASSERT_STRING_EQUAL(seen(), "[    0.0] booting\r\n\x1b[1mhalf");
    log_info("in between");
    CU_ASSERT_STRING_EQUAL(seen(), "\nParavane: in between\n");
    guest_write(0, "");
}

static void guest_output(void)
{
    now += UINT64_C(6000000000);
    guest_write(7, "first in this period\n");
    CU_ASSERT_STRING_EQUAL(seen(), "Paravane: 20 messages dropped by the rate limit\n"
                                   "(d7) first in this period\n");
    guest_write(7, "hel");
    guest_write(7, "lo\x1b[2J\r\nnext\x9b\n\n");
    CU_ASSERT_STRING_EQUAL(seen(), "(d7) hello?[2J\n(d7) next?\n(d7) \n");
    guest_write(7, "half");
    guest_write(8, "other");
    log_info("own");
    CU_ASSERT_STRING_EQUAL(seen(), "(d7) half\n(d8) other\nParavane: own\n");
    for (int i = 0; i < 100; i++)
        guest_write(7, "flood\n");
    CU_ASSERT(count_lines(seen()) <= 10);
}

static void long_message(void)
{
    char text[1000];

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    log_info("%s", text);
    const char *line = seen();
    CU_ASSERT(strlen(line) > 300 && strlen(line) < 350);
    CU_ASSERT_EQUAL(line[strlen(line) - 1], '\n');
}

// A device in which the hypervisor panics once, while the console's lock is held.
static void panicking_sink(const char *text, size_t length)
{
    static bool is_nested;

    sink(text, length);
    if (!is_nested && length >= 7 && memcmp(text, "trigger", 7) == 0) {
        is_nested = true;
        panic("inside of a device: %d", 5);
    }
}

// Far more than the ring holds: a device that comes late gets the latest 16 KiB, in order. What dom0
// writes is not ours to repeat.
static void ring_wraps(void)
{
    char line[40];
    unsigned last = 0;

    for (unsigned i = 0; i < 3 * CONSOLE_RING_SIZE / 18; i++) {
        log_info("%07u", i);
        guest_write(0, "dom0's\n");
        last = i;
        if (shown_length > 20000)
            seen();
    }
    seen();
    console_set_device(late_sink);
    CU_ASSERT_EQUAL(late_length, CONSOLE_RING_SIZE);
    for (size_t end = late_length; end >= 18; end -= 18) {
        snprintf(line, sizeof(line), "Paravane: %07u\n", last--);
        CU_ASSERT_EQUAL(memcmp(late + end - 18, line, 18), 0);
    }
    console_set_device(sink);
    seen();
}

static void interrupts_stay(void)
{
    irq_enable();
    log_info("x");
    CU_ASSERT(irqs_enabled());
    irq_disable();
    log_info("x");
    CU_ASSERT_FALSE(irqs_enabled());
    irq_enable();
    seen();
}

// The last test, because panic does not return: it runs on a thread that ends in the hook.
static void leave_thread(void)
{
    pthread_exit(NULL);
}

static void *print_trigger(void *argument)
{
    log_err("trigger");
    return argument;
}

static void panics(void)
{
    pthread_t thread;

    console_panic_hook = leave_thread;
    console_set_device(panicking_sink);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, print_trigger, NULL), 0);
    pthread_join(thread, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(seen(), "Paravane: panic: inside of a device: 5\n"));
}

// A reader goes on where it stood, from the oldest byte if that is gone, and forgets for those that come later.
static void ring_is_read(void)
{
    uint32_t at = 0, start;
    char text[64];
    size_t n, all = 0;

    log_info("first");
    while ((n = console_read(&at, text, sizeof(text))) != 0)
        all += n;
    CU_ASSERT(all <= CONSOLE_RING_SIZE);
    start = at;
    log_info("second");
    n = console_read(&at, text, sizeof(text) - 1);
    text[n] = '\0';
    CU_ASSERT_STRING_EQUAL(text, "Paravane: second\n");
    CU_ASSERT_EQUAL(at - start, n);
    CU_ASSERT_EQUAL(console_read(&at, text, sizeof(text)), 0);
    console_forget(at);
    at = 0;
    CU_ASSERT_EQUAL(console_read(&at, text, sizeof(text)), 0);
    for (unsigned i = 0; i < CONSOLE_RING_SIZE / 10; i++)
        log_info("fill %u", i);
    at = start;
    CU_ASSERT_EQUAL(console_read(&at, text, sizeof(text)), sizeof(text));
    all = sizeof(text);
    while ((n = console_read(&at, text, sizeof(text))) != 0)
        all += n;
    CU_ASSERT_EQUAL(all, CONSOLE_RING_SIZE);
    (void)seen();
}

static unsigned growths;

static void note_growth(void) { growths++; }

// Whoever reads the ring is told of what came into it, and of nothing else: dom0's own output does not go there.
static void growth_is_told(void)
{
    CU_ASSERT(console_parse_threshold("all", &console_guest_threshold));
    console_ring_hook = note_growth;
    log_info("grows");
    CU_ASSERT_EQUAL(growths, 1);
    console_guest_write(0, "dom0\n", 5);
    log_debug("dropped");
    CU_ASSERT_EQUAL(growths, 1);
    console_guest_write(3, "domU\n", 5);
    CU_ASSERT_EQUAL(growths, 2);
    console_ring_hook = NULL;
    (void)seen();
}

static const struct unit_test tests[] = {
    { "replays", replays },
    { "levels", levels },
    { "rates", rates },
    { "guest_messages", guest_messages },
    { "dom0_output", dom0_output },
    { "guest_output", guest_output },
    { "long_message", long_message },
    { "ring_wraps", ring_wraps },
    { "ring_is_read", ring_is_read },
    { "growth_is_told", growth_is_told },
    { "interrupts_stay", interrupts_stay },
    { "panics", panics },
    { NULL, NULL },
};

int main(void)
{
    return unit_main("console", tests);
}
