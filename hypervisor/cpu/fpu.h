// SPDX-License-Identifier: MIT
/* A vCPU's FPU and extended state: saved and restored eagerly at a switch between guests. */
#pragma once
#include "lib/base.h"

struct fpu_state;
struct fpu_state *fpu_alloc(void);                 /* in reset state; NULL without memory */
void fpu_free(struct fpu_state *f);
void fpu_save(struct fpu_state *f);
void fpu_restore(const struct fpu_state *f);
/* Load the FXSAVE image of a vcpu_guest_context (512 bytes, hostile: reserved MXCSR bits are cleared). */
void fpu_load_fxsave(struct fpu_state *f, const void *image);
void fpu_store_fxsave(const struct fpu_state *f, void *image);
/* The XSAVE area of one that is not loaded, its size and the guest's XCR0; NULL without XSAVE. */
const void *fpu_xstate(const struct fpu_state *f, uint64_t *xcr0, size_t *size);
/* Take over such an area, hostile: -XEN_EINVAL if XRSTOR would refuse it. */
int fpu_load_xstate(struct fpu_state *f, uint64_t xcr0, const void *area, size_t size);
/* XSETBV by the guest: -XEN_EINVAL for a value that the CPU or our policy refuses. */
int fpu_set_xcr0(struct fpu_state *f, uint64_t xcr0);
