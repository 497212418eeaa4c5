// SPDX-License-Identifier: MIT
/*
 * What a guest sees of CPUID: the CPU's own answer, less what a PV kernel cannot use (rows below), plus the leaves by which
 * it knows where it runs. A PV kernel asks through the ABI's forced emulation; its users see the CPU's own answer.
 */
#include "cpu/clock.h"
#include "cpu/cpu_feature.h"
#include "cpu/smp.h"
#include "public/arch-x86/cpuid.h"
#include "pv/cpu_policy.h"

#define ABI_VERSION   (4u << 16 | 17u)
#define BIT(n)        (1u << (n))
#define HIDE_ALL      UINT32_MAX
#define TIME_TSC_STABLE BIT(1)
#define TIME_RDTSCP   BIT(2)

/* Bits to hide, by leaf, sub-leaf (ANY: each) and register in the order eax, ebx, ecx, edx. */
#define ANY UINT32_MAX
static const struct { uint32_t leaf, subleaf, hide[4]; } hidden[] = {
    { 1, ANY, { 0, 0xff000000,
                BIT(2) | BIT(3) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(10) | BIT(15) | BIT(17) | BIT(18) | BIT(21) | BIT(24),
                BIT(1) | BIT(3) | BIT(12) | BIT(13) | BIT(17) | BIT(21) | BIT(22) | BIT(29) | BIT(31) } },
    { 6, ANY, { HIDE_ALL & ~BIT(2), HIDE_ALL, HIDE_ALL, HIDE_ALL } },
    { 7, 0, { 0, BIT(1) | BIT(2) | BIT(4) | BIT(7) | BIT(10) | BIT(11) | BIT(12) | BIT(14) | BIT(15) | BIT(20) | BIT(25),
              BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(7) | BIT(13) | BIT(16) | BIT(24) | BIT(29) | BIT(30) | BIT(31),
              BIT(5) | BIT(9) | BIT(13) | BIT(15) | BIT(18) | BIT(19) | BIT(20) | BIT(22) | BIT(24) | BIT(25) | BIT(26) |
              BIT(27) | BIT(28) | BIT(29) | BIT(30) | BIT(31) } },
    { 7, 1, { BIT(17) | BIT(18) | BIT(19) | BIT(20) | BIT(22) | BIT(26) | BIT(27), HIDE_ALL, HIDE_ALL, BIT(18) } },
    { 7, 2, { HIDE_ALL, HIDE_ALL, HIDE_ALL, HIDE_ALL } },
    { 0xd, 1, { BIT(3) | BIT(4), 0, HIDE_ALL, HIDE_ALL } },
    { 0x80000001, ANY, { 0, 0,
                BIT(1) | BIT(2) | BIT(3) | BIT(9) | BIT(10) | BIT(12) | BIT(13) | BIT(15) | BIT(19) | BIT(22) | BIT(23) |
                BIT(24) | BIT(26) | BIT(27) | BIT(28) | BIT(29),
                BIT(1) | BIT(3) | BIT(12) | BIT(13) | BIT(17) | BIT(26) } },
    { 0x80000007, ANY, { HIDE_ALL, HIDE_ALL, HIDE_ALL, ~BIT(8) } },
    { 0x80000008, ANY, { 0, ~(BIT(0) | BIT(2) | BIT(9)), 0, HIDE_ALL } },
    { 0x80000021, ANY, { BIT(8) | BIT(13) | BIT(17) | BIT(27), HIDE_ALL, HIDE_ALL, HIDE_ALL } },
};

/* Leaves of which nothing is shown. */
static const uint32_t hidden_leaves[] = {
    5, 10, 0xf, 0x10, 0x12, 0x14, 0x8000000a, 0x8000001b, 0x8000001f, 0x80000022,
};

