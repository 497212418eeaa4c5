// SPDX-License-Identifier: MIT
// The state behind fake_domain.h.
#include "fake_domain.h"

#include <stdlib.h>
#include <string.h>

#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "core/preempt.h"
#include "cpu/smp.h"
#include "fake_machine.h"
#include "mm/heap.h"
#include "mm/page_alloc.h"

#define FRAMES 512u

struct domain *fake_domains[FAKE_DOMAINS];
unsigned fake_kicked;
struct vcpu *fake_last_kicked;
bool fake_preempt;
int fake_heap_left;
unsigned fake_heap_objects;
unsigned fake_tlb_flushes;
void *fake_read_only;
int fake_pirq_result;
unsigned fake_pirqs_bound;
int fake_map_result;
unsigned fake_leaves;
hypercall_fn *const hypercall_table[NR_HYPERCALLS];

static uint64_t frames_used;

/* ---- memory ---- */

void *heap_alloc(size_t size)
{
    if (fake_heap_left == 0) {
        return NULL;
    }
    fake_heap_left -= fake_heap_left > 0;
    fake_heap_objects++;
    return calloc(1, size);
}

void heap_free(void *object)
{
    fake_heap_objects -= object != NULL;
    free(object);
}

mfn_t page_alloc(unsigned order, unsigned flags)
{
    (void)order;
    (void)flags;
    if (frames_used == FRAMES) {
        return INVALID_MFN;
    }
    memset(mfn_to_virt(mfn(frames_used)), 0, PAGE_SIZE);
    return mfn(frames_used++);
}

void frame_release(struct frame *f)
{
    if (f->type != 0 || (f->ref & FRAME_ALLOCATED)) {
        abort();
    }
}

void *fake_frame(struct domain *d, uint64_t *number)
{
    mfn_t m = page_alloc(0, 0);

    frame_of(m)->ref = (uint64_t)d->id << FRAME_OWNER_SHIFT | FRAME_ALLOCATED | 1;
    *number = m.n;
    return mfn_to_virt(m);
}

bool fake_frames_are_quiet(void)
{
    for (uint64_t n = 0; n < frames_used; n++) {
        uint64_t ref = frame_table[n].ref & (FRAME_ALLOCATED | FRAME_COUNT_MASK);
        if (frame_table[n].type << 1 != 0 || (ref & FRAME_COUNT_MASK) > 1) {
            return false;
        }
    }
    return true;
}

size_t guest_copy_raw(void *to, const void *from, size_t size)
{
    if ((uintptr_t)to < FAKE_BAD_ADDRESS || (uintptr_t)from < FAKE_BAD_ADDRESS || to == fake_read_only) {
        return size;
    }
    memcpy(to, from, size);
    return 0;
}

/* ---- the type of guest: types of frames are WRITABLE (a count) or a table (bit 63: refused) ---- */

bool guest_get_data(struct domain *d, mfn_t m, bool writable)
{
    struct frame *f = frame_of(m);

    if (!mfn_valid(m) || (writable && f->type >> 63) || !frame_get(f, d->id)) {
        return false;
    }
    f->type += writable;
    return true;
}

void guest_put_data(mfn_t m, bool writable)
{
    frame_of(m)->type -= writable;
    frame_put(frame_of(m));
}

/* A leaf is the 8 bytes at `addr`: the frame's number + 1. */
int guest_grant_leaf(struct domain *d, uint64_t addr, mfn_t m, unsigned owner, uint32_t flags, bool map)
{
    uint64_t *leaf = (uint64_t *)(uintptr_t)addr;

    (void)d;
    if (map && fake_map_result != GNTST_okay) {
        return fake_map_result;
    }
    if (map ? !guest_get_data(fake_domains[owner], m, !(flags & GNTMAP_readonly)) : *leaf != m.n + 1) {
        return GNTST_general_error;
    }
    if (map) {
        fake_leaves++;
    } else {
        guest_put_data(m, !(flags & GNTMAP_readonly));
        fake_leaves--;
    }
    *leaf = map ? m.n + 1 : 0;
    return GNTST_okay;
}

