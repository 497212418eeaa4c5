// SPDX-License-Identifier: MIT
//
// Ethernet frames for tests of the network drivers.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FRAME_MAC { 0x00, 0x16, 0x3e, 0x01, 0x02, 0x03 }

// TCP (or, if `is_udp`, UDP) over IPv4 or IPv6 with so much payload, a pattern of `seed`; the checksum
// field holds 0. From 10.0.0.1 or fd00::1, FRAME_MAC. Returns the size.
uint32_t frame_make(uint8_t *frame, bool is_v6, bool is_udp, uint32_t payload, unsigned seed);
// ARP from 10.0.0.1, FRAME_MAC, of 60 bytes: who has 10.0.0.2?
uint32_t frame_make_arp(uint8_t *frame);
// The checksum that the protocol would have, over what is there.
uint16_t frame_checksum(const uint8_t *frame, bool is_v6, uint32_t size);
// As a receiver does: pseudo header, header and payload add up.
bool frame_is_right(const uint8_t *frame, bool is_v6, uint32_t size);