static void hide(uint32_t leaf, uint32_t subleaf, struct cpuid *r)
{
    for (unsigned i = 0; i < ARRAY_SIZE(hidden); i++) {
        if (hidden[i].leaf != leaf || (hidden[i].subleaf != ANY && hidden[i].subleaf != subleaf))
            continue;
        r->eax &= ~hidden[i].hide[0];
        r->ebx &= ~hidden[i].hide[1];
        r->ecx &= ~hidden[i].hide[2];
        r->edx &= ~hidden[i].hide[3];
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(hidden_leaves); i++)
        if (hidden_leaves[i] == leaf)
            *r = (struct cpuid){ 0, 0, 0, 0 };
}

/* dom0 reads the machine's MADT, so its vCPUs bear the ids that stand there. */
static uint32_t apic_id(const struct pv_vcpu *v)
{
    unsigned id = v->vcpu.id;

    return v->vcpu.domain->is_control && id < nr_cpus ? cpu_apic_id[id] : id * 2;
}

static void xstate_leaf(uint32_t subleaf, struct cpuid *r)
{
    if (subleaf == 0) {
        r->eax &= (uint32_t)cpu_features.xcr0;
        r->edx = 0;
    } else if (subleaf > 1 && (subleaf >= 32 || !(cpu_features.xcr0 >> subleaf & 1))) {
        *r = (struct cpuid){ 0, 0, 0, 0 };
    }
}

static struct cpuid time_leaf(uint32_t subleaf)
{
    uint32_t khz = (uint32_t)clock_tsc_khz();
    struct clock_params p;

    clock_read_params(&p);
    switch (subleaf) {
    case 0:
        return (struct cpuid){ (p.tsc_stable ? TIME_TSC_STABLE : 0) |
                               (cpu_features.rdtscp ? TIME_RDTSCP : 0), 0, khz, 0 };
    case 1:
        return (struct cpuid){ 0, 0, p.mul, (uint8_t)p.shift };
    default:
        return (struct cpuid){ subleaf == 2 ? khz : 0, 0, 0, 0 };
    }
}

static struct cpuid xen_leaf(uint32_t number, uint32_t subleaf)
{
    switch (number) {
    case 0:
        return (struct cpuid){ XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES), XEN_CPUID_SIGNATURE_EBX,
                               XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX };
    case 1:
        return (struct cpuid){ ABI_VERSION, 0, 0, 0 };
    case 2:
        return (struct cpuid){ 1, XEN_CPUID_FIRST_LEAF, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0 };
    case 3:
        return time_leaf(subleaf);
    default:
        return (struct cpuid){ number == 5 ? cpu_features.phys_bits : 0, 0, 0, 0 };
    }
}

const struct pv_domain pv_any_domain = { .cpu_features = { [0 ... CPU_FEATURE_WORDS - 1] = UINT32_MAX } };

struct cpuid pv_cpuid_of_domain(const struct pv_domain *d, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    if (leaf > (leaf >= 0x80000000 ? cpu_features.max_ext_leaf : cpu_features.max_leaf))
        return (struct cpuid){ 0, 0, 0, 0 };
    r = cpuid_read(leaf, subleaf);
    hide(leaf, subleaf, &r);
    if (leaf == 1)
        r.ecx |= BIT(31);
    else if (leaf == 0xd)
        xstate_leaf(subleaf, &r);
    cpu_policy_limit(d, leaf, subleaf, &r);
    return r;
}

struct cpuid pv_cpuid(const struct pv_vcpu *v, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    if (leaf - XEN_CPUID_FIRST_LEAF < 0x10000)
        return xen_leaf(leaf - XEN_CPUID_FIRST_LEAF, subleaf);
    r = pv_cpuid_of_domain(pv_domain(v->vcpu.domain), leaf, subleaf);
    if (leaf == 1)
        r.ebx |= (apic_id(v) & 0xff) << 24;
    else if (leaf == 0xb || leaf == 0x1f)
        r.edx = apic_id(v);
    return r;
}
