// SPDX-License-Identifier: MIT
/* Two-level event channels and time, for the first vCPU. */
#include "kit/kit.h"

struct vcpu_info *vcpu0_info;

void events_mask(void)
{
    vcpu0_info->evtchn_upcall_mask = 1;
    __asm__ volatile("" : : : "memory");
}

/* The hypervisor looks at the mask when it returns to the guest, so ask it for anything. */
void events_unmask(void)
{
    __asm__ volatile("" : : : "memory");
    vcpu0_info->evtchn_upcall_mask = 0;
    __asm__ volatile("mfence" : : : "memory");
    if (vcpu0_info->evtchn_upcall_pending)
        hyp_xen_version(XENVER_version, NULL);
}

bool event_pending(unsigned int port)
{
    return __atomic_load_n(&shared_info->evtchn_pending[port / 64], __ATOMIC_SEQ_CST) >> port % 64 & 1;
}

void event_clear(unsigned int port)
{
    __atomic_fetch_and(&shared_info->evtchn_pending[port / 64], ~(1ul << port % 64), __ATOMIC_SEQ_CST);
}

void event_masked(unsigned int port, bool masked)
{
    if (masked)
        __atomic_fetch_or(&shared_info->evtchn_mask[port / 64], 1ul << port % 64, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(&shared_info->evtchn_mask[port / 64], ~(1ul << port % 64), __ATOMIC_SEQ_CST);
}

int event_op(int cmd, void *arg)
{
    return hyp_event_channel_op(cmd, arg);
}

int event_alloc_unbound(unsigned int dom, unsigned int remote)
{
    struct evtchn_alloc_unbound a = { .dom = (domid_t)dom, .remote_dom = (domid_t)remote };
    int rc = event_op(EVTCHNOP_alloc_unbound, &a);

    return rc ? rc : (int)a.port;
}

int event_bind_ipi(unsigned int vcpu)
{
    struct evtchn_bind_ipi b = { .vcpu = vcpu };
    int rc = event_op(EVTCHNOP_bind_ipi, &b);

    return rc ? rc : (int)b.port;
}

int event_bind_virq(unsigned int virq, unsigned int vcpu)
{
    struct evtchn_bind_virq b = { .virq = virq, .vcpu = vcpu };
    int rc = event_op(EVTCHNOP_bind_virq, &b);

    return rc ? rc : (int)b.port;
}

int event_send(unsigned int port)
{
    struct evtchn_send s = { port };

    return event_op(EVTCHNOP_send, &s);
}

int event_close(unsigned int port)
{
    struct evtchn_close c = { port };

    return event_op(EVTCHNOP_close, &c);
}

uint64_t now_ns(void)
{
    return clock_read(&vcpu0_info->time);
}

void delay_ns(uint64_t ns)
{
    uint64_t end = now_ns() + ns;

    while (now_ns() < end)
        __asm__ volatile("pause");
}
