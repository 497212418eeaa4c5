// SPDX-License-Identifier: MIT
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_bridge.h>
#include <linux/loop.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "public/io/xenbus.h"

enum { TRIES = 100, PATH = DEVICE_MAX_FOLDER, MAJOR_XVD = 202, MAX_NARROW_DISKS = 16, MAX_NICS = 256 };

// What a device is called in the guest's folder, and in ours: dom0's kernel serves what is called the same in both.
static const struct { const char *front, *back; } type_names[DEVICE_NR_TYPES] = {
    [DEVICE_DISK] = { "vbd", "vbd" }, [DEVICE_NIC] = { "vif", "vif" }, [DEVICE_OWN_DISK] = { "vbd", "vane-blk" },
    [DEVICE_OWN_NIC] = { "vif", "vane-net" },
};

struct node { const char *name; char value[256]; };

// Both folders of a device.
struct places { char front[PATH], back[PATH]; };

static struct places places_of(unsigned domid, enum device_type type, unsigned number)
{
    struct places p;

    snprintf(p.front, sizeof(p.front), "/local/domain/%u/device/%s/%u", domid, type_names[type].front, number);
    snprintf(p.back, sizeof(p.back), "/local/domain/0/backend/%s/%u/%u", type_names[type].back, domid, number);
    return p;
}

void device_folders(unsigned domid, enum device_type type, unsigned number, char back[DEVICE_MAX_FOLDER],
                    char front[DEVICE_MAX_FOLDER])
{
    struct places p = places_of(domid, type, number);

    memcpy(back, p.back, PATH);
    memcpy(front, p.front, PATH);
}

// --- Adding

// The owner of a folder writes in it, the other side reads.
static int write_folder(struct xs *xs, xs_tx tx, const char *folder, unsigned owner, unsigned reader, const struct node *nodes)
{
    char perms[32], path[2 * PATH];
    int length = snprintf(perms, sizeof(perms), "n%u%cr%u", owner, 0, reader);
    int rc = xs_make(xs, tx, folder);

    if (!rc)
        rc = xs_set_perms(xs, tx, folder, perms, (size_t)length + 1);
    for (; nodes->name && !rc; nodes++) {
        snprintf(path, sizeof(path), "%s/%s", folder, nodes->name);
        rc = xs_set(xs, tx, path, nodes->value, strlen(nodes->value));
        if (!rc)
            rc = xs_set_perms(xs, tx, path, perms, (size_t)length + 1);
    }
    return rc;
}

static int is_there(struct xs *xs, xs_tx tx, const char *folder)
{
    char *value;
    int rc = xs_get(xs, tx, folder, &value, NULL);

    if (!rc)
        free(value);
    return !rc ? -EEXIST : rc == -ENOENT ? 0 : rc;
}

static int write_device(struct xs *xs, const struct places *p, unsigned domid, const struct node *front, const struct node *back)
{
    xs_tx tx;
    int rc = xs_begin(xs, &tx), ended;

    if (rc)
        return rc;
    rc = is_there(xs, tx, p->back);
    if (!rc)
        rc = is_there(xs, tx, p->front);        // of another kind of back end
    if (!rc)
        rc = write_folder(xs, tx, p->front, domid, 0, front);
    if (!rc)
        rc = write_folder(xs, tx, p->back, 0, domid, back);
    ended = xs_end(xs, tx, !rc);
    return rc ? rc : ended;
}

static int add(struct xs *xs, unsigned domid, enum device_type type, unsigned number, struct node *front, struct node *back,
               struct vane_error *error)
{
    struct places p = places_of(domid, type, number);
    int rc = -EAGAIN;

    snprintf(front[0].value, sizeof(front[0].value), "%s", p.back);
    snprintf(back[0].value, sizeof(back[0].value), "%s", p.front);
    snprintf(back[1].value, sizeof(back[1].value), "%u", domid);
    for (unsigned i = 0; i < TRIES && rc == -EAGAIN; i++)
        rc = write_device(xs, &p, domid, front, back);
    if (rc == -EEXIST)
        return vane_fail(error, VANE_EXISTS, "domain %u has a device %s %u already: detach it first", domid, type_names[type].front,
                         number);
    return rc ? vane_fail_errno(error, rc, "the store refuses device %s %u of domain %u", type_names[type].front, number, domid) : 0;
}

