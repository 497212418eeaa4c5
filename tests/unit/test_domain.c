// SPDX-License-Identifier: MIT
// Domains: creation and every way it can fail, references and the deferred end, frames and their limit,
// pausing, crash and shutdown.
#include "unit_main.h"

#include <stdlib.h>
#include <string.h>

#include "core/sched.h"
#include "cpu/smp.h"
#include "fake_guest.h"
#include "fake_time.h"
#include "mm/page_alloc.h"
#include "public/errno.h"
#include "public/sched.h"

static struct domain *make(unsigned id, unsigned vcpus)
{
    struct domain *d = domain_create(id, vcpus);

    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    d->max_pages = 64;
    return d;
}

static void start(struct domain *d)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        d->vcpu[i]->pause_flags = 0;
        sched_wake(d->vcpu[i]);
    }
    fake_guest_settle();
}

// What keeps a domain that nobody names any more: its shared page.
static void drop(struct domain *d)
{
    frame_put(d->shared_info_frame);
    domain_put(d);
    fake_guest_settle();
}

static void is_made_whole(void)
{
    fake_guest_reset(2);
    struct domain *d = make(3, 40);

    CU_ASSERT(!fake_guest.half_made_was_found);
    CU_ASSERT_EQUAL(d->id, 3);
    CU_ASSERT_EQUAL(d->refs, 2); // for existing, and for the shared page
    CU_ASSERT_EQUAL(d->vcpu[0]->pause_flags, VPF_DOWN);
    CU_ASSERT_PTR_EQUAL(d->vcpu[31]->vcpu_info, &d->shared_info->vcpu_info[31]);
    CU_ASSERT_PTR_EQUAL(d->vcpu[32]->vcpu_info, &dummy_vcpu_info);
    CU_ASSERT_EQUAL(d->shared_info->vcpu_info[0].evtchn_upcall_mask, 1);
    CU_ASSERT(frame_get(d->shared_info_frame, 3));
    frame_put(d->shared_info_frame);
    CU_ASSERT_PTR_EQUAL(vcpu_of(d, 39), d->vcpu[39]);
    CU_ASSERT_PTR_NULL(vcpu_of(d, 40));
    CU_ASSERT_PTR_NULL(vcpu_of(d, UINT64_MAX));
    start(d);
    CU_ASSERT(d->vcpu[0]->sched.cpu != d->vcpu[1]->sched.cpu);
}

static void bad_requests_are_refused(void)
{
    fake_guest_reset(1);
    struct domain *twin = make(3, 1);
    CU_ASSERT_PTR_NULL(domain_create(3, 1));
    CU_ASSERT_PTR_NULL(domain_create(4, 0));
    CU_ASSERT_PTR_NULL(domain_create(4, MAX_VCPUS + 1));
    CU_ASSERT_PTR_NULL(domain_create(DOMID_SELF, 1));
    CU_ASSERT_PTR_NULL(domain_create(DOMID_IDLE, 1));
    fake_guest_settle();
    CU_ASSERT_EQUAL(fake_guest.nr_domains, 1);
    CU_ASSERT_EQUAL(fake_guest.nr_vcpus, 1);
    CU_ASSERT_EQUAL(twin->refs, 2); // the refused twin has not touched the first
}

// Whatever allocation fails, nothing is left and the id can be had.
static void failures_leave_nothing(void)
{
    fake_guest_reset(1);
    uint64_t before = page_alloc_free_pages();
    unsigned failures = 0;

    for (int i = 0; i < 6; i++) {
        fake_guest.fail_after = i;
        struct domain *d = domain_create(9, 3);
        fake_guest.fail_after = -1;
        fake_guest_settle();
        CU_ASSERT_PTR_NULL(d);
        CU_ASSERT_EQUAL(fake_guest.nr_domains, 0);
        CU_ASSERT_EQUAL(fake_guest.nr_vcpus, 0);
        CU_ASSERT_PTR_NULL(domain_get_from(0));
        CU_ASSERT(before - page_alloc_free_pages() <= 1);
        failures++;
    }
    CU_ASSERT_EQUAL(failures, 6);
    make(9, 3);
}

static void is_found_by_id(void)
{
    fake_guest_reset(1);
    struct domain *a = make(700, 1), *b = make(1, 1), *c = make(30000, 1);

    CU_ASSERT_PTR_EQUAL(domain_get_from(0), b);
    CU_ASSERT_PTR_EQUAL(domain_get_from(2), a);
    CU_ASSERT_PTR_EQUAL(domain_get_from(701), c);
    CU_ASSERT_PTR_NULL(domain_get_from(30001));
    domain_put(a);
    domain_put(b);
    domain_put(c);
    CU_ASSERT_PTR_EQUAL(domain_get_by_id(700), a);
    CU_ASSERT_EQUAL(a->refs, 3);
    domain_put(a);
    CU_ASSERT_PTR_NULL(domain_get_by_id(701));
    CU_ASSERT_PTR_NULL(domain_get_by_id(2));
    CU_ASSERT_PTR_NULL(domain_get_by_id(0xffffffff));
    start(b);
    CU_ASSERT_PTR_EQUAL(domain_get_by_id(DOMID_SELF), b);
    domain_put(b);
}

