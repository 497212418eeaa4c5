// SPDX-License-Identifier: MIT
/*
 * Frame types (pv/page_type.h states the rules). Everything here is pure but for the TLB flush, and runs on the host under
 * tests and fuzzing. Functions named begin_*, finish_* move a type word along the arrows of the table there; nothing
 * else writes type words.
 */
#include "pv/page_type.h"

#include "pv/pv_domain.h"

/*
 * Per level of table: what its present entries may not have set. The CPU ignores bits 52-58, and Linux
 * keeps a note in bit 58 of its L4 entries since 6.9; bits 59-62 would be a protection key. Leaves of user mode are GLOBAL
 * in a guest that Debian's Xen saved; with us they lose it.
 */
#define HIGH_BITS      UINT64_C(0x7800000000000000)
#define TABLE_FORBIDS  (HIGH_BITS | PTE_GLOBAL | PTE_PSE | PTE_PCD | PTE_PWT)
#define LEAF_FORBIDS   (HIGH_BITS | PTE_GLOBAL)

static const uint64_t forbidden_flags[] = {
    [TYPE_L1] = LEAF_FORBIDS, [TYPE_L2] = TABLE_FORBIDS, [TYPE_L3] = TABLE_FORBIDS, [TYPE_L4] = TABLE_FORBIDS,
};
_Static_assert(TYPE_L1 == 1 && TYPE_L4 == 4, "a table's type is its level");

#define PROGRESS_DONE PT_ENTRIES

static bool is_table_type(enum frame_type type)
{
    return type >= TYPE_L1 && type <= TYPE_L4;
}

static uint64_t type_word(uint64_t type, uint64_t flags, uint64_t middle, uint64_t count)
{
    return type << TYPE_SHIFT | flags | middle << TYPE_STAMP_SHIFT | count;
}

static unsigned type_progress(uint64_t word)
{
    return (unsigned)(word >> TYPE_STAMP_SHIFT & TYPE_STAMP_MASK);
}

static bool is_reserved_slot(enum frame_type type, unsigned index)
{
    return type == TYPE_L4 && index >= HYP_L4_FIRST && index <= HYP_L4_LAST;
}

/*
 * Before a frame becomes another type: no CPU may use what it cached under the old one (stale writable or table entries). Any
 * CPU: another domain may have mapped the frame, by a grant or as its manager.
 */
static void flush_for_change(uint64_t word, enum frame_type type)
{
    struct cpumask cpus;

    if (word >> TYPE_SHIFT == type || word >> TYPE_SHIFT == TYPE_NONE)
        return;
    cpus = online_cpus;
    tlb_filter(&cpus, type_progress(word));
    if (!cpumask_is_empty(&cpus))
        tlb_flush_mask(&cpus, FLUSH_TLB_ALL_VA);
}

/* A page of ours that the guest maps too (its grant table, shared_info): we write it, so it can only be WRITABLE. */
static bool is_shared_by_us(const struct frame *f)
{
    return !(READ_ONCE(f->ref) & FRAME_ALLOCATED);
}

/* --- Leaves -------------------------------------------------------------------------------------------------- */

/* Lock-free types: count them up, or take an unused frame over. */
static NOINLINE int get_plain_type(struct frame *f, enum frame_type type)
{
    uint64_t old = READ_ONCE(f->type), new;

    do {
        if (old & TYPE_COUNT_MASK) {
            if (old >> TYPE_SHIFT != type || (old & TYPE_COUNT_MASK) == TYPE_COUNT_MASK)
                return -XEN_EINVAL;
            new = old + 1;
        } else {
            if (old & TYPE_PARTIAL)
                return -XEN_EBUSY;
            if (type != TYPE_WRITABLE && is_shared_by_us(f))
                return -XEN_EINVAL;
            flush_for_change(old, type);
            new = type_word(type, 0, 0, 1);
        }
    } while (!try_cmpxchg64(&f->type, &old, new));
    return 0;
}

