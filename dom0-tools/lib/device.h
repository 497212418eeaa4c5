// SPDX-License-Identifier: MIT
// Disks and NICs of a domain, served by dom0's kernel (xen-blkback, xen-netback) or by vane-blk and vane-net: the nodes by which
// backend and frontend find each other. A domain's devices are best added before it is unpaused; later it is a hot-plug, for which
// nothing differs. All functions return 0 or, as error.h says, a negative kind.
#pragma once

#include "error.h"
#include "xenstore-like/client/xs.h"

enum device_type { DEVICE_DISK, DEVICE_NIC, DEVICE_OWN_DISK, DEVICE_OWN_NIC, DEVICE_NR_TYPES };

struct device_disk {
    const char *target;             // "xvda" to "xvdzz", with or without a partition's number (1 to 15): what the guest sees
    const char *path;               // a block device; device_loop() makes one of a file. NULL: DEVICE_OWN_DISK, vane-blk's
    bool read_only;
};

struct device_nic {
    unsigned index;                 // 0 is the guest's eth0
    uint8_t mac[6];
    const char *bridge;
    bool is_own;                    // DEVICE_OWN_NIC, vane-net's, which makes the interface
};

// The number of a disk in the ABI (docs of Linux' xen-blkfront): 202 << 8 for xvda.
int device_disk_number(const char *target, unsigned *number, struct vane_error *error);
// Makes a block device of a file. It goes when nothing has it open any more: *fd keeps it, until the guest has connected.
int device_loop(const char *path, bool read_only, int *fd, char device[32], struct vane_error *error);

// The first number that no NIC of the guest's has.
int device_free_nic(struct xs *xs, unsigned domid, unsigned *index, struct vane_error *error);
int device_add_disk(struct xs *xs, unsigned domid, const struct device_disk *disk, struct vane_error *error);
int device_add_nic(struct xs *xs, unsigned domid, const struct device_nic *nic, struct vane_error *error);
// The host's side of a NIC: once the kernel has made its interface (vifDOMID.INDEX; *ready says so), puts it on the
// bridge and lets the backend go on. To be called again until it is ready: when the backend's state changes.
int device_plug_nic(struct xs *xs, unsigned domid, const struct device_nic *nic, bool *ready, struct vane_error *error);

// Asks the backend to close, and is to be called until *gone: nothing of the guest's is used any more.
int device_close(struct xs *xs, unsigned domid, enum device_type type, unsigned number, bool *gone, struct vane_error *error);
// The same, and then the device's nodes are removed. A domain that is no more (or a device that must go at once) needs no asking:
// `force`.
int device_remove(struct xs *xs, unsigned domid, enum device_type type, unsigned number, bool force, bool *gone,
                  struct vane_error *error);
// All devices of a domain that is no more.
int device_remove_all(struct xs *xs, unsigned domid, struct vane_error *error);
// The folders of both sides, as vane-blk and vane-net are told of them.
enum { DEVICE_MAX_FOLDER = 128 };
void device_folders(unsigned domid, enum device_type type, unsigned number, char back[DEVICE_MAX_FOLDER],
                    char front[DEVICE_MAX_FOLDER]);
// XenbusState* of both sides; 0 where there is none.
int device_states(struct xs *xs, unsigned domid, enum device_type type, unsigned number, unsigned *back, unsigned *front,
                  struct vane_error *error);
