// SPDX-License-Identifier: MIT
// The scheduler on a simulated machine (sched_sim.h): shares by weight and by cap, affinity, waking,
// starvation, the cost of a decision, and random loads whose invariants are checked all the time.
#include "unit_main.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/softirq.h"
#include "cpu/smp.h"
#include "fake_time.h"
#include "public/errno.h"
#include "sched_sim.h"

#define SECOND (1000 * SIM_MS)

static bool is_within(uint64_t value, uint64_t wanted, uint64_t per_mille)
{
    uint64_t off = value > wanted ? value - wanted : wanted - value;
    bool good = off * 1000 <= wanted * per_mille;

    if (!good) {
        fprintf(stderr, "%llu instead of %llu\n", (unsigned long long)value, (unsigned long long)wanted);
    }
    return good;
}

static void one_alone_needs_no_timer(void)
{
    sim_reset(2);
    unsigned a = sim_domain(1, 256, 0, SIM_FOREVER, 0);
    sim_run(SECOND);
    CU_ASSERT_EQUAL(sim_used(a), SECOND);
    CU_ASSERT_EQUAL(fake_arms, 0);
    CU_ASSERT_EQUAL(sim_switches, 1);
    CU_ASSERT_EQUAL(sim_errors, 0);
}

static void weights_share_one_cpu(void)
{
    sim_reset(1);
    unsigned a = sim_domain(1, 256, 0, SIM_FOREVER, 0);
    unsigned b = sim_domain(1, 512, 0, SIM_FOREVER, 0);
    sim_run(10 * SECOND);
    CU_ASSERT(is_within(2 * sim_used(a), sim_used(b), 50));
    CU_ASSERT_EQUAL(sim_used(a) + sim_used(b), 10 * SECOND);
    CU_ASSERT(sim_switches < 2500);
}

static void extreme_weights_starve_nobody(void)
{
    sim_reset(1);
    unsigned a = sim_domain(1, 1, 0, SIM_FOREVER, 0);
    unsigned b = sim_domain(1, 65535, 0, SIM_FOREVER, 0);
    sim_run(3000 * SECOND);
    CU_ASSERT(sim_used(a) > 0);
    CU_ASSERT(is_within(sim_used(b), 3000 * SECOND, 10));
}

// Three that compute all the time on two CPUs: nobody has a CPU for himself.
static void shares_are_fair_across_cpus(void)
{
    sim_reset(2);
    unsigned d[3];
    for (unsigned i = 0; i < 3; i++) {
        d[i] = sim_domain(1, 256, 0, SIM_FOREVER, 0);
    }
    sim_run(10 * SECOND);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT(is_within(sim_used(d[i]), 20 * SECOND / 3, 50));
    }
    CU_ASSERT_EQUAL(sim_errors, 0);
}

static void weights_hold_across_four_cpus(void)
{
    sim_reset(4);
    unsigned a = sim_domain(8, 256, 0, SIM_FOREVER, 0);
    unsigned b = sim_domain(8, 512, 0, SIM_FOREVER, 0);
    sim_run(20 * SECOND);
    CU_ASSERT(is_within(2 * sim_used(a), sim_used(b), 50));
    CU_ASSERT_EQUAL(sim_used(a) + sim_used(b), 80 * SECOND);
}

static void check_cap(unsigned cpus, unsigned vcpus, uint32_t cap, bool with_rival)
{
    sim_reset(cpus);
    unsigned a = sim_domain(vcpus, 256, cap, SIM_FOREVER, 0);
    if (with_rival) {
        sim_domain(cpus, 256, 0, SIM_FOREVER, 0);
    }
    sim_run(60 * SECOND);
    uint64_t wanted = 60 * SECOND / 100 * cap;
    uint64_t off = sim_used(a) > wanted ? sim_used(a) - wanted : wanted - sim_used(a);
    CU_ASSERT(off <= 60 * SECOND / 100 * 2);
    CU_ASSERT_EQUAL(sim_errors, 0);
}

static void caps_hold_to_two_points(void)
{
    check_cap(1, 1, 25, false);
    check_cap(1, 1, 25, true);
    check_cap(2, 2, 25, false);
    check_cap(4, 4, 150, true);
    check_cap(1, 1, 1, true);
}

