// SPDX-License-Identifier: MIT
/*
 * What assembly shares: exception-table rows and the two places where guest memory is opened under SMAP. The latter are
 * three-byte no-ops that smap_enable() (trap.c) turns into STAC and CLAC where the CPU has SMAP.
 */
#pragma once

#ifdef __ASSEMBLY__
#define EXTABLE(from, to)                                                                           \
        .pushsection .extable, "a"; .balign 4; .long (from) - ., (to) - .; .popsection

#define SMAP_PATCH(kind)                                                                            \
        662: .byte 0x0f, 0x1f, 0x00;                                                                \
        .pushsection .smap_patch, "a"; .balign 4; .long 662b - ., (kind); .popsection

#define ALLOW_GUEST_ACCESS  SMAP_PATCH(0)
#define FORBID_GUEST_ACCESS SMAP_PATCH(1)
#else
#define EXTABLE(from, to)                                                                           \
    ".pushsection .extable, \"a\"; .balign 4; .long (" from ") - ., (" to ") - .; .popsection\n"

#define SMAP_PATCH(kind)                                                                            \
    "662: .byte 0x0f, 0x1f, 0x00\n"                                                                 \
    ".pushsection .smap_patch, \"a\"; .balign 4; .long 662b - ., " #kind "; .popsection\n"

#define ALLOW_GUEST_ACCESS  SMAP_PATCH(0)
#define FORBID_GUEST_ACCESS SMAP_PATCH(1)
#endif
