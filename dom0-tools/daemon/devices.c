// SPDX-License-Identifier: MIT
// What of a definition's disks and NICs can be served, and the addresses of NICs that have none.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pv-drivers/net/net_stats.h"
#include "vaned.h"

enum { USUAL_MTU = 1500 };

bool disk_is_ours(const struct disk *disk)
{
    return disk->driver != DRIVER_KERNEL;
}

bool nic_is_ours(const struct nic *nic)
{
    return nic->driver != DRIVER_KERNEL;
}

static int check_disk(const struct disk *d, struct vane_error *error)
{
    const char *const source = d->type == DISK_FILE ? d->file : d->type == DISK_BLOCK ? d->block
                                                                : d->socket ? d->socket : d->host;
    static const char *const sources[] = { "file", "block", "host or socket" };

    if (!source)
        return vane_fail(error, VANE_INVALID, "disk %s has no %s: name one", d->target, sources[d->type]);
    if (d->format != FORMAT_RAW && (d->type == DISK_NETWORK || !disk_is_ours(d)))
        return vane_fail(error, VANE_UNSUPPORTED, "disk %s is of the format qcow2, which only our back end serves, and of the types file "
                         "and block: convert it to raw, or have its server read it", d->target);
    if (disk_is_ours(d))
        return 0;
    if (d->type == DISK_NETWORK)
        return vane_fail(error, VANE_UNSUPPORTED, "disk %s is of type network, which the kernel's back end cannot serve: leave "
                         "out the driver", d->target);
    if (d->bytes_limit || d->iops_limit)
        return vane_fail(error, VANE_UNSUPPORTED, "disk %s has a limit, which the kernel's back end does not keep: leave out the "
                         "limit or the driver", d->target);
    return 0;
}

static int check_nic(const struct nic *n, unsigned index, struct vane_error *error)
{
    const struct { bool is_said; const char *what; } ours[] = {
        { n->ip, "its only address" }, { n->link_down, "its link down" }, { n->vlan, "a VLAN" }, { n->mtu != USUAL_MTU, "an MTU" },
        { n->queues > 1, "a number of queues" }, { n->kib_limit || n->packets_limit, "a limit" },
    };

    if (n->type != NIC_BRIDGE || !n->bridge)
        return vane_fail(error, VANE_UNSUPPORTED, "NIC %u has no bridge, and else it cannot be served yet: name one", index);
    if (n->queues > NET_MAX_QUEUES)
        return vane_fail(error, VANE_UNSUPPORTED, "NIC %u has %" PRIu64 " queues, and at most %u can be served: lower that", index,
                         n->queues, NET_MAX_QUEUES);
    for (size_t i = 0; !nic_is_ours(n) && i < sizeof(ours) / sizeof(ours[0]); i++)
        if (ours[i].is_said)
            return vane_fail(error, VANE_UNSUPPORTED, "NIC %u has %s, which the kernel's back end does not keep: leave out that or "
                             "the driver", index, ours[i].what);
    return 0;
}

int devices_check(const struct definition *d, struct vane_error *error)
{
    const struct disk *disks = d->disks.items;
    const struct nic *nics = d->nics.items;
    int rc = 0;

    for (size_t i = 0; i < d->disks.count && rc == 0; i++)
        rc = check_disk(&disks[i], error);
    for (size_t i = 0; i < d->nics.count && rc == 0; i++)
        rc = check_nic(&nics[i], (unsigned)i, error);
    return rc;
}

const char *nic_device(const struct nic *nic)
{
    static const char *const made_up[] = { "vif", "vnet", "tap" };

    for (size_t i = 0; nic->device && i < sizeof(made_up) / sizeof(made_up[0]); i++)
        if (strncmp(nic->device, made_up[i], strlen(made_up[i])) == 0)
            return NULL;
    return nic_is_ours(nic) ? nic->device : NULL;
}

static int check_pair(const struct definition *d, unsigned i, const struct definition *other, struct vane_error *error)
{
    const struct nic *nic = (const struct nic *)d->nics.items + i, *others = other->nics.items;
    uint8_t mac[6], theirs[6];

    nic_address(d, i, mac);
    for (unsigned k = 0; k < other->nics.count; k++) {
        // The kernel lets two processes share a device of several queues, and each would get the other's packets.
        if (nic_device(nic) && nic_device(&others[k]) && strcmp(nic_device(nic), nic_device(&others[k])) == 0)
            return vane_fail(error, VANE_EXISTS, "NIC %u has the device %s, as NIC %u of %s has: change one of them", i, nic->device, k,
                             other->name);
        if (!nic->bridge || !others[k].bridge || strcmp(nic->bridge, others[k].bridge) != 0)
            continue;
        nic_address(other, k, theirs);
        if (memcmp(mac, theirs, sizeof(mac)) == 0)
            return vane_fail(error, VANE_EXISTS, "NIC %u has the address %02x:%02x:%02x:%02x:%02x:%02x on bridge %s, as NIC %u of %s "
                             "has: change one of them", i, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], nic->bridge, k,
                             other->name);
    }
    return 0;
}

int devices_check_others(const struct vaned *v, const struct definition *d, struct vane_error *error)
{
    int rc = 0;

    for (const struct domain *other = v->domains; other && rc == 0; other = other->next)
        for (unsigned i = 0; other->phase != PHASE_OFF && strcmp(other->def.uuid, d->uuid) != 0 && i < d->nics.count && rc == 0; i++)
            rc = check_pair(d, i, &other->def, error);
    return rc;
}

void nic_address(const struct definition *d, unsigned index, uint8_t mac[6])
{
    const struct nic *nic = (const struct nic *)d->nics.items + index;

    if (!nic->mac || sscanf(nic->mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
                            &mac[5]) != 6)
        nic_make_address(d, index, mac);
}

// Of Xen's range, and the same at each start.
void nic_make_address(const struct definition *d, unsigned number, uint8_t mac[6])
{
    uint32_t hash = 2166136261u;            // FNV-1a
    uint8_t uuid[16];

    uuid_bytes(d->uuid, uuid);
    for (unsigned i = 0; i < 17; i++)
        hash = (hash ^ (i < 16 ? uuid[i] : number)) * 16777619u;
    mac[0] = 0, mac[1] = 0x16, mac[2] = 0x3e;
    mac[3] = (uint8_t)(hash >> 16), mac[4] = (uint8_t)(hash >> 8), mac[5] = (uint8_t)hash;
}
