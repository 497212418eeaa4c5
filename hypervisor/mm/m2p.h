// SPDX-License-Identifier: MIT
/*
 * The machine-to-phys table: which pseudo-physical frame number a guest gives to a machine frame.
 * Guests read it at M2P_VIRT_START; it is advisory, nothing of ours relies on its contents. Boot
 * makes it in 2 MiB pages (boot/memory.c).
 */
#pragma once
#include "lib/types.h"

#define M2P_INVALID UINT64_MAX

/* `m` is valid. Any CPU; guests race with themselves only. */
void m2p_set(mfn_t m, uint64_t pfn);
/* The frame that holds the table's `chunk`th 2 MiB; INVALID_MFN beyond its end. */
mfn_t m2p_chunk_mfn(uint64_t chunk);
