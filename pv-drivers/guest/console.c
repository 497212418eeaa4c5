// SPDX-License-Identifier: MIT
//
// The console: the guest's end of the ring that the builder made. Nobody need be reading: what finds no room
// for a moment is lost, so that a guest never hangs on what it says.
#include "guest/guest.h"
#include "public/io/console.h"
#include "public/xen.h"

#define PATIENCE_NS 100000000ull
#define MAX_LINE 512u

static struct xencons_interface *ring;
static evtchn_port_t port;
static bool is_stuck;

void console_init(const struct start_info *info)
{
    ring = page_of_mfn(info->console.domU.mfn);
    port = info->console.domU.evtchn;
}

static uint32_t used(void)
{
    return ring->out_prod - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE);
}

static void wait_until(uint32_t most_used, uint64_t patience_ns)
{
    uint64_t end = now_ns() + patience_ns;

    while (used() > most_used && now_ns() < end) {
        event_wait(&port, 1, end);
    }
}

static void put(char c)
{
    if (used() >= sizeof(ring->out) && !is_stuck) {
        event_send(port);
        wait_until(sizeof(ring->out) - 1, PATIENCE_NS);
    }
    is_stuck = used() >= sizeof(ring->out);
    if (!is_stuck) {
        ring->out[ring->out_prod % sizeof(ring->out)] = c;
        __atomic_store_n(&ring->out_prod, ring->out_prod + 1, __ATOMIC_RELEASE);
    }
}

void vprint(const char *fmt, va_list ap)
{
    char line[MAX_LINE];
    int nr = vformat(line, sizeof(line), fmt, ap);

    for (int i = 0; i < nr; i++) {
        if (line[i] == '\n') {
            put('\r');
        }
        put(line[i]);
    }
    event_send(port);
}

void print(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprint(fmt, ap);
    va_end(ap);
}

void console_drain(void)
{
    wait_until(0, PATIENCE_NS * 10);
}
