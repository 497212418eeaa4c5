// SPDX-License-Identifier: MIT
/*
 * Domains: creation, look-up, references, pausing, their end, and the list of frames that each owns. Nothing here knows
 * what type of guest it is. domain_list_lock guards the table of ids; page_list_lock of each domain its list of
 * frames; crash and shutdown take no lock, since they may come from anywhere.
 */
#include "core/domain.h"

#include "core/hypercall.h"
#include "cpu/power.h"
#include "public/sched.h"

struct domain *control_domain;
bool crash_halts_machine;
static struct spinlock domain_list_lock = SPINLOCK_INIT(LOCK_DOMAIN_LIST);
struct vcpu_info dummy_vcpu_info;

/*
 * Domains by id: 256 KiB, which the first domain allocates and the image need not hold. Changed under the lock; a reader
 * that knows of a reference to the domain needs none.
 */
static struct domain **domains;
static unsigned ids_end;                 /* no domain ever had an id from here on */

/* Frames on their way back to the allocator: they wait until no TLB of any CPU can reach them. */
struct freed_frames {
    uint32_t first;                      /* frame number, linked by struct frame.next */
    uint32_t tlb_stamp;                  /* of the latest one */
    struct timer flush;
};
static DEFINE_PER_CPU(struct freed_frames, freed_frames);

bool domain_id_is_taken(unsigned id)
{
    return id >= DOMID_FIRST_RESERVED || READ_ONCE(domains[id]);
}

void domains_changed(void)
{
    if (control_domain)
        evtchn_send_virq(control_domain->vcpu[0], VIRQ_DOM_EXC);
}

/* All that domain_create built, from whatever it reached: each part accepts that it was never made. */
static void domain_destroy(void *arg)
{
    struct domain *d = arg;
    struct vcpu *v;

    spin_lock(&domain_list_lock);
    if (domains && domains[d->id] == d)
        domains[d->id] = NULL;
    spin_unlock(&domain_list_lock);
    for (unsigned i = 0; i < MAX_WATCHDOGS; i++)
        timer_kill(&d->watchdog[i]);
    timer_kill(&d->sched.budget_timer);
    evtchn_domain_destroy(d);
    grant_table_destroy(d);
    for_each_vcpu(d, v) {
        vcpu_op_destroy(v);
        (void)fetch_or32(&v->pause_flags, VPF_DOWN);
        sched_sleep_sync(v);
        guest_vcpu_free(v);
    }
    heap_free(d->memory_map);
    guest_domain_free(d);
    domains_changed();
}

static void watchdog_expired(void *arg)
{
    struct domain *d = arg;

    log_guest_warn(d->id, "its watchdog expired");
    domain_shutdown(d, SHUTDOWN_watchdog);
}

static bool domain_create_vcpus(struct domain *d)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        struct vcpu *v = guest_vcpu_alloc(d, i);
        if (!v)
            return false;
        v->id = i;
        v->domain = d;
        v->pause_flags = VPF_DOWN;
        v->vcpu_info = i < XEN_LEGACY_MAX_VCPUS ? &d->shared_info->vcpu_info[i] : &dummy_vcpu_info;
        v->vcpu_info->evtchn_upcall_mask = 1;
        sched_vcpu_init(v);
        vcpu_op_init(v);
        d->vcpu[i] = v;
    }
    return true;
}

static bool domain_create_shared_info(struct domain *d)
{
    mfn_t m = page_alloc(0, ALLOC_ZERO);

    if (mfn_eq(m, INVALID_MFN))
        return false;
    domain_share_frame(d, m);
    d->shared_info = mfn_to_virt(m);
    d->shared_info_frame = frame_of(m);
    return true;
}

static bool domain_enlist(struct domain *d)
{
    bool is_free;

    spin_lock(&domain_list_lock);
    if (!domains)
        domains = heap_alloc(DOMID_FIRST_RESERVED * sizeof(*domains));
    is_free = domains && !domains[d->id];
    if (is_free) {
        domains[d->id] = d;
        ids_end = MAX(ids_end, d->id + 1);
    }
    spin_unlock(&domain_list_lock);
    return is_free;
}

