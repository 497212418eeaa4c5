// SPDX-License-Identifier: MIT
#include "net/net_frame.h"

#include <string.h>

#include "public/io/netif.h"

enum { TYPE_IPV4 = 0x0800, TYPE_ARP = 0x0806, TYPE_IPV6 = 0x86dd };
enum { HOP_BY_HOP = 0, ICMP = 1, TCP = 6, UDP = 17, ROUTING = 43, FRAGMENT = 44, ICMPV6 = 58, DESTINATION = 60 };
enum { ROUTER_ADVERTISEMENT = 134, NEIGHBOUR_SOLICITATION = 135, NEIGHBOUR_ADVERTISEMENT = 136, REDIRECT = 137,
       MULTICAST_REPORT = 143 };
enum { REDIRECT4 = 5 };

#define IPV4_HEADER 20u
#define IPV6_HEADER 40u
#define IPV6_SOURCE 8u               // where the source lies in its header
#define ARP_SIZE 28u
#define NEIGHBOUR_SIZE 24u           // of its messages, without options
#define MAX_EXTENSIONS 8u

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

// ------------------------------------------------------------------------------------------------
// Where headers lie.

static bool parse_ipv4(const uint8_t *frame, uint32_t size, struct net_layout *l)
{
    const uint8_t *ip = frame + NET_ETHERNET;
    uint32_t room = size - NET_ETHERNET;

    if (room < IPV4_HEADER || ip[0] >> 4 != 4)
        return false;
    uint32_t header = (ip[0] & 15u) * 4;
    uint32_t total = get16(ip + 2);
    if (header < IPV4_HEADER || total < header || total > room)
        return false;
    l->protocol = ip[9];
    l->l4 = NET_ETHERNET + header;
    l->end = NET_ETHERNET + total;
    l->is_fragment = (get16(ip + 6) & 0x3fff) != 0;    // more to come, or an offset
    return true;
}

static bool is_extension(uint8_t protocol)
{
    return protocol == HOP_BY_HOP || protocol == ROUTING || protocol == FRAGMENT || protocol == DESTINATION;
}

static bool parse_ipv6(const uint8_t *frame, uint32_t size, struct net_layout *l)
{
    const uint8_t *ip = frame + NET_ETHERNET;
    uint32_t room = size - NET_ETHERNET;

    if (room < IPV6_HEADER || ip[0] >> 4 != 6 || get16(ip + 4) > room - IPV6_HEADER)
        return false;
    l->protocol = ip[6];
    l->l4 = NET_ETHERNET + IPV6_HEADER;
    l->end = l->l4 + get16(ip + 4);
    for (unsigned i = 0; is_extension(l->protocol); i++) {
        const uint8_t *extension = frame + l->l4;
        if (i == MAX_EXTENSIONS || l->end - l->l4 < 8)
            return false;
        uint32_t length = l->protocol == FRAGMENT ? 8 : (extension[1] + 1u) * 8;
        if (length > l->end - l->l4)
            return false;
        l->is_fragment = l->protocol == FRAGMENT;
        l->protocol = extension[0];
        l->l4 += length;
        if (l->is_fragment)
            return !is_extension(l->protocol);    // headers that go on in the next fragment hide something
    }
    return true;
}

bool net_frame_parse(const uint8_t *frame, uint32_t size, struct net_layout *l)
{
    *l = (struct net_layout){ .type = size < NET_ETHERNET ? 0 : (uint16_t)get16(frame + 12) };
    return l->type == TYPE_IPV4 ? parse_ipv4(frame, size, l) :
           l->type == TYPE_IPV6 ? parse_ipv6(frame, size, l) : false;
}

// ------------------------------------------------------------------------------------------------
// Checksums and segments.

static uint32_t add_up(const uint8_t *at, uint32_t size, uint32_t sum)
{
    for (uint32_t i = 0; i < size; i += 2)
        sum += get16(at + i);
    return sum;
}

// Source, destination, protocol and length; the kernel adds what follows.
static void put_pseudo_sum(uint8_t *frame, const struct net_layout *l, uint32_t at)
{
    bool is_v4 = l->type == TYPE_IPV4;
    const uint8_t *addresses = frame + NET_ETHERNET + (is_v4 ? 12 : IPV6_SOURCE);
    uint32_t sum = add_up(addresses, is_v4 ? 8 : 32, l->protocol + l->end - l->l4);

    sum = (sum & 0xffff) + (sum >> 16);
    sum += sum >> 16;
    frame[at] = (uint8_t)(sum >> 8);
    frame[at + 1] = (uint8_t)sum;
}

