// SPDX-License-Identifier: MIT
/*
 * One row an issue: how to tell that this CPU has it, what we do about it, and what remains. The rows are reported at boot, so
 * that an administrator knows what a machine lacks. Sources: Intel's and AMD's guidance on each issue; IA32_ARCH_CAPABILITIES
 * (SDM vol. 4).
 */
#include "cpu/mitigation.h"

#include "cpu/cpu_feature.h"
#include "lib/compiler.h"
#include "lib/console.h"

#define ARCH_CAPS_RDCL_NO       (UINT64_C(1) << 0)
#define ARCH_CAPS_SKIP_L1DFL    (UINT64_C(1) << 3)
#define ARCH_CAPS_MDS_NO        (UINT64_C(1) << 5)

static uint64_t arch_caps(void)
{
    struct cpuid r = cpu_features.max_leaf >= 7 ? cpuid_read(7, 0) : (struct cpuid){ 0, 0, 0, 0 };

    return r.edx >> 29 & 1 ? rdmsr(MSR_ARCH_CAPS) : 0;
}

static bool has_meltdown(void)
{
    return cpu_features.intel && !(arch_caps() & ARCH_CAPS_RDCL_NO);
}

static bool has_l1tf(void)
{
    return has_meltdown() && !(arch_caps() & ARCH_CAPS_SKIP_L1DFL);
}

static bool has_mds(void)
{
    return cpu_features.intel && !(arch_caps() & ARCH_CAPS_MDS_NO);
}

static bool always(void)
{
    return true;
}

static bool lacks_smep(void)
{
    return !cpu_features.smep;
}

static const struct {
    const char *issue;
    bool (*applies)(void);
    const char *action;       /* what is done; NULL: nothing is */
    const char *remains;      /* what an administrator should know then */
} rows[] = {
    { "Spectre v1 (bounds check bypass)", always, "indices from guests are masked", NULL },
    { "SWAPGS speculation", always, "not concerned: ring 0 uses neither FS nor GS", NULL },
    { "SYSRET and MOV SS faults", always, "return addresses checked, #DB on a stack of its own", NULL },
    { "Spectre v2 (branch target injection)", always, "no indirect branches: all go by returns (cpu/entry.S)", NULL },
    { "return stack underflow without SMEP", lacks_smep, NULL, "use a CPU with SMEP" },
    { "Meltdown (rogue data cache load)", has_meltdown, NULL, "64-bit PV guests can read all memory: use a CPU with RDCL_NO or of AMD" },
    { "L1 terminal fault", has_l1tf, NULL, "use a CPU with RDCL_NO" },
    { "microarchitectural data sampling", has_mds, NULL, "use a CPU with MDS_NO" },
};

void mitigation_init(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!rows[i].applies())
            continue;
        if (rows[i].action)
            log_debug("speculation: %s: %s", rows[i].issue, rows[i].action);
        else
            log_info("speculation: %s: not mitigated: %s", rows[i].issue, rows[i].remains);
    }
}
