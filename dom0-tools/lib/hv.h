// SPDX-License-Identifier: MIT
// The hypervisor's control interface (domctl, sysctl, memory and platform operations of Xen 4.17) as
// functions, by /dev/xen/privcmd and nothing else: so it works on Debian's Xen as on ours.
//
// One thread at a time may use a `struct hv`. All functions return 0 or, as error.h says, a negative
// kind with a sentence in *error. Sizes are in pages of 4 KiB, times in nanoseconds, unless the name says
// otherwise. A domid that no domain has is VANE_NOT_FOUND.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum {
    HV_PAGE_SIZE = 4096,
    HV_HANDLE_SIZE = 16,
    HV_MAX_DOMID = 0x7fef,
    HV_MAX_VCPUS = 512,             // vCPUs of a domain, as toolstacks of Xen have it; the hypervisor's may be less
    HV_MAX_CPUS = 4096,             // of the host, in the sets below
};

struct hv {
    int privcmd;
    uint8_t *buffer;                // locked memory: a page for the call, the rest for what it points to
};

// `folder` is /dev/xen where NULL. VANE_UNSUPPORTED: the hypervisor's control interface is another one.
int hv_open(struct hv *hv, const char *folder, struct vane_error *error);
void hv_close(struct hv *hv);

// --- The host

struct hv_host {
    unsigned nr_cpus, threads_per_core, cores_per_socket, nr_nodes;
    uint32_t cpu_khz, capabilities; // XEN_SYSCTL_PHYSCAP_*
    uint64_t total_pages, free_pages, scrub_pages;
    uint64_t claimed_pages;         // a part of free_pages that is promised to domains being built
};

struct hv_version {
    unsigned major, minor;
    char extra[16], capabilities[1024], changeset[64], compiler[64], command_line[1024];
};

struct hv_cpu { unsigned core, socket, node; };

int hv_host(struct hv *hv, struct hv_host *host, struct vane_error *error);
int hv_version(struct hv *hv, struct hv_version *version, struct vane_error *error);
// Fills in up to `max` CPUs; *count is how many there are.
int hv_cpus(struct hv *hv, struct hv_cpu *cpus, unsigned max, unsigned *count, struct vane_error *error);
// The hypervisor's own console: what came after *index, which is moved on (0: from the oldest byte kept).
int hv_console_read(struct hv *hv, char *text, size_t size, uint32_t *index, size_t *length, struct vane_error *error);
int hv_debug_keys(struct hv *hv, const char *keys, struct vane_error *error);

// --- Domains

struct hv_domain_config {
    uint8_t handle[HV_HANDLE_SIZE]; // the UUID
    unsigned nr_vcpus;              // 1 to HV_MAX_VCPUS
    unsigned max_event_channels;    // the highest port; 0: 1023
    int max_grant_frames;           // below 0: the hypervisor's default
    int max_maptrack_frames;
};

enum hv_shutdown { HV_POWEROFF, HV_REBOOT, HV_SUSPEND, HV_CRASH, HV_WATCHDOG, HV_SOFT_RESET };

struct hv_domain {
    unsigned domid;
    uint8_t handle[HV_HANDLE_SIZE];
    bool dying, shut_down, paused, blocked, running;
    enum hv_shutdown reason;        // where shut_down
    unsigned nr_online_vcpus, nr_vcpus, cpupool;
    uint64_t pages, max_pages, claimed_pages, cpu_time_ns, shared_info_frame;
};

// Creates an empty domain, paused, with its vCPUs; *domid is the lowest that is free (from 1) if it is 0.
int hv_domain_create(struct hv *hv, const struct hv_domain_config *config, unsigned *domid, struct vane_error *error);
// Takes as long as freeing the memory does. What others have mapped or granted keeps the domain dying.
int hv_domain_destroy(struct hv *hv, unsigned domid, struct vane_error *error);
// Both count: a domain runs when it was unpaused as often as paused.
int hv_domain_pause(struct hv *hv, unsigned domid, struct vane_error *error);
int hv_domain_unpause(struct hv *hv, unsigned domid, struct vane_error *error);
// After a suspend: the guest's call returns, and says that it was cancelled, so that nothing needs to be set up anew.
// Only for kernels with the note SUSPEND_CANCEL: all of Linux. The store must be told too (xs_resume()).
int hv_domain_resume(struct hv *hv, unsigned domid, struct vane_error *error);
int hv_domain_shutdown(struct hv *hv, unsigned domid, enum hv_shutdown reason, struct vane_error *error);
int hv_domain_info(struct hv *hv, unsigned domid, struct hv_domain *domain, struct vane_error *error);
// Those from `first` on in the order of their ids, up to `max`; *count is how many were filled in.
int hv_domain_list(struct hv *hv, unsigned first, struct hv_domain *domains, unsigned max, unsigned *count,
                   struct vane_error *error);
