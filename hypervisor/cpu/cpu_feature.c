// SPDX-License-Identifier: MIT
/*
 * Probing the CPU and switching on what we use. Rows say where a feature's bit is and which field holds it.
 */
#include "cpu/cpu_feature.h"

#define PAT_OF_ABI  UINT64_C(0x050100070406)     /* WB WT UC- UC WC WP UC UC: the PV ABI's */
#define XCR0_ENABLED UINT64_C(0xe7)              /* x87, SSE, AVX, AVX-512 */

struct cpu_features cpu_features;
uint64_t cr4_base;

enum reg { EAX, EBX, ECX, EDX };

/* leaf, sub-leaf 0, register, bit -> field, and what of CR4 it lets us switch on */
static const struct { uint32_t leaf; uint8_t reg, bit; uint16_t field; uint64_t cr4; } probes[] = {
#define FIELD(name) offsetof(struct cpu_features, name)
    { 1, ECX, 21, FIELD(x2apic), 0 },
    { 1, ECX, 26, FIELD(xsave), X86_CR4_OSXSAVE },
    { 7, EBX, 0, FIELD(fsgsbase), X86_CR4_FSGSBASE },
    { 7, EBX, 7, FIELD(smep), X86_CR4_SMEP },
    { 7, EBX, 20, FIELD(smap), X86_CR4_SMAP },
    { 7, ECX, 2, FIELD(umip), X86_CR4_UMIP },
    { 0x80000001, EDX, 20, FIELD(nx), 0 },
    { 0x80000001, EDX, 26, FIELD(page1gb), 0 },
    { 0x80000001, EDX, 27, FIELD(rdtscp), 0 },
    { 0x80000007, EDX, 8, FIELD(invariant_tsc), 0 },
#undef FIELD
};

static bool *field(uint16_t offset)
{
    return (bool *)((char *)&cpu_features + offset);
}

static struct cpuid leaf(uint32_t number)
{
    uint32_t max = number >= 0x80000000 ? cpu_features.max_ext_leaf : cpu_features.max_leaf;

    return number <= max ? cpuid_read(number, 0) : (struct cpuid){ 0, 0, 0, 0 };
}

static void probe_identity(void)
{
    struct cpuid r = cpuid_read(0, 0);
    struct cpu_features *f = &cpu_features;

    f->max_leaf = r.eax;
    memcpy(f->vendor, &r.ebx, 4);
    memcpy(f->vendor + 4, &r.edx, 4);
    memcpy(f->vendor + 8, &r.ecx, 4);
    f->max_ext_leaf = cpuid_read(0x80000000, 0).eax;
    f->amd = !strcmp(f->vendor, "AuthenticAMD") || !strcmp(f->vendor, "HygonGenuine");
    f->intel = !strcmp(f->vendor, "GenuineIntel");
    r = leaf(1);
    f->stepping = r.eax & 15;
    f->model = (r.eax >> 4 & 15) | (r.eax >> 12 & 0xf0);
    f->family = (r.eax >> 8 & 15) + ((r.eax >> 8 & 15) == 15 ? r.eax >> 20 & 0xff : 0);
    if (r.ecx >> 31) {
        r = cpuid_read(0x40000000, 0);
        memcpy(f->hypervisor, &r.ebx, 4);
        memcpy(f->hypervisor + 4, &r.ecx, 4);
        memcpy(f->hypervisor + 8, &r.edx, 4);
    }
    r = leaf(0x80000008);
    f->phys_bits = r.eax & 0xff ? (uint8_t)MIN(r.eax & 0xff, 52u) : 36;
}

static void probe_xsave(void)
{
    struct cpuid r;

    if (!cpu_features.xsave || cpu_features.max_leaf < 0xd)
        return;
    r = cpuid_read(0xd, 0);
    cpu_features.xcr0 = ((uint64_t)r.edx << 32 | r.eax) & XCR0_ENABLED;
    if ((cpu_features.xcr0 & 0xe0) != 0xe0)
        cpu_features.xcr0 &= ~UINT64_C(0xe0);
    cpu_features.xsave_size = r.ecx;     /* for all that the CPU knows: enough for what we enable */
}

void cpu_features_init(void)
{
    probe_identity();
    for (unsigned i = 0; i < ARRAY_SIZE(probes); i++) {
        struct cpuid r = leaf(probes[i].leaf);
        const uint32_t regs[] = { r.eax, r.ebx, r.ecx, r.edx };

        *field(probes[i].field) = regs[probes[i].reg] >> probes[i].bit & 1;
    }
    probe_xsave();
    if (!cpu_features.nx)
        panic("cannot start: this CPU has no NX: use a newer one, or enable it in the firmware");
    if (cpu_features.smap && !strcmp(cpu_features.hypervisor, "TCGTCGTCGTCG")) {
        cpu_features.smap = false;
        log_info("SMAP stays off: QEMU's TCG checks a ring-3 far return as if it came from the kernel");
    }
    cr4_base = X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
    for (unsigned i = 0; i < ARRAY_SIZE(probes); i++)
        cr4_base |= *field(probes[i].field) ? probes[i].cr4 : 0;
    log_info("CPU: %s family %u model %u stepping %u, %u-bit physical addresses%s%s", cpu_features.vendor,
             cpu_features.family, cpu_features.model, cpu_features.stepping, cpu_features.phys_bits,
             cpu_features.hypervisor[0] ? ", under " : "", cpu_features.hypervisor);
}

void cpu_features_enable(void)
{
    write_cr0(X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_PG);
    write_cr4(cr4_base);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | EFER_NX);
    wrmsr(MSR_PAT, PAT_OF_ABI);
    if (cpu_features.xsave)
        __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)cpu_features.xcr0), "d"(0));
}
