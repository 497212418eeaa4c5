// SPDX-License-Identifier: MIT
/* See pv/cpu_policy.h. Only feature bits of a policy limit its guest; the rest of it is the machine's. */
#include "pv/cpu_policy.h"

#include "core/guest_copy.h"
#include "cpu/cpu_feature.h"

#define FIRST_EXT_LEAF     0x80000000u
#define LAST_BASIC_LEAF    0xdu          /* what toolstacks know of */
#define LAST_EXT_LEAF      0x80000021u
#define MSR_PLATFORM_INFO  0xceu
#define LEAVES_OF_OURS     2u            /* 0x40000000 and 0x40000100, which toolstacks add to a list */
#define MAX_LEAVES         1024u         /* of a list that is given to us */

enum { EAX, EBX, ECX, EDX, NONE };

/* The words of the ABI's featureset, in its order. */
static const struct { uint32_t leaf; uint8_t subleaf, reg; } words[CPU_FEATURE_WORDS] = {
    {1, 0, EDX}, {1, 0, ECX}, {0x80000001, 0, EDX}, {0x80000001, 0, ECX}, {0xd, 1, EAX}, {7, 0, EBX}, {7, 0, ECX},
    {0x80000007, 0, EDX}, {0x80000008, 0, EBX}, {7, 0, EDX}, {7, 1, EAX}, {0x80000021, 0, EAX}, {7, 1, EBX}, {7, 2, EDX},
    {7, 1, ECX}, {7, 1, EDX}, {0, 0, NONE}, {0, 0, NONE}, {0x80000021, 0, ECX},
};

static uint32_t *reg_of(struct cpuid *r, unsigned reg)
{
    uint32_t *const regs[] = {&r->eax, &r->ebx, &r->ecx, &r->edx};

    return regs[reg];
}

static bool word_is_of(unsigned i, uint32_t leaf, uint32_t subleaf)
{
    bool has_subleaves = leaf == 7 || leaf == 0xd;

    return words[i].reg != NONE && words[i].leaf == leaf && (!has_subleaves || words[i].subleaf == subleaf);
}

void cpu_policy_limit(const struct pv_domain *d, uint32_t leaf, uint32_t subleaf, struct cpuid *r)
{
    for (unsigned i = 0; i < CPU_FEATURE_WORDS; i++)
        if (word_is_of(i, leaf, subleaf))
            *reg_of(r, words[i].reg) &= d->cpu_features[i];
}

void cpu_policy_init(struct pv_domain *d)
{
    memset(d->cpu_features, 0xff, sizeof(d->cpu_features));
}

/* NULL: the machine's own answer. Else what a vCPU of d is shown, less what differs between vCPUs. */
static struct cpuid ask(const struct pv_domain *d, uint32_t leaf, uint32_t subleaf)
{
    if (leaf > (leaf >= FIRST_EXT_LEAF ? cpu_features.max_ext_leaf : cpu_features.max_leaf))
        return (struct cpuid){0, 0, 0, 0};
    return d ? pv_cpuid_of_domain(d, leaf, subleaf) : cpuid_read(leaf, subleaf);
}

static uint32_t feature_word(const struct pv_domain *d, unsigned i)
{
    struct cpuid r;

    if (words[i].reg == NONE)
        return 0;
    r = ask(d, words[i].leaf, words[i].subleaf);
    return *reg_of(&r, words[i].reg);
}

void cpu_policy_features(uint32_t *to, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++)
        to[i] = i < CPU_FEATURE_WORDS ? feature_word(NULL, i) : 0;
}

/* ---- lists of leaves ---- */

struct leaf_list {
    const struct pv_domain *d;
    uint64_t to;                         /* guest address; 0: only count */
    uint32_t nr, room;
};

static int put_leaf(struct leaf_list *l, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r = ask(l->d, leaf, subleaf == XEN_CPUID_NO_SUBLEAF ? 0 : subleaf);
    const struct xen_cpuid_leaf entry = {leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx};

    if (l->to && l->nr == l->room)
        return -XEN_ENOBUFS;
    if (l->to && copy_to_guest(l->to + l->nr * sizeof(entry), &entry, sizeof(entry)))
        return -XEN_EFAULT;
    l->nr++;
    return 0;
}

/* How many subleaves of a leaf are told; 0: it has none. */
static uint32_t nr_subleaves(const struct pv_domain *d, uint32_t leaf)
{
    switch (leaf) {
    case 4:
        return 6;
    case 7:
        return MIN(ask(d, 7, 0).eax, 2u) + 1;
    case 0xb:
        return 2;
    case 0xd:
        return 63;
    default:
        return 0;
    }
}

static int put_leaves(struct leaf_list *l, uint32_t leaf)
{
    uint32_t nr = nr_subleaves(l->d, leaf);
    int rc = 0;

    if (!nr)
        return put_leaf(l, leaf, XEN_CPUID_NO_SUBLEAF);
    for (uint32_t i = 0; i < nr && !rc; i++)
        rc = put_leaf(l, leaf, i);
    return rc;
}

