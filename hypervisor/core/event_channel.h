// SPDX-License-Identifier: MIT
/* Event channels: ports of a domain, each unbound, bound to a peer's port, a virtual IRQ, an IPI or a physical IRQ. */
#pragma once
#include "lib/base.h"
#include "public/event_channel.h"

struct domain;
struct vcpu;
struct evtchn;
struct evtchn_fifo;

struct evtchn_vcpu {
    uint32_t virq_port[NR_VIRQS];         /* 0: not bound; under the domain's event lock, read by the sender under it */
    uint32_t poll_port;                   /* SCHEDOP_poll: 0 none, else the port polled (0xffffffff: several); atomic */
};

struct evtchn_domain {
    struct spinlock lock;                 /* guards what follows and the binding of all ports; never in interrupts */
    struct evtchn **bucket;               /* ports in pages; grown, never shrunk before the domain dies */
    uint32_t nr_ports;                    /* ports that exist */
    uint32_t nr_used;                     /* ports that are bound or unbound, not closed */
    uint32_t first_free;                  /* none below it can be had */
    uint32_t reset_next;                  /* where a preempted reset goes on */
    uint32_t max_port;                    /* highest allowed */
    struct evtchn_fifo *fifo;             /* NULL: two-level delivery */
    uint32_t nr_pollers;                  /* vCPUs whose poll_port is not 0; atomic */
};

int evtchn_domain_init(struct domain *d);
/* Close every port; -XEN_ERESTART to be called again. */
int evtchn_domain_relinquish(struct domain *d);
void evtchn_domain_destroy(struct domain *d);      /* the same at once, then frees all, also what vCPUs have */
/* Send VIRQ `virq` to `v`, or if it is one for the whole domain to whom it is bound there. Any context, interrupts any. */
void evtchn_send_virq(struct vcpu *v, unsigned virq);
/* A physical IRQ fired for the port bound to `pirq`. From interrupt context. */
void evtchn_send_pirq(struct domain *d, uint32_t port);
/* Does `v` have an unmasked event it would be called for? (upcall_pending and not masked, or polled port pending) */
bool evtchn_vcpu_pending(const struct vcpu *v);
/* Mark pending for the vCPU and kick it: the last step of every delivery. */
void evtchn_mark_upcall(struct vcpu *v);
/*
 * SCHEDOP_poll by the current vCPU: 0 if one of the ports is pending now, 1 if none, -XEN_EINVAL for a bad port. Sets
 * poll_port first, and from then on a port that becomes pending kicks the vCPU: so VPF_POLL must be set before the call.
 * Whoever ends the poll calls vcpu_end_poll() (core/domain.h).
 */
int evtchn_poll_check(struct vcpu *v, const uint32_t *ports, unsigned nr);
/* After a vCPU's vcpu_info moved: deliver again what is pending. */
void evtchn_vcpu_info_moved(struct vcpu *v);

/* ---- Physical IRQs (physdev_op.c): a pirq number of the domain, mapped to a GSI or an MSI, bound to a port ---- */

/*
 * Let `d` have physical IRQs (the control domain); without it, every pirq operation of the domain is refused. -XEN_ENOMEM.
 */
int pirq_domain_init(struct domain *d);
/* EVTCHNOP_bind_pirq / close: start and stop delivery of `pirq` to `port`. One domain has each line: none is shared. */
int pirq_bind(struct domain *d, unsigned pirq, uint32_t port);
void pirq_unbind(struct domain *d, unsigned pirq);
/* The vCPU that the port notifies changed: steer the interrupt to its CPU. */
void pirq_set_affinity(struct domain *d, unsigned pirq, struct vcpu *v);
