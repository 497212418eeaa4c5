// SPDX-License-Identifier: MIT
//
// The machine as dom0's kernel manages it: the sub-operations of hypercall 7. Its only argument is
// struct xen_platform_op, which must carry XENPF_INTERFACE_VERSION. Source: Xen's public
// platform.h, 4.17.

#pragma once

#include "xen.h"

#define XENPF_INTERFACE_VERSION 0x03000001

#define XENPF_settime32            17
#define XENPF_add_memtype          31
#define XENPF_del_memtype          32
#define XENPF_read_memtype         33
#define XENPF_microcode_update     35
#define XENPF_platform_quirk       39
#define XENPF_get_cpu_version      48
#define XENPF_efi_runtime_call     49
#define XENPF_firmware_info        50
#define XENPF_enter_acpi_sleep     51
#define XENPF_change_freq          52
#define XENPF_getidletime          53
#define XENPF_set_processor_pminfo 54
#define XENPF_get_cpuinfo          55
#define XENPF_cpu_online           56
#define XENPF_cpu_offline          57
#define XENPF_cpu_hotadd           58
#define XENPF_mem_hotadd           59
#define XENPF_core_parking         60
#define XENPF_resource_op          61
#define XENPF_settime64            62
#define XENPF_get_symbol           63
#define XENPF_settime              XENPF_settime64

#define QUIRK_NOIRQBALANCING     1
#define QUIRK_IOAPIC_BAD_REGSEL  2
#define QUIRK_IOAPIC_GOOD_REGSEL 3

// xenpf_efi_runtime_call.function
#define XEN_EFI_get_time                      1
#define XEN_EFI_set_time                      2
#define XEN_EFI_get_wakeup_time               3
#define XEN_EFI_set_wakeup_time               4
#define XEN_EFI_get_next_high_monotonic_count 5
#define XEN_EFI_get_variable                  6
#define XEN_EFI_set_variable                  7
#define XEN_EFI_get_next_variable_name        8
#define XEN_EFI_query_variable_info           9
#define XEN_EFI_query_capsule_capabilities   10
#define XEN_EFI_update_capsule               11

// xenpf_efi_runtime_call.misc, in or out as the function has it
#define XEN_EFI_GET_TIME_SET_CLEARS_NS      0x00000001
#define XEN_EFI_GET_WAKEUP_TIME_ENABLED     0x00000001
#define XEN_EFI_GET_WAKEUP_TIME_PENDING     0x00000002
#define XEN_EFI_SET_WAKEUP_TIME_ENABLE      0x00000001
#define XEN_EFI_SET_WAKEUP_TIME_ENABLE_ONLY 0x00000002
#define XEN_EFI_VARIABLE_NON_VOLATILE       0x00000001
#define XEN_EFI_VARIABLE_BOOTSERVICE_ACCESS 0x00000002
#define XEN_EFI_VARIABLE_RUNTIME_ACCESS     0x00000004
#define XEN_EFI_VARINFO_BOOT_SNAPSHOT       0x00000001

// xenpf_firmware_info.type; index counts drives for the two of disks
#define XEN_FW_DISK_INFO          1
#define XEN_FW_DISK_MBR_SIGNATURE 2
#define XEN_FW_VBEDDC_INFO        3
#define XEN_FW_EFI_INFO           4
#define XEN_FW_KBD_SHIFT_FLAGS    5

// xenpf_firmware_info.index of EFI_INFO
#define XEN_FW_EFI_VERSION          0
#define XEN_FW_EFI_CONFIG_TABLE     1
#define XEN_FW_EFI_VENDOR           2
#define XEN_FW_EFI_MEM_INFO         3
#define XEN_FW_EFI_RT_VERSION       4
#define XEN_FW_EFI_PCI_ROM          5
#define XEN_FW_EFI_APPLE_PROPERTIES 6

#define XENPF_ACPI_SLEEP_EXTENDED 0x00000001

