// SPDX-License-Identifier: MIT
// Each function fills in the call's page, makes the call and copies the answer out. A hypercall that
// comes back with ERESTART or EAGAIN has done a part, and is made again as it stands in the page.
#include "hv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "public/domctl.h"
#include "public/event_channel.h"
#include "public/grant_table.h"
#include "public/memory.h"
#include "public/sched.h"
#include "public/sysctl.h"
#include "public/version.h"
#include "xen_linux.h"

enum {
    DATA_SIZE = 128 * HV_PAGE_SIZE,
    BUFFER_SIZE = HV_PAGE_SIZE + DATA_SIZE,
    MAX_EXTENTS = DATA_SIZE / 8,
    MAX_OPS = DATA_SIZE / sizeof(struct mmuext_op),
    TSC_NEVER_EMULATE = 2,
};

_Static_assert(sizeof(struct vcpu_guest_context) <= DATA_SIZE, "a vCPU's context fits");
_Static_assert(2 * sizeof(struct hv_cpu_set) <= DATA_SIZE, "two sets of CPUs fit");
_Static_assert(sizeof(xen_capabilities_info_t) <= DATA_SIZE, "what the hypervisor says of itself fits");

static void *data_of(struct hv *hv)
{
    return hv->buffer + HV_PAGE_SIZE;
}

static uint64_t data_address(struct hv *hv)
{
    return (uintptr_t)data_of(hv);
}

static int call(struct hv *hv, uint64_t op, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    const uint64_t args[5] = { a, b, c, d, 0 };
    int r;

    do
        r = xen_hypercall(hv->privcmd, op, args);
    while (r == -ERESTART || r == -EAGAIN);
    return r;
}

// The call's page, empty.
static void *begin(struct hv *hv)
{
    return memset(hv->buffer, 0, HV_PAGE_SIZE);
}

// --- domctl

static struct xen_domctl *domctl_begin(struct hv *hv, uint32_t cmd, unsigned domid)
{
    struct xen_domctl *op = begin(hv);

    op->cmd = cmd;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = (domid_t)domid;
    return op;
}

static int domctl_end(struct hv *hv, const char *what, struct vane_error *error)
{
    unsigned domid = ((struct xen_domctl *)hv->buffer)->domain;
    int r = call(hv, __HYPERVISOR_domctl, (uintptr_t)hv->buffer, 0, 0, 0);

    if (r == -ESRCH)
        return vane_fail(error, VANE_NOT_FOUND, "there is no domain %u", domid);
    return r < 0 ? vane_fail_errno(error, r, "%s domain %u", what, domid) : 0;
}

static int domctl_simple(struct hv *hv, uint32_t cmd, unsigned domid, const char *what, struct vane_error *error)
{
    domctl_begin(hv, cmd, domid);
    return domctl_end(hv, what, error);
}

static int add_vcpus(struct hv *hv, unsigned domid, unsigned count, struct vane_error *error)
{
    domctl_begin(hv, XEN_DOMCTL_max_vcpus, domid)->u.max_vcpus.max = count;
    return domctl_end(hv, "making the vCPUs of", error);
}

int hv_domain_create(struct hv *hv, const struct hv_domain_config *config, unsigned *domid, struct vane_error *error)
{
    struct xen_domctl *op = domctl_begin(hv, XEN_DOMCTL_createdomain, *domid);
    struct xen_domctl_createdomain *create = &op->u.createdomain;
    struct vane_error ignored;
    int r, rc;

    memcpy(create->handle, config->handle, HV_HANDLE_SIZE);
    create->max_vcpus = config->nr_vcpus;
    create->max_evtchn_port = config->max_event_channels ? config->max_event_channels : 1023;
    create->max_grant_frames = config->max_grant_frames;
    create->max_maptrack_frames = config->max_maptrack_frames;
    create->grant_opts = 1;
    r = call(hv, __HYPERVISOR_domctl, (uintptr_t)op, 0, 0, 0);
    if (r < 0)
        return vane_fail_errno(error, r, "creating a domain with %u vCPUs", config->nr_vcpus);
    *domid = op->domain;
    rc = add_vcpus(hv, *domid, config->nr_vcpus, error);
    if (rc)
        (void)hv_domain_destroy(hv, *domid, &ignored);      // the first failure is the one to tell
    return rc;
}

