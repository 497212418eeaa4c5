// SPDX-License-Identifier: MIT
// CPUID as a PV kernel sees it: what the CPU says, less what no PV kernel can use, plus the leaves
// that name the hypervisor. The CPU here has everything: each bit of each leaf is set (fake_regs/).
#include <string.h>

#include "core/guest_copy.h"
#include "cpu/clock.h"
#include "cpu/cpu_feature.h"
#include "cpu/smp.h"
#include "public/sysctl.h"
#include "pv/pv_domain.h"
#include "public/errno.h"
#include "unit_main.h"

struct cpu_features cpu_features;
unsigned nr_cpus = 2;
uint32_t cpu_apic_id[MAX_CPUS] = { 4, 6 };
struct clock_line clock_read_line(void)
{
    return (struct clock_line){ .mul = 0x12345678, .shift = -3 };
}

uint64_t clock_tsc_khz(void)
{
    return 2345678;
}

static uint32_t lacks; // what the CPU does not have, in each register of each leaf

struct cpuid fake_cpuid_read(uint32_t leaf, uint32_t subleaf)
{
    (void)leaf;
    (void)subleaf;
    return (struct cpuid){ ~lacks, ~lacks, ~lacks, ~lacks };
}

static struct pv_domain pv;

static struct pv_vcpu vcpu = { .vcpu = { .domain = &pv.domain } };

// Guest memory is the test's own.
size_t guest_copy_raw(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
    return 0;
}

static void start(void)
{
    cpuid_init();
    memset(&cpu_features, 0, sizeof(cpu_features));
    cpu_features.max_leaf = 0x1f;
    cpu_features.max_ext_leaf = 0x80000022;
    cpu_features.phys_bits = 40;
    cpu_features.xcr0 = 7;
    pv.domain.is_control = true;
    vcpu.vcpu.id = 0;
    memset(pv.cpu_lacks, 0, sizeof(pv.cpu_lacks));
}

static void names_the_hypervisor(void)
{
    struct cpuid r;

    start();
    r = pv_cpuid(&vcpu, 0x40000000, 0);
    CU_ASSERT_EQUAL(r.eax, 0x40000005);
    CU_ASSERT(!memcmp(&r.ebx, "XenV", 4) && !memcmp(&r.ecx, "MMXe", 4) && !memcmp(&r.edx, "nVMM", 4));
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0x40000001, 0).eax, 4 << 16 | 17);
    r = pv_cpuid(&vcpu, 0x40000002, 0);
    CU_ASSERT_EQUAL(r.eax, 1);
    CU_ASSERT_EQUAL(r.ebx, 0x40000000);
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0x40000005, 0).eax & 0xff, 40);
    r = pv_cpuid(&vcpu, 0x40000100, 0);
    CU_ASSERT_EQUAL(r.eax | r.ebx | r.ecx | r.edx, 0);
}

static void tells_time(void)
{
    struct cpuid r;

    start();
    cpu_features.invariant_tsc = true;
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0x40000003, 0).ecx, 2345678);
    pv.domain.tsc_mode = 2; // Linux takes the TSC for its clock when it reads this
    pv.domain.tsc_incarnation = 7;
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0x40000003, 0).ebx, 2);
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0x40000003, 0).edx, 7);
    r = pv_cpuid(&vcpu, 0x40000003, 1);
    CU_ASSERT_EQUAL(r.ecx, 0x12345678);
    CU_ASSERT_EQUAL((int8_t)r.edx, -3);
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0x40000003, 0).eax & 2, 2);
    cpu_features.invariant_tsc = false;
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0x40000003, 0).eax & 2, 0);
}

// Leaf, register, bit: never shown, whatever the CPU is.
static const struct { uint32_t leaf; unsigned reg, bit; const char *name; } never[] = {
    { 1, 2, 3, "MONITOR" }, { 1, 2, 5, "VMX" }, { 1, 2, 17, "PCID" }, { 1, 2, 21, "x2APIC" },
    { 1, 2, 24, "TSC deadline" }, { 1, 3, 1, "VME" }, { 1, 3, 3, "PSE" }, { 1, 3, 12, "MTRR" },
    { 1, 3, 13, "PGE" }, { 1, 3, 17, "PSE36" }, { 7, 1, 7, "SMEP" }, { 7, 1, 20, "SMAP" },
    { 7, 1, 10, "INVPCID" }, { 7, 2, 2, "UMIP" }, { 7, 2, 3, "PKU" }, { 7, 2, 16, "LA57" },
    { 7, 2, 7, "shadow stacks" }, { 7, 3, 20, "IBT" }, { 7, 3, 26, "IBRS" },
    { 0x80000001, 2, 2, "SVM" }, { 0x80000001, 3, 26, "1 GiB pages" }, { 0x80000021, 0, 8, "automatic IBRS" },
};

