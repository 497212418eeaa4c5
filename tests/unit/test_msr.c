// SPDX-License-Identifier: MIT
// MSRs as a PV kernel sees them. The CPU's own registers are the test's (fake_regs/): one that this CPU does
// not have must not even be asked for, since that would fault in ring 0.
#include "core/hypercall.h"
#include "cpu/cpu_feature.h"
#include "cpu/guest_state.h"
#include "fake_machine.h"
#include "lib/string.h"
#include "pv/pv_domain.h"
#include "unit_main.h"

#define PLATFORM_INFO   0xceu
#define HYPERCALL_PAGE  0x40000000u
#define REAL            UINT64_C(0x1122334455667788)
#define NONCANONICAL    UINT64_C(0x800000000000)

struct cpu_features cpu_features;
struct fake_guest_state fake_state;

static struct pv_domain domain;
static struct pv_vcpu v;
static unsigned reads, types;
static int type_result;

uint64_t fake_rdmsr(uint32_t msr)
{
    reads++;
    return msr == MSR_EFER ? EFER_SCE | EFER_LME | (1u << 10) | EFER_SVME : REAL + msr;
}

bool guest_get_data(struct domain *d, mfn_t m, bool is_writable)
{
    CU_ASSERT(d == &domain.domain && is_writable);
    if (!mfn_valid(m) || type_result)
        return false;
    types++;
    return true;
}

void guest_put_data(mfn_t m, bool is_writable)
{
    CU_ASSERT(mfn_eq(m, mfn(1)) && is_writable);
    types--;
}

static void start(bool intel)
{
    memset(&cpu_features, 0, sizeof(cpu_features));
    memset(&fake_state, 0, sizeof(fake_state));
    memset(&v, 0, sizeof(v));
    cpu_features.intel = intel;
    v.vcpu.domain = &domain.domain;
    reads = types = 0;
    type_result = 0;
}

static bool reads_as(uint32_t msr, uint64_t expected)
{
    uint64_t value = ~expected;

    return !pv_read_msr(&v, msr, &value) && value == expected;
}

static bool readable(uint32_t msr)
{
    uint64_t value;

    return !pv_read_msr(&v, msr, &value);
}

static bool writable(uint32_t msr, uint64_t value)
{
    return !pv_write_msr(&v, msr, value);
}

static void unknown_ones(void)
{
    static const uint32_t numbers[] = {
        0, 0x1b + 1, 0x38f, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, 0xda0, 0x6e0, 0x802, 0x277 + 1,
        0xc0010117, UINT32_MAX,
    };

    start(true);
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        CU_ASSERT_FALSE(readable(numbers[i]));
        CU_ASSERT_FALSE(writable(numbers[i], 0));
    }
    CU_ASSERT_FALSE(readable(HYPERCALL_PAGE));
    CU_ASSERT_EQUAL(reads, 0);
}

static void another_vendors(void)
{
    start(false);
    CU_ASSERT_FALSE(readable(PLATFORM_INFO));
    CU_ASSERT_FALSE(readable(MSR_MISC_ENABLE));
    CU_ASSERT_FALSE(writable(MSR_MISC_ENABLE, REAL + MSR_MISC_ENABLE));
    CU_ASSERT_FALSE(writable(MSR_MISC_ENABLE, 0));
    CU_ASSERT_EQUAL(reads, 0);
    start(true);
    CU_ASSERT(reads_as(PLATFORM_INFO, REAL + PLATFORM_INFO));
    CU_ASSERT(writable(MSR_MISC_ENABLE, REAL + MSR_MISC_ENABLE));
    CU_ASSERT_FALSE(writable(MSR_MISC_ENABLE, REAL));
    CU_ASSERT_FALSE(writable(PLATFORM_INFO, REAL + PLATFORM_INFO));
}

/* A kernel saved under Debian's Xen polls the banks that it had there; a fault there is its end. */
static void machine_check_banks(void)
{
    start(true);
    for (uint32_t msr = 0x400; msr < 0x480; msr++) {
        CU_ASSERT(reads_as(msr, 0));
        CU_ASSERT(writable(msr, 0));
    }
    CU_ASSERT_FALSE(readable(0x3ff));
    CU_ASSERT_FALSE(readable(0x480));
    CU_ASSERT_EQUAL(reads, 0);
}

