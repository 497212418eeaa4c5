// SPDX-License-Identifier: MIT
/*
 * What a guest sees of CPUID: the CPU's own answer, less what a PV kernel cannot use (rows below), less what its policy
 * lacks, plus the leaves by which it knows where it runs. A PV kernel asks through the ABI's forced emulation; its users
 * see the CPU's own answer.
 *
 * Toolstacks read and set it in two forms: the ABI's featureset, a list of words with feature bits only, and whole
 * policies, lists of leaves. Only feature bits of a policy limit its guest; the rest of it is the machine's.
 */
#include "cpu/cpu_feature.h"
#include "public/arch-x86/cpuid.h"
#include "public/sysctl.h"
#include "pv/pv_domain.h"

#define ABI_VERSION        (4u << 16 | 17u)
#define BIT(n)             (1u << (n))
#define HIDE_ALL           UINT32_MAX
#define TIME_TSC_STABLE    BIT(1)
#define TIME_RDTSCP        BIT(2)
#define FIRST_EXT_LEAF     0x80000000u
#define LAST_BASIC_LEAF    0xdu          /* what toolstacks know of */
#define LAST_EXT_LEAF      0x80000021u
#define NO_LEAF            UINT32_MAX
#define MSR_PLATFORM_INFO  0xceu
#define LEAVES_OF_OURS     2u            /* 0x40000000 and 0x40000100, which toolstacks add to a list */
#define MAX_LEAVES         1024u         /* of a list that is given to us */

/*
 * Registers of CPUID, and what a PV kernel cannot use of them. The first rows are the words of the ABI's featureset, in its
 * order. The sub-leaf counts for leaves that have some.
 */
enum { EAX, EBX, ECX, EDX };
static const struct { uint32_t leaf; uint8_t subleaf, reg; uint32_t hidden; } rows[] = {
    { 1, 0, EDX, BIT(1) | BIT(3) | BIT(12) | BIT(13) | BIT(17) | BIT(21) | BIT(22) | BIT(29) | BIT(31) },
    { 1, 0, ECX, BIT(2) | BIT(3) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(10) | BIT(15) | BIT(17) | BIT(18) | BIT(21) |
                 BIT(24) },
    { 0x80000001, 0, EDX, BIT(1) | BIT(3) | BIT(12) | BIT(13) | BIT(17) | BIT(26) },
    { 0x80000001, 0, ECX, BIT(1) | BIT(2) | BIT(3) | BIT(9) | BIT(10) | BIT(12) | BIT(13) | BIT(15) | BIT(19) | BIT(22) |
                          BIT(23) | BIT(24) | BIT(26) | BIT(27) | BIT(28) | BIT(29) },
    { 0xd, 1, EAX, BIT(3) | BIT(4) },
    { 7, 0, EBX, BIT(1) | BIT(2) | BIT(4) | BIT(7) | BIT(10) | BIT(11) | BIT(12) | BIT(14) | BIT(15) | BIT(20) | BIT(25) },
    { 7, 0, ECX, BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(7) | BIT(13) | BIT(16) | BIT(24) | BIT(29) | BIT(30) | BIT(31) },
    { 0x80000007, 0, EDX, ~BIT(8) },
    { 0x80000008, 0, EBX, ~(BIT(0) | BIT(2) | BIT(9)) },
    { 7, 0, EDX, BIT(5) | BIT(9) | BIT(13) | BIT(15) | BIT(18) | BIT(19) | BIT(20) | BIT(22) | BIT(24) | BIT(25) |
                 BIT(26) | BIT(27) | BIT(28) | BIT(29) | BIT(30) | BIT(31) },
    { 7, 1, EAX, BIT(17) | BIT(18) | BIT(19) | BIT(20) | BIT(22) | BIT(26) | BIT(27) },
    { 0x80000021, 0, EAX, BIT(8) | BIT(13) | BIT(17) | BIT(27) },
    { 7, 1, EBX, HIDE_ALL }, { 7, 2, EDX, HIDE_ALL }, { 7, 1, ECX, HIDE_ALL }, { 7, 1, EDX, BIT(18) },
    { NO_LEAF, 0, EAX, 0 }, { NO_LEAF, 0, EAX, 0 }, { 0x80000021, 0, ECX, HIDE_ALL },
    [CPU_FEATURE_WORDS] = { 1, 0, EBX, 0xff000000 }, { 0xd, 1, ECX, HIDE_ALL }, { 0xd, 1, EDX, HIDE_ALL },
    { 6, 0, EAX, ~BIT(2) }, { 6, 0, EBX, HIDE_ALL }, { 6, 0, ECX, HIDE_ALL }, { 6, 0, EDX, HIDE_ALL },
    { 7, 2, EAX, HIDE_ALL }, { 7, 2, EBX, HIDE_ALL }, { 7, 2, ECX, HIDE_ALL }, { 0x80000008, 0, EDX, HIDE_ALL },
    { 0x80000007, 0, EAX, HIDE_ALL }, { 0x80000007, 0, EBX, HIDE_ALL }, { 0x80000007, 0, ECX, HIDE_ALL },
    { 0x80000021, 0, EBX, HIDE_ALL }, { 0x80000021, 0, EDX, HIDE_ALL },
};

