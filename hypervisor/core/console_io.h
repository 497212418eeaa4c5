// SPDX-License-Identifier: MIT
/* Guests' console output and the control domain's input. */
#pragma once

/* Take input from the serial port, by interrupt on `gsi` (0: by polling); tell dom0 of it by VIRQ_CONSOLE. */
void console_io_init(unsigned gsi);