int hv_domain_destroy(struct hv *hv, unsigned domid, struct vane_error *error)
{
    return domctl_simple(hv, XEN_DOMCTL_destroydomain, domid, "destroying", error);
}

int hv_domain_pause(struct hv *hv, unsigned domid, struct vane_error *error)
{
    return domctl_simple(hv, XEN_DOMCTL_pausedomain, domid, "pausing", error);
}

int hv_domain_unpause(struct hv *hv, unsigned domid, struct vane_error *error)
{
    return domctl_simple(hv, XEN_DOMCTL_unpausedomain, domid, "unpausing", error);
}

int hv_domain_shutdown(struct hv *hv, unsigned domid, enum hv_shutdown reason, struct vane_error *error)
{
    struct sched_remote_shutdown *op = begin(hv);
    int r;

    op->domain_id = (domid_t)domid;
    op->reason = reason;
    r = call(hv, __HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, (uintptr_t)op, 0, 0);
    return r < 0 ? vane_fail_errno(error, r, "shutting down domain %u", domid) : 0;
}

static void domain_of(struct hv_domain *domain, const struct xen_domctl_getdomaininfo *info)
{
    *domain = (struct hv_domain){
        .domid = info->domain,
        .dying = info->flags & XEN_DOMINF_dying,
        .shut_down = info->flags & XEN_DOMINF_shutdown,
        .paused = info->flags & XEN_DOMINF_paused,
        .blocked = info->flags & XEN_DOMINF_blocked,
        .running = info->flags & XEN_DOMINF_running,
        .reason = (info->flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask,
        .nr_online_vcpus = info->nr_online_vcpus,
        .nr_vcpus = info->max_vcpu_id + 1,
        .cpupool = info->cpupool,
        .pages = info->tot_pages,
        .max_pages = info->max_pages,
        .claimed_pages = info->outstanding_pages,
        .cpu_time_ns = info->cpu_time,
        .shared_info_frame = info->shared_info_frame,
    };
    memcpy(domain->handle, info->handle, HV_HANDLE_SIZE);
}

// The hypervisor answers for the next domain that there is.
int hv_domain_info(struct hv *hv, unsigned domid, struct hv_domain *domain, struct vane_error *error)
{
    struct xen_domctl *op = domctl_begin(hv, XEN_DOMCTL_getdomaininfo, domid);
    int rc = domctl_end(hv, "looking at", error);

    if (rc)
        return rc;
    if (op->u.getdomaininfo.domain != domid)
        return vane_fail(error, VANE_NOT_FOUND, "there is no domain %u", domid);
    domain_of(domain, &op->u.getdomaininfo);
    return 0;
}

int hv_domain_set_max_pages(struct hv *hv, unsigned domid, uint64_t pages, struct vane_error *error)
{
    domctl_begin(hv, XEN_DOMCTL_max_mem, domid)->u.max_mem.max_memkb = pages * (HV_PAGE_SIZE / 1024);
    return domctl_end(hv, "setting the memory limit of", error);
}

int hv_domain_set_time_offset(struct hv *hv, unsigned domid, int64_t seconds, struct vane_error *error)
{
    domctl_begin(hv, XEN_DOMCTL_settimeoffset, domid)->u.settimeoffset.time_offset_seconds = seconds;
    return domctl_end(hv, "setting the time offset of", error);
}

int hv_domain_set_native_tsc(struct hv *hv, unsigned domid, struct vane_error *error)
{
    domctl_begin(hv, XEN_DOMCTL_settscinfo, domid)->u.tsc_info.tsc_mode = TSC_NEVER_EMULATE;
    return domctl_end(hv, "setting the TSC mode of", error);
}

int hv_domain_set_handle(struct hv *hv, unsigned domid, const uint8_t handle[HV_HANDLE_SIZE], struct vane_error *error)
{
    memcpy(domctl_begin(hv, XEN_DOMCTL_setdomainhandle, domid)->u.setdomainhandle.handle, handle, HV_HANDLE_SIZE);
    return domctl_end(hv, "setting the UUID of", error);
}

int hv_hypercall_page(struct hv *hv, unsigned domid, uint64_t frame, struct vane_error *error)
{
    domctl_begin(hv, XEN_DOMCTL_hypercall_init, domid)->u.hypercall_init.gmfn = frame;
    return domctl_end(hv, "making the hypercall page of", error);
}

static int context(struct hv *hv, uint32_t cmd, unsigned domid, unsigned vcpu, const char *what, struct vane_error *error)
{
    struct xen_domctl_vcpucontext *op = &domctl_begin(hv, cmd, domid)->u.vcpucontext;

    op->vcpu = vcpu;
    op->ctxt = data_address(hv);
    return domctl_end(hv, what, error);
}

int hv_vcpu_set_context(struct hv *hv, unsigned domid, unsigned vcpu, const struct vcpu_guest_context *given,
                        struct vane_error *error)
{
    memcpy(data_of(hv), given, sizeof(*given));
    return context(hv, XEN_DOMCTL_setvcpucontext, domid, vcpu, "setting the state of a vCPU of", error);
}

int hv_vcpu_get_context(struct hv *hv, unsigned domid, unsigned vcpu, struct vcpu_guest_context *wanted,
                        struct vane_error *error)
{
    int rc = context(hv, XEN_DOMCTL_getvcpucontext, domid, vcpu, "reading the state of a vCPU of", error);

    if (!rc)
        memcpy(wanted, data_of(hv), sizeof(*wanted));
    return rc;
}

int hv_domain_resume(struct hv *hv, unsigned domid, struct vane_error *error)
{
    struct vcpu_guest_context *state = data_of(hv);
    int rc = context(hv, XEN_DOMCTL_getvcpucontext, domid, 0, "reading the state of a vCPU of", error);

    if (rc)
        return rc;
    state->user_regs.rax = 1;
    rc = context(hv, XEN_DOMCTL_setvcpucontext, domid, 0, "setting the state of a vCPU of", error);
    return rc ? rc : domctl_simple(hv, XEN_DOMCTL_resumedomain, domid, "resuming", error);
}

int hv_vcpu_info(struct hv *hv, unsigned domid, unsigned index, struct hv_vcpu *vcpu, struct vane_error *error)
{
    struct xen_domctl_getvcpuinfo *op = &domctl_begin(hv, XEN_DOMCTL_getvcpuinfo, domid)->u.getvcpuinfo;
    int rc;

    op->vcpu = index;
    rc = domctl_end(hv, "looking at a vCPU of", error);
    if (!rc)
        *vcpu = (struct hv_vcpu){ op->online, op->blocked, op->running, op->cpu_time, op->cpu };
    return rc;
}

static int affinity(struct hv *hv, uint32_t cmd, unsigned domid, unsigned vcpu, uint32_t flags, struct vane_error *error)
{
    struct xen_domctl_vcpuaffinity *op = &domctl_begin(hv, cmd, domid)->u.vcpuaffinity;

    op->vcpu = vcpu;
    op->flags = flags;
    op->cpumap_hard = (struct xenctl_bitmap){ data_address(hv), HV_MAX_CPUS };
    op->cpumap_soft = (struct xenctl_bitmap){ data_address(hv) + sizeof(struct hv_cpu_set), HV_MAX_CPUS };
    return domctl_end(hv, "the CPUs of a vCPU of", error);
}

int hv_vcpu_set_affinity(struct hv *hv, unsigned domid, unsigned vcpu, const struct hv_cpu_set *hard,
                         const struct hv_cpu_set *soft, struct vane_error *error)
{
    struct hv_cpu_set *sets = data_of(hv);

    if (hard)
        sets[0] = *hard;
    if (soft)
        sets[1] = *soft;
    return affinity(hv, XEN_DOMCTL_setvcpuaffinity, domid, vcpu,
                    (hard ? XEN_VCPUAFFINITY_HARD : 0u) | (soft ? XEN_VCPUAFFINITY_SOFT : 0u), error);
}

int hv_vcpu_get_affinity(struct hv *hv, unsigned domid, unsigned vcpu, struct hv_cpu_set *hard, struct hv_cpu_set *soft,
                         struct vane_error *error)
{
    struct hv_cpu_set *sets = data_of(hv);
    int rc;

    memset(sets, 0, 2 * sizeof(*sets));
    rc = affinity(hv, XEN_DOMCTL_getvcpuaffinity, domid, vcpu, XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT, error);
    if (!rc && hard)
        *hard = sets[0];
    if (!rc && soft)
        *soft = sets[1];
    return rc;
}

static struct xen_domctl_sched_credit2 *credit_begin(struct hv *hv, unsigned domid, uint32_t cmd)
{
    struct xen_domctl_scheduler_op *op = &domctl_begin(hv, XEN_DOMCTL_scheduler_op, domid)->u.scheduler_op;

    op->sched_id = XEN_SCHEDULER_CREDIT2;
    op->cmd = cmd;
    return &op->u.credit2;
}

int hv_domain_set_credit(struct hv *hv, unsigned domid, unsigned weight, unsigned cap, struct vane_error *error)
{
    struct xen_domctl_sched_credit2 *credit;

    if (!weight || weight > UINT16_MAX)
        return vane_fail(error, VANE_INVALID, "weight %u: a domain's weight is 1 to 65535, usually 256", weight);
    if (cap > UINT16_MAX)
        return vane_fail(error, VANE_INVALID, "cap %u: a domain's cap is 0 (none) to 65535 per cent of a CPU", cap);
    credit = credit_begin(hv, domid, XEN_DOMCTL_SCHEDOP_putinfo);
    credit->weight = (uint16_t)weight;
    credit->cap = (uint16_t)cap;
    return domctl_end(hv, "setting weight and cap of", error);
}

int hv_domain_get_credit(struct hv *hv, unsigned domid, unsigned *weight, unsigned *cap, struct vane_error *error)
{
    struct xen_domctl_sched_credit2 *credit = credit_begin(hv, domid, XEN_DOMCTL_SCHEDOP_getinfo);
    int rc = domctl_end(hv, "reading weight and cap of", error);

    if (!rc) {
        *weight = credit->weight;
        *cap = credit->cap;
    }
    return rc;
}

// --- sysctl

static struct xen_sysctl *sysctl_begin(struct hv *hv, uint32_t cmd)
{
    struct xen_sysctl *op = begin(hv);

    op->cmd = cmd;
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return op;
}

static int sysctl_end(struct hv *hv, const char *what, struct vane_error *error)
{
    int r = call(hv, __HYPERVISOR_sysctl, (uintptr_t)hv->buffer, 0, 0, 0);

    return r < 0 ? vane_fail_errno(error, r, "%s", what) : 0;
}

int hv_host(struct hv *hv, struct hv_host *host, struct vane_error *error)
{
    struct xen_sysctl_physinfo *info = &sysctl_begin(hv, XEN_SYSCTL_physinfo)->u.physinfo;
    int rc = sysctl_end(hv, "asking the hypervisor about the host", error);

    if (!rc)
        *host = (struct hv_host){
            .nr_cpus = info->nr_cpus,
            .threads_per_core = info->threads_per_core,
            .cores_per_socket = info->cores_per_socket,
            .nr_nodes = info->nr_nodes,
            .cpu_khz = info->cpu_khz,
            .capabilities = info->capabilities,
            .total_pages = info->total_pages,
            .free_pages = info->free_pages,
            .scrub_pages = info->scrub_pages,
            .claimed_pages = info->outstanding_pages,
        };
    return rc;
}

int hv_cpus(struct hv *hv, struct hv_cpu *cpus, unsigned max, unsigned *count, struct vane_error *error)
{
    struct xen_sysctl_cputopoinfo *op = &sysctl_begin(hv, XEN_SYSCTL_cputopoinfo)->u.cputopoinfo;
    const struct xen_sysctl_cputopo *found = data_of(hv);
    int rc;

    op->num_cpus = HV_MAX_CPUS;
    op->cputopo = data_address(hv);
    rc = sysctl_end(hv, "asking the hypervisor about the CPUs", error);
    if (rc)
        return rc;
    *count = op->num_cpus;
    for (unsigned i = 0; i < max && i < op->num_cpus && i < HV_MAX_CPUS; i++)
        cpus[i] = (struct hv_cpu){ found[i].core, found[i].socket, found[i].node };
    return 0;
}

int hv_domain_list(struct hv *hv, unsigned first, struct hv_domain *domains, unsigned max, unsigned *count,
                   struct vane_error *error)
{
    struct xen_sysctl_getdomaininfolist *op = &sysctl_begin(hv, XEN_SYSCTL_getdomaininfolist)->u.getdomaininfolist;
    const struct xen_domctl_getdomaininfo *found = data_of(hv);
    const unsigned room = DATA_SIZE / sizeof(*found);
    int rc;

    op->first_domain = (domid_t)first;
    op->max_domains = max < room ? max : room;
    op->buffer = data_address(hv);
    rc = sysctl_end(hv, "listing the domains", error);
    if (rc)
        return rc;
    *count = op->num_domains < max ? op->num_domains : max;
    for (unsigned i = 0; i < *count; i++)
        domain_of(&domains[i], &found[i]);
    return 0;
}

int hv_console_read(struct hv *hv, char *text, size_t size, uint32_t *index, size_t *length, struct vane_error *error)
{
    struct xen_sysctl_readconsole *op = &sysctl_begin(hv, XEN_SYSCTL_readconsole)->u.readconsole;
    int rc;

    op->incremental = 1;
    op->index = *index;
    op->buffer = data_address(hv);
    op->count = (uint32_t)(size < DATA_SIZE ? size : DATA_SIZE);
    rc = sysctl_end(hv, "reading the hypervisor's console", error);
    if (rc)
        return rc;
    *length = op->count < size ? op->count : size;
    *index = op->index;
    memcpy(text, data_of(hv), *length);
    return 0;
}

int hv_debug_keys(struct hv *hv, const char *keys, struct vane_error *error)
{
    struct xen_sysctl_debug_keys *op = &sysctl_begin(hv, XEN_SYSCTL_debug_keys)->u.debug_keys;
    size_t length = strlen(keys);

    if (length > DATA_SIZE)
        return vane_fail(error, VANE_INVALID, "debug keys: %zu are too many: send at most %d at once", length, DATA_SIZE);
    memcpy(data_of(hv), keys, length);
    op->keys = data_address(hv);
    op->nr_keys = (uint32_t)length;
    return sysctl_end(hv, "sending debug keys", error);
}

// --- What the hypervisor is

static int version_text(struct hv *hv, uint64_t cmd, char *text, size_t size, struct vane_error *error)
{
    int r;

    memset(data_of(hv), 0, size);
    r = call(hv, __HYPERVISOR_xen_version, cmd, data_address(hv), 0, 0);
    if (r < 0)
        return vane_fail_errno(error, r, "asking the hypervisor for its version");
    snprintf(text, size, "%s", (const char *)data_of(hv));
    return 0;
}

int hv_version(struct hv *hv, struct hv_version *version, struct vane_error *error)
{
    const struct { uint64_t cmd; char *text; size_t size; } texts[] = {
        { XENVER_extraversion, version->extra, sizeof(version->extra) },
        { XENVER_capabilities, version->capabilities, sizeof(version->capabilities) },
        { XENVER_changeset, version->changeset, sizeof(version->changeset) },
        { XENVER_compile_info, version->compiler, sizeof(version->compiler) },
        { XENVER_commandline, version->command_line, sizeof(version->command_line) },
    };
    int r = call(hv, __HYPERVISOR_xen_version, XENVER_version, 0, 0, 0), rc = 0;

    if (r < 0)
        return vane_fail_errno(error, r, "asking the hypervisor for its version");
    version->major = (unsigned)r >> 16;
    version->minor = (unsigned)r & 0xffff;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && !rc; i++)
        rc = version_text(hv, texts[i].cmd, texts[i].text, texts[i].size, error);
    return rc;
}