/* Leaves of which nothing is shown: basic ones, and ones from FIRST_EXT_LEAF on. */
#define LEAF(n)            (UINT64_C(1) << (n))
static const uint64_t hidden_leaves[] = {
    LEAF(5) | LEAF(10) | LEAF(0xf) | LEAF(0x10) | LEAF(0x12) | LEAF(0x14), LEAF(0xa) | LEAF(0x1b) | LEAF(0x1f) | LEAF(0x22),
};
static uint64_t rows_of[2][64];          /* the rows of each of these leaves, as bits */
_Static_assert(ARRAY_SIZE(rows) <= 64, "a row is a bit");

static uint32_t *reg_of(struct cpuid *r, unsigned row)
{
    return &r->eax + rows[row].reg;
}
_Static_assert(offsetof(struct cpuid, edx) == EDX * sizeof(uint32_t), "registers stand in the order of their numbers");

static uint32_t subleaf_of_row(uint32_t leaf, uint32_t subleaf)
{
    return leaf == 7 || leaf == 0xd ? subleaf : 0;
}

void cpuid_init(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        rows_of[rows[i].leaf >= FIRST_EXT_LEAF][rows[i].leaf & 63] |= UINT64_C(1) << i;
}

/* `lacks`: features that a policy does not have. */
static void hide(const uint32_t *lacks, uint32_t leaf, uint32_t subleaf, struct cpuid *r)
{
    unsigned is_ext = leaf >= FIRST_EXT_LEAF, n = leaf & 63;

    if ((leaf & ~FIRST_EXT_LEAF) > 63)
        return;
    if (hidden_leaves[is_ext] >> n & 1)
        *r = (struct cpuid){ 0, 0, 0, 0 };
    subleaf = subleaf_of_row(leaf, subleaf);
    for (uint64_t left = rows_of[is_ext][n]; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        if (rows[i].leaf == leaf && rows[i].subleaf == subleaf)
            *reg_of(r, i) &= ~(rows[i].hidden | (i < CPU_FEATURE_WORDS ? lacks[i] : 0));
    }
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

/* NULL: the machine's own answer. Else what a guest with such a policy is shown, less what differs between its vCPUs. */
static struct cpuid ask(const uint32_t *lacks, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r = { 0, 0, 0, 0 };

    if (leaf > (leaf >= FIRST_EXT_LEAF ? cpu_features.max_ext_leaf : cpu_features.max_leaf))
        return r;
    r = cpuid_read(leaf, subleaf);
    if (!lacks)
        return r;
    if (leaf == 1)
        r.ecx |= BIT(31);
    else if (leaf == 0xd)
        xstate_leaf(subleaf, &r);
    hide(lacks, leaf, subleaf, &r);
    return r;
}

/* A guest whose mode is never to be emulated takes the TSC for its clock, where that is stable. */
static struct cpuid time_leaf(const struct domain *d, uint32_t subleaf)
{
    uint32_t khz = (uint32_t)clock_tsc_khz();
    struct clock_line line = clock_read_line();

    switch (subleaf) {
    case 0:
        return (struct cpuid){ (cpu_features.invariant_tsc ? TIME_TSC_STABLE : 0) |
                               (cpu_features.rdtscp ? TIME_RDTSCP : 0), d->tsc_mode, khz, d->tsc_incarnation };
    case 1:
        return (struct cpuid){ 0, 0, line.mul, (uint8_t)line.shift };
    default:
        return (struct cpuid){ subleaf == 2 ? khz : 0, 0, 0, 0 };
    }
}

static struct cpuid xen_leaf(const struct domain *d, uint32_t number, uint32_t subleaf)
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
        return time_leaf(d, subleaf);
    default:
        return (struct cpuid){ number == 5 ? cpu_features.phys_bits : 0, 0, 0, 0 };
    }
}

