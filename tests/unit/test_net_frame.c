// SPDX-License-Identifier: MIT
// Frames as the network back end sees them: what a guest may send, and frames that are none.
#include "net/net_frame.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/frames.h"
#include "public/io/netif.h"
#include "unit_main.h"

static uint8_t frame[2048];

static const struct net_filter mac_only = { .has_mac = true, .mac = FRAME_MAC };
static const struct net_filter strict = { .has_mac = true, .mac = FRAME_MAC, .nr_ipv4 = 1, .nr_ipv6 = 1,
    .ipv4 = { { 10, 0, 0, 1 } }, .ipv6 = { { 0xfd, [15] = 1 } } };

static uint32_t make_icmpv6(unsigned type, bool has_option)
{
    static const uint8_t own[16] = { 0xfd, [15] = 1 }, mac[] = FRAME_MAC;
    uint32_t size = frame_make(frame, true, true, has_option ? 24 : 16, 1);

    frame[20] = 58;
    frame[21] = 255;
    memset(frame + 54, 0, size - 54);
    frame[54] = (uint8_t)type;
    memcpy(frame + 62, own, 16);
    if (has_option) {
        frame[78] = 2;
        frame[79] = 1;
        memcpy(frame + 80, mac, 6);
    }
    return size;
}

// An echo request behind a hop-by-hop header.
static uint32_t make_extended(void)
{
    uint32_t size = make_icmpv6(128, false);

    memmove(frame + 62, frame + 54, size - 54);
    memset(frame + 54, 0, 8);
    frame[54] = 58;
    frame[20] = 0;
    frame[19] = (uint8_t)(size + 8 - 54);
    return size + 8;
}

enum frame_kind { UDP4, ARP, TCP6, ECHO6, ADVERTISEMENT6, EXTENDED6 };

static uint32_t make_kind(enum frame_kind kind)
{
    switch (kind) {
    case UDP4: return frame_make(frame, false, true, 100, 1);
    case ARP: return frame_make_arp(frame);
    case TCP6: return frame_make(frame, true, false, 100, 1);
    case ECHO6: return make_icmpv6(128, false);
    case ADVERTISEMENT6: return make_icmpv6(136, true);
    default: return make_extended();
    }
}