/* Listed first, since its frames find their owner by its id; not to be had by others until it is whole. */
static bool domain_build(struct domain *d)
{
    bool is_built = domain_enlist(d) && domain_create_shared_info(d) && !evtchn_domain_init(d) &&
                    !grant_table_create(d) &&
                    domain_create_vcpus(d);

    store_release(&d->is_built, is_built);
    return is_built;
}

struct domain *domain_create(unsigned id, unsigned max_vcpus)
{
    struct domain *d;

    if (id >= DOMID_FIRST_RESERVED || !max_vcpus || max_vcpus > MAX_VCPUS)
        return NULL;
    d = guest_domain_alloc();
    if (!d)
        return NULL;
    d->id = id;
    d->refs = 1;
    d->max_vcpus = max_vcpus;
    d->page_list = FRAME_NONE;
    d->taken_list = FRAME_NONE;
    d->destroy = (struct timer){.fn = domain_destroy, .arg = d};
    spin_lock_init(&d->lock, LOCK_DOMAIN_CONTROL);
    spin_lock_init(&d->page_list_lock, LOCK_DOMAIN_PAGES);
    sched_domain_init(d);
    for (unsigned i = 0; i < MAX_WATCHDOGS; i++)
        d->watchdog[i] = (struct timer){.fn = watchdog_expired, .arg = d};
    if (!domain_build(d)) {
        /* The frame that we share has a reference to the domain, which goes with it. */
        if (d->shared_info_frame)
            frame_put(d->shared_info_frame);
        domain_put(d);
        return NULL;
    }
    return d;
}

/* One whose last reference has gone stays listed until its timer fires, but is not to be had any more. */
static bool domain_try_get(struct domain *d)
{
    uint32_t refs = READ_ONCE(d->refs);

    while (refs && load_acquire(&d->is_built)) {
        if (try_cmpxchg32(&d->refs, &refs, refs + 1))
            return true;
    }
    return false;
}

/* The first that there is among these ids. */
static struct domain *domain_get_first(unsigned id, unsigned last)
{
    struct domain *d = NULL;

    spin_lock(&domain_list_lock);
    for (; !d && id <= last && id < ids_end; id++)
        if (domains[id] && domain_try_get(domains[id]))
            d = domains[id];
    spin_unlock(&domain_list_lock);
    return d;
}

struct domain *domain_get_from(unsigned id)
{
    return domain_get_first(id, DOMID_MASK);
}

struct domain *domain_get_by_id(unsigned id)
{
    if (id != DOMID_SELF)
        return domain_get_first(id, id);
    domain_get(current_domain());
    return current_domain();
}

int domain_target(domid_t id, struct domain **out)
{
    struct domain *caller = current_domain();

    *out = caller;
    if (likely(id == DOMID_SELF || id == caller->id))
        return 0;
    *out = domain_get_by_id(id);
    if (!*out)
        return -XEN_ESRCH;
    if (caller->is_control)
        return 0;
    domain_put(*out);
    return -XEN_EPERM;
}

/* The last reference may go anywhere, with locks of the domain held: so the end itself is deferred. */
void domain_put(struct domain *d)
{
    if (!add_fetch32(&d->refs, UINT32_MAX))
        timer_set(&d->destroy, 0);
}

static void domain_stop(struct domain *d, uint32_t flag)
{
    struct vcpu *v;

    for_each_vcpu(d, v) {
        (void)fetch_or32(&v->pause_flags, flag);
        sched_sleep(v);
    }
}

/*
 * The control domain's end is the machine's: what the code asks for, or a restart after a failure. Its kernel knows how to
 * switch the power off (XENPF_enter_acpi_sleep), and has done so already if it could.
 */
NORETURN static void machine_follow(unsigned code)
{
    bool halts = code == SHUTDOWN_poweroff || (code != SHUTDOWN_reboot && crash_halts_machine);

    if (code == SHUTDOWN_poweroff)
        log_info("The control domain has ended. The machine is halted: it may be switched off.");
    else if (halts)
        log_err("The control domain failed with code %u. The machine is halted, since noreboot was given.", code);
    else
        log_info("The control domain has ended with code %u. The machine starts anew.", code);
    if (halts)
        machine_halt();
    machine_reboot();
}

bool domain_has_stopped(struct domain *d)
{
    bool stopped = READ_ONCE(d->is_shutting_down);
    struct vcpu *v;

    for_each_vcpu(d, v)
        stopped = stopped && !load_acquire(&v->sched.running);
    return stopped;
}

