// SPDX-License-Identifier: MIT
/*
 * The start of day: a list of calls, in the order that they depend on each other. No logic beyond
 * taking numbers from the boot-time parsers to the rooms that need them. Runs on the boot stack,
 * then on the boot CPU's own.
 */
#include <stdarg.h>

#include "boot/acpi.h"
#include "boot/boot.h"
#include "boot/bytes.h"
#include "boot/options.h"
#include "core/hypercall.h"
#include "core/machine.h"
#include "cpu/cpu_feature.h"
#include "cpu/descriptor.h"
#include "cpu/irq.h"
#include "cpu/lapic.h"
#include "cpu/trap.h"
#include "pv/page_type.h"

#define VERSION "0.1"
#define LOW_4G  0x100000000
#define LAPIC_WINDOW       0xfee00000u      /* unless firmware says otherwise, and where MSIs go */
#define LAPIC_WINDOW_SIZE  0x100000u

static INITDATA struct bootinfo bootinfo;
static INITDATA struct acpi_info acpi;

void boot_main(uint32_t magic, uint32_t info);
void switch_stack(void *top, void (*fn)(void)) NORETURN;

INIT void boot_stop(const char *format, ...)
{
    char why[256];
    va_list args;

    va_start(args, format);
    vscnprintf(why, sizeof(why), format, args);
    va_end(args);
    log_err("cannot start: %s", why);
    if (options.noreboot)
        machine_halt();
    log_err("rebooting in 5 seconds");
    for (unsigned i = 0; i < 5000; i++)
        clock_delay_us(1000);
    machine_reboot();
}

static void panic_end(void)
{
    smp_stop_others();
    if (options.noreboot)
        machine_halt();
    machine_reboot();
}

/* head.S maps the first 4 GiB, which is where boot loaders and firmware put what they tell us. */
INIT const void *boot_map(paddr_t start, size_t size)
{
    return start < LOW_4G && size <= LOW_4G - start ? direct_map(start) : NULL;
}

static INIT void start_interrupts(void)
{
    if (!acpi.lapic_address)
        acpi.lapic_address = LAPIC_WINDOW;
    lapic_init(acpi.lapic_address);
    mmio_restrict(paddr_to_mfn(acpi.lapic_address), MMIO_NONE);
    for (unsigned i = 0; i < acpi.nr_ioapics; i++) {
        if (ioapic_add(acpi.ioapics[i].id, acpi.ioapics[i].address, acpi.ioapics[i].gsi_base))
            log_warn("warning: IO-APIC %u left out", acpi.ioapics[i].id);
        mmio_restrict(paddr_to_mfn(acpi.ioapics[i].address), MMIO_READ);
    }
    irq_init();
    for (unsigned i = 0; i < acpi.nr_overrides; i++)
        irq_override(acpi.overrides[i].source, acpi.overrides[i].gsi, acpi.overrides[i].flags);
}

static INIT void start_clock(void)
{
    if (acpi.hpet_address) {
        hpet_init(acpi.hpet_address);
        mmio_restrict(paddr_to_mfn(acpi.hpet_address), MMIO_READ);
    }
    if (acpi.pm_timer_port)
        pmtimer_init(acpi.pm_timer_port, acpi.pm_timer_is_32bit);
    clock_init();
}

/* Other CPUs arrive here, each on its own stack. */
void smp_secondary_main(void)
{
    cpu_features_enable();
    descriptor_cpu_init();
    lapic_cpu_init();
    sched_cpu_init(cpu_id());
    smp_mark_online();
    irq_enable();
    reset_stack_and_jump(sched_idle_loop);
}

static void refine(void *timer)
{
    clock_refine();
    timer_set(timer, clock_now() + 1000000000);
}

static struct timer refine_timer = {.fn = refine, .arg = &refine_timer};

static void run_control_domain(void)
{
    memory_release_init();
    refine(&refine_timer);
    __sync_fetch_and_and(&control_domain->vcpu[0]->pause_flags, ~VPF_DOWN);
    sched_wake(control_domain->vcpu[0]);
    reset_stack_and_jump(sched_idle_loop);
}

static INIT void publish_machine(void)
{
    crash_halts_machine = options.noreboot;
    for (unsigned i = 0; i < bootinfo.nr_ranges; i++)
        machine_add_range(bootinfo.ranges[i].start, bootinfo.ranges[i].size,
                          bootinfo.ranges[i].type);
    /*
     * Many firmwares leave these out, and a kernel puts a device's BAR wherever the map has a hole.
     */
    machine_add_range(LAPIC_WINDOW, LAPIC_WINDOW_SIZE, E820_RESERVED);
    for (unsigned i = 0; i < acpi.nr_ioapics; i++)
        machine_add_range(ALIGN_DOWN(acpi.ioapics[i].address, PAGE_SIZE), PAGE_SIZE, E820_RESERVED);
    scnprintf(machine_cmdline, sizeof(machine_cmdline), "%s", bootinfo.cmdline);
}

/* The boot CPU, on its own stack. */
static INIT void boot_cpu_main(void)
{
    const char *problem;

    descriptor_cpu_init();
    if (cpu_features.smap)
        smap_enable();
    problem = acpi_parse(bootinfo.rsdp, &acpi);
    if (problem)
        log_warn("warning: ACPI: %s", problem);
    power_init(&acpi.power);
    start_interrupts();
    start_clock();
    sched_cpu_init(0);
    irq_enable();
    smp_boot(acpi.apic_ids, acpi.nr_cpus, options.maxcpus);
    log_info("%u CPU%s", nr_cpus, nr_cpus == 1 ? "" : "s");
    mitigation_init();
    publish_machine();
    console_io_init(irq_isa_to_gsi(options.com1.irq));
    dom0_build(&bootinfo);
    memory_release_modules(&bootinfo);
    switch_stack((void *)cpu_info(), run_control_domain);
}

INIT void boot_main(uint32_t magic, uint32_t info)
{
    const char *why = bootinfo_parse(magic, info, &bootinfo);

    options_parse(bootinfo.cmdline);
    if (options.has_console)
        uart_init(&options.com1);
    log_info("version " VERSION ", loaded by %s, command line: \"%s\"",
             bootinfo.loader[0] ? bootinfo.loader : "an unnamed loader", bootinfo.cmdline);
    if (bootinfo.is_cut)
        log_warn("warning: the boot loader told more than fits: shorten its command lines, load "
                 "fewer modules");
    console_panic_hook = panic_end;
    if (why)
        boot_stop("%s", why);
    cpu_features_init();
    cpu_features_enable();
    memory_init(&bootinfo);
    if (percpu_init(0))
        boot_stop("no memory for the boot CPU's stack: give the machine more memory");
    switch_stack(cpu_info_of(0), boot_cpu_main);
}
