// SPDX-License-Identifier: MIT
/* CONSOLE_IO: guests write lines to the machine's console; the control domain reads what is typed there. */
#include "core/hypercall.h"
#include "cpu/uart.h"
#include "cpu/upcall.h"

#define CHUNK      128u
#define POLL_NS    50000000

static void tell_control_domain(unsigned virq)
{
    if (control_domain)
        evtchn_send_virq(control_domain->vcpu[0], virq);
}

void upcall_console_input(void) { tell_control_domain(VIRQ_CONSOLE); }
static void log_grew(void) { tell_control_domain(VIRQ_CON_RING); }

/* Who prints may hold any lock: the event waits until this CPU holds none. */
static void log_grows(void) { softirq_raise(SOFTIRQ_LOG); }

static void poll_input(void *timer)
{
    uart_poll();
    timer_set(timer, clock_now() + POLL_NS);
}

static struct timer poll_timer = {.fn = poll_input, .arg = &poll_timer};

void console_io_init(unsigned gsi)
{
    softirq_register(SOFTIRQ_LOG, log_grew);
    console_ring_hook = log_grows;
    if (gsi && !uart_use_irq(gsi))
        return;
    timer_set(&poll_timer, clock_now() + POLL_NS);
}

static long write_guest(struct domain *d, uint64_t count, uint64_t buffer)
{
    char chunk[CHUNK];

    while (count) {
        size_t n = MIN(count, (uint64_t)CHUNK);

        if (copy_from_guest(chunk, buffer, n))
            return -XEN_EFAULT;
        console_guest_write(d->id, chunk, n);
        buffer += n;
        count -= n;
        if (count && preempt_wanted())
            return hypercall_restart(CONSOLEIO_write, count, buffer, 0, 0);
    }
    return 0;
}

static long read_input(uint64_t count, uint64_t buffer)
{
    char chunk[CHUNK];
    size_t n = uart_read(chunk, MIN(count, (uint64_t)CHUNK));

    return copy_to_guest(buffer, chunk, n) ? -XEN_EFAULT : (long)n;
}

long do_console_io(uint64_t cmd, uint64_t count, uint64_t buffer, UNUSED_FROM_4)
{
    struct domain *d = current_domain();

    if (count > INT32_MAX)
        return -XEN_EINVAL;
    if ((uint32_t)cmd == CONSOLEIO_write)
        return write_guest(d, count, buffer);
    if ((uint32_t)cmd != CONSOLEIO_read)
        return -XEN_ENOSYS;
    return d->is_control ? read_input(count, buffer) : -XEN_EPERM;
}
