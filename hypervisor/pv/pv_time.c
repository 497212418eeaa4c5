// SPDX-License-Identifier: MIT
/*
 * A guest reads system time from the TSC by parameters that we leave in its vcpu_info, and, if it
 * registered one, in an area that its user mode maps too. A reader sees an odd version while we
 * write. Only the CPU that runs the vCPU writes its parameters; the version counts here, since the
 * guest may write its copy. No locks.
 */
#include "cpu/cpu_feature.h"
#include "cpu/guest_frame.h"
#include "cpu/guest_word.h"
#include "pv/pv_domain.h"

#define WORD   sizeof(uint64_t)

/* A place that is not mapped is passed over: the guest may have unmapped it. The version is the first word's lower half. */
static void write_time(uint64_t to, const struct vcpu_time_info *t)
{
    if (!guest_store_word(to, t->version - 1))
        return;
    /* pairs with the guest's reading of the version first and last */
    smp_wmb();
    if (guest_copy_raw((void *)(to + WORD), (const char *)t + WORD, sizeof(*t) - WORD))
        return;
    smp_wmb();
    (void)guest_store_word(to, t->version);
}

void guest_update_time(struct vcpu *vcpu)
{
    struct pv_vcpu *v = pv_vcpu(vcpu);
    uint64_t area = READ_ONCE(vcpu->time_info_guest);
    struct vcpu_time_info t;
    struct clock_line line;

    v->time_params_version = READ_ONCE(clock_version);
    v->time_cpu = cpu_id();
    v->time_version += 2;
    line = clock_read_line();
    t = (struct vcpu_time_info){
        .version = v->time_version, .tsc_timestamp = line.base_tsc, .system_time = line.base_ns,
        .tsc_to_system_mul = line.mul, .tsc_shift = line.shift,
        .flags = cpu_features.invariant_tsc ? XEN_PVCLOCK_TSC_STABLE_BIT : 0,
    };
    write_time((uintptr_t)&vcpu->vcpu_info->time, &t);
    if (area && guest_range_ok(area, sizeof(t)))
        write_time(area, &t);
}

void pv_time_refresh(struct pv_vcpu *v)
{
    if (likely(v->time_params_version == READ_ONCE(clock_version) && v->time_cpu == cpu_id()))
        return;
    if (!v->in_kernel)
        guest_space_load(v->cr3_kernel);
    guest_update_time(&v->vcpu);
    if (!v->in_kernel)
        guest_space_load(v->cr3_user);
}

void guest_update_wallclock(struct domain *d)
{
    struct shared_info *s = d->shared_info;
    uint64_t ns = READ_ONCE(clock_wall_base) + (uint64_t)d->time_offset_s * NS_PER_SECOND;
    uint32_t version = READ_ONCE(s->wc_version) | 1;
    uint64_t sec = ns / NS_PER_SECOND;

    WRITE_ONCE(s->wc_version, version);
    /* pairs with the guest's reading of wc_version first and last */
    smp_wmb();
    s->wc_sec = (uint32_t)sec;
    s->wc_sec_hi = (uint32_t)(sec >> 32);
    s->wc_nsec = (uint32_t)(ns % NS_PER_SECOND);
    smp_wmb();
    WRITE_ONCE(s->wc_version, version + 1);
}