// --- Memory

static int memory_op(struct hv *hv, uint64_t cmd)
{
    return call(hv, __HYPERVISOR_memory_op, cmd, (uintptr_t)hv->buffer, 0, 0);
}

// An entry of the firmware's kind: 64 bits of start, 64 of size, 32 of type.
int hv_domain_set_map_limit(struct hv *hv, unsigned domid, uint64_t pages, struct vane_error *error)
{
    struct xen_foreign_memory_map *op = begin(hv);
    const uint64_t range[2] = { 0, pages * HV_PAGE_SIZE };
    const uint32_t usable = 1;
    int r;

    op->domid = (domid_t)domid;
    op->map.nr_entries = 1;
    op->map.buffer = data_address(hv);
    memcpy(data_of(hv), range, sizeof(range));
    memcpy((uint8_t *)data_of(hv) + sizeof(range), &usable, sizeof(usable));
    r = memory_op(hv, XENMEM_set_memory_map);
    return r < 0 ? vane_fail_errno(error, r, "setting the memory map of domain %u", domid) : 0;
}

int hv_claim(struct hv *hv, unsigned domid, uint64_t pages, struct vane_error *error)
{
    struct xen_memory_reservation *op = begin(hv);
    int r;

    op->nr_extents = pages;
    op->domid = (domid_t)domid;
    r = memory_op(hv, XENMEM_claim_pages);
    return r < 0 ? vane_fail_errno(error, r, "claiming %lu MiB for domain %u", pages >> 8, domid) : 0;
}

