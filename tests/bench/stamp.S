/* SPDX-License-Identifier: MIT */
/*
 * The smallest multiboot image: sends the time stamp counter at its first instruction to the serial
 * port as "STAMP" and 16 hex digits, and restarts the machine. Under -icount that is the instructions
 * that the firmware and the boot loader took, which no hypervisor is to be charged with.
 */
#define PORT 0x3f8
#define MAGIC 0x1badb002
#define FLAGS 3

    .section .text
    .code32
    .balign 4
    .long MAGIC, FLAGS, -(MAGIC + FLAGS)

    .globl _start
_start:
    rdtsc
    mov     $stack_top, %esp
    push    %eax
    push    %edx
    mov     $name, %esi
1:  lodsb
    test    %al, %al
    jz      2f
    call    send
    jmp     1b
2:  pop     %ebx
    call    hex
    pop     %ebx
    call    hex
    mov     $10, %al
    call    send
    mov     $0xfe, %al                  /* the keyboard controller's reset line */
    out     %al, $0x64
3:  hlt
    jmp     3b

hex:                                    /* ebx in 8 digits */
    mov     $8, %ecx
4:  rol     $4, %ebx
    mov     %ebx, %eax
    and     $15, %eax
    mov     digits(%eax), %al
    call    send
    loop    4b
    ret

send:                                   /* al, once the transmitter is empty */
    mov     %al, %ah
    mov     $PORT + 5, %dx
5:  in      %dx, %al
    test    $0x20, %al
    jz      5b
    mov     %ah, %al
    mov     $PORT, %dx
    out     %al, %dx
    ret

name:   .asciz "STAMP "
digits: .ascii "0123456789abcdef"

    .bss
    .skip 256
stack_top:
    .section .note.GNU-stack, "", @progbits
