// SPDX-License-Identifier: MIT
/*
 * Privileged instructions of PV guests, which fault in ring 3: decoded from the bytes at rip, fetched once, checked against
 * policy, done, rip moved on. What is not in the table, or not allowed, is the guest's own #GP. Runs with interrupts on,
 * on the vCPU's own registers; no locks but those of what it calls.
 */
#include "cpu/guest_frame.h"
#include "cpu/guest_state.h"
#include "pv/insn.h"
#include "pv/pv_mmu.h"

#define STRING_BURST 256u           /* elements of a repeated string instruction done before it is issued anew */
#define DR6_SINGLE_STEP 0x4000u

struct emulation {
    struct pv_vcpu *v;
    struct cpu_user_regs *regs;
    struct insn i;
    bool again;                     /* not done yet, or a fault was injected: leave rip */
};

int pv_copy_from_kernel(const struct pv_vcpu *v, void *to, uint64_t from, size_t size)
{
    int rc;

    if (v->in_kernel)
        return copy_from_guest(to, from, size);
    irq_disable();
    guest_space_load(v->cr3_kernel);
    rc = copy_from_guest(to, from, size);
    guest_space_load(v->cr3_user);
    irq_enable();
    return rc;
}

/* --- Registers ------------------------------------------------------------------------------------------------- */

/* Handlers: true if the instruction is done, false if it is refused. */
static bool set_edx_eax(struct emulation *e, uint64_t value)
{
    e->regs->rax = (uint32_t)value;
    e->regs->rdx = value >> 32;
    return true;
}

static uint64_t edx_eax(const struct emulation *e)
{
    return (uint32_t)e->regs->rax | e->regs->rdx << 32;
}

static bool do_rdmsr(struct emulation *e)
{
    uint64_t value;

    return !pv_read_msr(e->v, (uint32_t)e->regs->rcx, &value) && set_edx_eax(e, value);
}

static bool do_wrmsr(struct emulation *e)
{
    return !pv_write_msr(e->v, (uint32_t)e->regs->rcx, edx_eax(e));
}

static bool do_read_cr(struct emulation *e)
{
    uint64_t *to = insn_register(e->regs, insn_rm(&e->i));
    const struct pv_vcpu *v = e->v;

    switch (insn_reg(&e->i)) {
    case 0: *to = (read_cr0() & ~(uint64_t)X86_CR0_TS) | (v->fpu_ts ? X86_CR0_TS : 0); return true;
    case 2: *to = v->vcpu.vcpu_info->arch.cr2; return true;
    case 3: *to = v->cr3_kernel; return true;
    case 4: *to = v->ctrlreg4 | X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT |
                  (cr4_base & (X86_CR4_OSXSAVE | X86_CR4_FSGSBASE)); return true;
    default: return false;
    }
}

/* The vCPU's kernel tables, as MMUEXT_NEW_BASEPTR has it; a preempted promotion is carried on when the guest tries again. */
static bool set_cr3(struct emulation *e, uint64_t value)
{
    struct pv_domain *d = pv_domain(e->v->vcpu.domain);
    int rc;

    spin_lock(&d->page_lock);
    rc = page_type_finish(d);
    if (!rc)
        rc = pv_new_baseptr(e->v, paddr_to_mfn(value), false);
    spin_unlock(&d->page_lock);
    e->again = rc == -XEN_ERESTART;
    return !rc || e->again;
}

/* CR0: TS only. CR4: what a vCPU owns; the rest is as it is, whatever the guest writes. */
static bool do_write_cr(struct emulation *e)
{
    uint64_t value = *insn_register(e->regs, insn_rm(&e->i));
    struct pv_vcpu *v = e->v;

    switch (insn_reg(&e->i)) {
    case 0:
        return !do_fpu_taskswitch(value & X86_CR0_TS, 0, 0, 0, 0);
    case 2:
        v->vcpu.vcpu_info->arch.cr2 = value;
        return true;
    case 3:
        return set_cr3(e, value);
    case 4:
        v->ctrlreg4 = value & (X86_CR4_TSD | X86_CR4_DE);
        pv_load_cr4(v);
        return true;
    default:
        return false;
    }
}

static bool do_clts(struct emulation *e UNUSED)
{
    return !do_fpu_taskswitch(0, 0, 0, 0, 0);
}

