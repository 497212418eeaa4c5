// SPDX-License-Identifier: MIT
// The log (lib/console.h). Texts are formatted before the lock is taken; under it they go into the
// ring and to the device. The output remembers whose unfinished line it ends with, so that no two
// sources share a line. Guests' bytes never reach a format string.
#include "lib/base.h"

#define LINE_SIZE 320u
#define PREFIX "Paravane: "

// A panic waits this many rounds for the lock, then does without.
#define PANIC_LOCK_TRIES 1000000u

// How many messages between the two thresholds pass in one period.
#define RATE_BURST 10u
#define RATE_PERIOD_NS UINT64_C(5000000000)

#define SOURCE_NONE (~0u) // no domain

uint64_t (*console_now_ns)(void);
void (*console_panic_hook)(void);
void (*console_ring_hook)(void);

static char ring[CONSOLE_RING_SIZE]; // guarded by console.lock

static struct {
    struct spinlock lock;
    // Guarded by lock.
    uint32_t written; // all bytes ever written to the ring, modulo 2^32
    uint32_t first;   // the first of them that readers get, if it is still there
    void (*device)(const char *text, size_t length);
    unsigned open_line; // the domain of the unfinished line
    uint32_t panics; // atomic
} console = { .lock = SPINLOCK_INIT(LOCK_CONSOLE), .open_line = SOURCE_NONE };

_Static_assert((CONSOLE_RING_SIZE & (CONSOLE_RING_SIZE - 1)) == 0, "positions wrap with the ring");

struct console_threshold console_threshold = { .always = LOG_INFO + 1 };
static struct console_threshold panic_threshold = { .always = NR_LOG_LEVELS };
struct console_threshold console_guest_threshold = { .limited = LOG_WARN + 1 };

// ---- Lock and output

struct hold {
    unsigned long flags;
    bool is_locked;
    uint32_t written; // before
};

// In a panic the lock's holder may never let go.
static struct hold console_lock(void)
{
    struct hold hold = { .flags = irq_save() };

    if (READ_ONCE(console.panics) == 0) {
        spin_lock(&console.lock);
        hold.is_locked = true;
    }
    for (unsigned i = 0; i < PANIC_LOCK_TRIES && !hold.is_locked; i++) {
        hold.is_locked = spin_trylock(&console.lock);
        cpu_relax();
    }
    hold.written = console.written;
    return hold;
}

static void console_unlock(struct hold hold)
{
    bool has_grown = console.written != hold.written;

    if (hold.is_locked)
        spin_unlock(&console.lock);
    if (has_grown && console_ring_hook != NULL)
        console_ring_hook();
    irq_restore(hold.flags);
}

static void device_write(const char *text, size_t length)
{
    if (console.device != NULL)
        console.device(text, length);
}

static void emit(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ring[console.written++ % CONSOLE_RING_SIZE] = text[i];
    device_write(text, length);
}

// End another source's unfinished line, so that this source starts a line of its own.
static void claim_line(unsigned source)
{
    if (console.open_line != SOURCE_NONE && console.open_line != source) {
        emit("\n", 1);
        console.open_line = SOURCE_NONE;
    }
}

static void leave_line(unsigned source, char last)
{
    console.open_line = last == '\n' ? SOURCE_NONE : source;
}

static void emit_line(const char *prefix, const char *text)
{
    claim_line(SOURCE_NONE);
    emit(prefix, strlen(prefix));
    emit(text, strlen(text));
    emit("\n", 1);
}

// ---- Levels and rates

static bool rate_allows(struct console_threshold *threshold)
{
    if (console_now_ns == NULL)
        return true;

    uint64_t now = console_now_ns();
    if (now - threshold->period_start >= RATE_PERIOD_NS) {
        char text[64];
        threshold->period_start = now;
        threshold->passed = 0;
        if (threshold->dropped > 0) {
            scnprintf(text, sizeof(text), "%u messages dropped by the rate limit",
                      threshold->dropped);
            threshold->dropped = 0;
            emit_line(PREFIX, text);
        }
    }
    if (threshold->passed >= RATE_BURST) {
        threshold->dropped++;
        return false;
    }
    threshold->passed++;
    return true;
}

static bool may_print(struct console_threshold *threshold, unsigned level)
{
    if (level < threshold->always)
        return true;
    return level < threshold->limited && rate_allows(threshold);
}

// The place of a name is the level that it lets everything below pass.
static const char *const level_names[] = { "none", "error", "warning", "info", "debug", "all" };

