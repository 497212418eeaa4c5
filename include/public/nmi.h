// SPDX-License-Identifier: MIT
//
// Non-maskable interrupts of dom0: the sub-operations of hypercall 28, and the reasons that
// arch_shared_info.nmi_reason gives. Source: Xen's public nmi.h, 4.17.

#pragma once

#include "xen.h"

#define XENNMI_register_callback   0
#define XENNMI_unregister_callback 1

#define _XEN_NMIREASON_io_error 0
#define XEN_NMIREASON_io_error  (xen_mk_ulong(1) << _XEN_NMIREASON_io_error)
#define _XEN_NMIREASON_pci_serr 1
#define XEN_NMIREASON_pci_serr  (xen_mk_ulong(1) << _XEN_NMIREASON_pci_serr)
#define _XEN_NMIREASON_unknown  2
#define XEN_NMIREASON_unknown   (xen_mk_ulong(1) << _XEN_NMIREASON_unknown)

#ifndef __ASSEMBLY__

struct xennmi_callback {
    xen_ulong_t handler_address;    // guest-virtual
    xen_ulong_t pad;
};

#endif