// Frames that may be sent, and what becomes of them when so many bytes from there on get a value. To the filter that
// knows no addresses only the MAC in the Ethernet header matters.
static const struct {
    const char *what;
    enum frame_kind kind;
    bool is_allowed;
    uint32_t cut;            // to so many bytes; 0: whole
    struct { uint8_t at, nr, value; } changes[12];
} frames[] = {
    { "a packet of its own", UDP4, true, 0, { { 0 } } },
    { "from another MAC", UDP4, false, 0, { { 11, 1, 2 } } },
    { "from another address", UDP4, false, 0, { { 29, 1, 0 } } },
    { "the packet is cut off", UDP4, false, 60, { { 0 } } },
    { "from no address", UDP4, false, 0, { { 26, 4, 0 } } },
    { "asks for an address", UDP4, true, 0, { { 26, 4, 0 }, { 34, 1, 0 }, { 35, 1, 68 }, { 36, 1, 0 }, { 37, 1, 67 } } },
    { "no protocol of ours", UDP4, false, 0, { { 13, 1, 1 } } },
    { "ping", UDP4, true, 0, { { 23, 1, 1 }, { 34, 1, 8 } } },
    { "a redirect", UDP4, false, 0, { { 23, 1, 1 }, { 34, 1, 5 } } },
    { "a redirect's first fragment", UDP4, false, 0, { { 23, 1, 1 }, { 34, 1, 5 }, { 20, 1, 0x20 } } },
    { "a later fragment's data", UDP4, true, 0, { { 23, 1, 1 }, { 34, 1, 5 }, { 20, 1, 0x20 }, { 21, 1, 1 } } },

    { "ARP of its own", ARP, true, 0, { { 0 } } },
    { "ARP, cut off", ARP, false, 41, { { 0 } } },
    { "ARP from another address", ARP, false, 0, { { 31, 1, 0 } } },
    { "asks who has another's address", ARP, false, 0, { { 28, 4, 0 } } },
    { "asks who has its own", ARP, true, 0, { { 28, 4, 0 }, { 41, 1, 1 } } },
    { "the same for another MAC", ARP, false, 0, { { 28, 4, 0 }, { 41, 1, 1 }, { 22, 1, 1 } } },

    { "a packet of its own, IPv6", TCP6, true, 0, { { 0 } } },
    { "from another address, IPv6", TCP6, false, 0, { { 37, 1, 0 } } },
    { "from no address, IPv6", TCP6, false, 0, { { 22, 16, 0 } } },
    { "from the address of its MAC", TCP6, true, 0, { { 22, 16, 0 }, { 22, 1, 0xfe }, { 23, 1, 0x80 }, { 30, 1, 2 },
        { 31, 1, 0x16 }, { 32, 1, 0x3e }, { 33, 1, 0xff }, { 34, 1, 0xfe }, { 35, 1, 1 }, { 36, 1, 2 }, { 37, 1, 3 } } },

    { "advertises itself", ADVERTISEMENT6, true, 0, { { 0 } } },
    { "an option with another MAC", ADVERTISEMENT6, false, 0, { { 85, 1, 2 } } },
    { "an option without length", ADVERTISEMENT6, false, 0, { { 79, 1, 0 } } },
    { "an option that is too long", ADVERTISEMENT6, false, 0, { { 79, 1, 2 } } },
    { "advertises another", ADVERTISEMENT6, false, 0, { { 62, 1, 0xfc } } },
    { "a router", ECHO6, false, 0, { { 54, 1, 134 } } },
    { "a redirect, IPv6", ECHO6, false, 0, { { 54, 1, 137 } } },
    { "ping, IPv6", ECHO6, true, 0, { { 0 } } },
    { "nameless ping", ECHO6, false, 0, { { 22, 16, 0 } } },
    { "asks for another", ECHO6, true, 0, { { 54, 1, 135 }, { 62, 1, 0xfc } } },
    { "nameless, asks for another", ECHO6, false, 0, { { 54, 1, 135 }, { 62, 1, 0xfc }, { 22, 16, 0 } } },
    { "nameless, asks who is there", ECHO6, true, 0, { { 54, 1, 135 }, { 22, 16, 0 } } },
    { "nameless, advertises", ECHO6, false, 0, { { 54, 1, 136 }, { 22, 16, 0 } } },

    { "ping behind another header", EXTENDED6, true, 0, { { 0 } } },
    { "a router behind it", EXTENDED6, false, 0, { { 62, 1, 134 } } },
    { "a fragment of ping", EXTENDED6, false, 0, { { 20, 1, 44 } } },
    { "a fragment of UDP", EXTENDED6, true, 0, { { 20, 1, 44 }, { 54, 1, 17 } } },
    { "headers go on in the next fragment", EXTENDED6, false, 0, { { 20, 1, 44 }, { 54, 1, 60 } } },
    { "a header longer than the packet", EXTENDED6, false, 0, { { 55, 1, 200 } } },
};

static void test_filter(void)
{
    static const struct net_filter none;

    for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        uint32_t size = make_kind(frames[i].kind);
        for (unsigned n = 0; n < 12 && frames[i].changes[n].nr; n++) {
            memset(frame + frames[i].changes[n].at, frames[i].changes[n].value, frames[i].changes[n].nr);
        }
        size = frames[i].cut ? frames[i].cut : size;
        bool has_own_mac = frame[11] == 3;
        bool is_right = net_filter_allows(&strict, frame, size) == frames[i].is_allowed &&
                        net_filter_allows(&mac_only, frame, size) == has_own_mac &&
                        net_filter_allows(&none, frame, size);
        if (!is_right) {
            fprintf(stderr, "filter: %s\n", frames[i].what);
        }
        CU_ASSERT(is_right);
    }
}