/* dom0 reads the machine's MADT, so its vCPUs bear the ids that stand there. */
static uint32_t apic_id(const struct pv_vcpu *v)
{
    unsigned id = v->vcpu.id;

    return v->vcpu.domain->is_control && id < nr_cpus ? cpu_apic_id[id] : id * 2;
}

struct cpuid pv_cpuid(const struct pv_vcpu *v, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    if (leaf - XEN_CPUID_FIRST_LEAF < 0x10000)
        return xen_leaf(v->vcpu.domain, leaf - XEN_CPUID_FIRST_LEAF, subleaf);
    r = ask(pv_domain(v->vcpu.domain)->cpu_lacks, leaf, subleaf);
    if (leaf == 1)
        r.ebx |= (apic_id(v) & 0xff) << 24;
    else if (leaf == 0xb || leaf == 0x1f)
        r.edx = apic_id(v);
    return r;
}

/* ---- lists of leaves ---- */

static const uint32_t lacks_nothing[CPU_FEATURE_WORDS];

static uint32_t feature_word(const uint32_t *lacks, unsigned i)
{
    struct cpuid r = ask(lacks, rows[i].leaf, rows[i].subleaf);

    return *reg_of(&r, i);
}

void guest_cpu_features(uint32_t *to, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++)
        to[i] = i < CPU_FEATURE_WORDS ? feature_word(NULL, i) : 0;
}

struct leaf_list {
    const uint32_t *lacks;
    uint64_t to;                         /* guest address; 0: only count */
    uint32_t nr, room;
};

static int put_leaf(struct leaf_list *l, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r = ask(l->lacks, leaf, subleaf == XEN_CPUID_NO_SUBLEAF ? 0 : subleaf);
    const struct xen_cpuid_leaf entry = {leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx};

    if (l->to && l->nr == l->room)
        return -XEN_ENOBUFS;
    if (l->to && copy_to_guest(l->to + l->nr * sizeof(entry), &entry, sizeof(entry)))
        return -XEN_EFAULT;
    l->nr++;
    return 0;
}

/* How many subleaves of a leaf are told; 0: it has none. */
static uint32_t nr_subleaves(const uint32_t *lacks, uint32_t leaf)
{
    switch (leaf) {
    case 4:
        return 6;
    case 7:
        return MIN(ask(lacks, 7, 0).eax, 2u) + 1;
    case 0xb:
        return 2;
    case 0xd:
        return 63;
    default:
        return 0;
    }
}

static int put_leaves(struct leaf_list *l, uint32_t first, uint32_t last)
{
    int rc = 0;

    for (uint32_t leaf = first; leaf <= last && !rc; leaf++) {
        uint32_t nr = nr_subleaves(l->lacks, leaf);

        for (uint32_t i = 0; i < MAX(nr, 1u) && !rc; i++)
            rc = put_leaf(l, leaf, nr ? i : XEN_CPUID_NO_SUBLEAF);
    }
    return rc;
}

/* The MSRs of a policy. Both are 0: CPUID does not fault in a guest's user mode, and no more is known of its CPU. */
static int put_msrs(uint64_t to, uint32_t *nr)
{
    const struct xen_msr_entry entries[] = {{.idx = MSR_PLATFORM_INFO}, {.idx = MSR_ARCH_CAPS}};

    if (to && *nr < ARRAY_SIZE(entries))
        return -XEN_ENOBUFS;
    *nr = ARRAY_SIZE(entries);
    return to ? copy_to_guest(to, entries, sizeof(entries)) : 0;
}

static int put_policy(const uint32_t *lacks, uint64_t leaves, uint32_t *nr_leaves, uint64_t msrs, uint32_t *nr_msrs)
{
    struct leaf_list l = { .lacks = lacks, .to = leaves, .room = *nr_leaves };
    int rc = put_leaves(&l, 0, MIN(cpu_features.max_leaf, LAST_BASIC_LEAF));

    if (!rc)
        rc = put_leaves(&l, FIRST_EXT_LEAF, MIN(cpu_features.max_ext_leaf, LAST_EXT_LEAF));
    *nr_leaves = l.nr + (leaves ? 0 : LEAVES_OF_OURS);
    return rc ? rc : put_msrs(msrs, nr_msrs);
}

int pv_get_cpu_policy(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_cpu_policy *p = &op->u.cpu_policy;

    return put_policy(pv_domain(d)->cpu_lacks, p->leaves, &p->nr_leaves, p->msrs, &p->nr_msrs);
}

/*
 * What the machine has may be asked for, also where a PV guest is never shown it: toolstacks do so with bits of topology. The
 * leaf of how instructions behave is not checked: Debian's Xen says there what it has arranged, that LFENCE serialises.
 */
