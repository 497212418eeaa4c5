// SPDX-License-Identifier: MIT
/*
 * Event channels: ports of a domain, each unbound, bound to a peer's port, a virtual IRQ, an IPI or a physical IRQ.
 * event_2l.c and event_fifo.c are the two ABIs by which a pending port reaches the guest.
 */
#pragma once
#include "lib/spinlock.h"
#include "lib/types.h"
#include "public/event_channel.h"
#include "public/xen.h"

struct domain;
struct vcpu;
struct evtchn;
struct evtchn_fifo_vcpu;
struct evtchn_fifo_domain;
struct evtchn_port_ops;

struct evtchn_vcpu {
    uint32_t virq_port[NR_VIRQS];         /* 0: not bound; under the domain's event lock, read by the sender under it */
    uint32_t poll_port;                   /* SCHEDOP_poll: 0 none, else first port polled (0xffffffff: several) */
    struct evtchn_fifo_vcpu *fifo;        /* control block and queues; NULL until EVTCHNOP_init_control */
};

struct evtchn_domain {
    struct spinlock lock;                 /* guards what follows and the binding of all ports; never in interrupts */
    struct evtchn **bucket;               /* ports in pages; grown, never shrunk before the domain dies */
    uint32_t nr_ports;                    /* ports that exist */
    uint32_t nr_used;                     /* ports that are bound or unbound, not closed */
    uint32_t first_free;                  /* none below it can be had */
    uint32_t reset_next;                  /* where a preempted reset goes on */
    uint32_t max_port;                    /* highest allowed */
    const struct evtchn_port_ops *ops;    /* 2-level or FIFO */
    struct evtchn_fifo_domain *fifo;
    uint64_t pollers[2];                  /* a bit for each vCPU that may be in SCHEDOP_poll; atomic */
};

int evtchn_domain_init(struct domain *d);
/* Close every port; -XEN_ERESTART to be called again. */
int evtchn_domain_relinquish(struct domain *d);
void evtchn_domain_destroy(struct domain *d);      /* the same at once, then frees all, also what vCPUs have */
/* Send VIRQ `virq` to `v` (per-vCPU ones) or to the domain's bound vCPU (global ones). Any context, interrupts any. */
void evtchn_send_virq(struct vcpu *v, unsigned virq);
void evtchn_send_global_virq(struct domain *d, unsigned virq);
/* A physical IRQ fired for the port bound to `pirq`. From interrupt context. */
void evtchn_send_pirq(struct domain *d, uint32_t port);
/* Does `v` have an unmasked event it would be called for? (upcall_pending and not masked, or polled port pending) */
bool evtchn_vcpu_pending(const struct vcpu *v);
/* Mark pending for the vCPU and kick it: the last step of every delivery. */
void evtchn_mark_upcall(struct vcpu *v);
/*
 * SCHEDOP_poll by the current vCPU: 0 if one of the ports is pending now, 1 if none, -XEN_EINVAL for a bad port. Sets
 * poll_port first, and from then on a port that becomes pending kicks the vCPU: so VPF_POLL must be set before the call.
 * Whoever ends the poll sets poll_port to 0.
 */
int evtchn_poll_check(struct vcpu *v, const uint32_t *ports, unsigned nr);
/* After a vCPU's vcpu_info moved: deliver again what is pending. */
void evtchn_vcpu_info_moved(struct vcpu *v);
