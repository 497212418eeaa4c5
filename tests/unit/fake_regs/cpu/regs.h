// SPDX-License-Identifier: MIT
// Registers as ever, but for those that must be the test's: RDMSR faults outside of ring 0, and what CPUID
// says should not depend on the host.
#pragma once
#include_next "cpu/regs.h"

uint64_t fake_rdmsr(uint32_t msr);
struct cpuid fake_cpuid_read(uint32_t leaf, uint32_t subleaf);
#define rdmsr      fake_rdmsr
#define cpuid_read fake_cpuid_read
