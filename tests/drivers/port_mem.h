// SPDX-License-Identifier: MIT
//
// The other side of a network interface, for tests and measurements: frames that a queue sends are
// kept, in order, and it receives them, or another queue does.
#pragma once

#include "net/net_port.h"
#include "net/net_queue.h"

#define PORT_MEM_FRAMES 64u
#define PORT_MEM_ROOM (sizeof(struct virtio_net_hdr) + NET_MAX_FRAME)

struct port_mem {
    struct net_port port;
    unsigned first, nr;              // of those kept
    int error;                       // of receiving, when there is nothing
    bool is_full;                    // nothing is taken
    uint32_t size[PORT_MEM_FRAMES];  // with the header
    uint8_t *frames[PORT_MEM_FRAMES];
    uint8_t *received;               // copies of a batch, as whoever reads a file has them
    unsigned nr_received;
    uint8_t *room, *end;             // frames lie side by side, from the start when there was none
};

// Something to receive, with its header. 0, or -EAGAIN.
int port_mem_put(struct port_mem *p, const void *frame, uint32_t size);
void port_mem_init(struct port_mem *p);
void port_mem_fini(struct port_mem *p);
