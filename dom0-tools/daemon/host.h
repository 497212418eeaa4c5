// SPDX-License-Identifier: MIT
// What vaned wants of the machine under it. host_xen.c does it with libvane; tests/daemon/host_sim.c with a file in
// place of a hypervisor, for tests of the daemon itself. Functions return 0 or what error.h says.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../definition/definition.h"

enum { HOST_MAX_DOMAINS = 1024, HOST_NR_PHASES = 5 };
enum host_end { END_POWEROFF, END_REBOOT, END_SUSPEND, END_CRASH, END_WATCHDOG, NR_ENDS };

struct host;

struct host_domain {
    unsigned id, nr_vcpus;
    uint8_t uuid[16];
    bool shut_down, dying, paused;
    enum host_end end;              // where shut_down
    uint64_t memory_kib, max_memory_kib, cpu_time_ns;
    uint64_t claimed_kib;           // promised to it while it is built, beside memory_kib
};

struct host_facts {
    unsigned nr_cpus;
    uint64_t cpu_khz, total_kib, free_kib;
    char version[96];
};

struct host_vcpu {
    bool online, blocked, running;
    unsigned cpu;
    uint64_t cpu_time_ns;
};

extern const char *const host_phase_names[HOST_NR_PHASES];

int host_open(struct host **host, const char *folder, struct vane_error *error);
// One that only builds, for another thread.
int host_open_builder(struct host **host, const char *folder, struct vane_error *error);
void host_close(struct host *host);
// Readable when a domain has ended; then host_taken(). Below 0: nothing tells now, so ask now and then, by
// host_taken() too. It may be another one after that.
int host_fd(const struct host *host);
void host_taken(struct host *host);

int host_facts(struct host *host, struct host_facts *facts, struct vane_error *error);
// What the store says of itself, in lines of a word and a number; empty where it is one that does not.
void host_store_figures(struct host *host, char *text, size_t size, bool *is_up);
// The control domain first.
int host_domains(struct host *host, struct host_domain *domains, unsigned max, unsigned *count, struct vane_error *error);
int host_vcpu(struct host *host, unsigned id, unsigned vcpu, struct host_vcpu *info, struct vane_error *error);
// What has gone through a NIC of the kernel's since the domain's start, as its guest sees it. False: nothing is known of it.
struct nic_figures {
    uint64_t received_bytes, sent_bytes, received_packets, sent_packets, received_drops, sent_drops;
    uint64_t filtered, invalid, limited;        // what vane-net alone tells
};
bool host_nic_figures(struct host *host, unsigned id, unsigned index, struct nic_figures *figures);
// The hypervisor's own log, closed by a zero byte.
int host_log(struct host *host, char *text, size_t size, struct vane_error *error);

// Consoles. The descriptor is readable when guests have said something; which, the second tells: at most `max`, the rest the
// next time.
int host_consoles_fd(const struct host *host);
unsigned host_consoles_taken(struct host *host, unsigned *ids, unsigned max);
int host_console_open(struct host *host, unsigned id, struct vane_error *error);
void host_console_close(struct host *host, unsigned id);
// What there is, and what there is room for.
int host_console_read(struct host *host, unsigned id, char *text, size_t size, size_t *length, struct vane_error *error);
int host_console_write(struct host *host, unsigned id, const char *text, size_t size, size_t *length,
                       struct vane_error *error);

// Makes the domain, paused, with its devices, and tells the store of it. After a failure there is none.
int host_build(struct host *host, const struct definition *d, unsigned *id, uint64_t phase_ns[HOST_NR_PHASES],
               struct vane_error *error);
// devices.c: whether vane-blk serves a disk, and vane-net a NIC: then only its nodes are made here.
bool disk_is_ours(const struct disk *disk);
bool nic_is_ours(const struct nic *nic);
// The name that its TAP device is to have, if there is a wish: names that other tools make up are none, and may be another's by now.
const char *nic_device(const struct nic *nic);
// And a NIC's address, its own or one made for it: of the domain's UUID and a number, which is its place if it has that from the
// beginning.
void nic_address(const struct definition *d, unsigned index, uint8_t mac[6]);
void nic_make_address(const struct definition *d, unsigned number, uint8_t mac[6]);
// Ends it and takes away all that is left of it. An `id` of 0 is not known: then what is left is found by the UUID.
int host_destroy(struct host *host, unsigned id, const uint8_t uuid[16], struct vane_error *error);
// A device of ours for a domain that runs: the number that it gets, and its nodes. At its end its back end is asked to close, until
// *gone; the nodes are removed when no process serves it any more.
enum host_device { HOST_DISK, HOST_NIC };
int host_number(struct host *host, unsigned id, const struct definition *d, enum host_device type, unsigned index, unsigned *number,
                struct vane_error *error);
int host_attach(struct host *host, unsigned id, const struct definition *d, enum host_device type, unsigned index, unsigned number,
                struct vane_error *error);
int host_close_device(struct host *host, unsigned id, enum host_device type, unsigned number, bool *gone, struct vane_error *error);
int host_detach(struct host *host, unsigned id, enum host_device type, unsigned number, struct vane_error *error);
int host_pause(struct host *host, unsigned id, bool pause, struct vane_error *error);
// Asks the guest: poweroff, reboot.
int host_ask(struct host *host, unsigned id, const char *what, struct vane_error *error);
int host_rename(struct host *host, unsigned id, const char *name, struct vane_error *error);
int host_set_memory(struct host *host, unsigned id, uint64_t kib, struct vane_error *error);
int host_set_vcpus(struct host *host, unsigned id, unsigned online, unsigned max, struct vane_error *error);
int host_set_share(struct host *host, unsigned id, unsigned weight, unsigned cap, struct vane_error *error);
int host_pin(struct host *host, unsigned id, unsigned vcpu, const char *cpus, struct vane_error *error);
