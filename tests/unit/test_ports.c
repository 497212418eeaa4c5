// SPDX-License-Identifier: MIT
// I/O ports of guests: who may use them, what stays ours, PCI's address port, and the edges of the user's bitmap.
#include "cpu/pci_config.h"
#include "cpu/regs.h"
#include "cpu/uart.h"
#include "lib/string.h"
#include "public/errno.h"
#include "pv/pv_domain.h"
#include "unit_main.h"

#define BITMAP 0x1000u          // its guest address; a byte at a time beyond BITMAP + sizeof(bitmap) faults
#define ADDRESS 0xcf8u

static struct pv_domain domain;
static struct pv_vcpu v;
static uint8_t bitmap[8192];
static unsigned reads, writes, pci_reads, pci_writes;
static uint32_t pci_address;
static bool bitmap_faults;

uint32_t fake_port_read(unsigned port, unsigned size)
{
    reads++;
    return port << 8 | size;
}

void fake_port_write(unsigned port, unsigned size, uint32_t value)
{
    writes++;
    CU_ASSERT_EQUAL(value, port << 8 | size);
}

uint32_t pci_port_read(uint32_t address, unsigned port, unsigned size)
{
    pci_reads++;
    pci_address = address;
    return port << 8 | size;
}

void pci_port_write(uint32_t address, unsigned port, unsigned size, uint32_t value)
{
    pci_writes++;
    pci_address = address;
    CU_ASSERT_EQUAL(value, port << 8 | size);
}

bool uart_ports(uint16_t *first, uint16_t *last)
{
    *first = 0x3f8;
    *last = 0x3ff;
    return true;
}

int pv_copy_from_kernel(const struct pv_vcpu *vcpu, void *to, uint64_t from, size_t size)
{
    CU_ASSERT_PTR_EQUAL(vcpu, &v);
    if (bitmap_faults || from < BITMAP || from + size > BITMAP + (v.iobmp_limit + 7u) / 8)
        return -XEN_EFAULT;
    memcpy(to, bitmap + (from - BITMAP), size);
    return 0;
}

static void start(bool in_kernel, uint8_t iopl)
{
    memset(&v, 0, sizeof(v));
    memset(&domain, 0, sizeof(domain));
    memset(bitmap, 0xff, sizeof(bitmap));
    domain.domain.is_control = true;
    v.vcpu.domain = &domain.domain;
    v.in_kernel = in_kernel;
    v.iopl = iopl;
    reads = writes = pci_reads = pci_writes = 0;
    bitmap_faults = false;
}

static void who_may(void)
{
    start(true, 0);
    CU_ASSERT_FALSE(pv_ports_allowed(&v, 0x80, 1));
    start(true, 1);
    CU_ASSERT(pv_ports_allowed(&v, 0x80, 1));
    CU_ASSERT(pv_ports_allowed(&v, 0xffff, 1));
    CU_ASSERT_FALSE(pv_ports_allowed(&v, 0xffff, 2));
    CU_ASSERT_FALSE(pv_ports_allowed(&v, 0xfffd, 4));
    start(false, 2);
    CU_ASSERT_FALSE(pv_ports_allowed(&v, 0x80, 1));
    start(false, 3);
    CU_ASSERT(pv_ports_allowed(&v, 0x80, 1));
}

static void allow(unsigned port, unsigned n)
{
    for (; n; n--, port++)
        bitmap[port / 8] &= (uint8_t)~(1u << (port & 7));
}

