// SPDX-License-Identifier: MIT
//
// What the back ends' programs share: a guest and its devices as options name them, what outlives the
// process, and the loop around the store. A program opens what it needs, enters the sandbox, and serves
// until the toolstack takes its devices away.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "host/back.h"
#include "host/limit.h"
#include "ring/transport.h"

#define PROGRAM_MAX_WHY 300u

// Each device begins with this; its program's own options follow it.
struct program_device {
    const char *own, *peer;                   // folders in the store
    const char *state, *stats;                // files
    uint64_t nr_queues;
    struct back *back;                        // set when it is open
    struct limit_lines lines;                 // in the log, of its handshake
};

struct program_option {
    const char *name;
    char kind;                                // 's' a string, 'n' a number, 'b' yes
    size_t offset;                            // in the device
    uint64_t limit;
    const char *help;
};

struct program {
    const char *name, *usage;                 // what a device needs
    const struct program_option *options;
    unsigned nr_options;
    void *devices;
    size_t device_size;
    unsigned max_devices;
    uint64_t max_queues;
    size_t memory_per_queue;                  // that the process may have
    const unsigned long *controls;            // ioctl requests that serving needs, beyond those of the guest's
    unsigned nr_controls;
    size_t required;                          // the string that a device cannot do without, as an option's offset
    struct back *(*open)(void *device);       // with what it needs of the outside, for back_init()
};

int program_main(const struct program *p, int argc, char **argv);

// Each ends the process with a sentence if it cannot.
_Noreturn void program_stop(const char *what, const char *why);
struct transport *program_open_transport(void);
// A file that outlives us, or, unnamed, memory that does not.
void *program_map_file(const char *path, size_t size);
