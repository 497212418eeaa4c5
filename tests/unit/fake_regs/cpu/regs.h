// SPDX-License-Identifier: MIT
// Registers as ever, but for those that must be the test's: RDMSR and ports fault outside of ring 0, and what
// CPUID says should not depend on the host.
#pragma once
#include_next "cpu/regs.h"

uint64_t fake_rdmsr(uint32_t msr);
struct cpuid fake_cpuid_read(uint32_t leaf, uint32_t subleaf);
uint32_t fake_port_read(unsigned port, unsigned size);
void fake_port_write(unsigned port, unsigned size, uint32_t value);
#define rdmsr      fake_rdmsr
#define cpuid_read fake_cpuid_read
#define port_read  fake_port_read
#define port_write fake_port_write
