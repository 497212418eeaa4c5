// SPDX-License-Identifier: MIT
//
// The core of the PV ABI: hypercall numbers, virtual interrupts, page-table operations, reserved
// domain identifiers, the pages shared with a guest, and what a guest finds at its entry point.
// Everything outside the C part may be included by assembly. Source: Xen's public xen.h, 4.17.

#pragma once

#include "arch-x86/xen.h"

// Hypercall numbers. Arguments go in rdi, rsi, rdx, r10, r8; the result comes back in rax.
#define __HYPERVISOR_set_trap_table              0
#define __HYPERVISOR_mmu_update                  1
#define __HYPERVISOR_set_gdt                     2
#define __HYPERVISOR_stack_switch                3
#define __HYPERVISOR_set_callbacks               4
#define __HYPERVISOR_fpu_taskswitch              5
#define __HYPERVISOR_sched_op_compat             6
#define __HYPERVISOR_platform_op                 7
#define __HYPERVISOR_set_debugreg                8
#define __HYPERVISOR_get_debugreg                9
#define __HYPERVISOR_update_descriptor          10
#define __HYPERVISOR_memory_op                  12
#define __HYPERVISOR_multicall                  13
#define __HYPERVISOR_update_va_mapping          14
#define __HYPERVISOR_set_timer_op               15
#define __HYPERVISOR_event_channel_op_compat    16
#define __HYPERVISOR_xen_version                17
#define __HYPERVISOR_console_io                 18
#define __HYPERVISOR_physdev_op_compat          19
#define __HYPERVISOR_grant_table_op             20
#define __HYPERVISOR_vm_assist                  21
#define __HYPERVISOR_update_va_mapping_otherdomain 22
#define __HYPERVISOR_iret                       23
#define __HYPERVISOR_vcpu_op                    24
#define __HYPERVISOR_set_segment_base           25
#define __HYPERVISOR_mmuext_op                  26
#define __HYPERVISOR_xsm_op                     27
#define __HYPERVISOR_nmi_op                     28
#define __HYPERVISOR_sched_op                   29
#define __HYPERVISOR_callback_op                30
#define __HYPERVISOR_xenoprof_op                31
#define __HYPERVISOR_event_channel_op           32
#define __HYPERVISOR_physdev_op                 33
#define __HYPERVISOR_hvm_op                     34
#define __HYPERVISOR_sysctl                     35
#define __HYPERVISOR_domctl                     36
#define __HYPERVISOR_kexec_op                   37
#define __HYPERVISOR_tmem_op                    38
#define __HYPERVISOR_argo_op                    39
#define __HYPERVISOR_xenpmu_op                  40
#define __HYPERVISOR_dm_op                      41
#define __HYPERVISOR_hypfs_op                   42
#define __HYPERVISOR_arch_0                     48    // machine-check operations
#define __HYPERVISOR_arch_1                     49
#define __HYPERVISOR_arch_2                     50
#define __HYPERVISOR_arch_3                     51
#define __HYPERVISOR_arch_4                     52
#define __HYPERVISOR_arch_5                     53
#define __HYPERVISOR_arch_6                     54
#define __HYPERVISOR_arch_7                     55

// Virtual interrupts. V: one per vCPU, G: one per domain or one for the whole host.
#define VIRQ_TIMER       0     // V
#define VIRQ_DEBUG       1     // V
#define VIRQ_CONSOLE     2     // G, dom0: input on the emergency console
#define VIRQ_DOM_EXC     3     // G, dom0: a domain changed its state
#define VIRQ_TBUF        4     // G, dom0
#define VIRQ_DEBUGGER    6     // G, dom0
#define VIRQ_XENOPROF    7     // V
#define VIRQ_CON_RING    8     // G, dom0: bytes in the console ring
#define VIRQ_PCPU_STATE  9     // G, dom0
#define VIRQ_MEM_EVENT  10     // G, dom0
#define VIRQ_ARGO       11     // G
#define VIRQ_ENOMEM     12     // G, dom0
#define VIRQ_XENPMU     13     // V
#define VIRQ_ARCH_0     16     // G, dom0: machine check
#define VIRQ_ARCH_1     17
#define VIRQ_ARCH_2     18
#define VIRQ_ARCH_3     19
#define VIRQ_ARCH_4     20
#define VIRQ_ARCH_5     21
#define VIRQ_ARCH_6     22
#define VIRQ_ARCH_7     23
#define NR_VIRQS        24

// mmu_update: bits 0-1 of ptr say what is written, the rest of ptr is a machine address.
#define MMU_NORMAL_PT_UPDATE       0    // val: the new entry
#define MMU_MACHPHYS_UPDATE        1    // val: the frame's new guest-physical number
#define MMU_PT_UPDATE_PRESERVE_AD  2    // as 0, but accessed and dirty bits stay
#define MMU_PT_UPDATE_NO_TRANSLATE 3