// Disks behind the sixteenth, and those only, are numbered in the wide way.
int device_disk_number(const char *target, unsigned *number, struct vane_error *error)
{
    unsigned disk = 0, letters = 0, partition = 0;
    const char *at;
    int used = 0;

    if (strncmp(target, "xvd", 3) || target[3] < 'a' || target[3] > 'z')
        return vane_fail(error, VANE_INVALID, "disk %s: its target is not xvda to xvdzz", target);
    for (at = target + 3; *at >= 'a' && *at <= 'z' && letters < 3; at++, letters++)
        disk = disk * 26 + (unsigned)(*at - 'a') + 1;
    if (letters > 2)
        return vane_fail(error, VANE_INVALID, "disk %s: its target is not xvda to xvdzz", target);
    if (*at && (*at < '0' || *at > '9' || sscanf(at, "%3u%n", &partition, &used) != 1 || at[used] || !partition || partition > 15))
        return vane_fail(error, VANE_INVALID, "disk %s: behind the letters there may be a partition's number, 1 to 15", target);
    disk--;
    *number = disk < MAX_NARROW_DISKS ? MAJOR_XVD << 8 | disk << 4 | partition : 1u << 28 | disk << 8 | partition;
    return 0;
}

static int identify(const struct device_disk *disk, struct node *path, struct node *numbers, struct vane_error *error)
{
    struct stat stat_of;

    if (stat(disk->path, &stat_of))
        return vane_fail_errno(error, errno, "disk %s: %s", disk->target, disk->path);
    if (!S_ISBLK(stat_of.st_mode))
        return vane_fail(error, VANE_INVALID, "disk %s: %s is no block device", disk->target, disk->path);
    snprintf(path->value, sizeof(path->value), "%s", disk->path);
    snprintf(numbers->value, sizeof(numbers->value), "%x:%x", major(stat_of.st_rdev), minor(stat_of.st_rdev));
    return 0;
}

int device_add_disk(struct xs *xs, unsigned domid, const struct device_disk *disk, struct vane_error *error)
{
    struct node front[] = {
        { "backend", "" }, { "backend-id", "0" }, { "state", "1" }, { "virtual-device", "" }, { "device-type", "disk" },
        { NULL, "" },
    };
    struct node back[] = {
        { "frontend", "" }, { "frontend-id", "" }, { "online", "1" }, { "removable", "0" }, { "bootable", "1" },
        { "dev", "" }, { "mode", "" }, { "device-type", "disk" }, { "state", "1" }, { "type", "phy" }, { "params", "" },
        { "physical-device", "" }, { NULL, "" },
    };
    unsigned number;
    int rc = device_disk_number(disk->target, &number, error);

    if (disk->path && rc == 0)
        rc = identify(disk, &back[10], &back[11], error);
    else
        back[9].name = NULL;                // the rest is for the kernel
    if (rc)
        return rc;
    snprintf(front[3].value, sizeof(front[3].value), "%u", number);
    snprintf(back[5].value, sizeof(back[5].value), "%s", disk->target);
    snprintf(back[6].value, sizeof(back[6].value), disk->read_only ? "r" : "w");
    return add(xs, domid, disk->path ? DEVICE_DISK : DEVICE_OWN_DISK, number, front, back, error);
}

int device_free_nic(struct xs *xs, unsigned domid, unsigned *index, struct vane_error *error)
{
    char *value;
    int rc = 0;

    for (*index = 0; *index < MAX_NICS && rc == 0; ++*index) {
        rc = xs_get(xs, XS_NO_TX, places_of(domid, DEVICE_NIC, *index).front, &value, NULL);
        if (rc == 0)
            free(value);
        else if (rc == -ENOENT)
            return 0;
    }
    return rc ? vane_fail_errno(error, rc, "looking for NICs of domain %u in the store", domid)
              : vane_fail(error, VANE_NO_RESOURCE, "domain %u has %u NICs: detach one first", domid, MAX_NICS);
}

