// SPDX-License-Identifier: MIT
/*
 * The only way to touch guest memory by guest address: the current vCPU's, in its kernel address space. The range is
 * checked against our hole, faults are caught; nothing is read twice. Each returns 0, or -XEN_EFAULT with an unknown
 * part done.
 */
#pragma once
#include "mm/layout.h"

/* cpu/usercopy.S: bytes left uncopied; SMAP is opened around the copy. */
size_t guest_copy_raw(void *to, const void *from, size_t size);

static inline int copy_from_guest(void *to, uint64_t from, size_t size)
{
    if (unlikely(!guest_range_ok(from, size)) || guest_copy_raw(to, (const void *)(uintptr_t)from, size))
        return -XEN_EFAULT;
    return 0;
}

static inline int copy_to_guest(uint64_t to, const void *from, size_t size)
{
    if (unlikely(!guest_range_ok(to, size)) || guest_copy_raw((void *)(uintptr_t)to, from, size))
        return -XEN_EFAULT;
    return 0;
}
