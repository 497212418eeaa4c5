// SPDX-License-Identifier: MIT
//
// CPUID leaves by which a guest recognises the hypervisor. A PV guest asks with the prefix of
// XEN_EMULATE_PREFIX, because CPUID itself does not trap. Leaf 0 gives the number of leaves and the
// signature "XenVMMXenVMM", leaf 1 the version, leaf 2 the features, leaf 3 the time source.
// Source: Xen's public arch-x86/cpuid.h and arch-x86/xen.h, 4.17.

#pragma once

#define XEN_CPUID_FIRST_LEAF 0x40000000
#define XEN_CPUID_LEAF(i)    (XEN_CPUID_FIRST_LEAF + (i))

#define XEN_CPUID_SIGNATURE_EBX 0x566e6558    // "XenV"
#define XEN_CPUID_SIGNATURE_ECX 0x65584d4d    // "MMXe"
#define XEN_CPUID_SIGNATURE_EDX 0x4d4d566e    // "nVMM"

// Leaf 2, ecx
#define _XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD 0
#define XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD \
    (1 << _XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD)

// Leaf 4, eax: only of guests that run in hardware-assisted mode
#define XEN_HVM_CPUID_APIC_ACCESS_VIRT (1 << 0)
#define XEN_HVM_CPUID_X2APIC_VIRT      (1 << 1)
#define XEN_HVM_CPUID_IOMMU_MAPPINGS   (1 << 2)
#define XEN_HVM_CPUID_VCPU_ID_PRESENT  (1 << 3)
#define XEN_HVM_CPUID_DOMID_PRESENT    (1 << 4)
#define XEN_HVM_CPUID_EXT_DEST_ID      (1 << 5)
#define XEN_HVM_CPUID_UPCALL_VECTOR    (1 << 6)

// Leaf 5, ebx of PV guests: bits in a machine address
#define XEN_CPUID_MACHINE_ADDRESS_WIDTH_MASK (0xff << 0)

#define XEN_CPUID_MAX_NUM_LEAVES 5
