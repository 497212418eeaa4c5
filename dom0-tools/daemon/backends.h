// SPDX-License-Identifier: MIT
// What the processes that serve guests' devices are (backends.c), and what they are told (served.c).
#pragma once

#include <sys/types.h>

#include "../lib/device.h"
#include "vaned.h"

enum { BACKEND_NAME = 24, BACKEND_PATH = 512, BACKEND_WORD = 9000, BACKEND_WORDS = 40 };

// A program's arguments; NULL at the end.
struct words {
    char *word[BACKEND_WORDS + 1];
    unsigned count;
    bool failed;                                // a word could not be had: it is no list
};

struct kind {
    const char *program, *noun, *list;          // the list's name in a definition
    enum device_type type;
    enum host_device host;
    size_t (*count)(const struct definition *def);
    bool (*is_ours)(const struct definition *def, size_t i);
    // What it is called as long as the guest runs, whatever becomes of its place in the list.
    void (*name)(const struct definition *def, size_t i, char name[BACKEND_NAME]);
    // The number that the guest knows it by from its start.
    unsigned (*number)(const struct definition *def, size_t i);
    void (*say)(struct words *w, const struct definition *def, size_t i, unsigned domid, unsigned number,
                const char *folder);
    // The arguments of the server that an image needs (images.c); none, or NULL: it needs no server.
    void (*say_server)(struct words *w, const struct definition *def, size_t i);
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
    uint64_t asked_ms;          // when it was looked last whether the guest has let go
    unsigned number;            // as the guest knows the device
    // What is under way with it, as a file of this name in its folder says too.
    enum { BACKEND_STAYS, BACKEND_IS_NEW, BACKEND_LEAVES, BACKEND_LEAVES_LIVE, NR_BACKEND_MARKS } mark;
};

// A word that cannot be had for want of memory ends the list, which says so.
void words_say(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void words_forget(struct words *w);
// The list as a file, each word closed by a zero byte.
int words_keep(const struct words *w, const char *path, struct vane_error *error);
void words_recall(struct words *w, const char *path);
// The word behind an option, or an empty one.
void words_option(const struct words *w, const char *option, char word[BACKEND_WORD]);
// The path of a device's folder, or of a file there.
void backend_path(const struct vaned *v, const struct domain *d, const char *device, const char *file, char path[BACKEND_PATH]);
// A lock's file in a device's folder, locked, so no process has it. -EAGAIN: one has, whose number is in *pid, or 0 when it has not
// written it yet; other errors tell nothing. What a process before it has left there goes: that number may be anybody's by now.
int backend_lock(const struct vaned *v, const struct domain *d, const char *device, const char *file, pid_t *pid);
// In a child that shall become a process that outlives vaned: it holds the lock with its number in it, and speaks to these files.
int backend_detach(int locked, int output, int log);
struct backend *backend_named(const struct domain *d, const char *name);
// Of item `i` of the definition's list, which the guest knows by that number: its folder with all that a successor of this vaned
// must know, and then a process.
int backend_add(struct vaned *v, struct domain *d, const struct kind *kind, const struct definition *def, size_t i,
                unsigned number, int mark, struct vane_error *error);
int backend_serve(struct vaned *v, struct domain *d, const char *name, struct vane_error *error);
// 1: it serves; 0: not yet; else why it will not.
int backend_is_served(const struct vaned *v, const struct domain *d, struct backend *b, struct vane_error *error);
bool backend_has_ended(const struct backend *b);
int backend_mark(const struct vaned *v, const struct domain *d, struct backend *b, int mark, struct vane_error *error);
// What becomes of it as time goes by.
void backend_look(struct vaned *v, struct domain *d, struct backend *b);
// Its process is killed, and is no more. When its nodes are gone too, its folder ends, the last of it.
void backend_kill(struct vaned *v, struct domain *d, struct backend *b);
void backend_end(struct vaned *v, struct domain *d, struct backend *b);
// The word behind an option that it was given, or an empty one.
void backend_option(const struct vaned *v, const struct domain *d, const struct backend *b, const char *option,
                    char word[BACKEND_WORD]);

// switches.c: what is left of a NIC on a bridge of Open vSwitch's goes.
void switch_leave(const struct vaned *v, const struct domain *d, const char *device);

// images.c: an image that is not raw has its server, or an error tells why it has none. Of any other nothing is done.
int image_serve(struct vaned *v, const struct domain *d, const char *device, struct vane_error *error);
// The server is asked to end; once it has, or at that time at the latest, it has ended.
void image_end(const struct vaned *v, const struct domain *d, const char *device);
void image_wait(const struct vaned *v, const struct domain *d, const char *device, uint64_t end_ms);
// The file that tells why a disk is not served.
const char *image_log(const struct vaned *v, const struct domain *d, const char *device);

// plug.c: what was asked for is looked after. A backend that leaves may be gone after that.
void plug_look(struct vaned *v, struct domain *d);
void plug_leave(struct vaned *v, struct domain *d, struct backend *b);
// One that is new, and that nobody waits for: it goes.
void plug_undo(struct vaned *v, struct domain *d, struct backend *b);
// Whether the definition has a device of this name, and that it is no more to have it.
bool plug_is_known(const struct domain *d, const struct kind *kind, const char *name);
void plug_left(struct vaned *v, struct domain *d, const struct kind *kind, const char *name);
// The guest has ended, and with it what was under way.
void plug_end(struct vaned *v, struct domain *d);

// The file that a process counts in; false: there is none of this size.
bool backend_read_stats(const struct vaned *v, const struct domain *d, const char *name, void *file, size_t size);
