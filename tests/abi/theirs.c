// SPDX-License-Identifier: MIT
//
// The table as libxen-dev's headers have it, in the view of tools built for the newest interface.
// Two error numbers are shown to the hypervisor only.

#undef __STRICT_ANSI__    // domctl.h wants GNU C's unions without a name, which C11 has too

#include <stdint.h>

#define __XEN__
#include <xen/errno.h>
#undef __XEN__

#define __XEN_TOOLS__
#include <xen/arch-x86/cpuid.h>
#include <xen/callback.h>
#include <xen/domctl.h>
#include <xen/elfnote.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/io/blkif.h>
#include <xen/io/console.h>
#include <xen/io/netif.h>
#include <xen/io/ring.h>
#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/xen.h>

// Ours alone: where they have a handle, we have its address.
typedef XEN_GUEST_HANDLE(void) xen_guest_va_t;

#define ABI_LIST abi_list_theirs
#include "table.inc"
