// SPDX-License-Identifier: MIT
/*
 * Switching a CPU from one vCPU to another. A vCPU's state is saved whenever it leaves, but a CPU
 * that goes idle keeps it loaded too (cpu_info()->loaded): if the same vCPU comes back first,
 * nothing but its general registers is moved.
 *
 * A vCPU that comes to another CPU first makes the old one let go of its page tables, which may be
 * freed from then on: the newcomer lets go of its own, asks, and waits. No two CPUs wait for each
 * other, since neither holds anything then. No locks.
 */
#include "cpu/descriptor.h"
#include "cpu/guest_frame.h"
#include "cpu/guest_state.h"
#include "pv/pv_domain.h"

#define DR7_ENABLED   0xffu
#define DR7_NONE      0x400u
#define CR4_OF_VCPU   ((uint64_t)(X86_CR4_TSD | X86_CR4_DE))

void pv_load_cr4(const struct pv_vcpu *v)
{
    uint64_t cr4 = (cr4_base & ~CR4_OF_VCPU) | (v->ctrlreg4 & CR4_OF_VCPU);

    if (cr4 != read_cr4())
        write_cr4(cr4);
}

void pv_load_debug_registers(const struct pv_vcpu *v)
{
    if (!(v->debugreg[7] & DR7_ENABLED)) {
        write_db7(DR7_NONE);
        return;
    }
    write_db0(v->debugreg[0]);
    write_db1(v->debugreg[1]);
    write_db2(v->debugreg[2]);
    write_db3(v->debugreg[3]);
    write_db7(v->debugreg[7]);
}

static void save_segments(struct pv_vcpu *v)
{
    uint16_t selector[4];
    uint64_t inactive = rdmsr(MSR_KERNEL_GS_BASE), active = read_gs_base();

    guest_selectors_read(selector);
    v->regs.ds = selector[0];
    v->regs.es = selector[1];
    v->regs.fs = selector[2];
    v->regs.gs = selector[3];
    v->fs_base = read_fs_base();
    v->gs_base_kernel = v->in_kernel ? active : inactive;
    v->gs_base_user = v->in_kernel ? inactive : active;
}

static void pv_save(struct vcpu *vcpu)
{
    struct pv_vcpu *v = pv_vcpu(vcpu);

    (memcpy)(&v->regs, guest_regs(), offsetof(struct cpu_user_regs, es));   /* called: by words */
    save_segments(v);
    if (v->fpu_ts)
        clear_ts();
    fpu_save(v->fpu);
    if (v->debugreg[7] & DR7_ENABLED)
        write_db7(DR7_NONE);
}

/*
 * Null selectors may go with any base; the bases come after them, since loading a selector changes
 * its base.
 */
static void load_segments(const struct pv_vcpu *v)
{
    load_ds(v->regs.ds);
    load_es(v->regs.es);
    load_fs(v->regs.fs);
    load_gs(v->regs.gs);
    wrmsr(MSR_FS_BASE, v->fs_base);
    wrmsr(MSR_GS_BASE, v->in_kernel ? v->gs_base_kernel : v->gs_base_user);
    wrmsr(MSR_KERNEL_GS_BASE, v->in_kernel ? v->gs_base_user : v->gs_base_kernel);
}

/*
 * Let go of whatever guest state this CPU holds beyond the saved one. `loaded` goes last: others
 * wait for it.
 */
static void unload(void)
{
    struct cpu_info *info = cpu_info();
    struct vcpu *v = info->loaded;

    ASSERT(!irqs_enabled());
    if (!v)
        return;
    tlb_load_cr3(image_paddr(hyp_l4));
    load_ds(0);
    load_es(0);
    load_fs(0);
    load_gs(0);
    descriptor_load_ldt(0, 0);
    descriptor_load_gdt(0);
    cpumask_clear_atomic(&v->domain->dirty_cpus, info->cpu);
    store_release(&info->loaded, NULL);
}

