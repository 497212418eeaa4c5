// SPDX-License-Identifier: MIT
/*
 * Power. See power.h. ACPI 6.4, 4.8.3.2 (PM1 control) and 4.8.3.6 (reset register).
 */
#include "cpu/power.h"

#include "cpu/clock.h"
#include "cpu/regs.h"
#include "cpu/smp.h"
#include "mm/page_table.h"

#define PM1_SLEEP_ENABLE   0x2000u
#define STATE_SOFT_OFF     5u
#define RESET_PORT         0xcf9
#define RESET_HARD         0x02u
#define RESET_NOW          0x06u
#define RESET_WAIT_US      50000u

static struct power_registers registers;
static volatile uint8_t *reset_memory;

void power_init(const struct power_registers *from)
{
    registers = *from;
    if (registers.reset_is_memory && registers.reset_address)
        reset_memory = ioremap(registers.reset_address, 1);
}

int machine_enter_sleep(unsigned state, uint16_t pm1a_value, uint16_t pm1b_value)
{
    if (state != STATE_SOFT_OFF || !registers.pm1a_control)
        return -XEN_EOPNOTSUPP;
    if (!(pm1a_value & PM1_SLEEP_ENABLE))
        return -XEN_EINVAL;
    irq_disable();
    smp_stop_others();
    outw(registers.pm1a_control, pm1a_value);
    if (registers.pm1b_control)
        outw(registers.pm1b_control, pm1b_value);
    clock_delay_us(RESET_WAIT_US);
    machine_halt();
}

void machine_halt(void)
{
    irq_disable();
    smp_stop_others();
    for (;;)
        __asm__ volatile("hlt" : : : "memory");
}

void machine_reboot(void)
{
    static const struct PACKED { uint16_t limit; uint64_t base; } no_table;

    irq_disable();
    smp_stop_others();
    if (reset_memory)
        *reset_memory = registers.reset_value;
    else if (!registers.reset_is_memory && registers.reset_address)
        outb((uint16_t)registers.reset_address, registers.reset_value);
    clock_delay_us(RESET_WAIT_US);
    outb(RESET_PORT, RESET_HARD);
    outb(RESET_PORT, RESET_NOW);
    clock_delay_us(RESET_WAIT_US);
    /* No interrupt table, then an exception: the CPU shuts down, and boards answer that with a reset. */
    __asm__ volatile("lidt %0; ud2" : : "m"(no_table));
    machine_halt();
}