static void ends_with_its_last_reference(void)
{
    fake_guest_reset(1);
    uint64_t before = page_alloc_free_pages();
    struct domain *d = make(5, 2);
    mfn_t m;

    CU_ASSERT_EQUAL(domain_alloc_frames(d, 0, 0, &m), 0);
    frame_put(d->shared_info_frame);
    domain_put(d);
    fake_guest_settle();
    CU_ASSERT_EQUAL(fake_guest.nr_domains, 1); // its frame keeps it
    CU_ASSERT_EQUAL(d->tot_pages, 1);
    CU_ASSERT_EQUAL(d->page_list, m.n); // from which the shared page was never taken
    CU_ASSERT(frame_clear_allocated(frame_of(m)));
    frame_put(frame_of(m));
    CU_ASSERT_PTR_NULL(domain_get_by_id(5)); // not to be had any more, though still there
    CU_ASSERT_EQUAL(fake_guest.nr_domains, 1);
    fake_guest_settle();
    CU_ASSERT_EQUAL(fake_guest.nr_domains, 0);
    CU_ASSERT_EQUAL(fake_guest.nr_vcpus, 0);
    CU_ASSERT(before - page_alloc_free_pages() <= 2);
    drop(make(5, 1));
}

static unsigned listed(const struct domain *d)
{
    unsigned nr = 0;
    uint32_t prev = FRAME_NONE;

    for (uint32_t i = d->page_list; i != FRAME_NONE && nr < 10000; i = frame_table[i].next) {
        CU_ASSERT_EQUAL(frame_table[i].prev, prev);
        CU_ASSERT_EQUAL(frame_owner(&frame_table[i]), d->id);
        prev = i;
        nr++;
    }
    return nr;
}