/* Of two that stop at the same time at least one sees the other stopped. */
void domain_note_stopped(struct domain *d)
{
    smp_mb();
    if (domain_has_stopped(d))
        domains_changed();
}

void domain_shutdown(struct domain *d, unsigned code)
{
    if (xchg8(&d->is_shutting_down, 1))
        return;
    d->shutdown_code = (uint8_t)code;
    domain_stop(d, VPF_SHUTDOWN);
    if (d->is_control)
        machine_follow(code);
    domain_note_stopped(d);
}

void domain_crash(struct domain *d, const char *why, ...)
{
    char text[200];
    va_list args;

    va_start(args, why);
    vscnprintf(text, sizeof(text), why, args);
    va_end(args);
    if (READ_ONCE(d->is_shutting_down))
        return;
    log_err("Domain %u crashed: %s", d->id, text);
    domain_shutdown(d, SHUTDOWN_crash);
}

/* Waiting comes after unlocking: a vCPU that is to stop may be waiting for the same lock on its CPU. */
void domain_pause(struct domain *d)
{
    struct vcpu *v;

    spin_lock(&d->lock);
    if (!d->pause_count++)
        domain_stop(d, VPF_PAUSED);
    spin_unlock(&d->lock);
    for_each_vcpu(d, v) {
        if (v != current_vcpu())
            sched_sleep_sync(v);
    }
}

static void domain_start(struct domain *d, uint32_t flag)
{
    struct vcpu *v;

    for_each_vcpu(d, v) {
        (void)fetch_and32(&v->pause_flags, ~flag);
        sched_wake(v);
    }
}

void domain_unpause(struct domain *d)
{
    spin_lock(&d->lock);
    BUG_ON(!d->pause_count);
    if (!--d->pause_count)
        domain_start(d, VPF_PAUSED);
    spin_unlock(&d->lock);
}

void domain_resume(struct domain *d)
{
    if (xchg8(&d->is_shutting_down, 0))
        domain_start(d, VPF_SHUTDOWN);
}

/* False for a frame that is on no list: domain_share_frame() leaves both links empty. */
static bool page_list_remove(struct domain *d, struct frame *f)
{
    uint32_t number = (uint32_t)frame_mfn(f).n;
    uint32_t *first = d->taken_list == number ? &d->taken_list : &d->page_list;

    ASSERT_LOCKED(&d->page_list_lock);
    if (f->prev == FRAME_NONE && *first != number)
        return false;
    frame_list_remove(first, f);
    return true;
}

/* The next frame of its list that is still allocated, referenced; each comes once. NULL: none is left. */
static struct frame *domain_take_frame(struct domain *d)
{
    struct frame *f = NULL;

    spin_lock(&d->page_list_lock);
    while (d->page_list != FRAME_NONE && !f) {
        f = &frame_table[d->page_list];
        frame_list_remove(&d->page_list, f);
        frame_list_add(&d->taken_list, f);
        if (!frame_get(f, d->id))
            f = NULL;                    /* on its way to be freed */
    }
    spin_unlock(&d->page_list_lock);
    return f;
}

/* ---- claims: memory that is free but promised. A frame counts as claimed until it is allocated. ---- */

static struct spinlock claims_lock = SPINLOCK_INIT(LOCK_CLAIMS);
static uint64_t nr_claimed;

uint64_t domains_claimed_pages(void)
{
    return READ_ONCE(nr_claimed);
}

/* Frames that are free and that nobody else has claimed. */
static uint64_t pages_to_be_had(const struct domain *d)
{
    uint64_t by_others = nr_claimed - d->claimed_pages, nr_free = page_alloc_free_pages();

    ASSERT_LOCKED(&claims_lock);
    return nr_free > by_others ? nr_free - by_others : 0;
}

int domain_claim_pages(struct domain *d, uint64_t nr_pages)
{
    int rc = 0;

    spin_lock(&d->page_list_lock);
    spin_lock(&claims_lock);
    if (nr_pages && (d->claimed_pages || nr_pages <= d->tot_pages || nr_pages > d->max_pages || d->is_dying))
        rc = -XEN_EINVAL;
    else if (nr_pages && nr_pages - d->tot_pages > pages_to_be_had(d))
        rc = -XEN_ENOMEM;
    if (!rc) {
        nr_claimed -= d->claimed_pages;
        d->claimed_pages = nr_pages ? nr_pages - d->tot_pages : 0;
        nr_claimed += d->claimed_pages;
    }
    spin_unlock(&claims_lock);
    spin_unlock(&d->page_list_lock);
    return rc;
}