static bool do_read_dr(struct emulation *e)
{
    unsigned n = insn_reg(&e->i);

    if (n > 7)
        return false;
    *insn_register(e->regs, insn_rm(&e->i)) = (uint64_t)do_get_debugreg(n, 0, 0, 0, 0);
    return true;
}

static bool do_write_dr(struct emulation *e)
{
    return !do_set_debugreg(insn_reg(&e->i), *insn_register(e->regs, insn_rm(&e->i)), 0, 0, 0);
}

static bool do_cache_flush(struct emulation *e)
{
    if (e->v->vcpu.domain->is_control)
        __asm__ volatile("wbinvd" : : : "memory");
    return true;
}

/* CLI and STI change nothing: what masks events is in shared memory. Allowed as IOPL says. */
static bool do_interrupt_flag(struct emulation *e)
{
    return pv_iopl_allows(e->v);
}

/* A kernel may read the clock while CR4.TSD keeps its user from it. */
static bool do_rdtsc(struct emulation *e)
{
    return set_edx_eax(e, rdtsc());
}

/*
 * 0f 01, by the whole modrm byte: XSETBV and RDTSCP. INVLPG, with a memory operand, kernels do not need: they have the
 * hypercall.
 */
static bool do_group7(struct emulation *e)
{
    if (e->i.modrm == 0xd1)
        return !(uint32_t)e->regs->rcx && !fpu_set_xcr0(e->v->fpu, edx_eax(e));
    if (e->i.modrm != 0xf9 || !cpu_features.rdtscp)
        return false;
    e->regs->rcx = e->v->tsc_aux;
    return do_rdtsc(e);
}

/* --- Ports ----------------------------------------------------------------------------------------------------- */

static bool do_port(struct emulation *e)
{
    unsigned size = MIN((unsigned)e->i.size, 4u);
    unsigned port = e->i.opcode & 8 ? (uint16_t)e->regs->rdx : (uint8_t)e->i.imm;
    uint64_t mask = UINT32_MAX >> (32 - 8 * size);

    if (!pv_ports_allowed(e->v, port, size))
        return false;
    if (e->i.opcode & 2) {
        pv_port_write(e->v, port, size, (uint32_t)(e->regs->rax & mask));
        return true;
    }
    e->regs->rax = (size == 4 ? 0 : e->regs->rax & ~mask) | (pv_port_read(e->v, port, size) & mask);
    return true;
}

/* The memory operand of INS or OUTS is not there: the guest's own page fault. */
static bool operand_fault(struct emulation *e, uint32_t access)
{
    pv_inject_page_fault(e->regs, read_cr2(), PFEC_USER | access);
    e->again = true;
    return true;
}

static uint64_t address_mask(const struct emulation *e)
{
    return UINT64_MAX >> (64 - 8 * e->i.address_size);
}

/* The part of a register that the address size takes; a part of 32 bits clears the rest. */
static void add_address(const struct emulation *e, uint64_t *reg, uint64_t n)
{
    uint64_t mask = address_mask(e);

    *reg = (e->i.address_size == 2 ? *reg & ~mask : 0) | ((*reg + n) & mask);
}

static bool string_element(struct emulation *e, uint64_t *pointer, unsigned port, unsigned size)
{
    uint64_t va = *pointer & address_mask(e);
    uint32_t value = 0;

    if (!guest_range_ok(va, size))
        return false;
    if (e->i.opcode & 2) {
        if (copy_from_guest(&value, va, size))
            return operand_fault(e, 0);
        pv_port_write(e->v, port, size, value);
    } else {
        value = pv_port_read(e->v, port, size);
        if (copy_to_guest(va, &value, size))
            return operand_fault(e, PFEC_WRITE);
    }
    add_address(e, pointer, e->regs->rflags & X86_RFLAGS_DF ? -(uint64_t)size : size);
    return true;
}

static bool do_string_port(struct emulation *e)
{
    unsigned size = MIN((unsigned)e->i.size, 4u), port = (uint16_t)e->regs->rdx;
    uint64_t *pointer = e->i.opcode & 2 ? &e->regs->rsi : &e->regs->rdi;

    if (!pv_ports_allowed(e->v, port, size))
        return false;
    if (!e->i.rep)
        return string_element(e, pointer, port, size);
    for (unsigned n = 0; e->regs->rcx & address_mask(e) && n < STRING_BURST; n++) {
        if (!string_element(e, pointer, port, size))
            return false;
        if (e->again)
            return true;
        add_address(e, &e->regs->rcx, UINT64_MAX);
    }
    e->again = (e->regs->rcx & address_mask(e)) != 0;
    return true;
}

