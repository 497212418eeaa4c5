/* SPDX-License-Identifier: MIT */
/*
 * Entry of a test kernel: the first instruction, the stubs that the hypervisor's bounce
 * frames land on, and the way into and out of user mode. Everything else of the kit is C.
 */
#include "kit/asm.h"
#define GUEST_OS "paravane-test"
#include "guest/notes.inc"

    .section .text.start, "ax"
    .globl _start
_start:
    rdtsc                               /* for the bench: boot ends here */
    shl     $32, %rdx
    or      %rdx, %rax
    mov     %rsp, %rdx
    cld
    lea     boot_stack_top(%rip), %rsp
    mov     %rsi, %rdi
    mov     %rdx, %rsi
    mov     %rax, %rdx
    xor     %ebp, %ebp
    call    kit_main                    /* (start_info, loader's stack pointer, tsc) */
    ud2

/*
 * A bounce frame is rcx, r11, [error code], rip, cs, rflags, rsp, ss. The stubs make it a struct frame.
 * A loop writes the stubs 16 bytes apart, so that trap_stubs + 16 * vector is the one of a vector.
 */
    .text
    .balign 16
    .globl trap_stubs
trap_stubs:
    vector = 0
    .rept 256
    .balign 16
    pop     %rcx
    pop     %r11
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
    .else
    push    $0
    .endif
    push    $vector
    jmp     frame_enter
    vector = vector + 1
    .endr

    .globl event_stub, syscall_stub, syscall32_stub, failsafe_stub
event_stub:
    pop     %rcx
    pop     %r11
    push    $0
    push    $VEC_EVENT
    jmp     frame_enter
syscall_stub:
    pop     %rcx
    pop     %r11
    push    $0
    push    $VEC_SYSCALL
    jmp     frame_enter
syscall32_stub:
    pop     %rcx
    pop     %r11
    push    $0
    push    $VEC_SYSCALL32
    jmp     frame_enter
failsafe_stub:                          /* rcx, r11, ds, es, fs, gs, rip ... */
    pop     %rcx
    pop     %r11
    add     $32, %rsp
    push    $0
    push    $VEC_FAILSAFE
    jmp     frame_enter

frame_enter:
    push    %rax
    push    %rcx
    push    %rdx
    push    %rbx
    push    %rbp
    push    %rsi
    push    %rdi
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    mov     %rsp, %rdi
    pushf                               /* what the hypervisor let through, before cld hides it */
    pop     %rsi
    cld
    mov     %rsp, %rbx
    and     $-16, %rsp
    call    frame_dispatch
    mov     %rbx, %rsp
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rdi
    pop     %rsi
    pop     %rbp
    pop     %rbx
    pop     %rdx
    pop     %rcx
    pop     %rax
    add     $16, %rsp
    push    $0                          /* iret_context.flags: restore rcx and r11 */
    jmp     hypercall_page + 32 * 23    /* __HYPERVISOR_iret */

/* long user_enter(const struct frame *) runs it; comes back through user_leave(value). */
    .globl user_enter, user_leave
user_enter:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    mov     %rsp, user_saved_rsp
    sub     $(23 * 8), %rsp             /* the frame: 15 registers, vector, error, rip..ss + pad */
    mov     %rdi, %rsi
    mov     %rsp, %rdi
    mov     $22, %ecx
    rep movsq
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rdi
    pop     %rsi
    pop     %rbp
    pop     %rbx
    pop     %rdx
    pop     %rcx
    pop     %rax
    add     $16, %rsp
    push    $0
    jmp     hypercall_page + 32 * 23
user_leave:
    mov     user_saved_rsp, %rsp
    mov     %rdi, %rax
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret

/* int catch_set(struct catch *): 0 at first, 1 when catch_throw() comes back. */
    .globl catch_set, catch_throw
catch_set:
    mov     (%rsp), %rax
    mov     %rax, 0(%rdi)
    lea     8(%rsp), %rax
    mov     %rax, 8(%rdi)
    mov     %rbx, 16(%rdi)
    mov     %rbp, 24(%rdi)
    mov     %r12, 32(%rdi)
    mov     %r13, 40(%rdi)
    mov     %r14, 48(%rdi)
    mov     %r15, 56(%rdi)
    xor     %eax, %eax
    ret
catch_throw:
    mov     8(%rdi), %rsp
    mov     16(%rdi), %rbx
    mov     24(%rdi), %rbp
    mov     32(%rdi), %r12
    mov     40(%rdi), %r13
    mov     48(%rdi), %r14
    mov     56(%rdi), %r15
    mov     $1, %eax
    jmp     *0(%rdi)

    .globl vcpu_entry
vcpu_entry:                             /* rsp is set by VCPUOP_initialise */
    cld
    xor     %ebp, %ebp
    call    smp_main
    ud2

    .bss
    .balign 4096
    .globl boot_stack, boot_stack_top
boot_stack:
    .skip 32768
boot_stack_top:
user_saved_rsp:
    .skip 8

    .section .note.GNU-stack, "", @progbits
