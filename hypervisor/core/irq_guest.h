// SPDX-License-Identifier: MIT
/*
 * Physical IRQs as a guest sees them: a pirq number of the domain, mapped to a GSI or an MSI, bound to an event channel
 * port. core/physdev_op.c has them over cpu/irq.h; event_channel.c binds and unbinds.
 */
#pragma once
#include "lib/base.h"

struct domain;
struct vcpu;

/*
 * Let `d` have physical IRQs (the control domain); without it, every pirq operation of the domain is refused. -XEN_ENOMEM.
 */
int pirq_domain_init(struct domain *d);
/* EVTCHNOP_bind_pirq / close: start and stop delivery of `pirq` to `port`. One domain has each line: none is shared. */
int pirq_bind(struct domain *d, unsigned pirq, uint32_t port);
void pirq_unbind(struct domain *d, unsigned pirq);
/* The vCPU that the port notifies changed: steer the interrupt to its CPU. */
void pirq_set_affinity(struct domain *d, unsigned pirq, struct vcpu *v);
