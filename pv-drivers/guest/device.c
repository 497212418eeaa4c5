// SPDX-License-Identifier: MIT
//
// Which devices the guest has, as the toolstack wrote them into the store, and its disks.
#include "bus/text.h"
#include "guest/guest.h"
#include "public/errno.h"

#define MAX_LIST 1024u
#define PATIENCE_NS 10000000000ull

static int read_node(const char *own, const char *leaf, char *value, size_t size)
{
    char path[STORE_MAX_PATH];

    format(path, sizeof(path), "%s/%s", own, leaf);
    return guest_store.ops->read(&guest_store, path, value, size);
}

// The number of the nth device in a list of names, by rank.
static bool find_nth(const char *names, size_t size, unsigned nth, uint64_t *number)
{
    uint64_t least = 0;

    for (unsigned i = 0; i <= nth; i++) {
        uint64_t best = UINT64_MAX;
        for (size_t at = 0; at < size; at += strlen(names + at) + 1) {
            uint64_t value;
            if (text_parse_u64(names + at, UINT32_MAX, &value) && value >= least && value < best)
                best = value;
        }
        if (best == UINT64_MAX)
            return false;
        *number = best;
        least = best + 1;
    }
    return true;
}

int device_find(const char *kind, unsigned nth, struct guest_device *dev)
{
    char names[MAX_LIST];
    char value[STORE_MAX_VALUE];
    uint64_t number;
    uint64_t domid = 0;

    format(dev->own, sizeof(dev->own), "device/%s", kind);
    int rc = store_list(dev->own, names, sizeof(names));
    if (rc < 0 || !find_nth(names, (size_t)rc, nth, &number))
        return rc < 0 ? rc : -XEN_ENOENT;
    format(dev->own, sizeof(dev->own), "device/%s/%lu", kind, number);
    rc = read_node(dev->own, "backend", dev->peer, sizeof(dev->peer));
    rc = rc < 0 ? rc : read_node(dev->own, "backend-id", value, sizeof(value));
    if (rc == 0 && !text_parse_u64(value, DOMID_FIRST_RESERVED - 1, &domid))
        rc = -XEN_EINVAL;
    dev->os.backend = (domid_t)domid;
    return rc < 0 ? rc : guest_store.ops->watch(&guest_store, dev->peer);
}

bool device_wait(struct xenbus_device *bus)
{
    uint64_t end = now_ns() + PATIENCE_NS;

    while (bus->own_state != XenbusStateConnected || bus->peer_state != XenbusStateConnected) {
        if (now_ns() >= end) {
            print("%s: its back end %s did not connect within 10 seconds\n", bus->own, bus->peer);
            return false;
        }
        guest_wait(end);
    }
    return true;
}

// What went wrong is in the store's node "error", and tried again at the next change.
static void run_bus(void *bus)
{
    (void)xenbus_run(bus);
}

bool disk_open(struct guest_disk *disk, unsigned nth, const struct blk_front_config *want)
{
    int rc = device_find("vbd", nth, &disk->dev);

    rc = rc < 0 ? rc : blk_front_init(&disk->front, &disk->dev.os, &guest_store, disk->dev.own, disk->dev.peer, want);
    if (rc < 0) {
        print("disk %u: %s (error %d)\n", nth, rc == -XEN_ENOENT ? "the guest has no such disk" : "it cannot be set up", -rc);
        return false;
    }
    guest_on_change(run_bus, &disk->front.bus);
    run_bus(&disk->front.bus);
    return device_wait(&disk->front.bus);
}
