// SPDX-License-Identifier: MIT
//
// What a guest's Ethernet frame holds: where its headers lie, how the kernel is to finish its
// checksum and cut it into segments, and whether the guest may send it. The frame is a private copy.
#pragma once

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/net_stats.h"

#define NET_MAC 6u
#define NET_ETHERNET 14u             // bytes of its header
#define NET_MAX_ADDRESSES 8u         // of either family

struct net_layout {
    uint16_t type;                   // the protocol in the Ethernet header
    uint8_t protocol;                // in the IP header, behind extension headers
    uint32_t l4;                     // where that one's header begins
    uint32_t end;                    // of the IP packet; what follows is padding
    bool is_fragment;                // of a larger IP packet
};

// What the front end says of a frame.
struct net_offload {
    bool is_blank;                   // the checksum is
    uint8_t gso_type;                // XEN_NETIF_GSO_TYPE_*
    uint16_t gso_size;
};

// What a guest may send: any source address of the lists, by the names of its own MAC.
struct net_filter {
    bool has_mac;
    uint8_t mac[NET_MAC];
    unsigned nr_ipv4, nr_ipv6;       // both 0: whatever it likes
    uint8_t ipv4[NET_MAX_ADDRESSES][4];
    uint8_t ipv6[NET_MAX_ADDRESSES][16];
};

// False if it is neither IPv4 nor IPv6, or broken; only `type` is set then.
bool net_frame_parse(const uint8_t *frame, uint32_t size, struct net_layout *l);
// Describes the offload to the kernel, and puts the checksum of the pseudo header where the kernel
// wants it. False if the frame does not hold what the front end says.
bool net_frame_offload(uint8_t *frame, uint32_t size, const struct net_offload *o, struct virtio_net_hdr *h);
bool net_filter_allows(const struct net_filter *f, const uint8_t *frame, uint32_t size);
// The address that the guest says is its own, in ARP or neighbour discovery. False: the frame says nothing of that.
bool net_frame_sender(const uint8_t *frame, uint32_t size, struct net_address *a);
