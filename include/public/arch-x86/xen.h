// SPDX-License-Identifier: MIT
//
// What the PV ABI says about x86-64: selectors, the hypervisor's part of the address space, saved
// registers, trap tables, a vCPU's initial state. Only the 64-bit ABI; 32-bit PV guests are not
// served. Everything outside the C parts may be included by assembly.
// Source: Xen's public arch-x86/xen.h and arch-x86/xen-x86_64.h, 4.17.

#pragma once

// Suffixes that assemblers do not know.
#ifdef __ASSEMBLY__
#define xen_mk_uint(x) x
#define xen_mk_ulong(x) x
#define xen_mk_ullong(x) x
#else
#define __xen_mk_uint(x) x ## U
#define __xen_mk_ulong(x) x ## UL
#define __xen_mk_ullong(x) x ## ULL
#define xen_mk_uint(x) __xen_mk_uint(x)
#define xen_mk_ulong(x) __xen_mk_ulong(x)
#define xen_mk_ullong(x) __xen_mk_ullong(x)
#endif

// The top pages of a guest's GDT belong to the hypervisor; a guest has 14 pages below them.
#define FIRST_RESERVED_GDT_PAGE 14
#define FIRST_RESERVED_GDT_BYTE (FIRST_RESERVED_GDT_PAGE * 4096)
#define FIRST_RESERVED_GDT_ENTRY (FIRST_RESERVED_GDT_BYTE / 8)

// Flat selectors in that reserved part, all of ring 3. The null selector is a data segment too.
#define FLAT_RING3_CS32 0xe023
#define FLAT_RING3_CS64 0xe033
#define FLAT_RING3_DS32 0xe02b
#define FLAT_RING3_DS64 0x0000
#define FLAT_RING3_SS32 0xe02b
#define FLAT_RING3_SS64 0xe02b

#define FLAT_KERNEL_CS64 FLAT_RING3_CS64
#define FLAT_KERNEL_CS32 FLAT_RING3_CS32
#define FLAT_KERNEL_CS   FLAT_KERNEL_CS64
#define FLAT_KERNEL_DS64 FLAT_RING3_DS64
#define FLAT_KERNEL_DS32 FLAT_RING3_DS32
#define FLAT_KERNEL_DS   FLAT_KERNEL_DS64
#define FLAT_KERNEL_SS64 FLAT_RING3_SS64
#define FLAT_KERNEL_SS32 FLAT_RING3_SS32
#define FLAT_KERNEL_SS   FLAT_KERNEL_SS64

#define FLAT_USER_CS64 FLAT_RING3_CS64
#define FLAT_USER_CS32 FLAT_RING3_CS32
#define FLAT_USER_CS   FLAT_USER_CS64
#define FLAT_USER_DS64 FLAT_RING3_DS64
#define FLAT_USER_DS32 FLAT_RING3_DS32
#define FLAT_USER_DS   FLAT_USER_DS64
#define FLAT_USER_SS64 FLAT_RING3_SS64
#define FLAT_USER_SS32 FLAT_RING3_SS32
#define FLAT_USER_SS   FLAT_USER_SS64

// L4 slots 256..271 are the hypervisor's in every address space; guests see only the
// machine-to-physical table in there, 8 bytes for each machine frame, read-only.
#define __HYPERVISOR_VIRT_START 0xFFFF800000000000
#define __HYPERVISOR_VIRT_END   0xFFFF880000000000
#define __MACH2PHYS_VIRT_START  0xFFFF800000000000
#define __MACH2PHYS_VIRT_END    0xFFFF804000000000
#define HYPERVISOR_VIRT_START xen_mk_ulong(__HYPERVISOR_VIRT_START)
#define HYPERVISOR_VIRT_END   xen_mk_ulong(__HYPERVISOR_VIRT_END)
#define MACH2PHYS_VIRT_START  xen_mk_ulong(__MACH2PHYS_VIRT_START)
#define MACH2PHYS_VIRT_END    xen_mk_ulong(__MACH2PHYS_VIRT_END)
#define MACH2PHYS_NR_ENTRIES  ((MACH2PHYS_VIRT_END - MACH2PHYS_VIRT_START) >> 3)

// set_segment_base(which, base): base is a canonical address, for _SEL a selector.
#define SEGBASE_FS          0
#define SEGBASE_GS_USER     1
#define SEGBASE_GS_KERNEL   2
#define SEGBASE_GS_USER_SEL 3

// Bits of vcpu_guest_context.flags; in_syscall is also a bit of iret_context.flags.
#define _VGCF_i387_valid 0
#define VGCF_i387_valid (1 << _VGCF_i387_valid)
#define VGCF_I387_VALID VGCF_i387_valid
#define _VGCF_in_kernel 2
#define VGCF_in_kernel (1 << _VGCF_in_kernel)
#define VGCF_IN_KERNEL VGCF_in_kernel
#define _VGCF_failsafe_disables_events 3
#define VGCF_failsafe_disables_events (1 << _VGCF_failsafe_disables_events)
#define _VGCF_syscall_disables_events 4
#define VGCF_syscall_disables_events (1 << _VGCF_syscall_disables_events)
#define _VGCF_online 5
#define VGCF_online (1 << _VGCF_online)
#define _VGCF_in_syscall 8
#define VGCF_in_syscall (1 << _VGCF_in_syscall)
#define VGCF_IN_SYSCALL VGCF_in_syscall

#define XEN_HAVE_PV_GUEST_ENTRY 1
#define XEN_HAVE_PV_UPCALL_MASK 1

// vCPUs whose vcpu_info lies in shared_info; the others must register a place of their own.
#define XEN_LEGACY_MAX_VCPUS 32

