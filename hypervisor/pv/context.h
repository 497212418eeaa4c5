// SPDX-License-Identifier: MIT
/* Which vCPU's state the CPU holds, and when it lets go of it. */
#pragma once
#include "pv/pv_domain.h"

/* Once, before any guest: what SOFTIRQ_VCPU does. */
void pv_context_init(void);
/* guest_ops.save and load; interrupts off. load needs cpu_info()->current to be `v` already. */
void pv_save(struct vcpu *v);
void pv_load(struct vcpu *v);
/* CR4 and DR0-7 of the current vCPU as its saved state says: after that has changed. */
void pv_load_cr4(const struct pv_vcpu *v);
void pv_load_debug_registers(const struct pv_vcpu *v);
/* Make every CPU forget what it still holds of a domain none of whose vCPUs runs. Interrupts on. */
void pv_drop_loaded(struct domain *d);
