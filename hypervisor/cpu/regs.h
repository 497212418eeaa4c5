// SPDX-License-Identifier: MIT
/* Names of control-register, RFLAGS and MSR bits (Intel SDM vol. 3, 2.5; vol. 4), and the instructions that touch them. */
#pragma once
#ifndef __ASSEMBLY__
#include "lib/base.h"
#endif

#define X86_CR0_PE (1 << 0)
#define X86_CR0_MP (1 << 1)
#define X86_CR0_TS (1 << 3)
#define X86_CR0_ET (1 << 4)
#define X86_CR0_NE (1 << 5)
#define X86_CR0_WP (1 << 16)
#define X86_CR0_AM (1 << 18)
#define X86_CR0_PG 0x80000000

#define X86_CR4_TSD        (1 << 2)
#define X86_CR4_DE         (1 << 3)
#define X86_CR4_PAE        (1 << 5)
#define X86_CR4_MCE        (1 << 6)
#define X86_CR4_PGE        (1 << 7)
#define X86_CR4_OSFXSR     (1 << 9)
#define X86_CR4_OSXMMEXCPT (1 << 10)
#define X86_CR4_UMIP       (1 << 11)
#define X86_CR4_FSGSBASE   (1 << 16)
#define X86_CR4_OSXSAVE    (1 << 18)
#define X86_CR4_SMEP       (1 << 20)
#define X86_CR4_SMAP       (1 << 21)

#define X86_RFLAGS_CF   (1 << 0)
#define X86_RFLAGS_MBS  (1 << 1)
#define X86_RFLAGS_TF   (1 << 8)
#define X86_RFLAGS_IF   (1 << 9)
#define X86_RFLAGS_DF   (1 << 10)
#define X86_RFLAGS_IOPL (3 << 12)
#define X86_RFLAGS_NT   (1 << 14)
#define X86_RFLAGS_RF   (1 << 16)
#define X86_RFLAGS_VM   (1 << 17)
#define X86_RFLAGS_AC   (1 << 18)

#define MSR_TSC              0x00000010
#define MSR_APIC_BASE        0x0000001b
#define MSR_ARCH_CAPS        0x0000010a
#define MSR_SYSENTER_CS      0x00000174
#define MSR_SYSENTER_ESP     0x00000175
#define MSR_SYSENTER_EIP     0x00000176
#define MSR_MISC_ENABLE      0x000001a0
#define MSR_PAT              0x00000277
#define MSR_X2APIC_FIRST     0x00000800
#define MSR_EFER             0xc0000080
#define MSR_STAR             0xc0000081
#define MSR_LSTAR            0xc0000082
#define MSR_CSTAR            0xc0000083
#define MSR_SFMASK           0xc0000084
#define MSR_FS_BASE          0xc0000100
#define MSR_GS_BASE          0xc0000101
#define MSR_KERNEL_GS_BASE   0xc0000102
#define MSR_TSC_AUX          0xc0000103

#define EFER_SCE  (1 << 0)
#define EFER_LME  (1 << 8)
#define EFER_NX   (1 << 11)
#define EFER_SVME (1 << 12)

#define TRAP_DE 0
#define TRAP_DB 1
#define TRAP_NMI 2
#define TRAP_BP 3
#define TRAP_OF 4
#define TRAP_BR 5
#define TRAP_UD 6
#define TRAP_NM 7
#define TRAP_DF 8
#define TRAP_TS 10
#define TRAP_NP 11
#define TRAP_SS 12
#define TRAP_GP 13
#define TRAP_PF 14
#define TRAP_MF 16
#define TRAP_AC 17
#define TRAP_MC 18
#define TRAP_XM 19
#define TRAP_CP 21
/* Vectors that come with an error code. */
#define HAVE_ERROR_CODE (1 << TRAP_DF | 1 << TRAP_TS | 1 << TRAP_NP | 1 << TRAP_SS | 1 << TRAP_GP | 1 << TRAP_PF |        \
                         1 << TRAP_AC | 1 << TRAP_CP)
/* entry_vector of frames that no vector made. The first is a bit: rcx and r11 need not survive the way back. */
#define ENTRY_SYSCALL  0x100
#define ENTRY_CSTAR    0x201
#define ENTRY_SYSENTER 0x202

#define PFEC_PRESENT (1 << 0)
#define PFEC_WRITE   (1 << 1)
#define PFEC_USER    (1 << 2)
#define PFEC_RSVD    (1 << 3)
#define PFEC_FETCH   (1 << 4)

#ifndef __ASSEMBLY__
#define DEFINE_REG_ACCESS(reg)                                                                      \
    static inline uint64_t read_##reg(void)                                                         \
    {                                                                                               \
        uint64_t v;                                                                                 \
        __asm__ volatile("movq %%" #reg ", %0" : "=r"(v));                                          \
        return v;                                                                                   \
    }                                                                                               \
    static inline void write_##reg(uint64_t v)                                                      \
    {                                                                                               \
        __asm__ volatile("movq %0, %%" #reg : : "r"(v) : "memory");                                 \
    }
DEFINE_REG_ACCESS(cr0)
DEFINE_REG_ACCESS(cr2)
DEFINE_REG_ACCESS(cr3)
DEFINE_REG_ACCESS(cr4)
DEFINE_REG_ACCESS(db0)
DEFINE_REG_ACCESS(db1)
DEFINE_REG_ACCESS(db2)
DEFINE_REG_ACCESS(db3)
DEFINE_REG_ACCESS(db6)
DEFINE_REG_ACCESS(db7)

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

/* Not before earlier loads: for reading a clock. */
static inline uint64_t rdtsc_ordered(void)
{
    __asm__ volatile("lfence" : : : "memory");
    return rdtsc();
}

static inline void invlpg(uint64_t va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

struct cpuid { uint32_t eax, ebx, ecx, edx; };

static inline struct cpuid cpuid_read(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

/* inb(), outb() and so on: the instruction's suffix, and the type of what it moves. */
#define DEFINE_PORT_ACCESS(suffix, type)                                                            \
    static inline type in##suffix(uint16_t port)                                                    \
    {                                                                                               \
        type v;                                                                                     \
        __asm__ volatile("in" #suffix " %1, %0" : "=a"(v) : "Nd"(port));                            \
        return v;                                                                                   \
    }                                                                                               \
    static inline void out##suffix(uint16_t port, type v)                                           \
    {                                                                                               \
        __asm__ volatile("out" #suffix " %0, %1" : : "a"(v), "Nd"(port));                           \
    }
DEFINE_PORT_ACCESS(b, uint8_t)
DEFINE_PORT_ACCESS(w, uint16_t)
DEFINE_PORT_ACCESS(l, uint32_t)

/* 1, 2 or 4 bytes. */
static inline uint32_t port_read(unsigned port, unsigned size)
{
    return size == 1 ? inb((uint16_t)port) : size == 2 ? inw((uint16_t)port) : inl((uint16_t)port);
}

static inline void port_write(unsigned port, unsigned size, uint32_t value)
{
    if (size == 1)
        outb((uint16_t)port, (uint8_t)value);
    else if (size == 2)
        outw((uint16_t)port, (uint16_t)value);
    else
        outl((uint16_t)port, value);
}
#endif