// Availability of processor power data
#define XEN_PROCESSOR_PM_CX 1
#define XEN_PROCESSOR_PM_PX 2
#define XEN_PROCESSOR_PM_TX 4

// xenpf_set_processor_pminfo.type
#define XEN_PM_CX  0
#define XEN_PM_PX  1
#define XEN_PM_TX  2
#define XEN_PM_PDC 3

// xen_processor_performance.flags: which parts are filled
#define XEN_PX_PCT 1
#define XEN_PX_PSS 2
#define XEN_PX_PPC 4
#define XEN_PX_PSD 8

#define XEN_CPUPERF_SHARED_TYPE_HW  1
#define XEN_CPUPERF_SHARED_TYPE_ALL 2
#define XEN_CPUPERF_SHARED_TYPE_ANY 3

#define XEN_PCPU_FLAGS_ONLINE  1
#define XEN_PCPU_FLAGS_INVALID 2    // no such CPU

#define XEN_CORE_PARKING_SET 1
#define XEN_CORE_PARKING_GET 2

#define XEN_RESOURCE_OP_MSR_READ  0
#define XEN_RESOURCE_OP_MSR_WRITE 1

#ifndef __ASSEMBLY__

// Wall clock, since 1970, at a system time in nanoseconds.
struct xenpf_settime32 {
    uint32_t secs;
    uint32_t nsecs;
    uint64_t system_time;
};

struct xenpf_settime64 {
    uint64_t secs;
    uint32_t nsecs;
    uint32_t mbz;
    uint64_t system_time;
};

struct xenpf_add_memtype {
    xen_pfn_t mfn;
    uint64_t nr_mfns;
    uint32_t type;
    uint32_t handle;    // out
    uint32_t reg;       // out
};

struct xenpf_del_memtype {
    uint32_t handle;
    uint32_t reg;
};

struct xenpf_read_memtype {
    uint32_t reg;
    xen_pfn_t mfn;      // out, as the two below
    uint64_t nr_mfns;
    uint32_t type;
};

struct xenpf_microcode_update {
    xen_guest_va_t data;
    uint32_t length;    // bytes
};

struct xenpf_platform_quirk {
    uint32_t quirk_id;
};

struct xenpf_efi_time {
    uint16_t year;
    uint8_t month;
    uint8_t day;
    uint8_t hour;
    uint8_t min;
    uint8_t sec;
    uint32_t ns;
    int16_t tz;         // minutes
    uint8_t daylight;
};

struct xenpf_efi_guid {
    uint32_t data1;
    uint16_t data2;
    uint16_t data3;
    uint8_t data4[8];
};

struct xenpf_efi_runtime_call {
    uint32_t function;
    uint32_t misc;
    xen_ulong_t status;    // out: the firmware's EFI_STATUS
    union {
        struct {
            struct xenpf_efi_time time;
            uint32_t resolution;
            uint32_t accuracy;
        } get_time;
        struct xenpf_efi_time set_time;
        struct xenpf_efi_time get_wakeup_time;
        struct xenpf_efi_time set_wakeup_time;
        struct {
            xen_guest_va_t name;           // 16-bit characters, closed by a zero
            xen_ulong_t size;              // bytes
            xen_guest_va_t data;
            struct xenpf_efi_guid vendor_guid;
        } get_variable, set_variable;
        struct {
            xen_ulong_t size;              // bytes
            xen_guest_va_t name;
            struct xenpf_efi_guid vendor_guid;
        } get_next_variable_name;
        struct {
            uint32_t attr;
            uint64_t max_store_size;       // bytes, as the two below
            uint64_t remain_store_size;
            uint64_t max_size;
        } query_variable_info;
        struct {
            xen_guest_va_t capsule_header_array;
            xen_ulong_t capsule_count;
            uint64_t max_capsule_size;
            uint32_t reset_type;
        } query_capsule_capabilities;
        struct {
            xen_guest_va_t capsule_header_array;
            xen_ulong_t capsule_count;
            uint64_t sg_list;              // machine address
        } update_capsule;
    } u;
};

