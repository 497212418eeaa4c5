// SPDX-License-Identifier: MIT
//
// Entry of a guest of the kit, its stack, and what a fault of its own ends in.
#define GUEST_OS "paravane-guest"
#include "guest/notes.inc"

    .section .text.start, "ax"
    .globl _start
_start:                                 // rsi: start_info; rsp: the builder's stack, its last page
    cld
    mov     %rsi, %rdi
    mov     %rsp, %rsi
    lea     guest_stack_top(%rip), %rsp
    xor     %ebp, %ebp
    call    guest_start
    ud2

// The hypervisor pushes rcx, r11, [error code], rip, cs, rflags, rsp, ss. A stub makes it vector, error
// code, rip ... and stays. They are 16 bytes apart: trap_stubs + 16 * vector.
    .text
    .balign 16
    .globl trap_stubs
trap_stubs:
    vector = 0
    .rept 20
    .balign 16
    pop     %rcx
    pop     %r11
    .if vector != 8 && vector != 17 && (vector < 10 || vector > 14)
    push    $0
    .endif
    push    $vector
    jmp     trap_enter
    vector = vector + 1
    .endr

trap_enter:
    cld
    mov     %rsp, %rdi
    and     $-16, %rsp
    call    guest_trap
    ud2

    .bss
    .balign 4096
    .globl guest_stack
guest_stack:                            // its lowest page is made read-only
    .skip 69632
guest_stack_top:

    .section .note.GNU-stack, "", @progbits
