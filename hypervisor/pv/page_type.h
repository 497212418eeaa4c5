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
 *   NONE/any, count 0 --get(WRITABLE)--> WRITABLE, count 1           (TLB filtered by stamp if the old type was a table)
 *   NONE/any, count 0 --get(Ln)--> Ln, partial --> Ln, validated     (promotion: each entry checked and referenced)
 *   Ln, validated, count 1 --put--> Ln, partial --> count 0, stamp   (demotion: each entry's references dropped)
 *
 * Promotion and demotion go entry by entry and can stop at a preemption point: the frame then is `partial`, its progress
 * in the type word, and the work goes on when the operation is restarted. No recursion: a table is promoted only when the
 * tables below it are, by an explicit stack of at most four levels.
 *
 * Locks: changing entries, promoting and demoting need the owner's page_lock (struct pv_domain). WRITABLE and further
 * counts on a validated table are lock-free.
 */
#pragma once
#include "lib/types.h"
#include "mm/frame.h"
#include "mm/pte.h"

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

/* Take a type reference. WRITABLE and DESC never sleep; tables need page_lock. 0, -XEN_EINVAL, -XEN_EBUSY (held as another
   type), or -XEN_ERESTART (preempted; call again). */
int frame_get_type(struct frame *f, enum frame_type type);
/* Drop one. Tables need page_lock. 0 or -XEN_ERESTART: the count is already dropped to the partial state; call
   frame_put_type_continue until 0. */
int frame_put_type(struct frame *f);

/* General and type reference together, or neither. */
int frame_get_and_type(mfn_t m, unsigned owner, enum frame_type type);
int frame_put_and_type(struct frame *f);