static int take_leaf(const struct xen_cpuid_leaf *leaf, uint32_t *lacks)
{
    struct cpuid r = { leaf->a, leaf->b, leaf->c, leaf->d };

    for (unsigned i = 0; i < CPU_FEATURE_WORDS; i++) {
        if (rows[i].leaf != leaf->leaf || rows[i].subleaf != subleaf_of_row(leaf->leaf, leaf->subleaf))
            continue;
        lacks[i] = ~*reg_of(&r, i);
        if (leaf->leaf != LAST_EXT_LEAF && ~(lacks[i] | feature_word(NULL, i) | feature_word(lacks_nothing, i)))
            return -XEN_EINVAL;
    }
    return 0;
}

static int take_leaves(struct xen_domctl_cpu_policy *p, uint32_t *lacks)
{
    struct xen_cpuid_leaf leaf;

    for (uint32_t i = 0; i < p->nr_leaves; i++) {
        if (copy_from_guest(&leaf, p->leaves + i * sizeof(leaf), sizeof(leaf)))
            return -XEN_EFAULT;
        if (take_leaf(&leaf, lacks)) {
            p->err_leaf = leaf.leaf;
            p->err_subleaf = leaf.subleaf;
            return -XEN_EINVAL;
        }
    }
    return 0;
}

static int check_msrs(struct xen_domctl_cpu_policy *p)
{
    struct xen_msr_entry msr;

    for (uint32_t i = 0; i < p->nr_msrs; i++) {
        if (copy_from_guest(&msr, p->msrs + i * sizeof(msr), sizeof(msr)))
            return -XEN_EFAULT;
        if (msr.val || msr.flags) {
            p->err_msr = msr.idx;
            return -XEN_EINVAL;
        }
    }
    return 0;
}

int pv_set_cpu_policy(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_cpu_policy *p = &op->u.cpu_policy;
    uint32_t lacks[CPU_FEATURE_WORDS];
    int rc;

    if (p->nr_leaves > MAX_LEAVES || p->nr_msrs > MAX_LEAVES)
        return -XEN_E2BIG;
    p->err_leaf = p->err_subleaf = p->err_msr = UINT32_MAX;
    memcpy(lacks, pv_domain(d)->cpu_lacks, sizeof(lacks));
    rc = take_leaves(p, lacks);
    if (!rc)
        rc = check_msrs(p);
    if (!rc)
        memcpy(pv_domain(d)->cpu_lacks, lacks, sizeof(lacks));
    return rc;
}

/* ---- the machine's ---- */

long pv_sysctl_cpu_featureset(struct vcpu *v UNUSED, void *arg)
{
    struct xen_sysctl_cpu_featureset *f = arg;
    const uint32_t *lacks = f->index <= XEN_SYSCTL_cpu_featureset_host ? NULL : lacks_nothing;
    uint32_t nr = f->features ? MIN(f->nr_features, CPU_FEATURE_WORDS) : 0;

    if (f->index > XEN_SYSCTL_cpu_featureset_hvm_max)
        return -XEN_EINVAL;
    if (f->index == XEN_SYSCTL_cpu_featureset_hvm || f->index == XEN_SYSCTL_cpu_featureset_hvm_max)
        return -XEN_EOPNOTSUPP;
    for (uint32_t i = 0; i < nr; i++) {
        uint32_t word = feature_word(lacks, i);
        if (copy_to_guest(f->features + i * sizeof(word), &word, sizeof(word)))
            return -XEN_EFAULT;
    }
    f->nr_features = CPU_FEATURE_WORDS;
    return 0;
}

long pv_sysctl_cpu_policy(struct vcpu *v UNUSED, void *arg)
{
    struct xen_sysctl_cpu_policy *p = arg;
    const uint32_t *lacks = p->index <= XEN_SYSCTL_cpu_policy_host ? NULL : lacks_nothing;

    if (p->index > XEN_SYSCTL_cpu_policy_hvm_default || p->_rsvd)
        return -XEN_EINVAL;
    if (p->index == XEN_SYSCTL_cpu_policy_hvm_max || p->index == XEN_SYSCTL_cpu_policy_hvm_default)
        return -XEN_EOPNOTSUPP;
    return put_policy(lacks, p->leaves, &p->nr_leaves, p->msrs, &p->nr_msrs);
}

/* There are none. */
long pv_sysctl_cpu_levelling_caps(struct vcpu *v UNUSED, void *arg)
{
    *(struct xen_sysctl_cpu_levelling_caps *)arg = (struct xen_sysctl_cpu_levelling_caps){0};
    return 0;
}
