// SPDX-License-Identifier: MIT
/*
 * Time and sleep: sched_op, set_timer_op, vcpu_op's timers, run state and time records, watchdogs.
 * Why: a timer that is set to the end of time, or that never comes, hangs a kernel; arithmetic on the
 * guest's numbers must not wrap (XSA-20, -159).
 */
#include "kit/kit.h"

#define MS 1000000ul

static unsigned int timer_port;
static volatile int ticks;

static void take(void)
{
    shared_info->vcpu_info[0].evtchn_pending_sel = 0;
    if (timer_port && event_pending(timer_port)) {
        event_clear(timer_port);
        ticks++;
    }
}

static void timer_on(void)
{
    timer_port = (unsigned int)event_bind_virq(VIRQ_TIMER, 0);
    event_clear(timer_port);
    event_masked(timer_port, false);
    event_hook = take;
    ticks = 0;
}

static void timer_off(void)
{
    hyp_set_timer_op(0);
    hyp_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
    hyp_vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL);
    events_mask();
    event_close(timer_port);
    event_clear(timer_port);
    timer_port = 0;
}

/* Sleeps till a tick, or gives up: QEMU may be slow, never this slow. */
static bool tick_comes(void)
{
    uint64_t end = now_ns() + 2000 * MS;

    while (!ticks && now_ns() < end)
        hyp_sched_op(SCHEDOP_yield, NULL);
    return ticks > 0;
}

static void clock_runs(void)
{
    uint64_t a = now_ns(), b;

    delay_ns(3 * MS);
    b = now_ns();
    CHECK(b - a >= 3 * MS);
    CHECK(b - a < 2000 * MS);
    CHECK(vcpu0_info->time.tsc_to_system_mul != 0);
    CHECK_EQ(vcpu0_info->time.version & 1, 0);
}

static void wall_clock(void)
{
    uint64_t secs = (uint64_t)shared_info->wc_sec_hi << 32 | shared_info->wc_sec;

    CHECK_EQ(shared_info->wc_version & 1, 0);
    CHECK(secs > 1700000000);
    CHECK(secs < 4000000000);
    CHECK(shared_info->wc_nsec < 1000000000);
}

static void one_shot(void)
{
    uint64_t at = now_ns() + 5 * MS;

    timer_on();
    CHECK_EQ(hyp_set_timer_op(at), 0);
    events_unmask();
    CHECK(tick_comes());
    CHECK(now_ns() + 100000 >= at);             /* timers close together may fire as one */
    timer_off();
}

static void one_shot_past(void)
{
    timer_on();
    events_unmask();
    CHECK_EQ(hyp_set_timer_op(1), 0);                   /* long gone: at once */
    CHECK(tick_comes());
    timer_off();
}

/* XSA-20, -159: any number is a time. */
static void one_shot_extremes(void)
{
    static const uint64_t when[] = { ~0ul, 1ul << 63, (1ul << 63) - 1, 1ul << 62, 0x7fffffff00000000, ~0ul - 1 };

    timer_on();
    for (unsigned int i = 0; i < sizeof(when) / sizeof(when[0]); i++)
        CHECK_EQ(hyp_set_timer_op(when[i]), 0);
    hyp_set_timer_op(0);
    delay_ns(2 * MS);
    /* and an ordinary one still comes */
    ticks = 0;
    CHECK_EQ(hyp_set_timer_op(now_ns() + 2 * MS), 0);
    events_unmask();
    CHECK(tick_comes());
    timer_off();
}

static void block_until_timer(void)
{
    timer_on();
    events_unmask();
    CHECK_EQ(hyp_set_timer_op(now_ns() + 5 * MS), 0);
    while (!ticks)
        CHECK_EQ(hyp_sched_op(SCHEDOP_block, NULL), 0);
    CHECK_EQ(ticks, 1);
    timer_off();
}

