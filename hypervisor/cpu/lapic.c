// SPDX-License-Identifier: MIT
/*
 * The local APIC. See lapic.h; Intel SDM vol. 3, chapter 11. No locks: each CPU has its own
 * registers, and a message is sent with interrupts off where it takes two writes.
 */
#include "cpu/lapic.h"

#include "cpu/cpu_feature.h"
#include "cpu/irq.h"
#include "cpu/smp.h"
#include "mm/page_table.h"

/*
 * Offsets of the memory-mapped registers; an x2APIC has them as MSRs, number MSR_X2APIC_FIRST +
 * offset / 16.
 */
enum {
    LAPIC_ID = 0x020,
    LAPIC_TPR = 0x080,
    LAPIC_EOI = 0x0b0,
    LAPIC_SVR = 0x0f0,
    LAPIC_ESR = 0x280,
    LAPIC_ICR = 0x300,
    LAPIC_ICR_HIGH = 0x310,
    LAPIC_LVT_TIMER = 0x320,
    LAPIC_LVT_LINT0 = 0x350,
    LAPIC_LVT_LINT1 = 0x360,
    LAPIC_LVT_ERROR = 0x370,
    LAPIC_TIMER_INITIAL = 0x380,
    LAPIC_TIMER_CURRENT = 0x390,
    LAPIC_TIMER_DIVIDE = 0x3e0,
};

#define APIC_BASE_X2APIC       (UINT64_C(1) << 10)
#define APIC_BASE_ENABLE       (UINT64_C(1) << 11)
#define APIC_BASE_FLAGS        UINT64_C(0xfff)

#define SVR_ENABLE             0x100u
#define LVT_MASKED             0x10000u
#define ICR_PENDING            0x1000u
#define ICR_ASSERT             0x4000u
#define TIMER_DIVIDE_BY_1      0xbu
#define MAX_ICR_SPINS          100000u

#define PIC_MASTER         0x20     /* command; data is the next port */
#define PIC_SLAVE          0xa0
#define PIC_FIRST_VECTOR   0x20     /* masked; a spurious one still comes, at 0x27 or 0x2f */

static volatile uint32_t *lapic_registers;      /* NULL: an x2APIC */
static paddr_t lapic_address;

static uint32_t lapic_read(unsigned reg)
{
    return lapic_registers ? lapic_registers[reg / 4] : (uint32_t)rdmsr(MSR_X2APIC_FIRST + reg / 16);
}

static void lapic_write(unsigned reg, uint32_t value)
{
    if (lapic_registers)
        lapic_registers[reg / 4] = value;
    else
        wrmsr(MSR_X2APIC_FIRST + reg / 16, value);
}

/*
 * Both 8259s: vectors out of the way of exceptions, everything masked. Before LINT0 is: a request
 * that waits there would stay behind (QEMU then takes an interrupt without a vector).
 */
static void pic_disable(void)
{
    static const struct { uint16_t port; uint8_t value; } steps[] = {
        { PIC_MASTER, 0x11 }, { PIC_MASTER + 1, PIC_FIRST_VECTOR }, { PIC_MASTER + 1, 0x04 },
        { PIC_MASTER + 1, 0x01 }, { PIC_MASTER + 1, 0xff },
        { PIC_SLAVE, 0x11 }, { PIC_SLAVE + 1, PIC_FIRST_VECTOR + 8 }, { PIC_SLAVE + 1, 0x02 },
        { PIC_SLAVE + 1, 0x01 }, { PIC_SLAVE + 1, 0xff },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++)
        outb(steps[i].port, steps[i].value);
}

void lapic_init(paddr_t address)
{
    pic_disable();
    lapic_address = address;
    if (!cpu_features.x2apic)
        lapic_registers = ioremap(lapic_address, PAGE_SIZE);
    if (!cpu_features.x2apic && !lapic_registers)
        panic("no room to map the local APIC");
    lapic_cpu_init();
    cpu_apic_id[0] = lapic_id();
}

void lapic_cpu_init(void)
{
    uint64_t base = (rdmsr(MSR_APIC_BASE) & APIC_BASE_FLAGS) | lapic_address | APIC_BASE_ENABLE;

    wrmsr(MSR_APIC_BASE, base);
    if (cpu_features.x2apic)
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    lapic_write(LAPIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    lapic_write(LAPIC_TPR, 0);
    lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER);
    lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
    lapic_write(LAPIC_LVT_LINT1, LAPIC_NMI);
    lapic_write(LAPIC_ESR, 0);
    lapic_write(LAPIC_LVT_ERROR, VECTOR_ERROR);
    lapic_write(LAPIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
    lapic_write(LAPIC_TIMER_INITIAL, 0);
}

uint32_t lapic_id(void)
{
    uint32_t id = lapic_read(LAPIC_ID);

    return cpu_features.x2apic ? id : id >> 24;
}

void lapic_eoi(void)
{
    lapic_write(LAPIC_EOI, 0);
}

/*
 * The memory-mapped command register takes one message at a time; wait, but not for ever, until it
 * has left.
 */
void lapic_send(uint32_t apic_id, uint32_t message)
{
    uint32_t command = ICR_ASSERT | message;
    unsigned long flags;

    if (cpu_features.x2apic) {
        /*
         * The write is not serialising: earlier stores must be visible before the message arrives.
         */
        __asm__ volatile("mfence; lfence" : : : "memory");
        wrmsr(MSR_X2APIC_FIRST + LAPIC_ICR / 16, (uint64_t)apic_id << 32 | command);
        return;
    }
    flags = irq_save();
    for (unsigned i = 0; i < MAX_ICR_SPINS && (lapic_read(LAPIC_ICR) & ICR_PENDING); i++)
        cpu_relax();
    lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
    lapic_write(LAPIC_ICR, command);
    irq_restore(flags);
}

void lapic_error_interrupt(void)
{
    lapic_write(LAPIC_ESR, 0);
    log_warn("APIC %u: error status %#x", lapic_id(), lapic_read(LAPIC_ESR));
}

void lapic_timer_set(uint32_t ticks)
{
    lapic_write(LAPIC_TIMER_INITIAL, ticks);
}

uint32_t lapic_timer_read(void)
{
    return lapic_read(LAPIC_TIMER_CURRENT);
}
