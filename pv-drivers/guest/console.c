// SPDX-License-Identifier: MIT
//
// The console: the guest's end of the ring that the builder made. Nobody need be reading: what finds no room
// for a moment is lost, so that a guest never hangs on what it says. The other end may write any of it.
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
    (void)event_add(port);    // a failure would only mean that what is typed wakes nobody
}

static uint32_t used(void)
{
    return ring->out_prod - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE);
}

static void wait_until(uint32_t most_used, uint64_t patience_ns)
{
    uint64_t end = now_ns() + patience_ns;

    while (used() > most_used && now_ns() < end)
        event_wait(&port, 1, end);
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
        if (line[i] == '\n')
            put('\r');
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

size_t console_read(char *text, size_t size)
{
    uint32_t at = ring->in_cons;
    uint32_t there = __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE) - at;
    bool is_sane = there <= sizeof(ring->in);    // else all that it tells of is passed over
    size_t nr = is_sane && there < size ? there : is_sane ? size : 0;

    for (size_t i = 0; i < nr; i++)
        text[i] = ring->in[(at + i) % sizeof(ring->in)];
    __atomic_store_n(&ring->in_cons, at + (is_sane ? (uint32_t)nr : there), __ATOMIC_RELEASE);
    if (there)
        event_send(port);
    return nr;
}

void console_drain(void)
{
    wait_until(0, PATIENCE_NS * 10);
}