union xenpf_efi_info {
    uint32_t version;
    struct {
        uint64_t addr;                     // machine address
        uint32_t nent;
    } cfg;
    struct {
        uint32_t revision;
        uint32_t bufsz;                    // bytes, in and out
        xen_guest_va_t name;               // 16-bit characters
    } vendor;
    struct {
        uint64_t addr;                     // machine address, in; the rest is out
        uint64_t size;
        uint64_t attr;
        uint32_t type;
    } mem;
    struct {
        uint16_t segment;
        uint8_t bus;
        uint8_t devfn;
        uint16_t vendor;
        uint16_t devid;
        uint64_t address;                  // out
        xen_ulong_t size;                  // out
    } pci_rom;
    struct {
        uint64_t address;
        xen_ulong_t size;
    } apple_properties;
};

struct xenpf_firmware_info {
    uint32_t type;
    uint32_t index;
    union {
        struct {
            uint8_t device;                // BIOS number of the drive
            uint8_t version;
            uint16_t interface_support;
            uint16_t legacy_max_cylinder;
            uint8_t legacy_max_head;
            uint8_t legacy_sectors_per_track;
            xen_guest_va_t edd_params;     // its first two bytes say how much room there is
        } disk_info;
        struct {
            uint8_t device;
            uint32_t mbr_signature;
        } disk_mbr_signature;
        struct {
            uint8_t capabilities;
            uint8_t edid_transfer_time;    // seconds for 128 bytes
            xen_guest_va_t edid;           // 128 bytes
        } vbeddc_info;
        union xenpf_efi_info efi_info;
        uint8_t kbd_shift_flags;
    } u;
};

struct xenpf_enter_acpi_sleep {
    uint16_t val_a;                        // what goes into PM1a_CNT, or the sleep control register
    uint16_t val_b;
    uint32_t sleep_state;                  // 1..5
    uint32_t flags;                        // XENPF_ACPI_SLEEP_*
};

struct xenpf_change_freq {
    uint32_t flags;                        // 0
    uint32_t cpu;
    uint64_t freq;                         // Hz
};

struct xenpf_getidletime {
    xen_guest_va_t cpumap_bitmap;          // in and out: which CPUs
    uint32_t cpumap_nr_cpus;               // bits in it
    xen_guest_va_t idletime;               // of uint64_t, nanoseconds
    uint64_t now;                          // out: system time
};

// An ACPI generic address.
struct xen_power_register {
    uint32_t space_id;
    uint32_t bit_width;
    uint32_t bit_offset;
    uint32_t access_size;
    uint64_t address;
};

struct xen_processor_csd {
    uint32_t domain;
    uint32_t coord_type;
    uint32_t num;
};

struct xen_processor_cx {
    struct xen_power_register reg;
    uint8_t type;
    uint32_t latency;                      // microseconds
    uint32_t power;
    uint32_t dpcnt;
    xen_guest_va_t dp;                     // of struct xen_processor_csd
};

struct xen_processor_flags {
    uint32_t bm_control : 1;
    uint32_t bm_check : 1;
    uint32_t has_cst : 1;
    uint32_t power_setup_done : 1;
    uint32_t bm_rld_set : 1;
};

struct xen_processor_power {
    uint32_t count;
    struct xen_processor_flags flags;
    xen_guest_va_t states;                 // of struct xen_processor_cx
};

struct xen_pct_register {
    uint8_t descriptor;
    uint16_t length;
    uint8_t space_id;
    uint8_t bit_width;
    uint8_t bit_offset;
    uint8_t reserved;
    uint64_t address;
};

struct xen_processor_px {
    uint64_t core_frequency;               // MHz
    uint64_t power;                        // milliwatts
    uint64_t transition_latency;           // microseconds
    uint64_t bus_master_latency;           // microseconds
    uint64_t control;
    uint64_t status;
};

