// SPDX-License-Identifier: MIT
//
// Ports and time. A port's bit in shared_info is set by whoever sends, and cleared here; the poll ends at
// once when one is set.
#include "guest/clock.h"
#include "guest/guest.h"
#include "guest/hypercall.h"
#include "public/errno.h"
#include "public/sched.h"

#define MAX_PORTS 32u

struct shared_info *shared_info;
static evtchn_port_t all[MAX_PORTS];
static unsigned nr_all;

uint64_t now_ns(void)
{
    return clock_read(&shared_info->vcpu_info[0].time);
}

int event_add(evtchn_port_t port)
{
    if (nr_all == MAX_PORTS || port >= EVTCHN_2L_NR_CHANNELS)
        return -XEN_ENOSPC;
    all[nr_all++] = port;
    return 0;
}

int os_event_open(struct os *os, uint32_t *port)
{
    struct evtchn_alloc_unbound a = { .dom = DOMID_SELF, .remote_dom = os->backend };
    int rc = hyp_event_channel_op(EVTCHNOP_alloc_unbound, &a);

    if (rc == 0) {
        *port = a.port;
        rc = event_add(a.port);
    }
    return rc;
}

void event_send(evtchn_port_t port)
{
    struct evtchn_send s = { port };

    // Nobody at the other end: there is nothing to tell, and the store says that it is gone.
    (void)hyp_event_channel_op(EVTCHNOP_send, &s);
}

void event_wait(const evtchn_port_t *ports, unsigned nr, uint64_t until_ns)
{
    struct sched_poll poll = { .ports = U64(ports), .nr_ports = nr, .timeout = until_ns };

    // A moment that has passed would be a poll without end for an hypervisor that takes it for none.
    if (until_ns == GUEST_NEVER || until_ns > now_ns())
        (void)hyp_sched_op(SCHEDOP_poll, &poll);
    for (unsigned i = 0; i < nr; i++)
        __atomic_fetch_and(&shared_info->evtchn_pending[ports[i] / 64], ~(1ul << ports[i] % 64), __ATOMIC_SEQ_CST);
}

void event_wait_any(uint64_t until_ns)
{
    event_wait(all, nr_all, until_ns);
}
