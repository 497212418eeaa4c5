// SPDX-License-Identifier: MIT
/*
 * Domains and vCPUs: what is true of any guest. A guest type (pv/) embeds these structs in its own. Fields are grouped
 * by the lock that guards them; each subsystem's part is a struct of its own, owned by that subsystem's file.
 *
 * A domain lives until its last reference is dropped (domain_get/domain_put); a vCPU lives as long as its domain.
 */
#pragma once
#include "core/event_channel.h"
#include "core/grant_table.h"
#include "core/guest_ops.h"
#include "core/preempt.h"
#include "core/sched.h"
#include "core/softirq.h"
#include "mm/frame.h"
#include "public/vcpu.h"

#define MAX_VCPUS            128         /* per domain */
#define NR_HYPERCALLS         64

/* Reasons why a vCPU does not run, as bits of vcpu.pause_flags; runnable when all are clear. */
#define VPF_BLOCKED   (1u << 0)          /* SCHEDOP_block: until an event */
#define VPF_DOWN      (1u << 1)          /* not up */
#define VPF_POLL      (1u << 2)          /* SCHEDOP_poll */
#define VPF_PAUSED    (1u << 3)          /* the domain's pause_count > 0 */
#define VPF_SHUTDOWN  (1u << 4)          /* the domain has shut down or crashed */

/* What VM_ASSIST may switch on. */
#define VM_ASSISTS (1u << VMASST_TYPE_4gb_segments | 1u << VMASST_TYPE_4gb_segments_notify |      \
                    1u << VMASST_TYPE_writable_pagetables | 1u << VMASST_TYPE_pae_extended_cr3 |  \
                    1u << VMASST_TYPE_architectural_iopl | 1u << VMASST_TYPE_runstate_update_flag)

#define MAX_WATCHDOGS        2

struct vcpu {
    unsigned id;
    struct domain *domain;
    struct vcpu_info *vcpu_info;         /* in the direct map; never NULL once the vCPU may run */
    uint32_t pause_flags;                /* atomic */
    bool initialised;                    /* VCPUOP_initialise done; under domain lock */
    bool is_idle;

    uint32_t calls[NR_HYPERCALLS];       /* made of each hypercall, in lists too; they wrap */
    struct sched_vcpu sched;             /* sched.c */
    struct evtchn_vcpu evtchn;           /* event_channel.c */

    /* vcpu_op.c */
    struct vcpu_runstate_info runstate;  /* under the vCPU's scheduler lock */
    uint64_t runstate_guest;             /* guest address to write it to when switched in; 0: none */
    uint64_t time_info_guest;            /* VCPUOP_register_vcpu_time_memory_area; 0: none */
    uint64_t periodic_ns;
    struct timer periodic_timer;         /* VIRQ_TIMER every periodic_ns */
    struct timer singleshot_timer;       /* VIRQ_TIMER once */
    struct timer poll_timer;
    struct frame *vcpu_info_frame;       /* VCPUOP_register_vcpu_info: referenced, writable type; NULL: in shared_info */
};

struct domain {
    unsigned id;
    uint32_t refs;                       /* atomic */
    bool is_control;                     /* dom0: may do everything */
    uint8_t is_shutting_down;            /* SCHEDOP_shutdown seen, or crashed; atomic */
    uint8_t shutdown_code;               /* why, once it is_shutting_down */
    bool is_built;                       /* set once: domain_get_by_id() finds it */
    bool is_dying;
    unsigned pause_count;                /* under lock */
    uint8_t nr_control_pauses;           /* how many of them the toolstack asked for; under domctl_lock */
    unsigned max_vcpus;
    struct vcpu *vcpu[MAX_VCPUS];        /* set once, before the domain runs */
    struct shared_info *shared_info;     /* a page of ours that the guest maps */
    struct frame *shared_info_frame;
    struct spinlock lock;                /* life-cycle changes of the domain and its vCPUs */

    struct spinlock page_list_lock;      /* guards: the lists and the counts of pages */
    uint32_t page_list;                  /* first owned frame, FRAME_NONE if none */
    uint32_t taken_list;                 /* those that domain_take_frame() has given out */
    uint64_t tot_pages;
    uint64_t max_pages;
    uint64_t lent_pages;                 /* allowed beyond that for the moment, by exchanges under way */
    uint64_t claimed_pages;              /* kept free for this domain; under claims_lock */

    struct evtchn_domain evtchn;         /* event_channel.c */
    struct grant_table *grant_table;     /* grant_table.c */
    struct pirq_table *pirqs;            /* physdev_op.c; NULL: has no physical IRQs */
    struct sched_domain sched;           /* sched.c */

    struct cpumask dirty_cpus;           /* CPUs that may hold TLB entries or state of this domain; atomic */
    uint32_t vm_assist;                  /* bits VMASST_TYPE_*; atomic */
    int64_t time_offset_s;
    uint32_t tsc_mode, tsc_incarnation;  /* as the toolstack set them */
    struct memory_map *memory_map;       /* XENMEM_set_memory_map; NULL: none. Under lock */
    uint8_t handle[16];
    struct timer watchdog[MAX_WATCHDOGS];   /* SCHEDOP_watchdog; under lock */
    struct timer destroy;                /* runs when the last reference has gone */
};

extern struct domain *control_domain;    /* dom0 */
extern bool crash_halts_machine;         /* option noreboot: halt when the control domain has crashed */

void domain_cpu_init(unsigned cpu);      /* sched_cpu_init() calls it: freed frames leave their owner's list */