/* Blocking unmasks events by itself, or a wake-up could be lost between the two. */
static void block_unmasks(void)
{
    timer_on();
    events_mask();
    CHECK_EQ(hyp_set_timer_op(now_ns() + 2 * MS), 0);
    CHECK_EQ(hyp_sched_op(SCHEDOP_block, NULL), 0);
    CHECK_EQ(ticks, 1);
    CHECK_EQ(vcpu0_info->evtchn_upcall_mask, 0);
    timer_off();
}

static void single_shot(void)
{
    struct vcpu_set_singleshot_timer s = { .timeout_abs_ns = now_ns() + 3 * MS };
    int rc;

    timer_on();
    events_unmask();
    CHECK_EQ(hyp_vcpu_op(VCPUOP_set_singleshot_timer, 0, &s), 0);
    CHECK(tick_comes());
    ticks = 0;
    s.timeout_abs_ns = now_ns() + 20 * MS;
    CHECK_EQ(hyp_vcpu_op(VCPUOP_set_singleshot_timer, 0, &s), 0);
    CHECK_EQ(hyp_vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
    delay_ns(40 * MS);
    CHECK_EQ(ticks, 0);
    s.timeout_abs_ns = 1;
    s.flags = VCPU_SSHOTTMR_future;
    rc = hyp_vcpu_op(VCPUOP_set_singleshot_timer, 0, &s);       /* Xen 4.17 has forgotten the flag */
    CHECK(rc == 0 || rc == -XEN_ETIME);
    s.flags = 0;
    CHECK_EQ(hyp_vcpu_op(VCPUOP_set_singleshot_timer, 1, &s), -XEN_EINVAL);     /* only one's own */
    s.timeout_abs_ns = ~0ul;
    CHECK_EQ(hyp_vcpu_op(VCPUOP_set_singleshot_timer, 0, &s), 0);
    CHECK_EQ(hyp_vcpu_op(VCPUOP_set_singleshot_timer, 0, (void *)0xffff830000000000), -XEN_EFAULT);
    timer_off();
}

static void periodic(void)
{
    struct vcpu_set_periodic_timer p = { 5 * MS };

    timer_on();
    events_unmask();
    CHECK_EQ(hyp_vcpu_op(VCPUOP_set_periodic_timer, 0, &p), 0);
    for (int i = 0; i < 4; i++) {
        ticks = 0;
        CHECK(tick_comes());
    }
    CHECK_EQ(hyp_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
    delay_ns(10 * MS);
    ticks = 0;
    delay_ns(20 * MS);
    CHECK_EQ(ticks, 0);
    p.period_ns = 1;                                    /* no guest may keep a CPU busy with ticks */
    CHECK_EQ(hyp_vcpu_op(VCPUOP_set_periodic_timer, 0, &p), -XEN_EINVAL);
    p.period_ns = ~0ul;
    CHECK_EQ(hyp_vcpu_op(VCPUOP_set_periodic_timer, 0, &p), -XEN_EINVAL);
    timer_off();
}

static void yield(void)
{
    for (int i = 0; i < 100; i++)
        CHECK_EQ(hyp_sched_op(SCHEDOP_yield, NULL), 0);
}

static void poll(void)
{
    unsigned int a = (unsigned int)event_bind_ipi(0);
    evtchn_port_t ports[2] = { a, a };
    struct sched_poll p = { .ports = U64(ports), .nr_ports = 1, .timeout = 0 };
    uint64_t start;

    event_masked(a, true);
    event_clear(a);
    event_send(a);
    CHECK_EQ(hyp_sched_op(SCHEDOP_poll, &p), 0);        /* pending already: at once */
    event_clear(a);
    start = now_ns();
    p.timeout = start + 5 * MS;
    CHECK_EQ(hyp_sched_op(SCHEDOP_poll, &p), 0);
    CHECK(now_ns() >= start + 5 * MS);
    p.nr_ports = 0;
    start = now_ns();
    p.timeout = start + 2 * MS;
    CHECK_EQ(hyp_sched_op(SCHEDOP_poll, &p), 0);
    CHECK(now_ns() >= start + 2 * MS);
    event_close(a);
}

static void poll_refused(void)
{
    static evtchn_port_t ports[130];
    struct sched_poll p = { .ports = U64(ports), .nr_ports = 129, .timeout = 1 };

    CHECK_EQ(hyp_sched_op(SCHEDOP_poll, &p), -XEN_EINVAL);
    p.nr_ports = ~0u;
    CHECK_EQ(hyp_sched_op(SCHEDOP_poll, &p), -XEN_EINVAL);
    p.nr_ports = 1;
    ports[0] = 100000;
    CHECK_EQ(hyp_sched_op(SCHEDOP_poll, &p), -XEN_EINVAL);
    ports[0] = ~0u;
    CHECK_EQ(hyp_sched_op(SCHEDOP_poll, &p), -XEN_EINVAL);
    p.ports = 0xffff830000000000;
    CHECK_EQ(hyp_sched_op(SCHEDOP_poll, &p), -XEN_EFAULT);
    CHECK_EQ(hyp_sched_op(SCHEDOP_poll, (void *)0xffff830000000000), -XEN_EFAULT);
    CHECK_EQ(hyp_sched_op(SCHEDOP_shutdown, (void *)0xffff830000000000), -XEN_EFAULT);
}

static void watchdog(void)
{
    struct sched_watchdog w = { .id = 0, .timeout = 100 };
    long id = hyp_sched_op(SCHEDOP_watchdog, &w);

    CHECK(id > 0);
    w.id = (uint32_t)id;
    CHECK_EQ(hyp_sched_op(SCHEDOP_watchdog, &w), 0);    /* patted */
    w.timeout = 0;
    CHECK_EQ(hyp_sched_op(SCHEDOP_watchdog, &w), 0);    /* stopped */
    CHECK(hyp_sched_op(SCHEDOP_watchdog, &w) < 0);
    w.id = 1000;
    w.timeout = 5;
    CHECK_EQ(hyp_sched_op(SCHEDOP_watchdog, &w), -XEN_EINVAL);
    w.id = ~0u;
    CHECK_EQ(hyp_sched_op(SCHEDOP_watchdog, &w), -XEN_EINVAL);
}

static void run_state(void)
{
    struct vcpu_runstate_info r = { 0 };
    uint64_t total = 0, sum;

    CHECK_EQ(hyp_vcpu_op(VCPUOP_get_runstate_info, 0, &r), 0);
    CHECK_EQ(r.state, RUNSTATE_running);
    sum = r.time[0] + r.time[1] + r.time[2] + r.time[3];
    CHECK(sum > 0 && sum <= now_ns());
    delay_ns(MS);
    CHECK_EQ(hyp_vcpu_op(VCPUOP_get_runstate_info, 0, &r), 0);
    for (int i = 0; i < 4; i++)
        total += r.time[i];
    CHECK(total >= sum + MS);
    CHECK_EQ(hyp_vcpu_op(VCPUOP_get_runstate_info, 0, (void *)0xffff830000000000), -XEN_EFAULT);
    CHECK_EQ(hyp_vcpu_op(VCPUOP_get_runstate_info, 1000, &r), -XEN_ENOENT);
}

static void run_state_area(void)
{
    static struct vcpu_runstate_info area;
    struct vcpu_register_runstate_memory_area a = { .addr.h = U64(&area) };

    CHECK_EQ(hyp_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &a), 0);
    CHECK_EQ(area.state, RUNSTATE_running);
    timer_on();
    events_unmask();
    hyp_set_timer_op(now_ns() + 5 * MS);
    while (!ticks)
        hyp_sched_op(SCHEDOP_block, NULL);
    timer_off();
    CHECK_EQ(area.state, RUNSTATE_running);
    CHECK(area.time[RUNSTATE_blocked] >= MS);
    a.addr.h = 0;
    CHECK_EQ(hyp_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &a), 0);
    a.addr.h = 0xffff830000000000;
    CHECK(hyp_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &a) <= 0);
    a.addr.h = 0;
    hyp_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &a);
}

