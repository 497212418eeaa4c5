// SPDX-License-Identifier: MIT
/* Checks of what a guest wants to have in a vCPU: shared with VCPUOP_initialise. */
#pragma once
#include "pv/pv_domain.h"

/* Our copy of a trap table row; false if its address is not canonical. */
bool pv_trap_check(const struct trap_info *info, struct pv_trap *t);
/*
 * Make *value what debug register `reg` (0-3, 6, 7) would hold; false if a guest must not have it.
 */
bool pv_debugreg_check(unsigned reg, uint64_t *value);
