// SPDX-License-Identifier: MIT
// VCPUOP as a guest calls it: life of vCPUs, timers, registered areas, and every refusal.
#include "unit_main.h"

#include <stdlib.h>
#include <string.h>

#include "core/hypercall.h"
#include "core/sched.h"
#include "fake_guest.h"
#include "fake_time.h"
#include "mm/page_alloc.h"
#include "public/errno.h"
#include "public/sched.h"
#include "public/vcpu.h"

#define MS UINT64_C(1000000)

static struct domain *d;

// A domain with its first vCPU running on CPU 0, the others down.
static void begin(unsigned cpus, unsigned vcpus)
{
    fake_guest_reset(cpus);
    d = domain_create(1, vcpus);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    d->max_pages = 16;
    d->vcpu[0]->initialised = true;
    d->vcpu[0]->pause_flags = 0;
    sched_wake(d->vcpu[0]);
    fake_guest_settle();
    CU_ASSERT_PTR_EQUAL_FATAL(current_vcpu(), d->vcpu[0]);
}

static long op(unsigned cmd, uint64_t vcpu, const void *arg)
{
    return do_vcpu_op(cmd, vcpu, (uintptr_t)arg, 0, 0);
}

static void unknown_calls_are_refused(void)
{
    begin(1, 2);
    CU_ASSERT_EQUAL(op(14, 0, NULL), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(do_vcpu_op(UINT64_MAX, 0, 0, 0, 0), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(op(VCPUOP_is_up, 2, NULL), -XEN_ENOENT);
    CU_ASSERT_EQUAL(op(VCPUOP_is_up, UINT64_MAX, NULL), -XEN_ENOENT);
    CU_ASSERT_EQUAL(op(VCPUOP_set_periodic_timer, 0, NULL), -XEN_EFAULT);
    CU_ASSERT_EQUAL(op(VCPUOP_get_runstate_info, 0, NULL), -XEN_EFAULT);
    CU_ASSERT_EQUAL(op(VCPUOP_register_vcpu_info, 0, NULL), -XEN_EFAULT);
}

static void a_vcpu_is_initialised_once_and_comes_up(void)
{
    int context;

    begin(2, 3);
    CU_ASSERT_EQUAL(op(VCPUOP_is_up, 0, NULL), 1);
    CU_ASSERT_EQUAL(op(VCPUOP_is_up, 1, NULL), 0);
    CU_ASSERT_EQUAL(op(VCPUOP_up, 1, NULL), -XEN_EINVAL);
    CU_ASSERT_EQUAL(op(VCPUOP_initialise, 1, NULL), -XEN_EFAULT);
    fake_guest.initialise_result = -XEN_ERESTART;
    CU_ASSERT_EQUAL(op(VCPUOP_initialise, 1, &context), HYPERCALL_RESTART);
    CU_ASSERT(!d->vcpu[1]->initialised);
    fake_guest.initialise_result = 0;
    CU_ASSERT_EQUAL(op(VCPUOP_initialise, 1, &context), 0);
    CU_ASSERT_EQUAL(op(VCPUOP_initialise, 1, &context), -XEN_EEXIST);
    CU_ASSERT_EQUAL(op(VCPUOP_initialise, 0, &context), -XEN_EEXIST);
    CU_ASSERT_EQUAL(fake_guest.initialises, 3);
    fake_guest_settle();
    CU_ASSERT(fake_current[1]->is_idle);
    CU_ASSERT_EQUAL(op(VCPUOP_up, 1, NULL), 0);
    CU_ASSERT_EQUAL(op(VCPUOP_up, 1, NULL), 0);
    fake_guest_settle();
    CU_ASSERT_PTR_EQUAL(fake_current[1], d->vcpu[1]);
    CU_ASSERT_EQUAL(op(VCPUOP_down, 1, NULL), 0);
    fake_guest_settle();
    CU_ASSERT(fake_current[1]->is_idle);
    CU_ASSERT_EQUAL(op(VCPUOP_is_up, 1, NULL), 0);
    CU_ASSERT(!d->is_shutting_down);
}

static void the_last_one_down_ends_the_domain(void)
{
    begin(1, 2);
    CU_ASSERT_EQUAL(op(VCPUOP_down, 0, NULL), 0);
    CU_ASSERT(d->is_shutting_down);
    CU_ASSERT_EQUAL(d->shutdown_code, SHUTDOWN_poweroff);
    fake_guest_settle();
    CU_ASSERT(fake_current[0]->is_idle);
}

static void one_without_a_vcpu_info_can_not_start(void)
{
    int context;

    begin(1, 40);
    CU_ASSERT_EQUAL(op(VCPUOP_initialise, 35, &context), -XEN_EINVAL);
    CU_ASSERT_EQUAL(fake_guest.initialises, 0);
}

static void the_singleshot_timer_fires_once(void)
{
    struct vcpu_set_singleshot_timer set = {.timeout_abs_ns = 5 * MS};

    begin(1, 2);
    CU_ASSERT_EQUAL(op(VCPUOP_set_singleshot_timer, 1, &set), -XEN_EINVAL);
    CU_ASSERT_EQUAL(op(VCPUOP_stop_singleshot_timer, 1, NULL), -XEN_EINVAL);
    CU_ASSERT_EQUAL(op(VCPUOP_set_singleshot_timer, 0, &set), 0);
    fake_guest_advance(4 * MS);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 0);
    fake_guest_advance(1 * MS);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 1);
    fake_guest_advance(50 * MS);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 1);

    set.flags = VCPU_SSHOTTMR_future;
    CU_ASSERT_EQUAL(op(VCPUOP_set_singleshot_timer, 0, &set), -XEN_ETIME);
    fake_guest_advance(1);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 1);
    set.flags = 0;
    CU_ASSERT_EQUAL(op(VCPUOP_set_singleshot_timer, 0, &set), 0);
    fake_guest_settle();
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 2);

    set.timeout_abs_ns = fake_now + MS;
    CU_ASSERT_EQUAL(op(VCPUOP_set_singleshot_timer, 0, &set), 0);
    CU_ASSERT_EQUAL(op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
    fake_guest_advance(10 * MS);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 2);
}

