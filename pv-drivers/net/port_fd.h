// SPDX-License-Identifier: MIT
//
// The port of a queue over a file that keeps frames apart, and what the queue waits on.
#pragma once

#include "host/uring.h"
#include "net/net_port.h"
#include "ring/transport.h"

#define PORT_FD_MAX_AHEAD 16u        // frames read before they are wanted

struct port_fd {
    struct net_port port;
    struct io_uring ring;
    int fd;
    struct uring_event events[2];
    int stop;                        // result of polling
    uint8_t *frames;                 // PORT_FD_MAX_AHEAD of them
    int results[PORT_FD_MAX_AHEAD];  // of reading them
    unsigned next;                   // those before it are taken
};

// The file does not block. 0 or a negative errno.
int port_fd_open(struct port_fd *p, int fd, int stop_fd, const struct transport *tx, const struct transport *rx);
