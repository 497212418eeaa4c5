// SPDX-License-Identifier: MIT
/*
 * What assembly shares: exception-table rows and the two places where guest memory is opened under SMAP. The latter are
 * three-byte no-ops that smap_enable() (trap.c) turns into STAC and CLAC where the CPU has SMAP.
 */
#pragma once

/* Statements of assembly: as they are in a .S file, a string in C. */
#ifdef __ASSEMBLY__
#define ASM(...) __VA_ARGS__
#else
#define ASM(...) #__VA_ARGS__ "\n"
#endif

#define EXTABLE(from, to)                                                                           \
    ASM(.pushsection .extable, "a"; .balign 4; .long (from) - ., (to) - .; .popsection)

#define SMAP_PATCH(kind)                                                                            \
    ASM(662: .byte 0x0f, 0x1f, 0x00;                                                                \
        .pushsection .smap_patch, "a"; .balign 4; .long 662b - ., (kind); .popsection)

#define ALLOW_GUEST_ACCESS  SMAP_PATCH(0)
#define FORBID_GUEST_ACCESS SMAP_PATCH(1)

/* In C, an instruction whose fault goes to the label `fault` of the function around it (asm goto). */
#define MAY_FAULT(instruction)  "663: " instruction "\n" EXTABLE(663b, %l[fault])