int device_add_nic(struct xs *xs, unsigned domid, const struct device_nic *nic, struct vane_error *error)
{
    struct node front[] = {
        { "backend", "" }, { "backend-id", "0" }, { "state", "1" }, { "handle", "" }, { "mac", "" }, { NULL, "" },
    };
    struct node back[] = {
        { "frontend", "" }, { "frontend-id", "" }, { "online", "1" }, { "handle", "" }, { "mac", "" }, { "state", "1" },
        { "type", "vif" }, { "bridge", "" }, { "script", "-" }, { NULL, "" },   // without a script the kernel's does not start
    };

    if (!if_nametoindex(nic->bridge))
        return vane_fail(error, VANE_INVALID, "NIC %u: there is no bridge %s: make it (ip link add %s type bridge) or name another",
                         nic->index, nic->bridge, nic->bridge);
    if (nic->mac[0] & 1)
        return vane_fail(error, VANE_INVALID, "NIC %u: its address starts with %02x, which is a group's: use an even first byte",
                         nic->index, nic->mac[0]);
    snprintf(front[3].value, sizeof(front[3].value), "%u", nic->index);
    snprintf(front[4].value, sizeof(front[4].value), "%02x:%02x:%02x:%02x:%02x:%02x", nic->mac[0], nic->mac[1], nic->mac[2],
             nic->mac[3], nic->mac[4], nic->mac[5]);
    back[3] = front[3];
    back[4] = front[4];
    snprintf(back[7].value, sizeof(back[7].value), "%s", nic->bridge);
    if (nic->is_own)
        back[6].name = NULL;                // the rest is for the kernel
    return add(xs, domid, nic->is_own ? DEVICE_OWN_NIC : DEVICE_NIC, nic->index, front, back, error);
}

// --- The host's side

int device_loop(const char *path, bool read_only, int *fd, char device[32], struct vane_error *error)
{
    struct loop_config config = { .info.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0) };
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), flags = read_only ? O_RDONLY : O_RDWR, free_loop = -1;
    int file = open(path, flags | O_CLOEXEC), rc = -1, failed = errno;

    *fd = -1;
    if (file < 0)
        rc = vane_fail_errno(error, failed, "disk file %s", path);
    else if (control < 0)
        rc = vane_fail(error, VANE_UNSUPPORTED, "disk file %s: there is no /dev/loop-control: load the module loop", path);
    config.fd = (unsigned)file;
    // Another process may take the one that is free now.
    for (unsigned i = 0; i < TRIES && rc == -1 && *fd < 0; i++) {
        free_loop = ioctl(control, LOOP_CTL_GET_FREE);
        snprintf(device, 32, "/dev/loop%d", free_loop);
        *fd = free_loop < 0 ? -1 : open(device, flags | O_CLOEXEC);
        if (*fd >= 0 && ioctl(*fd, LOOP_CONFIGURE, &config)) {
            failed = errno;
            close(*fd);
            *fd = -1;
            if (failed != EBUSY)
                break;
        }
    }
    if (file >= 0)
        close(file);
    if (control >= 0)
        close(control);
    if (*fd >= 0)
        return 0;
    return rc == -1 ? vane_fail_errno(error, failed, "disk file %s: making a loop device", path) : rc;
}

static int join_bridge(const char *interface, const char *bridge)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;
    struct ifreq request = { .ifr_ifindex = (int)if_nametoindex(interface) };

    if (fd < 0)
        return -errno;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", bridge);
    if (ioctl(fd, SIOCBRADDIF, &request) && errno != EBUSY)
        rc = -errno;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    if (!rc && ioctl(fd, SIOCGIFFLAGS, &request))
        rc = -errno;
    request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
    if (!rc && ioctl(fd, SIOCSIFFLAGS, &request))
        rc = -errno;
    close(fd);
    return rc;
}