static void hides_what_is_not_the_guests(void)
{
    start();
    for (unsigned i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        struct cpuid r = pv_cpuid(&vcpu, never[i].leaf, 0);
        const uint32_t regs[] = { r.eax, r.ebx, r.ecx, r.edx };

        CU_assertImplementation(!(regs[never[i].reg] >> never[i].bit & 1), __LINE__, never[i].name,
                                __FILE__, "", CU_FALSE);
    }
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 1, 0).ecx >> 31, 1);
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 7, 1).eax & (1u << 17 | 1u << 18 | 1u << 26), 0);   // FRED, LKGS, LAM
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0x80000007, 0).edx, 1u << 8);
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0xd, 1).eax & 1u << 3, 0);
}

static void hides_whole_leaves(void)
{
    static const uint32_t leaves[] = { 5, 10, 0xf, 0x10, 0x12, 0x14, 0x8000000a, 0x8000001b, 0x8000001f, 0x80000022 };

    start();
    for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
        for (uint32_t subleaf = 0; subleaf < 3; subleaf++) {
            struct cpuid r = pv_cpuid(&vcpu, leaves[i], subleaf);

            CU_ASSERT_EQUAL(r.eax | r.ebx | r.ecx | r.edx, 0);
        }
    }
}

// What user programs need stays: SSE2, and long mode.
static void keeps_the_rest(void)
{
    start();
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 1, 0).edx >> 26 & 1, 1);
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0x80000001, 0).edx >> 11 & 1, cpuid_read(0x80000001, 0).edx >> 11 & 1);
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0, 0).ebx, cpuid_read(0, 0).ebx);
}

static void ids_are_the_vcpus(void)
{
    start();
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 1, 0).ebx >> 24, 4);
    vcpu.vcpu.id = 1;
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 1, 0).ebx >> 24, 6);
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0xb, 0).edx, 6);
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0x1f, 1).edx, 6);
    pv.domain.is_control = false;
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 1, 0).ebx >> 24, 2);
}

static void leaves_have_bounds(void)
{
    static const uint32_t leaves[] = { 0x7fffffff, 0xffffffff, 0x8fffffff, 0x20000000 };

    start();
    for (unsigned i = 0; i < 4; i++) {
        struct cpuid r = pv_cpuid(&vcpu, leaves[i], 0);

        CU_ASSERT_EQUAL(r.eax | r.ebx | r.ecx | r.edx, 0);
    }
    if (cpu_features.max_leaf >= 0xd) {
        struct cpuid r = pv_cpuid(&vcpu, 0xd, 9);

        CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0xd, 0).eax & ~7u, 0);
        CU_ASSERT_EQUAL(r.eax | r.ebx | r.ecx | r.edx, 0);
        r = pv_cpuid(&vcpu, 0xd, 0xffffffff);
        CU_ASSERT_EQUAL(r.eax | r.ebx | r.ecx | r.edx, 0);
    }
}

