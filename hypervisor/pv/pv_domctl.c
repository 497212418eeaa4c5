// SPDX-License-Identifier: MIT
/*
 * Control operations that are about PV guests: a vCPU's state as the toolstack saves it, what its frames are, what its CPU
 * looks like. Whoever asks for the state of a vCPU gets it paused, so all of it is in memory.
 */
#include "core/domctl.h"
#include "cpu/guest_state.h"
#include "pv/page_type.h"
#include "pv/pv_domain.h"

#define MAX_FRAME_INFOS     1024u
#define FRAME_INFO_CHUNK    64u

/* ---- contexts ---- */

static int op_getvcpucontext(struct vcpu *vcpu, struct xen_domctl *op)
{
    const struct pv_vcpu *v = pv_vcpu(vcpu);
    struct vcpu_guest_context *c;
    int rc;

    if (!v->vcpu.initialised)
        return -XEN_ENODATA;
    c = heap_new(struct vcpu_guest_context);
    if (!c)
        return -XEN_ENOMEM;
    pv_get_context(v, c);
    rc = copy_to_guest(op->u.vcpucontext.ctxt, c, sizeof(*c));
    heap_free(c);
    return rc;
}

static int op_get_ext_vcpucontext(struct vcpu *vcpu, struct xen_domctl *op)
{
    struct xen_domctl_ext_vcpucontext *ext = &op->u.ext_vcpucontext;
    const struct pv_vcpu *v = pv_vcpu(vcpu);

    *ext = (struct xen_domctl_ext_vcpucontext){
        .vcpu = ext->vcpu, .size = sizeof(*ext),
        .syscall32_callback_eip = v->syscall32_cb.address, .sysenter_callback_eip = v->sysenter_cb.address,
        .syscall32_callback_cs = FLAT_KERNEL_CS, .sysenter_callback_cs = FLAT_KERNEL_CS,
        .syscall32_disables_events = TI_GET_IF(&v->syscall32_cb) != 0,
        .sysenter_disables_events = TI_GET_IF(&v->sysenter_cb) != 0,
    };
    return 0;
}

static int op_set_ext_vcpucontext(struct vcpu *vcpu, struct xen_domctl *op)
{
    const struct xen_domctl_ext_vcpucontext *ext = &op->u.ext_vcpucontext;
    struct pv_vcpu *v = pv_vcpu(vcpu);

    if (ext->size < offsetof(struct xen_domctl_ext_vcpucontext, vmce) || !is_canonical(ext->syscall32_callback_eip) ||
        !is_canonical(ext->sysenter_callback_eip))
        return -XEN_EINVAL;
    v->syscall32_cb = pv_entry(ext->syscall32_callback_eip, ext->syscall32_disables_events);
    v->sysenter_cb = pv_entry(ext->sysenter_callback_eip, ext->sysenter_disables_events);
    return 0;
}

/* The one MSR that a PV guest has for its own and that no context holds. */
static int op_get_vcpu_msrs(struct vcpu *vcpu, struct xen_domctl *op)
{
    struct xen_domctl_vcpu_msrs *m = &op->u.vcpu_msrs;
    const struct pv_vcpu *v = pv_vcpu(vcpu);
    const struct xen_domctl_vcpu_msr aux = {.index = MSR_TSC_AUX, .value = v->tsc_aux};
    uint32_t room = m->msr_count;

    m->msr_count = cpu_features.rdtscp ? 1 : 0;
    if (!m->msrs)
        return 0;
    if (room < m->msr_count)
        return -XEN_ENOBUFS;
    m->msr_count = aux.value ? 1 : 0;
    return copy_to_guest(m->msrs, &aux, m->msr_count * sizeof(aux));
}

static int op_set_vcpu_msrs(struct vcpu *vcpu, struct xen_domctl *op)
{
    const struct xen_domctl_vcpu_msrs *m = &op->u.vcpu_msrs;
    struct pv_vcpu *v = pv_vcpu(vcpu);
    struct xen_domctl_vcpu_msr msr;

    if (!m->msr_count)
        return 0;
    if (copy_from_guest(&msr, m->msrs, sizeof(msr)))
        return -XEN_EFAULT;
    if (m->msr_count > 1 || msr.index != MSR_TSC_AUX || msr.reserved || msr.value > UINT32_MAX || !cpu_features.rdtscp)
        return -XEN_EINVAL;
    v->tsc_aux = (uint32_t)msr.value;
    return 0;
}

/* What comes before the XSAVE area: the guest's XCR0, and what it ever was. */
struct xstate_header { uint64_t xcr0, xcr0_ever; };

static int op_getvcpuextstate(struct vcpu *vcpu, struct xen_domctl *op)
{
    struct xen_domctl_vcpuextstate *s = &op->u.vcpuextstate;
    const struct pv_vcpu *v = pv_vcpu(vcpu);
    uint64_t room = s->size;
    struct xstate_header head;
    size_t size;
    const void *area;

    area = fpu_xstate(v->fpu, &head.xcr0, &size);
    head.xcr0_ever = cpu_features.xcr0;
    s->xfeature_mask = cpu_features.xcr0;
    s->size = area ? sizeof(head) + size : 0;
    if (!room || !area)
        return 0;
    if (room < s->size)
        return -XEN_EINVAL;
    if (copy_to_guest(s->buffer, &head, sizeof(head)))
        return -XEN_EFAULT;
    return copy_to_guest(s->buffer + sizeof(head), area, size);
}