static void set_timer_op_knows_zero_past_and_never(void)
{
    begin(1, 1);
    CU_ASSERT_EQUAL(do_set_timer_op(MS, 0, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(do_set_timer_op(0, 0, 0, 0, 0), 0);
    fake_guest_advance(2 * MS);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 0);
    CU_ASSERT_EQUAL(do_set_timer_op(MS, 0, 0, 0, 0), 0);
    fake_guest_settle();
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 1);
    CU_ASSERT_EQUAL(do_set_timer_op(UINT64_MAX, 0, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(do_set_timer_op(UINT64_MAX / 2, 0, 0, 0, 0), 0);
    fake_guest_advance(1000 * MS);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 1);
}

// A timer wakes a vCPU that sleeps, wherever that runs from then on, and follows it when it is set again.
static void timers_wake_and_follow(void)
{
    begin(2, 1);
    struct vcpu *v = d->vcpu[0];
    CU_ASSERT_EQUAL(do_set_timer_op(3 * MS, 0, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(v->singleshot_timer.cpu, 0);
    sched_block();
    fake_guest_settle();
    CU_ASSERT(fake_current[0]->is_idle);
    CU_ASSERT_EQUAL(sched_pin_override(v, 1), 0);
    fake_guest_advance(3 * MS);
    CU_ASSERT_PTR_EQUAL(fake_current[1], v);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 1);
    fake_cpu = 1;
    CU_ASSERT_EQUAL(do_set_timer_op(9 * MS, 0, 0, 0, 0), 0);
    fake_cpu = 0;
    CU_ASSERT_EQUAL(v->singleshot_timer.cpu, 1);
    fake_guest_advance(6 * MS);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 2);
}

// The periodic timer goes on while its vCPU sleeps, and wakes it.
static void the_periodic_timer_ticks_until_stopped(void)
{
    struct vcpu_set_periodic_timer set = {.period_ns = MS - 1};

    begin(1, 1);
    CU_ASSERT_EQUAL(op(VCPUOP_set_periodic_timer, 0, &set), -XEN_EINVAL);
    set.period_ns = UINT64_MAX;
    CU_ASSERT_EQUAL(op(VCPUOP_set_periodic_timer, 0, &set), -XEN_EINVAL);
    set.period_ns = 10 * MS;
    CU_ASSERT_EQUAL(op(VCPUOP_set_periodic_timer, 0, &set), 0);
    for (unsigned i = 0; i < 5; i++) {
        fake_guest_advance(10 * MS);
    }
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 5);
    sched_block();
    fake_guest_settle();
    fake_guest_advance(10 * MS);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 6);
    CU_ASSERT_EQUAL(op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
    fake_guest_advance(100 * MS);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_TIMER], 6);
}

