// SPDX-License-Identifier: MIT
/*
 * PV guests as core/ sees them (core/guest_ops.h): their objects, their first context, their end. A
 * context from a guest is copied once, every value in it checked, then the frames it names are
 * referenced, and only then is anything set. The vCPU does not run meanwhile (VPF_DOWN), and the
 * domain's lock is held.
 */
#include "cpu/guest_state.h"
#include "pv/pv_mmu.h"

/* Objects -------------------------------------------------------------------------------------- */

struct domain *guest_domain_alloc(void)
{
    struct pv_domain *d = heap_new(struct pv_domain);

    if (!d)
        return NULL;
    softirq_register(SOFTIRQ_VCPU, pv_vcpu_softirq);
    spin_lock_init(&d->page_lock, LOCK_PAGE_TABLES);
    return &d->domain;
}

void guest_domain_free(struct domain *d)
{
    heap_free(pv_domain(d));
}

struct vcpu *guest_vcpu_alloc(struct domain *d, unsigned id)
{
    struct pv_vcpu *v = heap_new(struct pv_vcpu);

    if (!v)
        return NULL;
    v->fpu = fpu_alloc();
    if (!v->fpu || pv_window_create(v)) {
        fpu_free(v->fpu);
        heap_free(v);
        return NULL;
    }
    if (!id)
        guest_update_wallclock(d);
    v->time_cpu = NO_CPU;
    v->debugreg[6] = 0xffff0ff0;
    v->debugreg[7] = 0x400;
    return &v->vcpu;
}

void guest_vcpu_free(struct vcpu *vcpu)
{
    struct pv_vcpu *v = pv_vcpu(vcpu);

    pv_window_destroy(v);
    fpu_free(v->fpu);
    heap_free(v);
}

/* The first context ---------------------------------------------------------------------------- */

static bool addresses_are_good(const struct vcpu_guest_context *c)
{
    return is_canonical(c->fs_base) && is_canonical(c->gs_base_kernel) && is_canonical(c->gs_base_user) &&
           is_canonical(c->event_callback_eip) && is_canonical(c->failsafe_callback_eip) &&
           is_canonical(c->syscall_callback_eip) && is_canonical(c->user_regs.rip);
}

/* Replaces values by what the registers would hold of them. */
static int context_check(struct vcpu_guest_context *c)
{
    if (!addresses_are_good(c) || c->gdt_ents > FIRST_RESERVED_GDT_ENTRY || c->ldt_ents > UINT32_MAX)
        return -XEN_EINVAL;
    if (!xen_cr3_to_pfn(c->ctrlreg[3]) ||
        (!(c->flags & VGCF_in_kernel) && !xen_cr3_to_pfn(c->ctrlreg[1])))
        return -XEN_EINVAL;
    for (unsigned i = 0; i < ARRAY_SIZE(c->trap_ctxt); i++) {
        if (!is_canonical(c->trap_ctxt[i].address))
            return -XEN_EINVAL;
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i != 4 && i != 5 && !pv_debugreg_check(i, &c->debugreg[i]))
            return -XEN_EINVAL;
    }
    return 0;
}

static int table_get(struct pv_vcpu *v, mfn_t m, uint64_t *cr3)
{
    struct pv_domain *d = pv_domain(v->vcpu.domain);
    int rc;

    spin_lock(&d->page_lock);
    rc = page_type_finish(d);
    if (!rc)
        rc = frame_get_and_type(d, m, TYPE_L4);
    spin_unlock(&d->page_lock);
    if (!rc)
        *cr3 = mfn_to_paddr(m);
    return rc;
}

static int table_put(struct pv_domain *d, uint64_t *cr3)
{
    if (*cr3)
        frame_put_and_type(d, frame_of(paddr_to_mfn(*cr3)));
    *cr3 = 0;
    return page_type_finish(d);
}

/*
 * Whatever the vCPU holds of the domain's memory. It does not run. One tree after the other, since there is a place for one
 * unfinished one: -XEN_ERESTART to be called again.
 */
static int references_drop(struct pv_vcpu *v)
{
    struct pv_domain *d = pv_domain(v->vcpu.domain);
    int rc;

    spin_lock(&d->page_lock);
    pv_gdt_drop(v);
    pv_ldt_drop(v);
    rc = page_type_finish(d);
    if (!rc)
        rc = table_put(d, &v->cr3_kernel);
    if (!rc)
        rc = table_put(d, &v->cr3_user);
    spin_unlock(&d->page_lock);
    return rc;
}

/*
 * All references that the context needs, or none, but for a tree that the next call drops; -XEN_ERESTART to be called again.
 * A vCPU that has its tables keeps them.
 */
