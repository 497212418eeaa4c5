// SPDX-License-Identifier: MIT
/*
 * IO-APICs: one redirection entry per global system interrupt (GSI). Only irq.c changes entries,
 * under the interrupt's lock.
 */
#pragma once
#include "cpu/irq.h"

/* Boot: map a chip and mask all its pins. 0, -XEN_ENOSPC or -XEN_ENOMEM. */
int ioapic_add(unsigned id, paddr_t address, unsigned gsi_base);
/* GSIs that exist are below this number; there may be holes. */
unsigned ioapic_nr_gsis(void);
bool ioapic_has_gsi(unsigned gsi);
/*
 * Make a pin's entry say this. One that changes its vector is masked meanwhile; one that only moves
 * is not, so no edge gets lost.
 */
void ioapic_write_route(unsigned gsi, const struct irq_route *route);
/* A register as dom0 asks for it, of the chip at `address`. 0 or -XEN_EINVAL. */
int ioapic_read_register(paddr_t address, uint32_t reg, uint32_t *value);