// What a toolstack is told, may set, and what its guest is shown then.
static void policies_limit_their_guest(void)
{
    static struct xen_cpuid_leaf leaves[200];
    struct xen_domctl op = { .u.cpu_policy = { .nr_leaves = 0 } };
    struct xen_domctl_cpu_policy *p = &op.u.cpu_policy;
    struct xen_msr_entry msr = { .idx = 0xce };
    uint32_t nr, most, most7;

    start();
    most = pv_cpuid(&vcpu, 1, 0).ecx;
    most7 = pv_cpuid(&vcpu, 7, 0).ebx;
    CU_ASSERT_EQUAL(pv_get_cpu_policy(&pv.domain, &op), 0);
    nr = p->nr_leaves;
    CU_ASSERT(nr > 60 && nr <= 200);
    CU_ASSERT_EQUAL(p->nr_msrs, 2);
    *p = (struct xen_domctl_cpu_policy){ .leaves = (uintptr_t)leaves, .nr_leaves = nr - 3 }; // two are room for the leaves of ours
    CU_ASSERT_EQUAL(pv_get_cpu_policy(&pv.domain, &op), -XEN_ENOBUFS);
    p->nr_leaves = nr - 2;
    CU_ASSERT_EQUAL(pv_get_cpu_policy(&pv.domain, &op), 0);
    CU_ASSERT_EQUAL(leaves[1].leaf, 1);
    CU_ASSERT_EQUAL(leaves[1].subleaf, XEN_CPUID_NO_SUBLEAF);
    CU_ASSERT_EQUAL(leaves[1].c, most);
    p->nr_leaves = nr - 2;
    p->nr_msrs = 0;
    CU_ASSERT_EQUAL(pv_set_cpu_policy(&pv.domain, &op), 0); // what it was told it may say
    leaves[0] = (struct xen_cpuid_leaf){ .leaf = 1, .subleaf = XEN_CPUID_NO_SUBLEAF, .c = most & ~1u };
    p->nr_leaves = 1;
    CU_ASSERT_EQUAL(pv_set_cpu_policy(&pv.domain, &op), 0);
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 1, 0).ecx, most & ~1u);
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 7, 0).ebx, most7);
    leaves[0].c = ~most; // the machine has it all, but a guest is not shown it
    CU_ASSERT_EQUAL(pv_set_cpu_policy(&pv.domain, &op), 0);
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 1, 0).ecx, 0);
    leaves[0].c = most & ~1u;
    CU_ASSERT_EQUAL(pv_set_cpu_policy(&pv.domain, &op), 0);
    lacks = 2;
    leaves[0].c = most | 2;
    CU_ASSERT_EQUAL(pv_set_cpu_policy(&pv.domain, &op), -XEN_EINVAL);
    CU_ASSERT_EQUAL(p->err_leaf, 1);
    lacks = 4; // LFENCE that serialises, which Debian's Xen has arranged on a machine that does not say so
    leaves[0] = (struct xen_cpuid_leaf){ .leaf = 0x80000021, .subleaf = XEN_CPUID_NO_SUBLEAF, .a = 4 };
    CU_ASSERT_EQUAL(pv_set_cpu_policy(&pv.domain, &op), 0);
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0x80000021, 0).eax & 4, 0);
    lacks = 0;
    CU_ASSERT_EQUAL(p->err_msr, UINT32_MAX);
    CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 1, 0).ecx, most & ~1u);
    *p = (struct xen_domctl_cpu_policy){ .nr_msrs = 1, .msrs = (uintptr_t)&msr };
    CU_ASSERT_EQUAL(pv_set_cpu_policy(&pv.domain, &op), 0);
    msr.val = 1;
    CU_ASSERT_EQUAL(pv_set_cpu_policy(&pv.domain, &op), -XEN_EINVAL);
    CU_ASSERT_EQUAL(p->err_msr, 0xce);
    p->nr_leaves = UINT32_MAX;
    CU_ASSERT_EQUAL(pv_set_cpu_policy(&pv.domain, &op), -XEN_E2BIG);
}

static void featuresets_are_by_index(void)
{
    uint32_t word[CPU_FEATURE_WORDS + 1] = { 0 };
    struct xen_sysctl_cpu_featureset f = { .index = 0 };

    start();
    CU_ASSERT_EQUAL(pv_sysctl_cpu_featureset(NULL, &f), 0);
    CU_ASSERT_EQUAL(f.nr_features, CPU_FEATURE_WORDS);
    f.features = (uintptr_t)word;
    f.index = XEN_SYSCTL_cpu_featureset_pv;
    f.nr_features = 1000;
    CU_ASSERT_EQUAL(pv_sysctl_cpu_featureset(NULL, &f), 0);
    CU_ASSERT_EQUAL(word[1], pv_cpuid(&vcpu, 1, 0).ecx);
    CU_ASSERT_EQUAL(word[5], pv_cpuid(&vcpu, 7, 0).ebx);
    CU_ASSERT_EQUAL(word[CPU_FEATURE_WORDS], 0);
    f.index = XEN_SYSCTL_cpu_featureset_raw;
    CU_ASSERT_EQUAL(pv_sysctl_cpu_featureset(NULL, &f), 0);
    CU_ASSERT_EQUAL(word[5], UINT32_MAX);
    f.index = XEN_SYSCTL_cpu_featureset_hvm;
    CU_ASSERT_EQUAL(pv_sysctl_cpu_featureset(NULL, &f), -XEN_EOPNOTSUPP);
    f.index = 6;
    CU_ASSERT_EQUAL(pv_sysctl_cpu_featureset(NULL, &f), -XEN_EINVAL);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "names_the_hypervisor", names_the_hypervisor },
        { "tells_time", tells_time },
        { "hides_what_is_not_the_guests", hides_what_is_not_the_guests },
        { "hides_whole_leaves", hides_whole_leaves },
        { "keeps_the_rest", keeps_the_rest },
        { "ids_are_the_vcpus", ids_are_the_vcpus },
        { "leaves_have_bounds", leaves_have_bounds },
        { "policies_limit_their_guest", policies_limit_their_guest },
        { "featuresets_are_by_index", featuresets_are_by_index },
        { NULL, NULL },
    };

    return unit_main("cpuid", tests);
}
