// SPDX-License-Identifier: MIT
//
// Counters, each written by one thread, that another process may read at any time.
#pragma once

#include <stdint.h>

static inline void stats_add(uint64_t *counter, uint64_t amount)
{
    __atomic_store_n(counter, *counter + amount, __ATOMIC_RELAXED);
}
