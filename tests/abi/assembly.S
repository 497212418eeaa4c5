// SPDX-License-Identifier: MIT
//
// The constants as the assembler has them. Including every header here also shows that none of
// them lets C through to assembly.

#define __ASSEMBLY__

#include "public/arch-x86/cpuid.h"
#include "public/arch-x86/xen.h"
#include "public/callback.h"
#include "public/domctl.h"
#include "public/elfnote.h"
#include "public/errno.h"
#include "public/event_channel.h"
#include "public/features.h"
#include "public/grant_table.h"
#include "public/io/blkif.h"
#include "public/io/netif.h"
#include "public/io/ring.h"
#include "public/io/xenbus.h"
#include "public/io/xs_wire.h"
#include "public/memory.h"
#include "public/nmi.h"
#include "public/physdev.h"
#include "public/platform.h"
#include "public/sched.h"
#include "public/sysctl.h"
#include "public/vcpu.h"
#include "public/version.h"
#include "public/xen.h"

#define ABI_CONSTANT(name) \
    .quad name; .pushsection .rodata.abi_names, "a"; .asciz #name; .popsection
#define ABI_C_CONSTANT(name)
#define ABI_SIZE(type)
#define ABI_FLEXIBLE(type, member)
#define ABI_MEMBER(type, member)
#define ABI_BIT_FIELD(type, member)

    .section .rodata.abi_names, "a"
    .globl abi_asm_names
abi_asm_names:

    .section .rodata
    .balign 8
    .globl abi_asm_values
abi_asm_values:
#include "rows.inc"
abi_asm_end:

    .globl abi_asm_nr_rows
abi_asm_nr_rows:
    .quad (abi_asm_end - abi_asm_values) / 8

    .section .note.GNU-stack, "", @progbits