/* A kernel may write back what it read, and nothing else. */
static void efer_and_pat(void)
{
    start(true);
    CU_ASSERT(reads_as(MSR_EFER, EFER_SCE | EFER_LME | (1u << 10)));
    CU_ASSERT(writable(MSR_EFER, EFER_SCE | EFER_LME | (1u << 10)));
    CU_ASSERT_FALSE(writable(MSR_EFER, EFER_SCE | EFER_LME | (1u << 10) | EFER_SVME));
    CU_ASSERT(reads_as(MSR_PAT, REAL + MSR_PAT));
    CU_ASSERT(writable(MSR_PAT, REAL + MSR_PAT));
    CU_ASSERT_FALSE(writable(MSR_PAT, 0));
}

static void bases(void)
{
    for (uint32_t i = 0; i < 3; i++) {
        start(true);
        CU_ASSERT(writable(MSR_FS_BASE + i, NONCANONICAL - 1));
        CU_ASSERT_EQUAL(fake_state.msr[i], NONCANONICAL - 1);
        CU_ASSERT_FALSE(writable(MSR_FS_BASE + i, NONCANONICAL));
        CU_ASSERT_FALSE(writable(MSR_FS_BASE + i, ~NONCANONICAL));
        CU_ASSERT(writable(MSR_FS_BASE + i, -NONCANONICAL));
        CU_ASSERT_EQUAL(fake_state.msr[i], -NONCANONICAL);
        CU_ASSERT(reads_as(MSR_FS_BASE + i, REAL + MSR_FS_BASE + i));
    }
}

static void tsc_aux(void)
{
    start(true);
    CU_ASSERT_FALSE(readable(MSR_TSC_AUX));
    CU_ASSERT_FALSE(writable(MSR_TSC_AUX, 3));
    cpu_features.rdtscp = true;
    CU_ASSERT(writable(MSR_TSC_AUX, UINT32_MAX));
    CU_ASSERT_EQUAL(v.tsc_aux, UINT32_MAX);
    CU_ASSERT_EQUAL(fake_state.msr[3], UINT32_MAX);
    CU_ASSERT_FALSE(writable(MSR_TSC_AUX, UINT64_C(1) << 32));
    CU_ASSERT(reads_as(MSR_TSC_AUX, UINT32_MAX));
    CU_ASSERT_EQUAL(reads, 0);
}

static void apic_base(void)
{
    start(true);
    CU_ASSERT(reads_as(MSR_APIC_BASE, 0xfee00900));
    CU_ASSERT_FALSE(writable(MSR_APIC_BASE, 0xfee00900));
    v.vcpu.id = 1;
    CU_ASSERT(reads_as(MSR_APIC_BASE, 0xfee00800));
}

static void hypercall_page(void)
{
    uint8_t *page;

    start(true);
    fake_memory_create(3, 0);
    page = mfn_to_virt(mfn(1));
    memset(page, 0xee, PAGE_SIZE);
    type_result = -XEN_EINVAL;
    CU_ASSERT_FALSE(writable(HYPERCALL_PAGE, PAGE_SIZE));
    type_result = 0;
    CU_ASSERT_FALSE(writable(HYPERCALL_PAGE, PAGE_SIZE | 1));
    CU_ASSERT_FALSE(writable(HYPERCALL_PAGE, 3 * PAGE_SIZE));
    CU_ASSERT_FALSE(writable(HYPERCALL_PAGE, -(uint64_t)PAGE_SIZE));
    CU_ASSERT_EQUAL(page[0], 0xee);
    CU_ASSERT(writable(HYPERCALL_PAGE, PAGE_SIZE));
    CU_ASSERT_EQUAL(types, 0);
    for (unsigned nr = 0; nr < NR_HYPERCALLS; nr++) {
        unsigned at = nr == __HYPERVISOR_iret ? 5 : 4;

        CU_ASSERT_EQUAL(page[32 * nr], 0x51);
        CU_ASSERT_EQUAL(page[32 * nr + at - 1], 0xb8);
        CU_ASSERT_EQUAL(page[32 * nr + at], nr);
        CU_ASSERT(!memcmp(page + 32 * nr + at + 4, "\x0f\x05", 2));
        CU_ASSERT(nr == __HYPERVISOR_iret ? !memcmp(page + 32 * nr + 11, "\x0f\x0b", 2) : page[32 * nr + 13] == 0xc3);
    }
    CU_ASSERT_EQUAL(page[32 * NR_HYPERCALLS], 0xcc);
    CU_ASSERT_EQUAL(page[PAGE_SIZE - 1], 0xcc);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "unknown_ones", unknown_ones },
        { "another_vendors", another_vendors },
        { "machine_check_banks", machine_check_banks },
        { "efer_and_pat", efer_and_pat },
        { "bases", bases },
        { "tsc_aux", tsc_aux },
        { "apic_base", apic_base },
        { "hypercall_page", hypercall_page },
        { NULL, NULL },
    };

    return unit_main("msr", tests);
}
