// SPDX-License-Identifier: MIT
/*
 * What only the control domain asks: platform_op, physdev_op, console_io.
 * Why: dom0 drives the machine through these; its numbers (GSIs, CPUs, frames) index the
 * hypervisor's own tables.
 */
#include "kit/kit.h"

static int platform(struct xen_platform_op *op, uint32_t cmd)
{
    op->cmd = cmd;
    op->interface_version = XENPF_INTERFACE_VERSION;
    return hyp_platform_op(op);
}

static void interface_version(void)
{
    struct xen_platform_op op = { .cmd = XENPF_get_cpuinfo, .interface_version = XENPF_INTERFACE_VERSION + 1 };

    CHECK_EQ(hyp_platform_op(&op), -XEN_EACCES);
    CHECK_EQ(hyp_platform_op((void *)0xffff830000000000), -XEN_EFAULT);
    CHECK_EQ(platform(&op, 1000), -XEN_ENOSYS);
    CHECK_EQ(platform(&op, 0), -XEN_ENOSYS);
}

static void set_time(void)
{
    struct xen_platform_op op = { 0 };
    uint64_t now = now_ns(), want = 1900000000;

    op.u.settime64.secs = want;
    op.u.settime64.system_time = now;
    CHECK_EQ(platform(&op, XENPF_settime64), 0);
    /* the wall clock at system time 0, so some seconds less */
    CHECK_EQ(shared_info->wc_version & 1, 0);
    CHECK(shared_info->wc_sec <= want && shared_info->wc_sec + now / 1000000000 + 2 >= want);
    op.u.settime64.mbz = 1;
    CHECK_EQ(platform(&op, XENPF_settime64), -XEN_EINVAL);
    memset(&op, 0, sizeof(op));
    op.u.settime32.secs = 1800000000;
    op.u.settime32.system_time = now;
    CHECK_EQ(platform(&op, XENPF_settime32), 0);
    CHECK(shared_info->wc_sec <= 1800000000 && shared_info->wc_sec + 1000 > 1800000000);
    op.u.settime64.secs = ~0ul;
    op.u.settime64.nsecs = ~0u;
    op.u.settime64.mbz = 0;
    op.u.settime64.system_time = ~0ul;
    platform(&op, XENPF_settime64);                     /* nonsense is an error or nonsense, no more */
    op.u.settime64.secs = 1800000000;
    op.u.settime64.nsecs = 0;
    op.u.settime64.system_time = now;
    CHECK_EQ(platform(&op, XENPF_settime64), 0);
}

static void cpu_info(void)
{
    struct xen_platform_op op = { 0 };

    op.u.pcpu_info.xen_cpuid = 0;
    CHECK_EQ(platform(&op, XENPF_get_cpuinfo), 0);
    CHECK(op.u.pcpu_info.flags & XEN_PCPU_FLAGS_ONLINE);
    CHECK(op.u.pcpu_info.max_present < 256);
    op.u.pcpu_info.xen_cpuid = 100000;
    CHECK(platform(&op, XENPF_get_cpuinfo) == 0 ? op.u.pcpu_info.flags & XEN_PCPU_FLAGS_INVALID : 1);
    op.u.pcpu_info.xen_cpuid = ~0u;
    CHECK(platform(&op, XENPF_get_cpuinfo) == 0 ? op.u.pcpu_info.flags & XEN_PCPU_FLAGS_INVALID : 1);
}

static void firmware(void)
{
    struct xen_platform_op op = { 0 };
    static uint8_t edid[128];
    int rc;

    op.u.firmware_info.type = XEN_FW_DISK_INFO;
    op.u.firmware_info.index = 1000;
    CHECK(platform(&op, XENPF_firmware_info) < 0);
    op.u.firmware_info.type = XEN_FW_DISK_MBR_SIGNATURE;
    op.u.firmware_info.index = ~0u;
    CHECK(platform(&op, XENPF_firmware_info) < 0);
    op.u.firmware_info.type = XEN_FW_VBEDDC_INFO;
    op.u.firmware_info.index = 0;
    op.u.firmware_info.u.vbeddc_info.edid = U64(edid);
    rc = platform(&op, XENPF_firmware_info);
    CHECK(rc <= 0);
    op.u.firmware_info.type = XEN_FW_KBD_SHIFT_FLAGS;
    rc = platform(&op, XENPF_firmware_info);
    CHECK(rc <= 0);
    op.u.firmware_info.type = 1000;
    CHECK(platform(&op, XENPF_firmware_info) < 0);
}

static void sleep_refused(void)
{
    struct xen_platform_op op = { 0 };

    op.u.enter_acpi_sleep.sleep_state = 0;
    CHECK(platform(&op, XENPF_enter_acpi_sleep) < 0);
    op.u.enter_acpi_sleep.sleep_state = 100;
    CHECK(platform(&op, XENPF_enter_acpi_sleep) < 0);
}

static void memory_types(void)
{
    struct xen_platform_op op = { 0 };

    op.u.read_memtype.reg = 1000;
    CHECK(platform(&op, XENPF_read_memtype) < 0);
    op.u.del_memtype.handle = 1000;
    op.u.del_memtype.reg = 1000;
    CHECK(platform(&op, XENPF_del_memtype) < 0);
}

