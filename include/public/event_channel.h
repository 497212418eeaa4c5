// SPDX-License-Identifier: MIT
//
// Event channels: the sub-operations of hypercall 32 and their arguments, and the FIFO layout of
// pending events, which a guest may ask for instead of shared_info's bitmaps.
// Source: Xen's public event_channel.h, 4.17.

#pragma once

#include "xen.h"

#define EVTCHNOP_bind_interdomain 0
#define EVTCHNOP_bind_virq        1
#define EVTCHNOP_bind_pirq        2
#define EVTCHNOP_close            3
#define EVTCHNOP_send             4
#define EVTCHNOP_status           5
#define EVTCHNOP_alloc_unbound    6
#define EVTCHNOP_bind_ipi         7
#define EVTCHNOP_bind_vcpu        8
#define EVTCHNOP_unmask           9
#define EVTCHNOP_reset           10
#define EVTCHNOP_init_control    11
#define EVTCHNOP_expand_array    12
#define EVTCHNOP_set_priority    13

// evtchn_bind_pirq.flags
#define BIND_PIRQ__WILL_SHARE 1

// evtchn_status.status
#define EVTCHNSTAT_closed      0
#define EVTCHNSTAT_unbound     1
#define EVTCHNSTAT_interdomain 2
#define EVTCHNSTAT_pirq        3
#define EVTCHNSTAT_virq        4
#define EVTCHNSTAT_ipi         5

// Bitmaps hold 64 words of 64 ports. Port 0 is never valid.
#define EVTCHN_2L_NR_CHANNELS 4096

// Lower numbers go first.
#define EVTCHN_FIFO_PRIORITY_MAX     0
#define EVTCHN_FIFO_PRIORITY_DEFAULT 7
#define EVTCHN_FIFO_PRIORITY_MIN     15
#define EVTCHN_FIFO_MAX_QUEUES       (EVTCHN_FIFO_PRIORITY_MIN + 1)

// Bit numbers in an event word; below them is the port that follows in its queue.
#define EVTCHN_FIFO_PENDING     31
#define EVTCHN_FIFO_MASKED      30
#define EVTCHN_FIFO_LINKED      29
#define EVTCHN_FIFO_BUSY        28
#define EVTCHN_FIFO_LINK_BITS   17
#define EVTCHN_FIFO_LINK_MASK   ((1 << EVTCHN_FIFO_LINK_BITS) - 1)
#define EVTCHN_FIFO_NR_CHANNELS (1 << EVTCHN_FIFO_LINK_BITS)

#ifndef __ASSEMBLY__

typedef uint32_t evtchn_port_t;
typedef uint32_t event_word_t;

struct evtchn_alloc_unbound {
    domid_t dom;             // whose port
    domid_t remote_dom;      // who may bind it
    evtchn_port_t port;      // out
};

struct evtchn_bind_interdomain {
    domid_t remote_dom;
    evtchn_port_t remote_port;
    evtchn_port_t local_port;    // out
};

struct evtchn_bind_virq {
    uint32_t virq;           // VIRQ_*
    uint32_t vcpu;           // 0 if the interrupt is not one per vCPU
    evtchn_port_t port;      // out
};

struct evtchn_bind_pirq {
    uint32_t pirq;
    uint32_t flags;          // BIND_PIRQ__*
    evtchn_port_t port;      // out
};

struct evtchn_bind_ipi {
    uint32_t vcpu;
    evtchn_port_t port;      // out
};

struct evtchn_close {
    evtchn_port_t port;
};

struct evtchn_send {
    evtchn_port_t port;
};

struct evtchn_status {
    domid_t dom;
    evtchn_port_t port;
    uint32_t status;         // out: EVTCHNSTAT_*; it selects u
    uint32_t vcpu;           // out
    union {
        struct {
            domid_t dom;
        } unbound;
        struct {
            domid_t dom;
            evtchn_port_t port;
        } interdomain;
        uint32_t pirq;
        uint32_t virq;
    } u;
};

struct evtchn_bind_vcpu {
    evtchn_port_t port;
    uint32_t vcpu;
};

struct evtchn_unmask {
    evtchn_port_t port;
};

struct evtchn_reset {
    domid_t dom;
};

// Gives a vCPU its control block; the first call switches the domain to FIFO.
struct evtchn_init_control {
    uint64_t control_gfn;    // a machine frame of a PV guest
    uint32_t offset;         // bytes in it; the block must fit, 8-byte aligned
    uint32_t vcpu;
    uint8_t link_bits;       // out
    uint8_t _pad[7];
};

// Adds one page of event words, up to EVTCHN_FIFO_NR_CHANNELS.
struct evtchn_expand_array {
    uint64_t array_gfn;
};

struct evtchn_set_priority {
    evtchn_port_t port;
    uint32_t priority;       // EVTCHN_FIFO_PRIORITY_MAX..MIN
};

// The older hypercall 16: number and argument in one.
struct evtchn_op {
    uint32_t cmd;
    union {
        struct evtchn_alloc_unbound alloc_unbound;
        struct evtchn_bind_interdomain bind_interdomain;
        struct evtchn_bind_virq bind_virq;
        struct evtchn_bind_pirq bind_pirq;
        struct evtchn_bind_ipi bind_ipi;
        struct evtchn_close close;
        struct evtchn_send send;
        struct evtchn_status status;
        struct evtchn_bind_vcpu bind_vcpu;
        struct evtchn_unmask unmask;
    } u;
};

struct evtchn_fifo_control_block {
    uint32_t ready;                           // one bit for each queue that is not empty
    uint32_t _rsvd;
    uint32_t head[EVTCHN_FIFO_MAX_QUEUES];    // first port of each queue
};

#endif