/* One more writer of a frame that has one, and not 2^31: a bound that fits into an instruction. */
static ALWAYS_INLINE bool add_writer(struct frame *f)
{
    uint64_t old = READ_ONCE(f->type);

    return likely(old - type_word(TYPE_WRITABLE, 0, 0, 1) < INT32_MAX) &&
           likely(try_cmpxchg64(&f->type, &old, old + 1));
}

static NOINLINE int put_plain_type(struct frame *f)
{
    uint64_t old = READ_ONCE(f->type), new;

    do {
        new = old - 1;
        if (!(new & TYPE_COUNT_MASK))
            new = type_word(old >> TYPE_SHIFT, 0, tlb_clock() & TYPE_STAMP_MASK, 0);
    } while (!try_cmpxchg64(&f->type, &old, new));
    return 0;
}

/* One writer less; a call only for the last one. */
static ALWAYS_INLINE int drop_writer(struct frame *f)
{
    uint64_t old = READ_ONCE(f->type);

    return likely((old & TYPE_COUNT_MASK) > 1) && likely(try_cmpxchg64(&f->type, &old, old - 1)) ? 0 : put_plain_type(f);
}

static bool is_device(mfn_t m)
{
    return !mfn_valid(m) || frame_owner(frame_of(m)) == FRAME_OWNER_IO;
}

static ALWAYS_INLINE int get_if_writable(struct frame *f, pte_t e)
{
    int rc = e.v & PTE_RW && !add_writer(f) ? get_plain_type(f, TYPE_WRITABLE) : 0;

    if (unlikely(rc))
        frame_put(f);
    return rc;
}

static NOINLINE int leaf_get_rare(struct pv_domain *d, unsigned owner, pte_t *e)
{
    mfn_t m = pte_mfn(*e);
    enum mmio_access most;

    if (e->v & HIGH_BITS)
        return -XEN_EINVAL;
    e->v &= ~PTE_GLOBAL;
    if (!mfn_valid(m) || !frame_get(frame_of(m), owner)) {
        most = is_device(m) ? mmio_access(d, m) : MMIO_NONE;
        if (most == MMIO_READ)
            e->v &= ~PTE_RW;
        return most == MMIO_NONE ? -XEN_EINVAL : 0;
    }
    if (!d->domain.is_control)
        e->v &= ~PTE_CACHE_MASK;
    return get_if_writable(frame_of(m), *e);
}

/*
 * References of one leaf that maps a frame of `owner` (or device memory) in a table of `d`. *e may come back with less. No call
 * for the common leaf: RAM, cached, one more writer or reader.
 */
static ALWAYS_INLINE int leaf_get(struct pv_domain *d, unsigned owner, pte_t *e)
{
    struct frame *f = frame_of(pte_mfn(*e));

    if (unlikely(e->v & (LEAF_FORBIDS | PTE_CACHE_MASK) || !mfn_valid(pte_mfn(*e)) || !frame_get(f, owner))) {
        pte_t rare = *e;                 /* a copy, so that the caller's entry can stay in a register */
        int rc = leaf_get_rare(d, owner, &rare);

        *e = rare;
        return rc;
    }
    return get_if_writable(f, *e);
}

ALWAYS_INLINE void leaf_put(pte_t e)
{
    mfn_t m = pte_mfn(e);

    if (!pte_present(e) || unlikely(is_device(m)))
        return;
    if (e.v & PTE_RW)
        (void)drop_writer(frame_of(m));
    frame_put(frame_of(m));
}

/* --- Trees --------------------------------------------------------------------------------------------------- */

struct step {
    struct frame *f;
    pte_t *table;
    enum frame_type type;
    unsigned progress;
};

struct walk {
    struct step stack[4];
    unsigned depth;              /* steps in use; the last is worked on */
    unsigned preempt_steps;
};

