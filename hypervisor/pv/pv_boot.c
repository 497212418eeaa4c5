// SPDX-License-Identifier: MIT
/* The first context of the control domain's first vCPU, as the ABI's start of day has it (public/xen.h, struct start_info). */
#include "pv/pv_boot.h"

#include "cpu/regs.h"
#include "lib/string.h"
#include "pv/page_type.h"

int pv_boot_vcpu(struct pv_domain *d, mfn_t l4, uint64_t entry, uint64_t stack, uint64_t start_info)
{
    struct pv_vcpu *v = pv_vcpu(d->domain.vcpu[0]);
    int rc;

    spin_lock(&d->page_lock);
    rc = frame_get_and_type(d, l4, TYPE_L4);
    spin_unlock(&d->page_lock);
    if (rc)
        return rc;
    v->cr3_kernel = mfn_to_paddr(l4);
    v->in_kernel = 1;
    v->kernel_ss = FLAT_KERNEL_SS;
    v->kernel_sp = stack;
    memset(&v->regs, 0, sizeof(v->regs));
    v->regs.rip = entry;
    v->regs.rsp = stack;
    v->regs.rsi = start_info;
    v->regs.cs = FLAT_KERNEL_CS;
    v->regs.ss = FLAT_KERNEL_SS;
    v->regs.rflags = X86_RFLAGS_IF | X86_RFLAGS_MBS;
    v->vcpu.initialised = true;
    return 0;
}
