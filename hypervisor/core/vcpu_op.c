// SPDX-License-Identifier: MIT
/*
 * VCPUOP: what a domain does with its own vCPUs; their timers; where the guest has its vcpu_info and watches its runstate.
 * Bringing vCPUs up and down and moving a vcpu_info are guarded by the domain's lock. A vCPU's own timers and areas are set
 * by itself, or, for the periodic timer, with the last one winning.
 */
#include "core/hypercall.h"
#include "public/sched.h"

#define MIN_PERIOD_NS  UINT64_C(1000000)
#define MAX_PERIOD_NS  (UINT64_C(1) << 60)

/* Timers ------------------------------------------------------------------------------------------------------------- */

static void singleshot_expired(void *arg)
{
    evtchn_send_virq(arg, VIRQ_TIMER);
}

static void periodic_expired(void *arg)
{
    struct vcpu *v = arg;
    uint64_t period = READ_ONCE(v->periodic_ns);

    evtchn_send_virq(v, VIRQ_TIMER);
    if (period)
        timer_set(&v->periodic_timer, clock_now() + period);
}

static void poll_expired(void *arg)
{
    struct vcpu *v = arg;

    if (READ_ONCE(v->pause_flags) & VPF_POLL)
        vcpu_kick(v);
}

void vcpu_op_init(struct vcpu *v)
{
    v->singleshot_timer = (struct timer){.fn = singleshot_expired, .arg = v};
    v->periodic_timer = (struct timer){.fn = periodic_expired, .arg = v};
    v->poll_timer = (struct timer){.fn = poll_expired, .arg = v};
}

/* The frame of a registered vcpu_info goes back with the domain's other references (vcpu_unmap_info). */
void vcpu_op_destroy(struct vcpu *v)
{
    timer_kill(&v->singleshot_timer);
    timer_kill(&v->periodic_timer);
    timer_kill(&v->poll_timer);
}

/* 0: none. */
long do_set_timer_op(uint64_t timeout_ns, UNUSED_FROM_2)
{
    struct vcpu *v = current_vcpu();

    if (timeout_ns)
        timer_set(&v->singleshot_timer, timeout_ns);
    else
        timer_stop(&v->singleshot_timer);
    return 0;
}

static long op_set_singleshot(struct vcpu *v, void *arg)
{
    const struct vcpu_set_singleshot_timer *set = arg;

    if (v != current_vcpu())
        return -XEN_EINVAL;
    if (set->flags & VCPU_SSHOTTMR_future && set->timeout_abs_ns <= clock_now())
        return -XEN_ETIME;
    timer_set(&v->singleshot_timer, set->timeout_abs_ns);
    return 0;
}

static long op_stop_singleshot(struct vcpu *v, void *arg UNUSED)
{
    if (v != current_vcpu())
        return -XEN_EINVAL;
    timer_stop(&v->singleshot_timer);
    return 0;
}

static long op_set_periodic(struct vcpu *v, void *arg)
{
    const struct vcpu_set_periodic_timer *set = arg;

    if (set->period_ns < MIN_PERIOD_NS || set->period_ns > MAX_PERIOD_NS)
        return -XEN_EINVAL;
    WRITE_ONCE(v->periodic_ns, set->period_ns);
    timer_set(&v->periodic_timer, clock_now() + set->period_ns);
    return 0;
}

static long op_stop_periodic(struct vcpu *v, void *arg UNUSED)
{
    WRITE_ONCE(v->periodic_ns, 0);
    timer_stop(&v->periodic_timer);
    return 0;
}

/* Life --------------------------------------------------------------------------------------------------------------- */

static long op_initialise(struct vcpu *v, void *arg)
{
    int rc;

    if (v->initialised)
        return -XEN_EEXIST;
    if (v->vcpu_info == &dummy_vcpu_info)
        return -XEN_EINVAL;
    rc = guest_vcpu_initialise(v, *(const uint64_t *)arg);
    v->initialised = !rc;
    return rc;
}

static long op_up(struct vcpu *v, void *arg UNUSED)
{
    if (!v->initialised)
        return -XEN_EINVAL;
    (void)fetch_and32(&v->pause_flags, ~VPF_DOWN);
    sched_wake(v);
    return 0;
}

/* A domain none of whose vCPUs could ever run again has ended. */
static long op_down(struct vcpu *v, void *arg UNUSED)
{
    struct domain *d = v->domain;
    struct vcpu *other;
    bool is_last = true;

    (void)fetch_or32(&v->pause_flags, VPF_DOWN);
    for_each_vcpu(d, other)
        is_last &= (READ_ONCE(other->pause_flags) & VPF_DOWN) != 0;
    sched_sleep(v);
    if (is_last)
        domain_shutdown(d, SHUTDOWN_poweroff);
    return 0;
}

static long op_is_up(struct vcpu *v, void *arg UNUSED)
{
    return !(READ_ONCE(v->pause_flags) & VPF_DOWN);
}

static long op_send_nmi(struct vcpu *v, void *arg UNUSED)
{
    guest_inject_nmi(v);
    vcpu_kick(v);
    return 0;
}

/* Areas in guest memory ---------------------------------------------------------------------------------------------- */

static long op_get_runstate(struct vcpu *v, void *arg)
{
    sched_get_runstate(v, arg);
    return 0;
}

/*
 * With the flag of VMASST_TYPE_runstate_update_flag the guest sees in the entry time that a write is under way: the flag
 * goes first and is taken back last. The three stores reach memory in program order.
 */
