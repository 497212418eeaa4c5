// SPDX-License-Identifier: MIT
/*
 * What a guest sees of MSRs. Rows name who may read and write; a number without a row is #GP, which kernels expect of
 * registers that they probe. Runs on the vCPU's own CPU, with its state loaded.
 */
#include "core/hypercall.h"
#include "cpu/cpu_feature.h"
#include "cpu/guest_state.h"
#include "lib/compiler.h"
#include "lib/string.h"
#include "pv/page_type.h"
#include "pv/pv_domain.h"

#define MSR_HYPERCALL_PAGE  0x40000000u
#define MSR_UCODE_REV       0x0000008bu
#define MSR_PLATFORM_INFO   0x000000ceu
#define MSR_MCG_CAP         0x00000179u
#define MSR_MCG_STATUS      0x0000017au
#define MSR_AMD_SYSCFG      0xc0010010u
#define MSR_AMD_HWCR        0xc0010015u
#define MSR_AMD_NB_CFG      0xc001001fu
#define MSR_AMD_DE_CFG      0xc0011029u
#define APIC_ENABLED        UINT64_C(0xfee00800)
#define APIC_IS_BSP         UINT64_C(0x100)

static int read_real(struct pv_vcpu *v UNUSED, uint32_t msr, uint64_t *value)
{
    *value = rdmsr(msr);
    return 0;
}

static int read_zero(struct pv_vcpu *v UNUSED, uint32_t msr UNUSED, uint64_t *value)
{
    *value = 0;
    return 0;
}

static int read_tsc(struct pv_vcpu *v UNUSED, uint32_t msr UNUSED, uint64_t *value)
{
    *value = rdtsc();
    return 0;
}

static int read_efer(struct pv_vcpu *v UNUSED, uint32_t msr, uint64_t *value)
{
    *value = rdmsr(msr) & ~(uint64_t)EFER_SVME;
    return 0;
}

static int read_apic_base(struct pv_vcpu *v, uint32_t msr UNUSED, uint64_t *value)
{
    *value = APIC_ENABLED | (v->vcpu.id ? 0 : APIC_IS_BSP);
    return 0;
}

/* These exist on one vendor's CPUs only; reading one elsewhere would fault in ring 0. */
static int read_intel(struct pv_vcpu *v, uint32_t msr, uint64_t *value)
{
    return cpu_features.intel ? read_real(v, msr, value) : -XEN_EINVAL;
}

static int write_base(struct pv_vcpu *v UNUSED, uint32_t msr, uint64_t value)
{
    if (!is_canonical(value))
        return -XEN_EINVAL;
    wrmsr(msr, value);
    return 0;
}

static int write_ignored(struct pv_vcpu *v UNUSED, uint32_t msr UNUSED, uint64_t value UNUSED)
{
    return 0;
}

/* As the guest reads it, which also asks whether this CPU has the register. */
static int write_same(struct pv_vcpu *v, uint32_t msr, uint64_t value)
{
    uint64_t now;

    return !pv_read_msr(v, msr, &now) && value == now ? 0 : -XEN_EINVAL;
}

/* What RDTSCP and RDPID tell users: kernels keep the number of the vCPU there. */
static int read_tsc_aux(struct pv_vcpu *v, uint32_t msr UNUSED, uint64_t *value)
{
    *value = v->tsc_aux;
    return cpu_features.rdtscp ? 0 : -XEN_EINVAL;
}

static int write_tsc_aux(struct pv_vcpu *v, uint32_t msr, uint64_t value)
{
    if (!cpu_features.rdtscp || value > UINT32_MAX)
        return -XEN_EINVAL;
    v->tsc_aux = (uint32_t)value;
    wrmsr(msr, value);
    return 0;
}

/* Asks for the hypercall page at a frame of the guest's. */
static int write_hypercall_page(struct pv_vcpu *v, uint32_t msr UNUSED, uint64_t value)
{
    struct pv_domain *d = pv_domain(v->vcpu.domain);
    mfn_t m = paddr_to_mfn(value);

    if (value & (PAGE_SIZE - 1) || frame_get_and_type(d, m, TYPE_WRITABLE))
        return -XEN_EINVAL;
    pv_write_hypercall_page(mfn_to_virt(m));
    frame_put_and_type(d, frame_of(m));
    return 0;
}

static const struct {
    uint32_t msr;
    int (*read)(struct pv_vcpu *v, uint32_t msr, uint64_t *value);
    int (*write)(struct pv_vcpu *v, uint32_t msr, uint64_t value);
} rows[] = {
    { MSR_TSC, read_tsc, write_ignored },
    { MSR_APIC_BASE, read_apic_base, NULL },
    { MSR_UCODE_REV, read_zero, write_ignored },
    { MSR_PLATFORM_INFO, read_intel, NULL },
    { MSR_MCG_CAP, read_zero, NULL },           /* no banks: machine checks are not the guest's */
    { MSR_MCG_STATUS, read_zero, NULL },
    { MSR_MISC_ENABLE, read_intel, write_same },
    { MSR_PAT, read_real, write_same },
    { MSR_EFER, read_efer, write_same },
    { MSR_FS_BASE, read_real, write_base },
    { MSR_GS_BASE, read_real, write_base },
    { MSR_KERNEL_GS_BASE, read_real, write_base },
    { MSR_TSC_AUX, read_tsc_aux, write_tsc_aux },
    { MSR_AMD_SYSCFG, read_zero, write_ignored },
    { MSR_AMD_HWCR, read_zero, write_ignored },
    { MSR_AMD_NB_CFG, read_zero, write_ignored },
    { MSR_AMD_DE_CFG, read_zero, write_ignored },
    { MSR_HYPERCALL_PAGE, NULL, write_hypercall_page },
};

int pv_read_msr(struct pv_vcpu *v, uint32_t msr, uint64_t *value)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].msr == msr)
            return rows[i].read ? rows[i].read(v, msr, value) : -XEN_EINVAL;
    return -XEN_EINVAL;
}

int pv_write_msr(struct pv_vcpu *v, uint32_t msr, uint64_t value)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].msr == msr)
            return rows[i].write ? rows[i].write(v, msr, value) : -XEN_EINVAL;
    return -XEN_EINVAL;
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
