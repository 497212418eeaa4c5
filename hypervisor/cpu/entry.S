// SPDX-License-Identifier: MIT
/*
 * Every way into the hypervisor and back to a guest.
 *
 * The frame is struct cpu_user_regs, which stands at the start of struct cpu_info at the top of the CPU's stack when a
 * guest was interrupted. Hardware (or the SYSCALL stub) fills its end, the stubs here the rest. Three shapes of entry:
 *
 *   SYSCALL     per-CPU stub (descriptor.c) stores rsp in the frame: a hypercall from the guest's kernel, or a system call
 *               from its user. Only caller-saved registers are saved: the C code keeps the others, and the slow
 *               exit saves them before anybody may look.
 *   exceptions  all registers are saved; from a guest to upcall_guest_trap(), from ourselves to hyp_trap().
 *   interrupts  the same, to irq_dispatch().
 *
 * NMI, #DF, #MC and #DB come on stacks of their own, since they can hit between SYSCALL and the frame being built. A #DB
 * from a guest moves to the normal stack; the others stay where they are and return there.
 *
 * Exit to a guest: interrupts off, nothing pending (softirqs, events), then SYSRET if the guest expects rcx and r11 to be
 * lost (entry_vector has ENTRY_SYSCALL), else IRET.
 */
#include "asm_offsets.h"
#include "cpu/asm_macros.h"
#include "cpu/regs.h"
#include "mm/layout.h"
#include "public/xen.h"

/* The frame from its start: struct cpu_user_regs, of which asm_offsets.c checks the ends. */
        .set    offset, 0
        .irp reg, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
        .set    REGS_\reg, offset
        .set    offset, offset + 8
        .endr

#define CALLEE_SIZE   (REGS_r11 - REGS_r15)
#define CALLEE_SAVED  rbx, rbp, r12, r13, r14, r15
#define ARGUMENT_REGS r10, r9, r8, rax, rdx, rsi, rdi   /* all caller-saved ones but rcx and r11 */

        .macro STORE_REGS regs:vararg   /* rsp at the frame */
        .irp reg, \regs
        movq    %\reg, REGS_\reg(%rsp)
        .endr
        .endm

        .macro LOAD_REGS regs:vararg
        .irp reg, \regs
        movq    REGS_\reg(%rsp), %\reg
        .endr
        .endm

        .macro SAVE_CALLER_SAVED        /* rsp at the error code's slot */
        .irp reg, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11
        pushq   %\reg
        .endr
        subq    $CALLEE_SIZE, %rsp
        .endm

        .macro SAVE_ALL                 /* for what may have interrupted anything */
        SAVE_CALLER_SAVED
        STORE_REGS CALLEE_SAVED
        cld
        FORBID_GUEST_ACCESS
        .endm

        .section .text.entry, "ax", @progbits

/*
 * SYSCALL. The stub stored rsp in the frame and left our rsp at the frame's rsp field; rcx = rip, r11 = rflags;
 * IF, TF, DF, AC and NT are clear (SFMASK).
 */
        .balign 64
        .global entry_syscall
entry_syscall:
        movq    $FLAT_USER_SS64, 8(%rsp)
        pushq   %r11
        pushq   $FLAT_USER_CS64
        pushq   %rcx
        pushq   syscall_vector(%rip)
        SAVE_CALLER_SAVED
        movq    INFO_current(%rsp), %r11
        cmpb    $0, VCPU_in_kernel(%r11)
        je      user_syscall
        sti
        movq    %r10, %rcx
        cmpq    $64, %rax
        jae     bad_hypercall
        sbbq    %r10, %r10                  /* all ones in range; 0 if the branch is mispredicted */
        andq    %r10, %rax
        incl    VCPU_calls(%r11, %rax, 4)
        leaq    hypercall_table(%rip), %r11
        movq    (%r11, %rax, 8), %r11
        call    __x86_indirect_thunk_r11
        cmpq    $-0x10000, %rax
        je      restart_hypercall
hypercall_done:
        movq    %rax, REGS_rax(%rsp)
        cli
syscall_exit:
        cmpl    $0, INFO_softirq(%rsp)
        jne     syscall_slow_exit
        movq    INFO_current(%rsp), %rcx
        movq    VCPU_info(%rcx), %rcx
        cmpb    $0, VINFO_pending(%rcx)
        jne     syscall_event_pending