static struct step *walk_push(struct walk *w, struct frame *f)
{
    struct step *s = &w->stack[w->depth++];
    uint64_t word = READ_ONCE(f->type);

    ASSERT(w->depth <= ARRAY_SIZE(w->stack) && word & TYPE_PARTIAL);
    *s = (struct step){ f, mfn_to_virt(frame_mfn(f)), (enum frame_type)(word >> TYPE_SHIFT), type_progress(word) };
    return s;
}

/* Progress is kept in the step and written to the frame when the walk leaves it. */
static void save_progress(const struct walk *w)
{
    for (unsigned i = 0; i < w->depth; i++)
        WRITE_ONCE(w->stack[i].f->type, type_word(w->stack[i].type, TYPE_PARTIAL, w->stack[i].progress, 0));
}

/* An unused frame becomes a partial table with nothing done; it holds a reference to itself. */
static int begin_promotion(struct pv_domain *d, struct frame *f, enum frame_type type)
{
    uint64_t old = READ_ONCE(f->type);

    if (old & (TYPE_COUNT_MASK | TYPE_PARTIAL) || is_shared_by_us(f) || !frame_get(f, d->domain.id))
        return -XEN_EINVAL;
    flush_for_change(old, type);
    if (cmpxchg64(&f->type, old, type_word(type, TYPE_PARTIAL, 0, 0)) == old)
        return 0;
    frame_put(f);
    return -XEN_EINVAL;
}

/* All entries are good: in use once. Its reference to itself becomes the user's. */
static void finish_promotion(struct step *s)
{
    if (s->type == TYPE_L4)
        memcpy(&s->table[HYP_L4_FIRST], &hyp_l4[HYP_L4_FIRST], HYP_L4_SLOTS * sizeof(pte_t));
    WRITE_ONCE(s->f->type, type_word(s->type, TYPE_VALIDATED, 0, 1));
}

static void finish_demotion(struct step *s)
{
    WRITE_ONCE(s->f->type, type_word(s->type, 0, tlb_clock() & TYPE_STAMP_MASK, 0));
    frame_put(s->f);
}

static int promote_leaves(struct pv_domain *d, struct step *s)
{
    pte_t *e = &s->table[s->progress], *end = &s->table[PT_ENTRIES];
    unsigned owner = d->domain.id;
    int rc = 0;

    for (; e < end; e++) {
        pte_t leaf = *e;

        if (!pte_present(leaf))
            continue;
        rc = leaf_get(d, owner, &leaf);
        if (unlikely(rc))
            break;
        e->v = leaf.v | PTE_USER;
    }
    s->progress = (unsigned)(e - s->table);
    return rc;
}

/* This cannot fail: 0. */
static int demote_leaves(struct step *s)
{
    for (const pte_t *e = &s->table[s->progress]; e-- > s->table;)
        leaf_put(*e);
    s->progress = 0;
    return 0;
}

/* The frame that entry `e` of a table of `type` names as its child; NULL if the entry can not be had. */
static struct frame *entry_child(struct pv_domain *d, enum frame_type type, pte_t e)
{
    mfn_t m = pte_mfn(e);

    if (e.v & forbidden_flags[type] || !mfn_valid(m) || frame_owner(frame_of(m)) != d->domain.id)
        return NULL;
    return frame_of(m);
}

static bool is_partial(const struct frame *f, enum frame_type type)
{
    uint64_t word = READ_ONCE(f->type);

    return word & TYPE_PARTIAL && word >> TYPE_SHIFT == type;
}

/* One more use of a table that is in use already; page_lock held. */
static int get_validated(struct frame *f, enum frame_type type)
{
    uint64_t word = READ_ONCE(f->type);

    if (!(word & TYPE_VALIDATED) || word >> TYPE_SHIFT != type || (word & TYPE_COUNT_MASK) == TYPE_COUNT_MASK)
        return -XEN_EINVAL;
    WRITE_ONCE(f->type, word + 1);
    return 0;
}