/* ---- physdev_op ---- */

static void gsis(void)
{
    struct physdev_setup_gsi g = { .gsi = 9, .triggering = 1, .polarity = 0 };
    struct physdev_map_pirq m = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 9, .pirq = 9 };
    struct physdev_unmap_pirq u = { .domid = DOMID_SELF };
    struct physdev_irq_status_query q = { 0 };
    struct evtchn_bind_pirq b = { 0 };

    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_map_pirq, &m), 0);
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_setup_gsi, &g) & ~XEN_EEXIST, 0);
    q.irq = (uint32_t)m.pirq;
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_irq_status_query, &q), 0);
    b.pirq = (uint32_t)m.pirq;
    b.flags = BIND_PIRQ__WILL_SHARE;
    CHECK_EQ(event_op(EVTCHNOP_bind_pirq, &b), 0);
    CHECK(b.port > 0);
    CHECK_EQ(event_op(EVTCHNOP_bind_pirq, &b) < 0, true);
    CHECK_EQ(event_close(b.port), 0);
    u.pirq = m.pirq;
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_unmap_pirq, &u), 0);
    CHECK(hyp_physdev_op(PHYSDEVOP_unmap_pirq, &u) < 0);
}

/* An interrupt line of the machine, seen by the guest: the RTC's, driven by its ports. */
static unsigned int rtc_port;
static volatile int rtc_seen;

static void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "d"(port));
}

static uint8_t inb(uint16_t port)
{
    uint8_t v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "d"(port));
    return v;
}

static uint8_t cmos(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

static void rtc_take(void)
{
    shared_info->vcpu_info[0].evtchn_pending_sel = 0;
    if (!event_pending(rtc_port))
        return;
    event_clear(rtc_port);
    cmos(0x0c);
    rtc_seen++;
}

static void interrupt(void)
{
    struct physdev_set_iopl iopl = { 1 };
    struct physdev_map_pirq m = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 8, .pirq = 8 };
    struct physdev_setup_gsi g = { .gsi = 8 };
    struct physdev_unmap_pirq u = { .domid = DOMID_SELF };
    struct physdev_eoi e = { 0 };
    struct evtchn_bind_pirq b = { 0 };
    uint64_t end;
    uint8_t mode;

    hyp_physdev_op(PHYSDEVOP_set_iopl, &iopl);
    if (hyp_physdev_op(PHYSDEVOP_map_pirq, &m)) {
        CHECK_EQ(1, 0);
        return;
    }
    hyp_physdev_op(PHYSDEVOP_setup_gsi, &g);
    b.pirq = (uint32_t)m.pirq;
    CHECK_EQ(event_op(EVTCHNOP_bind_pirq, &b), 0);
    rtc_port = b.port;
    rtc_seen = 0;
    event_hook = rtc_take;
    event_clear(rtc_port);
    event_masked(rtc_port, false);
    e.irq = (uint32_t)m.pirq;
    mode = cmos(0x0b);
    outb(0x70, 0x0a);
    outb(0x71, 0x2f);                   /* twice a second would do; 2 Hz */
    outb(0x70, 0x0a);
    outb(0x71, 0x26);                   /* 1024 Hz */
    outb(0x70, 0x0b);
    outb(0x71, mode | 0x40);            /* periodic interrupt on */
    cmos(0x0c);
    events_unmask();
    end = now_ns() + 2000000000;
    while (rtc_seen < 5 && now_ns() < end) {
        hyp_physdev_op(PHYSDEVOP_eoi, &e);
        hyp_sched_op(SCHEDOP_yield, NULL);
    }
    events_mask();
    CHECK(rtc_seen >= 5);
    outb(0x70, 0x0b);
    outb(0x71, mode);
    cmos(0x0c);
    event_close(rtc_port);
    u.pirq = m.pirq;
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_unmap_pirq, &u), 0);
    iopl.iopl = 0;
    hyp_physdev_op(PHYSDEVOP_set_iopl, &iopl);
}

