// SPDX-License-Identifier: MIT
/* The rows of MEMORY_OP that a toolstack prepares a domain with; see memory_op.c. */
#pragma once
#include "lib/base.h"

long memory_map_of_caller(uint64_t arg);
long memory_set_map(uint64_t arg);
long memory_maximum_gpfn(uint64_t arg);
long memory_claim_pages(uint64_t arg);
long memory_acquire_resource(uint64_t arg);
long memory_vnuma(uint64_t arg);