/* Another CPU may still stand on v's page tables: see above. */
static void wait_until_unloaded(const struct pv_vcpu *v)
{
    struct cpu_info *other;

    if (v->state_cpu == NO_CPU || v->state_cpu == cpu_id())
        return;
    other = cpu_info_of(v->state_cpu);
    if (READ_ONCE(other->loaded) != &v->vcpu)
        return;
    unload();
    softirq_raise_on(v->state_cpu, SOFTIRQ_VCPU);
    while (load_acquire(&other->loaded) == &v->vcpu)
        smp_relax();
}

static void load_tables(struct pv_vcpu *v, struct cpu_info *info)
{
    struct vcpu *old = info->loaded;

    if (v->window_cpu != info->cpu)
        pv_window_set_cpu(v, info->cpu);
    cpumask_set_atomic(&v->vcpu.domain->dirty_cpus, info->cpu);
    tlb_load_cr3(v->cr3_kernel);
    descriptor_load_gdt(pv_window_address(v));
    descriptor_load_ldt(pv_window_address(v) + DESC_WINDOW_LDT, v->ldt_entries);
    if (old && old->domain != v->vcpu.domain)
        cpumask_clear_atomic(&old->domain->dirty_cpus, info->cpu);
    store_release(&info->loaded, &v->vcpu);
}

static void load_all(struct pv_vcpu *v, struct cpu_info *info)
{
    wait_until_unloaded(v);
    load_tables(v, info);
    load_segments(v);
    if (cpu_features.rdtscp)
        wrmsr(MSR_TSC_AUX, v->tsc_aux);
    fpu_restore(v->fpu);
    pv_load_cr4(v);
    v->state_cpu = info->cpu;
}

/*
 * Needs cpu_info()->current to be `v` already. A CPU that only idled holds all but the user's address space. The area that
 * shows the guest its runstate has a kernel address.
 */
static void pv_load(struct vcpu *vcpu)
{
    struct pv_vcpu *v = pv_vcpu(vcpu);
    struct cpu_info *info = cpu_info();

    if (info->loaded != vcpu || v->state_cpu != info->cpu)
        load_all(v, info);
    else if (!v->in_kernel)
        guest_space_load(v->cr3_kernel);
    vcpu_publish_runstate(vcpu);
    if (!v->in_kernel)
        guest_space_load(v->cr3_user);
    (memcpy)(guest_regs(), &v->regs, offsetof(struct cpu_user_regs, es));
    if (v->debugreg[7] & DR7_ENABLED)
        pv_load_debug_registers(v);
    if (v->fpu_ts)
        set_ts();
}

/*
 * prev's state is all in memory before sched_switched() lets other CPUs have it. From here to the
 * end the stack below cpu_info belongs to nobody.
 */
void context_switch(struct vcpu *prev, struct vcpu *next)
{
    ASSERT(!irqs_enabled());
    if (!prev->is_idle)
        pv_save(prev);
    cpu_info()->current = next;
    if (!prev->is_idle)
        pv_vcpu(prev)->state_cpu = cpu_id();
    sched_switched(prev);
    if (next->is_idle)
        reset_stack_and_jump(sched_idle_loop);
    pv_load(next);
    reset_stack_and_jump(return_to_guest);
}

/*
 * SOFTIRQ_VCPU: the current vCPU's way out looks at what is new for it. An idle CPU was asked to
 * let go of its guest, or is just woken in vain; and an NMI for the control domain may wait
 * (upcall_platform_nmi).
 */
void pv_vcpu_softirq(void)
{
    struct vcpu *v = control_domain ? control_domain->vcpu[0] : NULL;
    unsigned long flags;

    if (current_vcpu()->is_idle) {
        flags = irq_save();
        unload();
        irq_restore(flags);
    }
    if (v && pv_vcpu(v)->nmi_pending && v != current_vcpu())
        vcpu_kick(v);
}

static void drop_loaded_of(void *arg)
{
    struct vcpu *v = cpu_info()->loaded;

    if (v && v->domain == arg && current_vcpu()->is_idle)
        unload();
}

void pv_drop_loaded(struct domain *d)
{
    smp_call(&online_cpus, drop_loaded_of, d);
}
