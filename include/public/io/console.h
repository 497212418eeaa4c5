// SPDX-License-Identifier: MIT
//
// The page by which a guest's console reaches whoever looks after it: `out` is from the guest. Positions run on and wrap
// at 2^32. Source: Xen's public io/console.h, 4.17.

#pragma once

#ifndef __ASSEMBLY__

#include <stdint.h>

typedef uint32_t XENCONS_RING_IDX;

struct xencons_interface {
    char in[1024];
    char out[2048];
    XENCONS_RING_IDX in_cons, in_prod;
    XENCONS_RING_IDX out_cons, out_prod;
};

#endif
