// SPDX-License-Identifier: MIT
//
// A network interface's requests and responses: a tx ring for what the guest sends and an rx ring for
// what it is sent, of one page each. What is negotiated in the store stands in pv-drivers/README.md.
//
// A packet the guest sends is a chain of slots:
//
//     netif_tx_request    size = that of the whole packet; the first fragment's is what the others leave
//     netif_extra_info    if NETTXF_extra_info; the next one if XEN_NETIF_EXTRA_FLAG_MORE
//     netif_tx_request    if NETTXF_more_data in the fragment before; size = its own
//
// Each is answered, those with extra info by NETIF_RSP_NULL. A packet the guest is sent is a chain of
// responses in the same order, each in its request's slot, with status = the fragment's size.
// Source: Xen's public io/netif.h.

#pragma once

#include "../grant_table.h"
#include "ring.h"

#define XEN_NETIF_NR_SLOTS_MIN 18       // slots of one packet that a backend takes, at least
#define XEN_NETIF_MAX_TX_SIZE  0xffff

// netif_tx_request.flags
#define NETTXF_csum_blank     (1 << 0) // the protocol's checksum is not there yet
#define NETTXF_data_validated (1 << 1) // it was found right
#define NETTXF_more_data      (1 << 2)
#define NETTXF_extra_info     (1 << 3)

// netif_extra_info.type and .flags
#define XEN_NETIF_EXTRA_TYPE_NONE      0
#define XEN_NETIF_EXTRA_TYPE_GSO       1
#define XEN_NETIF_EXTRA_TYPE_MCAST_ADD 2
#define XEN_NETIF_EXTRA_TYPE_MCAST_DEL 3
#define XEN_NETIF_EXTRA_TYPE_HASH      4
#define XEN_NETIF_EXTRA_TYPE_MAX       5
#define XEN_NETIF_EXTRA_FLAG_MORE      (1 << 0)

#define XEN_NETIF_GSO_TYPE_NONE  0
#define XEN_NETIF_GSO_TYPE_TCPV4 1
#define XEN_NETIF_GSO_TYPE_TCPV6 2

// netif_rx_response.flags
#define NETRXF_data_validated (1 << 0)
#define NETRXF_csum_blank     (1 << 1)
#define NETRXF_more_data      (1 << 2)
#define NETRXF_extra_info     (1 << 3)
#define NETRXF_gso_prefix     (1 << 4) // of the past

#define NETIF_RSP_DROPPED -2
#define NETIF_RSP_ERROR   -1
#define NETIF_RSP_OKAY    0
#define NETIF_RSP_NULL    1

#ifndef __ASSEMBLY__

struct netif_tx_request {
    grant_ref_t gref;
    uint16_t offset;        // within the page
    uint16_t flags;         // NETTXF_*
    uint16_t id;            // the frontend's, returned with the response
    uint16_t size;
};

struct netif_extra_info {
    uint8_t type;           // XEN_NETIF_EXTRA_TYPE_*
    uint8_t flags;          // XEN_NETIF_EXTRA_FLAG_*
    union {
        struct {
            uint16_t size;      // payload of each segment
            uint8_t type;       // XEN_NETIF_GSO_TYPE_*
            uint8_t pad;
            uint16_t features;  // 0
        } gso;
        struct {
            uint8_t addr[6];
        } mcast;
        struct {
            uint8_t type;
            uint8_t algorithm;
            uint8_t value[4];
        } hash;
        uint16_t pad[3];
    } u;
};

struct netif_tx_response {
    uint16_t id;
    int16_t status;         // NETIF_RSP_*
};

struct netif_rx_request {
    uint16_t id;
    uint16_t pad;
    grant_ref_t gref;
};

struct netif_rx_response {
    uint16_t id;
    uint16_t offset;        // of the data, within the page
    uint16_t flags;         // NETRXF_*
    int16_t status;         // NETIF_RSP_*, or the data's size
};

#endif
