// SPDX-License-Identifier: MIT
/*
 * Physical IRQs as a guest sees them: a pirq number of the domain, mapped to a GSI or an MSI, bound to an event
 * channel port. Defined in core/pirq.c over cpu/irq.h; event_channel.c calls bind and unbind.
 */
#pragma once
#include "lib/types.h"

struct domain;
struct vcpu;

/* EVTCHNOP_bind_pirq / close: start and stop delivery of `pirq` to `port`. */
int pirq_bind(struct domain *d, unsigned pirq, uint32_t port, bool will_share);
void pirq_unbind(struct domain *d, unsigned pirq);
/* The vCPU that the port notifies changed: steer the interrupt to its CPU. */
void pirq_set_affinity(struct domain *d, unsigned pirq, struct vcpu *v);
/* PHYSDEVOP_eoi and EVTCHNOP_unmask of a pirq port: the guest is done with it. */
void pirq_eoi(struct domain *d, unsigned pirq);
