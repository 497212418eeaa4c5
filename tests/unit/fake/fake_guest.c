// SPDX-License-Identifier: MIT
// The state behind fake_guest.h.
#include "fake_guest.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "core/domctl.h"
#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "core/sched.h"
#include "core/softirq.h"
#include "cpu/power.h"
#include "cpu/smp.h"
#include "cpu/upcall.h"
#include "fake_time.h"
#include "mm/page_alloc.h"
#include "mm/page_table.h"

#define FAKE_FRAMES 4096u

struct fake_guest fake_guest;
hypercall_fn *const hypercall_table[NR_HYPERCALLS];
static jmp_buf machine_end;

static bool may_allocate(void)
{
    return fake_guest.fail_after < 0 || fake_guest.fail_after-- > 0;
}

struct domain *guest_domain_alloc(void)
{
    if (!may_allocate()) {
        return NULL;
    }
    fake_guest.nr_domains++;
    return calloc(1, sizeof(struct domain));
}

void guest_domain_free(struct domain *d)
{
    fake_guest.nr_domains--;
    free(d);
}

struct vcpu *guest_vcpu_alloc(struct domain *d, unsigned id)
{
    (void)id;
    fake_guest.half_made_was_found |= domain_get_by_id(d->id) != NULL;
    if (!may_allocate()) {
        return NULL;
    }
    fake_guest.nr_vcpus++;
    return calloc(1, sizeof(struct vcpu));
}

void guest_vcpu_free(struct vcpu *v)
{
    fake_guest.nr_vcpus--;
    free(v);
}

int guest_vcpu_initialise(struct vcpu *v, uint64_t ctxt)
{
    (void)v;
    fake_guest.initialises++;
    return ctxt < FAKE_BAD_ADDRESS ? -XEN_EFAULT : fake_guest.initialise_result;
}

void guest_inject_nmi(struct vcpu *v)
{
    (void)v;
    fake_guest.nmis++;
}

void guest_update_time(struct vcpu *v)
{
    (void)v;
    fake_guest.time_updates++;
}

bool guest_get_data(struct domain *d, mfn_t m, bool writable)
{
    (void)writable;
    if (fake_guest.data_refused || !mfn_valid(m) || !frame_get(frame_of(m), d->id)) {
        return false;
    }
    fake_guest.data_references++;
    return true;
}

void guest_put_data(mfn_t m, bool writable)
{
    (void)writable;
    fake_guest.data_references--;
    frame_put(frame_of(m));
}

static int relinquish(void)
{
    fake_guest.relinquishes++;
    return fake_guest.restarts-- > 0 ? -XEN_ERESTART : 0;
}

int guest_domain_relinquish(struct domain *d)
{
    (void)d;
    return relinquish();
}

int guest_frame_relinquish(struct domain *d, struct frame *f)
{
    (void)f;
    return guest_domain_relinquish(d);
}

void guest_update_wallclock(struct domain *d)
{
    (void)d;
    fake_guest.time_updates++;
}

void guest_cpu_features(uint32_t *words, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        words[i] = i;
    }
}

const struct domctl_row guest_domctl[NR_DOMCTLS];

int evtchn_domain_relinquish(struct domain *d)
{
    return guest_domain_relinquish(d);
}

int grant_table_relinquish(struct domain *d)
{
    return guest_domain_relinquish(d);
}

int grant_table_limit(struct domain *d, int32_t max_frames, int32_t max_maptrack_frames)
{
    (void)d;
    return max_frames > MAX_GRANT_FRAMES || max_maptrack_frames > MAX_MAPTRACK_FRAMES ? -XEN_EINVAL : 0;
}

int evtchn_domain_init(struct domain *d)
{
    (void)d;
    return may_allocate() ? 0 : -XEN_ENOMEM;
}

void evtchn_domain_destroy(struct domain *d)
{
    (void)d;
}

void evtchn_send_virq(struct vcpu *v, unsigned virq)
{
    fake_guest.virqs[virq]++;
    vcpu_kick(v);
}

bool evtchn_vcpu_pending(const struct vcpu *v)
{
    return !v->is_idle && fake_guest.event_pending;
}

int evtchn_poll_check(struct vcpu *v, const uint32_t *ports, unsigned nr)
{
    v->evtchn.poll_port = nr == 1 ? ports[0] : UINT32_MAX;
    return fake_guest.poll_result;
}

void evtchn_vcpu_info_moved(struct vcpu *v)
{
    (void)v;
    fake_guest.info_moves++;
}

int grant_table_create(struct domain *d)
{
    (void)d;
    return may_allocate() ? 0 : -XEN_ENOMEM;
}

void grant_table_destroy(struct domain *d)
{
    (void)d;
}

size_t guest_copy_raw(void *to, const void *from, size_t size)
{
    if ((uintptr_t)to < FAKE_BAD_ADDRESS || (uintptr_t)from < FAKE_BAD_ADDRESS) {
        return size;
    }
    memcpy(to, from, size);
    return 0;
}

void m2p_set(mfn_t m, uint64_t pfn)
{
    (void)m;
    fake_guest.m2p_cleared += pfn == M2P_INVALID;
}

void machine_halt(void)
{
    fake_guest.halts++;
    longjmp(machine_end, 1);
}

void machine_reboot(void)
{
    fake_guest.reboots++;
    longjmp(machine_end, 1);
}

bool fake_machine_ends(void (*run)(void *argument), void *argument)
{
    if (setjmp(machine_end) == 0) {
        run(argument);
        return false;
    }
    return true;
}

void context_switch(struct vcpu *prev, struct vcpu *next)
{
    fake_current[fake_cpu] = next;
    sched_switched(prev);
}

static void drop_all_domains(void)
{
    struct domain *d;

    control_domain = NULL;
    while ((d = domain_get_from(0))) {
        domain_put(d);
        for (unsigned i = 0; i < d->max_vcpus; i++) {
            d->vcpu[i]->pause_flags |= VPF_DOWN;
            sched_sleep(d->vcpu[i]);
        }
        fake_guest_settle();
        while (d->page_list != FRAME_NONE) {
            struct frame *f = &frame_table[d->page_list];
            (void)frame_clear_allocated(f);
            frame_put(f);
        }
        if (d->shared_info_frame) {
            frame_put(d->shared_info_frame);
            domain_put(d);
        }
        fake_guest_settle();
    }
}

void fake_guest_reset(unsigned cpus)
{
    if (nr_cpus) {
        drop_all_domains();
    } else {
        fake_memory_create(FAKE_FRAMES, 0);
        page_alloc_init_range(mfn(1), FAKE_FRAMES - 1);
    }
    fake_time_reset(cpus);
    fake_guest = (struct fake_guest){.fail_after = -1, .poll_result = 1};
    crash_halts_machine = false;
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        fake_cpu = cpu;
        sched_cpu_init(cpu);
        fake_current[cpu] = idle_vcpu[cpu];
    }
    fake_cpu = 0;
}

void fake_guest_settle(void)
{
    unsigned before = fake_cpu;
    bool again = true;

    while (again) {
        again = false;
        for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
            fake_cpu = cpu;
            if (fake_armed[cpu] <= fake_now) {
                fake_armed[cpu] = UINT64_MAX;
                upcall_timer_interrupt();
            }
            again |= softirq_pending();
            softirq_run();
        }
    }
    fake_cpu = before;
}

void fake_guest_advance(uint64_t ns)
{
    fake_now += ns;
    fake_guest_settle();
}