// The length of the headers of a packet to be cut up, which is always TCP; 0 if it is not what it should be.
static uint16_t headers_of(const uint8_t *frame, const struct net_layout *l, uint8_t gso_type)
{
    uint16_t wanted = gso_type == XEN_NETIF_GSO_TYPE_TCPV4 ? TYPE_IPV4 : TYPE_IPV6;

    if (l->protocol != TCP || l->type != wanted)
        return 0;
    uint32_t header = (frame[l->l4 + 12] >> 4) * 4u;
    return header >= 20 && header <= l->end - l->l4 ? (uint16_t)(l->l4 + header) : 0;
}

bool net_frame_offload(uint8_t *frame, uint32_t size, const struct net_offload *o, struct virtio_net_hdr *h)
{
    struct net_layout l;
    bool is_segmented = o->gso_type != XEN_NETIF_GSO_TYPE_NONE;

    *h = (struct virtio_net_hdr){ 0 };
    if (!o->is_blank && !is_segmented)
        return true;
    if (!net_frame_parse(frame, size, &l) || l.is_fragment || (l.protocol != TCP && l.protocol != UDP) ||
        l.end - l.l4 < (l.protocol == TCP ? 20 : 8))
        return false;
    h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    h->csum_start = (uint16_t)l.l4;
    h->csum_offset = l.protocol == TCP ? 16 : 6;
    put_pseudo_sum(frame, &l, l.l4 + h->csum_offset);
    if (is_segmented) {
        h->gso_type = l.type == TYPE_IPV4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
        h->gso_size = o->gso_size;
        h->hdr_len = headers_of(frame, &l, o->gso_type);
    }
    return !is_segmented || (h->hdr_len && h->gso_size);
}

// ------------------------------------------------------------------------------------------------
// What may be sent. A list of addresses lets nothing through but IP, ARP and neighbour discovery, all
// in the guest's own name.

static bool is_zero(const uint8_t *at, uint32_t size)
{
    return at[0] == 0 && memcmp(at, at + 1, size - 1) == 0;
}

static bool is_ipv4_own(const struct net_filter *f, const uint8_t *address)
{
    for (unsigned i = 0; i < f->nr_ipv4; i++)
        if (memcmp(f->ipv4[i], address, 4) == 0)
            return true;
    return false;
}

// A link-local address that is made of the MAC needs no permission.
static bool is_ipv6_own(const struct net_filter *f, const uint8_t *address)
{
    const uint8_t *m = f->mac;
    const uint8_t local[16] = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5] };
    bool found = f->has_mac && memcmp(local, address, 16) == 0;

    for (unsigned i = 0; i < f->nr_ipv6 && !found; i++)
        found = memcmp(f->ipv6[i], address, 16) == 0;
    return found;
}

static bool is_arp(const uint8_t *frame, uint32_t size)
{
    static const uint8_t ethernet_ipv4[] = { 0, 1, 8, 0, 6, 4 };

    return size >= NET_ETHERNET + ARP_SIZE && memcmp(frame + NET_ETHERNET, ethernet_ipv4, sizeof(ethernet_ipv4)) == 0;
}

// Its sender: the MAC and the address; no address is a question whether somebody has the one that it is about to take.
static bool allows_arp(const struct net_filter *f, const uint8_t *frame, uint32_t size)
{
    const uint8_t *arp = frame + NET_ETHERNET;

    return is_arp(frame, size) && (!f->has_mac || memcmp(arp + 8, f->mac, NET_MAC) == 0) &&
           is_ipv4_own(f, is_zero(arp + 14, 4) ? arp + 24 : arp + 14);
}

// Only the first fragment holds the type.
static bool is_redirect4(const uint8_t *frame, const struct net_layout *l)
{
    return l->protocol == ICMP && (get16(frame + NET_ETHERNET + 6) & 0x1fff) == 0 && l->end > l->l4 &&
           frame[l->l4] == REDIRECT4;
}

// Without an address a guest asks a DHCP server for one.
static bool allows_ipv4(const struct net_filter *f, const uint8_t *frame, const struct net_layout *l)
{
    const uint8_t *source = frame + NET_ETHERNET + 12;

    return (is_ipv4_own(f, source) && !is_redirect4(frame, l)) ||
           (is_zero(source, 4) && l->protocol == UDP && !l->is_fragment && l->end - l->l4 >= 8 &&
            get16(frame + l->l4) == 68 && get16(frame + l->l4 + 2) == 67);
}

