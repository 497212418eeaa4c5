// SPDX-License-Identifier: MIT
//
// The front end of a network interface, freestanding: os.h below it, xenbus beside it. Packets are
// copied between the caller's memory and pages of its own, which stay granted: so a back end can spoil
// or read packets, and nothing else. What was not answered when it went away is lost, as on a wire.
//
// Threads: one per queue for send, kick and receive; the handshake (xenbus_run() on its bus) while no queue is used.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bus/front.h"
#include "public/io/netif.h"

#define NET_FRONT_MAX_QUEUES 4u
#define NET_FRONT_MAX_BUFFERS 256u      // pages of one direction of a queue; as many as ring slots
#define NET_FRONT_MIN_BUFFERS 20u       // those that the largest packet takes
#define NET_FRONT_MAX_SIZE 65535u

struct net_front_packet {
    uint8_t *data;
    uint32_t size;                      // to receive: the room
    bool is_blank;                      // its checksum is: the pseudo header's sum is there
    bool is_validated;                  // or need not be looked at
    uint8_t gso_type;                   // XEN_NETIF_GSO_TYPE_*
    uint16_t gso_size;
};

struct net_front_side {
    struct front_ring ring;
    struct front_pages buffers;
    uint16_t ids[NET_FRONT_MAX_BUFFERS];    // tx: free buffers; rx: the buffer of each slot
    uint32_t nr_free;                   // tx: of ids
};

struct net_front_queue {
    struct net_front_side tx, rx;
    bool has_ports;
    bool is_broken;                     // the back end broke the protocol: nothing goes on
};

// What is wanted; the back end's limits cut it.
struct net_front_config {
    unsigned nr_queues;
    unsigned nr_buffers;                // of each direction of each queue
    bool is_split;                      // an event channel for each direction
    bool has_offloads;                  // takes large packets, and checksums that are not there
};

struct net_front {
    struct xenbus_device bus;
    struct xenbus_table table;
    struct os *os;
    struct net_front_config want;
    unsigned nr_queues;                 // agreed on
    bool is_split;
    bool can_gso4, can_gso6, can_fragment;    // the back end
    bool has_link;
    struct net_front_queue queues[NET_FRONT_MAX_QUEUES];
};

// Its handshake is xenbus_run() whenever the store changed. Connected: both states say so.
int net_front_init(struct net_front *f, struct os *os, struct store *store, const char *own, const char *peer,
                   const struct net_front_config *want);
// Puts a packet into the ring: 0; -EAGAIN (-11) when full; -EINVAL (-22) when it cannot be.
int net_front_send(struct net_front *f, unsigned queue, const struct net_front_packet *p);
// Shows the back end what was put, and the buffers that were taken from.
void net_front_kick(struct net_front *f, unsigned queue);
// 1 with a packet; 0 if there is none, and an event is asked for; RING_EPROTO. What is larger than the
// room is passed over.
int net_front_receive(struct net_front *f, unsigned queue, struct net_front_packet *p);
void net_front_fini(struct net_front *f);