_Static_assert(LOG_ERR == 0 && LOG_DEBUG == 3, "the names are in the levels' order");

// Read a level's name; returns what follows it, or NULL.
static const char *parse_level(const char *s, unsigned *below)
{
    for (unsigned i = 0; i < ARRAY_SIZE(level_names); i++) {
        size_t length = strlen(level_names[i]);

        if (strncmp(s, level_names[i], length) == 0) {
            *below = i;
            return s + length;
        }
    }
    return NULL;
}

bool console_parse_threshold(const char *value, void *target)
{
    struct console_threshold *threshold = target;
    unsigned always, limited;

    value = parse_level(value, &always);
    if (value == NULL)
        return false;
    limited = always;
    if (*value == '/')
        value = parse_level(value + 1, &limited);
    if (value == NULL || *value != '\0')
        return false;
    threshold->always = always;
    threshold->limited = limited;
    return true;
}

// ---- Messages

PRINTF_LIKE(4, 0)
static void print(struct console_threshold *threshold, unsigned level, const char *prefix,
                  const char *format, va_list args)
{
    char text[LINE_SIZE];

    if (level >= MAX(threshold->always, threshold->limited))
        return;
    vscnprintf(text, sizeof(text), format, args);

    struct hold hold = console_lock();
    if (may_print(threshold, level))
        emit_line(prefix, text);
    console_unlock(hold);
}

void printk(enum log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print(&console_threshold, level, PREFIX, format, args);
    va_end(args);
}

void printk_guest(unsigned domid, enum log_level level, const char *format, ...)
{
    char prefix[40];
    va_list args;

    scnprintf(prefix, sizeof(prefix), PREFIX "d%u: ", domid);
    va_start(args, format);
    print(&console_guest_threshold, level, prefix, format, args);
    va_end(args);
}

// ---- Guests' consoles

static void guest_write_lines(unsigned domid, const char *text, size_t length)
{
    char prefix[16];
    int prefix_length = scnprintf(prefix, sizeof(prefix), "(d%u) ", domid);

    claim_line(domid);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\r')
            continue;
        if (console.open_line == SOURCE_NONE)
            emit(prefix, (size_t)prefix_length);
        // What must not reach a terminal: escape sequences, in 7 or 8 bits.
        bool is_text = text[i] == '\n' || text[i] == '\t' || (text[i] >= ' ' && text[i] < 0x7f);
        char c = is_text ? text[i] : '?';
        emit(&c, 1);
        leave_line(domid, c);
    }
}

void console_guest_write(unsigned domid, const char *text, size_t length)
{
    if (length == 0)
        return;

    struct hold hold = console_lock();
    if (domid == 0) {
        claim_line(domid);
        device_write(text, length);
        leave_line(domid, text[length - 1]);
    } else if (may_print(&console_guest_threshold, LOG_WARN)) {
        guest_write_lines(domid, text, length);
    }
    console_unlock(hold);
}

size_t console_read(uint32_t *at, char *to, size_t size)
{
    struct hold hold = console_lock();
    size_t n = 0;

    if (console.written - console.first > CONSOLE_RING_SIZE)
        console.first = console.written - CONSOLE_RING_SIZE;
    if (console.written - *at > console.written - console.first)
        *at = console.first;
    while (n < size && *at != console.written)
        to[n++] = ring[(*at)++ % CONSOLE_RING_SIZE];
    console_unlock(hold);
    return n;
}

void console_forget(uint32_t at)
{
    struct hold hold = console_lock();

    if (console.written - at < console.written - console.first)
        console.first = at;
    console_unlock(hold);
}

void console_set_device(void (*write)(const char *text, size_t length))
{
    struct hold hold = console_lock();
    uint32_t end = console.written % CONSOLE_RING_SIZE;

    if (console.written >= CONSOLE_RING_SIZE)
        write(&ring[end], CONSOLE_RING_SIZE - end);
    write(ring, end);
    console.device = write;
    console_unlock(hold);
}

// ---- Panic

void panic(const char *format, ...)
{
    va_list args;

    irq_disable();
    bool is_first = fetch_add32(&console.panics, 1) == 0;
    va_start(args, format);
    print(&panic_threshold, LOG_ERR, PREFIX "panic: ", format, args);
    va_end(args);

    if (is_first && console_panic_hook != NULL)
        console_panic_hook();
    for (;;)
        cpu_relax();
}

void assert_failed(const char *kind, const char *text, const char *file, int line)
{
    panic("%s at %s:%d: %s", kind, file, line, text);
}