/*
 * Make a domain with `max_vcpus` vCPUs, all down; NULL without memory, or if the id is taken or reserved. It holds one
 * reference for existing (the caller's to drop). Every frame that it owns holds one too. max_pages is set by the caller.
 */
struct domain *domain_create(unsigned id, unsigned max_vcpus);
/* A reference to domain `id`; NULL if there is none. DOMID_SELF gives the current one. */
struct domain *domain_get_by_id(unsigned id);
/* The same of the first domain from `id` on. */
struct domain *domain_get_from(unsigned id);
bool domain_id_is_taken(unsigned id);
void domain_put(struct domain *d);
static inline void domain_get(struct domain *d)     /* one more; the caller has one */
{
    (void)fetch_add32(&d->refs, 1);
}
/*
 * Whom an operation acts on: the current domain, which needs no reference to stay, or for the control domain anybody. 0 and
 * to be followed by domain_untarget(), or -XEN_ESRCH, -XEN_EPERM.
 */
int domain_target(domid_t id, struct domain **out);
static inline void domain_untarget(struct domain *d)
{
    if (unlikely(d != current_vcpu()->domain))
        domain_put(d);
}
/* All vCPUs that the domain has by now, which come in order. */
#define for_each_vcpu(d, v)                                                                        \
    for (unsigned i_ = 0; i_ < (d)->max_vcpus && ((v) = (d)->vcpu[i_]); i_++)

/*
 * The guest broke the contract beyond repair: log why, stop all its vCPUs, tell the control domain. Any context, also
 * with locks held: returns at once, the current vCPU stops on its way back to the guest.
 */
void domain_crash(struct domain *d, const char *why, ...) PRINTF_LIKE(2, 3);
/* SCHEDOP_shutdown: for dom0 the machine goes down or reboots by `code`. Any context; only the first call counts. */
void domain_shutdown(struct domain *d, unsigned code);
/* A vCPU of one that is shutting down has stopped: the last one's tells the toolstack. Any context. */
void domain_note_stopped(struct domain *d);
bool domain_has_stopped(struct domain *d);   /* has shut down, and none of its vCPUs runs any more */
/*
 * Stop `d` for good and take all it has: -XEN_ERESTART to be called again, 0 when nothing is left but what others still have
 * mapped of it; its id is free when that is gone too. One caller at a time (domctl_lock).
 */
int domain_kill(struct domain *d);
/* Undo domain_shutdown(): its vCPUs go on. */
void domain_resume(struct domain *d);
/* Nestable. After domain_pause none of its vCPUs runs, but the current one, which stops on its way out. */
void domain_pause(struct domain *d);
void domain_unpause(struct domain *d);
/*
 * Frames: allocate `1 << order` for d and put them on its list; -XEN_ENOMEM names limit or shortage. Those of a guest
 * come cleared; for the control domain `alloc_flags` decides.
 */
int domain_alloc_frames(struct domain *d, unsigned order, unsigned alloc_flags, mfn_t *out);
/*
 * Keep memory free for `d` until it has `nr_pages`; 0 ends that. -XEN_EINVAL for less than it has, more than it may have or a
 * second claim, -XEN_ENOMEM.
 */
int domain_claim_pages(struct domain *d, uint64_t nr_pages);
uint64_t domains_claimed_pages(void);
/* Make a page of ours owned by `d` without counting it (shared_info, grant status): one reference for us. */
void domain_share_frame(struct domain *d, mfn_t m);

/* A page of d's that we are to read and write, held until it is dropped; NULL if it is not to be had so. */
static inline void *domain_hold_page(struct domain *d, uint64_t gfn)
{
    return guest_get_data(d, mfn(gfn), true) ? mfn_to_virt(mfn(gfn)) : NULL;
}
static inline void domain_drop_page(const void *anywhere_in_it)
{
    guest_put_data(virt_to_mfn(anywhere_in_it), true);
}

/* One has shut down, is dead or gone: the toolstack should look. */
void domains_changed(void);
/* The wall clock was set: tell every domain. */
void domains_update_wallclock(void);

struct vcpu *vcpu_of(struct domain *d, uint64_t id);   /* NULL if out of range or absent; speculation-safe index */
/* What the guest should look at again: events, timers. Ends a block or poll, or interrupts it. Any context. */
void vcpu_kick(struct vcpu *v);
static inline void vcpu_end_poll(struct vcpu *v)
{
    if (xchg32(&v->evtchn.poll_port, 0))
        (void)fetch_sub32(&v->domain->evtchn.nr_pollers, 1);
}
/*
 * vcpu_op.c: what a vCPU carries for its hypercall. vcpu_unmap_info() gives back the frame of a registered vcpu_info: for
 * the guest type's domain_relinquish, while `v` does not run. vcpu_publish_runstate() writes the current vCPU's runstate to
 * the place that its guest registered. Its kernel address space must be loaded; a place that is not mapped is passed over
 * silently, since the guest may have unmapped it.
 */
void vcpu_op_init(struct vcpu *v);
void vcpu_op_destroy(struct vcpu *v);
void vcpu_unmap_info(struct vcpu *v);
void vcpu_publish_runstate(struct vcpu *v);
/* A vcpu_info nobody reads: what vCPUs point to that have no place in shared_info and have not registered one. */
extern struct vcpu_info dummy_vcpu_info;

static inline struct domain *current_domain(void)
{
    return current_vcpu()->domain;
}
