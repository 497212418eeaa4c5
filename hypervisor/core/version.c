// SPDX-License-Identifier: MIT
/* XEN_VERSION: what we say we are. The numbers are those of the ABI that we speak; the strings are ours. */
#include "core/guest_copy.h"
#include "core/hypercall.h"
#include "core/machine.h"
#include "lib/string.h"
#include "mm/layout.h"
#include "public/features.h"
#include "public/version.h"

#define ABI_MAJOR 4
#define ABI_MINOR 17
#define EXTRAVERSION ".0-paravane"
_Static_assert(sizeof(EXTRAVERSION) <= 16, "XENVER_extraversion is 16 bytes");
#define CAPABILITIES "xen-3.0-x86_64 "

static const struct xen_compile_info compile_info = {
    .compiler = "gcc " __VERSION__, .compile_by = "paravane", .compile_domain = "", .compile_date = "",
};

static uint32_t features(const struct domain *d)
{
    return 1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_highmem_assist | 1u << XENFEAT_gnttab_map_avail_bits |
           1u << XENFEAT_memory_op_vnode_supported | (d->is_control ? 1u << XENFEAT_dom0 : 0) |
           1u << XENFEAT_pae_pgdir_above_4gb;
}

static long get_features(uint64_t arg)
{
    struct xen_feature_info info;

    if (copy_from_guest(&info, arg, sizeof(info)))
        return -XEN_EFAULT;
    if (info.submap_idx)
        return -XEN_EINVAL;
    info.submap = features(current_domain());
    return copy_to_guest(arg, &info, sizeof(info));
}

static long put_text(uint64_t arg, const char *text, size_t size)
{
    if (clear_guest(arg, size))
        return -XEN_EFAULT;
    return copy_to_guest(arg, text, strlen(text) + 1);
}

static long put_platform_parameters(uint64_t arg)
{
    uint64_t virt_start = HYP_VIRT_START;

    return copy_to_guest(arg, &virt_start, sizeof(virt_start));
}

static NOINLINE long tell(uint32_t cmd, uint64_t arg)
{
    struct domain *d = current_domain();

    switch (cmd) {
    case XENVER_extraversion:
        return put_text(arg, EXTRAVERSION, 16);
    case XENVER_compile_info:
        return copy_to_guest(arg, &compile_info, sizeof(compile_info));
    case XENVER_commandline:
        return d->is_control ? copy_to_guest(arg, machine_cmdline, sizeof(machine_cmdline)) : put_text(arg, "<denied>", 1024);
    case XENVER_capabilities:
        return put_text(arg, CAPABILITIES, 1024);
    case XENVER_changeset:
        return put_text(arg, "paravane", 64);
    case XENVER_platform_parameters:
        return put_platform_parameters(arg);
    case XENVER_get_features:
        return get_features(arg);
    case XENVER_pagesize:
        return arg ? -XEN_EINVAL : (long)PAGE_SIZE;
    case XENVER_guest_handle:
        return copy_to_guest(arg, d->handle, sizeof(d->handle));
    case XENVER_build_id:
        return -XEN_ENODATA;
    default:
        return -XEN_ENOSYS;
    }
}

/* XENVER_version first: kernels issue it to have their pending events delivered. */
long do_xen_version(uint64_t cmd, uint64_t arg, uint64_t a3 UNUSED, uint64_t a4 UNUSED, uint64_t a5 UNUSED)
{
    return (uint32_t)cmd == XENVER_version ? ABI_MAJOR << 16 | ABI_MINOR : tell((uint32_t)cmd, arg);
}

#define ASSISTS (1u << VMASST_TYPE_4gb_segments | 1u << VMASST_TYPE_4gb_segments_notify |                          \
                 1u << VMASST_TYPE_writable_pagetables | 1u << VMASST_TYPE_pae_extended_cr3 |                       \
                 1u << VMASST_TYPE_architectural_iopl | 1u << VMASST_TYPE_runstate_update_flag)

long do_vm_assist(uint64_t cmd, uint64_t type, uint64_t a3 UNUSED, uint64_t a4 UNUSED, uint64_t a5 UNUSED)
{
    struct domain *d = current_domain();

    if (type >= 32 || !(ASSISTS >> type & 1))
        return -XEN_EINVAL;
    switch ((uint32_t)cmd) {
    case VMASST_CMD_enable:
        __atomic_fetch_or(&d->vm_assist, 1u << type, __ATOMIC_SEQ_CST);
        return 0;
    case VMASST_CMD_disable:
        __atomic_fetch_and(&d->vm_assist, ~(1u << type), __ATOMIC_SEQ_CST);
        return 0;
    default:
        return -XEN_ENOSYS;
    }
}