syscall_load:
        btl     $8, REGS_vector(%rsp)
        jnc     load_and_iret               /* iret hypercall, or a new context */
load_and_sysret:
        movq    REGS_rip(%rsp), %rcx
        movq    %rcx, %r11
        sarq    $47, %r11                   /* 0 or -1 for a canonical address */
        incq    %r11
        cmpq    $1, %r11
        ja      load_and_iret               /* SYSRET would fault in ring 0 on Intel (SDM vol. 2, SYSRET) */
        movq    REGS_rflags(%rsp), %r11
        LOAD_REGS ARGUMENT_REGS
        movq    REGS_rsp(%rsp), %rsp
        sysretq

syscall_event_pending:
        cmpb    $0, VINFO_mask(%rcx)
        jne     syscall_load
syscall_slow_exit:
        STORE_REGS CALLEE_SAVED
        movq    %rsp, %rdi
        call    upcall_guest_exit
        LOAD_REGS CALLEE_SAVED
        jmp     syscall_load

bad_hypercall:
        movq    $-38, %rax                  /* -XEN_ENOSYS */
        jmp     hypercall_done

restart_hypercall:
        btl     $8, REGS_vector(%rsp)
        jnc     hypercall_done              /* the iret hypercall returns the guest's rax, whatever it is */
        movq    %rsp, %rdi
        call    hypercall_write_back
        cli
        jmp     syscall_exit

user_syscall:
        movq    %rsp, %rdi
        call    upcall_guest_syscall
        jmp     syscall_exit

load_and_iret:
        LOAD_REGS r11, rcx, ARGUMENT_REGS
        leaq    REGS_rip(%rsp), %rsp
guest_iret:
        iretq
        EXTABLE(guest_iret, bad_iret)

/*
 * The IRET above faulted on what the guest asked for (selectors, rip). The frame that it could not load is intact at
 * the top of the stack: build the entry frame around it again, and let the guest have a fault.
 */
bad_iret:
        leaq    -REGS_rip(%rsp), %rsp
        STORE_REGS rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, CALLEE_SAVED
        movq    %rsp, %rdi
        sti
        call    upcall_bad_iret
        jmp     return_to_guest

/* SYSCALL from compatibility mode (AMD): like the above, bounced by its vector. */
        .global entry_cstar
entry_cstar:
        movq    $FLAT_USER_SS32, 8(%rsp)
        pushq   %r11
        pushq   $FLAT_USER_CS32
        pushq   %rcx
        pushq   cstar_vector(%rip)
        SAVE_CALLER_SAVED
        jmp     user_syscall_checked

/* SYSENTER: rsp is at the end of the hardware frame; the CPU kept neither rip nor rsp of the guest. */
        .global entry_sysenter, entry_sysenter_stepped
entry_sysenter:
        nop                                 /* with TF set, #DB hits before or after this (ist_trap) */
        pushq   $FLAT_USER_SS32
        pushq   $0
        pushfq
        andl    $~(X86_RFLAGS_TF | X86_RFLAGS_NT), (%rsp)
1:      orl     $X86_RFLAGS_IF, (%rsp)
        pushq   $FLAT_USER_CS32
        pushq   $0
        pushq   sysenter_vector(%rip)
        SAVE_CALLER_SAVED
        pushq   $X86_RFLAGS_MBS             /* NT and AC were the guest's */
        popfq
        jmp     user_syscall_checked

/* The same after a #DB: the single step was the guest's, who finds it in its flags. */
entry_sysenter_stepped:
        pushq   $FLAT_USER_SS32
        pushq   $0
        pushfq
        andl    $~X86_RFLAGS_NT, (%rsp)
        orl     $X86_RFLAGS_TF, (%rsp)
        jmp     1b

user_syscall_checked:
        movq    INFO_current(%rsp), %r11
        STORE_REGS CALLEE_SAVED
        movq    %rsp, %rdi
        call    upcall_guest_syscall
        jmp     exception_exit

/* --- Exceptions and interrupts ------------------------------------------------------------------------------ */

        .macro STUB vector, target      /* an error code, if only 0, and the vector above it */
        .if (\vector >= 32) || !((HAVE_ERROR_CODE >> (\vector & 31)) & 1)
        pushq   $0
        .endif
        movl    $\vector, 4(%rsp)
        jmp     \target
        .endm

        .balign 16