static void a_cap_can_be_lifted(void)
{
    sim_reset(1);
    unsigned a = sim_domain(1, 256, 10, SIM_FOREVER, 0);
    sim_run(SECOND);
    CU_ASSERT(is_within(sim_used(a), SECOND / 10, 200));
    CU_ASSERT_EQUAL(sched_set_weight_cap(sim_get(a), 256, 0), 0);
    sim_vcpu(a, 0)->used_ns = 0;
    sim_run(SECOND);
    CU_ASSERT(is_within(sim_used(a), SECOND, 1));
    CU_ASSERT_EQUAL(sched_set_weight_cap(sim_get(a), 256, 50), 0);
    sim_vcpu(a, 0)->used_ns = 0;
    sim_run(SECOND);
    CU_ASSERT(is_within(sim_used(a), SECOND / 2, 60));
    CU_ASSERT_EQUAL(sched_set_weight_cap(sim_get(a), 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(sched_set_weight_cap(sim_get(a), 65536, 0), -XEN_EINVAL);
}

// Time that was not used under a cap can not be saved up.
static void a_cap_forgets_idle_time(void)
{
    sim_reset(1);
    unsigned a = sim_domain(1, 256, 20, SIM_MS, 10 * SECOND);
    sim_run(5 * SECOND);
    sim_vcpu(a, 0)->burst_ns = SIM_FOREVER;
    sim_run(5 * SECOND + SIM_MS);
    sim_vcpu(a, 0)->burst_left_ns = SIM_FOREVER;
    sim_vcpu(a, 0)->used_ns = 0;
    sim_run(SECOND);
    CU_ASSERT(sim_used(a) < SECOND / 4);
}

// One whose virtual time has run far ahead on a CPU of its own does not have to wait for the others to catch
// up where it comes to.
static void a_newcomer_waits_no_longer_than_its_share(void)
{
    sim_reset(2);
    unsigned a = sim_domain(1, 1, 0, SIM_FOREVER, 0);
    unsigned b = sim_domain(1, 256, 0, SIM_FOREVER, 0);
    sim_pin(a, 0, 1);
    sim_pin(b, 0, 0);
    sim_run(10 * SECOND);
    sim_vcpu(a, 0)->used_ns = 0;
    sim_pin(a, 0, 0);
    sim_run(60 * SECOND);
    CU_ASSERT(is_within(sim_used(a), 60 * SECOND / 257, 200));
}

// Who was alone for long had no turns that ended; one that comes then does not get all that time as its own.
static void a_newcomer_gets_no_more_than_its_share(void)
{
    sim_reset(1);
    unsigned a = sim_domain(1, 256, 0, SIM_FOREVER, 0);
    sim_run(10 * SECOND);
    sim_vcpu(a, 0)->worst_gap_ns = sim_vcpu(a, 0)->used_ns = 0;
    sim_domain(1, 256, 0, SIM_FOREVER, 0);
    sim_run(SECOND);
    CU_ASSERT(sim_vcpu(a, 0)->worst_gap_ns <= 50 * SIM_MS);
    CU_ASSERT(is_within(sim_used(a), SECOND / 2, 50));
}

// Who sleeps gets the CPU at once when it wakes, whatever the load; the load still gets the rest.
static void waking_is_prompt(void)
{
    for (unsigned load = 1; load <= 8; load += 7) {
        sim_reset(1);
        for (unsigned i = 0; i < load; i++) {
            sim_domain(1, 256, 0, SIM_FOREVER, 0);
        }
        unsigned s = sim_domain(1, 256, 0, SIM_MS / 5, 13700000);
        sim_run(10 * SECOND);
        CU_ASSERT(sim_vcpu(s, 0)->worst_wait_ns <= SIM_MS);
        CU_ASSERT(is_within(sim_used(s), 10 * SECOND / 1390 * 20, 50));
    }
}

// Many that wake at once bound each other's wait by their own short turns.
static void waking_together_is_bounded(void)
{
    sim_reset(2);
    unsigned s[20];
    sim_domain(2, 256, 0, SIM_FOREVER, 0);
    for (unsigned i = 0; i < 20; i++) {
        s[i] = sim_domain(1, 256, 0, SIM_MS / 10, 50 * SIM_MS);
    }
    sim_run(5 * SECOND);
    for (unsigned i = 0; i < 20; i++) {
        CU_ASSERT(sim_vcpu(s[i], 0)->worst_wait_ns <= 15 * SIM_MS);
    }
}

// Sleeping just before the end of one's turn wins nothing.
static void naps_do_not_pay(void)
{
    sim_reset(1);
    unsigned fair = sim_domain(1, 256, 0, SIM_FOREVER, 0);
    unsigned sly = sim_domain(1, 256, 0, 9 * SIM_MS, 1);
    sim_run(10 * SECOND);
    CU_ASSERT(is_within(sim_used(fair), 5 * SECOND, 50));
    CU_ASSERT(is_within(sim_used(sly), 5 * SECOND, 50));
}

static void nobody_starves(void)
{
    sim_reset(2);
    for (unsigned i = 0; i < 40; i++) {
        sim_domain(1, 256, 0, i % 3 ? SIM_FOREVER : 3 * SIM_MS, 2 * SIM_MS);
    }
    sim_run(20 * SECOND);
    for (unsigned i = 0; i < 40; i++) {
        CU_ASSERT(sim_vcpu(i, 0)->worst_gap_ns < 500 * SIM_MS);
        CU_ASSERT(sim_vcpu(i, 0)->used_ns > SECOND / 2);
    }
}

static void affinity_is_kept(void)
{
    sim_reset(4);
    unsigned a = sim_domain(4, 256, 0, SIM_FOREVER, 0);
    unsigned b = sim_domain(4, 256, 0, 2 * SIM_MS, SIM_MS);
    sim_run(100 * SIM_MS);
    for (unsigned i = 0; i < 4; i++) {
        sim_pin(a, i, 1);
        sim_pin(b, i, 3);
    }
    sim_settle();
    for (unsigned i = 0; i < 4; i++) {
        sim_vcpu(a, i)->used_ns = 0;
        sim_vcpu(a, i)->ran_outside = false;
        sim_vcpu(b, i)->ran_outside = false;
    }
    sim_run(4 * SECOND);
    for (unsigned i = 0; i < 4; i++) {
        CU_ASSERT(is_within(sim_vcpu(a, i)->used_ns, SECOND, 50));
        CU_ASSERT(!sim_vcpu(a, i)->ran_outside);
        CU_ASSERT(!sim_vcpu(b, i)->ran_outside);
        CU_ASSERT_EQUAL(sim_vcpu(a, i)->v.sched.cpu, 1);
    }
    CU_ASSERT_EQUAL(sim_errors, 0);

    struct cpumask none;
    cpumask_zero(&none);
    cpumask_set(&none, 200);
    CU_ASSERT_EQUAL(sched_set_affinity(&sim_vcpu(a, 0)->v, &none, &none), -XEN_EINVAL);
}

static void an_override_can_be_undone(void)
{
    sim_reset(2);
    unsigned a = sim_domain(2, 256, 0, SIM_FOREVER, 0);
    struct vcpu *v = &sim_vcpu(a, 0)->v;
    sim_run(SIM_MS);
    CU_ASSERT_EQUAL(sched_pin_override(v, -1), -XEN_ENOENT);
    CU_ASSERT_EQUAL(sched_pin_override(v, 2), -XEN_EINVAL);
    CU_ASSERT_EQUAL(sched_pin_override(v, 1), 0);
    CU_ASSERT_EQUAL(sched_pin_override(v, 0), -XEN_EBUSY);
    sim_run(SIM_MS);
    CU_ASSERT_EQUAL(v->sched.cpu, 1);
    CU_ASSERT_EQUAL(sched_pin_override(v, -1), 0);
    sim_run(SECOND);
    CU_ASSERT(is_within(sim_used(a), 2 * SECOND, 10));
}

// An idle CPU takes over who waits elsewhere; nobody who sleeps and wakes leaves a CPU unused.
static void idle_cpus_find_work(void)
{
    sim_reset(4);
    unsigned a = sim_domain(4, 256, 0, SIM_FOREVER, 0);
    for (unsigned i = 0; i < 4; i++) {
        sim_pin(a, i, 0);
    }
    sim_run(100 * SIM_MS);
    CU_ASSERT_EQUAL(sim_used(a), 100 * SIM_MS);
    struct cpumask all;
    cpumask_fill(&all, MAX_CPUS);
    for (unsigned i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(sched_set_affinity(&sim_vcpu(a, i)->v, &all, &all), 0);
        sim_vcpu(a, i)->used_ns = 0;
    }
    sim_run(SECOND);
    CU_ASSERT(is_within(sim_used(a), 4 * SECOND, 30));
}

// A CPU whose vCPU sleeps for a moment takes over who waits elsewhere, at once.
static void short_sleeps_leave_no_cpu_idle(void)
{
    sim_reset(2);
    unsigned s = sim_domain(1, 65535, 0, 53 * SIM_MS, 4 * SIM_MS);
    sim_pin(s, 0, 1);
    unsigned a = sim_domain(2, 256, 0, SIM_FOREVER, 0);
    sim_run(5 * SECOND);
    CU_ASSERT(is_within(sim_used(s) + sim_used(a), 10 * SECOND, 5));
}

static void yield_counts_once(void)
{
    sim_reset(1);
    unsigned a = sim_domain(1, 256, 0, SIM_FOREVER, 0);
    unsigned b = sim_domain(1, 1024, 0, SIM_FOREVER, 0);
    sim_run(15 * SIM_MS);
    while (fake_current[0] != &sim_vcpu(b, 0)->v) {
        sim_run(SIM_MS);
    }
    sched_yield();
    sim_settle();
    CU_ASSERT_PTR_EQUAL(fake_current[0], &sim_vcpu(a, 0)->v);
    sim_run(10 * SECOND);
    CU_ASSERT(is_within(4 * sim_used(a), sim_used(b), 50));
}

static void yield_lets_the_other_run(void)
{
    sim_reset(1);
    unsigned a = sim_domain(1, 256, 0, SIM_MS / 10, 0);
    unsigned b = sim_domain(1, 256, 0, SIM_MS / 10, 0);
    sim_vcpu(a, 0)->yields = true;
    sim_vcpu(b, 0)->yields = true;
    sim_run(SECOND);
    CU_ASSERT(sim_switches > 9000);
    CU_ASSERT(is_within(sim_used(a), SECOND / 2, 10));
}

static void yield_alone_does_nothing(void)
{
    sim_reset(1);
    sim_domain(1, 256, 0, SIM_FOREVER, 0);
    sim_run(SIM_MS);
    sched_yield();
    CU_ASSERT(!softirq_pending());
}

// An event that is there already keeps a vCPU from blocking.
static void block_looks_at_events(void)
{
    sim_reset(1);
    unsigned a = sim_domain(1, 256, 0, SIM_FOREVER, 0);
    sim_run(SIM_MS);
    dummy_vcpu_info.evtchn_upcall_pending = 1;
    sched_block();
    CU_ASSERT_EQUAL(sim_vcpu(a, 0)->v.pause_flags, 0);
    CU_ASSERT(!softirq_pending());
    dummy_vcpu_info.evtchn_upcall_pending = 0;
    sched_block();
    sim_settle();
    CU_ASSERT(fake_current[0]->is_idle);
    // A wake-up before the CPU has acted on the block.
    sim_vcpu(a, 0)->v.pause_flags = 0;
    sched_wake(&sim_vcpu(a, 0)->v);
    sim_settle();
    CU_ASSERT_PTR_EQUAL(fake_current[0], &sim_vcpu(a, 0)->v);
    sched_block();
    sim_vcpu(a, 0)->v.pause_flags = 0;
    sched_wake(&sim_vcpu(a, 0)->v);
    sim_settle();
    CU_ASSERT_PTR_EQUAL(fake_current[0], &sim_vcpu(a, 0)->v);
}

static void runstates_add_up(void)
{
    sim_reset(1);
    unsigned a = sim_domain(1, 256, 0, 5 * SIM_MS, 10 * SIM_MS);
    unsigned b = sim_domain(1, 256, 0, SIM_FOREVER, 0);
    struct vcpu *va = &sim_vcpu(a, 0)->v, *vb = &sim_vcpu(b, 0)->v;
    struct vcpu_runstate_info r;

    sim_run(SECOND);
    sched_get_runstate(va, &r);
    CU_ASSERT_EQUAL(r.time[0] + r.time[1] + r.time[2] + r.time[3], SECOND);
    CU_ASSERT_EQUAL(r.time[RUNSTATE_running], sim_used(a));
    CU_ASSERT(r.time[RUNSTATE_blocked] > SECOND / 3);
    CU_ASSERT_EQUAL(r.time[RUNSTATE_offline], 0);
    sched_get_runstate(vb, &r);
    CU_ASSERT_EQUAL(r.time[RUNSTATE_running], sim_used(b));

    vb->pause_flags = VPF_PAUSED;
    sched_sleep(vb);
    sim_run(SECOND);
    sched_get_runstate(vb, &r);
    CU_ASSERT_EQUAL(r.state, RUNSTATE_offline);
    CU_ASSERT_EQUAL(r.time[RUNSTATE_offline], SECOND);
    sched_sleep_sync(vb);
    CU_ASSERT(!vb->sched.queued && !vb->sched.running);
}

// Comparisons are counted where they are made: in the queue's order function.
static unsigned comparisons;
static pq_less_fn *real_less;

void __real_pq_insert(struct pqueue *queue, struct pq_node *node, pq_less_fn *less);
void __wrap_pq_insert(struct pqueue *queue, struct pq_node *node, pq_less_fn *less);
void __real_pq_remove(struct pqueue *queue, struct pq_node *node, pq_less_fn *less);
void __wrap_pq_remove(struct pqueue *queue, struct pq_node *node, pq_less_fn *less);

static bool counting_less(const struct pq_node *a, const struct pq_node *b)
{
    comparisons++;
    return real_less(a, b);
}

void __wrap_pq_insert(struct pqueue *queue, struct pq_node *node, pq_less_fn *less)
{
    pq_less_fn *outer = real_less;

    real_less = less;
    __real_pq_insert(queue, node, counting_less);
    real_less = outer;
}

void __wrap_pq_remove(struct pqueue *queue, struct pq_node *node, pq_less_fn *less)
{
    pq_less_fn *outer = real_less;

    real_less = less;
    __real_pq_remove(queue, node, counting_less);
    real_less = outer;
}

static double comparisons_per_switch(unsigned vcpus)
{
    sim_reset(1);
    for (unsigned i = 0; i < vcpus; i++) {
        sim_domain(1, 256 + i % 7, 0, i % 2 ? SIM_FOREVER : SIM_MS, SIM_MS);
    }
    sim_run(50 * SIM_MS);
    comparisons = 0;
    sim_switches = 0;
    sim_run(200 * SIM_MS);
    CU_ASSERT(sim_switches > 100);
    return (double)comparisons / sim_switches;
}

static void decisions_cost_log_n(void)
{
    double few = comparisons_per_switch(10);
    double many = comparisons_per_switch(1000);

    CU_ASSERT(few > 0);
    CU_ASSERT(many < 60);
}

static void check_invariants(void)
{
    unsigned waiting = 0, queued = 0;

    for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
        struct run_queue *rq = &per_cpu(run_queue, cpu);
        waiting += rq->nr_waiting;
        sim_errors += rq->current != fake_current[cpu];
        sim_errors += cpumask_test(&crowded_cpus, cpu) != (rq->nr_waiting > 0);
        sim_errors += rq->current->is_idle && rq->nr_waiting;
        sim_errors += !rq->current->sched.running || rq->current->sched.cpu != cpu;
    }
    for (unsigned i = 0; i < 12; i++) {
        for (unsigned j = 0; j < sim_get(i)->max_vcpus; j++) {
            struct vcpu *v = &sim_vcpu(i, j)->v;
            bool on_cpu = fake_current[v->sched.cpu] == v;
            queued += v->sched.queued;
            // A runnable vCPU is in exactly one place, a sleeping one in none.
            unsigned places = (unsigned)v->sched.queued + v->sched.parked + on_cpu;
            sim_errors += places != (v->pause_flags ? 0 : 1);
            sim_errors += v->sched.running != on_cpu;
        }
    }
    sim_errors += waiting != queued;
}

static void random_step(void)
{
    unsigned i = (unsigned)rand() % 12;
    struct domain *d = sim_get(i);
    struct vcpu *v = d->vcpu[(unsigned)rand() % d->max_vcpus];
    struct cpumask some, all;

    fake_cpu = (unsigned)rand() % nr_cpus;
    switch (rand() % 6) {
    case 0:
        v->pause_flags |= VPF_PAUSED;
        sched_sleep(v);
        break;
    case 1:
    case 2:
        v->pause_flags &= ~VPF_PAUSED;
        sched_wake(v);
        break;
    case 3:
        cpumask_fill(&all, MAX_CPUS);
        cpumask_zero(&some);
        some.bits[0] = (uint64_t)rand() % (1u << nr_cpus);
        (void)sched_set_affinity(v, &some, rand() % 2 ? &all : &some);
        sim_settle();
        sim_vcpu(i, v->id)->ran_outside = false;
        break;
    case 4:
        (void)sched_set_weight_cap(d, 1 + (uint32_t)rand() % 1000, rand() % 3 ? 0 : (uint32_t)rand() % 300);
        break;
    default:
        sim_run((uint64_t)rand() % (20 * SIM_MS));
        break;
    }
    sim_settle();
    fake_cpu = 0;
}

static void random_loads_keep_the_invariants(void)
{
    srand(7);
    sim_reset(4);
    for (unsigned i = 0; i < 12; i++) {
        uint64_t burst = i % 3 ? ((uint64_t)rand() % 5 + 1) * SIM_MS : SIM_FOREVER;
        sim_domain(1 + i % 4, 256, i % 5 ? 0 : 40, burst, ((uint64_t)rand() % 20) * SIM_MS);
    }
    for (unsigned step = 0; step < 5000; step++) {
        random_step();
        check_invariants();
    }
    CU_ASSERT_EQUAL(sim_errors, 0);
    for (unsigned i = 0; i < 12; i++) {
        for (unsigned j = 0; j < sim_get(i)->max_vcpus; j++) {
            CU_ASSERT(!sim_vcpu(i, j)->ran_outside);
        }
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"one_alone_needs_no_timer", one_alone_needs_no_timer},
        {"weights_share_one_cpu", weights_share_one_cpu},
        {"extreme_weights_starve_nobody", extreme_weights_starve_nobody},
        {"shares_are_fair_across_cpus", shares_are_fair_across_cpus},
        {"weights_hold_across_four_cpus", weights_hold_across_four_cpus},
        {"caps_hold_to_two_points", caps_hold_to_two_points},
        {"a_cap_can_be_lifted", a_cap_can_be_lifted},
        {"a_cap_forgets_idle_time", a_cap_forgets_idle_time},
        {"a_newcomer_waits_no_longer_than_its_share", a_newcomer_waits_no_longer_than_its_share},
        {"a_newcomer_gets_no_more_than_its_share", a_newcomer_gets_no_more_than_its_share},
        {"waking_is_prompt", waking_is_prompt},
        {"waking_together_is_bounded", waking_together_is_bounded},
        {"naps_do_not_pay", naps_do_not_pay},
        {"nobody_starves", nobody_starves},
        {"affinity_is_kept", affinity_is_kept},
        {"an_override_can_be_undone", an_override_can_be_undone},
        {"idle_cpus_find_work", idle_cpus_find_work},
        {"short_sleeps_leave_no_cpu_idle", short_sleeps_leave_no_cpu_idle},
        {"yield_counts_once", yield_counts_once},
        {"yield_lets_the_other_run", yield_lets_the_other_run},
        {"yield_alone_does_nothing", yield_alone_does_nothing},
        {"block_looks_at_events", block_looks_at_events},
        {"runstates_add_up", runstates_add_up},
        {"decisions_cost_log_n", decisions_cost_log_n},
        {"random_loads_keep_the_invariants", random_loads_keep_the_invariants},
        {NULL, NULL},
    };

    return unit_main("sched", tests);
}
