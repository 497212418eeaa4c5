// SPDX-License-Identifier: MIT
// The log (lib/console.h). Texts are formatted before the lock is taken; under it they go into the
// ring and to the devices. The output remembers whose unfinished line it ends with, so that no two
// sources share a line. Guests' bytes never reach a format string.
#include "lib/console.h"

#include "lib/assert.h"
#include "lib/printf.h"
#include "lib/spinlock.h"
#include "lib/string.h"

#define LINE_SIZE 320u
#define MAX_SINKS 4u
#define PREFIX "Paravane: "

// A panic waits this many rounds for the lock, then does without.
#define PANIC_LOCK_TRIES 1000000u

// How many messages between the two thresholds pass in one period.
#define RATE_BURST 10u
#define RATE_PERIOD_NS UINT64_C(5000000000)

// Sources other than domains.
#define SOURCE_NONE (~0u)
#define SOURCE_RAW (~0u - 1)

// A message of a level below always is printed; below limited, if the rate allows.
struct threshold {
    unsigned always;
    unsigned limited;
    unsigned passed;  // in this period; these three change under the console's lock
    unsigned dropped;
    uint64_t period_start;
};

static char ring[CONSOLE_RING_SIZE]; // guarded by console.lock

static struct {
    struct spinlock lock;
    // Guarded by lock. Positions count all bytes ever written to the ring, modulo 2^32.
    uint32_t written;
    uint32_t oldest;
    unsigned nr_sinks;
    void (*sinks[MAX_SINKS])(const char *text, size_t length);
    unsigned open_line; // the source of the unfinished line
    // Set at the start of day, then only read.
    uint64_t (*now_ns)(void);
    void (*panic_hook)(void);
    uint32_t panics;
} console = { .lock = SPINLOCK_INIT(LOCK_CONSOLE), .open_line = SOURCE_NONE };

_Static_assert((CONSOLE_RING_SIZE & (CONSOLE_RING_SIZE - 1)) == 0, "positions wrap with the ring");

static struct threshold own_threshold = { .always = LOG_INFO + 1, .limited = LOG_INFO + 1 };
static struct threshold panic_threshold = { .always = NR_LOG_LEVELS, .limited = NR_LOG_LEVELS };
static struct threshold guest_threshold = { .always = 0, .limited = LOG_WARN + 1 };

// ---- Lock and output

bool console_in_panic(void)
{
    return READ_ONCE(console.panics) != 0;
}

// True if the lock was taken: in a panic its holder may never let go.
static bool console_lock(void)
{
    if (!console_in_panic()) {
        spin_lock(&console.lock);
        return true;
    }
    for (unsigned i = 0; i < PANIC_LOCK_TRIES; i++) {
        if (spin_trylock(&console.lock))
            return true;
        cpu_relax();
    }
    return false;
}

static void console_unlock(bool locked)
{
    if (locked)
        spin_unlock(&console.lock);
}

static void ring_append(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ring[console.written++ % CONSOLE_RING_SIZE] = text[i];
    if (console.written - console.oldest > CONSOLE_RING_SIZE)
        console.oldest = console.written - CONSOLE_RING_SIZE;
}

static void sinks_write(const char *text, size_t length)
{
    for (unsigned i = 0; i < console.nr_sinks; i++)
        console.sinks[i](text, length);
}

static void emit(const char *text, size_t length)
{
    ring_append(text, length);
    sinks_write(text, length);
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

// Each line of the text with the prefix, and a newline at its end.
static void emit_lines(const char *prefix, const char *text)
{
    claim_line(SOURCE_NONE);
    do {
        const char *end = strchr(text, '\n');
        size_t length = end != NULL ? (size_t)(end - text) : strlen(text);
        emit(prefix, strlen(prefix));
        emit(text, length);
        emit("\n", 1);
        text += length + (end != NULL ? 1 : 0);
    } while (*text != '\0');
}

// ---- Levels and rates

static bool rate_allows(struct threshold *threshold)
{
    if (console.now_ns == NULL)
        return true;

    uint64_t now = console.now_ns();
    if (now - threshold->period_start >= RATE_PERIOD_NS) {
        char text[64];
        threshold->period_start = now;
        threshold->passed = 0;
        if (threshold->dropped > 0) {
            scnprintf(text, sizeof(text), "%u messages dropped by the rate limit",
                      threshold->dropped);
            threshold->dropped = 0;
            emit_lines(PREFIX, text);
        }
    }
    if (threshold->passed >= RATE_BURST) {
        threshold->dropped++;
        return false;
    }
    threshold->passed++;
    return true;
}

static bool may_print(struct threshold *threshold, unsigned level)
{
    if (level < threshold->always)
        return true;
    return level < threshold->limited && rate_allows(threshold);
}

static const struct {
    const char *name;
    unsigned below;
} level_names[] = {
    { "none", 0 },
    { "error", LOG_ERR + 1 },
    { "warning", LOG_WARN + 1 },
    { "info", LOG_INFO + 1 },
    { "debug", LOG_DEBUG + 1 },
    { "all", NR_LOG_LEVELS },
};

// Read a level's name; returns what follows it, or NULL.
static const char *parse_level(const char *s, unsigned *below)
{
    for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
        size_t length = strlen(level_names[i].name);
        if (strncmp(s, level_names[i].name, length) == 0) {
            *below = level_names[i].below;
            return s + length;
        }
    }
    return NULL;
}