static void runstate_is_told_and_published(void)
{
    static struct vcpu_runstate_info area;
    struct vcpu_register_runstate_memory_area reg = {.addr.p = (uintptr_t)&area};
    struct vcpu_runstate_info info;

    begin(1, 2);
    fake_guest_advance(7 * MS);
    CU_ASSERT_EQUAL(op(VCPUOP_get_runstate_info, 0, &info), 0);
    CU_ASSERT_EQUAL(info.state, RUNSTATE_running);
    CU_ASSERT_EQUAL(info.time[RUNSTATE_running], 7 * MS);
    CU_ASSERT_EQUAL(op(VCPUOP_get_runstate_info, 1, &info), 0);
    CU_ASSERT_EQUAL(info.state, RUNSTATE_offline);
    CU_ASSERT_EQUAL(info.time[RUNSTATE_offline], 7 * MS);

    memset(&area, 0xff, sizeof(area));
    CU_ASSERT_EQUAL(op(VCPUOP_register_runstate_memory_area, 0, &reg), 0);
    CU_ASSERT_EQUAL(area.state, RUNSTATE_running);
    CU_ASSERT_EQUAL(area.state_entry_time, d->vcpu[0]->runstate.state_entry_time);
    // With the update flag the area ends without it, however it was before.
    d->vm_assist = 1u << VMASST_TYPE_runstate_update_flag;
    area.state_entry_time = XEN_RUNSTATE_UPDATE;
    vcpu_publish_runstate(d->vcpu[0]);
    CU_ASSERT_EQUAL(area.state_entry_time, d->vcpu[0]->runstate.state_entry_time);
    d->vcpu[0]->runstate_guest = 8; // gone from the guest's page tables
    vcpu_publish_runstate(d->vcpu[0]);

    reg.addr.p = UINT64_C(0xffff830000000000);
    CU_ASSERT_EQUAL(op(VCPUOP_register_runstate_memory_area, 0, &reg), -XEN_EFAULT);
    reg.addr.p = UINT64_MAX - 3;
    CU_ASSERT_EQUAL(op(VCPUOP_register_runstate_memory_area, 0, &reg), -XEN_EFAULT);
}

static void time_area_is_noted(void)
{
    struct vcpu_register_time_memory_area reg = {.addr.p = UINT64_C(0xffff830000000000)};

    begin(1, 2);
    CU_ASSERT_EQUAL(op(VCPUOP_register_vcpu_time_memory_area, 0, &reg), -XEN_EFAULT);
    CU_ASSERT_EQUAL(d->vcpu[0]->time_info_guest, 0);
    reg.addr.p = 0x1000;
    CU_ASSERT_EQUAL(op(VCPUOP_register_vcpu_time_memory_area, 0, &reg), 0);
    CU_ASSERT_EQUAL(fake_guest.time_updates, 1);
    CU_ASSERT_EQUAL(op(VCPUOP_register_vcpu_time_memory_area, 1, &reg), 0);
    CU_ASSERT_EQUAL(fake_guest.time_updates, 1);
    CU_ASSERT_EQUAL(d->vcpu[1]->time_info_guest, 0x1000);
}

static long register_info(uint64_t vcpu, uint64_t frame, uint32_t offset)
{
    struct vcpu_register_vcpu_info info = {.mfn = frame, .offset = offset};

    return op(VCPUOP_register_vcpu_info, vcpu, &info);
}