int device_plug_nic(struct xs *xs, unsigned domid, const struct device_nic *nic, bool *ready, struct vane_error *error)
{
    struct places p = places_of(domid, DEVICE_NIC, nic->index);
    char interface[IFNAMSIZ], path[2 * PATH];
    int rc;

    snprintf(interface, sizeof(interface), "vif%u.%u", domid & 0x7fff, nic->index & 0xff);
    *ready = if_nametoindex(interface);
    if (!*ready)
        return 0;
    rc = join_bridge(interface, nic->bridge);
    if (rc)
        return vane_fail_errno(error, rc, "NIC %u: putting %s on bridge %s", nic->index, interface, nic->bridge);
    snprintf(path, sizeof(path), "%s/hotplug-status", p.back);
    rc = xs_set(xs, XS_NO_TX, path, "connected", 9);
    return rc ? vane_fail_errno(error, rc, "writing %s in the store", path) : 0;
}

// --- Removing

static unsigned state_at(struct xs *xs, const char *folder)
{
    char path[2 * PATH], *value;
    unsigned state;
    int rc;

    snprintf(path, sizeof(path), "%s/state", folder);
    rc = xs_get(xs, XS_NO_TX, path, &value, NULL);
    if (rc)
        return rc == -ENOENT ? XenbusStateUnknown : UINT_MAX;       // the store does not say: nothing follows from that
    state = (unsigned)strtoul(value, NULL, 10);
    free(value);
    return state;
}

int device_states(struct xs *xs, unsigned domid, enum device_type type, unsigned number, unsigned *back, unsigned *front,
                  struct vane_error *error)
{
    struct places p = places_of(domid, type, number);

    *back = state_at(xs, p.back);
    *front = state_at(xs, p.front);
    if (!*back && !*front)
        return vane_fail(error, VANE_NOT_FOUND, "domain %u has no device %s %u", domid, type_names[type].front, number);
    return 0;
}

static int remove_node(struct xs *xs, const char *path, struct vane_error *error)
{
    int rc = xs_remove(xs, XS_NO_TX, path);

    return rc && rc != -ENOENT ? vane_fail_errno(error, rc, "removing %s from the store", path) : 0;
}

// A front end that has not begun knows of no back end to let go of: a guest without a driver never does.
static bool is_closed(unsigned back, unsigned front)
{
    return back == XenbusStateUnknown || back == XenbusStateClosed ||
           (back <= XenbusStateInitWait && front <= XenbusStateInitialising);
}

// The backend closes when it sees online 0 and its state Closing; the frontend follows.
int device_close(struct xs *xs, unsigned domid, enum device_type type, unsigned number, bool *gone, struct vane_error *error)
{
    struct places p = places_of(domid, type, number);
    unsigned state = state_at(xs, p.back);
    char path[2 * PATH];
    int rc;

    *gone = is_closed(state, state_at(xs, p.front));
    if (*gone || state == XenbusStateClosing)
        return 0;
    snprintf(path, sizeof(path), "%s/online", p.back);
    rc = xs_set(xs, XS_NO_TX, path, "0", 1);
    snprintf(path, sizeof(path), "%s/state", p.back);
    if (!rc)
        rc = xs_set(xs, XS_NO_TX, path, "5", 1);
    return rc ? vane_fail_errno(error, rc, "writing %s in the store", path) : 0;
}

// The front end's folder may be another back end's.
static bool is_front_of(struct xs *xs, const struct places *p)
{
    char path[2 * PATH], *value;
    bool is_ours;

    snprintf(path, sizeof(path), "%s/backend", p->front);
    if (xs_get(xs, XS_NO_TX, path, &value, NULL))
        return false;
    is_ours = strcmp(value, p->back) == 0;
    free(value);
    return is_ours;
}

int device_remove(struct xs *xs, unsigned domid, enum device_type type, unsigned number, bool force, bool *gone,
                  struct vane_error *error)
{
    struct places p = places_of(domid, type, number);
    int rc = 0;

    *gone = force;
    if (!force)
        rc = device_close(xs, domid, type, number, gone, error);
    if (rc == 0 && *gone && is_front_of(xs, &p))
        rc = remove_node(xs, p.front, error);
    return rc || !*gone ? rc : remove_node(xs, p.back, error);
}

int device_remove_all(struct xs *xs, unsigned domid, struct vane_error *error)
{
    char path[PATH];
    int rc = 0;

    for (unsigned type = 0; type < DEVICE_NR_TYPES && !rc; type++) {
        snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u", type_names[type].back, domid);
        rc = remove_node(xs, path, error);
    }
    return rc;
}
