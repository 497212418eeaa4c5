// SPDX-License-Identifier: MIT
//
// Entry points of a PV kernel: the sub-operations of hypercall 30 and their arguments. Addresses
// are guest-virtual and canonical. Source: Xen's public callback.h, 4.17.

#pragma once

#include "xen.h"

#define CALLBACKOP_register   0
#define CALLBACKOP_unregister 1

#define CALLBACKTYPE_event               0
#define CALLBACKTYPE_failsafe            1
#define CALLBACKTYPE_syscall             2
#define CALLBACKTYPE_sysenter_deprecated 3
#define CALLBACKTYPE_nmi                 4
#define CALLBACKTYPE_sysenter            5
#define CALLBACKTYPE_syscall32           7

// callback_register.flags: entering masks events.
#define _CALLBACKF_mask_events 0
#define CALLBACKF_mask_events  (xen_mk_uint(1) << _CALLBACKF_mask_events)

#ifndef __ASSEMBLY__

struct callback_register {
    uint16_t type;             // CALLBACKTYPE_*
    uint16_t flags;            // CALLBACKF_*
    xen_callback_t address;
};

struct callback_unregister {
    uint16_t type;
    uint16_t _unused;
};

#endif
