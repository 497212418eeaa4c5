// SPDX-License-Identifier: MIT
/*
 * What toolstacks read and set of a guest's CPUID: the ABI's featureset, a list of words with feature bits only, and whole
 * policies, lists of leaves. A guest is shown the machine less what PV hides, less what its own policy lacks.
 */
#pragma once
#include "public/sysctl.h"
#include "pv/pv_domain.h"

/* Clear in *r, the answer to leaf and subleaf, the features that d's policy does not have. */
struct cpuid;
void cpu_policy_limit(const struct pv_domain *d, uint32_t leaf, uint32_t subleaf, struct cpuid *r);
void cpu_policy_init(struct pv_domain *d);
/* SYSCTL: featureset and policy of the machine. -XEN_ENOSYS for other commands. */
int cpu_policy_sysctl(struct xen_sysctl *op);
void cpu_policy_features(uint32_t *words, unsigned nr);
/* DOMCTL. What does not fit is -XEN_ENOBUFS; a policy with more than the machine has -XEN_EINVAL, and err_* say where. */
int cpu_policy_put(const struct pv_domain *d, uint64_t leaves, uint32_t *nr_leaves, uint64_t msrs, uint32_t *nr_msrs);
int cpu_policy_set(struct pv_domain *d, struct xen_domctl_cpu_policy *p);