// What a frame says of its sender, after such changes; a TCP packet says nothing.
static const struct {
    const char *what;
    enum frame_kind kind;
    const char *address;     // NULL: none
    uint32_t cut;
    struct { uint8_t at, nr, value; } changes[4];
} senders[] = {
    { "ARP", ARP, "10.0.0.1", 0, { { 0 } } },
    { "ARP's answer", ARP, "10.0.0.1", 0, { { 21, 1, 2 } } },
    { "just all of ARP", ARP, "10.0.0.1", 42, { { 0 } } },
    { "ARP, cut off", ARP, NULL, 41, { { 0 } } },
    { "ARP in the name of another MAC", ARP, NULL, 0, { { 27, 1, 4 } } },
    { "ARP from another MAC", ARP, NULL, 0, { { 11, 1, 4 } } },
    { "asks who has an address", ARP, NULL, 0, { { 28, 4, 0 } } },
    { "ARP of other hardware", ARP, NULL, 0, { { 15, 1, 6 } } },
    { "a packet", UDP4, NULL, 0, { { 0 } } },
    { "a packet, IPv6", TCP6, NULL, 0, { { 0 } } },
    { "neighbour advertisement", ADVERTISEMENT6, "fd00::1", 0, { { 0 } } },
    { "for whom it speaks is another", ADVERTISEMENT6, "fd00::1", 0, { { 62, 1, 0xfc } } },
    { "neighbour solicitation", ECHO6, "fd00::1", 0, { { 54, 1, 135 } } },
    { "solicitation, cut off", ECHO6, NULL, 77, { { 54, 1, 135 } } },
    { "one that says that it is shorter", ECHO6, NULL, 0, { { 54, 1, 135 }, { 19, 1, 23 } } },
    { "solicitation from no address", ECHO6, NULL, 0, { { 54, 1, 135 }, { 22, 16, 0 } } },
    { "advertisement from no address", ADVERTISEMENT6, NULL, 0, { { 22, 16, 0 } } },
    { "one that a router has passed on", ADVERTISEMENT6, NULL, 0, { { 21, 1, 254 } } },
    { "ping, IPv6", ECHO6, NULL, 0, { { 0 } } },
    { "no IPv6", ADVERTISEMENT6, NULL, 0, { { 14, 1, 0x40 } } },
    { "another protocol's", ADVERTISEMENT6, NULL, 0, { { 20, 1, 17 } } },
    { "a tagged frame", ARP, NULL, 0, { { 12, 1, 0x81 }, { 13, 1, 0 } } },
    { "no frame", ARP, NULL, 13, { { 0 } } },
};

static void test_senders(void)
{
    for (unsigned i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
        uint32_t size = make_kind(senders[i].kind);
        struct net_address a;
        char text[INET6_ADDRSTRLEN] = "";
        for (unsigned n = 0; n < 4 && senders[i].changes[n].nr; n++) {
            memset(frame + senders[i].changes[n].at, senders[i].changes[n].value, senders[i].changes[n].nr);
        }
        size = senders[i].cut ? senders[i].cut : size;
        uint8_t *exact = malloc(size);    // so that a sanitizer sees what is read behind it
        memcpy(exact, frame, size);
        bool is_known = net_frame_sender(exact, size, &a);
        free(exact);
        if (is_known) {
            inet_ntop(a.size == 4 ? AF_INET : AF_INET6, a.bytes, text, sizeof(text));
        }
        bool is_right = is_known == (senders[i].address != NULL) && strcmp(text, is_known ? senders[i].address : "") == 0;
        if (!is_right) {
            fprintf(stderr, "sender: %s: %s\n", senders[i].what, text);
        }
        CU_ASSERT(is_right);
    }
}

// No truncation and no damage makes the parser read outside (a sanitizer would say so).
static void test_parser(void)
{
    const struct net_offload gso = { .gso_type = XEN_NETIF_GSO_TYPE_TCPV6, .gso_size = 100 };
    struct virtio_net_hdr h;
    struct net_address address;
    unsigned seed = 1;

    for (unsigned i = 0; i < 60000; i++) {
        uint32_t size = i % 3 == 0 ? make_icmpv6(135 + i % 2, true) : frame_make(frame, i & 1, i & 2, i % 50, i);
        for (unsigned n = 0; n < i % 4; n++) {
            seed = seed * 1103515245 + 12345;
            frame[12 + (seed >> 8) % (size - 12)] = (uint8_t)(seed >> 24) % 64;
        }
        seed = seed * 1103515245 + 12345;
        size = 14 + (seed >> 8) % (size - 13);
        uint8_t *exact = malloc(size);
        memcpy(exact, frame, size);
        net_filter_allows(&strict, exact, size);
        net_frame_sender(exact, size, &address);
        if (net_frame_offload(exact, size, &gso, &h)) {
            CU_ASSERT(h.csum_start + h.csum_offset + 2u <= size && h.hdr_len <= size);
        }
        free(exact);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "filter", test_filter },
        { "senders", test_senders },
        { "parser", test_parser },
        { 0 },
    };

    return unit_main("net_frame", tests);
}
