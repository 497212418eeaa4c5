// SPDX-License-Identifier: MIT
/*
 * The control interface: DOMCTL and SYSCTL, by which the control domain manages the others and looks at the machine. An
 * operation is a row of a table; what depends on the type of guest stands in the type's own table, guest_domctl.
 */
#pragma once
#include "core/domain.h"
#include "public/sysctl.h"

#define DOMCTL_OUT      1u      /* copy the argument back when the result is >= 0, or a restart */
#define DOMCTL_OTHERS   2u      /* not on the caller itself: -XEN_EINVAL */
#define DOMCTL_PAUSED   4u      /* the domain, never the caller, does not run meanwhile */
#define DOMCTL_OUT_ALWAYS 8u    /* copy it back whatever the result is */
#define DOMCTL_NO_DOMAIN 16u    /* the handler, which gets NULL, looks for the domain itself */
#define NR_DOMCTLS (XEN_DOMCTL_set_cpu_policy + 1)

struct domctl_row {
    /* `d` is referenced. -XEN_ERESTART: `op` goes back to the caller, who comes again with it. */
    int (*handler)(struct domain *d, struct xen_domctl *op);
    unsigned flags;
    int (*vcpu_handler)(struct vcpu *v, struct xen_domctl *op);     /* in its place: `v` is what the first word names */
};

/* By number, pv/pv_domctl.c. */
extern const struct domctl_row guest_domctl[NR_DOMCTLS];

/* What getdomaininfo tells of `d`. */
void domain_describe(struct domain *d, struct xen_domctl_getdomaininfo *info);

/* Sets that an operation names: bits beyond the set are clear, and those beyond `nr` are not looked at. */
int domctl_get_bitmap(const struct xenctl_bitmap *from, uint64_t *bits, unsigned nr);
int domctl_put_bitmap(const struct xenctl_bitmap *to, const uint64_t *bits, unsigned nr);