static int put_all_leaves(struct leaf_list *l)
{
    int rc = 0;

    for (uint32_t leaf = 0; leaf <= MIN(cpu_features.max_leaf, LAST_BASIC_LEAF) && !rc; leaf++)
        rc = put_leaves(l, leaf);
    for (uint32_t leaf = FIRST_EXT_LEAF; leaf <= MIN(cpu_features.max_ext_leaf, LAST_EXT_LEAF) && !rc; leaf++)
        rc = put_leaves(l, leaf);
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

int cpu_policy_put(const struct pv_domain *d, uint64_t leaves, uint32_t *nr_leaves, uint64_t msrs, uint32_t *nr_msrs)
{
    struct leaf_list l = {.d = d, .to = leaves, .room = *nr_leaves};
    int rc = put_all_leaves(&l);

    *nr_leaves = l.nr + (leaves ? 0 : LEAVES_OF_OURS);
    return rc ? rc : put_msrs(msrs, nr_msrs);
}

/*
 * What the machine has may be asked for, also where a PV guest is never shown it: toolstacks do so with bits of topology. The
 * leaf of how instructions behave is not checked: Debian's Xen says there what it has arranged, that LFENCE serialises.
 */
static int take_leaf(const struct xen_cpuid_leaf *leaf, uint32_t *features)
{
    struct cpuid r = {leaf->a, leaf->b, leaf->c, leaf->d};

    for (unsigned i = 0; i < CPU_FEATURE_WORDS; i++) {
        if (!word_is_of(i, leaf->leaf, leaf->subleaf))
            continue;
        features[i] = *reg_of(&r, words[i].reg);
        if (leaf->leaf != LAST_EXT_LEAF && features[i] & ~(feature_word(NULL, i) | feature_word(&pv_any_domain, i)))
            return -XEN_EINVAL;
    }
    return 0;
}

static int take_leaves(struct xen_domctl_cpu_policy *p, uint32_t *features)
{
    struct xen_cpuid_leaf leaf;

    for (uint32_t i = 0; i < p->nr_leaves; i++) {
        if (copy_from_guest(&leaf, p->leaves + i * sizeof(leaf), sizeof(leaf)))
            return -XEN_EFAULT;
        if (take_leaf(&leaf, features)) {
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

int cpu_policy_set(struct pv_domain *d, struct xen_domctl_cpu_policy *p)
{
    uint32_t features[CPU_FEATURE_WORDS];
    int rc;

    if (p->nr_leaves > MAX_LEAVES || p->nr_msrs > MAX_LEAVES)
        return -XEN_E2BIG;
    p->err_leaf = p->err_subleaf = p->err_msr = UINT32_MAX;
    memcpy(features, d->cpu_features, sizeof(features));
    rc = take_leaves(p, features);
    if (!rc)
        rc = check_msrs(p);
    if (!rc)
        memcpy(d->cpu_features, features, sizeof(features));
    return rc;
}

/* ---- the machine's ---- */

static int featureset(struct xen_sysctl_cpu_featureset *f)
{
    const struct pv_domain *d = f->index <= XEN_SYSCTL_cpu_featureset_host ? NULL : &pv_any_domain;
    uint32_t nr = f->features ? MIN(f->nr_features, CPU_FEATURE_WORDS) : 0;

    if (f->index > XEN_SYSCTL_cpu_featureset_hvm_max)
        return -XEN_EINVAL;
    if (f->index == XEN_SYSCTL_cpu_featureset_hvm || f->index == XEN_SYSCTL_cpu_featureset_hvm_max)
        return -XEN_EOPNOTSUPP;
    for (uint32_t i = 0; i < nr; i++) {
        uint32_t word = feature_word(d, i);
        if (copy_to_guest(f->features + i * sizeof(word), &word, sizeof(word)))
            return -XEN_EFAULT;
    }
    f->nr_features = CPU_FEATURE_WORDS;
    return 0;
}

static int policy(struct xen_sysctl_cpu_policy *p)
{
    const struct pv_domain *d = p->index <= XEN_SYSCTL_cpu_policy_host ? NULL : &pv_any_domain;

    if (p->index > XEN_SYSCTL_cpu_policy_hvm_default || p->_rsvd)
        return -XEN_EINVAL;
    if (p->index == XEN_SYSCTL_cpu_policy_hvm_max || p->index == XEN_SYSCTL_cpu_policy_hvm_default)
        return -XEN_EOPNOTSUPP;
    return cpu_policy_put(d, p->leaves, &p->nr_leaves, p->msrs, &p->nr_msrs);
}

int cpu_policy_sysctl(struct xen_sysctl *op)
{
    switch (op->cmd) {
    case XEN_SYSCTL_get_cpu_levelling_caps:
        op->u.cpu_levelling_caps.caps = 0;
        return 0;
    case XEN_SYSCTL_get_cpu_featureset:
        return featureset(&op->u.cpu_featureset);
    case XEN_SYSCTL_get_cpu_policy:
        return policy(&op->u.cpu_policy);
    default:
        return -XEN_ENOSYS;
    }
}
