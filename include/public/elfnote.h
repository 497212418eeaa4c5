// SPDX-License-Identifier: MIT
//
// Types of the ELF notes, named "Xen", by which a kernel says how it wants to be started, and of
// those in crash and core dumps. N: the value is a number of 4 or 8 bytes, S: a string.
// Source: Xen's public elfnote.h, 4.17.

#pragma once

#define XEN_ELFNOTE_INFO                0    // S
#define XEN_ELFNOTE_ENTRY               1    // N, guest-virtual
#define XEN_ELFNOTE_HYPERCALL_PAGE      2    // N, guest-virtual
#define XEN_ELFNOTE_VIRT_BASE           3    // N, guest-virtual
#define XEN_ELFNOTE_PADDR_OFFSET        4    // N
#define XEN_ELFNOTE_XEN_VERSION         5    // S, "xen-3.0"
#define XEN_ELFNOTE_GUEST_OS            6    // S
#define XEN_ELFNOTE_GUEST_VERSION       7    // S
#define XEN_ELFNOTE_LOADER              8    // S, "generic"
#define XEN_ELFNOTE_PAE_MODE            9    // S
#define XEN_ELFNOTE_FEATURES           10    // S, names with ! in front of those required
#define XEN_ELFNOTE_BSD_SYMTAB         11    // S, "yes"
#define XEN_ELFNOTE_HV_START_LOW       12    // N, guest-virtual
#define XEN_ELFNOTE_L1_MFN_VALID       13    // pairs of N: mask and value
#define XEN_ELFNOTE_SUSPEND_CANCEL     14    // N
#define XEN_ELFNOTE_INIT_P2M           15    // N, guest-virtual place of the first p2m
#define XEN_ELFNOTE_MOD_START_PFN      16    // N, not 0: the module need not be mapped
#define XEN_ELFNOTE_SUPPORTED_FEATURES 17    // N, one bit for each XENFEAT_*
#define XEN_ELFNOTE_PHYS32_ENTRY       18    // N, entry point of hardware-assisted guests
#define XEN_ELFNOTE_MAX XEN_ELFNOTE_PHYS32_ENTRY

#define XEN_ELFNOTE_CRASH_INFO              0x1000001
#define XEN_ELFNOTE_CRASH_REGS              0x1000002
#define XEN_ELFNOTE_DUMPCORE_NONE           0x2000000
#define XEN_ELFNOTE_DUMPCORE_HEADER         0x2000001
#define XEN_ELFNOTE_DUMPCORE_XEN_VERSION    0x2000002
#define XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION 0x2000003