// Options that name a MAC name the guest's.
static bool has_own_options(const struct net_filter *f, const uint8_t *frame, uint32_t at, uint32_t end)
{
    while (at < end) {
        uint32_t length = end - at >= 8 ? frame[at + 1] * 8u : 0;
        bool is_mac = frame[at] == 1 || frame[at] == 2;
        if (length == 0 || length > end - at || (is_mac && f->has_mac && memcmp(frame + at + 2, f->mac, NET_MAC) != 0))
            return false;
        at += length;
    }
    return true;
}

// Without a name of its own it asks whether somebody has the one that it is about to take.
static bool allows_icmpv6(const struct net_filter *f, const uint8_t *frame, const struct net_layout *l, bool is_nameless)
{
    const uint8_t *icmp = frame + l->l4;
    uint32_t size = l->end - l->l4;
    unsigned type = size >= 4 ? icmp[0] : 0;

    if (type == ROUTER_ADVERTISEMENT || type == REDIRECT || l->is_fragment)
        return false;
    if (type == NEIGHBOUR_SOLICITATION || type == NEIGHBOUR_ADVERTISEMENT) {
        return size >= NEIGHBOUR_SIZE && has_own_options(f, frame, l->l4 + NEIGHBOUR_SIZE, l->end) &&
               (type == NEIGHBOUR_SOLICITATION ? !is_nameless || is_ipv6_own(f, icmp + 8) :
                !is_nameless && is_ipv6_own(f, icmp + 8));
    }
    return !is_nameless || type == MULTICAST_REPORT;
}

static bool allows_ipv6(const struct net_filter *f, const uint8_t *frame, const struct net_layout *l)
{
    const uint8_t *source = frame + NET_ETHERNET + IPV6_SOURCE;
    bool is_nameless = is_zero(source, 16);

    if (!is_nameless && !is_ipv6_own(f, source))
        return false;
    return l->protocol == ICMPV6 ? allows_icmpv6(f, frame, l, is_nameless) : !is_nameless;
}

bool net_filter_allows(const struct net_filter *f, const uint8_t *frame, uint32_t size)
{
    struct net_layout l;

    if (f->has_mac && memcmp(frame + NET_MAC, f->mac, NET_MAC) != 0)
        return false;
    if (f->nr_ipv4 + f->nr_ipv6 == 0)
        return true;
    bool is_ip = net_frame_parse(frame, size, &l);
    return l.type == TYPE_ARP ? allows_arp(f, frame, size) : !is_ip ? false :
           l.type == TYPE_IPV4 ? allows_ipv4(f, frame, &l) : allows_ipv6(f, frame, &l);
}

// ------------------------------------------------------------------------------------------------
// What the guest's addresses are. Only what hosts say of themselves on their own link counts: a packet's source may be
// anybody's, where the guest is a router. Neighbour discovery that a router has passed on has not got this hop limit any more.

static bool is_neighbours(const uint8_t *frame, uint32_t size)
{
    const uint8_t *ip = frame + NET_ETHERNET, *icmp = ip + IPV6_HEADER;

    return size >= NET_ETHERNET + IPV6_HEADER + NEIGHBOUR_SIZE && ip[6] == ICMPV6 && ip[7] == 255 && ip[0] >> 4 == 6 &&
           get16(ip + 4) >= NEIGHBOUR_SIZE && (icmp[0] == NEIGHBOUR_SOLICITATION || icmp[0] == NEIGHBOUR_ADVERTISEMENT);
}

// No address is there while the guest asks whether somebody has the one that it is about to take.
bool net_frame_sender(const uint8_t *frame, uint32_t size, struct net_address *a)
{
    unsigned type = size < NET_ETHERNET ? 0 : get16(frame + 12);
    const uint8_t *inner = frame + NET_ETHERNET, *address = NULL;
    uint8_t length = type == TYPE_ARP ? 4 : 16;

    if (type == TYPE_ARP && is_arp(frame, size) && memcmp(inner + 8, frame + NET_MAC, NET_MAC) == 0)
        address = inner + 14;
    else if (type == TYPE_IPV6 && is_neighbours(frame, size))
        address = inner + IPV6_SOURCE;
    if (!address || is_zero(address, length))
        return false;
    *a = (struct net_address){ .size = length };
    memcpy(a->bytes, address, length);
    return true;
}
