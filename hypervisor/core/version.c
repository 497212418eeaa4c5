// SPDX-License-Identifier: MIT
/* XEN_VERSION: what we say we are. The numbers are those of the ABI that we speak; the strings are ours. */
#include "core/hypercall.h"
#include "core/machine.h"
#include "public/version.h"

#define ABI_MAJOR 4
#define ABI_MINOR 17

char machine_cmdline[1024];

static const char extraversion[16] = ".0-paravane", changeset[64] = "paravane";
static const char capabilities[1024] = "xen-3.0-x86_64 ", denied[1024] = "<denied>";
static const uint64_t virt_start = HYP_VIRT_START;
static const struct xen_compile_info compile_info = {
    .compiler = "gcc " __VERSION__, .compile_by = "paravane", .compile_domain = "", .compile_date = "",
};

/* Answers that are the same for everybody, each as long as the ABI has it. */
static const struct { const void *data; size_t size; } answers[] = {
    [XENVER_extraversion] = { extraversion, sizeof(extraversion) },
    [XENVER_compile_info] = { &compile_info, sizeof(compile_info) },
    [XENVER_capabilities] = { capabilities, sizeof(capabilities) },
    [XENVER_changeset] = { changeset, sizeof(changeset) },
    [XENVER_platform_parameters] = { &virt_start, sizeof(virt_start) },
};

#define FEATURES (1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_highmem_assist |              \
                  1u << XENFEAT_gnttab_map_avail_bits | 1u << XENFEAT_memory_op_vnode_supported |       \
                  1u << XENFEAT_pae_pgdir_above_4gb)

static long get_features(uint64_t arg)
{
    struct xen_feature_info info;

    if (copy_from_guest(&info, arg, sizeof(info)))
        return -XEN_EFAULT;
    if (info.submap_idx)
        return -XEN_EINVAL;
    info.submap = FEATURES | (current_domain()->is_control ? 1u << XENFEAT_dom0 : 0);
    return copy_to_guest(arg, &info, sizeof(info));
}

static NOINLINE long tell(uint32_t cmd, uint64_t arg)
{
    struct domain *d = current_domain();

    if (cmd < ARRAY_SIZE(answers) && answers[cmd].data)
        return copy_to_guest(arg, answers[cmd].data, answers[cmd].size);
    switch (cmd) {
    case XENVER_commandline:
        return copy_to_guest(arg, d->is_control ? machine_cmdline : denied, sizeof(denied));
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
long do_xen_version(uint64_t cmd, uint64_t arg, UNUSED_FROM_3)
{
    return (uint32_t)cmd == XENVER_version ? ABI_MAJOR << 16 | ABI_MINOR : tell((uint32_t)cmd, arg);
}

long do_vm_assist(uint64_t cmd, uint64_t type, UNUSED_FROM_3)
{
    struct domain *d = current_domain();

    if (type >= 32 || !(VM_ASSISTS >> type & 1))
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
