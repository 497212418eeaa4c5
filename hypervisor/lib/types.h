// SPDX-License-Identifier: MIT
// The scalar types of the hypervisor: machine frame numbers, physical addresses, the page size.
// A frame number is a struct, so that it can not be taken for an address or for a guest's number.
#pragma once

#include "lib/compiler.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE (UINT64_C(1) << PAGE_SHIFT)
#define PAGE_OFFSET_MASK (PAGE_SIZE - 1)

// A physical address: of the machine, never of a guest's own numbering.
typedef uint64_t paddr_t;

// A machine frame number.
typedef struct {
    uint64_t n;
} mfn_t;

// Function-like macros, so that a variable may be called mfn and mfn(n) still works beside it.
#define mfn(number) ((mfn_t){ (number) })
#define INVALID_MFN mfn(~UINT64_C(0))

static inline mfn_t mfn_add(mfn_t start, uint64_t count)
{
    return mfn(start.n + count);
}

static inline bool mfn_eq(mfn_t a, mfn_t b)
{
    return a.n == b.n;
}

static inline paddr_t mfn_to_paddr(mfn_t mfn)
{
    return mfn.n << PAGE_SHIFT;
}

// The frame in which the address lies; the offset is dropped.
static inline mfn_t paddr_to_mfn(paddr_t address)
{
    return mfn(address >> PAGE_SHIFT);
}

// How many whole pages hold this many bytes. The caller keeps size_bytes below 2^64 - PAGE_SIZE.
static inline uint64_t pages_of_bytes(uint64_t size_bytes)
{
    return (size_bytes + PAGE_OFFSET_MASK) >> PAGE_SHIFT;
}
