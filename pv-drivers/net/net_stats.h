// SPDX-License-Identifier: MIT
// The counters of an interface, in a file that outlives the process and that others may read at any time: a row for each queue.
#pragma once

#include <stdint.h>

#define NET_MAX_QUEUES 4u

// Of one queue, written by its thread alone.
enum net_stat {
    NET_STAT_TX_PACKETS, NET_STAT_TX_BYTES,      // from the guest
    NET_STAT_TX_INVALID,                         // not what the protocol says
    NET_STAT_TX_FILTERED,                        // not to be sent by this guest
    NET_STAT_TX_LOST,                            // the port did not take it
    NET_STAT_RX_PACKETS, NET_STAT_RX_BYTES,      // to the guest
    NET_STAT_RX_LOST,                            // the guest could not take it
    NET_STAT_LIMITED, NET_STAT_EVENTS_SENT, NET_NR_STATS,
};
struct net_stats {
    uint64_t count[NET_NR_STATS];
};

struct net_stats_file {
    struct net_stats queue[NET_MAX_QUEUES];
};
