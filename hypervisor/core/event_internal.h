// SPDX-License-Identifier: MIT
/*
 * What event_channel.c and the two ABIs of delivery (event_2l.c, event_fifo.c) share; nobody else includes it.
 *
 * A port's binding changes under its domain's event lock and under the port's own; either is enough to read it. The two
 * ends of an interdomain pair change together, under both domains' event locks, so that the lock of one end keeps the
 * other end paired. Senders take only the port's lock, with interrupts off.
 */
#pragma once
#include "core/domain.h"
#include "lib/spinlock.h"
#include "lib/types.h"
#include "public/event_channel.h"

#define PORTS_PER_BUCKET   128u
#define MAX_BUCKETS        (EVTCHN_FIFO_NR_CHANNELS / PORTS_PER_BUCKET)
#define PORT_RESERVED      0xffu         /* state of port 0, beside EVTCHNSTAT_* */

struct evtchn {
    struct spinlock lock;
    uint32_t port;                       /* its own number: set once */
    uint8_t state;
    uint8_t priority;                    /* FIFO: queue to use next */
    uint8_t is_raised;                   /* FIFO: pending, but there is no event word yet; atomic */
    uint8_t last_priority;               /* FIFO: queue that it was last put in; under the queue lock */
    uint16_t vcpu;                       /* to notify; always one that exists */
    uint16_t last_vcpu;
    union {
        domid_t remote_dom;              /* unbound: who may bind it */
        struct {
            struct domain *domain;
            struct evtchn *peer;
        } remote;                        /* interdomain */
        uint32_t virq;
        uint32_t pirq;
    } u;
};

struct evtchn_port_ops {
    uint32_t nr_ports;
    /* Deliver. Any context. */
    void (*set_pending)(struct domain *d, struct evtchn *chn);
    void (*clear_pending)(struct domain *d, struct evtchn *chn);
    /* Clear the mask; deliver if it was pending. */
    void (*unmask)(struct domain *d, struct evtchn *chn);
    /* Masked or not. */
    bool (*is_pending)(struct domain *d, uint32_t port);
    /* A closed port that the guest has yet to take off a queue: not to be used again. */
    bool (*is_busy)(struct domain *d, uint32_t port);
};

extern const struct evtchn_port_ops evtchn_2l_ops, evtchn_fifo_ops;

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
    if (unlikely(READ_ONCE(d->evtchn.pollers[0]) | READ_ONCE(d->evtchn.pollers[1])))
        evtchn_wake_pollers(d, port);
}

/* EVTCHNOP_init_control, expand_array: with the domain's event lock. */
int evtchn_fifo_init_control(struct domain *d, struct vcpu *v, struct evtchn_init_control *op);
int evtchn_fifo_expand_array(struct domain *d, const struct evtchn_expand_array *op);
/* Back to two levels; no port is bound any more. */
void evtchn_fifo_destroy(struct domain *d);