/* Entry at s->progress is good: its child counts it. */
static void accept_entry(struct step *s)
{
    s->table[s->progress++].v |= PTE_USER;
}

/* Go over a table's entries until a child must be promoted first (1), all are good (0), or one is bad (< 0). */
static int promote_entries(struct pv_domain *d, struct walk *w, struct step *s)
{
    enum frame_type below = (enum frame_type)(s->type - 1);

    for (; s->progress < PT_ENTRIES;) {
        pte_t e = s->table[s->progress];
        struct frame *child;
        int rc;

        if (!pte_present(e) || is_reserved_slot(s->type, s->progress)) {
            s->progress++;
            continue;
        }
        child = entry_child(d, s->type, e);
        if (!child)
            return -XEN_EINVAL;
        if (READ_ONCE(child->type) & TYPE_COUNT_MASK) {
            if (!frame_get(child, d->domain.id))
                return -XEN_EINVAL;
            rc = get_validated(child, below);
            if (rc) {
                frame_put(child);
                return rc;
            }
            accept_entry(s);
            continue;
        }
        rc = is_partial(child, below) ? 0 : begin_promotion(d, child, below);
        if (rc)
            return rc;
        walk_push(w, child);
        return 1;
    }
    return 0;
}

/*
 * Drop a use of a table and its reference. True if it was the last use: the table is partial now, all its entries are to be
 * dropped, and the user's reference has become its own.
 */
static bool drop_table(struct frame *f)
{
    uint64_t word = READ_ONCE(f->type);

    if ((word & TYPE_COUNT_MASK) == 1) {
        WRITE_ONCE(f->type, type_word(word >> TYPE_SHIFT, TYPE_PARTIAL, PROGRESS_DONE, 0));
        return true;
    }
    WRITE_ONCE(f->type, word - 1);
    frame_put(f);
    return false;
}

/* Drop a table's entries from the top until a child must be demoted first (1) or none is left (0). */
static int demote_entries(struct pv_domain *d, struct walk *w, struct step *s)
{
    enum frame_type below = (enum frame_type)(s->type - 1);
    struct frame *child;

    if (s->progress < PT_ENTRIES && pte_present(s->table[s->progress]) &&
        !is_reserved_slot(s->type, s->progress)) {
        child = entry_child(d, s->type, s->table[s->progress]);
        if (child && is_partial(child, below)) {
            walk_push(w, child);
            return 1;
        }
    }
    while (s->progress) {
        pte_t e = s->table[--s->progress];

        if (!pte_present(e) || is_reserved_slot(s->type, s->progress))
            continue;
        child = frame_of(pte_mfn(e));
        if (drop_table(child)) {
            walk_push(w, child);
            return 1;
        }
    }
    return 0;
}

/*
 * Carry a partial frame upward until it is in use once, or downward until nothing is referenced by it. On error it stays
 * partial: who carried it upward leaves it in d->unfinished.
 */
static int walk(struct pv_domain *d, struct frame *root, bool up)
{
    struct walk w = { .depth = 0 };
    int rc;

    walk_push(&w, root);
    do {
        struct step *s = &w.stack[w.depth - 1];

        if (s->type == TYPE_L1)
            rc = up ? promote_leaves(d, s) : demote_leaves(s);
        else
            rc = up ? promote_entries(d, &w, s) : demote_entries(d, &w, s);
        if (rc)
            continue;
        if (up)
            finish_promotion(s);
        else
            finish_demotion(s);
        if (--w.depth && up)
            accept_entry(&w.stack[w.depth - 1]);
        if (w.depth && preempt_check(&w.preempt_steps))
            rc = -XEN_ERESTART;
    } while (w.depth && rc >= 0);
    save_progress(&w);
    return rc;
}