static int op_setvcpuextstate(struct vcpu *vcpu, struct xen_domctl *op)
{
    const struct xen_domctl_vcpuextstate *s = &op->u.vcpuextstate;
    const struct pv_vcpu *v = pv_vcpu(vcpu);
    struct xstate_header head;
    uint8_t *copy;
    int rc;

    if (s->size < sizeof(head) || s->size > PAGE_SIZE * 4)
        return -XEN_EINVAL;
    copy = heap_alloc(s->size);
    if (!copy)
        return -XEN_ENOMEM;
    rc = copy_from_guest(copy, s->buffer, s->size);
    memcpy(&head, copy, sizeof(head));
    if (!rc)
        rc = fpu_load_xstate(v->fpu, head.xcr0, copy + sizeof(head), s->size - sizeof(head));
    heap_free(copy);
    return rc;
}

/* ---- memory ---- */

static uint32_t describe_frame(const struct domain *d, mfn_t m)
{
    uint64_t type;

    if (!mfn_valid(m) || frame_owner(frame_of(m)) != d->id)
        return XEN_DOMCTL_PFINFO_XTAB;
    type = READ_ONCE(frame_of(m)->type);
    if (!(type & TYPE_VALIDATED))
        return XEN_DOMCTL_PFINFO_NOTAB;
    return (uint32_t)(type >> TYPE_SHIFT) * XEN_DOMCTL_PFINFO_L1TAB | (type & TYPE_PINNED ? XEN_DOMCTL_PFINFO_LPINTAB : 0);
}
_Static_assert(TYPE_L1 * XEN_DOMCTL_PFINFO_L1TAB == XEN_DOMCTL_PFINFO_L1TAB &&
               TYPE_L4 * XEN_DOMCTL_PFINFO_L1TAB == XEN_DOMCTL_PFINFO_L4TAB, "a table's type is its level there too");

static int op_getpageframeinfo3(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_getpageframeinfo3 *info = &op->u.getpageframeinfo3;
    uint64_t word[FRAME_INFO_CHUNK];

    if (info->num > MAX_FRAME_INFOS)
        return -XEN_E2BIG;
    while (info->num) {
        unsigned n = (unsigned)MIN(info->num, (uint64_t)FRAME_INFO_CHUNK);
        if (copy_from_guest(word, info->array, n * sizeof(word[0])))
            return -XEN_EFAULT;
        for (unsigned i = 0; i < n; i++)
            word[i] = describe_frame(d, mfn(word[i]));
        if (copy_to_guest(info->array, word, n * sizeof(word[0])))
            return -XEN_EFAULT;
        info->array += n * sizeof(word[0]);
        info->num -= n;
        if (info->num && preempt_wanted())
            return -XEN_ERESTART;
    }
    return 0;
}

static int op_hypercall_init(struct domain *d, struct xen_domctl *op)
{
    return pv_give_hypercall_page(d, op->u.hypercall_init.gmfn);
}

/* Only 64-bit guests. */
static int op_set_address_size(struct domain *d UNUSED, struct xen_domctl *op)
{
    return op->u.address_size.size == 64 ? 0 : -XEN_EINVAL;
}

static int op_get_address_size(struct domain *d UNUSED, struct xen_domctl *op)
{
    op->u.address_size.size = 64;
    return 0;
}

const struct domctl_row guest_domctl[NR_DOMCTLS] = {
    [XEN_DOMCTL_getvcpucontext]     = {NULL, DOMCTL_PAUSED, op_getvcpucontext},
    [XEN_DOMCTL_hypercall_init]     = {op_hypercall_init, 0},
    [XEN_DOMCTL_set_address_size]   = {op_set_address_size, DOMCTL_OTHERS},
    [XEN_DOMCTL_get_address_size]   = {op_get_address_size, DOMCTL_OUT},
    [XEN_DOMCTL_set_ext_vcpucontext] = {NULL, DOMCTL_PAUSED, op_set_ext_vcpucontext},
    [XEN_DOMCTL_get_ext_vcpucontext] = {NULL, DOMCTL_OUT | DOMCTL_PAUSED, op_get_ext_vcpucontext},
    [XEN_DOMCTL_getpageframeinfo3]  = {op_getpageframeinfo3, DOMCTL_OUT | DOMCTL_OTHERS},
    [XEN_DOMCTL_setvcpuextstate]    = {NULL, DOMCTL_PAUSED, op_setvcpuextstate},
    [XEN_DOMCTL_getvcpuextstate]    = {NULL, DOMCTL_OUT | DOMCTL_PAUSED, op_getvcpuextstate},
    [XEN_DOMCTL_get_vcpu_msrs]      = {NULL, DOMCTL_OUT | DOMCTL_PAUSED, op_get_vcpu_msrs},
    [XEN_DOMCTL_set_vcpu_msrs]      = {NULL, DOMCTL_PAUSED, op_set_vcpu_msrs},
    [XEN_DOMCTL_get_cpu_policy]     = {pv_get_cpu_policy, DOMCTL_OUT},
    [XEN_DOMCTL_set_cpu_policy]     = {pv_set_cpu_policy, DOMCTL_OUT_ALWAYS | DOMCTL_PAUSED},
};
