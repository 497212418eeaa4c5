// SPDX-License-Identifier: MIT
// A domain in the store: the nodes that guests, xenconsoled and Debian's own tools expect, the introduction to the store
// daemon, and requests to the guest. All functions return 0 or, as error.h says, a negative kind.
#pragma once

#include "build.h"
#include "xenstore-like/client/xs.h"

struct domain_config {
    const char *name;
    uint8_t uuid[HV_HANDLE_SIZE];
    uint64_t target_pages, max_pages;
    unsigned nr_vcpus;              // the guest may have
    unsigned nr_online;             // of them it starts with
    const char *console_type;       // "xenconsoled" where NULL: who looks after the console's ring
};

// Makes the domain's nodes, all at once, and introduces it: then the daemons connect to it. After a failure there is
// nothing of it in the store.
int domain_publish(struct xs *xs, const struct domain_config *config, const struct built *built, struct vane_error *error);
// Releases it and removes its nodes; with a domid of 0 only what stands under its UUID alone. What is not there any more is
// no failure.
int domain_withdraw(struct xs *xs, unsigned domid, const uint8_t uuid[HV_HANDLE_SIZE], struct vane_error *error);
// The domain whose nodes name this UUID, though it may have ended long ago. 0: there is none.
int domain_find_nodes(struct xs *xs, const uint8_t uuid[HV_HANDLE_SIZE], unsigned *domid, struct vane_error *error);

// Asks the guest, by its node control/shutdown: "poweroff", "reboot", "suspend", "halt", "crash". It takes the request
// when it gets to it: *taken says whether it has. VANE_STATE: an earlier request has not been taken yet.
int domain_request(struct xs *xs, unsigned domid, const char *what, struct vane_error *error);
int domain_request_taken(struct xs *xs, unsigned domid, bool *taken, struct vane_error *error);
int domain_sysrq(struct xs *xs, unsigned domid, char key, struct vane_error *error);

int domain_set_target(struct xs *xs, unsigned domid, uint64_t pages, struct vane_error *error);
int domain_set_vcpu(struct xs *xs, unsigned domid, unsigned vcpu, bool online, struct vane_error *error);
// Of the domain's own name; the definition's is somebody else's.
int domain_rename(struct xs *xs, unsigned domid, const char *name, struct vane_error *error);

// "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" and its closing zero.
enum { DOMAIN_UUID_TEXT = 37 };
void domain_uuid_text(const uint8_t uuid[HV_HANDLE_SIZE], char text[DOMAIN_UUID_TEXT]);
