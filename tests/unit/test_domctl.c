// SPDX-License-Identifier: MIT
// DOMCTL as a toolstack calls it: who may, life from creation to the last frame, what is told of a domain, affinity, claims.
#include "unit_main.h"

#include <stdlib.h>
#include <string.h>

#include "core/domctl.h"
#include "core/hypercall.h"
#include "cpu/clock.h"
#include "fake_guest.h"
#include "fake_time.h"
#include "mm/page_alloc.h"
#include "mm/page_table.h"
#include "public/errno.h"
#include "public/sched.h"

static struct domain *caller;

uint64_t clock_tsc_khz(void)
{
    return 1000;
}

static void begin(unsigned cpus)
{
    fake_guest_reset(cpus);
    caller = domain_create(0, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(caller);
    caller->is_control = true;
    control_domain = caller;
    caller->vcpu[0]->initialised = true;
    caller->vcpu[0]->pause_flags = 0;
    sched_wake(caller->vcpu[0]);
    fake_guest_settle();
    CU_ASSERT_PTR_EQUAL_FATAL(current_vcpu(), caller->vcpu[0]);
}

static struct xen_domctl request(uint32_t cmd, unsigned domid)
{
    return (struct xen_domctl){
        .cmd = cmd, .interface_version = XEN_DOMCTL_INTERFACE_VERSION, .domain = (domid_t)domid,
    };
}

static long call(struct xen_domctl *op)
{
    long rc = do_domctl((uintptr_t)op, 0, 0, 0, 0);

    fake_guest_settle();
    return rc;
}

static long simple(uint32_t cmd, unsigned domid)
{
    struct xen_domctl op = request(cmd, domid);

    return call(&op);
}

static struct xen_domctl creation(unsigned domid)
{
    struct xen_domctl op = request(XEN_DOMCTL_createdomain, domid);

    op.u.createdomain = (struct xen_domctl_createdomain){
        .max_vcpus = 2, .max_evtchn_port = 1023, .max_grant_frames = -1, .max_maptrack_frames = -1, .grant_opts = 1,
        .handle = {1, 2, 3},
    };
    return op;
}

static unsigned create(void)
{
    struct xen_domctl op = creation(0);

    CU_ASSERT_EQUAL_FATAL(call(&op), 0);
    return op.domain;
}

static struct domain *find(unsigned id)
{
    struct domain *d = domain_get_from(id);

    if (d) {
        domain_put(d);
    }
    return d && d->id == id ? d : NULL;
}

static struct xen_domctl_getdomaininfo info_of(unsigned id)
{
    struct xen_domctl op = request(XEN_DOMCTL_getdomaininfo, id);

    CU_ASSERT_EQUAL(call(&op), 0);
    CU_ASSERT_EQUAL(op.domain, op.u.getdomaininfo.domain);
    return op.u.getdomaininfo;
}

static void only_who_may_and_speaks_our_version(void)
{
    struct xen_domctl op;

    begin(1);
    op = request(XEN_DOMCTL_pausedomain, 0);
    op.interface_version++;
    CU_ASSERT_EQUAL(call(&op), -XEN_EACCES);
    CU_ASSERT_EQUAL(do_domctl(0, 0, 0, 0, 0), -XEN_EFAULT);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_pausedomain, 77), -XEN_ESRCH);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_pausedomain, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_destroydomain, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(simple(10, 0), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(simple(0, 0), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(simple(UINT32_MAX, 0), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(caller->refs, 2);
    caller->is_control = false;
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_getdomaininfo, 0), -XEN_EPERM);
}

static void creation_checks_all_and_chooses_ids(void)
{
    struct xen_domctl op, good = creation(7);
    unsigned first;

    begin(1);
    op = good, op.u.createdomain.flags = XEN_DOMCTL_CDF_hvm;
    CU_ASSERT_EQUAL(call(&op), -XEN_EINVAL);
    op = good, op.u.createdomain.max_vcpus = 0;
    CU_ASSERT_EQUAL(call(&op), -XEN_EINVAL);
    op = good, op.u.createdomain.max_vcpus = MAX_VCPUS + 1;
    CU_ASSERT_EQUAL(call(&op), -XEN_EINVAL);
    op = good, op.u.createdomain.grant_opts = 2;
    CU_ASSERT_EQUAL(call(&op), -XEN_EINVAL);
    op = good, op.u.createdomain.arch.emulation_flags = 1;
    CU_ASSERT_EQUAL(call(&op), -XEN_EINVAL);
    op = good, op.u.createdomain.max_grant_frames = 1000;
    CU_ASSERT_EQUAL(call(&op), -XEN_EINVAL);
    CU_ASSERT_PTR_NULL(find(7));
    fake_guest.fail_after = 3;
    op = good;
    CU_ASSERT_EQUAL(call(&op), -XEN_ENOMEM);
    fake_guest.fail_after = -1;
    op = good;
    CU_ASSERT_EQUAL(call(&op), 0);
    CU_ASSERT_EQUAL(op.domain, 7);
    op = good;
    CU_ASSERT_EQUAL(call(&op), -XEN_EEXIST);
    first = create();
    CU_ASSERT(first && first != 7);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_destroydomain, first), 0);
    CU_ASSERT(create() != first); // the next one gets another id, though that one is free
    CU_ASSERT_EQUAL(info_of(7).max_vcpu_id, 1);
    CU_ASSERT_EQUAL(info_of(7).handle[2], 3);
    CU_ASSERT_EQUAL(info_of(7).flags & XEN_DOMINF_paused, XEN_DOMINF_paused);
}

