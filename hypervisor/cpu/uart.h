// SPDX-License-Identifier: MIT
/*
 * The serial port (16550A) as console device. Output is polled and bounded: a port that is
 * absent or stuck costs time once, never the machine. Input is collected by interrupt or by
 * uart_poll() from a timer into a small ring, from which dom0's console_io reads. Output runs under
 * the console's lock, input under the port's own.
 */
#pragma once
#include "lib/base.h"

struct uart_config {
    uint16_t io_base;
    uint32_t baud;              /* 0: leave line settings as the firmware made them */
    uint8_t data_bits;          /* 5 .. 8 */
    uint8_t stop_bits;          /* 1 or 2 */
    uint8_t parity;             /* 0 none, 1 odd, 2 even */
    uint8_t irq;                /* ISA; 0: poll */
};

/*
 * Find the port, set its line and FIFO, and make it a console sink. False if there is none at that
 * address.
 */
bool uart_init(const struct uart_config *config);
/* I/O ports that the console owns: the guest may not have them. False: none. */
bool uart_ports(uint16_t *first, uint16_t *last);
/*
 * Take input by interrupt from now on: `irq` is a GSI whose trigger is set. 0 or the error of
 * irq_request().
 */
int uart_use_irq(unsigned irq);
/* Move what the port received into the ring. */
void uart_poll(void);
/* Take up to `size` bytes of input. Returns how many. */
size_t uart_read(char *buffer, size_t size);
