// SPDX-License-Identifier: MIT
/*
 * From the boot loader to 64-bit C: multiboot 1 and 2 headers, the first page tables, long mode,
 * the boot stack.
 *
 * Entered in 32-bit protected mode without paging, eax = loader's magic, ebx = its information
 * (multiboot 1, 3.2; multiboot 2, 3.3). The tables made here map the first 4 GiB at 0 and at
 * DIRECT_MAP_START with 2 MiB pages, and the image with 2 MiB pages; main.c replaces all of them.
 */
#include "asm_offsets.h"
#include "cpu/regs.h"
#include "mm/layout.h"

#define PHYS(sym) ((sym) - IMAGE_VIRT_START + IMAGE_PHYS_START)

#define MB1_MAGIC 0x1badb002
#define MB1_FLAGS 0x00010003        /* modules page-aligned, memory map, addresses in the header */
#define MB2_MAGIC 0xe85250d6
#define MB2_END   mb2_end - mb2_start
#define PTE_P_RW     3
#define PTE_P_RW_PSE 0x83

        .section .head, "ax", @progbits
        .code32
        .balign 4
mb1_header:
        .long MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)
        .long PHYS(mb1_header), PHYS(_image_start), PHYS(_load_end), PHYS(_image_end)
        .long PHYS(multiboot_entry)

        .balign 8
mb2_start:
        .long MB2_MAGIC, 0, MB2_END, -(MB2_MAGIC + (MB2_END))
        .balign 8
        .word 2, 0                  /* address tag */
        .long 24, PHYS(mb2_start), PHYS(_image_start), PHYS(_load_end), PHYS(_image_end)
        .balign 8
        .word 3, 0                  /* entry tag */
        .long 12, PHYS(multiboot_entry)
        .balign 8
        .word 6, 0                  /* modules page-aligned */
        .long 8
        .balign 8
        .word 0, 0
        .long 8
mb2_end:

        .global multiboot_entry
multiboot_entry:
        cli
        cld
        movl    %eax, %ebp                  /* kept: magic in ebp, information in edi */
        movl    %ebx, %edi
        movl    $PHYS(boot_stack_end), %esp

        movl    $0x80000000, %eax
        cpuid
        cmpl    $0x80000001, %eax
        jb      no_long_mode
        movl    $0x80000001, %eax
        cpuid
        btl     $29, %edx
        jnc     no_long_mode

        movl    $(X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT), %eax
        movl    %eax, %cr4
        movl    $PHYS(hyp_l4), %eax
        movl    %eax, %cr3
        movl    $MSR_EFER, %ecx
        rdmsr
        orl     $(EFER_LME | EFER_SCE), %eax
        wrmsr
        movl    $(X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_PG), %eax
        movl    %eax, %cr0
        lgdtl   PHYS(boot_gdt_ptr)
        ljmpl   $8, $PHYS(long_mode)

no_long_mode:
        movl    $PHYS(no_long_mode_text), %esi
        movw    $0x3f8, %dx
1:      lodsb
        testb   %al, %al
        jz      2f
        outb    %al, %dx
        jmp     1b
2:      hlt
        jmp     2b
no_long_mode_text:
        .asciz  "Paravane: cannot start: this CPU has no 64-bit mode: use an x86-64 machine\r\n"

        .code64
long_mode:
        movabsq $long_mode_high, %rax
        jmpq    *%rax
long_mode_high:
        xorl    %eax, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        leaq    boot_stack_end - INFO_SIZE(%rip), %rsp   /* below the boot CPU's cpu_info */
        xorl    %ecx, %ecx
        movl    %edi, %esi
        movl    %ebp, %edi
        xorl    %ebp, %ebp
        call    boot_main
1:      hlt
        jmp     1b

        .balign 8
boot_gdt:
        .quad   0
        .quad   0x00af9a000000ffff                      /* 64-bit code */
        .quad   0x00cf92000000ffff
boot_gdt_ptr:
        .word   . - boot_gdt - 1
        .long   PHYS(boot_gdt)

/* void switch_stack(void *top, void (*fn)(void)): leave this stack for good. */
        .text
        .global switch_stack
switch_stack:
        movq    %rdi, %rsp
        xorl    %ebp, %ebp
        call    *%rsi
        ud2

/* void *call_on_stack(void *top, void *(*fn)(void *), void *arg): top is 16-byte aligned. */
        .global call_on_stack
call_on_stack:
        pushq   %rbx
        movq    %rsp, %rbx
        movq    %rdi, %rsp
        movq    %rdx, %rdi
        call    *%rsi
        movq    %rbx, %rsp
        popq    %rbx
        ret

        .section .bss.page_aligned, "aw", @nobits
        .balign 4096                        /* the linker script aligns it to its size */
        .global boot_stack
boot_stack:     .skip CPU_STACK_SIZE
boot_stack_end:

/* Tables for the time up to memory_init(): `count` pages of 2 MiB from `start`. */
        .macro large_pages start, count
        .set    page, \start
        .rept   \count
        .quad   page + PTE_P_RW_PSE
        .set    page, page + 0x200000
        .endr
        .endm

        .section .data.page_aligned, "aw", @progbits
        .balign 4096
        .global hyp_l4
hyp_l4: .quad   PHYS(boot_l3) + PTE_P_RW            /* at 0 */
        .fill   259, 8, 0
        .quad   PHYS(boot_image_l3) + PTE_P_RW      /* slot 260 */
        .quad   0
        .quad   PHYS(boot_l3) + PTE_P_RW            /* slot 262: the direct map */
        .balign 4096
boot_l3:
        .quad   PHYS(boot_l2) + PTE_P_RW, PHYS(boot_l2) + 0x1000 + PTE_P_RW
        .quad   PHYS(boot_l2) + 0x2000 + PTE_P_RW, PHYS(boot_l2) + 0x3000 + PTE_P_RW
        .balign 4096
boot_l2:
        large_pages 0, 2048                         /* the first 4 GiB */
boot_image_l3:
        .quad   0, PHYS(boot_image_l2) + PTE_P_RW   /* 1 GiB into its slot */
        .balign 4096
boot_image_l2:
        large_pages IMAGE_PHYS_START, 16
        .balign 4096

        .section .note.GNU-stack, "", @progbits