#define MMUEXT_PIN_L1_TABLE       0     // arg1.mfn
#define MMUEXT_PIN_L2_TABLE       1     // arg1.mfn
#define MMUEXT_PIN_L3_TABLE       2     // arg1.mfn
#define MMUEXT_PIN_L4_TABLE       3     // arg1.mfn
#define MMUEXT_UNPIN_TABLE        4     // arg1.mfn
#define MMUEXT_NEW_BASEPTR        5     // arg1.mfn
#define MMUEXT_TLB_FLUSH_LOCAL    6
#define MMUEXT_INVLPG_LOCAL       7     // arg1.linear_addr
#define MMUEXT_TLB_FLUSH_MULTI    8     // arg2.vcpumask
#define MMUEXT_INVLPG_MULTI       9     // arg1.linear_addr, arg2.vcpumask
#define MMUEXT_TLB_FLUSH_ALL     10
#define MMUEXT_INVLPG_ALL        11     // arg1.linear_addr
#define MMUEXT_FLUSH_CACHE       12
#define MMUEXT_SET_LDT           13     // arg1.linear_addr, arg2.nr_ents
#define MMUEXT_NEW_USER_BASEPTR  15     // arg1.mfn, 0 for none
#define MMUEXT_CLEAR_PAGE        16     // arg1.mfn
#define MMUEXT_COPY_PAGE         17     // arg1.mfn, from arg2.src_mfn
#define MMUEXT_FLUSH_CACHE_GLOBAL 18
#define MMUEXT_MARK_SUPER        19
#define MMUEXT_UNMARK_SUPER      20

// update_va_mapping's flags: a kind of flush and whose TLBs. Without ALL, what lies above the
// lowest three bits is the address of a bitmap of vCPUs, or 0 for the calling one.
#define UVMF_NONE           xen_mk_ulong(0)
#define UVMF_TLB_FLUSH      xen_mk_ulong(1)
#define UVMF_INVLPG         xen_mk_ulong(2)
#define UVMF_FLUSHTYPE_MASK xen_mk_ulong(3)
#define UVMF_MULTI          xen_mk_ulong(0)
#define UVMF_LOCAL          xen_mk_ulong(0)
#define UVMF_ALL            xen_mk_ulong(4)

// console_io(cmd, count, buffer): count in bytes; read returns the number of bytes.
#define CONSOLEIO_write 0
#define CONSOLEIO_read  1

#define VMASST_CMD_enable  0
#define VMASST_CMD_disable 1

#define VMASST_TYPE_4gb_segments         0
#define VMASST_TYPE_4gb_segments_notify  1
#define VMASST_TYPE_writable_pagetables  2
#define VMASST_TYPE_pae_extended_cr3     3
#define VMASST_TYPE_architectural_iopl   4
#define VMASST_TYPE_runstate_update_flag 5
#define VMASST_TYPE_m2p_strict          32

// Domain identifiers below FIRST_RESERVED name domains; the others mean:
#define DOMID_FIRST_RESERVED xen_mk_uint(0x7FF0)
#define DOMID_SELF           xen_mk_uint(0x7FF0)    // the caller
#define DOMID_IO             xen_mk_uint(0x7FF1)    // owner of device memory
#define DOMID_XEN            xen_mk_uint(0x7FF2)    // owner of what the hypervisor shares
#define DOMID_COW            xen_mk_uint(0x7FF3)
#define DOMID_INVALID        xen_mk_uint(0x7FF4)
#define DOMID_IDLE           xen_mk_uint(0x7FFF)
#define DOMID_MASK           xen_mk_uint(0x7FFF)

// start_info.flags
#define SIF_PRIVILEGED      (1 << 0)
#define SIF_INITDOMAIN      (1 << 1)
#define SIF_MULTIBOOT_MOD   (1 << 2)
#define SIF_MOD_START_PFN   (1 << 3)    // mod_start is a frame number, the module is not mapped
#define SIF_VIRT_P2M_4TOOLS (1 << 4)    // arch_shared_info.p2m_* are understood
#define SIF_PM_MASK         (0xFF << 8)

#define MAX_GUEST_CMDLINE 1024          // bytes, the closing zero among them

// vcpu_time_info.flags
#define XEN_PVCLOCK_TSC_STABLE_BIT (1 << 0)
#define XEN_PVCLOCK_GUEST_STOPPED  (1 << 1)

#define XEN_VGATYPE_TEXT_MODE_3 0x03
#define XEN_VGATYPE_VESA_LFB    0x23
#define XEN_VGATYPE_EFI_LFB     0x70