int hv_domain_set_max_pages(struct hv *hv, unsigned domid, uint64_t pages, struct vane_error *error);
// How far the guest's memory map reaches: what ballooning can ever give it.
int hv_domain_set_map_limit(struct hv *hv, unsigned domid, uint64_t pages, struct vane_error *error);
int hv_domain_set_time_offset(struct hv *hv, unsigned domid, int64_t seconds, struct vane_error *error);
// The guest reads the CPU's counter itself; only for domains that have not run.
int hv_domain_set_native_tsc(struct hv *hv, unsigned domid, struct vane_error *error);
int hv_domain_set_handle(struct hv *hv, unsigned domid, const uint8_t handle[HV_HANDLE_SIZE], struct vane_error *error);

// --- vCPUs

struct vcpu_guest_context;          // public/xen.h

struct hv_vcpu { bool online, blocked, running; uint64_t cpu_time_ns; unsigned cpu; };
// Bit n of byte n / 8 is CPU n.
struct hv_cpu_set { uint8_t bits[HV_MAX_CPUS / 8]; };

int hv_vcpu_set_context(struct hv *hv, unsigned domid, unsigned vcpu, const struct vcpu_guest_context *context,
                        struct vane_error *error);
int hv_vcpu_get_context(struct hv *hv, unsigned domid, unsigned vcpu, struct vcpu_guest_context *context,
                        struct vane_error *error);
int hv_vcpu_info(struct hv *hv, unsigned domid, unsigned index, struct hv_vcpu *vcpu, struct vane_error *error);
// Either set may be NULL: it stays as it is, or is not asked for.
int hv_vcpu_set_affinity(struct hv *hv, unsigned domid, unsigned vcpu, const struct hv_cpu_set *hard,
                         const struct hv_cpu_set *soft, struct vane_error *error);
int hv_vcpu_get_affinity(struct hv *hv, unsigned domid, unsigned vcpu, struct hv_cpu_set *hard, struct hv_cpu_set *soft,
                         struct vane_error *error);
// Weight 1 to 65535 (256 is usual), cap in per cent of one CPU (0: none).
int hv_domain_set_credit(struct hv *hv, unsigned domid, unsigned weight, unsigned cap, struct vane_error *error);
int hv_domain_get_credit(struct hv *hv, unsigned domid, unsigned *weight, unsigned *cap, struct vane_error *error);

// --- Memory, event channels and grants of a domain that is being built

// Promises the domain so many pages in all, those it has among them; 0 ends the promise. VANE_NO_RESOURCE.
int hv_claim(struct hv *hv, unsigned domid, uint64_t pages, struct vane_error *error);
// Gives the domain extents of 1 << order pages. `extents`: in, its first guest frame numbers; out, machine frames. *done
// is how many were given, also on failure.
int hv_populate(struct hv *hv, unsigned domid, unsigned order, uint64_t *extents, size_t count, size_t *done,
                struct vane_error *error);
// Machine frames of a PV domain side by side in our memory.
int hv_map(struct hv *hv, unsigned domid, const uint64_t *frames, size_t count, void **at, struct vane_error *error);
void hv_unmap(void *at, size_t count);
int hv_clear_frames(struct hv *hv, unsigned domid, const uint64_t *frames, size_t count, struct vane_error *error);
int hv_pin_l4(struct hv *hv, unsigned domid, uint64_t frame, struct vane_error *error);
int hv_hypercall_page(struct hv *hv, unsigned domid, uint64_t frame, struct vane_error *error);
// A port of `domid` that only `remote` may bind.
int hv_alloc_port(struct hv *hv, unsigned domid, unsigned remote, uint32_t *port, struct vane_error *error);
// A grant as if the guest had made it. `references` of one call lie in its table's first frame (below 512).
struct hv_grant { uint32_t reference; unsigned to; uint64_t frame; };
int hv_seed_grants(struct hv *hv, unsigned domid, const struct hv_grant *grants, size_t count, struct vane_error *error);