// A list that is longer than the buffer is done in parts.
int hv_populate(struct hv *hv, unsigned domid, unsigned order, uint64_t *extents, size_t count, size_t *done,
                struct vane_error *error)
{
    for (*done = 0; *done < count;) {
        size_t part = count - *done < MAX_EXTENTS ? count - *done : MAX_EXTENTS;
        struct xen_memory_reservation *op = begin(hv);
        int r;

        memcpy(data_of(hv), extents + *done, part * sizeof(*extents));
        op->extent_start = data_address(hv);
        op->nr_extents = part;
        op->extent_order = order;
        op->domid = (domid_t)domid;
        r = memory_op(hv, XENMEM_populate_physmap);
        if (r > 0 && (size_t)r <= part)
            memcpy(extents + *done, data_of(hv), (size_t)r * sizeof(*extents));
        if (r < 0)
            return vane_fail_errno(error, r, "giving memory to domain %u", domid);
        *done += (size_t)r;
        if ((size_t)r < part)
            return vane_fail(error, VANE_NO_RESOURCE,
                             "giving memory to domain %u: %zu of %zu blocks of %u KiB were given: free memory, or give "
                             "the domain less", domid, *done, count, 4u << order);
    }
    return 0;
}

int hv_map(struct hv *hv, unsigned domid, const uint64_t *frames, size_t count, void **at, struct vane_error *error)
{
    *at = xen_map_frames(hv->privcmd, domid, frames, count, true);
    return *at ? 0 : vane_fail_errno(error, errno, "mapping %zu pages of domain %u", count, domid);
}