static int context_get(struct pv_vcpu *v, const struct vcpu_guest_context *c)
{
    mfn_t kernel = mfn(xen_cr3_to_pfn(c->ctrlreg[3])), user = mfn(xen_cr3_to_pfn(c->ctrlreg[1]));
    int rc;

    if (v->vcpu.initialised)
        return mfn_to_paddr(kernel) == v->cr3_kernel && mfn_to_paddr(user) == v->cr3_user ? 0 : -XEN_EINVAL;
    rc = references_drop(v);
    if (!rc)
        rc = table_get(v, kernel, &v->cr3_kernel);
    if (!rc && user.n)
        rc = table_get(v, user, &v->cr3_user);
    if (!rc)
        rc = pv_set_gdt(v, c->gdt_frames, (uint32_t)c->gdt_ents);
    if (!rc)
        rc = pv_set_ldt(v, c->ldt_base, (uint32_t)c->ldt_ents);
    if (rc)
        (void)references_drop(v);
    return rc;
}

static void set_registers(struct pv_vcpu *v, const struct vcpu_guest_context *c)
{
    v->regs = c->user_regs;
    v->regs.error_code = 0;
    v->regs.entry_vector = 0;
    v->regs.saved_upcall_mask = 0;
    v->regs.cs = c->user_regs.cs | 3;
    v->regs.ss = c->user_regs.ss | 3;
    v->regs.ds = ring3_selector(c->user_regs.ds);
    v->regs.es = ring3_selector(c->user_regs.es);
    v->regs.fs = ring3_selector(c->user_regs.fs);
    v->regs.gs = ring3_selector(c->user_regs.gs);
    v->regs.rflags = (c->user_regs.rflags & GUEST_FLAGS_ALLOWED) | X86_RFLAGS_IF | X86_RFLAGS_MBS;
    v->iopl = (uint8_t)(c->user_regs.rflags >> 12 & 3);
    v->fs_base = c->fs_base;
    v->gs_base_kernel = c->gs_base_kernel;
    v->gs_base_user = c->gs_base_user;
    memcpy(v->debugreg, c->debugreg, sizeof(v->debugreg));
    v->fpu_ts = (c->ctrlreg[0] & X86_CR0_TS) != 0;
    if (c->flags & VGCF_i387_valid)
        fpu_load_fxsave(v->fpu, c->fpu_ctxt.x);
}

static void set_entries(struct pv_vcpu *v, const struct vcpu_guest_context *c)
{
    memset(v->traps, 0, sizeof(v->traps));
    for (unsigned i = 0; i < ARRAY_SIZE(v->traps); i++) {
        if (c->trap_ctxt[i].address)
            v->traps[c->trap_ctxt[i].vector] = c->trap_ctxt[i];
    }
    v->event_cb = pv_entry(c->event_callback_eip, false);
    v->failsafe_cb = pv_entry(c->failsafe_callback_eip, c->flags & VGCF_failsafe_disables_events);
    v->syscall_cb = pv_entry(c->syscall_callback_eip, c->flags & VGCF_syscall_disables_events);
    v->kernel_sp = c->kernel_sp;
    v->in_kernel = (c->flags & VGCF_in_kernel) != 0;
}

static void context_apply(struct pv_vcpu *v, const struct vcpu_guest_context *c)
{
    set_registers(v, c);
    set_entries(v, c);
    if (!v->vcpu.id) {
        v->vcpu.domain->vm_assist = (uint32_t)c->vm_assist & VM_ASSISTS;
        guest_update_wallclock(v->vcpu.domain);    /* a domain's builder has cleared shared_info */
    }
    if (c->flags & VGCF_online) {
        (void)fetch_and32(&v->vcpu.pause_flags, ~VPF_DOWN);
        sched_wake(&v->vcpu);
    }
}

int guest_vcpu_initialise(struct vcpu *vcpu, uint64_t ctxt)
{
    struct vcpu_guest_context *c = heap_new(struct vcpu_guest_context);
    struct pv_vcpu *v = pv_vcpu(vcpu);
    int rc;

    if (!c)
        return -XEN_ENOMEM;
    rc = copy_from_guest(c, ctxt, sizeof(*c));
    if (!rc)
        rc = context_check(c);
    if (!rc)
        rc = context_get(v, c);
    if (!rc)
        context_apply(v, c);
    heap_free(c);
    return rc;
}

/* The same out again ---------------------------------------------------------------------------- */

