// SPDX-License-Identifier: MIT
/*
 * Physical IRQs as a guest sees them: a pirq number of the domain, mapped to a GSI or an MSI, bound
 * to an event channel port. Defined in core/pirq.c over cpu/irq.h; event_channel.c calls bind and
 * unbind.
 */
#pragma once
#include "lib/types.h"

struct domain;
struct vcpu;
struct pirq_table;

/*
 * Let `d` have physical IRQs (the control domain); without it, every pirq operation of the domain
 * is refused. -XEN_ENOMEM.
 */
int pirq_domain_init(struct domain *d);
/* Stop and give back all of them, when the domain's ports are closed. */
void pirq_domain_destroy(struct domain *d);
/* PHYSDEVOP_map_pirq: `pirq` negative asks for any. Return the pirq number or an error. */
int pirq_map_gsi(struct domain *d, unsigned gsi, int pirq);
struct pirq_msi_request {
    uint16_t segment;
    uint8_t bus, devfn;
    unsigned entry;
    uint64_t table_base;            /* 0: MSI, else MSI-X */
};
int pirq_map_msi(struct domain *d, const struct pirq_msi_request *request, int pirq);
int pirq_unmap(struct domain *d, unsigned pirq);
/* Does the guest have to call PHYSDEVOP_eoi for it? -XEN_EINVAL if there is no such pirq. */
int pirq_needs_eoi(struct domain *d, unsigned pirq);
/*
 * PHYSDEVOP_pirq_eoi_gmfn: keep the answers to pirq_needs_eoi in a page of the guest's, a bit for
 * each.
 */
int pirq_set_eoi_page(struct domain *d, uint64_t gfn);
/* PHYSDEVOP_restore_msi: write messages and masks of a device anew. */
void pirq_restore_msi(struct domain *d, uint16_t segment, uint8_t bus, uint8_t devfn);

/* EVTCHNOP_bind_pirq / close: start and stop delivery of `pirq` to `port`. One domain has each line: none is shared. */
int pirq_bind(struct domain *d, unsigned pirq, uint32_t port);
void pirq_unbind(struct domain *d, unsigned pirq);
/* The vCPU that the port notifies changed: steer the interrupt to its CPU. */
void pirq_set_affinity(struct domain *d, unsigned pirq, struct vcpu *v);
/* PHYSDEVOP_eoi: the guest is done with it. -XEN_EINVAL if there is no such pirq. */
int pirq_eoi(struct domain *d, unsigned pirq);
