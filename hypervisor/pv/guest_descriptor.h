// SPDX-License-Identifier: MIT
/* A vCPU's descriptor window: where the CPU reads its GDT and LDT (mm/layout.h). */
#pragma once
#include "pv/pv_domain.h"

/* Take a window slot for a new vCPU: -XEN_ENOMEM, or 0. Given back when no CPU has it loaded. */
int pv_window_create(struct pv_vcpu *v);
void pv_window_destroy(struct pv_vcpu *v);
/*
 * Let the window show `cpu`'s reserved descriptors; interrupts off, the window not loaded anywhere.
 */
void pv_window_set_cpu(struct pv_vcpu *v, unsigned cpu);

static inline uint64_t pv_window_address(const struct pv_vcpu *v)
{
    return DESC_WINDOW_START + (uint64_t)v->window * DESC_WINDOW_SIZE;
}

/*
 * Make *descriptor fit for a guest: code and data get DPL 3; false for what no guest may have
 * (gates, TSS, LDT). What is not present is harmless.
 */
bool pv_descriptor_sanitise(uint64_t *descriptor);
/*
 * Take `entries` descriptors in the frames `mfns` as v's GDT: all or nothing, the old one goes.
 * -XEN_EINVAL. v is current or does not run.
 */
int pv_set_gdt(struct pv_vcpu *v, const uint64_t *mfns, uint32_t entries);
/* Base and mode of the code segment `selector`, as the loaded tables have it; false if it is none. Current vCPU. */
bool pv_code_segment(const struct pv_vcpu *v, uint16_t selector, uint64_t *base, bool *long_mode);
