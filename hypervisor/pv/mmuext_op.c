// SPDX-License-Identifier: MIT
/*
 * MMUEXT_OP: pins, base pointers, TLB flushes, LDT, page clear and copy. One table row per command; rows of table work run
 * under page_lock. A list stops between operations when preemption is wanted, and in one when its tree work is preempted.
 */
#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "core/preempt.h"
#include "cpu/irqflags.h"
#include "cpu/regs.h"
#include "cpu/smp.h"
#include "lib/string.h"
#include "pv/foreign.h"
#include "pv/page_type.h"
#include "pv/pv_domain.h"
#include "pv/pv_mmu.h"

struct ext_call {
    struct pv_vcpu *v;
    struct pv_domain *d;               /* whose tables */
    bool foreign;                      /* not the caller's own */
    const struct mmuext_op *op;
};

static enum frame_type pin_type(unsigned cmd)
{
    return (enum frame_type)(TYPE_L1 + (cmd - MMUEXT_PIN_L1_TABLE));
}

static int ext_pin(struct ext_call *c)
{
    return table_pin(c->d, mfn(c->op->arg1.mfn), pin_type(c->op->cmd));
}

static int ext_unpin(struct ext_call *c)
{
    return table_unpin(c->d, mfn(c->op->arg1.mfn));
}

/*
 * The current vCPU's tables. The new one is taken before the old one goes, and the CPU leaves the old one before its last
 * reference is dropped: its frames may be anything afterwards.
 */
int pv_new_baseptr(struct pv_vcpu *v, mfn_t m, bool user)
{
    struct pv_domain *d = pv_domain(v->vcpu.domain);
    uint64_t *slot = user ? &v->cr3_user : &v->cr3_kernel;
    paddr_t old = *slot;
    int rc;

    if (user && !m.n) {
        *slot = 0;
    } else if (mfn_to_paddr(m) != old) {
        rc = frame_get_and_type(d, m, TYPE_L4);
        if (rc)
            return rc;
        *slot = mfn_to_paddr(m);
    }
    if (!user) {
        unsigned long flags = irq_save();
        tlb_load_cr3(*slot);
        irq_restore(flags);
    }
    if (old && old != *slot)
        frame_put_and_type(d, frame_of(paddr_to_mfn(old)));
    return 0;
}

static int ext_new_baseptr(struct ext_call *c)
{
    return c->foreign ? -XEN_EPERM : pv_new_baseptr(c->v, mfn(c->op->arg1.mfn), false);
}

static int ext_new_user_baseptr(struct ext_call *c)
{
    return c->foreign ? -XEN_EPERM : pv_new_baseptr(c->v, mfn(c->op->arg1.mfn), true);
}

static int ext_set_ldt(struct ext_call *c)
{
    return c->foreign ? -XEN_EPERM : pv_set_ldt(c->v, c->op->arg1.linear_addr, c->op->arg2.nr_ents);
}

static int ext_flush_local(struct ext_call *c)
{
    (void)c;
    tlb_flush_local();
    return 0;
}

static int ext_invlpg_local(struct ext_call *c)
{
    if (guest_range_ok(c->op->arg1.linear_addr, 1))
        invlpg(c->op->arg1.linear_addr);
    return 0;
}

int pv_vcpu_bitmap_cpus(struct pv_vcpu *v, uint64_t guest, struct cpumask *cpus)
{
    struct domain *d = v->vcpu.domain;
    uint64_t word = 0;

    cpumask_zero(cpus);
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (i % 64 == 0 && copy_from_guest(&word, guest + i / 8, MIN(8u, (d->max_vcpus - i + 7) / 8)))
            return -XEN_EINVAL;
        if (word >> (i % 64) & 1 && d->vcpu[i])
            cpumask_set(cpus, READ_ONCE(d->vcpu[i]->sched.cpu));
    }
    cpumask_and(cpus, cpus, &d->dirty_cpus);
    return 0;
}

static int flush_bitmap(struct ext_call *c, uint64_t va)
{
    struct cpumask cpus;
    int rc = pv_vcpu_bitmap_cpus(c->v, c->op->arg2.vcpumask, &cpus);

    if (!rc)
        tlb_flush_mask(&cpus, va);
    return rc;
}

static int ext_flush_multi(struct ext_call *c)
{
    return flush_bitmap(c, FLUSH_TLB_ALL_VA);
}

static int ext_invlpg_multi(struct ext_call *c)
{
    return guest_range_ok(c->op->arg1.linear_addr, 1) ? flush_bitmap(c, c->op->arg1.linear_addr) : 0;
}

static int ext_flush_all(struct ext_call *c)
{
    tlb_flush_mask(&c->v->vcpu.domain->dirty_cpus, FLUSH_TLB_ALL_VA);
    return 0;
}

static int ext_invlpg_all(struct ext_call *c)
{
    if (guest_range_ok(c->op->arg1.linear_addr, 1))
        tlb_flush_mask(&c->v->vcpu.domain->dirty_cpus, c->op->arg1.linear_addr);
    return 0;
}

static int ext_flush_cache(struct ext_call *c)
{
    if (!c->v->vcpu.domain->is_control)
        return -XEN_EACCES;
    __asm__ volatile("wbinvd" : : : "memory");
    return 0;
}

