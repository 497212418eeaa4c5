// SPDX-License-Identifier: MIT
// Host stand-in for guest memory word by word: by way of the test's own guest_copy_raw().
#pragma once

#include "core/guest_copy.h"
#include "public/xen.h"

static inline bool guest_store_word(uint64_t to, uint64_t value)
{
    return !guest_copy_raw((void *)(uintptr_t)to, &value, sizeof(value));
}

static inline bool guest_load_u32(uint32_t *value, uint64_t from)
{
    return !guest_copy_raw(value, (const void *)(uintptr_t)from, sizeof(*value));
}

static inline bool guest_load_mmuext(struct mmuext_op *op, uint64_t from)
{
    return !guest_copy_raw(op, (const void *)(uintptr_t)from, sizeof(*op));
}

static inline bool guest_load_call(struct multicall_entry *call, uint64_t from)
{
    return !guest_copy_raw(call, (const void *)(uintptr_t)from, sizeof(*call));
}