/* --- Dispatch -------------------------------------------------------------------------------------------------- */

static const struct {
    uint16_t first, last;
    bool (*fn)(struct emulation *e);
    bool user;                      /* a user may have it too: the handler asks */
} handlers[] = {
    { 0x6c, 0x6f, do_string_port, true },
    { 0xe4, 0xe7, do_port, true },
    { 0xec, 0xef, do_port, true },
    { 0xfa, 0xfb, do_interrupt_flag, true },
    { 0x0f01, 0x0f01, do_group7, false },
    { 0x0f06, 0x0f06, do_clts, false },
    { 0x0f08, 0x0f09, do_cache_flush, false },
    { 0x0f20, 0x0f20, do_read_cr, false },
    { 0x0f21, 0x0f21, do_read_dr, false },
    { 0x0f22, 0x0f22, do_write_cr, false },
    { 0x0f23, 0x0f23, do_write_dr, false },
    { 0x0f30, 0x0f30, do_wrmsr, false },
    { 0x0f31, 0x0f31, do_rdtsc, false },
    { 0x0f32, 0x0f32, do_rdmsr, false },
};

/* 16 bytes where they are all there, since that is two words. */
unsigned pv_fetch(uint8_t *bytes, uint64_t va)
{
    unsigned n = (unsigned)(PAGE_SIZE - (va & (PAGE_SIZE - 1)));

    if (!copy_from_guest(bytes, va, INSN_MAX + 1))
        return INSN_MAX;
    return n <= INSN_MAX && !copy_from_guest(bytes, va, n) ? n : 0;
}

/* rip moves past the instruction; a single step over it ends as it would on bare hardware. */
static void finish(struct pv_vcpu *v, struct cpu_user_regs *regs, unsigned length)
{
    regs->rip += length;
    regs->rflags &= ~(uint64_t)X86_RFLAGS_RF;
    if (regs->rflags & X86_RFLAGS_TF) {
        v->debugreg[6] |= DR6_SINGLE_STEP;
        pv_inject_trap(regs, TRAP_DB, 0, 0);
    }
}

/*
 * INT n that the gate's DPL stopped is for the guest's own table to decide. The error code should name the vector, but QEMU's
 * TCG before version 8 gives another (docs/qemu.md), so the instruction itself is asked.
 */
bool pv_emulate_gp(struct pv_vcpu *v, struct cpu_user_regs *regs)
{
    struct emulation e = { .v = v, .regs = regs };
    uint8_t bytes[INSN_BUFFER];
    uint64_t base;
    bool long_mode;

    if (!pv_code_segment(v, regs->cs, &base, &long_mode) ||
        insn_decode(bytes, pv_fetch(bytes, long_mode ? regs->rip : (uint32_t)(base + regs->rip)), long_mode, &e.i))
        return false;
    if (e.i.opcode == 0xcd && regs->error_code & 2) {
        regs->rip += e.i.length;
        pv_software_interrupt(v, regs, (uint8_t)e.i.imm, e.i.length);
        return true;
    }
    if (regs->error_code)
        return false;
    for (unsigned h = 0; h < ARRAY_SIZE(handlers); h++) {
        if (e.i.opcode < handlers[h].first || e.i.opcode > handlers[h].last)
            continue;
        if ((!v->in_kernel && !handlers[h].user) || !handlers[h].fn(&e))
            return false;
        if (!e.again)
            finish(v, regs, e.i.length);
        return true;
    }
    return false;
}

bool pv_emulate_ud(struct pv_vcpu *v, struct cpu_user_regs *regs)
{
    static const uint8_t forced_cpuid[] = { 0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2 };
    uint8_t bytes[sizeof(forced_cpuid)];
    struct cpuid r;

    if (copy_from_guest(bytes, regs->rip, sizeof(bytes)) || memcmp(bytes, forced_cpuid, sizeof(bytes)))
        return false;
    r = pv_cpuid(v, (uint32_t)regs->rax, (uint32_t)regs->rcx);
    regs->rax = r.eax;
    regs->rbx = r.ebx;
    regs->rcx = r.ecx;
    regs->rdx = r.edx;
    finish(v, regs, sizeof(bytes));
    return true;
}
