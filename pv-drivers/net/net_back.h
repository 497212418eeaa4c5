// SPDX-License-Identifier: MIT
//
// A guest's network interface: what it offers, its queues, its link.
#pragma once

#include "host/back.h"
#include "net/net_queue.h"
#include "net/port_fd.h"
#include "net/tap.h"

// What outlives the process, in one file each.
struct net_journal_file {
    struct net_journal queue[NET_MAX_QUEUES];
};

struct net_back {
    struct back back;
    // Set before back_init().
    struct net_interface interface;
    struct tap tap;                      // has as many queues as the guest may use
    struct transport *transports[NET_MAX_QUEUES][2];    // of each queue's rings: from the guest, to it
    struct net_journal_file *journal;
    struct net_stats_file *stats;
    bool is_up;                          // as the front end was told
    struct port_fd ports[NET_MAX_QUEUES];
    struct net_queue queues[NET_MAX_QUEUES];
};

extern const struct back_ops net_back_ops;
