// SPDX-License-Identifier: MIT
//
// A ring shared by a frontend and a backend: one or more pages, of which the first 64 bytes are the
// four indices below and the rest are entries, as many as fit, rounded down to a power of two.
//
//     0 req_prod    the frontend's: requests it has put
//     4 req_event   the backend wants an event when req_prod passes this
//     8 rsp_prod    the backend's: responses it has put
//    12 rsp_event   the frontend wants an event when rsp_prod passes this
//    16             of no use to block devices
//    64 entries     a request is overwritten by a response, not always its own
//
// Indices run freely over 32 bits; an entry is found by the low bits. Source: Xen's public io/ring.h.

#pragma once

#ifndef __ASSEMBLY__

#include <stdint.h>

typedef uint32_t RING_IDX;

#endif
