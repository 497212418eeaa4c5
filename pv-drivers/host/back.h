// SPDX-License-Identifier: MIT
//
// What back ends of all kinds are: a handshake in the store, queues with a thread each, taking over from
// a killed process, the end. The kind supplies struct back_ops.
//
// Threads: all functions here and all operations but serve are called by one, the control thread. A queue's
// thread owns the queue between open_queue and close_queue. What needs a system call that the sandbox refuses
// (threads, io_uring rings, devices) is made by back_init() or before.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bus/xenbus.h"
#include "host/worker.h"

#define BACK_MAX_QUEUES 4u

struct back;

// All return 0 or a negative errno; where the front end is to blame, back_refuse() leaves the sentence.
struct back_ops {
    bool has_early_fronts;                // that say Connected as soon as their rings are there, as Linux' netfront
    void (*serve)(struct worker *w);      // a queue's thread, see worker.h
    int (*init_queue)(struct back *b, unsigned queue);
    int (*publish)(struct back *b);       // what we can
    int (*read_choices)(struct back *b);  // of the front end, but for how many queues
    int (*open_queue)(struct back *b, unsigned queue, unsigned nr_queues);
    int (*connect)(struct back *b);       // all queues are open, none is served yet
    void (*disconnect)(struct back *b);   // they are about to be closed; NULL: nothing to do then
    void (*close_queue)(struct back *b, unsigned queue);
    int (*follow)(struct back *b);        // what may have changed on the host
};

struct back {
    const struct back_ops *ops;           // set by the kind, before back_init()
    struct xenbus_device bus;
    struct xenbus_table table;
    unsigned max_queues;
    unsigned nr_queues;                   // open
    bool is_resuming;                     // where a killed process was
    struct worker workers[BACK_MAX_QUEUES];
};

int back_init(struct back *b, struct store *store, const char *own, const char *peer, unsigned nr_queues);
// First contact. If the store says that a predecessor was connected, its work is gone on with; if that
// fails, the front end starts over.
int back_start(struct back *b);
// The store changed, or some time has passed.
int back_update(struct back *b);
// True when the toolstack has taken the device away and the front end has let go.
bool back_is_gone(struct back *b);

// For the kinds.
int back_refuse(struct back *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
// A node that is absent leaves *value what it was.
int back_read_choice(struct back *b, const char *leaf, uint64_t limit, uint64_t *value);
// A node of a queue (text_queue_leaf), which must be there.
int back_read_queue_node(struct back *b, unsigned queue, unsigned nr_queues, const char *name, int number, uint32_t *value);
