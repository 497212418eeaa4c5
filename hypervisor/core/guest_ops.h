// SPDX-License-Identifier: MIT
/*
 * What the type of guest, pv/, defines for core/, which knows nothing else of it.
 */
#pragma once
#include "lib/base.h"

struct domain;
struct vcpu;
struct frame;

/* Objects: the type allocates them (it embeds struct domain and struct vcpu); NULL without memory. */
struct domain *guest_domain_alloc(void);
void guest_domain_free(struct domain *d);
struct vcpu *guest_vcpu_alloc(struct domain *d, unsigned id);
void guest_vcpu_free(struct vcpu *v);
/* Release guest memory that the type's state holds, no vCPU runs any more; -XEN_ERESTART to be called again. */
int guest_domain_relinquish(struct domain *d);
/* Let go of what is special about an allocated frame at its domain's end; -XEN_ERESTART to finish by domain_relinquish. */
int guest_frame_relinquish(struct domain *d, struct frame *f);
/* The ABI's featureset of the machine, from its start. */
void guest_cpu_features(uint32_t *words, unsigned nr);
/* Take a vCPU's context from the caller's memory `ctxt`: all of it, or of one that has one already registers and entries. */
int guest_vcpu_initialise(struct vcpu *v, uint64_t ctxt);
/* Mark an NMI pending for `v`. */
void guest_inject_nmi(struct vcpu *v);
/* PHYSDEVOP_set_iopl and set_iobitmap for the current vCPU, checked. The bitmap stays in guest memory. */
void guest_set_iopl(struct vcpu *v, unsigned iopl);
void guest_set_iobitmap(struct vcpu *v, uint64_t bitmap, uint32_t nr_ports);
/*
 * Time parameters of `v` changed: write its vcpu_time_info, also to the area that the guest registered, its kernel's address
 * space loaded. Any CPU may call for current only.
 */
void guest_update_time(struct vcpu *v);
/* The wall clock was set, or the domain is new: write the domain's copy. Any CPU; serialised by the caller. */
void guest_update_wallclock(struct domain *d);
/*
 * Grant mappings, for the current vCPU: write (`map`) or clear a leaf that maps `m` of `owner`. `addr` is a linear
 * address, or the machine address of an L1 entry when GNTMAP_contains_pte is in `flags`. Mapping takes the references
 * that it needs itself (general and, if not GNTMAP_readonly, writable type); unmapping checks that the leaf really
 * maps `m` and drops them. Neither need flush: the caller does, before the granter hears of it. GNTST_ codes.
 */
int guest_grant_leaf(struct domain *d, uint64_t addr, mfn_t m, unsigned owner, uint32_t flags, bool map);
/* References for data access without a mapping; false if there is no such frame, or it cannot be had so. */
bool guest_get_data(struct domain *d, mfn_t m, bool writable);
void guest_put_data(mfn_t m, bool writable);
