// SPDX-License-Identifier: MIT
//
// vane-net: the network back end, one process for each device. It opens what it needs, gives up every other
// right, and serves until the toolstack takes its interfaces away. Killed and started again with the
// same arguments it goes on where it was.
#include <arpa/inet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "host/program.h"
#include "net/net_back.h"

#define MAX_NICS 8u
#define MEMORY_PER_QUEUE ((size_t)3 << 20)    // a batch of frames, those read ahead, stack
#define MAX_MTU (65535u - NET_ETHERNET)

struct nic {
    struct program_device device;
    const char *tap, *bridge, *mac, *addresses;
    uint64_t vlan, mtu, is_down;
    uint64_t packets_per_second, bytes_per_second;
    struct net_back driver;
};

static struct nic nics[MAX_NICS];

#define OF(member) offsetof(struct nic, member)
static const struct program_option options[] = {
    { "tap", 's', OF(tap), 0, "NAME    the TAP device, made if there is none" },
    { "bridge", 's', OF(bridge), 0, "NAME which it joins" },
    { "vlan", 'n', OF(vlan), 4094, "N      of the bridge, instead of its default" },
    { "mtu", 'n', OF(mtu), MAX_MTU, "N       of the TAP device" },
    { "down", 'b', OF(is_down), 0, "        as if no cable were in, until the TAP device is set up" },
    { "mac", 's', OF(mac), 0, "MAC     the guest's: it may send from no other" },
    { "addresses", 's', OF(addresses), 0, "A,A,... IPv4 and IPv6: it may send from no other" },
    { "packets", 'n', OF(packets_per_second), 1000000000, "N   from the guest, a second" },
    { "bytes", 'n', OF(bytes_per_second), 1ull << 50, "N     from the guest, a second" },
};

static void parse_mac(const char *text, struct net_filter *f)
{
    unsigned m[NET_MAC];
    char rest;

    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &rest) != NET_MAC || (m[0] & 1))
        program_stop("--mac", "must be six hexadecimal bytes with colons between them, the first one even");
    for (unsigned i = 0; i < NET_MAC; i++)
        f->mac[i] = (uint8_t)m[i];
    f->has_mac = true;
}

static bool add_address(const char *text, struct net_filter *f)
{
    if (f->nr_ipv4 < NET_MAX_ADDRESSES && inet_pton(AF_INET, text, f->ipv4[f->nr_ipv4]) == 1) {
        f->nr_ipv4++;
        return true;
    }
    if (f->nr_ipv6 < NET_MAX_ADDRESSES && inet_pton(AF_INET6, text, f->ipv6[f->nr_ipv6]) == 1) {
        f->nr_ipv6++;
        return true;
    }
    return false;
}

static void parse_addresses(const char *list, struct net_filter *f)
{
    char text[INET6_ADDRSTRLEN];

    while (*list) {
        size_t length = strcspn(list, ",");
        snprintf(text, sizeof(text), "%.*s", (int)length, list);
        if (length >= sizeof(text) || !add_address(text, f))
            program_stop("--addresses", "must be IPv4 and IPv6 addresses with commas between them, eight of each at most");
        list += length + (list[length] == ',');
    }
}

static void open_link(struct nic *nic)
{
    const struct tap_options tap = { .name = nic->tap, .bridge = nic->bridge, .vlan = (unsigned)nic->vlan,
                                     .mtu = (unsigned)nic->mtu, .is_down = nic->is_down,
                                     .nr_queues = (unsigned)nic->device.nr_queues };
    char why[PROGRAM_MAX_WHY];

    if (tap_open(&nic->driver.tap, &tap, why, sizeof(why)) < 0)
        program_stop("--tap", why);
}

static struct back *open_nic(void *device)
{
    struct nic *nic = device;
    const struct program_device *d = &nic->device;
    struct net_back *b = &nic->driver;

    limit_init(&b->interface.limit, nic->packets_per_second, nic->bytes_per_second);
    b->journal = program_map_file(d->state, sizeof(*b->journal));
    b->stats = program_map_file(d->stats, sizeof(*b->stats));
    if (nic->mac)
        parse_mac(nic->mac, &b->interface.filter);
    if (nic->addresses)
        parse_addresses(nic->addresses, &b->interface.filter);
    open_link(nic);
    for (unsigned i = 0; i < 2 * d->nr_queues; i++)
        b->transports[i / 2][i % 2] = program_open_transport();
    b->back.ops = &net_back_ops;
    return &b->back;
}

static const unsigned long controls[] = { TUNSETOFFLOAD, TUNSETQUEUE, TUNSETCARRIER, SIOCGIFFLAGS };

static const struct program program = {
    .name = "vane-net", .usage = "--tap NAME", .options = options,
    .nr_options = sizeof(options) / sizeof(options[0]), .devices = nics, .device_size = sizeof(nics[0]),
    .max_devices = MAX_NICS, .max_queues = NET_MAX_QUEUES, .memory_per_queue = MEMORY_PER_QUEUE,
    .required = OF(tap), .open = open_nic,
    .controls = controls, .nr_controls = sizeof(controls) / sizeof(controls[0]),
};

int main(int argc, char **argv)
{
    return program_main(&program, argc, argv);
}
