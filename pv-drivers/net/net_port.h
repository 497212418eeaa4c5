// SPDX-License-Identifier: MIT
//
// The other side of an interface: where a queue's frames go to and come from, each with a struct
// virtio_net_hdr before it, which says what is left to do for its checksum and its segments. The real
// one is port_fd.c, over a TAP device or any socket that keeps messages apart.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct net_port;

struct net_sent {
    const void *frame;
    uint32_t size;
    int result;                      // its size, or a negative errno: it is lost
};

struct net_port_ops {
    // Those of one batch, in order.
    void (*send)(struct net_port *p, struct net_sent *list, unsigned nr);
    // The size of a frame and where it lies, until the next wait, or a negative errno: -EAGAIN when none has come.
    ssize_t (*receive)(struct net_port *p, uint8_t **frame);
    // Until an event or, if they are wanted, a frame has come, the time is over (-1: never), or whoever stops
    // the queue says so: then true.
    bool (*wait)(struct net_port *p, bool wants_frames, int64_t timeout_ns);
};

struct net_port {
    const struct net_port_ops *ops;
};