static bool claim_frames(struct domain *d, uint64_t nr)
{
    uint64_t own;
    bool ok;

    spin_lock(&claims_lock);
    own = MIN(nr, d->claimed_pages);
    ok = nr <= pages_to_be_had(d);
    if (ok) {
        d->claimed_pages -= own;
        nr_claimed += nr - own;
    }
    spin_unlock(&claims_lock);
    return ok;
}

/* Count `nr` frames before they are there, so that the limit holds. */
static int domain_reserve_frames(struct domain *d, uint64_t nr)
{
    uint64_t limit;
    int rc = -XEN_ENOMEM;

    spin_lock(&d->page_list_lock);
    limit = d->max_pages + d->lent_pages;
    if (!d->is_dying && d->tot_pages <= limit && nr <= limit - d->tot_pages && claim_frames(d, nr)) {
        d->tot_pages += nr;
        rc = 0;
    }
    spin_unlock(&d->page_list_lock);
    return rc;
}

int domain_alloc_frames(struct domain *d, unsigned order, unsigned alloc_flags, mfn_t *out)
{
    uint64_t nr = UINT64_C(1) << order;
    mfn_t m;

    if (order > MAX_PAGE_ORDER || domain_reserve_frames(d, nr))
        return -XEN_ENOMEM;
    m = page_alloc(order, d->is_control ? alloc_flags : alloc_flags | ALLOC_ZERO);
    spin_lock(&claims_lock);
    nr_claimed -= nr;
    spin_unlock(&claims_lock);
    spin_lock(&d->page_list_lock);
    if (mfn_eq(m, INVALID_MFN))
        d->tot_pages -= nr;
    for (uint64_t i = 0; !mfn_eq(m, INVALID_MFN) && i < nr; i++) {
        frame_list_add(&d->page_list, frame_of(mfn_add(m, i)));
        frame_assign(frame_of(mfn_add(m, i)), d->id, FRAME_ALLOCATED);
    }
    spin_unlock(&d->page_list_lock);
    if (mfn_eq(m, INVALID_MFN))
        return -XEN_ENOMEM;
    (void)fetch_add32(&d->refs, (uint32_t)nr);
    *out = m;
    return 0;
}

void domain_share_frame(struct domain *d, mfn_t m)
{
    struct frame *f = frame_of(m);

    f->next = FRAME_NONE;
    f->prev = FRAME_NONE;
    domain_get(d);
    frame_assign(f, d->id, 0);
}

/* Softirq context: one flush for all that were freed on this CPU since the last time. */
static void freed_frames_flush(void *arg UNUSED)
{
    struct freed_frames *freed = &this_cpu(freed_frames);
    struct cpumask cpus;
    unsigned long flags = irq_save();
    uint32_t number = freed->first;
    uint32_t stamp = freed->tlb_stamp;

    freed->first = FRAME_NONE;
    irq_restore(flags);
    cpus = online_cpus;
    tlb_filter(&cpus, stamp);
    if (!cpumask_is_empty(&cpus))
        tlb_flush_mask(&cpus, FLUSH_TLB_ALL_VA);
    while (number != FRAME_NONE) {
        struct frame *f = &frame_table[number];
        number = f->next;
        frame_reset(f);
        page_free(frame_mfn(f), 0);
    }
}

/* The frame holds a reference to its owner, so the owner is there; the reference goes last. */
static void domain_frame_freed(struct frame *f)
{
    unsigned owner = frame_owner(f);
    struct domain *d = owner < DOMID_FIRST_RESERVED ? READ_ONCE(domains[owner]) : NULL;
    unsigned long flags;
    struct freed_frames *freed;

    BUG_ON(!d);
    spin_lock(&d->page_list_lock);
    if (page_list_remove(d, f))
        d->tot_pages--;
    spin_unlock(&d->page_list_lock);

    flags = irq_save();
    freed = &this_cpu(freed_frames);
    if (freed->first == FRAME_NONE)
        timer_set(&freed->flush, 0);
    f->next = freed->first;
    freed->first = (uint32_t)frame_mfn(f).n;
    freed->tlb_stamp = tlb_clock();
    irq_restore(flags);
    domain_put(d);
}

