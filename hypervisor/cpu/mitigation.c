// SPDX-License-Identifier: MIT
/*
 * One row an issue: how to tell that this CPU has it, what we do about it, and what remains. The rows are reported at boot, so
 * that an administrator knows what a machine lacks. Sources: Intel's and AMD's guidance on each issue; IA32_ARCH_CAPABILITIES
 * (SDM vol. 4).
 */
#include "cpu/cpu_feature.h"

#define ARCH_CAPS_RDCL_NO       (UINT64_C(1) << 0)
#define ARCH_CAPS_SKIP_L1DFL    (UINT64_C(1) << 3)
#define ARCH_CAPS_MDS_NO        (UINT64_C(1) << 5)

enum { ALWAYS = 1 << 0, NO_SMEP = 1 << 1, MELTDOWN = 1 << 2, L1TF = 1 << 3, MDS = 1 << 4 };

/* Which of these hold for this CPU. */
static unsigned detect(void)
{
    struct cpuid r = cpu_features.max_leaf >= 7 ? cpuid_read(7, 0) : (struct cpuid){ 0, 0, 0, 0 };
    uint64_t caps = r.edx >> 29 & 1 ? rdmsr(MSR_ARCH_CAPS) : 0;
    unsigned found = ALWAYS | (cpu_features.smep ? 0 : NO_SMEP);

    if (!cpu_features.intel)
        return found;
    if (!(caps & ARCH_CAPS_RDCL_NO))
        found |= MELTDOWN | (caps & ARCH_CAPS_SKIP_L1DFL ? 0 : L1TF);
    return found | (caps & ARCH_CAPS_MDS_NO ? 0 : MDS);
}

static const struct {
    const char *issue;
    unsigned detection;
    const char *action;       /* what is done; NULL: nothing is */
    const char *remains;      /* what an administrator should know then */
} rows[] = {
    { "Spectre v1 (bounds check bypass)", ALWAYS, "indices from guests are masked", NULL },
    { "SWAPGS speculation", ALWAYS, "not concerned: ring 0 uses neither FS nor GS", NULL },
    { "SYSRET and MOV SS faults", ALWAYS, "return addresses checked, #DB on a stack of its own", NULL },
    { "Spectre v2 (branch target injection)", ALWAYS, "no indirect branches: all go by returns (cpu/entry.S)", NULL },
    { "return stack underflow without SMEP", NO_SMEP, NULL, "use a CPU with SMEP" },
    { "Meltdown (rogue data cache load)", MELTDOWN, NULL, "64-bit PV guests can read all memory: use a CPU with RDCL_NO or of AMD" },
    { "L1 terminal fault", L1TF, NULL, "use a CPU with RDCL_NO" },
    { "microarchitectural data sampling", MDS, NULL, "use a CPU with MDS_NO" },
};

void mitigation_init(void)
{
    unsigned found = detect();

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!(found & rows[i].detection))
            continue;
        if (rows[i].action)
            log_debug("speculation: %s: %s", rows[i].issue, rows[i].action);
        else
            log_info("speculation: %s: not mitigated: %s", rows[i].issue, rows[i].remains);
    }
}
