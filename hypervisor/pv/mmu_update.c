// SPDX-License-Identifier: MIT
/*
 * MMU_UPDATE and UPDATE_VA_MAPPING: guests' changes of page-table entries.
 *
 * Requests are copied in chunks; a chunk's run of updates to one table holds page_lock once and looks the table up once.
 * Between requests the hypercall can stop and restart with the rest; `done` accumulates in guest memory, MMU_PREEMPTED in
 * the count says that it has a value already.
 */
#include "pv/pv_mmu.h"

#define CHUNK           32u
#define LDT_WAIT_NS     UINT64_C(100000000)
#define NO_L1           mfn(UINT64_MAX)

struct update_run {
    struct pv_domain *d;          /* whose tables */
    unsigned owner;               /* whose frames leaves may map */
    mfn_t l1;                     /* the last request's L1 table, which stays one under page_lock; or NO_L1 */
};

/* An update of a frame that is no page table: a plain write, if the frame may be written. */
static int update_plain(struct pv_domain *d, const struct mmu_update *req)
{
    mfn_t m = paddr_to_mfn(req->ptr);
    int rc = frame_get_and_type(d, m, TYPE_WRITABLE);

    if (rc)
        return rc;
    WRITE_ONCE(pte_at(m, req->ptr)->v, req->val);
    frame_put_and_type(d, frame_of(m));
    return 0;
}

/* Any table but an L1, or no table at all. */
static NOINLINE int update_other_entry(const struct update_run *run, const struct mmu_update *req, unsigned flags)
{
    mfn_t m = paddr_to_mfn(req->ptr);
    unsigned index = (unsigned)(req->ptr & PAGE_OFFSET_MASK) / sizeof(pte_t);

    if (!is_table_in_use(run->d, m))
        return update_plain(run->d, req);
    return table_update(run->d, frame_of(m), index, pte(req->val), run->owner, flags);
}

/* Of an L1 table in use, further entries need not ask until another kind of frame is updated. */
static ALWAYS_INLINE int update_entry(struct update_run *run, const struct mmu_update *req, unsigned flags)
{
    mfn_t m = paddr_to_mfn(req->ptr);

    if (unlikely(!mfn_eq(m, run->l1))) {
        run->l1 = is_l1_in_use(run->d, m) ? m : NO_L1;
        if (!mfn_eq(m, run->l1))
            return update_other_entry(run, req, flags);
    }
    return leaf_update(run->d, pte_at(m, req->ptr), pte(req->val), run->owner, flags);
}

static int update_m2p(struct update_run *run, const struct mmu_update *req)
{
    mfn_t m = paddr_to_mfn(req->ptr);

    if (!mfn_valid(m) || !frame_get(frame_of(m), run->owner))
        return -XEN_EINVAL;
    m2p_set(m, req->val);
    frame_put(frame_of(m));
    return 0;
}

static int update_one(struct update_run *run, const struct mmu_update *req)
{
    unsigned kind = req->ptr & (sizeof(pte_t) - 1);

    if (likely(kind == MMU_NORMAL_PT_UPDATE) || kind == MMU_PT_UPDATE_NO_TRANSLATE)
        return update_entry(run, req, 0);
    switch (kind) {
    case MMU_PT_UPDATE_PRESERVE_AD:
        return update_entry(run, req, UPDATE_PRESERVE_AD);
    case MMU_MACHPHYS_UPDATE:
        return update_m2p(run, req);
    default:
        return -XEN_ENOSYS;
    }
}

/* Run one chunk under page_lock; *done counts what is finished, also when the result says to restart. */
static int update_chunk(struct update_run *run, const struct mmu_update *reqs, unsigned nr, unsigned *done)
{
    int rc = 0;

    spin_lock(&run->d->page_lock);
    run->l1 = NO_L1;
    for (*done = 0; *done < nr; (*done)++) {
        rc = page_type_finish(run->d);
        if (!rc)
            rc = update_one(run, &reqs[*done]);
        if (rc)
            break;
    }
    spin_unlock(&run->d->page_lock);
    return rc;
}

/* A bad address costs the guest the answer only: what was done is done. */
void mmu_add_done(uint64_t guest, bool accumulate, uint32_t nr)
{
    uint32_t before = 0;

    if (accumulate && copy_from_guest(&before, guest, sizeof(before)))
        return;
    nr += before;
    (void)copy_to_guest(guest, &nr, sizeof(nr));
}

