// SPDX-License-Identifier: MIT
// What the processes that serve guests' devices are (backends.c), and what they are told (served.c).
#pragma once

#include <sys/types.h>

#include "../lib/device.h"
#include "vaned.h"

enum { BACKEND_NAME = 24, BACKEND_PATH = 512, BACKEND_WORD = 5000, BACKEND_WORDS = 40 };

// A program's arguments; NULL at the end.
struct words {
    char *word[BACKEND_WORDS + 1];
    unsigned count;
};

struct kind {
    const char *program, *noun;
    enum device_type type;
    size_t (*count)(const struct definition *def);
    bool (*is_ours)(const struct definition *def, size_t i);
    // What it is called as long as the guest runs, whatever becomes of its place in the list.
    void (*name)(const struct definition *def, size_t i, char name[BACKEND_NAME]);
    // The number that the guest knows it by from its start.
    unsigned (*number)(const struct definition *def, size_t i);
    void (*say)(struct words *w, const struct definition *def, size_t i, unsigned domid, unsigned number);
};

enum { NR_KINDS = 2 };
extern const struct kind kinds[NR_KINDS];       // disks, NICs

struct backend {
    struct backend *next;
    const struct kind *kind;
    char name[BACKEND_NAME];
    pid_t pid;
    int pidfd;                  // readable once it has ended; below 0: none runs
    int ready;                  // readable once it serves; below 0: it does
    uint64_t started_ms, again_ms;
};

// A word that cannot be had for want of memory ends the list, and the program complains.
void words_say(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The file that a process counts in; false: there is none of this size.
bool backend_read_stats(const struct vaned *v, const struct domain *d, const char *name, void *file, size_t size);