static int ext_clear_page(struct ext_call *c)
{
    mfn_t m = mfn(c->op->arg1.mfn);
    int rc = frame_get_and_type(c->d, m, TYPE_WRITABLE);

    if (rc)
        return rc;
    memset(mfn_to_virt(m), 0, PAGE_SIZE);
    frame_put_and_type(c->d, frame_of(m));
    return 0;
}

static int ext_copy_page(struct ext_call *c)
{
    mfn_t to = mfn(c->op->arg1.mfn), from = mfn(c->op->arg2.src_mfn);
    int rc;

    if (!mfn_valid(from) || !frame_get(frame_of(from), c->d->domain.id))
        return -XEN_EINVAL;
    rc = frame_get_and_type(c->d, to, TYPE_WRITABLE);
    if (!rc) {
        memcpy(mfn_to_virt(to), mfn_to_virt(from), PAGE_SIZE);
        frame_put_and_type(c->d, frame_of(to));
    }
    frame_put(frame_of(from));
    return rc;
}

static const struct { int (*handler)(struct ext_call *c); bool locked; } ext_ops[] = {
    [MMUEXT_PIN_L1_TABLE]      = { ext_pin, true },
    [MMUEXT_PIN_L2_TABLE]      = { ext_pin, true },
    [MMUEXT_PIN_L3_TABLE]      = { ext_pin, true },
    [MMUEXT_PIN_L4_TABLE]      = { ext_pin, true },
    [MMUEXT_UNPIN_TABLE]       = { ext_unpin, true },
    [MMUEXT_NEW_BASEPTR]       = { ext_new_baseptr, true },
    [MMUEXT_NEW_USER_BASEPTR]  = { ext_new_user_baseptr, true },
    [MMUEXT_SET_LDT]           = { ext_set_ldt, false },
    [MMUEXT_TLB_FLUSH_LOCAL]   = { ext_flush_local, false },
    [MMUEXT_INVLPG_LOCAL]      = { ext_invlpg_local, false },
    [MMUEXT_TLB_FLUSH_MULTI]   = { ext_flush_multi, false },
    [MMUEXT_INVLPG_MULTI]      = { ext_invlpg_multi, false },
    [MMUEXT_TLB_FLUSH_ALL]     = { ext_flush_all, false },
    [MMUEXT_INVLPG_ALL]        = { ext_invlpg_all, false },
    [MMUEXT_FLUSH_CACHE]       = { ext_flush_cache, false },
    [MMUEXT_FLUSH_CACHE_GLOBAL] = { ext_flush_cache, false },
    [MMUEXT_CLEAR_PAGE]        = { ext_clear_page, true },
    [MMUEXT_COPY_PAGE]         = { ext_copy_page, true },
};

/* *done is set when the operation itself is finished, even if the result says to restart (unfinished tree work). */
static int ext_run(struct ext_call *c, bool *done)
{
    unsigned cmd = c->op->cmd;
    int rc;

    *done = false;
    if (cmd >= ARRAY_SIZE(ext_ops) || !ext_ops[cmd].handler)
        return -XEN_ENOSYS;
    if (!ext_ops[cmd].locked)
        return ext_ops[cmd].handler(c);
    spin_lock(&c->d->page_lock);
    rc = page_type_finish(c->d);
    if (!rc) {
        rc = ext_ops[cmd].handler(c);
        *done = !rc;
        if (*done && c->d->unfinished)
            rc = -XEN_ERESTART;
    }
    spin_unlock(&c->d->page_lock);
    return rc;
}

static int run_list(struct ext_call *c, uint64_t ops, uint32_t count, uint32_t *finished)
{
    struct mmuext_op op;
    bool done;
    int rc;

    for (*finished = 0; *finished < count; (*finished)++) {
        if (copy_from_guest(&op, ops + (uint64_t)*finished * sizeof(op), sizeof(op)))
            return -XEN_EFAULT;
        c->op = &op;
        rc = ext_run(c, &done);
        if (rc) {
            *finished += done;
            return rc;
        }
        if (*finished + 1 < count && preempt_wanted()) {
            (*finished)++;
            return -XEN_ERESTART;
        }
    }
    return 0;
}

long do_mmuext_op(uint64_t ops, uint64_t count64, uint64_t done, uint64_t foreigndom, uint64_t a5)
{
    uint32_t count = (uint32_t)count64 & ~MMU_PREEMPTED, finished;
    struct foreign who;
    struct ext_call c;
    int rc = foreign_get(&who, (uint32_t)foreigndom);

    (void)a5;
    if (rc)
        return rc;
    c = (struct ext_call){ .v = pv_vcpu(current_vcpu()), .d = who.tables, .foreign = who.tables_ref != NULL };
    if (who.frames_ref) {                /* pins name another domain by its frames */
        c.d = pv_domain(who.frames_ref);
        c.foreign = true;
    }
    rc = run_list(&c, ops, count, &finished);
    foreign_put(&who);
    if (done)
        mmu_add_done(done, count64 & MMU_PREEMPTED, finished);
    if (rc == -XEN_ERESTART)
        return hypercall_restart(ops + (uint64_t)finished * sizeof(struct mmuext_op),
                                 (count - finished) | MMU_PREEMPTED, done, foreigndom, 0);
    return rc;
}
