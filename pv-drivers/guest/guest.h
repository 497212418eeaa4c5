// SPDX-License-Identifier: MIT
//
// The kit: what a freestanding program needs to be a PV guest. The program is guest_main(); the kit has
// memory, ports, a clock, its console and the store ready before, and answers requests to shut down.
//
// One vCPU, one thread, and no upcall: events stay masked for ever, and who waits polls. So nothing is
// ever interrupted, nothing is locked, and a wait is one hypercall. Each wait clears the ports that it
// names, then the caller looks at what they stand for (a ring): an event that comes after the look ends
// the next wait at once.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blk/blk_front.h"
#include "bus/store.h"
#include "guest/libc.h"
#include "guest/memory.h"
#include "public/event_channel.h"

#define GUEST_NEVER 0ull

enum guest_end { GUEST_POWEROFF, GUEST_REBOOT, GUEST_CRASH = 3 };    // as in public/sched.h

// The program. When it returns the guest powers off.
void guest_main(const char *command_line);
void guest_end(enum guest_end how) __attribute__((noreturn));
// Says a sentence and ends in a crash.
void guest_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

// Until an event comes on any port, or that moment (GUEST_NEVER: no limit). Runs what guest_on_change()
// names when the store changed.
void guest_wait(uint64_t until_ns);
typedef void guest_change_fn(void *arg);
void guest_on_change(guest_change_fn *fn, void *arg);
// The value of name=VALUE on a command line: whether there is one. What does not fit is cut.
bool guest_option(const char *command_line, const char *name, char *value, size_t size);
// Its value as a number; what is none ends the guest with a sentence.
uint64_t guest_number(const char *command_line, const char *name, uint64_t limit, uint64_t otherwise);

// --- event.c

extern struct shared_info *shared_info;

uint64_t now_ns(void);
// All ports that were added, or opened for a device, end guest_wait().
int event_add(evtchn_port_t port);
void event_send(evtchn_port_t port);
void event_wait(const evtchn_port_t *ports, unsigned nr, uint64_t until_ns);
void event_wait_any(uint64_t until_ns);

// --- grant.c, event.c: what bus/os.h asks for; one per device

struct os {
    domid_t backend;
};

// --- console.c

void console_init(const struct start_info *info);
void vprint(const char *fmt, va_list ap);
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
size_t console_read(char *text, size_t size);    // what was typed, without waiting; it ends guest_wait()
void console_drain(void);                     // waits a little for whoever reads it

// --- store.c: over the ring that the guest shares with the store; paths are relative to the domain's own

extern struct store guest_store;

void store_init(const struct start_info *info);
bool store_changed(void);                     // since the last time it was asked
// Names in a folder, each with a closing zero, `size` bytes at most; how many bytes, or an error.
int store_list(const char *folder, char *names, size_t size);

// --- device.c

struct guest_device {
    struct os os;
    char own[STORE_MAX_PATH];
    char peer[STORE_MAX_PATH];
};

// The `nth` device of a kind ("vbd", "vif"), by number. -ENOENT if there are not so many.
int device_find(const char *kind, unsigned nth, struct guest_device *dev);
// Until both ends are connected: false, and a sentence on the console, if that takes longer than ten seconds.
bool device_wait(struct xenbus_device *bus);

struct guest_disk {
    struct guest_device dev;
    struct blk_front front;
};

// Finds and connects it; false, and a sentence on the console, if that cannot be.
bool disk_open(struct guest_disk *disk, unsigned nth, const struct blk_front_config *want);
