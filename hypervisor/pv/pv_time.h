// SPDX-License-Identifier: MIT
/* Time as a PV guest reads it: vcpu_time_info and the wall clock in shared_info. */
#pragma once
#include "pv/pv_domain.h"

/*
 * Write the current vCPU's time parameters anew if this CPU's have changed since; kernel address
 * space loaded.
 */
void pv_time_refresh(struct pv_vcpu *v);
/* The same for a vCPU in either address space: on the way out to it. */
void pv_time_refresh_any(struct pv_vcpu *v);
/* Write them in any case, also to the area that the guest registered. guest_ops.update_time. */
void pv_update_time(struct vcpu *v);
/* The wall clock has been set, or the domain is new. Any CPU; serialised by the caller. */
void pv_update_wallclock(struct domain *d);