static bool parse_threshold(const char *s, struct threshold *threshold)
{
    unsigned always, limited;

    s = parse_level(s, &always);
    if (s == NULL)
        return false;
    limited = always;
    if (*s == '/')
        s = parse_level(s + 1, &limited);
    if (s == NULL || *s != '\0')
        return false;
    threshold->always = always;
    threshold->limited = MAX(always, limited);
    return true;
}

bool console_set_loglvl(const char *value)
{
    return parse_threshold(value, &own_threshold);
}

bool console_set_guest_loglvl(const char *value)
{
    return parse_threshold(value, &guest_threshold);
}

void console_set_clock(uint64_t (*now_ns)(void))
{
    console.now_ns = now_ns;
}

// ---- Messages

static void print_lines(struct threshold *threshold, unsigned level, const char *prefix,
                        const char *text)
{
    unsigned long flags = irq_save();
    bool locked = console_lock();

    if (may_print(threshold, level))
        emit_lines(prefix, text);
    console_unlock(locked);
    irq_restore(flags);
}

void vprintk(enum log_level level, const char *format, va_list args)
{
    char text[LINE_SIZE];

    if (level >= own_threshold.limited)
        return;
    vscnprintf(text, sizeof(text), format, args);
    print_lines(&own_threshold, level, PREFIX, text);
}

void printk(enum log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintk(level, format, args);
    va_end(args);
}

void printk_guest(unsigned domid, enum log_level level, const char *format, ...)
{
    char text[LINE_SIZE];
    char prefix[40];
    va_list args;

    if (level >= guest_threshold.limited)
        return;
    va_start(args, format);
    vscnprintf(text, sizeof(text), format, args);
    va_end(args);
    scnprintf(prefix, sizeof(prefix), PREFIX "d%u: ", domid);
    print_lines(&guest_threshold, level, prefix, text);
}

void console_write(const char *text, size_t length)
{
    if (length == 0)
        return;

    unsigned long flags = irq_save();
    bool locked = console_lock();

    claim_line(SOURCE_RAW);
    emit(text, length);
    leave_line(SOURCE_RAW, text[length - 1]);
    console_unlock(locked);
    irq_restore(flags);
}

// ---- Guests' consoles

static void guest_write_raw(unsigned domid, const char *text, size_t length)
{
    claim_line(domid);
    sinks_write(text, length);
    leave_line(domid, text[length - 1]);
}

// What must not reach a terminal: escape sequences, in 7 or 8 bits.
static bool is_printable(char c)
{
    return c == '\t' || (c >= ' ' && c < 0x7f);
}

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
        char c = text[i] == '\n' || is_printable(text[i]) ? text[i] : '?';
        emit(&c, 1);
        leave_line(domid, c);
    }
}

void console_guest_write(unsigned domid, const char *text, size_t length)
{
    if (length == 0)
        return;

    unsigned long flags = irq_save();
    bool locked = console_lock();

    if (domid == 0)
        guest_write_raw(domid, text, length);
    else if (may_print(&guest_threshold, LOG_WARN))
        guest_write_lines(domid, text, length);
    console_unlock(locked);
    irq_restore(flags);
}

// ---- Ring and devices

static void replay(void (*write)(const char *text, size_t length))
{
    uint32_t position = console.oldest;

    while (position != console.written) {
        uint32_t start = position % CONSOLE_RING_SIZE;
        uint32_t length = MIN(console.written - position, CONSOLE_RING_SIZE - start);
        write(&ring[start], length);
        position += length;
    }
}

bool console_register_sink(void (*write)(const char *text, size_t length))
{
    unsigned long flags = irq_save();
    bool locked = console_lock();
    bool has_room = console.nr_sinks < MAX_SINKS;

    if (has_room) {
        replay(write);
        console.sinks[console.nr_sinks++] = write;
    }
    console_unlock(locked);
    irq_restore(flags);
    return has_room;
}

size_t console_ring_read(char *buffer, size_t size, uint32_t *index, bool incremental, bool clear)
{
    unsigned long flags = irq_save();
    bool locked = console_lock();
    uint32_t position = console.oldest;
    size_t length = 0;

    // An index outside of what the ring holds starts at the oldest byte.
    if (incremental && console.written - *index <= console.written - console.oldest)
        position = *index;
    while (length < size && position != console.written)
        buffer[length++] = ring[position++ % CONSOLE_RING_SIZE];
    *index = position;
    if (clear)
        console.oldest = console.written;
    console_unlock(locked);
    irq_restore(flags);
    return length;
}

void console_ring_clear(void)
{
    uint32_t index = 0;

    (void)console_ring_read(NULL, 0, &index, false, true);
}

// ---- Panic

void console_set_panic_hook(void (*hook)(void))
{
    console.panic_hook = hook;
}

void panic(const char *format, ...)
{
    char text[LINE_SIZE];
    va_list args;

    irq_disable();
    bool is_first = fetch_add32(&console.panics, 1) == 0;
    va_start(args, format);
    vscnprintf(text, sizeof(text), format, args);
    va_end(args);
    print_lines(&panic_threshold, LOG_ERR, PREFIX "panic: ", text);

    if (is_first && console.panic_hook != NULL)
        console.panic_hook();
    for (;;)
        cpu_relax();
}

void assert_failed(const char *kind, const char *text, const char *file, int line)
{
    panic("%s at %s:%d: %s", kind, file, line, text);
}