void hv_unmap(void *at, size_t count)
{
    munmap(at, count * HV_PAGE_SIZE);
}

static int mmuext(struct hv *hv, unsigned domid, size_t count)
{
    return call(hv, __HYPERVISOR_mmuext_op, data_address(hv), count, 0, domid);
}

int hv_clear_frames(struct hv *hv, unsigned domid, const uint64_t *frames, size_t count, struct vane_error *error)
{
    struct mmuext_op *ops = data_of(hv);

    for (size_t done = 0, part; done < count; done += part) {
        int r;

        part = count - done < MAX_OPS ? count - done : MAX_OPS;
        for (size_t i = 0; i < part; i++)
            ops[i] = (struct mmuext_op){ .cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = frames[done + i] };
        r = mmuext(hv, domid, part);
        if (r < 0)
            return vane_fail_errno(error, r, "clearing memory of domain %u", domid);
    }
    return 0;
}

int hv_pin_l4(struct hv *hv, unsigned domid, uint64_t frame, struct vane_error *error)
{
    struct mmuext_op *op = data_of(hv);
    int r;

    *op = (struct mmuext_op){ .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = frame };
    r = mmuext(hv, domid, 1);
    return r < 0 ? vane_fail_errno(error, r, "pinning the page tables of domain %u", domid) : 0;
}

