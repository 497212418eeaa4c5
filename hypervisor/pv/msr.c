// SPDX-License-Identifier: MIT
/*
 * What a guest sees of MSRs. Rows say how it may be read and written; a number without a row is #GP, which kernels expect of
 * registers that they probe. Runs on the vCPU's own CPU, with its state loaded.
 */
#include "cpu/guest_state.h"
#include "pv/pv_domain.h"

#define MSR_HYPERCALL_PAGE  0x40000000u
#define MSR_UCODE_REV       0x0000008bu
#define MSR_PLATFORM_INFO   0x000000ceu
#define MSR_MCG_CAP         0x00000179u
#define MSR_MCG_STATUS      0x0000017au
#define MSR_MC0_CTL         0x00000400u
#define MC_BANK_MSRS        (32 * 4u)
#define MSR_AMD_SYSCFG      0xc0010010u
#define MSR_AMD_HWCR        0xc0010015u
#define MSR_AMD_NB_CFG      0xc001001fu
#define MSR_AMD_DE_CFG      0xc0011029u
#define APIC_ENABLED        UINT64_C(0xfee00800)
#define APIC_IS_BSP         UINT64_C(0x100)

#define READ    0x01u       /* zero, unless pv_read_msr() knows better */
#define REAL    0x02u       /* what this CPU has */
#define SAME    0x04u       /* may be written as it reads */
#define IGNORE  0x08u       /* may be written, to no effect */
#define BASE    0x10u       /* may be written with a canonical address */
#define OWN     0x20u       /* pv_write_msr() knows how to write it */
#define INTEL   0x40u       /* reading it on another vendor's CPU would fault in ring 0 */
#define RDTSCP  0x80u

static const struct { uint32_t msr, rights; } rows[] = {
    { MSR_TSC, READ | IGNORE },
    { MSR_APIC_BASE, READ },
    { MSR_UCODE_REV, READ | IGNORE },
    { MSR_PLATFORM_INFO, READ | REAL | INTEL },
    { MSR_MCG_CAP, READ },                      /* no banks: machine checks are not the guest's */
    { MSR_MCG_STATUS, READ },
    { MSR_MISC_ENABLE, READ | REAL | SAME | INTEL },
    { MSR_PAT, READ | REAL | SAME },
    { MSR_EFER, READ | REAL | SAME },
    { MSR_FS_BASE, READ | REAL | BASE },
    { MSR_GS_BASE, READ | REAL | BASE },
    { MSR_KERNEL_GS_BASE, READ | REAL | BASE },
    { MSR_TSC_AUX, READ | OWN | RDTSCP },
    { MSR_AMD_SYSCFG, READ | IGNORE },
    { MSR_AMD_HWCR, READ | IGNORE },
    { MSR_AMD_NB_CFG, READ | IGNORE },
    { MSR_AMD_DE_CFG, READ | IGNORE },
};

/* Banks never hold an error: a kernel that was saved under Debian's Xen polls those that it found there. */
static unsigned rights_of(uint32_t msr)
{
    if (msr - MSR_MC0_CTL < MC_BANK_MSRS)
        return READ | IGNORE;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].msr == msr && (!(rows[i].rights & INTEL) || cpu_features.intel) &&
            (!(rows[i].rights & RDTSCP) || cpu_features.rdtscp))
            return rows[i].rights;
    return 0;
}

int pv_read_msr(struct pv_vcpu *v, uint32_t msr, uint64_t *value)
{
    unsigned rights = rights_of(msr);

    if (!(rights & READ))
        return -XEN_EINVAL;
    *value = rights & REAL ? rdmsr(msr) : 0;
    if (msr == MSR_TSC)
        *value = rdtsc();
    else if (msr == MSR_EFER)
        *value &= ~(uint64_t)EFER_SVME;
    else if (msr == MSR_APIC_BASE)
        *value = APIC_ENABLED | (v->vcpu.id ? 0 : APIC_IS_BSP);
    else if (msr == MSR_TSC_AUX)
        *value = v->tsc_aux;
    return 0;
}

/* What RDTSCP and RDPID tell users: kernels keep the number of the vCPU there. */
static int write_tsc_aux(struct pv_vcpu *v, uint64_t value)
{
    if (value > UINT32_MAX)
        return -XEN_EINVAL;
    v->tsc_aux = (uint32_t)value;
    wrmsr(MSR_TSC_AUX, value);
    return 0;
}

int pv_write_msr(struct pv_vcpu *v, uint32_t msr, uint64_t value)
{
    unsigned rights = rights_of(msr);
    uint64_t now;

    if (msr == MSR_HYPERCALL_PAGE)
        return value & PAGE_OFFSET_MASK ? -XEN_EINVAL : pv_give_hypercall_page(v->vcpu.domain, value >> PAGE_SHIFT);
    if (rights & OWN)
        return write_tsc_aux(v, value);
    if (rights & SAME)
        return !pv_read_msr(v, msr, &now) && value == now ? 0 : -XEN_EINVAL;
    if (!(rights & BASE))
        return rights & IGNORE ? 0 : -XEN_EINVAL;
    if (!is_canonical(value))
        return -XEN_EINVAL;
    wrmsr(msr, value);
    return 0;
}

/* Each stub keeps rcx and r11, which SYSCALL spoils; iret's leaves them, and rax, on the stack as its frame has them. */
void pv_write_hypercall_page(void *page)
{
    static const uint8_t stub[] = { 0x51, 0x41, 0x53, 0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3 };
    static const uint8_t iret[] = { 0x51, 0x41, 0x53, 0x50, 0xb8, __HYPERVISOR_iret, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x0b };
    uint8_t *at = page;

    memset(page, 0xcc, PAGE_SIZE);
    for (unsigned nr = 0; nr < NR_HYPERCALLS; nr++, at += 32) {
        memcpy(at, stub, sizeof(stub));
        at[4] = (uint8_t)nr;
    }
    memcpy((uint8_t *)page + __HYPERVISOR_iret * 32, iret, sizeof(iret));
}

int pv_give_hypercall_page(struct domain *d, uint64_t gfn)
{
    void *page = domain_hold_page(d, gfn);

    if (!page)
        return -XEN_EACCES;
    pv_write_hypercall_page(page);
    domain_drop_page(page);
    return 0;
}
