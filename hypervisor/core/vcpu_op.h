// SPDX-License-Identifier: MIT
/*
 * What a vCPU carries for its hypercall (VCPUOP): its timers and the areas in which its guest watches time pass. The
 * scheduler calls the switch hooks.
 */
#pragma once
#include "lib/types.h"

struct vcpu;

void vcpu_op_init(struct vcpu *v);
void vcpu_op_destroy(struct vcpu *v);
/* Give back the frame of a registered vcpu_info: for the guest type's domain_relinquish, while `v` does not run. */
void vcpu_unmap_info(struct vcpu *v);

/* `v` comes to or leaves this CPU; interrupts off, no lock held. Its periodic timer runs only while it does. */
void vcpu_switched_in(struct vcpu *v, uint64_t now);
void vcpu_switched_out(struct vcpu *v);

/*
 * Write the current vCPU's runstate to the place that its guest registered. Its kernel address space must be loaded; a
 * place that is not mapped is passed over silently, since the guest may have unmapped it.
 */
void vcpu_publish_runstate(struct vcpu *v);
