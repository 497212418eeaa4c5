// SPDX-License-Identifier: MIT
/*
 * Copies to and from guest addresses. A fault on either side lands in the exception table's fix-up, which returns the
 * number of bytes not copied. The range was checked by core/guest_copy.h. SMAP is opened for the copy alone.
 */
#include "cpu/asm_macros.h"

/* size_t guest_copy_raw(void *to, const void *from, size_t size) */
        .text
        .global guest_copy_raw
guest_copy_raw:
        ALLOW_GUEST_ACCESS
        movq    %rdx, %rcx
        shrq    $3, %rcx
        andl    $7, %edx
1:      rep movsq
        movl    %edx, %ecx
2:      rep movsb
        FORBID_GUEST_ACCESS
        xorl    %eax, %eax
        ret
3:      leaq    (%rdx, %rcx, 8), %rcx
4:      FORBID_GUEST_ACCESS
        movq    %rcx, %rax
        ret
        EXTABLE(1b, 3b)
        EXTABLE(2b, 4b)

        .section .note.GNU-stack, "", @progbits