static void frames_are_counted_and_limited(void)
{
    fake_guest_reset(1);
    struct domain *d = make(5, 1);
    mfn_t m, n;

    CU_ASSERT_EQUAL(domain_alloc_frames(d, 5, 0, &m), 0);
    CU_ASSERT_EQUAL(domain_alloc_frames(d, 5, 0, &n), 0);
    CU_ASSERT_EQUAL(d->tot_pages, 64);
    CU_ASSERT_EQUAL(listed(d), 64);
    CU_ASSERT_EQUAL(domain_alloc_frames(d, 0, 0, &n), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(domain_alloc_frames(d, MAX_PAGE_ORDER + 1, 0, &n), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(domain_alloc_frames(d, 63, 0, &n), -XEN_ENOMEM);
    for (unsigned i = 0; i < 32; i += 3) {
        (void)frame_clear_allocated(frame_of(mfn_add(m, i)));
        frame_put(frame_of(mfn_add(m, i)));
    }
    CU_ASSERT_EQUAL(d->tot_pages, 53);
    CU_ASSERT_EQUAL(listed(d), 53);
    d->max_pages = 20; // below what it has: it keeps that, and gets no more
    CU_ASSERT_EQUAL(domain_alloc_frames(d, 0, 0, &n), -XEN_ENOMEM);
    d->max_pages = 1000000;
    CU_ASSERT_EQUAL(domain_alloc_frames(d, MAX_PAGE_ORDER, 0, &n), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(d->tot_pages, 53);
}

// The allocator sees a frame only after no TLB can, and many at the price of one flush; the next owner
// does not see what was in it.
static void freed_frames_are_flushed_and_cleared(void)
{
    fake_guest_reset(2);
    struct domain *d = make(5, 1);
    mfn_t m;

    CU_ASSERT_EQUAL(domain_alloc_frames(d, 4, 0, &m), 0);
    memset(mfn_to_virt(m), 0x55, 16 * PAGE_SIZE);
    uint64_t before = page_alloc_free_pages();
    for (unsigned i = 0; i < 16; i++) {
        (void)frame_clear_allocated(frame_of(mfn_add(m, i)));
        frame_put(frame_of(mfn_add(m, i)));
    }
    CU_ASSERT_EQUAL(page_alloc_free_pages(), before);
    CU_ASSERT_EQUAL(fake_flushes, 0);
    fake_guest_settle();
    CU_ASSERT_EQUAL(page_alloc_free_pages(), before + 16);
    CU_ASSERT_EQUAL(fake_flushes, 1);

    mfn_t n;
    CU_ASSERT_EQUAL(domain_alloc_frames(d, 4, 0, &n), 0);
    CU_ASSERT(mfn_eq(m, n));
    unsigned dirty = 0;
    for (unsigned i = 0; i < 16 * PAGE_SIZE; i++) {
        dirty += ((uint8_t *)mfn_to_virt(n))[i] != 0;
    }
    CU_ASSERT_EQUAL(dirty, 0);
}

static void pausing_nests(void)
{
    fake_guest_reset(2);
    struct domain *d = make(5, 2);

    start(d);
    CU_ASSERT_PTR_EQUAL(fake_current[0]->domain, d);
    // Of those on other CPUs none runs, so that pausing does not have to wait for a CPU that is not simulated.
    d->vcpu[1]->pause_flags = VPF_BLOCKED;
    sched_sleep(d->vcpu[1]);
    fake_guest_settle();
    domain_pause(d);
    domain_pause(d);
    fake_guest_settle();
    CU_ASSERT(fake_current[0]->is_idle);
    domain_unpause(d);
    fake_guest_settle();
    CU_ASSERT(fake_current[0]->is_idle);
    vcpu_kick(d->vcpu[1]); // ends its block, not its pause
    fake_guest_settle();
    CU_ASSERT(fake_current[1]->is_idle);
    domain_unpause(d);
    fake_guest_settle();
    CU_ASSERT_PTR_EQUAL(fake_current[0]->domain, d);
    CU_ASSERT_PTR_EQUAL(fake_current[1]->domain, d);
}

static void kicks_wake_or_interrupt(void)
{
    fake_guest_reset(2);
    struct domain *d = make(5, 2);

    start(d);
    unsigned kicks = fake_kicks[1];
    vcpu_kick(d->vcpu[1]);
    CU_ASSERT_EQUAL(fake_kicks[1], kicks + 1);
    fake_guest_settle();
    d->vcpu[1]->pause_flags = VPF_POLL;
    d->vcpu[1]->evtchn.poll_port = 7;
    sched_sleep(d->vcpu[1]);
    fake_guest_settle();
    CU_ASSERT(fake_current[1]->is_idle);
    vcpu_kick(d->vcpu[1]);
    CU_ASSERT_EQUAL(d->vcpu[1]->evtchn.poll_port, 0);
    fake_guest_settle();
    CU_ASSERT_PTR_EQUAL(fake_current[1], d->vcpu[1]);
}

static void a_crash_stops_and_tells(void)
{
    fake_guest_reset(2);
    control_domain = make(0, 1);
    control_domain->is_control = true;
    struct domain *d = make(5, 2);

    start(d);
    domain_crash(d, "it wrote %u to %s", 7u, "nowhere");
    domain_crash(d, "again");
    fake_guest_settle();
    CU_ASSERT(fake_current[0]->is_idle && fake_current[1]->is_idle);
    CU_ASSERT_EQUAL(d->shutdown_code, SHUTDOWN_crash);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_DOM_EXC], 1);
    vcpu_kick(d->vcpu[0]);
    sched_wake(d->vcpu[0]);
    fake_guest_settle();
    CU_ASSERT(fake_current[0]->is_idle);
    CU_ASSERT_EQUAL(fake_guest.halts + fake_guest.reboots, 0);
}

static void only_the_first_end_counts(void)
{
    fake_guest_reset(1);
    struct domain *d = make(5, 1);

    start(d);
    domain_shutdown(d, SHUTDOWN_suspend);
    domain_crash(d, "after its end");
    domain_shutdown(d, SHUTDOWN_reboot);
    CU_ASSERT_EQUAL(d->shutdown_code, SHUTDOWN_suspend);
}

static unsigned asked_code;

static void shut_down(void *d)
{
    domain_shutdown(d, asked_code);
}

static void crash(void *d)
{
    domain_crash(d, "test");
}

static struct domain *make_control(bool noreboot)
{
    fake_guest_reset(1);
    control_domain = make(0, 1);
    control_domain->is_control = true;
    crash_halts_machine = noreboot;
    return control_domain;
}

static void the_machine_follows_the_control_domain(void)
{
    asked_code = SHUTDOWN_poweroff;
    CU_ASSERT(fake_machine_ends(shut_down, make_control(false)));
    CU_ASSERT(fake_guest.halts == 1 && fake_guest.reboots == 0);
    asked_code = SHUTDOWN_reboot;
    CU_ASSERT(fake_machine_ends(shut_down, make_control(true)));
    CU_ASSERT(fake_guest.halts == 0 && fake_guest.reboots == 1);
    CU_ASSERT(fake_machine_ends(crash, make_control(false)));
    CU_ASSERT(fake_guest.halts == 0 && fake_guest.reboots == 1);
    CU_ASSERT(fake_machine_ends(crash, make_control(true)));
    CU_ASSERT(fake_guest.halts == 1 && fake_guest.reboots == 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"is_made_whole", is_made_whole},
        {"bad_requests_are_refused", bad_requests_are_refused},
        {"failures_leave_nothing", failures_leave_nothing},
        {"is_found_by_id", is_found_by_id},
        {"ends_with_its_last_reference", ends_with_its_last_reference},
        {"frames_are_counted_and_limited", frames_are_counted_and_limited},
        {"freed_frames_are_flushed_and_cleared", freed_frames_are_flushed_and_cleared},
        {"pausing_nests", pausing_nests},
        {"kicks_wake_or_interrupt", kicks_wake_or_interrupt},
        {"a_crash_stops_and_tells", a_crash_stops_and_tells},
        {"only_the_first_end_counts", only_the_first_end_counts},
        {"the_machine_follows_the_control_domain", the_machine_follows_the_control_domain},
        {NULL, NULL},
    };

    return unit_main("domain", tests);
}
