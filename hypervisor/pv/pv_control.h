// SPDX-License-Identifier: MIT
/* What the control operations on PV guests share (pv_domctl.c). */
#pragma once
#include "core/domctl.h"
#include "pv/pv_domain.h"

extern const struct domctl_table pv_domctl;

/* The state of a vCPU that does not run, as pv_domain.c takes it. */
void pv_get_context(const struct pv_vcpu *v, struct vcpu_guest_context *c);