/* ---- domains ---- */

void fake_domains_create(void)
{
    fake_memory_create(FRAMES, 0);
    frames_used = 0;
    fake_kicked = 0;
    fake_preempt = false;
    fake_heap_left = -1;
    fake_tlb_flushes = 0;
    fake_read_only = NULL;
    fake_pirq_result = 0;
    fake_pirqs_bound = 0;
    fake_map_result = GNTST_okay;
    fake_leaves = 0;
    for (unsigned id = 0; id < FAKE_DOMAINS; id++) {
        struct domain *d = calloc(1, sizeof(*d));
        d->id = id;
        d->refs = 1;
        d->is_control = id == 0;
        d->max_vcpus = 4;
        d->shared_info = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
        memset(d->shared_info, 0, PAGE_SIZE);
        for (unsigned i = 0; i < d->max_vcpus; i++) {
            d->vcpu[i] = calloc(1, sizeof(struct vcpu));
            d->vcpu[i]->id = i;
            d->vcpu[i]->domain = d;
            d->vcpu[i]->vcpu_info = &d->shared_info->vcpu_info[i];
        }
        fake_domains[id] = d;
    }
    fake_become(fake_domains[0], 0);
}

void fake_domains_destroy(void)
{
    for (unsigned id = 0; id < FAKE_DOMAINS; id++) {
        struct domain *d = fake_domains[id];
        for (unsigned i = 0; i < d->max_vcpus; i++) {
            free(d->vcpu[i]);
        }
        free(d->shared_info);
        free(d);
    }
}

void fake_become(struct domain *d, unsigned vcpu)
{
    fake_current[fake_cpu] = d->vcpu[vcpu];
}

struct domain *domain_get_by_id(unsigned id)
{
    struct domain *d = id == DOMID_SELF ? current_domain() : id < FAKE_DOMAINS ? fake_domains[id] : NULL;

    if (d) {
        domain_get(d);
    }
    return d;
}

int domain_target(domid_t id, struct domain **out)
{
    struct domain *d = domain_get_by_id(id == current_domain()->id ? DOMID_SELF : id);

    if (!d) {
        return -XEN_ESRCH;
    }
    *out = d;
    if (d == current_domain() || !current_domain()->is_control) {
        domain_put(d);
    }
    return d == current_domain() || current_domain()->is_control ? 0 : -XEN_EPERM;
}

void domain_put(struct domain *d)
{
    if (!--d->refs) {
        abort();
    }
}

void domain_share_frame(struct domain *d, mfn_t m)
{
    frame_of(m)->ref = (uint64_t)d->id << FRAME_OWNER_SHIFT | 1;
}

struct vcpu *vcpu_of(struct domain *d, uint64_t id)
{
    return id < d->max_vcpus ? d->vcpu[id] : NULL;
}

void vcpu_kick(struct vcpu *v)
{
    fake_kicked++;
    fake_last_kicked = v;
}

bool preempt_wanted(void)
{
    return fake_preempt;
}

void tlb_flush_mask(const struct cpumask *cpus, uint64_t va)
{
    (void)cpus;
    (void)va;
    fake_tlb_flushes++;
}

/* ---- interrupts ---- */

int pirq_bind(struct domain *d, unsigned pirq, uint32_t port)
{
    (void)d;
    (void)pirq;
    (void)port;
    fake_pirqs_bound += fake_pirq_result == 0;
    return fake_pirq_result;
}

void pirq_unbind(struct domain *d, unsigned pirq)
{
    (void)d;
    (void)pirq;
    fake_pirqs_bound--;
}

void pirq_set_affinity(struct domain *d, unsigned pirq, struct vcpu *v)
{
    (void)d;
    (void)pirq;
    (void)v;
}