#define XEN_HVM_DEBUGCONS_IOPORT 0xe9

// UD2 and "xen", in front of an instruction that the hypervisor is to emulate.
#ifdef __ASSEMBLY__
#define XEN_EMULATE_PREFIX .byte 0x0f, 0x0b, 0x78, 0x65, 0x6e;
#define XEN_CPUID XEN_EMULATE_PREFIX cpuid
#else
#define XEN_EMULATE_PREFIX ".byte 0x0f,0x0b,0x78,0x65,0x6e ; "
#define XEN_CPUID XEN_EMULATE_PREFIX "cpuid"
#endif

#define XEN_CPUID_NO_SUBLEAF 0xffffffff

#ifndef __ASSEMBLY__

#include <stdint.h>

typedef uint64_t xen_pfn_t;        // a frame number: machine or guest-physical, as the name says
typedef uint64_t xen_ulong_t;
typedef uint64_t xen_callback_t;   // a guest-virtual entry point

// A guest's virtual address. The ABI has typed pointers in these places: same size, same layout,
// but nobody outside the guest can follow one without checking and copying.
typedef uint64_t xen_guest_va_t;

// CR3 holds the machine frame of the L4 table in its usual place.
#define xen_pfn_to_cr3(pfn) ((xen_ulong_t)(pfn) << 12)
#define xen_cr3_to_pfn(cr3) ((xen_ulong_t)(cr3) >> 12)

// One row of set_trap_table; a row whose address is 0 ends the table.
struct trap_info {
    uint8_t vector;
    uint8_t flags;       // bits 0-1: lowest ring that may raise it; bit 2: entry masks events
    uint16_t cs;
    xen_ulong_t address;
};

#define TI_GET_DPL(_ti) ((_ti)->flags & 3)
#define TI_GET_IF(_ti) ((_ti)->flags & 4)

// What the iret hypercall takes from the guest's stack, lowest address first.
struct iret_context {
    uint64_t rax;
    uint64_t r11;
    uint64_t rcx;
    uint64_t flags;      // VGCF_in_syscall: restore by SYSRET's rules
    uint64_t rip;
    uint64_t cs;
    uint64_t rflags;
    uint64_t rsp;
    uint64_t ss;
};

struct cpu_user_regs {
    uint64_t r15;
    uint64_t r14;
    uint64_t r13;
    uint64_t r12;
    uint64_t rbp;
    uint64_t rbx;
    uint64_t r11;
    uint64_t r10;
    uint64_t r9;
    uint64_t r8;
    uint64_t rax;
    uint64_t rcx;
    uint64_t rdx;
    uint64_t rsi;
    uint64_t rdi;
    uint32_t error_code;
    uint32_t entry_vector;
    uint64_t rip;
    uint16_t cs;
    uint16_t _pad0[1];
    uint8_t saved_upcall_mask;
    uint8_t _pad1[3];
    uint64_t rflags;
    uint64_t rsp;
    uint16_t ss;
    uint16_t _pad2[3];
    uint16_t es;
    uint16_t _pad3[3];
    uint16_t ds;
    uint16_t _pad4[3];
    uint16_t fs;
    uint16_t _pad5[3];
    uint16_t gs;
    uint16_t _pad6[3];
};

// The state a vCPU starts with: VCPUOP_initialise, and the builder of a domain.
struct vcpu_guest_context {
    struct {
        uint8_t x[512];              // an FXSAVE image
    } fpu_ctxt;
    xen_ulong_t flags;               // VGCF_*
    struct cpu_user_regs user_regs;
    struct trap_info trap_ctxt[256];
    xen_ulong_t ldt_base;            // guest-virtual
    xen_ulong_t ldt_ents;
    xen_ulong_t gdt_frames[16];      // machine frames
    xen_ulong_t gdt_ents;
    xen_ulong_t kernel_ss;
    xen_ulong_t kernel_sp;
    xen_ulong_t ctrlreg[8];          // [1]: L4 of user mode, [3]: L4 of kernel mode, as CR3 values
    xen_ulong_t debugreg[8];
    xen_ulong_t event_callback_eip;
    xen_ulong_t failsafe_callback_eip;
    xen_ulong_t syscall_callback_eip;
    xen_ulong_t vm_assist;           // one bit for each VMASST_TYPE_*
    uint64_t fs_base;
    uint64_t gs_base_kernel;
    uint64_t gs_base_user;
};

// The tail of shared_info. The guest writes all of it but nmi_reason.
struct arch_shared_info {
    xen_ulong_t max_pfn;                     // one past the highest in the p2m tree
    xen_pfn_t pfn_to_mfn_frame_list_list;    // machine frame, root of the p2m tree
    xen_ulong_t nmi_reason;                  // XEN_NMIREASON_*
    xen_ulong_t p2m_cr3;                     // 0: use the tree; else p2m_vaddr is valid in it
    xen_ulong_t p2m_vaddr;
    xen_ulong_t p2m_generation;              // odd while the guest changes the mapping
};

// Of xen_domctl_createdomain; both are 0 for a PV guest.
struct xen_arch_domainconfig {
    uint32_t emulation_flags;
    uint32_t misc_flags;
};

// CPUID and MSRs as toolstacks exchange them: what a guest is to see.
struct xen_cpuid_leaf {
    uint32_t leaf;
    uint32_t subleaf;                        // XEN_CPUID_NO_SUBLEAF for a leaf that has none
    uint32_t a;
    uint32_t b;
    uint32_t c;
    uint32_t d;
};

struct xen_msr_entry {
    uint32_t idx;
    uint32_t flags;
    uint64_t val;
};

struct arch_vcpu_info {
    xen_ulong_t cr2;    // of the page fault being delivered
    xen_ulong_t pad;
};

#endif
