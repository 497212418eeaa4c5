// SPDX-License-Identifier: MIT
//
// The host's end of a guest's interface: a TAP device with a queue for each of the guest's, on a
// bridge. tap_open() needs rights; what comes later is ioctls on open files, which the sandbox allows.
#pragma once

#include <net/if.h>

#include "net/net_queue.h"

struct tap_options {
    const char *name;                // NULL: the kernel's choice
    const char *bridge;              // NULL: none
    unsigned vlan;                   // on the bridge, untagged to the guest; 0: whatever the bridge says
    unsigned mtu;                    // 0: as it is
    bool is_down;                    // it is not set up
    unsigned nr_queues;
};

struct tap {
    char name[IFNAMSIZ];
    int control_fd;                  // to ask for its state
    unsigned nr_queues;
    int fds[NET_MAX_QUEUES];         // of its queues; they do not block
};

// 0, or a negative errno with a sentence in `why`.
int tap_open(struct tap *t, const struct tap_options *options, char *why, size_t why_size);
// What the kernel may leave undone in frames to the guest, and how many queues are served.
int tap_connect(struct tap *t, const struct net_abilities *front, unsigned nr_queues);
// Nobody reads any more: the host sees no carrier.
void tap_disconnect(struct tap *t);
// Whether the host has it up.
bool tap_is_up(const struct tap *t);