static void runs_when_unpaused_as_often_as_paused(void)
{
    struct xen_domctl op;
    uint8_t context[16];
    unsigned id;

    begin(2);
    id = create();
    op = request(XEN_DOMCTL_setvcpucontext, id);
    op.u.vcpucontext.vcpu = 2;
    CU_ASSERT_EQUAL(call(&op), -XEN_EINVAL);
    op.u.vcpucontext.vcpu = 0;
    CU_ASSERT_EQUAL(call(&op), -XEN_EOPNOTSUPP);
    op.u.vcpucontext.ctxt = (uintptr_t)context;
    fake_guest.initialise_result = -XEN_ERESTART;
    CU_ASSERT_EQUAL(call(&op), HYPERCALL_RESTART);
    fake_guest.initialise_result = 0;
    CU_ASSERT_EQUAL(call(&op), 0);
    CU_ASSERT(find(id)->vcpu[0]->initialised);
    CU_ASSERT_EQUAL(call(&op), 0); // other registers
    find(id)->vcpu[0]->pause_flags &= ~VPF_DOWN; // as the real one does for VGCF_online
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_pausedomain, id), 0);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_unpausedomain, id), 0);
    CU_ASSERT(!(info_of(id).flags & XEN_DOMINF_running));
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_unpausedomain, id), 0);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_unpausedomain, id), -XEN_EINVAL);
    CU_ASSERT_EQUAL(info_of(id).flags, XEN_DOMINF_running);
    CU_ASSERT_EQUAL(info_of(id).nr_online_vcpus, 1);
    domain_shutdown(find(id), SHUTDOWN_suspend);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_DOM_EXC], 0); // its vCPU still runs
    fake_guest_settle();
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_DOM_EXC], 1);
    CU_ASSERT_EQUAL(info_of(id).flags, XEN_DOMINF_shutdown | SHUTDOWN_suspend << XEN_DOMINF_shutdownshift);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_resumedomain, id), 0);
    CU_ASSERT_EQUAL(info_of(id).flags, XEN_DOMINF_running);
}

// Every step may be preempted; a frame that somebody else has mapped keeps the domain and its id.
static void ends_with_its_last_frame(void)
{
    uint64_t before;
    unsigned id, calls = 0;
    mfn_t m[4];
    long rc;

    begin(1);
    (void)simple(XEN_DOMCTL_destroydomain, create()); // the page of ids stays
    before = page_alloc_free_pages();
    id = create();
    find(id)->max_pages = 4;
    for (unsigned i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL_FATAL(domain_alloc_frames(find(id), 0, 0, &m[i]), 0);
    }
    CU_ASSERT(frame_get(frame_of(m[2]), id));
    fake_guest.restarts = 5;
    while ((rc = simple(XEN_DOMCTL_destroydomain, id)) == HYPERCALL_RESTART) {
        calls++;
    }
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT_EQUAL(calls, 5);
    CU_ASSERT_EQUAL(fake_guest.m2p_cleared, 4);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_DOM_EXC], 3); // two for the first domain, one that this one is dying
    CU_ASSERT_EQUAL(info_of(id).flags & XEN_DOMINF_dying, XEN_DOMINF_dying);
    CU_ASSERT_EQUAL(info_of(id).tot_pages, 1);
    CU_ASSERT_EQUAL(info_of(id).shared_info_frame, 0);
    CU_ASSERT_EQUAL(domain_alloc_frames(find(id), 0, 0, &m[0]), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_destroydomain, id), 0); // once more does no harm
    CU_ASSERT(page_alloc_free_pages() < before);
    frame_put(frame_of(m[2]));
    fake_guest_settle();
    CU_ASSERT_PTR_NULL(find(id));
    CU_ASSERT_EQUAL(page_alloc_free_pages(), before);
    CU_ASSERT_EQUAL(fake_guest.virqs[VIRQ_DOM_EXC], 4);
    CU_ASSERT_EQUAL(fake_guest.nr_vcpus, 1);
}

static void info_is_of_the_next_domain(void)
{
    struct xen_domctl op;
    unsigned id;

    begin(1);
    id = create();
    CU_ASSERT_EQUAL(info_of(id - 1).domain, id - 1 ? id : 0);
    op = request(XEN_DOMCTL_getdomaininfo, id + 1);
    CU_ASSERT_EQUAL(call(&op), -XEN_ESRCH);
}

