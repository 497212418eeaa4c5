// SPDX-License-Identifier: MIT
//
// A guest's network interface: its handshake in the store, its queues with a thread each, its link.
//
// Threads: net_back_* are called by one, the control thread. A queue's thread owns the queue between
// connect and disconnect. What needs a system call that the sandbox refuses is made by net_back_init().
#pragma once

#include "bus/xenbus.h"
#include "host/worker.h"
#include "net/net_queue.h"
#include "net/tap.h"

// What outlives the process, in one file each.
struct net_journal_file {
    struct net_journal queue[NET_MAX_QUEUES];
};
struct net_stats_file {
    struct net_stats queue[NET_MAX_QUEUES];
};

struct net_back_config {
    struct store *store;
    const char *own, *peer;              // folders in the store
    struct tap *tap;                     // has as many queues as the guest may use
    struct net_filter filter;
    uint64_t limit_packets, limit_bytes; // a second, from the guest; 0: none
    struct transport *transports[NET_MAX_QUEUES][2];    // of each queue's rings: from the guest, to it
    struct net_journal_file *journal;
    struct net_stats_file *stats;
};

struct net_worker {
    struct worker worker;
    struct net_queue queue;
};

struct net_back {
    struct xenbus_device bus;
    struct xenbus_table table;
    struct net_interface interface;
    struct tap *tap;
    bool is_up;                          // as the front end was told
    unsigned max_queues;
    unsigned nr_queues;                  // open
    bool is_resuming;
    struct net_worker workers[NET_MAX_QUEUES];
};

// 0 or a negative errno.
int net_back_init(struct net_back *b, const struct net_back_config *config);
// First contact. Goes on where a killed predecessor was if the store and the journal say so.
int net_back_start(struct net_back *b);
// The store changed, or some time has passed.
int net_back_update(struct net_back *b);
void net_back_fini(struct net_back *b);