void domain_cpu_init(unsigned cpu)
{
    frame_freed_hook = domain_frame_freed;
    per_cpu(freed_frames, cpu).first = FRAME_NONE;
    per_cpu(freed_frames, cpu).flush = (struct timer){.fn = freed_frames_flush};
}

/* A CPU that guesses the test wrong stays inside the array all the same. */
struct vcpu *vcpu_of(struct domain *d, uint64_t id)
{
    return id < d->max_vcpus ? d->vcpu[id % MAX_VCPUS] : NULL;
}

void vcpu_kick(struct vcpu *v)
{
    uint32_t waits = VPF_BLOCKED | VPF_POLL;
    uint32_t flags = READ_ONCE(v->pause_flags);

    if (flags & waits) {
        if (flags & VPF_POLL)
            vcpu_end_poll(v);
        if (fetch_and32(&v->pause_flags, ~waits) & waits)
            sched_wake(v);
    } else if (READ_ONCE(v->sched.running)) {
        softirq_raise_on(READ_ONCE(v->sched.cpu), SOFTIRQ_VCPU);
    }
}

void domains_update_wallclock(void)
{
    struct domain *d;

    for (unsigned id = 0; (d = domain_get_from(id)); id = d->id + 1, domain_put(d)) {
        spin_lock(&d->lock);            /* against domain_kill(), which takes shared_info away */
        guest_update_wallclock(d);
        spin_unlock(&d->lock);
    }
}

/* --- The end: everything that a domain has goes back, step by step ------------------------------------------------- */

/*
 * The order matters: what other domains reach us by (ports, grants) first, then what the vCPUs hold, then the frames, whose
 * pins go with them. Each step can be called again after a restart and then finds the less to do.
 */

/* Where late writers of a dead domain's shared_info write: the frame itself has gone back. */
static struct shared_info dead_shared_info;

#define FREES_PER_LOOK 512u

/*
 * Frames that others have mapped stay on their own list until the last of them lets go. The first that is freed asks for the softirq
 * that flushes before they are used anew, so each look ends a round: at every 64th, most of the time would go into flushes.
 */
static int relinquish_frames(struct domain *d)
{
    unsigned steps = 0;
    struct frame *f;
    int rc;

    while ((f = domain_take_frame(d))) {
        rc = guest_frame_relinquish(d, f);
        if (frame_clear_allocated(f)) {
            m2p_set(frame_mfn(f), M2P_INVALID);
            frame_put(f);
        }
        frame_put(f);
        if (rc)
            return rc;
        if (++steps % FREES_PER_LOOK == 0 && preempt_wanted())
            return -XEN_ERESTART;
    }
    return 0;
}

static int (*const kill_steps[])(struct domain *d) = {
    evtchn_domain_relinquish, grant_table_relinquish, guest_domain_relinquish, relinquish_frames,
};

static void stop_for_good(struct domain *d)
{
    domain_pause(d);
    spin_lock(&d->page_list_lock);
    d->is_dying = true;
    spin_unlock(&d->page_list_lock);
    (void)domain_claim_pages(d, 0);
    for (unsigned i = 0; i < MAX_WATCHDOGS; i++)
        timer_stop(&d->watchdog[i]);
}

/* The lock keeps out who writes the wall clock to all domains. */
static void drop_shared_info(struct domain *d)
{
    struct frame *f = d->shared_info_frame;

    spin_lock(&d->lock);
    d->shared_info = &dead_shared_info;
    d->shared_info_frame = NULL;
    spin_unlock(&d->lock);
    for (unsigned i = 0; i < d->max_vcpus; i++)
        d->vcpu[i]->vcpu_info = &dummy_vcpu_info;
    frame_put(f);
}

int domain_kill(struct domain *d)
{
    int rc = 0;

    if (!d->is_dying)
        stop_for_good(d);
    if (!d->shared_info_frame)
        return 0;                       /* dead already; others still hold frames of it */
    for (unsigned i = 0; i < ARRAY_SIZE(kill_steps) && !rc; i++)
        rc = kill_steps[i](d);
    if (rc)
        return rc;
    drop_shared_info(d);
    domain_put(d);                      /* for existing */
    domains_changed();
    return 0;
}