exception_common:
        SAVE_ALL
        movq    %rsp, %rdi
        testb   $3, REGS_cs(%rsp)
        jz      exception_in_hypervisor
guest_exception:
        call    guest_trap_entry
        cli
exception_exit:
        cmpl    $0, INFO_softirq(%rsp)
        jne     return_to_guest
        movq    INFO_current(%rsp), %rcx
        movq    VCPU_info(%rcx), %rcx
        cmpb    $0, VINFO_pending(%rcx)
        jne     return_to_guest
exception_load:
        LOAD_REGS CALLEE_SAVED
        btl     $8, REGS_vector(%rsp)
        jc      load_and_sysret
        jmp     load_and_iret

exception_in_hypervisor:
        call    hyp_trap
return_to_hypervisor:
        LOAD_REGS CALLEE_SAVED, r11, rcx, ARGUMENT_REGS
        leaq    REGS_rip(%rsp), %rsp
        iretq

/* The way back to whatever guest is current: rsp is at cpu_info, all registers are in the frame. Also context_switch's end. */
        .global return_to_guest
return_to_guest:
        cli
        movq    %rsp, %rdi
        call    upcall_guest_exit
        jmp     exception_load

interrupt_common:
        SAVE_ALL
        movl    REGS_vector(%rsp), %edi
        call    irq_dispatch
        testb   $3, REGS_cs(%rsp)
        jnz     exception_exit
        jmp     return_to_hypervisor

/* NMI and #MC: on their own stacks, whatever was interrupted; back to it exactly. */
ist_common:
        SAVE_ALL
1:      movq    %rsp, %rdi
        call    ist_trap
        jmp     return_to_hypervisor

entry_nmi:
        STUB TRAP_NMI, ist_common
entry_mc:
        STUB TRAP_MC, ist_common
entry_df:
        STUB TRAP_DF, ist_common
entry_db:
        STUB TRAP_DB, db_common

/* #DB: on a stack of its own. From a guest: move the hardware frame to the normal stack and go on as any exception. */
db_common:
        SAVE_ALL
        testb   $3, REGS_cs(%rsp)
        jz      1b
        movq    %rsp, %rsi
        movq    %rsp, %rdi
        orq     $(CPU_STACK_SIZE - 1), %rdi
        subq    $(INFO_SIZE - 1), %rdi
        movq    %rdi, %rdx
        movl    $(REGS_es / 8), %ecx
        rep movsq
        movq    %rdx, %rsp
        movq    %rsp, %rdi
        jmp     guest_exception

/* All vectors, 16 bytes each; those of entry_ist go there. A guest may raise 0x80: an exception like #BP. */
        .balign 16
        .global entry_stubs
entry_stubs:
        .set i, 0
        .rept 256
        .balign 16
        .if (i < 32) || (i == 0x80)
        STUB i, exception_common
        .else
        STUB i, interrupt_common
        .endif
        .set i, i + 1
        .endr

/* void reset_stack_and_jump(void (*fn)(void)): drop this CPU's C frames; rsp at cpu_info. */
        .global reset_stack_and_jump
reset_stack_and_jump:
        orq     $(CPU_STACK_SIZE - 1), %rsp
        subq    $(INFO_SIZE - 1), %rsp
        jmp     __x86_indirect_thunk_rdi

/*
 * Indirect calls and jumps of ours, under the names that the compiler calls (-mindirect-branch=thunk-extern): by a return whose
 * prediction leads to a loop, so that no target that a guest taught the branch predictor is ever run.
 */
        .irp reg, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
        .global __x86_indirect_thunk_\reg
        .balign 16
__x86_indirect_thunk_\reg:
        call    2f
1:      pause
        lfence
        jmp     1b
2:      movq    %\reg, (%rsp)
        ret
        .endr

        .section .rodata
        .balign 8
syscall_vector:     .long 0, ENTRY_SYSCALL
cstar_vector:       .long 0, ENTRY_CSTAR
sysenter_vector:    .long 0, ENTRY_SYSENTER
        .global entry_ist
entry_ist:          .quad entry_db, entry_nmi, entry_df, entry_mc

        .section .note.GNU-stack, "", @progbits