void vcpu_publish_runstate(struct vcpu *v)
{
    uint64_t area = READ_ONCE(v->runstate_guest);
    uint64_t entry = area + offsetof(struct vcpu_runstate_info, state_entry_time);
    struct vcpu_runstate_info copy;
    uint64_t time;

    if (!area)
        return;
    copy = v->runstate;
    time = copy.state_entry_time;
    if (READ_ONCE(v->domain->vm_assist) & 1u << VMASST_TYPE_runstate_update_flag) {
        copy.state_entry_time |= XEN_RUNSTATE_UPDATE;
        (void)copy_to_guest(entry, &copy.state_entry_time, sizeof(uint64_t));
        smp_wmb();
    }
    (void)copy_to_guest(area, &copy, sizeof(copy));
    smp_wmb();
    if (copy.state_entry_time != time)
        (void)copy_to_guest(entry, &time, sizeof(time));
}

/* Its own area a vCPU sees filled at once, that of another it sees when it is switched in. */
static int register_area(struct vcpu *v, uint64_t area, size_t size, uint64_t *place, void (*fill)(struct vcpu *v))
{
    if (!guest_range_ok(area, size))
        return -XEN_EFAULT;
    WRITE_ONCE(*place, area);
    if (v == current_vcpu())
        fill(v);
    return 0;
}

static long op_register_runstate(struct vcpu *v, void *arg)
{
    const struct vcpu_register_runstate_memory_area *area = arg;

    return register_area(v, area->addr.p, sizeof(struct vcpu_runstate_info), &v->runstate_guest, vcpu_publish_runstate);
}

static long op_register_time(struct vcpu *v, void *arg)
{
    const struct vcpu_register_time_memory_area *area = arg;

    return register_area(v, area->addr.p, sizeof(struct vcpu_time_info), &v->time_info_guest, guest_update_time);
}

void vcpu_unmap_info(struct vcpu *v)
{
    struct frame *f = v->vcpu_info_frame;

    if (!f)
        return;
    v->vcpu_info = &dummy_vcpu_info;
    v->vcpu_info_frame = NULL;
    guest_put_data(frame_mfn(f), true);
}

/*
 * The old contents go along, then all that is pending is marked anew: an event that was sent to the old place during the
 * copy is not lost. The barrier orders the new pointer before that; a sender reads the pointer after it set the port.
 */
static void vcpu_info_move(struct vcpu *v, struct vcpu_info *to)
{
    if (v->vcpu_info == &dummy_vcpu_info)
        *to = (struct vcpu_info){.evtchn_upcall_mask = 1};
    else
        *to = *v->vcpu_info;
    v->vcpu_info_frame = frame_of(virt_to_mfn(to));
    WRITE_ONCE(v->vcpu_info, to);
    smp_mb();
    evtchn_vcpu_info_moved(v);
}

/* Once a vCPU, by itself or while it is down. */
static long op_register_info(struct vcpu *v, void *arg)
{
    const struct vcpu_register_vcpu_info *info = arg;
    char *page = NULL;

    if (info->offset > PAGE_SIZE - sizeof(struct vcpu_info) || info->offset % _Alignof(struct vcpu_info))
        return -XEN_EINVAL;
    if (!v->vcpu_info_frame && (v == current_vcpu() || READ_ONCE(v->pause_flags) & VPF_DOWN))
        page = domain_hold_page(v->domain, info->mfn);
    if (page)
        vcpu_info_move(v, (struct vcpu_info *)(void *)(page + info->offset));
    return page ? 0 : -XEN_EINVAL;
}

/* The call ----------------------------------------------------------------------------------------------------------- */

static const struct subop vcpu_ops[] = {
    [VCPUOP_initialise]                     = {op_initialise, 0, SUBOP_LOCKED},
    [VCPUOP_up]                             = {op_up, 0, SUBOP_LOCKED},
    [VCPUOP_down]                           = {op_down, 0, SUBOP_LOCKED},
    [VCPUOP_is_up]                          = {op_is_up, 0, 0},
    [VCPUOP_get_runstate_info]              = {op_get_runstate, OUT(vcpu_runstate_info)},
    [VCPUOP_register_runstate_memory_area]  = {op_register_runstate, IN(vcpu_register_runstate_memory_area)},
    [VCPUOP_set_periodic_timer]             = {op_set_periodic, IN(vcpu_set_periodic_timer)},
    [VCPUOP_stop_periodic_timer]            = {op_stop_periodic, 0, 0},
    [VCPUOP_set_singleshot_timer]           = {op_set_singleshot, IN(vcpu_set_singleshot_timer)},
    [VCPUOP_stop_singleshot_timer]          = {op_stop_singleshot, 0, 0},
    [VCPUOP_register_vcpu_info]             = {op_register_info, IN(vcpu_register_vcpu_info) | SUBOP_LOCKED},
    [VCPUOP_send_nmi]                       = {op_send_nmi, 0, 0},
    [VCPUOP_register_vcpu_time_memory_area] = {op_register_time, IN(vcpu_register_time_memory_area)},
};

long do_vcpu_op(uint64_t cmd, uint64_t vcpu_id, uint64_t arg, UNUSED_FROM_4)
{
    struct vcpu *v = vcpu_of(current_domain(), vcpu_id);
    long rc;

    if (!v)
        return -XEN_ENOENT;
    rc = subop_dispatch(vcpu_ops, ARRAY_SIZE(vcpu_ops), v, cmd, arg);
    return rc == -XEN_ERESTART ? hypercall_restart(cmd, vcpu_id, arg, 0, 0) : rc;
}