static void affinity_is_told_as_set_and_as_it_works(void)
{
    uint8_t hard[4] = {6}, soft[4] = {4}, seen[6];
    struct xen_domctl op;
    unsigned id;

    begin(2);
    id = create();
    op = request(XEN_DOMCTL_setvcpuaffinity, id);
    op.u.vcpuaffinity = (struct xen_domctl_vcpuaffinity){
        .vcpu = 1, .cpumap_hard = {(uintptr_t)hard, 3}, .cpumap_soft = {(uintptr_t)soft, 32},
    };
    CU_ASSERT_EQUAL(call(&op), -XEN_EINVAL);
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT;
    CU_ASSERT_EQUAL(call(&op), 0);
    CU_ASSERT_EQUAL(hard[0], 2); // CPU 2 is not there
    CU_ASSERT_EQUAL(soft[0], 0);
    hard[0] = 0xfc;              // of which only bit 2 counts, and no CPU is online
    CU_ASSERT_EQUAL(call(&op), -XEN_EINVAL);
    op.cmd = XEN_DOMCTL_getvcpuaffinity;
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    op.u.vcpuaffinity.cpumap_hard = (struct xenctl_bitmap){(uintptr_t)seen, 40};
    memset(seen, 0xff, sizeof(seen));
    CU_ASSERT_EQUAL(call(&op), 0);
    CU_ASSERT_EQUAL(seen[0], 6);
    CU_ASSERT_EQUAL(seen[4], 0);
    CU_ASSERT_EQUAL(seen[5], 0xff);
    op.u.vcpuaffinity.cpumap_hard.nr_bits = UINT32_MAX;
    CU_ASSERT_EQUAL(call(&op), -XEN_EINVAL);
    op.u.vcpuaffinity.vcpu = 2;
    CU_ASSERT_EQUAL(call(&op), -XEN_ESRCH);
}

static void weights_and_caps_are_kept(void)
{
    struct xen_domctl op;
    unsigned id;

    begin(1);
    id = create();
    op = request(XEN_DOMCTL_scheduler_op, id);
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    op.u.scheduler_op.u.credit2 = (struct xen_domctl_sched_credit2){512, 25};
    CU_ASSERT_EQUAL(call(&op), -XEN_EINVAL);
    op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    CU_ASSERT_EQUAL(call(&op), 0);
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    op.u.scheduler_op.u.credit2 = (struct xen_domctl_sched_credit2){0, 0};
    CU_ASSERT_EQUAL(call(&op), 0);
    CU_ASSERT_EQUAL(op.u.scheduler_op.u.credit2.weight, 512);
    CU_ASSERT_EQUAL(op.u.scheduler_op.u.credit2.cap, 25);
    op.u.scheduler_op.cmd = 2;
    CU_ASSERT_EQUAL(call(&op), -XEN_EINVAL);
}

static void claims_keep_memory_free(void)
{
    struct domain *a, *b;
    uint64_t nr_free;
    unsigned order;
    mfn_t m;

    begin(1);
    a = find(create());
    b = find(create());
    a->max_pages = b->max_pages = UINT32_MAX;
    nr_free = page_alloc_free_pages();
    CU_ASSERT_EQUAL(domain_claim_pages(a, nr_free + 1), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(domain_claim_pages(a, UINT64_C(1) << 40), -XEN_EINVAL);
    CU_ASSERT_EQUAL(domain_claim_pages(a, nr_free - 16), 0);
    CU_ASSERT_EQUAL(domain_claim_pages(a, 100), -XEN_EINVAL);
    CU_ASSERT_EQUAL(domain_claim_pages(b, 17), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(domain_alloc_frames(b, 5, 0, &m), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(domain_alloc_frames(b, 4, 0, &m), 0);
    CU_ASSERT_EQUAL(domain_alloc_frames(b, 0, 0, &m), -XEN_ENOMEM);
    for (order = 0; order < 3; order++) {
        CU_ASSERT_EQUAL(domain_alloc_frames(a, order, 0, &m), 0);
    }
    CU_ASSERT_EQUAL(info_of(a->id).outstanding_pages, nr_free - 16 - 7);
    CU_ASSERT_EQUAL(domains_claimed_pages(), nr_free - 16 - 7);
    CU_ASSERT_EQUAL(domain_alloc_frames(b, 0, 0, &m), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_destroydomain, a->id), 0);
    CU_ASSERT_EQUAL(domains_claimed_pages(), 0);
    CU_ASSERT_EQUAL(domain_alloc_frames(b, 5, 0, &m), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"only_who_may_and_speaks_our_version", only_who_may_and_speaks_our_version},
        {"creation_checks_all_and_chooses_ids", creation_checks_all_and_chooses_ids},
        {"runs_when_unpaused_as_often_as_paused", runs_when_unpaused_as_often_as_paused},
        {"ends_with_its_last_frame", ends_with_its_last_frame},
        {"info_is_of_the_next_domain", info_is_of_the_next_domain},
        {"affinity_is_told_as_set_and_as_it_works", affinity_is_told_as_set_and_as_it_works},
        {"weights_and_caps_are_kept", weights_and_caps_are_kept},
        {"claims_keep_memory_free", claims_keep_memory_free},
        {NULL, NULL},
    };

    return unit_main("domctl", tests);
}
