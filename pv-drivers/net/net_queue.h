// SPDX-License-Identifier: MIT
//
// One queue pair of a network interface,
//
//     tx ring:  take > parse a chain > copy > offloads, filter > port > answer
//     rx ring:  take > port > copy > answer, each slot in its place
//
// Slots are taken into the journal, which outlives the process, and answered in order. So a successor
// of a killed process goes on with those between what was shown to the front end and what was taken:
// those of one batch may be sent twice, none is stuck.
//
// Threads: a queue belongs to the one that calls net_queue_work(), from open to close. What queues
// share is struct net_interface.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/limit.h"
#include "net/net_frame.h"
#include "net/net_stats.h"
#include "public/io/netif.h"
#include "ring/ring.h"
#include "ring/transport.h"

#define NET_MAX_SLOTS XEN_NETIF_NR_SLOTS_MIN             // with data, of one packet of the guest
#define NET_MAX_EXTRAS (XEN_NETIF_EXTRA_TYPE_MAX - 1u)
#define NET_MAX_FRAME (UINT16_MAX + NET_ETHERNET + 4u)   // to the guest: an IP packet, Ethernet, a VLAN tag
#define NET_MAX_BATCH TRANSPORT_MAX_COPIES               // packets copied at once
#define NET_QUEUE_NAME 40u
#define NET_RING_ENTRIES 256u                            // what fits in a page

// Where the front end's rings are. One port: both rings use tx_port.
struct net_connection {
    uint32_t tx_ref, rx_ref;
    uint32_t tx_port, rx_port;
    uint32_t is_split;
};

#define NET_JOURNAL_MAGIC 0x74656e76u
// Slots not answered yet, by their index in the ring. A slot is written before the count is; the count
// before any answer.
struct net_journal {
    uint32_t magic;                  // NET_JOURNAL_MAGIC while connected
    uint32_t tx_taken, rx_taken;
    struct net_connection connection;
    struct netif_tx_request tx[NET_RING_ENTRIES];
    struct netif_rx_request rx[NET_RING_ENTRIES];
};

// What the front end can take.
struct net_abilities {
    bool has_sg, has_checksums, has_gso4, has_gso6;
    bool sends_rx_events;            // when it offers new buffers
};

struct net_interface {
    struct limit limit;              // on what the guest sends
    struct net_filter filter;
    struct net_abilities front;      // changes only while no queue is open
};

struct net_port;

// One packet of a batch.
struct net_packet {
    uint8_t *frame;                  // its header lies before it
    uint32_t size;
    uint16_t nr_slots, nr_extras;
    uint16_t first_copy, nr_copies;  // of the batch's
    uint16_t flags;                  // NETRXF_*
    int16_t status;                  // NETIF_RSP_*
    struct net_offload offload;
};

struct net_side {
    struct transport *transport;
    struct ring ring;                // ring.shared is NULL while closed
};

struct net_queue {
    struct net_interface *interface;
    struct net_port *port;
    struct net_journal *journal;
    struct net_stats *stats;
    struct net_learnt *learnt;
    struct net_side tx, rx;
    bool is_split;                   // an event channel for each side
    bool is_broken;                  // the front end broke the protocol: nothing is taken any more
    bool is_rx_short;                // of buffers for the next frame
    char name[NET_QUEUE_NAME];       // in the log
    struct limit_lines lines;
    int port_error;                  // a negative errno: the port is gone, and nothing comes from it any more
    uint64_t wait_ns;                // then look again, whatever happens; 0: not
    uint8_t *frames;                 // a batch of the guest's, one after the other
    struct transport_copy copies[TRANSPORT_MAX_COPIES];
    struct net_packet packets[NET_MAX_BATCH];
    unsigned nr_copies, nr_packets;
};

// Allocates all that a queue ever needs. 0 or -ENOMEM.
int net_queue_init(struct net_queue *q, struct net_interface *interface, struct net_port *port,
                   struct transport *tx, struct transport *rx, struct net_journal *journal,
                   struct net_stats *stats, struct net_learnt *learnt);
void net_queue_fini(struct net_queue *q);
// Connects to a front end's rings. With `resume` it goes on where the process before this one was
// killed; -ESTALE if the journal is of other rings.
int net_queue_open(struct net_queue *q, const struct net_connection *connection, bool resume);
void net_queue_close(struct net_queue *q);
// Sends, receives and answers what it can, up to a batch each. True if there may be more at once;
// otherwise q->wait_ns, an event or a frame will bring more.
bool net_queue_work(struct net_queue *q);
// Until there is something to do, or the queue is to stop: then true.
bool net_queue_wait(struct net_queue *q, bool is_busy);
