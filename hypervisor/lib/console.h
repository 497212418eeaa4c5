// SPDX-License-Identifier: MIT
// The hypervisor's log: levels, thresholds, a ring of the latest 16 KiB, and the device behind it.
// Works from the first instruction on: what is printed before a device is there is replayed to it.
// Never call it from within the device. One lock (LOCK_CONSOLE, innermost), taken with interrupts
// off; after a panic began it is waited for only a bounded time.
#pragma once

#include "lib/compiler.h"

enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG, NR_LOG_LEVELS };

#define CONSOLE_RING_SIZE 16384u

// One call is one line; its newline is added. Texts longer than a line buffer of some 300 bytes are
// cut.
void printk(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

// For what a guest causes: its own thresholds, rate limited between them; the line names the
// domain.
void printk_guest(unsigned domid, enum log_level level, const char *format, ...) PRINTF_LIKE(3, 4);

#define log_err(...) printk(LOG_ERR, __VA_ARGS__)
#define log_warn(...) printk(LOG_WARN, __VA_ARGS__)
#define log_info(...) printk(LOG_INFO, __VA_ARGS__)
#define log_debug(...) printk(LOG_DEBUG, __VA_ARGS__)
#define log_guest_warn(domid, ...) printk_guest(domid, LOG_WARN, __VA_ARGS__)

// Say why, run the panic hook, and stop. Usable in any context, also with locks held.
NORETURN COLD void panic(const char *format, ...) PRINTF_LIKE(1, 2);

// Set at the start of day, then only read. What panic does last (stop the other processors, reboot
// or halt): if it returns, the CPU spins. What is called after the ring has grown, with interrupts off and
// whatever locks the printer holds. Nanoseconds since boot: while it is NULL no rate is limited.
extern void (*console_panic_hook)(void);
extern void (*console_ring_hook)(void);
extern uint64_t (*console_now_ns)(void);

// A message of a level below always is printed; one below limited if the rate allows.
struct console_threshold {
    unsigned always;
    unsigned limited;
    unsigned passed;  // in this period; these three change under the console's lock
    unsigned dropped;
    uint64_t period_start;
};
extern struct console_threshold console_threshold, console_guest_threshold;

// Set one of them from "level" or "lower/upper", level being none, error, warning, info, debug or
// all: below lower always printed, below upper rate limited, the rest dropped. False if malformed.
bool console_parse_threshold(const char *value, void *threshold);

// Copy up to size bytes of the ring from position *at on, or from the oldest byte that is still there;
// *at is moved to where to go on.
size_t console_read(uint32_t *at, char *to, size_t size);
// Whoever reads from position 0 gets nothing before `at` from now on.
void console_forget(uint32_t at);

// Replay the ring into the device, and send it everything from now on. write is called with
// interrupts off and the console's lock held.
void console_set_device(void (*write)(const char *text, size_t length));

// A guest's own console output, already copied from the guest. Dom0's bytes go to the device as
// they are; those of other guests come as whole lines named after the domain, cleaned of control
// characters, rate limited, and into the ring too. The caller bounds length.
void console_guest_write(unsigned domid, const char *text, size_t length);