static void get_entries(const struct pv_vcpu *v, struct vcpu_guest_context *c)
{
    memcpy(c->trap_ctxt, v->traps, sizeof(v->traps));
    for (unsigned i = 0; i < GDT_FRAMES && v->gdt_frame[i]; i++)
        c->gdt_frames[i] = frame_mfn(v->gdt_frame[i]).n;
    c->gdt_ents = v->gdt_entries;
    c->ldt_base = v->ldt_base;
    c->ldt_ents = v->ldt_entries;
    c->kernel_ss = FLAT_KERNEL_SS;
    c->kernel_sp = v->kernel_sp;
    c->event_callback_eip = v->event_cb.address;
    c->failsafe_callback_eip = v->failsafe_cb.address;
    c->syscall_callback_eip = v->syscall_cb.address;
}

static void get_registers(const struct pv_vcpu *v, struct vcpu_guest_context *c)
{
    fpu_store_fxsave(v->fpu, c->fpu_ctxt.x);
    c->user_regs = v->regs;
    c->user_regs.rflags |= (uint64_t)v->iopl << 12;
    c->ctrlreg[0] = X86_CR0_PE | X86_CR0_PG | (v->fpu_ts ? X86_CR0_TS : 0);
    c->ctrlreg[1] = v->cr3_user ? xen_pfn_to_cr3(paddr_to_mfn(v->cr3_user).n) : 0;
    c->ctrlreg[3] = xen_pfn_to_cr3(paddr_to_mfn(v->cr3_kernel).n);
    c->ctrlreg[4] = v->ctrlreg4;
    memcpy(c->debugreg, v->debugreg, sizeof(v->debugreg));
    c->fs_base = v->fs_base;
    c->gs_base_kernel = v->gs_base_kernel;
    c->gs_base_user = v->gs_base_user;
}

void pv_get_context(const struct pv_vcpu *v, struct vcpu_guest_context *c)
{
    bool is_up = !(READ_ONCE(v->vcpu.pause_flags) & VPF_DOWN);

    c->flags = VGCF_i387_valid | (v->in_kernel ? VGCF_in_kernel : 0) | (is_up ? VGCF_online : 0) |
               (TI_GET_IF(&v->failsafe_cb) ? VGCF_failsafe_disables_events : 0) |
               (TI_GET_IF(&v->syscall_cb) ? VGCF_syscall_disables_events : 0);
    c->vm_assist = v->vcpu.domain->vm_assist;
    get_entries(v, c);
    get_registers(v, c);
}

/* As the ABI's start of day has it (public/xen.h, struct start_info). */
int pv_boot_vcpu(struct pv_domain *d, mfn_t l4, uint64_t entry, uint64_t stack, uint64_t start_info)
{
    struct pv_vcpu *v = pv_vcpu(d->domain.vcpu[0]);
    int rc = table_get(v, l4, &v->cr3_kernel);

    if (rc)
        return rc;
    v->in_kernel = 1;
    v->kernel_sp = stack;
    v->regs = (struct cpu_user_regs){
        .rip = entry, .rsp = stack, .rsi = start_info, .cs = FLAT_KERNEL_CS, .ss = FLAT_KERNEL_SS,
        .rflags = X86_RFLAGS_IF | X86_RFLAGS_MBS,
    };
    v->vcpu.initialised = true;
    return 0;
}

/* The end -------------------------------------------------------------------------------------- */

int guest_domain_relinquish(struct domain *domain)
{
    int rc = 0;

    pv_drop_loaded(domain);
    for (unsigned i = 0; i < domain->max_vcpus && !rc; i++) {
        if (domain->vcpu[i]) {
            vcpu_unmap_info(domain->vcpu[i]);
            rc = references_drop(pv_vcpu(domain->vcpu[i]));
        }
    }
    return rc;
}

int guest_frame_relinquish(struct domain *domain, struct frame *f)
{
    struct pv_domain *d = pv_domain(domain);
    int rc;

    spin_lock(&d->page_lock);
    if (READ_ONCE(f->type) & (TYPE_PINNED | TYPE_PARTIAL)) {
        /* Nothing is left unfinished here, unless the toolstack works on the dead domain's tables at the same time. */
        while (page_type_finish(d))
            ;
        table_release(d, f);
    }
    rc = d->unfinished ? -XEN_ERESTART : 0;
    spin_unlock(&d->page_lock);
    return rc;
}

/* Small operations ----------------------------------------------------------------------------- */

void guest_inject_nmi(struct vcpu *v)
{
    WRITE_ONCE(pv_vcpu(v)->nmi_pending, 1);
    if (v == current_vcpu())
        softirq_raise(SOFTIRQ_VCPU);
    else
        vcpu_kick(v);
}

void guest_set_iopl(struct vcpu *v, unsigned iopl)
{
    pv_vcpu(v)->iopl = (uint8_t)iopl;
}

void guest_set_iobitmap(struct vcpu *v, uint64_t bitmap, uint32_t nr_ports)
{
    pv_vcpu(v)->iobmp = bitmap;
    pv_vcpu(v)->iobmp_limit = bitmap ? nr_ports : 0;
}