static void time_area(void)
{
    static struct vcpu_time_info area;
    struct vcpu_register_time_memory_area a = { .addr.h = U64(&area) };

    CHECK_EQ(hyp_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &a), 0);
    delay_ns(MS);
    CHECK(area.tsc_to_system_mul != 0);
    a.addr.h = 0xffff830000000000;
    CHECK(hyp_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &a) < 0);
    a.addr.h = 0;
    hyp_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &a);
}

static void vcpu_numbers(void)
{
    CHECK_EQ(hyp_vcpu_op(VCPUOP_is_up, 0, NULL), 1);
    CHECK_EQ(hyp_vcpu_op(VCPUOP_is_up, 1000, NULL), -XEN_ENOENT);
    CHECK_EQ(hyp_vcpu_op(VCPUOP_is_up, ~0u, NULL), -XEN_ENOENT);
    CHECK_EQ(hyp_vcpu_op(VCPUOP_up, 1000, NULL), -XEN_ENOENT);
    CHECK_EQ(hyp_vcpu_op(VCPUOP_down, 1000, NULL), -XEN_ENOENT);
    CHECK_EQ(hyp_vcpu_op(VCPUOP_initialise, 1000, NULL), -XEN_ENOENT);
    CHECK(hyp_vcpu_op(VCPUOP_initialise, 0, (void *)0xffff830000000000) < 0);
    CHECK_EQ(hyp_vcpu_op(100, 0, NULL), -XEN_ENOSYS);
}