#ifndef __ASSEMBLY__

typedef uint16_t domid_t;
typedef uint8_t xen_domain_handle_t[16];

// A set that an operation of a toolstack names.
struct xenctl_bitmap {
    xen_guest_va_t bitmap;
    uint32_t nr_bits;
};

struct mmuext_op {
    uint32_t cmd;    // MMUEXT_*
    union {
        xen_pfn_t mfn;
        xen_ulong_t linear_addr;
    } arg1;
    union {
        uint32_t nr_ents;
        xen_guest_va_t vcpumask;
        xen_pfn_t src_mfn;
    } arg2;
};

struct mmu_update {
    uint64_t ptr;    // machine address, MMU_* in bits 0-1
    uint64_t val;
};

struct multicall_entry {
    xen_ulong_t op;        // in: __HYPERVISOR_*
    xen_ulong_t result;    // out
    xen_ulong_t args[6];
};

// Time of a vCPU: system_time + ((tsc - tsc_timestamp) << tsc_shift) * tsc_to_system_mul >> 32,
// in nanoseconds since the host booted (a negative shift goes right).
struct vcpu_time_info {
    uint32_t version;              // odd while being written
    uint32_t pad0;
    uint64_t tsc_timestamp;
    uint64_t system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad1[2];
};

// 64 bytes: a registered one never crosses a page.
struct vcpu_info {
    uint8_t evtchn_upcall_pending;
    uint8_t evtchn_upcall_mask;
    xen_ulong_t evtchn_pending_sel;    // one bit for each word of evtchn_pending
    struct arch_vcpu_info arch;
    struct vcpu_time_info time;
};

struct shared_info {
    struct vcpu_info vcpu_info[XEN_LEGACY_MAX_VCPUS];
    xen_ulong_t evtchn_pending[64];
    xen_ulong_t evtchn_mask[64];
    uint32_t wc_version;               // odd while the wall clock is being written
    uint32_t wc_sec;                   // wall clock at system time 0, since 1970
    uint32_t wc_nsec;
    uint32_t wc_sec_hi;
    struct arch_shared_info arch;
};

// Handed to a new guest kernel; rsi holds its guest-virtual address.
struct start_info {
    char magic[32];                    // "xen-<major>.<minor>-<architecture>"
    xen_ulong_t nr_pages;
    xen_ulong_t shared_info;           // machine address
    uint32_t flags;                    // SIF_*
    xen_pfn_t store_mfn;
    uint32_t store_evtchn;
    union {
        struct {
            xen_pfn_t mfn;
            uint32_t evtchn;
        } domU;
        struct {
            uint32_t info_off;         // bytes from start_info to dom0_vga_console_info
            uint32_t info_size;        // bytes, 0 for none
        } dom0;
    } console;
    xen_ulong_t pt_base;               // guest-virtual
    xen_ulong_t nr_pt_frames;
    xen_ulong_t mfn_list;              // guest-virtual
    xen_ulong_t mod_start;             // guest-virtual, or a frame number (SIF_MOD_START_PFN)
    xen_ulong_t mod_len;               // bytes
    int8_t cmd_line[MAX_GUEST_CMDLINE];
    xen_ulong_t first_p2m_pfn;         // the table's own frames, if its place was asked for
    xen_ulong_t nr_p2m_frames;
};

// Modules of a guest that was started with SIF_MULTIBOOT_MOD.
struct xen_multiboot_mod_list {
    uint32_t mod_start;
    uint32_t mod_end;
    uint32_t cmdline;
    uint32_t pad;
};

// The screen that dom0 inherits.
struct dom0_vga_console_info {
    uint8_t video_type;                // XEN_VGATYPE_*
    union {
        struct {
            uint16_t font_height;      // pixels
            uint16_t cursor_x;         // characters
            uint16_t cursor_y;
            uint16_t rows;
            uint16_t columns;
        } text_mode_3;
        struct {
            uint16_t width;            // pixels
            uint16_t height;
            uint16_t bytes_per_line;
            uint16_t bits_per_pixel;
            uint32_t lfb_base;         // machine address, low half
            uint32_t lfb_size;         // units of 64 KiB
            uint8_t red_pos;           // bits
            uint8_t red_size;
            uint8_t green_pos;
            uint8_t green_size;
            uint8_t blue_pos;
            uint8_t blue_size;
            uint8_t rsvd_pos;
            uint8_t rsvd_size;
            uint32_t gbl_caps;
            uint16_t mode_attrs;
            uint16_t pad;
            uint32_t ext_lfb_base;     // high half
        } vesa_lfb;
    } u;
};

#endif
