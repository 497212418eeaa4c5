// SPDX-License-Identifier: MIT
/* I/O ports as the control domain sees them. */
#pragma once
#include "pv/pv_domain.h"

/* May the current context use `size` ports from `port` on? By virtual IOPL, or by the user's permission bitmap. */
bool pv_ports_allowed(const struct pv_vcpu *v, unsigned port, unsigned size);
/* Do it: real ports for the control domain, but for those that are ours, where reads are all ones and writes go nowhere. */
uint32_t pv_port_read(struct pv_vcpu *v, unsigned port, unsigned size);
void pv_port_write(struct pv_vcpu *v, unsigned port, unsigned size, uint32_t value);
