// SPDX-License-Identifier: MIT
/*
 * The serial port. See uart.h. Only this file touches its registers; `write` runs with interrupts
 * off.
 */
#include "cpu/uart.h"

#include "cpu/irq.h"
#include "cpu/regs.h"
#include "cpu/upcall.h"

enum {
    UART_DATA = 0,              /* DLAB clear: receive and transmit; set: divisor, low byte */
    UART_IER = 1,               /* DLAB set: divisor, high byte */
    UART_FCR = 2,
    UART_IIR = 2,
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    UART_SCRATCH = 7,
};

#define IER_RECEIVED     0x01u
#define FCR_ENABLE_CLEAR 0x07u
#define LCR_DLAB         0x80u
#define LCR_2_STOP       0x04u
#define MCR_DTR_RTS_OUT2 0x0bu    /* OUT2 gates the interrupt line on PCs */
#define LSR_RECEIVED     0x01u
#define LSR_SENT         0x20u    /* transmit holding register, or FIFO, empty */

#define FIFO_SIZE        16u
#define UART_CLOCK_HZ    115200u  /* baud rate at divisor 1 */
#define MAX_SPINS        100000u  /* some 100 ms: 5 times what 16 bytes need at 9600 baud */
#define INPUT_SIZE       512u
#define MAX_POLL_BYTES   64u

static struct {
    uint16_t base;
    bool is_present;
    bool is_stuck;              /* gave no room for MAX_SPINS: look only once until it does */
    char last;
    struct spinlock lock;       /* guards: head, tail, input, and reading UART_DATA */
    uint32_t head, tail;
    char input[INPUT_SIZE];
} uart = { .lock = SPINLOCK_INIT(LOCK_DEVICE) };

static uint8_t uart_in(unsigned reg)
{
    return inb((uint16_t)(uart.base + reg));
}

static void uart_out(unsigned reg, unsigned value)
{
    outb((uint16_t)(uart.base + reg), (uint8_t)value);
}

static bool uart_wait_sent(void)
{
    unsigned spins = uart.is_stuck ? 1 : MAX_SPINS;

    for (unsigned i = 0; i < spins; i++) {
        if (uart_in(UART_LSR) & LSR_SENT) {
            uart.is_stuck = false;
            return true;
        }
    }
    uart.is_stuck = true;
    return false;
}

/* One byte of output; `room` counts what the FIFO still takes without a look at the status. */
static void uart_put(char c, unsigned *room)
{
    if (*room == 0) {
        if (!uart_wait_sent())
            return;
        *room = FIFO_SIZE;
    }
    uart_out(UART_DATA, (uint8_t)c);
    --*room;
}

static void uart_write(const char *text, size_t length)
{
    unsigned room = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n' && uart.last != '\r')
            uart_put('\r', &room);
        uart_put(text[i], &room);
        uart.last = text[i];
    }
}

/* boot/options.c takes no rate and no frame that the chip has not. */
static void uart_set_line(const struct uart_config *config)
{
    static const uint8_t parity_bits[] = { 0x00, 0x08, 0x18 };
    unsigned lcr = config->data_bits - 5u + (config->stop_bits == 2 ? LCR_2_STOP : 0) +
                   parity_bits[config->parity];

    if (config->baud == 0) {
        uart_out(UART_LCR, uart_in(UART_LCR) & ~LCR_DLAB);
        return;
    }
    uart_out(UART_LCR, lcr | LCR_DLAB);
    uart_out(UART_DATA, UART_CLOCK_HZ / config->baud & 0xff);
    uart_out(UART_IER, UART_CLOCK_HZ / config->baud >> 8);
    uart_out(UART_LCR, lcr);
}

bool uart_init(const struct uart_config *config)
{
    uart.base = config->io_base;
    uart_out(UART_SCRATCH, 0x5a);
    if (uart_in(UART_SCRATCH) != 0x5a)
        return false;
    uart_set_line(config);
    uart_out(UART_IER, 0);
    uart_out(UART_MCR, MCR_DTR_RTS_OUT2);
    uart_out(UART_FCR, FCR_ENABLE_CLEAR);
    uart.is_present = true;
    console_set_device(uart_write);
    return true;
}

bool uart_ports(uint16_t *first, uint16_t *last)
{
    *first = uart.base;
    *last = (uint16_t)(uart.base + 7);
    return uart.is_present;
}

/* A full ring drops what comes: nobody reads it then. */
void uart_poll(void)
{
    unsigned long flags = spin_lock_irqsave(&uart.lock);
    unsigned count = 0;

    while (uart.is_present && count < MAX_POLL_BYTES && (uart_in(UART_LSR) & LSR_RECEIVED)) {
        char c = (char)uart_in(UART_DATA);

        if (uart.head - uart.tail < INPUT_SIZE)
            uart.input[uart.head++ % INPUT_SIZE] = c;
        count++;
    }
    spin_unlock_irqrestore(&uart.lock, flags);
    if (count)
        upcall_console_input();
}

size_t uart_read(char *buffer, size_t size)
{
    unsigned long flags = spin_lock_irqsave(&uart.lock);
    size_t count = 0;

    while (count < size && uart.tail != uart.head)
        buffer[count++] = uart.input[uart.tail++ % INPUT_SIZE];
    spin_unlock_irqrestore(&uart.lock, flags);
    return count;
}

static void uart_interrupt(unsigned irq UNUSED, void *arg UNUSED)
{
    (void)uart_in(UART_IIR);
    uart_poll();
}

int uart_use_irq(unsigned irq)
{
    int rc;

    if (!uart.is_present)
        return -XEN_ENODEV;
    rc = irq_request(irq, uart_interrupt, NULL);
    if (!rc)
        uart_out(UART_IER, IER_RECEIVED);
    return rc;
}