int page_type_carry_on(struct pv_domain *d)
{
    struct frame *f = d->unfinished;
    int rc;

    ASSERT_LOCKED(&d->page_lock);
    d->unfinished = NULL;
    if (!(READ_ONCE(f->type) & TYPE_PARTIAL)) {
        frame_put(f);
        return 0;
    }
    rc = walk(d, f, false);
    if (rc)
        d->unfinished = f;
    else
        frame_put(f);
    return rc;
}

/* Leave the partial tree at `f` to page_type_finish(). The slot keeps a reference: f may be promoted and freed meanwhile. */
static void leave_unfinished(struct pv_domain *d, struct frame *f)
{
    if (!d->unfinished && frame_get(f, d->domain.id))
        d->unfinished = f;
}

/* --- Uses ---------------------------------------------------------------------------------------------------- */

static NOINLINE int get_table_type(struct pv_domain *d, struct frame *f, enum frame_type type)
{
    int rc;

    ASSERT_LOCKED(&d->page_lock);
    if (READ_ONCE(f->type) & TYPE_COUNT_MASK)
        return get_validated(f, type);
    if (READ_ONCE(f->type) & TYPE_PARTIAL && !is_partial(f, type)) {
        rc = walk(d, f, false);
        if (rc)
            return rc;
    }
    if (!is_partial(f, type)) {
        rc = begin_promotion(d, f, type);
        if (rc)
            return rc;
    }
    rc = walk(d, f, true);
    if (!rc)
        frame_put(f);                    /* the caller has a reference of its own */
    else if (rc != -XEN_ERESTART)
        leave_unfinished(d, f);
    return rc;
}

int frame_get_and_type(struct pv_domain *d, mfn_t m, enum frame_type type)
{
    struct frame *f = frame_of(m);
    int rc;

    if (!mfn_valid(m) || !frame_get(f, d->domain.id))
        return -XEN_EINVAL;
    rc = is_table_type(type) ? get_table_type(d, f, type) : get_plain_type(f, type);
    if (rc)
        frame_put(f);
    return rc;
}

void frame_put_and_type(struct pv_domain *d, struct frame *f)
{
    if (!is_table_type(frame_type(f))) {
        (void)put_plain_type(f);
        frame_put(f);
        return;
    }
    ASSERT_LOCKED(&d->page_lock);
    if (drop_table(f) && walk(d, f, false))
        leave_unfinished(d, f);
}

int table_pin(struct pv_domain *d, mfn_t m, enum frame_type type)
{
    struct frame *f = frame_of(m);
    int rc = frame_get_and_type(d, m, type);

    if (rc)
        return rc;
    if (f->type & TYPE_PINNED) {
        frame_put_and_type(d, f);
        return -XEN_EINVAL;
    }
    WRITE_ONCE(f->type, f->type | TYPE_PINNED);
    return 0;
}

int table_unpin(struct pv_domain *d, mfn_t m)
{
    struct frame *f = frame_of(m);

    ASSERT_LOCKED(&d->page_lock);
    if (!mfn_valid(m) || frame_owner(f) != d->domain.id || !(READ_ONCE(f->type) & TYPE_PINNED))
        return -XEN_EINVAL;
    WRITE_ONCE(f->type, f->type & ~TYPE_PINNED);
    frame_put_and_type(d, f);
    return 0;
}

void table_release(struct pv_domain *d, struct frame *f)
{
    uint64_t word = READ_ONCE(f->type);

    ASSERT(!d->unfinished);
    if (word & TYPE_PINNED)
        (void)table_unpin(d, frame_mfn(f));
    else if (word & TYPE_PARTIAL)
        leave_unfinished(d, f);
}

/* --- Entries ------------------------------------------------------------------------------------------------- */

/* Put `new` into a live entry and give back what was there. The CPU may set accessed and dirty bits at any time. */
static pte_t write_entry(pte_t *e, pte_t new, unsigned flags)
{
    uint64_t old;

    if (likely(!(flags & UPDATE_PRESERVE_AD)) || !pte_present(new))
        return pte(xchg64(&e->v, new.v));
    old = READ_ONCE(e->v);
    while (!try_cmpxchg64(&e->v, &old, new.v | (old & (PTE_ACCESSED | PTE_DIRTY))))
        ;
    return pte(old);
}