struct xen_psd_package {
    uint64_t num_entries;
    uint64_t revision;
    uint64_t domain;
    uint64_t coord_type;
    uint64_t num_processors;
};

struct xen_processor_performance {
    uint32_t flags;                        // XEN_PX_*
    uint32_t platform_limit;
    struct xen_pct_register control_register;
    struct xen_pct_register status_register;
    uint32_t state_count;
    xen_guest_va_t states;                 // of struct xen_processor_px
    struct xen_psd_package domain_info;
    uint32_t shared_type;                  // XEN_CPUPERF_SHARED_TYPE_*
};

struct xenpf_set_processor_pminfo {
    uint32_t id;                           // ACPI ID
    uint32_t type;                         // XEN_PM_*
    union {
        struct xen_processor_power power;
        struct xen_processor_performance perf;
        xen_guest_va_t pdc;                // of uint32_t, in and out
    } u;
};

struct xenpf_pcpuinfo {
    uint32_t xen_cpuid;                    // in
    uint32_t max_present;                  // out: highest CPU number
    uint32_t flags;                        // out: XEN_PCPU_FLAGS_*
    uint32_t apic_id;
    uint32_t acpi_id;
};

struct xenpf_pcpu_version {
    uint32_t xen_cpuid;                    // in
    uint32_t max_present;                  // out: highest CPU number
    char vendor_id[12];
    uint32_t family;
    uint32_t model;
    uint32_t stepping;
};

struct xenpf_cpu_ol {
    uint32_t cpuid;
};

struct xenpf_cpu_hotadd {
    uint32_t apic_id;
    uint32_t acpi_id;
    uint32_t pxm;
};

struct xenpf_mem_hotadd {
    uint64_t spfn;                         // first frame
    uint64_t epfn;                         // one past the last
    uint32_t pxm;
    uint32_t flags;
};

struct xenpf_core_parking {
    uint32_t type;                         // XEN_CORE_PARKING_*
    uint32_t idle_nums;
};

struct xenpf_resource_entry {
    union {
        uint32_t cmd;                      // in: XEN_RESOURCE_OP_*
        int32_t ret;                       // out
    } u;
    uint32_t rsvd;
    uint64_t idx;                          // MSR number
    uint64_t val;
};

struct xenpf_resource_op {
    uint32_t nr_entries;
    uint32_t cpu;
    xen_guest_va_t entries;                // of struct xenpf_resource_entry
};

struct xenpf_symdata {
    uint32_t namelen;                      // in: bytes of room; out: bytes needed
    uint32_t symnum;                       // in: which; out: the next one
    xen_guest_va_t name;
    uint64_t address;                      // out
    char type;                             // out: a letter as nm has it
};

struct xen_platform_op {
    uint32_t cmd;                          // XENPF_*
    uint32_t interface_version;
    union {
        struct xenpf_settime64 settime;
        struct xenpf_settime32 settime32;
        struct xenpf_settime64 settime64;
        struct xenpf_add_memtype add_memtype;
        struct xenpf_del_memtype del_memtype;
        struct xenpf_read_memtype read_memtype;
        struct xenpf_microcode_update microcode;
        struct xenpf_platform_quirk platform_quirk;
        struct xenpf_efi_runtime_call efi_runtime_call;
        struct xenpf_firmware_info firmware_info;
        struct xenpf_enter_acpi_sleep enter_acpi_sleep;
        struct xenpf_change_freq change_freq;
        struct xenpf_getidletime getidletime;
        struct xenpf_set_processor_pminfo set_pminfo;
        struct xenpf_pcpuinfo pcpu_info;
        struct xenpf_pcpu_version pcpu_version;
        struct xenpf_cpu_ol cpu_ol;
        struct xenpf_cpu_hotadd cpu_add;
        struct xenpf_mem_hotadd mem_add;
        struct xenpf_core_parking core_parking;
        struct xenpf_resource_op resource_op;
        struct xenpf_symdata symdata;
        uint8_t pad[128];
    } u;
};

#endif