static void pirq_numbers(void)
{
    static const int bad[] = { -1, 100000, 0x7fffffff, -0x7fffffff };
    struct physdev_map_pirq m;
    struct physdev_unmap_pirq u = { .domid = DOMID_SELF };
    struct physdev_setup_gsi g = { 0 };
    struct physdev_eoi e = { 0 };
    struct physdev_irq_status_query q = { 0 };

    for (int i = 0; i < 4; i++) {
        m = (struct physdev_map_pirq){ .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = bad[i], .pirq = -1 };
        CHECK(hyp_physdev_op(PHYSDEVOP_map_pirq, &m) < 0);
        u.pirq = bad[i];
        CHECK(hyp_physdev_op(PHYSDEVOP_unmap_pirq, &u) < 0);
        g.gsi = bad[i];
        CHECK(hyp_physdev_op(PHYSDEVOP_setup_gsi, &g) < 0);
        e.irq = (uint32_t)bad[i];
        CHECK(hyp_physdev_op(PHYSDEVOP_eoi, &e) < 0);
        q.irq = (uint32_t)bad[i];
        CHECK(hyp_physdev_op(PHYSDEVOP_irq_status_query, &q) < 0);
    }
    m = (struct physdev_map_pirq){ .domid = 1000, .type = MAP_PIRQ_TYPE_GSI, .index = 9, .pirq = -1 };
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_map_pirq, &m), -XEN_ESRCH);
    m = (struct physdev_map_pirq){ .domid = DOMID_SELF, .type = 100, .index = 9, .pirq = -1 };
    CHECK(hyp_physdev_op(PHYSDEVOP_map_pirq, &m) < 0);
    m = (struct physdev_map_pirq){ .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI, .index = -1, .pirq = -1,
                                   .bus = 0xff, .devfn = 0xff };
    CHECK(hyp_physdev_op(PHYSDEVOP_map_pirq, &m) < 0);
}

static void apic_registers(void)
{
    struct physdev_apic a = { .apic_physbase = 0xfec00000, .reg = 1 };

    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_apic_read, &a), 0);
    CHECK((a.value & 0xff) >= 0x11);
    a.apic_physbase = 0x1000;
    CHECK(hyp_physdev_op(PHYSDEVOP_apic_read, &a) < 0);
}

static void pci_devices(void)
{
    struct physdev_pci_device_add a = { .seg = 0, .bus = 0, .devfn = 0 };
    struct physdev_pci_device d = { .seg = 0, .bus = 0, .devfn = 0 };
    struct physdev_pci_mmcfg_reserved r = { .address = 0xb0000000, .segment = 0, .start_bus = 0, .end_bus = 255 };

    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_pci_device_add, &a), 0);
    CHECK(hyp_physdev_op(PHYSDEVOP_pci_device_remove, &d) <= 0);
    a.bus = 200;
    CHECK(hyp_physdev_op(PHYSDEVOP_pci_device_add, &a) <= 0);
    hyp_physdev_op(PHYSDEVOP_pci_mmcfg_reserved, &r);
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_pci_device_add, (void *)0xffff830000000000), -XEN_EFAULT);
}

static void eoi_page(void)
{
    void *page = page_alloc();
    struct physdev_pirq_eoi_gmfn g = { va_to_mfn(page) };

    g.gmfn = 0xffffff0;
    CHECK(hyp_physdev_op(PHYSDEVOP_pirq_eoi_gmfn_v2, &g) < 0);
    g.gmfn = va_to_mfn(l4_kernel);
    CHECK(hyp_physdev_op(PHYSDEVOP_pirq_eoi_gmfn_v2, &g) < 0);
    g.gmfn = va_to_mfn(page);
    CHECK_EQ(hyp_physdev_op(PHYSDEVOP_pirq_eoi_gmfn_v2, &g), 0);
    CHECK(hyp_physdev_op(PHYSDEVOP_pirq_eoi_gmfn_v2, &g) < 0);
}

static void physdev_refused(void)
{
    static const int cmds[] = { PHYSDEVOP_eoi, PHYSDEVOP_irq_status_query, PHYSDEVOP_set_iopl, PHYSDEVOP_set_iobitmap,
                                PHYSDEVOP_apic_read, PHYSDEVOP_map_pirq, PHYSDEVOP_unmap_pirq,
                                PHYSDEVOP_setup_gsi, PHYSDEVOP_pci_device_add, PHYSDEVOP_pirq_eoi_gmfn_v2 };

    CHECK_EQ(hyp_physdev_op(1000, NULL), -XEN_ENOSYS);
    for (unsigned int i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++)
        CHECK_EQ(hyp_physdev_op(cmds[i], (void *)0xffff830000000000), -XEN_EFAULT);
}

/* ---- console_io ---- */

static void console(void)
{
    char c;

    CHECK_EQ(hyp_console_io(CONSOLEIO_write, 0, ""), 0);
    CHECK(hyp_console_io(CONSOLEIO_read, 1, &c) >= 0);
    CHECK_EQ(hyp_console_io(CONSOLEIO_write, 5, (void *)0xffff830000000000), -XEN_EFAULT);
    CHECK_EQ(hyp_console_io(CONSOLEIO_write, 5, (void *)0x800000000000), -XEN_EFAULT);
    CHECK_EQ(hyp_console_io(100, 1, "x"), -XEN_ENOSYS);
    CHECK(hyp_console_io(CONSOLEIO_write, ~0u, (void *)0xfffffffffffff000) < 0);
    /* control characters and bytes that are no text */
    CHECK_EQ(hyp_console_io(CONSOLEIO_write, 6, "\0\x1b\xff\x80\t\n"), 0);
}

TESTS("platform", TEST(interface_version), TEST(set_time), TEST(cpu_info), TEST(firmware), TEST(sleep_refused),
      TEST(memory_types), TEST(gsis), TEST(interrupt), TEST(pirq_numbers), TEST(apic_registers),
      TEST(pci_devices), TEST(physdev_refused), TEST(eoi_page), TEST(console));
