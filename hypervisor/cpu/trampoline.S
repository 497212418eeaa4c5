// SPDX-License-Identifier: MIT
/*
 * Where another CPU starts: real mode, at offset 0 of a page below 1 MiB to which smp_boot() copies
 * these bytes. From there to long mode by the idle address space, which meanwhile maps that page at
 * its own address too, and on to smp_secondary_main() on the CPU's own stack. The words at the end
 * are filled in by smp.c (struct trampoline_words).
 */
#include "cpu/regs.h"

#define AT(sym) ((sym) - trampoline_start)

        .section .rodata, "a", @progbits
        .global trampoline_start, trampoline_words, trampoline_end
        .balign 16
        .code16
trampoline_start:
        cli
        cld
        xorl    %ebx, %ebx
        movw    %cs, %bx
        movw    %bx, %ds
        shll    $4, %ebx                        /* our linear address */
        leal    AT(trampoline_gdt)(%ebx), %eax
        movl    %eax, AT(gdt_pointer) + 2
        leal    AT(in_protected_mode)(%ebx), %eax
        movl    %eax, AT(to_protected_mode)
        leal    AT(in_long_mode)(%ebx), %eax
        movl    %eax, AT(to_long_mode)
        lgdtl   AT(gdt_pointer)
        movl    $(X86_CR0_PE | X86_CR0_ET), %eax
        movl    %eax, %cr0
        ljmpl   *AT(to_protected_mode)

        .code32
in_protected_mode:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %ss
        movl    $X86_CR4_PAE, %eax
        movl    %eax, %cr4
        movl    AT(word_cr3)(%ebx), %eax
        movl    %eax, %cr3
        movl    $MSR_EFER, %ecx
        movl    $(EFER_LME | EFER_NX), %eax
        xorl    %edx, %edx
        wrmsr
        movl    $(X86_CR0_PG | X86_CR0_PE | X86_CR0_ET), %eax
        movl    %eax, %cr0
        ljmpl   *AT(to_long_mode)(%ebx)

        .code64
in_long_mode:
        xorl    %eax, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        movq    AT(word_stack)(%rbx), %rsp
        movq    AT(word_entry)(%rbx), %rax
        movl    $1, AT(word_seen)(%rbx)
        xorl    %ebp, %ebp
        call    *%rax
        ud2

        .balign 8
trampoline_gdt:
        .quad   0
        .quad   0x00cf9a000000ffff              /* 0x08: 32-bit code */
        .quad   0x00cf92000000ffff              /* 0x10: data */
        .quad   0x00af9a000000ffff              /* 0x18: 64-bit code */
gdt_pointer:
        .word   . - trampoline_gdt - 1
        .long   0
        .balign 4
to_protected_mode:
        .long   0
        .word   0x08
        .balign 4
to_long_mode:
        .long   0
        .word   0x18

        .balign 8
trampoline_words:
word_stack:     .quad 0
word_entry:     .quad 0
word_cr3:       .long 0
word_seen:      .long 0
trampoline_end:

        .section .note.GNU-stack, "", @progbits