static void bitmap_edges(void)
{
    start(false, 0);
    v.iobmp_limit = 0x10000;
    allow(0, 0x10000);
    CU_ASSERT_FALSE(pv_ports_allowed(&v, 0x80, 1));         // no address
    v.iobmp = BITMAP;
    CU_ASSERT(pv_ports_allowed(&v, 0xffff, 1));
    CU_ASSERT(pv_ports_allowed(&v, 0xfffc, 4));
    CU_ASSERT_FALSE(pv_ports_allowed(&v, 0xfffe, 4));
    bitmap_faults = true;
    CU_ASSERT_FALSE(pv_ports_allowed(&v, 0x80, 1));

    start(false, 0);
    v.iobmp = BITMAP;
    v.iobmp_limit = 0x86;
    allow(0x7e, 4);
    CU_ASSERT(pv_ports_allowed(&v, 0x7e, 4));               // over two bytes
    CU_ASSERT_FALSE(pv_ports_allowed(&v, 0x7d, 4));
    CU_ASSERT_FALSE(pv_ports_allowed(&v, 0x7f, 4));
    CU_ASSERT_FALSE(pv_ports_allowed(&v, 0x82, 1));
    allow(0x82, 8);
    CU_ASSERT(pv_ports_allowed(&v, 0x82, 4));               // up to the limit, within the last byte
    CU_ASSERT_FALSE(pv_ports_allowed(&v, 0x83, 4));
    CU_ASSERT_FALSE(pv_ports_allowed(&v, 0x86, 1));
    v.in_kernel = true;                                     // the bitmap is for user mode
    CU_ASSERT_FALSE(pv_ports_allowed(&v, 0x82, 4));
}

static void ours_stay_ours(void)
{
    static const struct { uint16_t port, size; } ports[] = {
        { 0x20, 1 }, { 0x21, 1 }, { 0x1f, 2 }, { 0x1d, 4 }, { 0xa0, 1 }, { 0xa1, 2 }, { 0x40, 1 }, { 0x43, 1 },
        { 0x3d, 4 }, { 0x4d0, 1 }, { 0x4d1, 1 }, { 0x3f8, 1 }, { 0x3ff, 1 }, { 0x3f7, 2 }, { 0x3f5, 4 },
    };

    start(true, 1);
    for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        CU_ASSERT_EQUAL(pv_port_read(&v, ports[i].port, ports[i].size), UINT32_MAX);
        pv_port_write(&v, ports[i].port, ports[i].size, 0);
    }
    CU_ASSERT_EQUAL(reads + writes, 0);
    CU_ASSERT_EQUAL(pv_port_read(&v, 0x22, 1), 0x2201);
    CU_ASSERT_EQUAL(pv_port_read(&v, 0x1e, 2), 0x1e02);
    pv_port_write(&v, 0x44, 4, 0x4404);
    CU_ASSERT_EQUAL(reads, 2);
    CU_ASSERT_EQUAL(writes, 1);
}

static void without_ports(void)
{
    start(true, 3);
    domain.domain.is_control = false;
    CU_ASSERT_EQUAL(pv_port_read(&v, 0x80, 1), UINT32_MAX);
    CU_ASSERT_EQUAL(pv_port_read(&v, ADDRESS + 4, 4), UINT32_MAX);
    pv_port_write(&v, 0x80, 1, 0);
    pv_port_write(&v, ADDRESS, 4, 0x80000000);
    CU_ASSERT_EQUAL(domain.pci_address, 0);
    CU_ASSERT_EQUAL(reads + writes + pci_reads + pci_writes, 0);
}

static void pci_latch(void)
{
    start(true, 1);
    pv_port_write(&v, ADDRESS, 4, 0x80001234);
    CU_ASSERT_EQUAL(reads + writes, 0);
    CU_ASSERT_EQUAL(pv_port_read(&v, ADDRESS, 4), 0x80001234);
    CU_ASSERT_EQUAL(pv_port_read(&v, 0xcfc, 4), 0xcfc04);
    CU_ASSERT_EQUAL(pci_address, 0x80001234);
    CU_ASSERT_EQUAL(pv_port_read(&v, 0xcff, 1), 0xcff01);
    pci_address = 0;
    pv_port_write(&v, 0xcfe, 2, 0xcfe02);
    CU_ASSERT_EQUAL(pci_address, 0x80001234);
    CU_ASSERT_EQUAL(pci_reads, 2);
    CU_ASSERT_EQUAL(pci_writes, 1);
    CU_ASSERT_EQUAL(pv_port_read(&v, 0xcf9, 1), 0xcf901);   // the reset register
    CU_ASSERT_EQUAL(reads, 1);
    CU_ASSERT_EQUAL(domain.pci_address, 0x80001234);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "who_may", who_may },
        { "bitmap_edges", bitmap_edges },
        { "ours_stay_ours", ours_stay_ours },
        { "without_ports", without_ports },
        { "pci_latch", pci_latch },
        { NULL, NULL },
    };

    return unit_main("ports", tests);
}
