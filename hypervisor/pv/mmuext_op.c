// SPDX-License-Identifier: MIT
/*
 * MMUEXT_OP: pins, base pointers, TLB flushes, LDT, page clear and copy. One table row per command; rows of table work run
 * under page_lock. A list stops between operations when preemption is wanted, and in one when its tree work is preempted.
 */
#include "cpu/guest_word.h"
#include "pv/pv_mmu.h"

struct ext_call {
    struct pv_vcpu *v;
    struct pv_domain *d;               /* whose tables */
    bool foreign;                      /* not the caller's own */
    struct mmuext_op op;
};

static int ext_pin(struct ext_call *c)
{
    enum frame_type type = (enum frame_type)(TYPE_L1 + (c->op.cmd - MMUEXT_PIN_L1_TABLE));

    if (c->d->domain.is_dying)
        return -XEN_EINVAL;
    return table_pin(c->d, mfn(c->op.arg1.mfn), type);
}

static int ext_unpin(struct ext_call *c)
{
    return table_unpin(c->d, mfn(c->op.arg1.mfn));
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

static int ext_baseptr(struct ext_call *c)
{
    return pv_new_baseptr(c->v, mfn(c->op.arg1.mfn), c->op.cmd == MMUEXT_NEW_USER_BASEPTR);
}

static int ext_set_ldt(struct ext_call *c)
{
    return pv_set_ldt(c->v, c->op.arg1.linear_addr, c->op.arg2.nr_ents);
}

/* The CPUs that may hold TLB entries of the vCPUs in a guest's bitmap (one word of bits per 64 vCPUs). */
static NOINLINE int flush_bitmap(struct domain *d, uint64_t va, uint64_t bitmap)
{
    struct cpumask cpus;
    uint64_t word = 0;

    cpumask_zero(&cpus);
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (i % 64 == 0 &&
            copy_from_guest(&word, bitmap + i / 8, MIN(8u, (d->max_vcpus - i + 7) / 8)))
            return -XEN_EINVAL;
        if (word >> (i % 64) & 1 && d->vcpu[i])
            cpumask_set(&cpus, READ_ONCE(d->vcpu[i]->sched.cpu));
    }
    cpumask_and(&cpus, &cpus, &d->dirty_cpus);
    tlb_flush_mask(&cpus, va);
    return 0;
}

int pv_flush_others(struct pv_vcpu *v, uint64_t va, uint64_t target)
{
    if (target != UVMF_ALL)
        return flush_bitmap(v->vcpu.domain, va, target);
    tlb_flush_mask(&v->vcpu.domain->dirty_cpus, va);
    return 0;
}

/* Flushes come in pairs, the one with an address odd. */
static int ext_flush(struct ext_call *c)
{
    uint64_t va = c->op.cmd & 1 ? c->op.arg1.linear_addr : FLUSH_TLB_ALL_VA;

    if (va != FLUSH_TLB_ALL_VA && !guest_range_ok(va, 1))
        return 0;
    if (c->op.cmd <= MMUEXT_INVLPG_LOCAL)
        return pv_flush(c->v, va, UVMF_LOCAL);
    return pv_flush_others(c->v, va,
                           c->op.cmd <= MMUEXT_INVLPG_MULTI ? c->op.arg2.vcpumask : UVMF_ALL);
}
_Static_assert(MMUEXT_TLB_FLUSH_LOCAL == 6 && MMUEXT_INVLPG_ALL == 11, "pairs");

static int ext_flush_cache(struct ext_call *c)
{
    if (!c->v->vcpu.domain->is_control)
        return -XEN_EACCES;
    __asm__ volatile("wbinvd" : : : "memory");
    return 0;
}

