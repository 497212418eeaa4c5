// SPDX-License-Identifier: MIT
/* Switching the machine off and starting it anew. */
#pragma once
#include "lib/base.h"

/* What the FADT says; ports 0: not there. */
struct power_registers {
    uint16_t pm1a_control, pm1b_control;
    bool reset_is_memory;
    uint64_t reset_address;         /* 0: none */
    uint8_t reset_value;
};

void power_init(const struct power_registers *registers);
/*
 * XENPF_enter_acpi_sleep for state 5: write dom0's PM1 values, which stops the machine. Returns
 * only on failure: -XEN_EINVAL for values that do not sleep, -XEN_EOPNOTSUPP for other states or
 * without registers.
 */
int machine_enter_sleep(unsigned state, uint16_t pm1a_value, uint16_t pm1b_value);
/* Start the machine anew: the firmware's way, the chipset's, a triple fault. */
void machine_reboot(void) __attribute__((noreturn));
/*
 * Stop all CPUs. For SCHEDOP_shutdown too, without the above: which PM1 values mean "off" only dom0's
 * ACPI interpreter knows.
 */
void machine_halt(void) __attribute__((noreturn));
