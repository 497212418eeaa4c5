// SPDX-License-Identifier: MIT
/*
 * Frame types: the whole of memory safety for PV guests. This module alone changes a frame's type word.
 *
 * A frame is at any instant of one type. A type is held by counted uses; only at count zero can it change:
 *
 *   type        who holds a count                                  guest may
 *   NONE        nobody                                             -
 *   WRITABLE    each writable leaf, each hypervisor-made writer    write it
 *   L1..L4      each entry of the level above; a pin; a CR3        read it; change entries by our leave only
 *   DESC        GDT and LDT slots that hold it                     read it; change descriptors by our leave only
 *
 *   any, count 0          --get(WRITABLE or DESC)-->  that type, count 1     (TLBs flushed by stamp if the type changes)
 *   any, count 0          --promote(Ln)---------->   Ln, partial(p), count 0  each entry below p checked and referenced
 *   Ln, partial(512)      ----------------------->   Ln, validated, count 1
 *   Ln, validated, count 1 --put---------------->    Ln, partial(512)         then entries are dropped from the top
 *   Ln, partial(0)        ----------------------->   Ln, count 0, stamp of now
 *
 * A table in use (count > 0) is validated, always. A partial one is in nobody's use: it holds one general reference to
 * itself, its progress p stands in the type word, and whoever needs it next carries on, upward or downward. While a table
 * is worked on, the child at entry p may be partial too: whoever carries on finishes that child first. So work can stop
 * at any preemption point without a note elsewhere, except one: a tree that nobody will ask for again (its last use is
 * gone, or its promotion failed) is kept in pv_domain.unfinished, and the next operation on page tables finishes it first.
 * There is no recursion: levels strictly descend, so an explicit stack of four serves.
 *
 * Locks: tables (promotion, demotion, their counts, their entries) under the owner's page_lock. WRITABLE and DESC are
 * lock-free: compare-and-exchange on the type word decides between them and a promotion.
 */
#pragma once
#include "mm/frame.h"

#define TYPE_SHIFT        60
#define TYPE_PINNED       (UINT64_C(1) << 59)
#define TYPE_VALIDATED    (UINT64_C(1) << 58)
#define TYPE_PARTIAL      (UINT64_C(1) << 57)
#define TYPE_STAMP_SHIFT  32
#define TYPE_STAMP_MASK   UINT64_C(0x1ffffff)
#define TYPE_COUNT_MASK   UINT64_C(0xffffffff)

enum frame_type { TYPE_NONE, TYPE_L1, TYPE_L2, TYPE_L3, TYPE_L4, TYPE_DESC, TYPE_WRITABLE };

struct pv_domain;

static inline enum frame_type frame_type(const struct frame *f)
{
    return (enum frame_type)(READ_ONCE(f->type) >> TYPE_SHIFT);
}

/*
 * General and type reference together, or neither; `d` owns the frame. Tables need page_lock. 0, -XEN_EINVAL (not possible:
 * wrong owner, wrong type in use, or bad contents), or -XEN_ERESTART (preempted; call again).
 */
int frame_get_and_type(struct pv_domain *d, mfn_t m, enum frame_type type);
/* Drop both. What a last use leaves unfinished of a tree goes to d->unfinished. */
void frame_put_and_type(struct pv_domain *d, struct frame *f);
/* Drop what a leaf that maps the frame would hold; nothing if it is not present. */
void leaf_put(pte_t e);

/*
 * Replace entry `index` of `table`, a validated table of `d`, whose page_lock is held. `owner` is whose frames a leaf may map.
 * 0, -XEN_EINVAL or -XEN_ERESTART; with anything but 0 the entry is as it was.
 */
#define UPDATE_PRESERVE_AD 1u       /* keep the accessed and dirty bits that the CPU sets meanwhile */
int table_update(struct pv_domain *d, struct frame *table, unsigned index, pte_t new, unsigned owner, unsigned flags);
/* The same for entry `e` of a table that is known to be an L1. */
int leaf_update(struct pv_domain *d, pte_t *e, pte_t new, unsigned owner, unsigned flags);
/* As leaf_update for frames of d's own, but only if it still holds `expected`; else -XEN_EAGAIN. */
int leaf_compare_and_update(struct pv_domain *d, pte_t *e, pte_t expected, pte_t new);

/* Carry on with d->unfinished, which is not NULL. For page_type_finish() alone (pv/pv_mmu.h). */
int page_type_carry_on(struct pv_domain *d);
/* MMUEXT_PIN_Ln_TABLE and MMUEXT_UNPIN_TABLE. 0, -XEN_EINVAL or -XEN_ERESTART. */
int table_pin(struct pv_domain *d, mfn_t m, enum frame_type type);
int table_unpin(struct pv_domain *d, mfn_t m);
/* At the end of `d`, with nothing unfinished: drop f's pin, or a promotion that nobody will carry on; it may be unfinished then. */
void table_release(struct pv_domain *d, struct frame *f);

/* What a guest may do with a frame number that is not RAM: asked by leaf_get. Boot registers what is ours. */
enum mmio_access { MMIO_NONE, MMIO_READ, MMIO_FULL };
enum mmio_access mmio_access(const struct pv_domain *d, mfn_t m);
void mmio_restrict(mfn_t m, enum mmio_access most);
