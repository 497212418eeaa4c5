// SPDX-License-Identifier: MIT
//
// The other side of an interface: where a queue's frames go to and come from, each with a struct
// virtio_net_hdr before it, which says what is left to do for its checksum and its segments. The real
// one is tap.c; any socket that keeps messages apart is another.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>


struct net_port;

struct net_port_ops {
    // 0, or a negative errno: the frame is lost.
    int (*send)(struct net_port *p, const void *frame, size_t size);
    // The size of a frame, or a negative errno: -EAGAIN when there is none.
    ssize_t (*receive)(struct net_port *p, void *frame, size_t room);
};

struct net_port {
    const struct net_port_ops *ops;
    int fd;                          // readable when there is a frame
};