static int ext_fill_page(struct ext_call *c)
{
    mfn_t to = mfn(c->op.arg1.mfn), from = mfn(c->op.arg2.src_mfn);
    bool copies = c->op.cmd == MMUEXT_COPY_PAGE;
    int rc;

    if (copies && (!mfn_valid(from) || !frame_get(frame_of(from), c->d->domain.id)))
        return -XEN_EINVAL;
    rc = frame_get_and_type(c->d, to, TYPE_WRITABLE);
    if (!rc && copies)
        memcpy(mfn_to_virt(to), mfn_to_virt(from), PAGE_SIZE);
    else if (!rc)
        memset(mfn_to_virt(to), 0, PAGE_SIZE);
    if (!rc)
        frame_put_and_type(c->d, frame_of(to));
    if (copies)
        frame_put(frame_of(from));
    return rc;
}

#define LOCKED 1u           /* works on tables: under page_lock */
#define OWN    2u           /* the caller's alone */

static const struct { int (*handler)(struct ext_call *c); unsigned flags; } ext_ops[] = {
    [MMUEXT_PIN_L1_TABLE ... MMUEXT_PIN_L4_TABLE] = { ext_pin, LOCKED },
    [MMUEXT_UNPIN_TABLE]       = { ext_unpin, LOCKED },
    [MMUEXT_NEW_BASEPTR]       = { ext_baseptr, LOCKED | OWN },
    [MMUEXT_NEW_USER_BASEPTR]  = { ext_baseptr, LOCKED | OWN },
    [MMUEXT_SET_LDT]           = { ext_set_ldt, OWN },
    [MMUEXT_TLB_FLUSH_LOCAL ... MMUEXT_INVLPG_ALL] = { ext_flush, 0 },
    [MMUEXT_FLUSH_CACHE]       = { ext_flush_cache, 0 },
    [MMUEXT_FLUSH_CACHE_GLOBAL] = { ext_flush_cache, 0 },
    [MMUEXT_CLEAR_PAGE]        = { ext_fill_page, LOCKED },
    [MMUEXT_COPY_PAGE]         = { ext_fill_page, LOCKED },
};

static int ext_run(struct ext_call *c)
{
    unsigned cmd = c->op.cmd;
    int rc;

    if (cmd >= ARRAY_SIZE(ext_ops) || !ext_ops[cmd].handler)
        return -XEN_ENOSYS;
    if (ext_ops[cmd].flags & OWN && c->foreign)
        return -XEN_EPERM;
    if (!(ext_ops[cmd].flags & LOCKED))
        return ext_ops[cmd].handler(c);
    spin_lock(&c->d->page_lock);
    rc = page_type_finish(c->d);
    if (!rc)
        rc = ext_ops[cmd].handler(c);
    spin_unlock(&c->d->page_lock);
    return rc;
}

static int run_list(struct ext_call *c, uint64_t ops, uint32_t count, uint32_t *finished)
{
    int rc;

    for (*finished = 0; *finished < count;) {
        uint64_t from = ops + (uint64_t)*finished * sizeof(c->op);

        if (!guest_range_ok(from, sizeof(c->op)) || !guest_load_mmuext(&c->op, from))
            return -XEN_EFAULT;
        rc = ext_run(c);
        if (rc)
            return rc;
        if (++*finished < count && preempt_wanted())
            return -XEN_ERESTART;
    }
    return 0;
}

long do_mmuext_op(uint64_t ops, uint64_t count, uint64_t done, uint64_t foreigndom, UNUSED_FROM_5)
{
    uint32_t finished;
    struct foreign who;
    struct ext_call c;
    int rc = foreign_get(&who, (uint32_t)foreigndom);

    if (rc)
        return rc;
    c.v = pv_vcpu(current_vcpu());
    c.d = who.frames_ref ? pv_domain(who.frames_ref) : who.tables;    /* pins name another domain by its frames */
    c.foreign = who.tables_ref || who.frames_ref;
    rc = run_list(&c, ops, (uint32_t)count & ~MMU_PREEMPTED, &finished);
    return mmu_list_end(&who, rc, ops, sizeof(struct mmuext_op), count, finished, done, foreigndom);
}