/* The references that `new` needs, and how it will stand there. */
static ALWAYS_INLINE int leaf_get_new(struct pv_domain *d, unsigned owner, pte_t *new)
{
    int rc = pte_present(*new) ? leaf_get(d, owner, new) : 0;

    if (!rc && pte_present(*new))
        new->v |= PTE_USER;
    return rc;
}

static NOINLINE int leaf_replace(struct pv_domain *d, pte_t *e, pte_t new, unsigned owner, unsigned flags)
{
    int rc = leaf_get_new(d, owner, &new);

    if (rc)
        return rc;
    leaf_put(write_entry(e, new, flags));
    return 0;
}

/*
 * A present leaf often keeps its frame, and so its reference: at most the right to write changes. That is for the frame's
 * owner to have, and no matter of type for devices: the rest goes the long way, as does a frame's first writer.
 */
int leaf_update(struct pv_domain *d, pte_t *e, pte_t new, unsigned owner, unsigned flags)
{
    pte_t old = pte(READ_ONCE(e->v));
    bool gives = new.v & ~old.v & PTE_RW, takes = old.v & ~new.v & PTE_RW;
    struct frame *f = frame_of(pte_mfn(new));

    if (!pte_present(new) || !pte_same(old, new, PTE_CACHE_MASK) || new.v & LEAF_FORBIDS)
        return leaf_replace(d, e, new, owner, flags);
    if ((gives || takes) &&
        (!mfn_valid(pte_mfn(new)) || frame_owner(f) != owner || owner >= FRAME_FIRST_SPECIAL_OWNER))
        return leaf_replace(d, e, new, owner, flags);
    if (gives && !add_writer(f))
        return leaf_replace(d, e, new, owner, flags);
    write_entry(e, pte(new.v | PTE_USER), flags);
    return takes ? drop_writer(f) : 0;
}

static int branch_update(struct pv_domain *d, enum frame_type type, pte_t *e, pte_t new, unsigned flags)
{
    bool same = pte_present(new) && pte_same(*e, new, 0);
    pte_t old;
    int rc;

    if (pte_present(new)) {
        if (new.v & forbidden_flags[type])
            return -XEN_EINVAL;
        rc = same ? 0 : frame_get_and_type(d, pte_mfn(new), (enum frame_type)(type - 1));
        if (rc)
            return rc;
        new.v |= PTE_USER;
    }
    old = write_entry(e, new, flags);
    if (pte_present(old) && !same)
        frame_put_and_type(d, frame_of(pte_mfn(old)));
    return 0;
}

int table_update(struct pv_domain *d, struct frame *table, unsigned index, pte_t new, unsigned owner, unsigned flags)
{
    enum frame_type type = frame_type(table);
    pte_t *e = (pte_t *)mfn_to_virt(frame_mfn(table)) + index;

    ASSERT_LOCKED(&d->page_lock);
    ASSERT(index < PT_ENTRIES && READ_ONCE(table->type) & TYPE_VALIDATED);
    if (likely(type == TYPE_L1))
        return leaf_update(d, e, new, owner, flags);
    if (is_reserved_slot(type, index))
        return -XEN_EINVAL;
    return branch_update(d, type, e, new, flags);
}

int leaf_compare_and_update(struct pv_domain *d, pte_t *e, pte_t expected, pte_t new)
{
    int rc = leaf_get_new(d, d->domain.id, &new);

    ASSERT_LOCKED(&d->page_lock);
    if (rc)
        return rc;
    if (cmpxchg64(&e->v, expected.v, new.v) != expected.v) {
        leaf_put(new);
        return -XEN_EAGAIN;
    }
    leaf_put(expected);
    return 0;
}
