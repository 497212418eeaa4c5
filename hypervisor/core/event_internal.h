// SPDX-License-Identifier: MIT
/*
 * What event_channel.c and event_fifo.c share; nobody else includes it.
 *
 * A port's binding changes under its domain's event lock and under the port's own; either is enough to read it. The two
 * ends of an interdomain pair change together, under both domains' event locks, so that the lock of one end keeps the
 * other end paired. Senders take only the port's lock, with interrupts off.
 */
#pragma once
#include "core/domain.h"

#define PORTS_PER_BUCKET   128u
#define MAX_BUCKETS        (EVTCHN_FIFO_NR_CHANNELS / PORTS_PER_BUCKET)
#define PORT_RESERVED      0xffu         /* state of port 0, beside EVTCHNSTAT_* */

struct evtchn {
    struct spinlock lock;
    uint32_t port;                       /* its own number: set once */
    uint8_t state;
    uint8_t priority;                    /* FIFO: queue to use next */
    uint8_t last_priority;               /* FIFO: queue that it was last put in; under the queue lock */
    uint16_t vcpu;                       /* to notify; always one that exists */
    uint16_t last_vcpu;
    union evtchn_binding {
        domid_t remote_dom;              /* unbound: who may bind it */
        struct {
            struct domain *domain;
            struct evtchn *peer;
        } remote;                        /* interdomain */
        uint32_t virq;
        uint32_t pirq;
    } u;
};

static inline bool evtchn_is_open(const struct evtchn *chn)
{
    return chn->state != EVTCHNSTAT_closed && chn->state != PORT_RESERVED;
}

/* A hypercall under way with what its argument names, looked up; the event locks of `d` and `far` are held. */
struct evtchn_request {
    struct domain *d;                    /* whose ports */
    struct domain *far;                  /* bind_interdomain: whose is the other end; else d */
    struct vcpu *vcpu;                   /* the one named, or d's first */
    struct evtchn *chn;                  /* the port named, or the one to be opened */
};

/* An index below `size` unchanged, any other 0, also while the CPU speculates past the check. */
static inline uint32_t clamp_index(uint32_t index, uint32_t size)
{
    uint64_t mask;

    __asm__("cmpl %2, %1; sbbq %0, %0" : "=r"(mask) : "r"(index), "r"(size) : "cc");
    return index & (uint32_t)mask;
}

/* The port, which may be closed; NULL if it does not exist. Needs no lock: ports are never taken away. */
static inline struct evtchn *evtchn_lookup(const struct domain *d, uint32_t port)
{
    uint32_t nr = load_acquire(&d->evtchn.nr_ports);

    if (unlikely(port >= nr))
        return NULL;
    port = clamp_index(port, nr);
    return &d->evtchn.bucket[port / PORTS_PER_BUCKET][port % PORTS_PER_BUCKET];
}

static inline struct vcpu *evtchn_target(const struct domain *d, const struct evtchn *chn)
{
    return d->vcpu[READ_ONCE(chn->vcpu)];
}

/* A port became pending: end the polls that wait for it. */
void evtchn_wake_pollers(struct domain *d, uint32_t port);

static inline void evtchn_check_pollers(struct domain *d, uint32_t port)
{
    if (unlikely(READ_ONCE(d->evtchn.nr_pollers)))
        evtchn_wake_pollers(d, port);
}

/* Once d->evtchn.fifo is there: what event_channel.c does by bits in shared_info else. Delivery comes from any context. */
void evtchn_fifo_deliver(struct domain *d, struct evtchn *chn);
void evtchn_fifo_clear_pending(struct domain *d, struct evtchn *chn);
void evtchn_fifo_unmask(struct domain *d, struct evtchn *chn);
/* What the guest has in its word for the port now; 0 if there is none. */
event_word_t evtchn_fifo_read(const struct domain *d, uint32_t port);
/* EVTCHNOP_init_control, expand_array. */
int evtchn_fifo_init_control(struct evtchn_request *r, void *arg);
int evtchn_fifo_expand_array(struct evtchn_request *r, void *arg);
/* Back to two levels; no port is bound any more. */
void evtchn_fifo_destroy(struct domain *d);
