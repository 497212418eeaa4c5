// SPDX-License-Identifier: MIT
// What is known of an interface, in a file that outlives the process and that others may read at any time, in rows for each
// queue, each written by its thread alone: counters, and the addresses that the guest was seen to use.
#pragma once

#include <stdint.h>

#define NET_MAX_QUEUES 4u
#define NET_MAX_LEARNT 8u

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

struct net_address {
    uint8_t size;                                // 4 or 16
    uint8_t bytes[16];
};

// The last addresses, number n in entry n % NET_MAX_LEARNT. Who reads them takes `done`, then the entries, then `begun`: number n
// is there in whole if n < done and begun <= n + NET_MAX_LEARNT. What a killed process had begun its successor writes anew.
struct net_learnt {
    uint64_t begun, done;
    struct net_address last[NET_MAX_LEARNT];
};

// A file that an earlier release has made ends behind the counters.
struct net_stats_file {
    struct net_stats queue[NET_MAX_QUEUES];
    struct net_learnt learnt[NET_MAX_QUEUES];
};
