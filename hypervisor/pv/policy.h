// SPDX-License-Identifier: MIT
/* CPU policy: what a PV guest's kernel sees of CPUID and MSRs. One table each (cpuid.c, msr.c). */
#pragma once
#include "cpu/regs.h"
#include "pv/pv_domain.h"

/* The leaf as the guest's forced CPUID shows it. */
struct cpuid pv_cpuid(const struct pv_vcpu *v, uint32_t leaf, uint32_t subleaf);
/* 0, or -XEN_EINVAL: the guest gets #GP. */
int pv_read_msr(struct pv_vcpu *v, uint32_t msr, uint64_t *value);
int pv_write_msr(struct pv_vcpu *v, uint32_t msr, uint64_t value);
