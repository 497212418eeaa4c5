// SPDX-License-Identifier: MIT
/*
 * IO-APICs: one redirection entry per global system interrupt (GSI). Only irq.c changes entries,
 * under the interrupt's lock; the index and data registers of one chip are used under the chip's
 * lock.
 */
#pragma once
#include "lib/types.h"

struct ioapic_route {
    uint32_t apic_id;           /* physical destination */
    uint8_t vector;
    bool is_level;
    bool is_active_low;
    bool is_masked;
};

/* Boot: map a chip and mask all its pins. 0, -XEN_ENOSPC or -XEN_ENOMEM. */
int ioapic_add(unsigned id, paddr_t address, unsigned gsi_base);
/* GSIs that exist are below this number; there may be holes. */
unsigned ioapic_nr_gsis(void);
bool ioapic_has_gsi(unsigned gsi);
/* Write a whole entry. A pin that changes its vector is masked meanwhile. */
void ioapic_write_route(unsigned gsi, const struct ioapic_route *route);
/* Change only where a pin's interrupts go: one write, so none is lost on the way. */
void ioapic_write_destination(unsigned gsi, uint32_t apic_id);
void ioapic_set_mask(unsigned gsi, bool masked);
/* A register as dom0 asks for it, of the chip at `address`. 0 or -XEN_EINVAL. */
int ioapic_read_register(paddr_t address, uint32_t reg, uint32_t *value);