/* vcpu_info moves once, to a place within one page; what was pending comes along. */
static void vcpu_info_moves(void)
{
    uint8_t *page = page_alloc();
    struct vcpu_register_vcpu_info r = { .mfn = va_to_mfn(page), .offset = 4096 - 32 };

    CHECK(hyp_vcpu_op(VCPUOP_register_vcpu_info, 0, &r) < 0);
    r.offset = 0xffffffff;
    CHECK(hyp_vcpu_op(VCPUOP_register_vcpu_info, 0, &r) < 0);
    r.offset = 4;
    CHECK(hyp_vcpu_op(VCPUOP_register_vcpu_info, 0, &r) < 0);
    r.offset = 64;
    r.mfn = 0xffffff0;
    CHECK(hyp_vcpu_op(VCPUOP_register_vcpu_info, 0, &r) < 0);
    r.mfn = va_to_mfn(l4_kernel);
    CHECK(hyp_vcpu_op(VCPUOP_register_vcpu_info, 0, &r) < 0);
    r.mfn = va_to_mfn(page);
    CHECK_EQ(hyp_vcpu_op(VCPUOP_register_vcpu_info, 0, &r), 0);
    vcpu0_info = (struct vcpu_info *)(page + 64);
    CHECK_EQ(vcpu0_info->evtchn_upcall_mask, 1);
    CHECK(vcpu0_info->time.tsc_to_system_mul != 0);
    CHECK(hyp_vcpu_op(VCPUOP_register_vcpu_info, 0, &r) < 0);
    vcpu0_info->evtchn_upcall_pending = 0;
    vcpu0_info->evtchn_pending_sel = 0;
    TRY("movb (%0), %%al", : "r"(0xffffffffbff00000ul) : "rax", "memory");
    CHECK_EQ(fault.cr2, 0xffffffffbff00000);
}

static void sched_op_refused(void)
{
    CHECK_EQ(hyp_sched_op(100, NULL), -XEN_ENOSYS);
    CHECK_EQ(hyp_sched_op(-1, NULL), -XEN_ENOSYS);
}

static void alone_crash(void)
{
    struct sched_shutdown s = { SHUTDOWN_crash };

    hyp_sched_op(SCHEDOP_shutdown, &s);
}

TESTS("sched", TEST(clock_runs), TEST(wall_clock), TEST(one_shot), TEST(one_shot_past), TEST(one_shot_extremes),
      TEST(block_until_timer), TEST(block_unmasks), TEST(single_shot), TEST(periodic), TEST(yield), TEST(poll),
      TEST(poll_refused), TEST(watchdog), TEST(run_state), TEST(run_state_area), TEST(time_area),
      TEST(vcpu_numbers), TEST(sched_op_refused), TEST(vcpu_info_moves), TEST(alone_crash));