// --- Event channels and grants

int hv_alloc_port(struct hv *hv, unsigned domid, unsigned remote, uint32_t *port, struct vane_error *error)
{
    struct evtchn_alloc_unbound *op = begin(hv);
    int r;

    op->dom = (domid_t)domid;
    op->remote_dom = (domid_t)remote;
    r = call(hv, __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, (uintptr_t)op, 0, 0);
    if (r < 0)
        return vane_fail_errno(error, r, "making an event channel of domain %u", domid);
    *port = op->port;
    return 0;
}

int hv_seed_grants(struct hv *hv, unsigned domid, const struct hv_grant *grants, size_t count, struct vane_error *error)
{
    struct grant_entry_v1 *table = xen_map_resource(hv->privcmd, domid, XENMEM_resource_grant_table,
                                                    XENMEM_resource_grant_table_id_shared, 0, 1);

    if (!table)
        return vane_fail_errno(error, errno, "mapping the grant table of domain %u", domid);
    for (size_t i = 0; i < count; i++)
        table[grants[i].reference] = (struct grant_entry_v1){
            .flags = GTF_permit_access, .domid = (domid_t)grants[i].to, .frame = (uint32_t)grants[i].frame,
        };
    munmap(table, HV_PAGE_SIZE);
    return 0;
}

// --- Opening

int hv_open(struct hv *hv, const char *folder, struct vane_error *error)
{
    struct hv_host host;
    int rc;

    folder = folder ? folder : "/dev/xen";
    hv->buffer = NULL;
    hv->privcmd = xen_open_privcmd(folder);
    if (hv->privcmd < 0)
        return vane_fail_errno(error, hv->privcmd, "opening %s/privcmd (is this a control domain, with the module "
                               "xen-privcmd loaded?)", folder);
    hv->buffer = xen_hypercall_buffer(folder, BUFFER_SIZE);
    rc = hv->buffer ? hv_host(hv, &host, error) : vane_fail_errno(error, errno, "locking memory for hypercalls");
    if (rc)
        hv_close(hv);
    return rc;
}

void hv_close(struct hv *hv)
{
    if (hv->buffer)
        munmap(hv->buffer, BUFFER_SIZE);
    close(hv->privcmd);
}