static void vcpu_info_moves_with_its_contents(void)
{
    mfn_t m;

    begin(2, 40);
    CU_ASSERT_EQUAL(domain_alloc_frames(d, 0, 0, &m), 0);
    struct vcpu_info *place = mfn_to_virt(m);
    uint64_t refs = frame_of(m)->ref;

    CU_ASSERT_EQUAL(register_info(0, m.n, PAGE_SIZE - 56), -XEN_EINVAL);
    CU_ASSERT_EQUAL(register_info(0, m.n, 4), -XEN_EINVAL);
    CU_ASSERT_EQUAL(register_info(0, m.n, UINT32_MAX - 7), -XEN_EINVAL);
    CU_ASSERT_EQUAL(register_info(0, UINT64_MAX, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(register_info(0, max_mfn, 0), -XEN_EINVAL);
    mfn_t foreign = page_alloc(0, 0);
    CU_ASSERT_EQUAL(register_info(0, foreign.n, 0), -XEN_EINVAL);
    page_free(foreign, 0);
    fake_guest.data_refused = true;                      // a page table, say
    CU_ASSERT_EQUAL(register_info(0, m.n, 0), -XEN_EINVAL);
    fake_guest.data_refused = false;
    CU_ASSERT_EQUAL(frame_of(m)->ref, refs);
    CU_ASSERT_PTR_EQUAL(d->vcpu[0]->vcpu_info, &d->shared_info->vcpu_info[0]);

    d->vcpu[0]->vcpu_info->evtchn_pending_sel = 0x123;
    CU_ASSERT_EQUAL(register_info(0, m.n, PAGE_SIZE - 64), 0);
    CU_ASSERT_PTR_EQUAL(d->vcpu[0]->vcpu_info, place + 63);
    CU_ASSERT_EQUAL(place[63].evtchn_pending_sel, 0x123);
    CU_ASSERT_EQUAL(fake_guest.info_moves, 1);
    CU_ASSERT_EQUAL(fake_guest.data_references, 1);
    CU_ASSERT_EQUAL(register_info(0, m.n, 0), -XEN_EINVAL); // once

    // One that had no place: an empty vcpu_info with events masked, whatever the guest's page held.
    memset(place, 0xee, 64);
    CU_ASSERT_EQUAL(register_info(35, m.n, 0), 0);
    CU_ASSERT_EQUAL(place->evtchn_upcall_mask, 1);
    CU_ASSERT_EQUAL(place->evtchn_upcall_pending, 0);
    CU_ASSERT_EQUAL(place->evtchn_pending_sel, 0);

    // Not that of another which runs.
    d->vcpu[1]->pause_flags = 0;
    CU_ASSERT_EQUAL(register_info(1, m.n, 64), -XEN_EINVAL);
    d->vcpu[1]->pause_flags = VPF_DOWN;
    CU_ASSERT_EQUAL(register_info(1, m.n, 64), 0);

    vcpu_unmap_info(d->vcpu[0]);
    vcpu_unmap_info(d->vcpu[0]);
    vcpu_unmap_info(d->vcpu[1]);
    vcpu_unmap_info(d->vcpu[35]);
    CU_ASSERT_EQUAL(fake_guest.data_references, 0);
    CU_ASSERT_EQUAL(frame_of(m)->ref, refs);
}

static void an_nmi_reaches_another_vcpu(void)
{
    begin(2, 2);
    CU_ASSERT_EQUAL(op(VCPUOP_send_nmi, 1, NULL), 0);
    CU_ASSERT_EQUAL(fake_guest.nmis, 1);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"unknown_calls_are_refused", unknown_calls_are_refused},
        {"a_vcpu_is_initialised_once_and_comes_up", a_vcpu_is_initialised_once_and_comes_up},
        {"the_last_one_down_ends_the_domain", the_last_one_down_ends_the_domain},
        {"one_without_a_vcpu_info_can_not_start", one_without_a_vcpu_info_can_not_start},
        {"the_singleshot_timer_fires_once", the_singleshot_timer_fires_once},
        {"set_timer_op_knows_zero_past_and_never", set_timer_op_knows_zero_past_and_never},
        {"timers_wake_and_follow", timers_wake_and_follow},
        {"the_periodic_timer_ticks_until_stopped", the_periodic_timer_ticks_until_stopped},
        {"runstate_is_told_and_published", runstate_is_told_and_published},
        {"time_area_is_noted", time_area_is_noted},
        {"vcpu_info_moves_with_its_contents", vcpu_info_moves_with_its_contents},
        {"an_nmi_reaches_another_vcpu", an_nmi_reaches_another_vcpu},
        {NULL, NULL},
    };

    return unit_main("vcpu_op", tests);
}
