// SPDX-License-Identifier: MIT
/*
 * Traps. A guest's go up (cpu/upcall.h). Our own are expected only where the exception table says so: an access to guest
 * memory, a load of guest selectors; anything else is a bug of ours and ends the machine with a dump.
 */
#include "cpu/trap.h"

#include "cpu/percpu.h"
#include "cpu/regs.h"
#include "cpu/upcall.h"

struct extable_row { int32_t from, to; };
struct smap_row { int32_t at; uint32_t kind; };

extern const struct extable_row _extable_start[], _extable_end[];
extern const struct smap_row _smap_patch_start[], _smap_patch_end[];

#define DR6_BREAKPOINTS 0xf

extern const char entry_sysenter[], entry_sysenter_stepped[];

static const char *const trap_names[32] = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", 0, "#TS", "#NP", "#SS", "#GP", "#PF", 0, "#MF", "#AC", "#MC",
    "#XM", "#VE", "#CP",
};

void guest_trap_entry(struct cpu_user_regs *regs)
{
    uint64_t detail = 0;

    if (regs->entry_vector == TRAP_PF)
        detail = read_cr2();
    else if (regs->entry_vector == TRAP_DB) {
        detail = read_db6();
        write_db6(0xffff0ff0);
    }
    irq_enable();
    upcall_guest_trap(regs, detail);
}

void trap_dump(const struct cpu_user_regs *regs)
{
    log_err("cpu %u  rip %04x:%016lx  rsp %04x:%016lx  rflags %lx", cpu_id(), regs->cs, regs->rip, regs->ss,
            regs->rsp, regs->rflags);
    log_err("rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx", regs->rax, regs->rbx, regs->rcx, regs->rdx);
    log_err("rsi %016lx  rdi %016lx  rbp %016lx  r8  %016lx", regs->rsi, regs->rdi, regs->rbp, regs->r8);
    log_err("r9  %016lx  r10 %016lx  r11 %016lx  r12 %016lx", regs->r9, regs->r10, regs->r11, regs->r12);
    log_err("r13 %016lx  r14 %016lx  r15 %016lx  cr2 %016lx  cr3 %lx", regs->r13, regs->r14, regs->r15, read_cr2(),
            read_cr3());
}

static void dump_stack(const struct cpu_user_regs *regs)
{
    const uint64_t *sp = (const uint64_t *)regs->rsp;
    uint64_t end = (uint64_t)cpu_info();

    if ((uint64_t)sp < end - CPU_STACK_SIZE || (uint64_t)sp >= end)
        return;
    for (unsigned printed = 0; (uint64_t)sp < end && printed < 24; sp++)
        if (*sp >= IMAGE_VIRT_START && *sp < IMAGE_VIRT_START + 0x2000000) {
            log_err("  on stack: %016lx", *sp);
            printed++;
        }
}

static NORETURN void fatal_trap(const struct cpu_user_regs *regs)
{
    const char *name = regs->entry_vector < 32 ? trap_names[regs->entry_vector] : NULL;

    trap_dump(regs);
    dump_stack(regs);
    panic("fatal trap %u (%s) in the hypervisor, error code %x: this is a bug of Paravane, please report it",
          regs->entry_vector, name ? name : "?", regs->error_code);
}

/* A linear search: faults in the table are rare, and the table is a few dozen rows. */
void hyp_trap(struct cpu_user_regs *regs)
{
    const struct extable_row *row = _extable_start;

    while (row < _extable_end && (uint64_t)((int64_t)&row->from + row->from) != regs->rip)
        row++;
    if (row == _extable_end)
        fatal_trap(regs);
    regs->rip = (uint64_t)((int64_t)&row->to + row->to);
}

/*
 * SYSENTER, unlike SYSCALL, leaves TF set. Whether the #DB comes before or after our first instruction there, nothing is
 * pushed yet: the entry starts anew in the variant that gives the guest its TF back.
 */
static void forget_single_step(struct cpu_user_regs *regs)
{
    uint64_t start = (uint64_t)entry_sysenter;

    if (!(regs->rflags & X86_RFLAGS_TF))
        return;
    regs->rflags &= ~(uint64_t)X86_RFLAGS_TF;
    if (regs->rip == start || regs->rip == start + 1)
        regs->rip = (uint64_t)entry_sysenter_stepped;
}

/*
 * #DB in ring 0 is a guest's breakpoint or single step that hit between SYSCALL and us, or on an access of ours to its
 * memory: its breakpoints are switched off and it goes on. NMIs are the platform's: told to dom0.
 */
void ist_trap(struct cpu_user_regs *regs)
{
    switch (regs->entry_vector) {
    case TRAP_DB:
        if (read_db6() & DR6_BREAKPOINTS)
            write_db7(0x400);
        write_db6(0xffff0ff0);
        forget_single_step(regs);
        return;
    case TRAP_NMI:
        smp_stop_if_asked();
        upcall_platform_nmi();
        return;
    default:
        fatal_trap(regs);
    }
}

void smap_enable(void)
{
    static const uint8_t code[2][3] = { { 0x0f, 0x01, 0xcb }, { 0x0f, 0x01, 0xca } };

    for (const struct smap_row *row = _smap_patch_start; row < _smap_patch_end; row++) {
        uint64_t at = (uint64_t)((int64_t)&row->at + row->at);

        memcpy(direct_map(image_paddr((const void *)at)), code[row->kind], 3);
    }
}
