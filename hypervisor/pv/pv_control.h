// SPDX-License-Identifier: MIT
/* What the control operations on PV guests share (pv_domctl.c). */
#pragma once
#include "core/domctl.h"
#include "pv/pv_domain.h"

extern const struct domctl_table pv_domctl;

/* The state of a vCPU that does not run, as pv_domain.c takes it. */
void pv_get_context(const struct pv_vcpu *v, struct vcpu_guest_context *c);

/*
 * cpuid.c: the rows of pv_guest_ops and pv_domctl about a guest's CPU. What does not fit is -XEN_ENOBUFS; a policy with more
 * than the machine has -XEN_EINVAL, and err_* say where.
 */
void pv_cpu_features(uint32_t *words, unsigned nr);
int pv_cpu_sysctl(struct xen_sysctl *op);
int pv_get_cpu_policy(struct domain *d, struct xen_domctl *op);
int pv_set_cpu_policy(struct domain *d, struct xen_domctl *op);