static int run_updates(struct update_run *run, uint64_t reqs, uint32_t count, uint32_t *finished)
{
    struct mmu_update chunk[CHUNK];

    for (*finished = 0; *finished < count;) {
        uint64_t from = reqs + (uint64_t)*finished * sizeof(chunk[0]);
        unsigned nr = MIN(count - *finished, CHUNK), done;
        int rc;

        /* Where the array ends in a hole, what lies before it counts. */
        if (copy_from_guest(chunk, from, nr * sizeof(chunk[0]))) {
            nr = 1;
            if (copy_from_guest(chunk, from, sizeof(chunk[0])))
                return -XEN_EFAULT;
        }
        rc = update_chunk(run, chunk, nr, &done);
        *finished += done;
        if (rc)
            return rc;
        if (*finished < count && preempt_wanted())
            return -XEN_ERESTART;
    }
    return 0;
}

long do_mmu_update(uint64_t reqs, uint64_t count, uint64_t done, uint64_t foreigndom, UNUSED_FROM_5)
{
    uint32_t finished;
    struct foreign who;
    struct update_run run;
    int rc = foreign_get(&who, (uint32_t)foreigndom);

    if (rc)
        return rc;
    run = (struct update_run){ .d = who.tables, .owner = who.frames_owner };
    rc = run_updates(&run, reqs, (uint32_t)count & ~MMU_PREEMPTED, &finished);
    return mmu_list_end(&who, rc, reqs, sizeof(struct mmu_update), count, finished, done, foreigndom);
}

/* --- By address ---------------------------------------------------------------------------------------------- */

pte_t *pv_find_leaf(struct pv_vcpu *v, uint64_t va)
{
    pte_t *e = (pte_t *)mfn_to_virt(paddr_to_mfn(v->cr3_kernel)) + pt_index(va, 4);

    ASSERT_LOCKED(&pv_domain(v->vcpu.domain)->page_lock);
    if (unlikely(!guest_range_ok(va, 1)))
        return NULL;
    for (unsigned level = 3; pte_present(*e); level--) {
        e = (pte_t *)mfn_to_virt(pte_mfn(*e)) + pt_index(va, level);
        if (level == 1)
            return e;
    }
    return NULL;
}

static int update_va(struct pv_vcpu *v, uint64_t va, uint64_t val, unsigned owner)
{
    struct pv_domain *d = pv_domain(v->vcpu.domain);
    pte_t *e;
    int rc;

    spin_lock(&d->page_lock);
    rc = page_type_finish(d);
    if (!rc) {
        e = pv_find_leaf(v, va);
        rc = e ? leaf_update(d, e, pte(val), owner, 0) : -XEN_EINVAL;
    }
    spin_unlock(&d->page_lock);
    return rc;
}

/*
 * Linux gives an LDT's page back when all CPUs that run the process have let go of it, but does not wait for one that is
 * switching away from it just then: that one's set_ldt is on its way.
 */
static NOINLINE bool waits_for_ldt(struct pv_vcpu *v, mfn_t m)
{
    uint64_t now = clock_now();

    if (!mfn_valid(m) || frame_type(frame_of(m)) != TYPE_DESC)
        return false;
    if (now > v->ldt_wait_end + LDT_WAIT_NS)
        v->ldt_wait_end = now + LDT_WAIT_NS;
    return now < v->ldt_wait_end;
}

long do_update_va_mapping_otherdomain(uint64_t va, uint64_t val, uint64_t flags, uint64_t domid, UNUSED_FROM_5)
{
    struct pv_vcpu *v = pv_vcpu(current_vcpu());
    uint64_t kind = flags & UVMF_FLUSHTYPE_MASK;
    struct foreign who;
    int rc = foreign_get(&who, (uint16_t)domid);

    if (rc)
        return rc;
    rc = update_va(v, va, val, who.frames_owner);
    foreign_put(&who);
    if (unlikely(rc == -XEN_ERESTART || (rc && waits_for_ldt(v, pte_mfn(pte(val))))))
        return hypercall_restart(va, val, flags, domid, 0);
    if (rc || kind == UVMF_NONE)
        return rc;
    return pv_flush(v, kind == UVMF_INVLPG ? va : FLUSH_TLB_ALL_VA, flags - kind);
}

long do_update_va_mapping(uint64_t va, uint64_t val, uint64_t flags, UNUSED_FROM_4)
{
    return do_update_va_mapping_otherdomain(va, val, flags, DOMID_SELF, 0);
}
